"""A long run is judged part by part, and nobody can tell: the whole judgement is that of the run at once."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.judge import judge
from lab.past import Past
from tests.in_parts import in_parts
from tests.share import examples
from tests.unit.checks.stories import BAD, UNDECIDED
from tests.unit.checks.test_properties import tell

STORIES = {
    story.__name__: story  # type: ignore[union-attr]
    for stories in (BAD, UNDECIDED)
    for told in stories.values()
    for story in ([told] if callable(told) else told)
}


def _alike(past: Past, of: int) -> None:
    history = past.history()
    at_once = judge(history)
    with in_parts(past.history(), min(max(1, of), len(history.operations))) as apart:
        assert judge(apart) == at_once


@pytest.mark.parametrize("name", STORIES)
def test_story_is_judged_alike_in_parts(name: str) -> None:
    """Findings, counts, measures, failovers and reasons, with a boundary between any two operations."""
    _alike(STORIES[name](), 1)


@examples(15, 3)
@given(st.integers(0, 2**32), st.integers(1, 9))
def test_random_run_is_judged_alike_in_parts(seed: int, of: int) -> None:
    """Sessions lie across boundaries, errors are at the same moment in two parts, and a part has one operation
    alone: all but the last."""
    dice, past = random.Random(seed), tell(seed)
    for _ in range(dice.randrange(3)):
        dice.choice(past.doings).lost = True
    if dice.random() < 0.5:
        past.fault(3.0)
    _alike(past, of if of < 9 else len(past.doings) - 1)
