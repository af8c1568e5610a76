"""What runs behind a proxy lost, for each fault and shape, and for each kind of client. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

HEAD = (
    "| fault | shape | runs | with a pool: lost of acked | a connection for each request: lost of acked "
    "| no surviving write |\n"
    "| --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Acked writes since the fault, and how many of them were lost."""

    lost: int
    acked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run's numbers."""

    fault: str
    shape: str
    decided: bool
    """Its losses are known: it had a valid audit."""
    pooled: Share
    per_request: Share
    without_survivor_s: float


def table(runs: Iterable[Run], shapes: Sequence[str]) -> str:
    """A line for each fault and shape, in the order of `shapes`; runs whose losses are not known count as
    runs only."""
    cells: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        cells.setdefault((run.fault, run.shape), []).append(run)
    faults = dict.fromkeys(fault for fault, _ in cells)
    lines = [
        _line(fault, shape, cells[fault, shape])
        for fault in faults
        for shape in shapes
        if (fault, shape) in cells
    ]
    return "\n".join([HEAD, *lines])


def _line(fault: str, shape: str, runs: Sequence[Run]) -> str:
    known = [one for one in runs if one.decided]
    counted = f"{len(known)}" if len(known) == len(runs) else f"{len(known)} of {len(runs)} decided"
    if not known:
        return f"| {fault} | `{shape}` | {counted} | – | – | – |"
    cells = (
        _shares([one.pooled for one in known]),
        _shares([one.per_request for one in known]),
        _seconds([one.without_survivor_s for one in known]),
    )
    return f"| {fault} | `{shape}` | {counted} | {' | '.join(cells)} |"


def _shares(found: Sequence[Share]) -> str:
    """The median, and in parentheses the least and the most that were lost."""
    lost = [one.lost for one in found]
    acked = round(median(one.acked for one in found))
    span = "" if min(lost) == max(lost) else f" ({min(lost)} to {max(lost)})"
    return f"{round(median(lost))}{span} of {acked}"


def _seconds(found: Sequence[float]) -> str:
    span = "" if len(found) == 1 else f" ({min(found):.1f} to {max(found):.1f})"
    return f"{median(found):.1f}{span} s"
