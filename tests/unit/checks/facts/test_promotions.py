"""Who owns a shard is told by roles, promotions and publications, and never by the plan alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.ownership import Ownership, Standing
from harness.checks.facts.promotions import CLOSE_US, SAME_PROMOTION_US, Owner
from harness.checks.facts.shards import Shards
from harness.checks.run import run_checks
from harness.model.history import History
from harness.model.inventory import NodePlan
from harness.model.words import Cause, NodeRole, TopologyKind
from lab.past import NODES, Past
from lab.records import us
from tests import builders_observe as a
from tests.builders_metrics import outline

DIED_S, PROMOTED_S, DIED_TOO_S, BACK_S, ORDERED_S, NOTICED_S = 2.0, 3.0, 5.0, 6.0, 8.0, 8.5


def leads_again() -> tuple[Past, str]:
    """redis-1 dies, redis-2 is promoted and dies too; redis-1 comes back with its data and leads."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.fault(DIED_S)
    past.cut_off("redis-1", DIED_S)
    past.owners.append((PROMOTED_S, "redis-2"))
    past.event("promoted", PROMOTED_S, error=0.01, source="redis-2", node="redis-2", shard=1)
    past.event("published", 3.2, source="sentinel-1", node="redis-2", shard=1)
    past.event("published", 3.3, source="sentinel-2", node="redis-2", shard=1)
    past.event("effect", DIED_TOO_S, source="fault 2", fault=2, node="redis-2", shard=1)
    past.event("+failover-state-wait-promotion", ORDERED_S, source="sentinel-2", node="redis-1", shard=1)
    past.event("+promoted-slave", NOTICED_S, source="sentinel-2", node="redis-1", shard=1)
    past.event("published", 8.6, source="sentinel-2", node="redis-1", shard=1)
    past.event("published", 8.7, source="sentinel-1", node="redis-1", shard=1)
    past.owners.append((NOTICED_S, "redis-1"))
    past.act(9.0, lambda: past.stores.update(dict.fromkeys(NODES, past.stores["redis-1"])))
    return past, ann


def recorded(past: Past) -> History:
    """Dead nodes answer nothing, and redis-1 never says that it is a replica."""
    history = past.history()
    for sample in history.samples:
        dead = {"redis-1": (DIED_S, BACK_S), "redis-2": (DIED_TOO_S, 99.0)}.get(sample.node)
        if dead is not None and us(dead[0]) <= sample.done_us < us(dead[1]):
            sample.reachable, sample.role = False, ""
        elif sample.node == "redis-1":
            sample.role, sample.run_id = "primary", "a" if sample.done_us < us(DIED_S) else "b"
    return history


def owners(history: History, shard: int = 1) -> list[str]:
    return [owner.node for owner in facts_of(history).ownership.owners[shard]]


def test_old_primary_that_never_was_a_replica_leads_again() -> None:
    """Sentinels published it twice, and its role never changed: it owns, is deposed, and owns again."""
    nodes = facts_of(recorded(leads_again()[0])).ownership
    assert [owner.node for owner in nodes.owners[1]] == ["redis-1", "redis-2", "redis-1"]
    again = nodes.owners[1][-1]
    assert (again.from_us, again.by_us) == (us(ORDERED_S), us(NOTICED_S))
    standings = [nodes.standing("redis-1", us(at), us(at) + 1) for at in (1.0, 7.0, 8.2, 9.0)]
    assert standings == [Standing.PRIMARY, Standing.DEPOSED, Standing.PRIMARY, Standing.PRIMARY]
    assert nodes.standing("redis-2", us(9.0), us(9.1)) is Standing.DEPOSED
    assert [one.node for one in nodes.failovers(us(DIED_S))] == ["redis-2", "redis-1"]


def test_what_the_successor_alone_had_is_lost_for_a_named_cause() -> None:
    """The write that redis-2 acked and took along was not yet replicated, not "not determined"."""
    past, ann = leads_again()
    past.change(ann, 4.0)
    past.read(ann, 10.0)
    found = next(one for one in run_checks(recorded(past))[0] if one.name == "lost-write")
    assert (found.cause, found.node, found.node_role) == (Cause.NOT_YET_REPLICATED, "redis-2", "primary")
    assert found.because.startswith("redis-2 acked it 4.00 s before redis-1, ")


