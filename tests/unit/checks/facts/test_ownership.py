"""What a node was at a moment, to the microsecond: whoever asks gets the same answer on each side of a change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.ownership import Ownership, Standing
from harness.model.deployment import TopologySpec
from harness.model.history import History
from harness.model.records import NodeSample
from harness.model.words import Cause
from lab.past import Past
from lab.records import us
from tests.builders_metrics import outline

FROM_US, BY_US = us(11.9), us(12.0)


def promoted() -> Ownership:
    """redis-2 becomes primary somewhere in [11.9, 12.0] s."""
    past = outline()
    past.event("promoted", 12.0, source="redis-2", node="redis-2", error=0.1)
    return facts_of(past.history()).ownership


@pytest.mark.parametrize(
    ("node", "sent_us", "done_us", "standing"),
    [
        ("redis-1", FROM_US - 2, FROM_US - 1, Standing.PRIMARY),
        ("redis-1", FROM_US - 1, FROM_US, Standing.CHANGING),
        ("redis-1", BY_US, BY_US + 9, Standing.CHANGING),
        ("redis-1", BY_US + 1, BY_US + 9, Standing.DEPOSED),
        ("redis-2", FROM_US - 2, FROM_US - 1, Standing.REPLICA),
        ("redis-2", FROM_US - 1, FROM_US, Standing.PRIMARY),
        ("redis-3", BY_US, BY_US + 9, Standing.REPLICA),
        ("sentinel-1", BY_US, BY_US + 9, Standing.UNKNOWN),
    ],
)
def test_standing_changes_with_the_promotion(
    node: str, sent_us: int, done_us: int, standing: Standing
) -> None:
    """Primary up to its first moment, deposed after its last one, and in between nobody knows."""
    assert promoted().standing(node, sent_us, done_us) is standing


@pytest.mark.parametrize(("t_us", "owner"), [(FROM_US - 1, "redis-1"), (FROM_US, "redis-2")])
def test_shard_has_its_new_owner_from_the_first_moment_on(t_us: int, owner: str) -> None:
    """A promotion that may have happened counts."""
    nodes = promoted()
    assert nodes.owner_at(1, t_us) == owner
    assert nodes.owner_at(9, t_us) is None
    heir = nodes.owner_after("redis-2", t_us)
    assert heir is None  # nobody followed redis-2
    following = nodes.owner_after("redis-1", t_us)
    assert following is not None
    assert following.node == "redis-2"


def lives(*samples: tuple[float, str], node: str = "redis-1") -> Ownership:
    """(second at which it is asked, run id)."""
    past = outline(fault_kinds=())
    for at, run_id in samples:
        past.sample(node, at + 0.0005, role="primary", run_id=run_id)
    return facts_of(past.history()).ownership


@pytest.mark.parametrize(
    ("sent_s", "done_s", "may_be"),
    [
        (0.5, 0.6, ["a"]),
        (1.0, 1.0, ["a"]),
        (1.1, 1.2, ["a"]),
        (1.6, 1.7, ["a", "b"]),
        (2.0, 2.001, ["a", "b"]),
        (2.0006, 2.1, ["b"]),
        (1.6, 3.1, ["a", "b", "c"]),
        (9.0, 9.1, ["c"]),
    ],
)
def test_between_looks_at_two_processes_either_may_have_answered(
    sent_s: float, done_s: float, may_be: list[str]
) -> None:
    """And once the second had answered somebody, the first was gone. Before the first look it was the first
    one's: a process does not begin when it is looked at."""
    nodes = lives((1.0, "a"), (1.5, "a"), (2.0, "b"), (2.5, "b"), (3.0, "c"))
    assert nodes.answering("redis-1", us(sent_s), us(done_s)) == may_be
    assert nodes.answering("redis-2", us(sent_s), us(done_s)) == []


@pytest.mark.parametrize(
    ("sent_s", "done_s", "may_be"),
    [
        (9.9, 9.95, ["a"]),
        (9.9, 9.950001, ["a", "b"]),
        (9.999999, 10.1, ["a", "b"]),
        (10.0, 10.1, ["b"]),
    ],
)
@pytest.mark.parametrize("kind", ["kill", "restart"])
def test_fault_that_ended_a_process_tells_which_answered(
    sent_s: float, done_s: float, may_be: list[str], kind: str
) -> None:
    """Until the earliest moment of its effect no other one had begun; after the latest it was gone."""
    past = outline(fault_kinds=(kind,))
    for at, run_id in ((1.0, "a"), (9.0, "a"), (12.0, "b")):
        past.sample("redis-1", at, role="primary", run_id=run_id)
    past.event("effect", 10.0, source="fault 1", node="redis-1", fault=1, error=0.05)
    assert facts_of(past.history()).ownership.answering("redis-1", us(sent_s), us(done_s)) == may_be


