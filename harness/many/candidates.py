"""What a team may choose between: one candidate for each topology, deployment, engine and set of settings.

A candidate is judged by every scenario that it ran. Trap: two candidates are compared only where they ran
the same scenarios; what one of them was never asked says nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum

from harness.many.statistics import rate
from harness.model.cells import Cell, Rate, Spread
from harness.model.plan import setting_in_short
from harness.model.words import Shows, Verdict

RUNS_TO_COMPARE = 2
"""A single run has no range that another one could lie outside of."""


class Side(IntEnum):
    BETTER = -1
    ALIKE = 0
    WORSE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """A figure in the scenario in which a candidate fared worst."""

    spread: Spread
    cell: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Beaten:
    """Another candidate that is better in something and worse in nothing."""

    by: str
    where: tuple[str, ...]
    """`longest outage (primary killed)`, one for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    label: str
    nodes: int
    cells: tuple[Cell, ...]
    kept: Rate
    """Of all decided runs of promises."""
    worst: dict[str, Worst]
    """Figure -> where it was worst; figures that no run measured are left out."""
    beaten: tuple[Beaten, ...] = ()

    @property
    def promises(self) -> tuple[Cell, ...]:
        return tuple(one for one in self.cells if one.first.shows is Shows.PROMISE)

    @property
    def weaknesses(self) -> tuple[Cell, ...]:
        """What was shown to go wrong, or was promised and did not hold."""
        return tuple(
            one
            for one in self.cells
            if (one.first.shows is Shows.WEAKNESS and one.kept.seen) or one.verdict is Verdict.FAIL
        )


def candidates_of(cells: Sequence[Cell]) -> tuple[Candidate, ...]:
    """In the order in which their first cells come. Cells that were skipped are left out."""
    groups: dict[tuple[str, ...], list[Cell]] = {}
    for cell in cells:
        if cell.verdict is not Verdict.SKIPPED:
            groups.setdefault(_key(cell), []).append(cell)
    found = [_candidate(key, tuple(group)) for key, group in groups.items()]
    return tuple(replace(one, beaten=tuple(_beaten(one, found))) for one in found)


def _key(cell: Cell) -> tuple[str, ...]:
    first = cell.first
    own = first.deployment if first.deployment_file else ""
    engine = first.engine or first.engine_asked
    return tuple(filter(None, (first.topology, own, engine, *map(setting_in_short, first.varied))))


def _candidate(key: tuple[str, ...], cells: tuple[Cell, ...]) -> Candidate:
    promises = [one for one in cells if one.first.shows is Shows.PROMISE]
    names = dict.fromkeys(spread.name for cell in cells for spread in cell.spreads)
    return Candidate(
        label=", ".join(key),
        nodes=max(run.nodes for cell in cells for run in cell.runs),
        cells=cells,
        kept=rate(sum(one.kept.seen for one in promises), sum(one.kept.runs for one in promises)),
        worst={name: _worst(name, promises or cells) for name in names if _measured(name, promises or cells)},
    )


def _measured(name: str, cells: Sequence[Cell]) -> bool:
    return any(spread.name == name for cell in cells for spread in cell.spreads)


def _worst(name: str, cells: Sequence[Cell]) -> Worst:
    """By the median: a single bad run shows in the range."""
    found = [
        Worst(spread=spread, cell=cell) for cell in cells for spread in cell.spreads if spread.name == name
    ]
    return max(found, key=lambda one: (one.spread.median.high, one.spread.median.low, one.spread.range.high))


def _beaten(one: Candidate, all_of: Sequence[Candidate]) -> Iterator[Beaten]:
    for other in all_of:
        if other is one or not _asked_the_same(one, other):
            continue
        sides = dict(_sides(other, one))
        better = tuple(name for name, side in sides.items() if side is Side.BETTER)
        if better and Side.WORSE not in sides.values():
            yield Beaten(by=other.label, where=better)


def _asked_the_same(one: Candidate, other: Candidate) -> bool:
    return {cell.first.file for cell in one.cells} == {cell.first.file for cell in other.cells}


def _sides(one: Candidate, other: Candidate) -> Iterator[tuple[str, Side]]:
    """How `one` compares with `other`, figure by figure. Better or worse: no run of the one came near any
    run of the other."""
    others = {cell.first.file: cell for cell in other.cells}
    for cell in one.cells:
        counterpart = others[cell.first.file]
        name = cell.first.name
        if min(cell.kept.runs, counterpart.kept.runs):
            yield f"kept ({name})", _of_verdicts(cell, counterpart)
        theirs = {spread.name: spread for spread in counterpart.spreads}
        for spread in cell.spreads:
            if spread.name in theirs:
                yield f"{spread.name} ({name})", _of_ranges(spread, theirs[spread.name])


def _of_verdicts(one: Cell, other: Cell) -> Side:
    """A promise that some run broke is worse than one that none did. A weakness is worse if it was always
    shown, and never in the other."""
    if one.first.shows is Shows.PROMISE:
        return Side((one.verdict is Verdict.FAIL) - (other.verdict is Verdict.FAIL))
    if {_shown(one), _shown(other)} == {0.0, 1.0}:
        return Side.WORSE if _shown(one) else Side.BETTER
    return Side.ALIKE


def _shown(cell: Cell) -> float:
    return cell.kept.seen / cell.kept.runs


def _of_ranges(one: Spread, other: Spread) -> Side:
    if min(len(one.values), len(other.values)) < RUNS_TO_COMPARE:
        return Side.ALIKE
    if one.range.high < other.range.low:
        return Side.BETTER
    return Side.WORSE if one.range.low > other.range.high else Side.ALIKE