def test_restarted_old_primary_that_nobody_publishes_owns_nothing() -> None:
    """It calls itself primary for seconds; without a publication it stays deposed."""
    past, _ = leads_again()
    past.events = [
        one for one in past.events if one.node != "redis-1" or one.t_us < us(BACK_S) or one.name == "effect"
    ]
    history = recorded(past)
    assert owners(history) == ["redis-1", "redis-2"]
    assert facts_of(history).ownership.standing("redis-1", us(9.0), us(9.1)) is Standing.DEPOSED


def test_late_publication_of_a_known_change_is_no_new_one() -> None:
    """A sentinel that was frozen hears of both changes at the end, one after the other."""
    past, _ = leads_again()
    past.event("published", 12.0, source="sentinel-3", node="redis-2", shard=1)
    past.event("published", 12.1, source="sentinel-3", node="redis-1", shard=1)
    assert owners(recorded(past)) == ["redis-1", "redis-2", "redis-1"]


def test_same_sentinel_says_it_again_and_nothing_changes() -> None:
    """What a sentinel published last is not news from the same one."""
    past, _ = leads_again()
    past.event("published", 12.0, source="sentinel-1", node="redis-1", shard=1)
    assert owners(recorded(past)) == ["redis-1", "redis-2", "redis-1"]


def published(*told: tuple[float, str, str], ordered: tuple[float, str] | None = None) -> Ownership:
    """Only publications are known: (second, sentinel, node)."""
    past = outline()
    past.sample("redis-1", 1.0, role="primary", run_id="x")
    for at, sentinel, node in told:
        past.event("published", at, source=sentinel, node=node, error=0.02)
    if ordered is not None:
        past.event("+failover-state-wait-promotion", ordered[0], node=ordered[1], error=0.02)
    return facts_of(past.history()).ownership


def test_publication_alone_is_a_change_of_owner() -> None:
    """Where nobody sampled the node in between, the first who publishes it tells when at the latest."""
    nodes = published((11.0, "sentinel-1", "redis-2"), (11.5, "sentinel-2", "redis-2"))
    assert nodes.owners[1][1:] == [Owner("redis-2", float("-inf"), us(11.0))]


def test_publication_after_the_order_is_not_before_it() -> None:
    """Sentinel told the node to lead at 10.5 s: it did not lead before."""
    nodes = published((11.0, "sentinel-1", "redis-2"), ordered=(10.5, "redis-2"))
    assert nodes.owners[1][1:] == [Owner("redis-2", us(10.48), us(11.0))]
    assert published((11.0, "sentinel-1", "redis-2"), ordered=(10.5, "redis-3")).owners[1][
        1
    ].from_us == float("-inf")


def test_node_cannot_have_led_before_its_process_was_there() -> None:
    """A publication is bounded by the restart before it."""
    past = outline()
    past.sample("redis-2", 10.2, role="primary", run_id="old")
    past.sample("redis-2", 10.4, role="primary", run_id="new")
    past.sample("redis-2", 11.4, role="primary", run_id="newer")
    past.event("published", 11.0, node="redis-2")
    promoted = facts_of(past.history()).ownership.owners[1][1]
    assert promoted.by_us == us(10.2)  # its role said so first
    past.samples[0].role = past.samples[1].role = past.samples[2].role = ""
    assert facts_of(past.history()).ownership.owners[1][1] == Owner("redis-2", us(10.2) - 500, us(11.0))


def test_one_after_the_other_are_different_owners() -> None:
    """Each new name is a change; a name that comes back is one as well."""
    nodes = published(
        (11.0, "sentinel-1", "redis-2"), (12.0, "sentinel-1", "redis-3"), (13.0, "sentinel-1", "redis-2")
    )
    assert [one.node for one in nodes.owners[1]] == ["redis-1", "redis-2", "redis-3", "redis-2"]
    assert [one.by_us for one in nodes.owners[1][1:]] == [us(11), us(12), us(13)]


