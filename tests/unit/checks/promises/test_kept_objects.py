"""Promises about what is kept beside sessions: who must have looked before a promise counts as kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import msgspec
import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.timelines import Timelines
from harness.checks.promises.kept_objects import judge_objects
from harness.checks.run import run_checks
from harness.model.judgement import Finding
from harness.model.words import Cause, NodePurpose
from harness.objects.flag import REVOKED
from harness.objects.tally import ONLINE
from lab.past import Past
from lab.records import us
from tests.unit.checks.stories import objects

REVOKED_S, LIVES_S, FAULT_S, OVER_S = 2.0, 10.0, 3.0, 9.0
ENDS_S = REVOKED_S + LIVES_S


def undecidable(*looks: tuple[float, float], fault_s: float = FAULT_S, over_s: float = OVER_S) -> int:
    """A token is revoked at 2 s for ten seconds; a fault can do harm from 3 s to 9 s. `looks`: sent, took."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(REVOKED, ann, ann, REVOKED_S, took=0.0, lives=LIVES_S)
    for sent_s, took_s in looks:
        past.look(REVOKED, ann, ann, sent_s, took=took_s)
    past.fault(fault_s)
    past.event("demoted", over_s, source="redis-1", node="redis-1", shard=1)
    history = past.history()
    assert facts_of(history).landmarks.danger_us == (us(fault_s), us(over_s))
    return judge_objects(Timelines(history)).undecidable.get("revocation-lost", 0)


@pytest.mark.parametrize(
    ("looks", "open_"),
    [
        ([], 1),
        ([(2.5, 0.001)], 1),
        ([(8.0, 0.001)], 1),
        ([(OVER_S, 0.001)], 1),
        ([(OVER_S + 0.001, 0.001)], 0),
        ([(2.5, 0.001), (10.0, 0.001)], 0),
        ([(10.0, 0.001), (13.0, 0.001)], 0),
        ([(11.0, 2.0)], 1),
        ([(13.0, 0.001)], 1),
    ],
)
def test_promise_is_kept_if_somebody_looked_after_the_danger_and_in_its_time(
    looks: list[tuple[float, float]], open_: int
) -> None:
    """A look before the fault, or before it is over, shows nothing of what it lost. One that may have come after
    the promise's time shows nothing either. One good look is enough."""
    assert undecidable(*looks) == open_


def test_promise_that_was_over_before_the_fault_was_not_in_danger() -> None:
    """Nothing could be lost of it."""
    assert undecidable(fault_s=ENDS_S - 0.5, over_s=ENDS_S + 1) == 1
    assert undecidable(fault_s=ENDS_S + 0.5, over_s=ENDS_S + 1) == 0


def test_broken_promise_says_how_long_it_had_been_acked() -> None:
    """From the ack to the look that found nothing."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.put(REVOKED, ann, ann, 2.0, took=0.5)
    past.forget(REVOKED, ann, 3.0)
    past.look(REVOKED, ann, ann, 4.25)
    (found,) = judge_objects(Timelines(past.history())).findings
    assert ", 1.75 s after operation 2 was acked." in found.sentence


@pytest.mark.parametrize("story", [objects.visits_lost, objects.visit_that_did_not_leave])
def test_tally_does_not_say_which_of_its_entries_is_lost(story: Callable[[], Past]) -> None:
    """Seen on real nodes: what a number was short of had been lost before the fault, and the entry that the finding named
    was one made after it: a false over-budget, and too long a loss window."""
    (found,) = [one for one in run_checks(story().history())[0] if one.name == "count-drift"]
    assert found.operations
    assert found.t_us is None


def drifted(past: Past) -> Finding:
    (found,) = [one for one in run_checks(past.history())[0] if one.name == "count-drift"]
    return found


def test_what_a_tally_is_short_of_has_the_cause_of_what_was_lost() -> None:
    """Seen on real nodes: whoever came after the failover was named, and nobody knew why he was not counted,
    who was."""
    found = drifted(objects.visits_lost_before_others())
    assert found.cause is Cause.NOT_YET_REPLICATED
    assert "counted 2 of those online at site" in found.sentence


def test_a_tally_that_is_short_of_more_than_was_lost_has_no_cause() -> None:
    """The failover explains two of the four that are missing."""
    past = objects.visits_lost_before_others()
    ann = past.log_in("ann", 5.3)
    past.forget(ONLINE, "site", 5.5)
    past.enter(ONLINE, "site", ann, 5.7)
    assert drifted(past).cause is Cause.NOT_DETERMINED


@pytest.mark.parametrize(
    ("evicted_s", "named", "purpose", "cause"),
    [
        (3.0, False, NodePurpose.SESSIONS, Cause.EVICTED),
        (3.0, True, NodePurpose.SESSIONS, Cause.NOT_DETERMINED),
        (3.0, True, NodePurpose.CACHE, Cause.EVICTED),
        (3.0, False, NodePurpose.CACHE, Cause.EVICTED),
        (1.5, False, NodePurpose.CACHE, Cause.NOT_DETERMINED),
        (4.5, False, NodePurpose.CACHE, Cause.NOT_DETERMINED),
    ],
)
def test_a_count_that_began_anew_while_its_node_evicted_was_evicted(
    evicted_s: float, named: bool, purpose: NodePurpose, cause: Cause
) -> None:
    """By how many keys the node evicted between the count and the look. Where each is named, and this one is not,
    it was not that; of a cache none is named."""
    past = objects.attempt_forgotten()
    past.evicted = [(evicted_s, "redis-1", 3)]
    history = past.history()
    nodes = tuple(replace(node, purpose=purpose) for node in history.plan.nodes)
    opening = msgspec.structs.replace(history.opening, eviction_events=named)
    (found,) = judge_objects(
        Timelines(replace(history, plan=replace(history.plan, nodes=nodes), opening=opening))
    ).findings
    assert (found.name, found.cause) == ("count-drift", cause)
    assert ("redis-1 evicted keys that it does not name (3) " in found.because) is (cause is Cause.EVICTED)
