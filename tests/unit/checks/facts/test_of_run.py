"""One object with the facts of a run: made once, of the whole history."""

from __future__ import annotations

from dataclasses import replace

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.timelines import Timelines
from harness.model.records import ClockPair
from lab.past import Past
from lab.records import us


def test_facts_are_made_once_for_a_history() -> None:
    """Whoever asks gets the same; another history has its own."""
    history = Past().history()
    assert facts_of(history) is facts_of(history)
    assert facts_of(replace(history)) is not facts_of(history)
    assert Timelines(history).facts is facts_of(history)


def test_part_of_the_operations_is_judged_with_the_facts_of_the_whole_run() -> None:
    """When it ended is not told by the sessions that are looked at closely."""
    past = Past(complete=False)
    ann, bob = past.log_in("ann", 1.0), past.log_in("bob", 1.1)
    past.read(ann, 2.0)
    past.read(bob, 50.0)
    whole = past.history()
    part = replace(whole, operations=tuple(one for one in whole.operations if one.session == ann))
    assert (
        Timelines(part, facts_of(whole)).facts.landmarks.end_us >= us(50.0) > facts_of(part).landmarks.end_us
    )
    assert len(Timelines(part, facts_of(whole)).sessions) == 1


def test_drift_is_not_known_without_clocks() -> None:
    """Nothing recorded is not the same as nothing moved."""
    history = Past().history()
    assert facts_of(history).drift_us == 0
    assert facts_of(replace(history, clocks=())).drift_us is None
    apart = (ClockPair(t_us=0, wall_us=5), ClockPair(t_us=10, wall_us=8))
    assert facts_of(replace(history, clocks=apart)).drift_us == 7
