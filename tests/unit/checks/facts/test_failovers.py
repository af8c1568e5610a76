"""The steps of a failover, and what is said where one was not seen."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from harness.checks.facts.failovers import STEPS, failover_steps, promotions, triggers
from harness.checks.facts.of_run import facts_of
from harness.model.history import History
from harness.model.judgement import FailoverStep, Finding
from harness.model.records import Connection
from harness.model.words import FindingSide, OperationKind, Outcome, Phase
from lab.past import Past
from lab.records import us
from tests.builders_metrics import outline, struck_by
from tests.unit.checks.facts.test_promotions import cluster

WRITE = OperationKind.WRITE


def steps(past: Past, *findings: Finding, shard: int = 1) -> dict[str, FailoverStep]:
    return {one.step: one for one in failover_steps(facts_of(past.history()), findings) if one.shard == shard}


def failed_over() -> Past:
    """redis-1 (process `old`) is killed at 10 s, redis-2 (`new`) promoted at 11.5 s."""
    past = outline()
    past.connections = [
        Connection(id=1, web_server="web-1", node="redis-1", run_id="old", role="primary", opened_us=0),
        Connection(
            id=2, web_server="web-2", node="redis-2", run_id="new", role="primary", opened_us=us(11.9)
        ),
    ]
    past.sample("redis-1", 9.9, role="primary", run_id="old", offset=100, replicas={"redis-2": 90})
    past.event("effect", 10.0, source="fault 1", node="redis-1", error=0.05, fault=1)
    past.event("suspected", 11.0, source="sentinel-1", node="redis-1")
    past.event("suspected", 11.1, source="sentinel-2", node="redis-1")
    past.event("suspected-by-quorum", 11.2)
    past.event("agreed", 11.25)
    past.event("elected", 11.3)
    past.event("promoted", 11.5, node="redis-2", error=0.1)
    past.event("promoted", 11.6, source="sentinel-2", node="redis-2")
    past.event("published", 11.8)
    past.do(WRITE, 9.5, connection=1)
    past.do(WRITE, 10.1, 0.4, connection=1, outcome=Outcome.UNKNOWN)
    past.do(WRITE, 11.95, connection=2)
    return past


def test_every_step_is_timed_from_the_effect() -> None:
    """The steps in their order, each with its time, and both errors added up."""
    found = steps(failed_over())
    assert tuple(found) == STEPS
    assert {name: step.t_s for name, step in found.items() if step.t_s is not None} == {
        "fault effect": 0.0,
        "suspected first": pytest.approx(1.0),
        "suspected by quorum": pytest.approx(1.2),
        "agreed": pytest.approx(1.25),
        "elected": pytest.approx(1.3),
        "promoted": pytest.approx(1.5),
        "topology published": pytest.approx(1.8),
        "client's first error": pytest.approx(0.5),
        "client redirected": pytest.approx(1.9),
        "first write acked by the new primary": pytest.approx(1.952),
    }
    assert found["promoted"].error_s == pytest.approx(0.15)
    assert found["suspected first"].source == "sentinel-1"


def test_step_not_seen_says_why() -> None:
    """Nothing is left out and nothing invented: each missing step has a reason."""
    found = steps(failed_over())
    assert found["last ack by the deposed primary"].t_s is None
    assert found["last ack by the deposed primary"].reason == "it acked nothing after the promotion"
    assert found["last stale read"].reason == "no stale read was seen"


def test_last_ack_by_the_deposed_is_told_by_the_process() -> None:
    """A zombie's acks after the promotion count, whatever the node is called now."""
    past = failed_over()
    past.do(WRITE, 12.5, connection=1)
    past.do(WRITE, 13.5, connection=2)
    assert steps(past)["last ack by the deposed primary"].t_s == pytest.approx(2.502)


def test_last_stale_read_comes_from_the_findings() -> None:
    """The last client that saw the past ends the failover."""
    stale = [
        Finding(name="stale-read", side=FindingSide.CLOSED, shard=1, seen_us=us(seen), web_server="web-2")
        for seen in (12.0, 14.0)
    ]
    found = steps(failed_over(), *stale)["last stale read"]
    assert (found.t_s, found.source) == (pytest.approx(4.0), "web-2")