def test_change_that_is_only_to_come_explains_no_publication() -> None:
    """redis-2 is promoted at 15 s, says its role; what was published at 11 s was an earlier reign."""
    past = outline()
    for at, role in ((14.0, "replica"), (15.0, "primary")):
        past.sample("redis-2", at, role=role, run_id="x")
    past.event("published", 11.0, node="redis-2")
    assert [one.by_us for one in facts_of(past.history()).ownership.owners[1][1:]] == [us(11), us(15)]


@pytest.mark.parametrize(("apart_s", "count"), [(2.9, 1), (3.0, 2), (3.1, 2)])
def test_promotion_told_and_sampled_close_together_is_one(apart_s: float, count: int) -> None:
    """Within three seconds they are the same one."""
    assert us(3.0) == SAME_PROMOTION_US
    past = outline()
    for at, role in ((10.4, "replica"), (10.5, "primary"), (20.0, "primary")):
        past.sample("redis-2", at, role=role, run_id="x")
    past.event("promoted", 10.5 + apart_s, node="redis-2")
    assert len(facts_of(past.history()).ownership.owners[1]) == 1 + count


def test_promotion_known_to_a_sixth_of_a_second_is_a_moment() -> None:
    """Wider than that, nothing happened "at" it."""
    assert Owner("redis-2", 0, CLOSE_US).close
    assert not Owner("redis-2", 0, CLOSE_US + 1).close


# ---------------------------------------------------------------- shards


def cluster(*samples: tuple[float, str, str, int | None], promoted: float | None = None) -> History:
    """(second, node, role, shard that it says it belongs to) in three shards with two replicas each."""
    past = outline()
    for at, node, role, shard in samples:
        past.sample(node, at, role=role, run_id=f"run of {node}", shard=shard)
    if promoted is not None:
        past.event("promoted", promoted, source="redis-8", node="redis-8", shard=None)
    history = past.history()
    return replace(history, plan=a.plan(TopologyKind.CLUSTER, a.cluster_nodes(replicas=2)))


def test_node_belongs_to_the_shard_that_it_says() -> None:
    """redis-8 was planned for shard 2; from the first sample that says so it belongs to shard 1."""
    shards = Shards(cluster((1.0, "redis-8", "replica", 2), (5.0, "redis-8", "replica", 1)))
    assert [shards.of("redis-8", us(at)) for at in (0.5, 4.999, 5.0, 9.0)] == [2, 2, 1, 1]
    assert shards.members(1, us(4.9)) == {"redis-1", "redis-4", "redis-7"}
    assert shards.members(1, us(5.0)) == {"redis-1", "redis-4", "redis-7", "redis-8"}
    assert shards.members(2, us(5.0)) == {"redis-2", "redis-5"}
    assert shards.of("sentinel-1", us(1.0)) is None
    assert shards.of(None, us(1.0)) is None


def test_node_that_says_nothing_stays_where_it_was() -> None:
    """No slots and nobody to follow for a moment, or no answer, is no move."""
    history = cluster(
        (1.0, "redis-8", "replica", 1), (2.0, "redis-8", "replica", None), (3.0, "redis-8", "replica", 2)
    )
    history.samples[-1].reachable = False
    assert Shards(history).of("redis-8", us(9.0)) == 1


def test_migrated_replica_is_promoted_in_the_shard_that_it_migrated_to() -> None:
    """Shard 1 has a new owner; nobody took anything from shard 2."""
    history = cluster(
        (1.0, "redis-8", "replica", 2),
        (5.0, "redis-8", "replica", 1),
        (12.0, "redis-8", "primary", 1),
        promoted=12.0,
    )
    nodes = facts_of(history).ownership
    assert owners(history) == ["redis-1", "redis-8"]
    assert owners(history, 2) == ["redis-2"]
    assert [one.node for one in nodes.failovers(us(10.0), 1)] == ["redis-8"]
    assert nodes.failovers(us(10.0), 2) == []
    assert nodes.standing("redis-1", us(13.0), us(13.1)) is Standing.DEPOSED
    assert nodes.standing("redis-2", us(13.0), us(13.1)) is Standing.PRIMARY


def test_failovers_count_from_a_moment_on() -> None:
    """By the latest moment at which the new primary can have taken over."""
    nodes = published((11.0, "sentinel-1", "redis-2"))
    assert len(nodes.failovers(us(11.0))) == 1
    assert nodes.failovers(us(11.0) + 1) == []


