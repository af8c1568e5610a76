"""Two suites, cell by cell: what differs, by how much, and whether chance alone would do that.

A cell of one is compared with the cell of the other that ran the same thing. What may differ between the
two (engine, deployment, a varied setting) is what is compared, and is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.errors import UsageError
from harness.many.difference import Difference, Direction, between_figures, between_shares, corrected
from harness.many.statistics import median
from harness.many.summary import CellSummary, Figures, Seen, Summary
from harness.model.cells import CONFIDENCE
from harness.model.judgement import Interval
from harness.model.plan import shared_label
from harness.model.words import Shows, Verdict

DOUBT = 1 - CONFIDENCE

KEPT, SHOWN = "kept", "shown"
"""What the share of runs that passed is called, of a promise and of a weakness."""


class Sense(StrEnum):
    WORSE = "worse"
    BETTER = "better"
    BROKEN = "newly broken"
    """A promise that every decided run kept before, and that some run broke after: no matter how often."""
    WITHIN_NOISE = "within the noise"
    """Different, and chance alone does that too often to say more."""
    SAME = "the same"


WORST_FIRST = (Sense.BROKEN, Sense.WORSE, Sense.BETTER, Sense.WITHIN_NOISE, Sense.SAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One figure, finding or promise of one cell, before and after."""

    cell: str
    what: str
    unit: str
    """Empty: a share of runs."""
    before: Seen | Interval
    """A share of runs, or a median."""
    after: Seen | Interval
    runs: tuple[int, int]
    difference: Difference
    """Its chance is corrected for the number of comparisons."""
    sense: Sense = Sense.SAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    differs: tuple[str, ...]
    """What else is different about the two, one clause each: a difference may come from that."""
    comparisons: tuple[Comparison, ...]
    """Worst first."""
    only_before: tuple[str, ...]
    only_after: tuple[str, ...]
    """Cells without a counterpart."""
    undecided_before: tuple[str, ...] = ()
    undecided_after: tuple[str, ...] = ()
    """Cells with a counterpart of which no run was decided on that side: what they keep is not known."""

    @property
    def worse(self) -> tuple[Comparison, ...]:
        return tuple(one for one in self.comparisons if one.sense in {Sense.WORSE, Sense.BROKEN})


def compare(before: Summary, after: Summary) -> Compared:
    """
    Raises:
        UsageError: no cell of one has a counterpart in the other, or it is not clear which.
    """
    pairs = _pairs(before.cells, after.cells)
    if not pairs:
        raise UsageError(f"nothing to compare: {_apart(before.cells, after.cells)}")
    found = [one for pair in pairs for one in _compared(*pair)]
    chances = corrected([one.difference.chance for one in found])
    judged = [_judged(one, chance) for one, chance in zip(found, chances, strict=True)]
    paired = [id(one) for pair in pairs for one in pair]
    return Compared(
        differs=tuple(_differing(before, after, pairs)),
        comparisons=tuple(
            sorted(judged, key=lambda one: (WORST_FIRST.index(one.sense), one.difference.chance))
        ),
        only_before=tuple(one.name for one in before.cells if id(one) not in paired),
        only_after=tuple(one.name for one in after.cells if id(one) not in paired),
        undecided_before=tuple(one.name for one, _ in pairs if _is_undecided(one)),
        undecided_after=tuple(one.name for _, one in pairs if _is_undecided(one)),
    )


def _is_undecided(cell: CellSummary) -> bool:
    return not cell.kept.runs and cell.verdict != Verdict.SKIPPED


def _names(cells: Sequence[CellSummary]) -> str:
    return ", ".join(sorted({one.file for one in cells})[:3]) or "no run"


def _apart(before: Sequence[CellSummary], after: Sequence[CellSummary]) -> str:
    """Why no cell has a counterpart."""
    if not {one.file for one in before} & {one.file for one in after}:
        return f"expected runs of the same scenarios, found {_names(before)} and {_names(after)}"
    for what, dimension in zip(("engine", "deployment", "settings"), _DIMENSIONS, strict=True):
        left, right = ({dimension(one) or "its own" for one in cells} for cells in (before, after))
        if not left & right and not _is_compared(dimension, before, after):
            found = " and ".join(", ".join(sorted(one)) for one in (left, right))
            return f"expected the same {what}, or one on either side, found {found}"
    return (
        "expected a scenario with the same engine, deployment and settings on either side, found none: "
        "compare suites that differ in one of these"
    )


Key = tuple[str, ...]