def test_process_that_does_not_say_its_name_is_not_known_to_be_gone() -> None:
    """What answers without a name after the effect may be another one."""
    past = outline()
    for at in (1.0, 9.0, 12.0):
        past.sample("redis-1", at, role="primary")
    past.event("effect", 10.0, source="fault 1", node="redis-1", fault=1, error=0.05)
    assert facts_of(past.history()).ownership.answering("redis-1", us(11.0), us(11.1)) == [""]


def test_process_is_gone_once_another_answered() -> None:
    """By the answer of the next process; one that nobody knows by its run id never is."""
    nodes = lives((1.0, ""), (2.0, "b"), (3.0, "c"), (4.0, "c"))
    assert nodes.gone_us("redis-1", "b") == us(3.0005)
    assert nodes.gone_us("redis-1", "c") is None
    assert nodes.gone_us("redis-1", "") is None
    assert nodes.gone_us("redis-2", "b") is None


@pytest.mark.parametrize(
    ("kind", "gone_us"),
    [("kill", us(10.0)), ("stop", us(10.0)), ("restart", us(10.0)), ("pause", us(12.0005))],
)
def test_fault_that_ends_a_process_proves_when(kind: str, gone_us: int) -> None:
    """The process that ran at the effect; what was born by it lives on."""
    past = outline(fault_kinds=(kind,))
    for at, run_id in ((1.0, "a"), (9.94, "b"), (12.0, "c")):
        past.sample("redis-1", at + 0.0005, role="primary", run_id=run_id)
    past.event("effect", 10.0, source="fault 1", node="redis-1", fault=1, error=0.05)
    nodes = facts_of(past.history()).ownership
    assert nodes.gone_us("redis-1", "b") == gone_us
    assert nodes.gone_us("redis-1", "a") == us(9.9405)
    assert nodes.gone_us("redis-1", "c") is None


def test_process_whose_first_answer_took_long_is_not_the_one_that_ended() -> None:
    """Seen in a container on a busy machine: a node was asked while it was down, and its new process answered 0.4 s
    later, within the time of the restart's effect. It was taken for the old one, so nothing that it did counted."""
    past = outline(fault_kinds=("restart",))
    past.sample("redis-1", 5.0, role="primary", run_id="a")
    past.samples.append(
        NodeSample(node="redis-1", sent_us=us(9.8), done_us=us(10.2), role="primary", run_id="b")
    )
    past.sample("redis-1", 12.0, role="primary", run_id="b")
    past.event("effect", 10.1, source="fault 1", node="redis-1", fault=1, error=0.2)
    nodes = facts_of(past.history()).ownership
    assert nodes.gone_us("redis-1", "a") == us(10.1)
    assert nodes.gone_us("redis-1", "b") is None
    assert nodes.processes_at("redis-1", us(9.9)) == {"a", "b"}
    assert nodes.processes_at("redis-1", us(11.0)) == {"b"}


def test_process_that_nobody_had_seen_is_not_known_to_have_ended() -> None:
    """The effect came before the first answer: whose it is nobody can say."""
    past = outline(fault_kinds=("restart",))
    past.sample("redis-1", 12.0, role="primary", run_id="b")
    past.event("effect", 10.0, source="fault 1", node="redis-1", fault=1)
    nodes = facts_of(past.history()).ownership
    assert nodes.gone_us("redis-1", "b") is None


def test_first_end_of_a_process_counts() -> None:
    """A second effect on a node whose process did not change moves nothing; another event ends nothing."""
    past = outline(fault_kinds=("kill", "kill"))
    past.sample("redis-1", 1.0, role="primary", run_id="a")
    past.event("healed", 9.0, source="fault 1", node="redis-1", fault=1)
    past.event("effect", 10.0, source="fault 1", node="redis-1", fault=1)
    past.event("effect", 12.0, source="fault 2", node="redis-1", fault=2)
    assert facts_of(past.history()).ownership.gone_us("redis-1", "a") == us(10.0)


# ---------------------------------------------------------------- evictions


