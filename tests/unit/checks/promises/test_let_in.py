"""Who was let in unchecked: one finding for each session, which says how often and from when to when."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.let_in import judge_unchecked
from harness.model.judgement import Finding
from harness.model.words import LET_IN_UNCHECKED
from harness.objects.flag import REVOKED
from lab.past import Past
from lab.records import us


def let_in(*at: float) -> Finding:
    past = Past()
    ann = past.log_in("ann", 1.0)
    bob = past.log_in("bob", 1.0)
    past.look(REVOKED, bob, bob, 1.5)
    for n, second in enumerate(at):
        past.look(
            REVOKED,
            ann,
            ann,
            second,
            outcome="rejected",
            executed=False,
            error=f"MASTERDOWN {n}",
            told=LET_IN_UNCHECKED,
            web=f"web-{n + 1}",
        )
    (found,) = judge_unchecked(Timelines(past.history())).findings
    return found


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ((3.0,), "web-1 let in a request of ann unchecked at +3.00 s: Redis did not answer GET"),
        (
            (3.0, 4.5),
            "web-1 let in 2 requests of ann unchecked from +3.00 s to +4.50 s: Redis did not answer GET",
        ),
        ((3.0, 4.0, 4.5), "web-1 let in 3 requests of ann unchecked from +3.00 s to +4.50 s"),
    ],
)
def test_requests_of_one_session_are_one_finding(at: tuple[float, ...], says: str) -> None:
    """The first one names the web server and the error; the last one ends the time."""
    found = let_in(*at)
    assert found.sentence.startswith(says)
    assert "(MASTERDOWN 0)" in found.sentence
    assert found.observations == len(at)


def test_moments_are_told_from_the_first_fault_on() -> None:
    """Of a request that was never sent, as there was no connection, when it was due."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.fault(2.0)
    for at in (3.0, 4.5):
        past.look(REVOKED, ann, ann, at, outcome="rejected", executed=False, told=LET_IN_UNCHECKED)
    history = past.history()
    log_in, first, last = history.operations
    waited = structs.replace(first, due_us=us(2.9))
    unsent = structs.replace(last, sent_us=None)
    timelines = Timelines(replace(history, operations=(log_in, waited, unsent)))
    (found,) = judge_unchecked(timelines).findings
    assert "2 requests of ann unchecked from +1.00 s to +2.50 s" in found.sentence
