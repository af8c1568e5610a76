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


def test_a_race_of_the_application_is_no_cost_of_a_fault() -> None:
    """Two requests that store a session whole: no fault's budget answers for what one takes from the other."""
    past = guests.stored_whole_by_two()
    past.fault(1.2, "web-2 is gone", "kill web server", target="web-2")
    (found,) = run_checks(past.history())[0]
    assert found.cause is Cause.APPLICATION_RACE


def test_what_the_application_never_saved_is_no_cost_of_a_fault() -> None:
    """It said that all was well, and no node explains the loss."""
    past = guests.told_ok_then_lost()
    past.fault(1.7, "web-2 is gone", "kill web server", target="web-2")
    assert [one.name for one in run_checks(past.history())[0]] == ["told-ok-then-lost"]