def test_slots_are_shared_out_and_name_their_shard() -> None:
    """First and last slot of each shard, and back from a slot to its shard."""
    plan = a.plan(TopologyKind.CLUSTER, a.cluster_nodes())
    ranges = [plan.inventory.slot_range(shard) for shard in (1, 2, 3)]
    assert ranges == [(0, 5460), (5461, 10921), (10922, 16383)]
    edges = [(first, last) for first, last in ranges]
    assert [
        (plan.inventory.shard_of_slot(first), plan.inventory.shard_of_slot(last)) for first, last in edges
    ] == [
        (1, 1),
        (2, 2),
        (3, 3),
    ]


def test_primary_is_a_node_of_the_plan() -> None:
    """A name that is no node owns nothing."""
    past = outline()
    past.event("promoted", 12.0, node="redis-9")
    past.event("published", 12.0, node=None)
    history = past.history()
    assert owners(history) == ["redis-1"]
    assert NodePlan(name="redis-9", role=NodeRole.REPLICA) not in history.plan.nodes


def test_node_that_comes_back_to_its_shard_moved_twice() -> None:
    """Away and back again: each move counts from the sample that shows it."""
    history = cluster(
        (1.0, "redis-8", "replica", 2),
        (5.0, "redis-8", "replica", 1),
        (6.0, "redis-8", "replica", 1),
        (7.0, "redis-8", "replica", 2),
    )
    shards = Shards(history)
    assert [shards.of("redis-8", us(at)) for at in (4.9, 5.0, 6.9, 7.0, 9.0)] == [2, 1, 1, 2, 2]


# ---------------------------------------------------------------- brackets


def sampled(*roles: tuple[float, str], told: tuple[tuple[str, float, float], ...] = ()) -> list[Owner]:
    """redis-2 says these roles at these seconds; events about it are (name, second, error in seconds)."""
    past = outline()
    for at, role in roles:
        past.sample("redis-2", at + 0.0005, role=role, run_id="x")
    for name, at, error_s in told:
        past.event(name, at, node="redis-2", error=error_s)
    return facts_of(past.history()).ownership.owners[1][1:]


TURNED = ((10.0, "replica"), (11.0, "primary"))


def test_promotion_lies_between_two_samples() -> None:
    """After the last one that was asked as a replica, before the first that answered as primary."""
    assert sampled(*TURNED) == [Owner("redis-2", us(10.0), us(11.0005))]


def test_node_that_says_no_role_for_a_moment_was_a_replica_before() -> None:
    """While it loads it says none: what it said last holds, and the time of the promotion is the narrower."""
    assert sampled((9.0, "replica"), (10.0, ""), (11.0, "primary")) == [
        Owner("redis-2", us(10.0), us(11.0005))
    ]
    assert sampled((9.0, "primary"), (10.0, ""), (11.0, "primary")) == [Owner("redis-2", 0.0, us(9.0005))]


def test_primary_that_follows_and_leads_again_was_promoted_twice() -> None:
    """Each turn from replica to primary is one, and only those."""
    turns = ((10.0, "replica"), (11.0, "primary"), (12.0, "replica"), (13.0, "replica"), (14.0, "primary"))
    assert sampled(*turns) == [
        Owner("redis-2", us(10.0), us(11.0005)),
        Owner("redis-2", us(13.0), us(14.0005)),
    ]


@pytest.mark.parametrize(
    ("name", "at", "error_s", "from_us", "by_us"),
    [
        # What was promoted says between which moments: both ends move.
        ("promoted", 10.5, 0.1, us(10.4), us(10.5)),
        ("promoted", 10.5, 2.0, us(10.0), us(10.5)),
        # An order comes before: the start moves, the end does not.
        ("+failover-state-wait-promotion", 10.5, 0.1, us(10.4), us(11.0005)),
        # Who noticed or published did so afterwards: the end moves, the start does not.
        ("+promoted-slave", 10.5, 0.1, us(10.0), us(10.5)),
        # What lies outside of the samples is about another promotion, or late.
        ("+failover-state-wait-promotion", 9.9, 0.0, us(10.0), us(11.0005)),
        ("+promoted-slave", 11.4, 0.1, us(10.0), us(11.0005)),
        ("+promoted-slave", 10.0, 0.0, us(10.0), us(10.0)),
        ("+failover-state-wait-promotion", 11.0005, 0.0, us(11.0005), us(11.0005)),
    ],
)
def test_promotion_is_narrowed_by_what_others_tell(
    name: str, at: float, error_s: float, from_us: int, by_us: int
) -> None:
    """Within what the samples allow; none of them widens it."""
    assert sampled(*TURNED, told=((name, at, error_s),))[0] == Owner("redis-2", from_us, by_us)


