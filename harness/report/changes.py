"""What changed since the suite before: scenarios whose word is another one now.

A glance, and no comparison: a single run on either side says nothing about chance. `compare` does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.many.cells import cells_of
from harness.model.cells import Cell
from harness.model.plan import RunKey
from harness.model.results import SuiteResult
from harness.model.words import Verdict
from harness.report.cells import verdict_of
from harness.report.words import verdict_word


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    before: str
    now: str
    cell: Cell

    @property
    def verdict(self) -> Verdict:
        return self.cell.verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Against the suite of the same name that ran before, in the same folder for results."""

    since: str
    """The folder of that suite."""
    elsewhere: str
    """In what else the two differ: `Redis 7.0.15, now Valkey 9.1.2`; empty: in nothing."""
    changed: tuple[Change, ...]
    same: int
    """Scenarios that are as they were."""


def changes(before: SuiteResult, now: SuiteResult) -> Changes:
    """Of what both have run; what only one of them has run is no change."""
    then = {_key(one): one for one in cells_of(before.results)}
    pairs = [(then[_key(one)], one) for one in cells_of(now.results) if _key(one) in then]
    both = [pair for pair in pairs if all(one.verdict is not Verdict.SKIPPED for one in pair)]
    found = tuple(
        Change(before=_word(old), now=_word(new), cell=new) for old, new in both if old.verdict != new.verdict
    )
    return Changes(
        since=Path(before.directory).name,
        elsewhere=_elsewhere(before, now),
        changed=found,
        same=len(both) - len(found),
    )


def _key(cell: Cell) -> RunKey:
    return cell.first.key.cell


def _word(cell: Cell) -> str:
    return verdict_of(cell) if len(cell.runs) > 1 else verdict_word(cell.first)


def _elsewhere(before: SuiteResult, now: SuiteResult) -> str:
    pairs: Sequence[tuple[str, str]] = (
        (before.backend, now.backend),
        (before.engine, now.engine),
        (before.timing, now.timing),
        (before.kit, now.kit),
    )
    return "; ".join(f"{old}, now {new}" for old, new in pairs if old != new and old and new)
