"""Who was let in unchecked: one finding for each session, which says how often and from when to when."""

from __future__ import annotations

import pytest

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.let_in import judge_unchecked
from harness.model.judgement import Finding
from harness.model.words import LET_IN_UNCHECKED
from harness.objects.flag import REVOKED
from lab.past import Past


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