def test_steps_count_from_the_effect_that_set_the_failover_off() -> None:
    """Replication cut, then the primary killed: the kill is what the sentinels noticed."""
    past = failed_over()
    past.event("effect", 7.0, source="fault 1", fault=1)
    past.events = [
        event if event.t_us != us(10.0) else event.__class__(**{**_fields(event), "source": "fault 2"})  # type: ignore[arg-type]
        for event in past.events
    ]
    found = steps(past)
    assert found["fault effect"].source == "fault 2"
    assert found["promoted"].t_s == pytest.approx(1.5)


def _fields(event: object) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__struct_fields__}  # type: ignore[attr-defined]


def test_restart_without_failover_still_tells_the_first_new_write() -> None:
    """A node reborn is another process: its first ack ends the outage though nobody was promoted."""
    past = outline()
    past.connections = [
        Connection(id=1, web_server="web-1", node="redis-1", run_id="old", opened_us=0),
        Connection(id=2, web_server="web-1", node="redis-1", run_id="reborn", opened_us=us(11)),
    ]
    past.sample("redis-1", 9.9, role="primary", run_id="old")
    past.do(WRITE, 9.99, took_s=0.02, connection=1)
    past.do(WRITE, 12.0, connection=2)
    found = steps(past)
    assert found["first write acked by the new primary"].t_s == pytest.approx(2.002)
    assert found["promoted"].reason == "0 of 1 sentinels considered redis-1 down, the quorum is 2"
    assert found["agreed"].reason == "not reported by any sentinel"
    assert found["last ack by the deposed primary"].reason == "no promotion was seen"


def test_promotion_reported_by_three_is_one_failover() -> None:
    """Promotions are counted per shard, not per reporter; none of before the fault."""
    past = failed_over()
    past.event("promoted", 3.0, node="redis-1")
    assert promotions(facts_of(past.history())) == 1
    past.event("promoted", 14.0, node="redis-3")
    past.event("promoted", 12.0, node="redis-9", shard=2)
    assert promotions(facts_of(past.history())) == 2
    assert promotions(facts_of(past.history()), shard=1) == 2
    assert promotions(facts_of(past.history()), shard=2) == 0  # redis-9 is no node of this run


def test_nobody_to_fail_over_to_no_steps() -> None:
    """A node without a replica comes back or does not: a list of what never was would say nothing more."""
    history = outline().history()
    alone = replace(history.plan, nodes=tuple(one for one in history.plan.nodes if one.replica_of is None))
    assert failover_steps(facts_of(history))
    assert failover_steps(facts_of(replace(history, plan=alone))) == ()


def test_no_fault_no_steps() -> None:
    """Without an effect there is nothing to count from."""
    assert failover_steps(facts_of(outline(fault_kinds=()).history())) == ()


def test_suspicion_of_another_node_is_no_step() -> None:
    """A replica that is taken for dead at the same time says nothing about this failover."""
    past = failed_over()
    past.event("suspected", 10.2, node="redis-3")
    assert steps(past)["suspected first"].t_s == pytest.approx(1.0)


def failed_over_twice() -> Past:
    """redis-2 dies at 14 s; its first heir is not found, then redis-1, which came back, leads at 17 s."""
    past = failed_over()
    past.faults = struck_by("kill", "kill")
    past.connections.append(
        Connection(
            id=3, web_server="web-3", node="redis-1", run_id="back", role="primary", opened_us=us(17.3)
        )
    )
    past.sample("redis-2", 13.9, role="primary", run_id="new")
    past.event("effect", 14.0, source="fault 2", node="redis-2", fault=2)
    past.event("suspected", 15.0, node="redis-2")
    past.event("agreed", 15.1, node="redis-2")
    past.event("elected", 15.2, node="redis-2")
    past.event("-failover-abort-no-good-slave", 15.3, node="redis-2")
    past.event("elected", 16.8, source="sentinel-2", node="redis-2")
    past.event("+failover-state-wait-promotion", 16.9, source="sentinel-2", node="redis-1", error=0.02)
    past.event("+promoted-slave", 17.0, source="sentinel-2", node="redis-1")
    past.event("published", 17.1, source="sentinel-2", node="redis-1")
    past.do(WRITE, 13.0, connection=2)
    past.do(WRITE, 14.4, 0.1, connection=2, outcome=Outcome.UNKNOWN)
    past.do(WRITE, 17.4, connection=3)
    return past