_DIMENSIONS: tuple[Callable[[CellSummary], str], ...] = (
    lambda cell: cell.engine_asked,
    lambda cell: cell.deployment_file,
    lambda cell: " ".join(cell.varied),
)
"""What may be compared. The scenario may not."""


def _pairs(
    before: Sequence[CellSummary], after: Sequence[CellSummary]
) -> list[tuple[CellSummary, CellSummary]]:
    """Cells that agree in their scenario and in whatever is no difference between the two as a whole."""
    same = [one for one in _DIMENSIONS if not _is_compared(one, before, after)]

    def key(cell: CellSummary) -> Key:
        return (cell.file, *(one(cell) for one in same))

    counterparts = {key(one): one for one in after}
    if len(counterparts) < len(after) or len({key(one) for one in before}) < len(before):
        raise UsageError(
            "expected one cell for each scenario on either side, found several that differ in more than "
            "one thing: compare suites that differ in their engine, their deployment or one setting"
        )
    return [(one, counterparts[key(one)]) for one in before if key(one) in counterparts]


def _is_compared(
    dimension: Callable[[CellSummary], str], before: Sequence[CellSummary], after: Sequence[CellSummary]
) -> bool:
    """One value on the one side, another one on the other."""
    left, right = set(map(dimension, before)), set(map(dimension, after))
    return len(left) == len(right) == 1 and left != right


def _differing(
    before: Summary, after: Summary, pairs: Sequence[tuple[CellSummary, CellSummary]]
) -> Iterator[str]:
    for name in ("engine", "backend", "timing", "kit", "jobs"):
        left, right = getattr(before, name), getattr(after, name)
        if left != right:
            yield f"{name}: {left} → {right}"
    said = all(one.set is not None for pair in pairs for one in pair)
    for name, dimension in (
        ("deployment", _DIMENSIONS[1]),
        ("settings", _settings if said else _DIMENSIONS[2]),
    ):
        left, right = {dimension(one) for one, _ in pairs}, {dimension(one) for _, one in pairs}
        if left != right:
            yield f"{name}: {' '.join(sorted(left)) or 'its own'} → {' '.join(sorted(right)) or 'its own'}"


def _settings(cell: CellSummary) -> str:
    return " ".join((*(cell.set or ()), *cell.varied))


def _compared(before: CellSummary, after: CellSummary) -> Iterator[Comparison]:
    promise = before.shows == Shows.PROMISE
    name = shared_label(before.name, after.name)
    yield _rates(name, KEPT if promise else SHOWN, before.kept, after.kept, more_is_better=promise)
    for what in sorted({*before.findings, *after.findings}):
        left, right = (_seen(cell, what) for cell in (before, after))
        yield _rates(name, what, left, right)
    for what, figures in before.figures.items():
        if what in after.figures:
            yield _figures(name, what, figures, after.figures[what])


def _seen(cell: CellSummary, finding: str) -> Seen:
    """A finding that no run proved is left out of a summary."""
    return cell.findings.get(finding, Seen(seen=0, runs=cell.kept.runs))


def _rates(cell: str, what: str, before: Seen, after: Seen, *, more_is_better: bool = False) -> Comparison:
    return Comparison(
        cell=cell,
        what=what,
        unit="",
        before=before,
        after=after,
        runs=(before.runs, after.runs),
        difference=between_shares(
            (before.seen, after.seen), (before.runs, after.runs), more_is_better=more_is_better
        ),
    )


def _figures(cell: str, what: str, before: Figures, after: Figures) -> Comparison:
    left, right = before.intervals, after.intervals
    nothing = Interval(low=0, high=0)
    return Comparison(
        cell=cell,
        what=what,
        unit=before.unit,
        before=median(left) if left else nothing,
        after=median(right) if right else nothing,
        runs=(len(left), len(right)),
        difference=between_figures(left, right),
    )


def _judged(one: Comparison, chance: float) -> Comparison:
    difference = replace(one.difference, chance=chance)
    return replace(one, difference=difference, sense=_sense(one, difference))


def _sense(one: Comparison, found: Difference) -> Sense:
    worse, known = found.direction is Direction.WORSE, found.direction is not Direction.UNKNOWN
    if one.what == KEPT and worse and isinstance(one.before, Seen) and _always(one.before):
        return Sense.BROKEN
    if found.chance < DOUBT and known:
        return Sense.WORSE if worse else Sense.BETTER
    return Sense.WITHIN_NOISE if known else Sense.SAME


def _always(seen: Seen) -> bool:
    return 0 < seen.seen == seen.runs
