"""What logouts and revocations took and lost, by scenario and by the replicas that WAIT asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

HEAD = (
    "| scenario | WAIT for | runs | p50 | p99 | confirmed | of these undone | undone, and said so before |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run's numbers, of operations that log out or revoke."""

    scenario: str
    replicas: int
    decided: bool
    """Its losses are known: it had a valid audit."""
    p50_ms: float
    p99_ms: float
    """Before the fault."""
    confirmed: int
    """Whose users can be told that it is done: as many replicas have it as were asked for."""
    undone: int
    """Of these."""
    warned: int
    """Undone, and WAIT had said that too few replicas have it."""


def table(runs: Iterable[Run]) -> str:
    """A line for each scenario and number of replicas; runs whose losses are not known count as runs only."""
    cells: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        cells.setdefault((run.scenario, run.replicas), []).append(run)
    return "\n".join([HEAD, *(_line(*cell, found) for cell, found in sorted(cells.items()))])


def _line(scenario: str, replicas: int, runs: Sequence[Run]) -> str:
    known = [one for one in runs if one.decided]
    counted = f"{len(known)}" if len(known) == len(runs) else f"{len(known)} of {len(runs)} decided"
    head = f"| {scenario} | {replicas or 'nobody'} | {counted}"
    if not known:
        return f"{head} | – | – | – | – | – |"
    cells = (
        f"{_span([one.p50_ms for one in known], 1)} ms",
        f"{_span([one.p99_ms for one in known], 1)} ms",
        _span([one.confirmed for one in known], 0),
        _span([one.undone for one in known], 0),
        _span([one.warned for one in known], 0),
    )
    return f"{head} | {' | '.join(cells)} |"


def _span(found: Sequence[float], digits: int) -> str:
    """The median, and in parentheses the least and the most."""
    low, high = f"{min(found):.{digits}f}", f"{max(found):.{digits}f}"
    return f"{median(found):.{digits}f}" + ("" if low == high else f" ({low} to {high})")