def lists(past: Past, *findings: Finding) -> dict[int, dict[str, FailoverStep]]:
    found: dict[int, dict[str, FailoverStep]] = {}
    for one in failover_steps(facts_of(past.history()), findings):
        found.setdefault(one.failover, {})[one.step] = one
    return found


def test_each_failover_has_its_own_list_from_its_own_fault() -> None:
    """Two failovers of one shard: the second is counted from the second fault, and takes nothing of the
    first one's."""
    first, second = lists(failed_over_twice()).values()
    assert [one.fault for one in (first["promoted"], second["promoted"])] == [1, 2]
    assert first["promoted"].t_s == pytest.approx(1.5)
    assert first["client's first error"].t_s == pytest.approx(0.5)
    assert first["first write acked by the new primary"].t_s == pytest.approx(1.952)
    assert {name: step.t_s for name, step in second.items() if step.t_s is not None} == {
        "fault effect": 0.0,
        "suspected first": pytest.approx(1.0),
        "agreed": pytest.approx(1.1),
        "elected": pytest.approx(2.8),
        "promoted": pytest.approx(3.0),
        "topology published": pytest.approx(3.1),
        "client's first error": pytest.approx(0.5),
        "client redirected": pytest.approx(3.3),
        "first write acked by the new primary": pytest.approx(3.402),
    }
    assert second["promoted"].error_s == pytest.approx(0.12)
    assert promotions(facts_of(failed_over_twice().history())) == 2


def test_attempts_that_were_given_up_stand_beside_the_one_that_succeeded() -> None:
    """The election that led to the promotion counts; what was aborted before it is said."""
    first, second = lists(failed_over_twice()).values()
    assert (second["elected"].source, second["elected"].reason) == (
        "sentinel-2",
        "aborted before: no good replica",
    )
    assert first["elected"].reason == ""


def test_stale_read_belongs_to_the_failover_that_it_came_in() -> None:
    """Up to the next fault's effect it is the first one's, from then on the second one's."""
    stale = [
        Finding(name="stale-read", side=FindingSide.CLOSED, shard=1, seen_us=us(seen), web_server="web-2")
        for seen in (13.999, 14.0)
    ]
    first, second = lists(failed_over_twice(), *stale).values()
    assert first["last stale read"].t_s == pytest.approx(3.999)
    assert second["last stale read"].t_s == pytest.approx(0.0)


def test_failover_that_never_came_has_a_list_with_the_last_word() -> None:
    """Sentinel was elected and gave up: no promotion, and why."""
    past = failed_over_twice()
    past.events = [one for one in past.events if one.t_us < us(16.0)]
    second = lists(past)[2]
    assert second["elected"].t_s == pytest.approx(1.2)
    assert second["elected"].reason == "aborted: no good replica"
    assert second["promoted"].t_s is None
    assert second["promoted"].reason == "aborted: no good replica"
    assert second["client redirected"].reason == "no promotion was seen"


def test_election_that_never_was_says_why() -> None:
    """Nobody was elected; the step says that Sentinel gave it up."""
    past = failed_over()
    past.events = [one for one in past.events if one.t_us < us(11.3)]
    past.event("-failover-abort-not-elected", 13.0, node="redis-1")
    found = steps(past)
    assert found["elected"].t_s is None
    assert found["elected"].reason == "aborted: no sentinel got the votes of a majority"


def test_fault_that_strikes_no_primary_makes_no_list() -> None:
    """The restart of a deposed primary causes nothing."""
    past = failed_over()
    past.faults = struck_by("kill", "restart")
    past.event("effect", 14.0, source="fault 2", node="redis-1", fault=2)
    assert list(lists(past)) == [1]
    past.event("effect", 14.5, source="fault 2", node="redis-2", fault=2)
    assert list(lists(past)) == [1, 2]


def test_failover_without_a_fault_of_its_own_counts_from_the_last_effect_before() -> None:
    """Nobody struck redis-2, and redis-3 took over: nothing that the first one did is its own."""
    past = failed_over()
    past.event("promoted", 14.0, node="redis-3", error=0.1)
    first, second = lists(past).values()
    assert second["fault effect"].source == first["fault effect"].source
    assert second["promoted"].t_s == pytest.approx(4.0)
    assert second["suspected first"].t_s is None
    assert first["topology published"].t_s == pytest.approx(1.8)


