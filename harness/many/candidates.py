"""What a team may choose between: one candidate for each topology, deployment, engine and set of settings.

A candidate is judged by every scenario that it ran. Trap: two candidates are compared only where they ran
the same scenarios; what one of them was never asked says nothing about it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harness.many.difference import Difference, Direction, between_figures, between_shares, corrected
from harness.many.figures import FIGURES
from harness.many.statistics import rate
from harness.model.cells import CONFIDENCE, Cell, Rate, Spread
from harness.model.plan import setting_in_short
from harness.model.results import ScenarioResult
from harness.model.words import Shows, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Worst:
    """A figure in the scenario in which a candidate fared worst."""

    spread: Spread
    cell: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Beaten:
    """Another candidate that is better in something and worse in nothing, beyond what chance makes."""

    by: str
    where: tuple[str, ...]
    """`longest outage (primary killed)`, one for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What the data nodes of a candidate used together, in the run in which they used most."""

    most_bytes: int
    cell: Cell
    """With that run."""
    runs: int
    """How many runs say what they used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    label: str
    nodes: int
    memory: Memory | None
    """None: no run says."""
    cells: tuple[Cell, ...]
    kept: Rate
    """Of all decided runs of promises."""
    worst: dict[str, Worst]
    """Figure -> where it was worst; figures that no run measured are left out, and those of `late`."""
    late: frozenset[str] = frozenset()
    """Figures that no run of some promise has, as its machine was late: where they are worst is not known."""
    beaten: tuple[Beaten, ...] = ()

    @property
    def weaknesses(self) -> tuple[Cell, ...]:
        """What was shown to go wrong, or was promised and did not hold."""
        return tuple(
            one
            for one in self.cells
            if (one.first.shows is Shows.WEAKNESS and one.kept.seen) or one.verdict is Verdict.FAIL
        )

    @property
    def undecided(self) -> tuple[Cell, ...]:
        """Of which some run decided nothing; of those with none that did, nothing is known."""
        return tuple(one for one in self.cells if one.undecided)


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
    topology = "" if first.topology in own.lower() else first.topology
    return tuple(filter(None, (topology, own, engine, *map(setting_in_short, first.varied))))


def _candidate(key: tuple[str, ...], cells: tuple[Cell, ...]) -> Candidate:
    promises = [one for one in cells if one.first.shows is Shows.PROMISE]
    of_figures = promises or cells
    late = frozenset(
        one.name
        for one in FIGURES
        if one.takes_time and any(_left_out(one.name, cell) for cell in of_figures)
    )
    names = {spread.name for cell in of_figures for spread in cell.spreads} - late
    return Candidate(
        label=", ".join(key),
        nodes=max(run.nodes for run in _runs(cells)),
        memory=_memory(cells),
        cells=cells,
        kept=rate(sum(one.kept.seen for one in promises), sum(one.kept.runs for one in promises)),
        worst={one.name: _worst(one.name, of_figures) for one in FIGURES if one.name in names},
        late=late,
    )


def _runs(cells: Sequence[Cell]) -> Iterator[ScenarioResult]:
    return (run for cell in cells for run in cell.runs)


def _memory(cells: Sequence[Cell]) -> Memory | None:
    said = [(used, cell) for cell in cells for run in cell.runs if (used := _memory_bytes(run))]
    if not said:
        return None
    most, cell = max(said, key=lambda one: one[0])
    return Memory(most_bytes=most, cell=cell, runs=len(said))


def _memory_bytes(run: ScenarioResult) -> int | None:
    return run.judgement.metrics.memory_bytes if run.judgement else None


def _left_out(name: str, cell: Cell) -> bool:
    """Whether all runs that may have measured it had a late machine."""
    return cell.late > 0 and all(spread.name != name for spread in cell.spreads)


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
        found = list(_contests(other, one))
        chances = corrected([contest.difference.chance for contest in found])
        better = [
            contest.name
            for contest, chance in zip(found, chances, strict=True)
            if contest.difference.direction is Direction.BETTER and chance < 1 - CONFIDENCE
        ]
        if better and not any(
            contest.difference.direction is Direction.WORSE and (contest.certain or chance < 1 - CONFIDENCE)
            for contest, chance in zip(found, chances, strict=True)
        ):
            yield Beaten(by=other.label, where=tuple(better))


def _asked_the_same(one: Candidate, other: Candidate) -> bool:
    return {cell.first.file for cell in one.cells} == {cell.first.file for cell in other.cells}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contest:
    """Two candidates in one figure of one scenario."""

    name: str
    difference: Difference
    certain: bool = False
    """It needs no statistics: a promise was broken."""


def _contests(one: Candidate, other: Candidate) -> Iterator[_Contest]:
    """How `one` compares with `other`."""
    others = {cell.first.file: cell for cell in other.cells}
    for cell in one.cells:
        counterpart = others[cell.first.file]
        yield _of_verdicts(cell, counterpart)
        theirs = {spread.name: spread for spread in counterpart.spreads}
        for spread in cell.spreads:
            if spread.name in theirs:
                yield _of_figure(spread, theirs[spread.name], cell.first.name)


def _of_verdicts(one: Cell, other: Cell) -> _Contest:
    """Of a weakness, less often shown is better."""
    kept, theirs = one.kept, other.kept
    promise = one.first.shows is Shows.PROMISE
    return _Contest(
        name=f"{'kept' if promise else 'shown'} ({one.first.name})",
        difference=between_shares((theirs.seen, kept.seen), (theirs.runs, kept.runs), more_is_better=promise),
        certain=promise and one.verdict is Verdict.FAIL and other.verdict is not Verdict.FAIL,
    )


def _of_figure(one: Spread, other: Spread, scenario: str) -> _Contest:
    return _Contest(
        name=f"{one.name} ({scenario})",
        difference=between_figures(other.values, one.values),
    )