def evicting(
    *counts: tuple[float, int], memory: int = 100, limit: int = 100, run_ids: tuple[str, ...] = ()
) -> Past:
    """redis-1 says at these seconds how many keys it has evicted."""
    past = outline(fault_kinds=(), eviction_events=False)
    for n, (at, count) in enumerate(counts):
        past.sample(
            "redis-1",
            at,
            role="primary",
            run_id=run_ids[n] if run_ids else "a",
            evicted_keys=count,
            memory_bytes=memory,
            memory_limit_bytes=limit,
        )
    return past


COUNTS = ((1.0, 2), (2.0, 5), (3.0, 9), (4.0, 9), (5.0, 20))


@pytest.mark.parametrize(
    ("from_us", "to_us", "count"),
    [
        (us(1.0), us(2.0) - 500, 3),  # the count of 1.0 s is from before, that of 2.0 s was asked by then
        (us(1.0) - 1, us(2.0) - 500, 5),
        (us(1.0), us(2.0), 7),  # the look of 2.0 s began before: the one of 3.0 s has what it may have missed
        (us(3.0), us(4.0), 11),
        (us(3.0), us(3.9), 0),
        (us(0.5), us(9.0), 20),
    ],
)
def test_evictions_between_two_moments(from_us: int, to_us: int, count: int) -> None:
    """From the last count that was answered before to the first that was asked for after."""
    assert facts_of(evicting(*COUNTS).history()).ownership.evicted_between(1, from_us, to_us) == ("a", count)


@pytest.mark.parametrize(
    ("memory", "limit", "count"), [(100, 100, 3), (5, 100, 3), (5, 1, 3), (100, 0, 0), (0, 0, 0)]
)
def test_evictions_count_where_memory_has_a_limit(memory: int, limit: int, count: int) -> None:
    """Whatever samples show: a node that was resumed had evicted 672 keys, at a fifth of its limit before and
    after. Where there is no limit, nothing is evicted for want of memory."""
    nodes = facts_of(evicting(*COUNTS, memory=memory, limit=limit).history()).ownership
    assert nodes.evicted_between(1, us(1.0), us(1.9)) == ("a", count)


def test_limit_that_was_set_meanwhile_is_enough() -> None:
    """Somebody set it, and took it away again; one from before says nothing about the time that is asked for."""
    past = evicting((1.0, 0), (2.0, 3), (3.0, 3))
    past.samples[2].memory_limit_bytes = 0
    assert facts_of(past.history()).ownership.evicted_between(1, us(1.0), us(2.5)) == ("a", 3)
    past.samples[1].memory_limit_bytes = 0
    assert facts_of(past.history()).ownership.evicted_between(1, us(1.0), us(2.5)) == ("a", 0)


def test_counter_of_another_process_says_nothing() -> None:
    """Each process counts from nought."""
    nodes = facts_of(evicting(*COUNTS, run_ids=("a", "a", "b", "b", "b")).history()).ownership
    assert nodes.evicted_between(1, us(1.0), us(2.5)) == ("", 0)
    assert nodes.evicted_between(1, us(1.0), us(1.9)) == ("a", 3)
    assert nodes.evicted_between(1, us(2.0), us(3.5)) == ("b", 4)


@pytest.mark.parametrize(
    ("from_us", "to_us", "counted"),
    [
        (BY_US + 1, us(14.0), True),
        (BY_US, us(14.0), False),
        (us(1.0), FROM_US, False),
        (us(1.0), FROM_US - 1, True),
        (us(11.95), us(11.96), False),
    ],
)
def test_evictions_across_a_change_of_roles_are_not_counted(from_us: int, to_us: int, counted: bool) -> None:
    """Two nodes count apart: what one of them evicted is not to be told from what the other never had."""
    past = evicting((1.0, 0), (8.0, 4), (15.0, 8))
    for sample in list(past.samples):
        past.sample("redis-2", sample.done_us / 1e6, run_id="c", evicted_keys=sample.evicted_keys)
        past.samples[-1].memory_bytes, past.samples[-1].memory_limit_bytes = 100, 100
    past.event("promoted", 12.0, source="redis-2", node="redis-2", error=0.1)
    _, count = facts_of(past.history()).ownership.evicted_between(1, from_us, to_us)
    assert (count > 0) is counted
    assert facts_of(past.history()).ownership.evicted_between(7, from_us, to_us) == ("", 0)


@pytest.mark.parametrize(
    ("recorded", "missed", "heard"), [(True, 2, True), (True, 1, False), (False, 2, False)]
)
def test_every_eviction_of_a_shard_was_heard(recorded: bool, missed: int, heard: bool) -> None:
    """Events were switched on, and whoever listened there missed none."""
    past = outline(eviction_events=recorded)
    past.event("evictions-missed", 12.0, source="redis-x", shard=missed)
    assert facts_of(past.history()).ownership.evictions_by_key(1) is heard