@pytest.mark.parametrize("doubt", ["suspected", "agreed", "elected"])
def test_failover_without_a_fault_begins_with_the_first_doubt(doubt: str) -> None:
    """Whatever was said first against redis-2 after it led is a step of the one that replaced it."""
    past = failed_over()
    past.event(doubt, 11.5, node="redis-2")  # at its own promotion: of the one before
    past.event(doubt, 13.0, node="redis-3")  # about somebody else
    past.event(doubt, 13.2, node="redis-2")
    past.event(doubt, 13.4, node="redis-2")
    past.event("promoted", 14.0, node="redis-3", error=0.1)
    past.event("published", 13.3)
    past.event("published", 13.1)
    second = lists(past)[2]
    assert second["topology published"].t_s == pytest.approx(3.3)


def test_process_that_nobody_knows_is_no_new_one() -> None:
    """A connection that could not ask for its run id may lead to the old process."""
    past = failed_over()
    past.connections.append(Connection(id=9, web_server="web-3", node="redis-1", run_id="", opened_us=0))
    past.do(WRITE, 10.5, connection=9)
    assert steps(past)["first write acked by the new primary"].t_s == pytest.approx(1.952)


def test_write_counts_from_the_effect_on_and_only_if_it_changed_something() -> None:
    """Not one that was acked before, that found nothing, or on another shard."""
    past = failed_over()
    past.operations.pop()
    past.do(WRITE, 9.9, took_s=0.01, connection=2)
    past.do(WRITE, 12.0, connection=2, effective=False)
    past.do(WRITE, 12.1, connection=2, shard=2)
    past.do(OperationKind.READ, 12.2, connection=2)
    found = steps(past)["first write acked by the new primary"]
    assert (found.t_s, found.reason) == (None, "no write was acked by another process than before")
    past.do(WRITE, 12.5, connection=2)
    found = steps(past)["first write acked by the new primary"]
    assert (found.t_s, found.source) == (pytest.approx(2.502), "redis-2 (new)")


def test_primary_that_nobody_had_looked_at_is_not_known() -> None:
    """Nor is one that said it was a replica; what was looked at after the effect does not count."""
    past = failed_over()
    past.samples[0].role = "replica"
    why = "which process was primary before is not known"
    assert steps(past)["first write acked by the new primary"].reason == why
    assert steps(past)["last ack by the deposed primary"].reason == why
    past.samples[0].role, past.samples[0].reachable = "primary", False
    assert steps(past)["last ack by the deposed primary"].reason == why
    past.samples[0].reachable = True
    past.samples[0].done_us = us(9.95)  # the earliest at which the fault may have taken effect
    assert steps(past)["last ack by the deposed primary"].reason == "it acked nothing after the promotion"
    past.samples[0].done_us = us(9.95) + 1
    assert steps(past)["last ack by the deposed primary"].reason == why


def test_last_ack_counts_from_the_promotion_on() -> None:
    """What the old primary acked before was no zombie's."""
    past = failed_over()
    past.do(WRITE, 11.0, took_s=0.499999, connection=1)
    assert steps(past)["last ack by the deposed primary"].t_s is None
    past.do(WRITE, 11.0, took_s=0.5, connection=1)
    assert steps(past)["last ack by the deposed primary"].t_s == pytest.approx(1.5)


def test_first_error_says_who_saw_what() -> None:
    """The first of the shard from the effect on; a request that its user gave up is none."""
    past = failed_over()
    past.do(WRITE, 9.8, 0.1, outcome=Outcome.UNKNOWN, result="error:LOADING")
    past.do(WRITE, 10.0, 0.1, outcome=Outcome.UNKNOWN, result="cancelled")
    past.do(WRITE, 10.0, 0.1, outcome=Outcome.UNKNOWN, result="timeout", shard=2)
    found = steps(past)["client's first error"]
    assert (found.t_s, found.source) == (pytest.approx(0.5), "web-1: timeout")
    past.do(WRITE, 10.0, 0.2, outcome=Outcome.UNKNOWN, result="error:MOVED", web="web-3")
    past.do(WRITE, 10.0, 0.2, outcome=Outcome.UNKNOWN, result="connection-lost", web="web-2")
    found = steps(past)["client's first error"]
    assert (found.t_s, found.source) == (pytest.approx(0.2), "web-2: connection-lost")
    nothing = failed_over()
    nothing.operations = [one for one in nothing.operations if one.outcome is Outcome.ACKED]
    assert steps(nothing)["client's first error"].reason == "no client saw an error"


