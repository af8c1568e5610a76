"""The bounds of expectations as numbers."""

from __future__ import annotations

from harness.checks.facts.host_lateness import USUAL_BOUND_S
from harness.checks.facts.of_run import facts_of
from harness.checks.measures.bounds import tightest_bound_s
from harness.checks.verdict.evidence import weigh
from harness.model.judgement import SessionCounts
from tests.builders_metrics import expect, outline


def test_tightest_bound_of_a_time_is_what_the_machine_is_held_against() -> None:
    """A bound of nought is none, and neither is one of something that is no time."""
    bounds = [
        expect("outage(login): < 5s", 5.0, unit="s", arguments=("login",), timing=True),
        expect("outage(read): < 500ms", 0.5, unit="s", arguments=("read",), timing=True),
        expect("outage(write): 0s", 0.0, unit="s", arguments=("write",), timing=True),
        expect("loss window: < 200ms", 0.2, unit="s"),
        expect("lost-write: 0", 0.1),
    ]
    for some, bound_s in ((bounds, 0.5), (bounds[2:], USUAL_BOUND_S), (bounds[:1], 5.0)):
        facts = facts_of(outline(expectations=some).history())
        assert tightest_bound_s(facts) == bound_s
        assert weigh(facts, SessionCounts()).lateness.bound_s == bound_s