def test_order_that_comes_after_the_promotion_was_noticed_is_another_one() -> None:
    """What is noticed at 10.3 s was not ordered at 10.7 s."""
    told = (("+promoted-slave", 10.3, 0.0), ("+failover-state-wait-promotion", 10.7, 0.0))
    assert sampled(*TURNED, told=told)[0] == Owner("redis-2", us(10.0), us(10.3))


def test_what_is_said_of_another_node_narrows_nothing() -> None:
    """Two nodes may be promoted within one second, in two shards."""
    past = outline()
    for at, role in TURNED:
        past.sample("redis-2", at + 0.0005, role=role, run_id="x")
    past.event("+promoted-slave", 10.5, node="redis-3")
    line = facts_of(past.history()).ownership.owners[1]
    assert Owner("redis-2", us(10.0), us(11.0005)) in line


def test_promotion_that_no_sample_shows_is_taken_from_its_event() -> None:
    """Somewhere within the error that the event gives."""
    assert sampled((9.0, ""), told=(("promoted", 10.5, 0.2),)) == [Owner("redis-2", us(10.3), us(10.5))]


@pytest.mark.parametrize(
    ("t_us", "heirs"),
    [
        (us(10.9), ["redis-2", "redis-3", "redis-2"]),
        (us(12.9), ["redis-2", "redis-3", "redis-2"]),
    ],
)
def test_heirs_come_one_after_the_other(t_us: int, heirs: list[str]) -> None:
    """Who took over from redis-1, who from that one, and so on, whenever redis-1 is asked about."""
    nodes = published(
        (11.0, "sentinel-1", "redis-2"), (12.0, "sentinel-1", "redis-3"), (13.0, "sentinel-1", "redis-2")
    )
    assert [one.node for one in nodes.heirs("redis-1", t_us)] == heirs
    assert [one.node for one in nodes.heirs("redis-3", us(12.5))] == ["redis-2"]
    assert list(nodes.heirs("redis-9", t_us)) == []


def test_failovers_of_one_shard_or_of_all_in_their_order() -> None:
    """Where two shards change, both are told, the earlier first."""
    history = cluster((12.0, "redis-8", "primary", 2), (11.0, "redis-4", "primary", 1))
    nodes = facts_of(history).ownership
    assert [one.node for one in nodes.failovers(0)] == ["redis-4", "redis-8"]
    assert [one.node for one in nodes.failovers(0, 2)] == ["redis-8"]


def handed_over(*, effect_s: float, ordered_s: float | None = None, kind: str = "planned failover") -> Owner:
    """redis-2 was a replica at 9.8 s and is primary at 11.5 s; a fault asked for that, and proved it."""
    past = outline(fault_kinds=(kind,))
    past.sample("redis-1", 9.8, role="primary", run_id="a")
    past.sample("redis-2", 9.8, role="replica", run_id="b")
    past.sample("redis-2", 11.5, role="primary", run_id="b")
    past.event("effect", effect_s, source="fault 1", node="redis-1", error=0.03, fault=1)
    if ordered_s is not None:
        past.event("+failover-state-wait-promotion", ordered_s, node="redis-2", error=0.02)
    return facts_of(past.history()).ownership.owners[1][1]


def test_fault_that_asked_for_a_promotion_is_its_best_witness() -> None:
    """Seen on a late loop: it read the sentinel's message after the node had said that it is primary, so a
    write that the old primary acked meanwhile seemed to come before the promotion."""
    assert handed_over(effect_s=10.3) == Owner("redis-2", us(9.8) - 500, us(10.3))
    assert handed_over(effect_s=10.3, ordered_s=10.2) == Owner("redis-2", us(10.18), us(10.3))
    assert handed_over(effect_s=10.3, ordered_s=10.295).from_us == us(10.275)
    assert handed_over(effect_s=10.3, ordered_s=10.4) == Owner("redis-2", us(10.27), us(10.3))
    other = handed_over(effect_s=10.3, kind="kill")
    assert (other.from_us, other.by_us) == (us(9.8) - 500, us(11.5))