def test_client_says_itself_that_it_was_redirected() -> None:
    """Else its first connection to the new primary since the effect says so."""
    past = failed_over()
    past.event("redirected", 11.7, source="web-3", node="redis-2")
    found = steps(past)["client redirected"]
    assert (found.t_s, found.source) == (pytest.approx(1.7), "web-3")
    past = failed_over()
    early = Connection(id=5, web_server="web-1", node="redis-2", run_id="new", opened_us=us(9.9))
    later = Connection(id=6, web_server="web-3", node="redis-2", run_id="new", opened_us=us(11.8))
    past.connections += [early, later]
    found = steps(past)["client redirected"]
    assert (found.t_s, found.source) == (pytest.approx(1.8), "web-3")
    past.connections = [early]
    assert steps(past)["client redirected"].reason == "no client connected to the new primary"


def test_election_that_came_after_the_promotion_led_to_another() -> None:
    """The last one before it counts."""
    past = failed_over()
    past.event("elected", 11.4, source="sentinel-2")
    past.event("elected", 11.500001, source="sentinel-3")
    found = steps(past)["elected"]
    assert (found.t_s, found.source) == (pytest.approx(1.4), "sentinel-2")


def test_steps_of_another_shard_are_not_this_ones() -> None:
    """An event that names no shard may concern any."""
    past = failed_over()
    past.event("published", 10.5, shard=2)
    assert steps(past)["topology published"].t_s == pytest.approx(1.8)
    past.event("published", 10.6, shard=None)
    assert steps(past)["topology published"].t_s == pytest.approx(0.6)


def test_stale_read_of_another_shard_or_of_nobody_knows_when_is_no_step() -> None:
    """One whose shard is not known may be of this one."""
    stale = Finding(name="stale-read", side=FindingSide.CLOSED, shard=1, seen_us=us(12.0), web_server="web-2")
    past = failed_over()
    assert steps(past, stale)["last stale read"].t_s == pytest.approx(2.0)
    assert steps(past, replace(stale, shard=2))["last stale read"].t_s is None
    assert steps(past, replace(stale, shard=None))["last stale read"].t_s == pytest.approx(2.0)
    assert steps(past, replace(stale, seen_us=None))["last stale read"].t_s is None
    assert steps(past, replace(stale, seen_us=us(9.9)))["last stale read"].t_s is None


def test_promotions_count_from_the_first_effect_or_from_the_baseline() -> None:
    """From the earliest at which it may have taken effect; a run without a fault from its baseline."""
    for at, count in ((9.95, 1), (9.949999, 0)):
        past = outline()
        past.event("effect", 10.0, source="fault 1", node="redis-1", error=0.05, fault=1)
        past.event("promoted", at, node="redis-2")
        assert promotions(facts_of(past.history())) == count
    past = outline(fault_kinds=())
    past.event("promoted", 1.0, node="redis-2")
    history = past.history()
    assert promotions(facts_of(history)) == 1
    phases = tuple(
        msgspec.structs.replace(one, t_us=one.t_us + us(1.000001)) if one.phase is Phase.BASELINE else one
        for one in history.phases
    )
    assert promotions(facts_of(replace(history, phases=phases))) == 0


def test_fault_that_causes_no_failover_has_a_list_all_the_same() -> None:
    """On a shard with traffic: it says that nobody was promoted. A shard without any has none."""
    past = outline(fault_kinds=("flush",))
    past.do(WRITE, 1.0)
    past.event("effect", 10.0, source="fault 1", node="redis-1", fault=1, error=0.5)
    past.event("effect", 10.5, source="fault 1", node="cache-1", fault=1, shard=2)
    (only,) = lists(past).values()
    assert only["fault effect"].shard == 1
    assert only["promoted"].t_s is None
    assert only["fault effect"].error_s == 0.5
    past.operations[0].shard = 2
    assert not lists(past), "the cache has no replica"