def test_listener_of_nobody_knows_where_missed_them_everywhere() -> None:
    """Without a node and a shard it may have been any."""
    past = outline()
    assert facts_of(past.history()).ownership.evictions_by_key(1)
    past.event("evictions-missed", 12.0, shard=None)
    assert not facts_of(past.history()).ownership.evictions_by_key(1)


def test_first_eviction_of_a_key_counts() -> None:
    """A key may be written and evicted again."""
    past = outline()
    for at in (12.0, 14.0):
        past.event("evicted", at, source="redis-1", node="redis-1", shard=None)
    events = [event for event in past.history().events if event.name == "evicted"]
    for event in events:
        event.key = "session:{x}"
    nodes = facts_of(replace(past.history(), events=tuple(events))).ownership
    assert {place: event.t_us for place, event in nodes.evicted_at.items()} == {("session:{x}", 1): us(12.0)}


# ---------------------------------------------------------------- data that goes away


def flushed(
    kind: str = "flush",
    target: str = "sessions",
    *,
    scope: str = "database",
    cache_database: int = 1,
    name: str = "effect",
    node: str | None = "redis-1",
    shard: int | None = None,
) -> History:
    past = outline(fault_kinds=(kind,))
    past.event(name, 12.0, source="fault 1", node=node, fault=1, error=0.5, shard=shard, detail="FLUSHDB")
    history = past.history()
    scenario = history.plan.scenario
    (fault,) = scenario.faults
    deployment = replace(
        scenario.deployment,
        topology=TopologySpec(kind=scenario.deployment.topology.kind, cache_database=cache_database),
    )
    scenario = replace(
        scenario,
        faults=(replace(fault, target=target, options={"scope": scope}),),
        deployment=deployment,
    )
    return replace(history, plan=replace(history.plan, scenario=scenario))


@pytest.mark.parametrize(
    ("target", "scope", "cache_database", "emptied"),
    [
        ("sessions", "database", 1, True),
        ("sessions", "all", 1, True),
        ("cache", "database", 1, False),
        ("cache", "all", 1, True),
        ("cache", "database", 0, True),
        ("cache", "all", 0, True),
    ],
)
def test_flush_empties_the_database_with_the_sessions(
    target: str, scope: str, cache_database: int, emptied: bool
) -> None:
    """Unless it is the cache's own database, and that one alone."""
    flushes = facts_of(flushed(target=target, scope=scope, cache_database=cache_database)).ownership.flushes
    assert bool(flushes) is emptied
    for one in flushes:
        assert (one.shard, one.from_us, one.by_us) == (1, us(11.5), us(12.0))
        assert (one.why, one.cause) == ("fault 1: FLUSHDB", Cause.FLUSHED)


def test_only_a_flush_flushes() -> None:
    """Another fault's effect is none; a flush that the observers heard of is, whoever did it."""
    assert not facts_of(flushed(kind="kill")).ownership.flushes
    assert not facts_of(flushed(name="no-effect")).ownership.flushes
    assert [one.by_us for one in facts_of(flushed(kind="kill", name="flushed")).ownership.flushes] == [
        us(12.0)
    ]


def test_flush_of_nobody_knows_which_shard_strikes_all() -> None:
    """The shard of the node, else the one that the event names, else every one."""
    assert [one.shard for one in facts_of(flushed(node=None, shard=2)).ownership.flushes] == [2]
    assert [one.shard for one in facts_of(flushed(node="redis-1", shard=2)).ownership.flushes] == [1]
    assert sorted(one.shard for one in facts_of(flushed(node=None)).ownership.flushes) == [1, 2]


@pytest.mark.parametrize(("node", "lost"), [("redis-1", 1), ("redis-2", 0)])
def test_owner_that_comes_back_empty_lost_its_shard(node: str, lost: int) -> None:
    """A replica that comes back empty lost nothing: it copies its primary."""
    past = outline()
    for at, run_id, keys in ((1.0, "a", 100), (5.0, "b", 0)):
        role = "primary" if node == "redis-1" else "replica"
        past.sample(node, at, role=role, run_id=run_id, keys=keys)
    reborn = facts_of(past.history()).ownership.reborn
    assert [(one.shard, one.by_us, one.cause) for one in reborn] == [
        (1, us(5.0), Cause.RESTARTED_EMPTY)
    ] * lost
    assert [one.why for one in reborn] == [f"{node} came back with 0 of 100 keys"] * lost
