"""Which runs behind a proxy are missing: evenly, and without end for none."""

from __future__ import annotations

from lab.haproxy.rounds import Count, Round, missing

SHAPES = ("role", "fast")


def rounds(counts: dict[tuple[str, str], Count], wanted: int = 2) -> list[Round]:
    return list(missing(counts, ("kill", "planned"), SHAPES, wanted=wanted))


def test_fault_with_fewest_runs_comes_first() -> None:
    """Each with the shapes that have fewest of them."""
    counts = {
        ("kill", "role"): Count(decided=1, tried=1),
        ("kill", "fast"): Count(decided=1, tried=1),
        ("planned", "role"): Count(decided=1, tried=1),
    }
    assert rounds(counts) == [
        Round(scenario="planned", shapes=("fast",)),
        Round(scenario="kill", shapes=SHAPES),
    ]


def test_cell_that_never_decides_is_given_up() -> None:
    """After twice as many runs as were asked for; complete cells need none."""
    counts = {
        ("kill", "role"): Count(decided=1, tried=4),
        ("kill", "fast"): Count(decided=2, tried=2),
        ("planned", "role"): Count(decided=2, tried=3),
        ("planned", "fast"): Count(decided=0, tried=3),
    }
    assert rounds(counts) == [Round(scenario="planned", shapes=("fast",))]