def test_attempt_that_was_given_up_before_the_fault_is_no_part_of_it() -> None:
    """It was about something else."""
    past = failed_over()
    past.event("-failover-abort-no-good-slave", 9.9, node="redis-1")
    assert steps(past)["elected"].reason == ""
    past.event("-failover-abort-no-good-slave", 9.95, node="redis-1")
    assert steps(past)["elected"].reason == "aborted before: no good replica"


@pytest.mark.parametrize(
    ("step", "name"),
    [("suspected first", "suspected"), ("suspected by quorum", "suspected-by-quorum"), ("agreed", "agreed")],
)
def test_doubt_about_another_node_is_no_step(step: str, name: str) -> None:
    """Nor its quorum, nor that all agreed on it."""
    past = failed_over()
    before = steps(past)[step].t_s
    past.event(name, 10.1, node="redis-3")
    assert steps(past)[step].t_s == before
    past.event(name, 10.2, node=None)
    assert steps(past)[step].t_s == pytest.approx(0.2)


@pytest.mark.parametrize(("done", "first"), [(9.95, -0.05), (9.949999, 0.5)])
def test_error_counts_from_the_earliest_of_the_effect(done: float, first: float) -> None:
    """It may have been the fault's doing already."""
    past = failed_over()
    past.do(WRITE, 9.0, done - 9.0, outcome=Outcome.UNKNOWN, result="timeout")
    assert steps(past)["client's first error"].t_s == pytest.approx(first)


def test_failover_that_never_came_begins_when_its_primary_led() -> None:
    """Its fault may have come before that, and what happened then belongs to the one before."""
    past = failed_over()
    past.faults = struck_by("kill", "kill")
    past.event("effect", 12.0, source="fault 2", node="redis-2", fault=2, error=1.0)
    past.event("published", 11.3)
    first, second = lists(past).values()
    assert first["topology published"].t_s == pytest.approx(1.3)
    assert second["topology published"].t_s == pytest.approx(11.8 - 12.0)


@pytest.mark.parametrize(("at", "listed"), [(9.95, True), (9.949999, False)])
def test_failover_counts_from_the_earliest_moment_of_the_effect(at: float, listed: bool) -> None:
    """At that very moment the fault may have caused it; what came before it did not."""
    past = outline()
    past.event("effect", 10.0, source="fault 1", node="redis-1", error=0.05, fault=1)
    past.event("promoted", at, node="redis-2")
    promoted = steps(past).get("promoted")
    assert (promoted is not None and promoted.t_s is not None) is listed


def test_fault_that_caused_nothing_is_timed_by_its_own_shards_effect() -> None:
    """The cache beside it was struck before; its effect times no list of this shard."""
    past = outline(fault_kinds=("flush", "flush"))
    past.do(WRITE, 1.0)
    past.event("effect", 9.5, source="fault 2", node="cache-1", fault=2, shard=2)
    past.event("effect", 10.0, source="fault 1", node="redis-1", fault=1)
    assert steps(past)["fault effect"].source == "fault 1"


def two_shards_taken_over() -> History:
    return cluster(
        (9.0, "redis-4", "replica", 1),
        (9.0, "redis-5", "replica", 2),
        (12.0, "redis-5", "primary", 2),
        (12.5, "redis-4", "primary", 1),
    )


def test_failovers_are_listed_shard_by_shard() -> None:
    """However the plan orders its nodes, and whichever came first."""
    history = two_shards_taken_over()
    backwards = replace(history.plan, nodes=history.plan.nodes[::-1])
    for plan in (history.plan, backwards):
        found = triggers(facts_of(replace(history, plan=plan)))
        assert [(one.shard, one.taken and one.taken.node) for one in found] == [
            (1, "redis-4"),
            (2, "redis-5"),
        ]


def test_failover_to_a_replica_that_came_later_has_its_list() -> None:
    """The shard had no replica when its primary died; one migrated to it and was promoted."""
    history = cluster(
        (9.0, "redis-8", "replica", 2), (11.0, "redis-8", "replica", 1), (12.0, "redis-8", "primary", 1)
    )
    nodes = tuple(one for one in history.plan.nodes if one.name not in {"redis-4", "redis-7"})
    found = failover_steps(facts_of(replace(history, plan=replace(history.plan, nodes=nodes))))
    assert {one.step: one.t_s for one in found}["promoted"] == pytest.approx(2.0)