@pytest.mark.parametrize(("t_us", "heirs"), [(us(11.9) - 1, []), (us(11.9), ["redis-3"])])
def test_heirs_of_a_node_follow_from_its_first_moment_on(t_us: int, heirs: list[str]) -> None:
    """redis-2 is primary from 11.9 s on: nobody took over from it before that."""
    past = outline()
    past.event("promoted", 12.0, source="redis-2", node="redis-2", error=0.1)
    past.event("promoted", 14.0, source="redis-3", node="redis-3", error=0.1)
    nodes = facts_of(past.history()).ownership
    assert [one.node for one in nodes.heirs("redis-2", t_us)] == heirs


@pytest.mark.parametrize(
    ("at", "line"), [(11.9, ["redis-1", "redis-2"]), (11.899999, ["redis-1", "redis-2", "redis-2"])]
)
def test_publication_at_the_first_moment_of_a_promotion_tells_of_it(at: float, line: list[str]) -> None:
    """What is published before a promotion can have begun tells of another one."""
    past = outline()
    past.event("promoted", 12.0, source="redis-2", node="redis-2", error=0.1)
    past.event("published", at, node="redis-2")
    assert owners(past.history()) == line


def given_up(
    *told: tuple[str, float, str], kind: str = "kill", then: tuple[tuple[float, str], ...] = ()
) -> list[str]:
    """redis-1 follows from 10 s on and says that it is primary from 14 s on; redis-2 is promoted at 11 s. Events are
    (name, second, node). `then`: what redis-1 says later."""
    past = outline(fault_kinds=(kind,))
    for at, role in ((9.0, "primary"), (10.0, "replica"), (13.0, "replica"), (14.0, "primary"), *then):
        past.sample("redis-1", at, role=role, run_id="x")
    for at, role in ((10.0, "replica"), (11.0, "primary")):
        past.sample("redis-2", at, role=role, run_id="y")
    for name, at, node in told:
        fault = 1 if name == "effect" else None
        past.event(name, at, source="fault 1" if fault else "sentinel-1", node=node, shard=1, fault=fault)
    return owners(past.history())


def test_primary_that_gives_its_place_up_and_takes_it_again_by_itself_owns_nothing() -> None:
    """Seen on real nodes: a FAILOVER by force across a cut gave up after sentinels had published another node. It
    counted as a second failover, and all that had been lost before was within the budget of that one."""
    named = ("published", 11.5, "redis-2")
    assert given_up(named) == ["redis-1", "redis-2"]
    assert given_up() == ["redis-1", "redis-2", "redis-1"], "nobody published anything"
    assert given_up(("published", 14.5, "redis-2")) == ["redis-1", "redis-2", "redis-1"], "nor in time"
    again = ((15.0, "replica"), (16.0, "primary"))
    assert given_up(named, then=again) == ["redis-1", "redis-2"], "nor does it where it does so twice"


@pytest.mark.parametrize(
    ("name", "at", "leads"),
    [
        ("+failover-state-wait-promotion", 13.5, True),
        ("+promoted-slave", 14.2, True),
        ("published", 15.0, True),
        ("published", 11.2, False),
    ],
)
def test_old_primary_that_others_name_again_leads_again(name: str, at: float, leads: bool) -> None:
    """By whoever leads the failover, or by all once it is over; what they said before the other was published is
    old."""
    line = given_up(("published", 11.5, "redis-2"), (name, at, "redis-1"))
    assert (line[-1] == "redis-1") is leads


@pytest.mark.parametrize(("at", "leads"), [(12.0, True), (11.2, False)])
def test_old_primary_that_somebody_promotes_by_hand_leads_again(at: float, leads: bool) -> None:
    """REPLICAOF NO ONE asks no sentinel; asked before the other was published, it is not the reason."""
    line = given_up(("published", 11.5, "redis-2"), ("effect", at, "redis-1"), kind="reattach")
    assert (line[-1] == "redis-1") is leads
