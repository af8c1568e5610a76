"""Which runs of the table are still missing, for each fault and shape. Pure.

Runs go in rounds: a round is one run of each shape under one fault, so that every cell has about as many runs
as the others whenever the measurement is stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What is to be run next: one fault with these shapes, once."""

    scenario: str
    shapes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Of the runs of a fault with a shape that are there."""

    decided: int = 0
    tried: int = 0


def missing(
    counts: Mapping[tuple[str, str], Count], scenarios: Sequence[str], shapes: Sequence[str], *, wanted: int
) -> Iterator[Round]:
    """The next rounds, those of the faults with fewest runs first. A cell whose runs do not decide is tried
    at most twice as often as was asked for."""
    rounds = []
    for scenario in scenarios:
        cells = {shape: counts.get((scenario, shape), Count()) for shape in shapes}
        lacking = tuple(
            shape for shape, one in cells.items() if one.decided < wanted and one.tried < 2 * wanted
        )
        if lacking:
            least = min(cells[shape].decided for shape in lacking)
            fewest = tuple(shape for shape in lacking if cells[shape].decided == least)
            rounds.append((least, Round(scenario=scenario, shapes=fewest)))
    yield from (one for _, one in sorted(rounds, key=lambda one: one[0]))
