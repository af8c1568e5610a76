"""What each engine's run of the suite says, as rows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.words import Verdict
from lab.pressure.tally import Tally
from lab.rows import Row, skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class OnEngine:
    """One engine on one backend."""

    name: str
    backend: str
    tally: Tally | None
    """None: it left no summary."""
    engine: str = ""
    """As its nodes reported it."""

    @property
    def title(self) -> str:
        return f"{self.name} on {self.backend}"


def rows(found: Sequence[OnEngine], missing: Sequence[tuple[str, str]]) -> list[Row]:
    """Scenarios that passed on each; all of them must. `missing`: engines that are not here, and why."""
    if not found:
        return [Row(name="engines here", measured=0, at_least=1)]
    return [*(_row(one) for one in found), *(skipped(name, why) for name, why in missing)]


def _row(one: OnEngine) -> Row:
    if one.tally is None:
        return Row(name=one.title, measured=0, at_least=1, unit="passed", note="left no summary")
    counts = ", ".join(
        f"{one.tally.count(verdict)} {verdict}" for verdict in Verdict if one.tally.count(verdict)
    )
    return Row(
        name=one.title,
        measured=one.tally.count(Verdict.PASS),
        at_least=max(1, one.tally.judged),
        unit="passed",
        note="; ".join([f"{one.engine}: {counts or 'nothing was judged'}", *one.tally.reasons]),
    )
