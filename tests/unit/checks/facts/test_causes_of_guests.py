"""Behind an application of somebody's own no node is known to have acked: the cause comes by elimination."""

from __future__ import annotations

import pytest

from harness.checks.run import run_checks
from harness.model.words import Cause
from tests.unit.checks.stories import Story, guests


@pytest.mark.parametrize(
    ("story", "cause"),
    [
        (guests.lost_by_a_failover, Cause.NOT_YET_REPLICATED),
        (guests.cart_back_by_a_failover, Cause.NOT_YET_REPLICATED),
        (guests.stored_whole_by_two, Cause.APPLICATION_RACE),
        (guests.told_ok_then_lost, Cause.NOT_DETERMINED),
    ],
)
def test_a_cause_is_what_is_left(story: Story, cause: Cause) -> None:
    """A failover where one explains it, two writes at once where none does, else nothing."""
    (found,) = run_checks(story().history())[0]
    assert found.cause is cause, found.because
