"""Behind an application of somebody's own no node is known to have acked: the cause comes by elimination."""

from __future__ import annotations

import pytest

from harness.checks.facts import causes
from harness.checks.facts.causes import Why
from harness.checks.facts.ownership import Ownership
from harness.checks.facts.timelines import Timelines
from harness.checks.promises.check import Counted
from harness.checks.run import run_checks
from harness.model.judgement import Finding
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


@pytest.mark.parametrize(
    ("read_at", "cause", "budget"),
    [(1.5, Cause.NOT_DETERMINED, (0, 1)), (1.6, Cause.NOT_YET_REPLICATED, (1, 1))],
)
def test_a_request_beside_it_leaves_open_who_took_it(
    read_at: float, cause: Cause, budget: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The failover, or the page that ann's browser asked for meanwhile and that stored her whole session: so
    what the fault cost is open too."""
    monkeypatch.setattr("harness.checks.promises.loss_budget._outside_s", lambda *_: 1.0)
    past = guests.cart_back_by_a_failover()
    past.read(next(iter(past.users)), read_at)
    findings, counts, _, _ = run_checks(past.history())
    (lost,) = [one for one in findings if one.name != "over-budget"]
    assert lost.cause is cause, lost.because
    assert ("whole" in lost.because) is (cause is Cause.NOT_DETERMINED)
    assert (counts["over-budget"].low, counts["over-budget"].high) == budget


@pytest.mark.parametrize(
    ("second", "cause", "cost"),
    [
        (Cause.NOT_YET_REPLICATED, Cause.NOT_YET_REPLICATED, True),
        (Cause.SPLIT_BRAIN, Cause.NOT_DETERMINED, True),
        (Cause.NOT_DETERMINED, Cause.NOT_DETERMINED, False),
    ],
)
def test_loss_that_two_nodes_explain_is_a_cost_of_the_fault(
    second: Cause, cause: Cause, cost: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whichever of them had acked it. Only what no node explains is the application's own, which is blamed then."""
    first = Cause.NOT_YET_REPLICATED if cost else Cause.NOT_DETERMINED
    told = {"redis-1": Why(cause=first, because="one"), "redis-2": Why(cause=second, because="two")}
    past = guests.lost_by_a_failover()
    past.fault(3.9, "web-2 is gone", "kill web server", target="web-2")
    monkeypatch.setattr(Ownership, "acting_between", lambda *_: list(told))
    monkeypatch.setattr(causes, "_lost_after", lambda _, __, by, *___: told[by.node])
    monkeypatch.setattr(causes, "_rival", lambda *_: None)
    asked: list[Finding] = []

    def judged(_: Timelines, losses: list[Finding]) -> Counted:
        asked.extend(losses)
        return Counted()

    monkeypatch.setattr("harness.checks.promises.loss_budget.judge_budget", judged)
    name = "lost-session" if cost else "told-ok-then-lost"
    found = next(one for one in run_checks(past.history())[0] if one.name == name)
    assert found.cause is cause, found.because
    assert [one.name for one in asked] == ([name] if cost else [])
