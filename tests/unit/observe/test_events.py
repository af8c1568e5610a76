"""What changes between two looks, and what sentinels announce, becomes the right event at the right time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from harness.model.plan import Plan
from harness.model.records import Event, NodeSample, Record
from harness.model.seams import Address, Secrets, Source
from harness.model.words import TopologyKind
from harness.observe.context import ObserverContext
from harness.observe.events import ClusterWatch, RoleWatch, SentinelWatch, Suspicions
from harness.observe.loop_ticks import HEARD_WITHIN_US
from harness.observe.views import ClusterNode, ClusterView, Directory, SentinelView
from tests import builders_observe as a


class StoppedClock:
    def __init__(self, now_us: int = 0) -> None:
        self.at_us = now_us

    def now_us(self) -> int:
        return self.at_us

    def wall_us(self) -> int:
        return self.at_us

    def sleep(self, seconds: float) -> None:
        raise AssertionError("observers do not sleep by the clock")


def context(plan: Plan | None = None) -> tuple[ObserverContext, list[Event]]:
    plan = plan or a.plan()
    addresses = {node.name: Address("10.0.0.1", 7000 + n) for n, node in enumerate(plan.nodes)}
    events: list[Event] = []

    def record(rec: Record) -> None:
        assert isinstance(rec, Event)
        events.append(rec)

    found = ObserverContext(
        plan=plan,
        clock=StoppedClock(),
        record=record,
        addresses=addresses,
        directory=Directory({(at.host, at.port): name for name, at in addresses.items()}),
        source=Source(),
        secrets=Secrets(redis="", sentinel=""),
        service="sessions",
    )
    return found, events


def clock_of(place: ObserverContext) -> StoppedClock:
    assert isinstance(place.clock, StoppedClock)
    return place.clock


def told(events: Iterable[Event]) -> list[tuple[str, str, str | None]]:
    return [(event.name, event.source, event.node) for event in events]


def test_promotion_lies_between_the_two_looks() -> None:
    """The error reaches back to when the last look with the old role was sent."""
    place, events = context()
    watch = RoleWatch(place)
    watch.notice(a.sample("redis-2", "replica", 100_000))
    watch.notice(a.sample("redis-2", "replica", 200_000))
    assert events == []
    watch.notice(a.sample("redis-2", "primary", 300_000))
    (event,) = events
    assert (event.name, event.node, event.shard) == ("promoted", "redis-2", 1)
    assert (event.t_us, event.error_us) == (300_000, 300_000 - 199_000)


def test_silence_widens_the_error_and_is_no_change() -> None:
    """A node that did not answer for a while may have been demoted at any time in it."""
    place, events = context()
    watch = RoleWatch(place)
    watch.notice(a.sample("redis-1", "primary", 100_000))
    watch.notice(a.sample("redis-1", "", 200_000, reachable=False))
    watch.notice(a.sample("redis-1", "replica", 900_000))
    (event,) = events
    assert (event.name, event.error_us) == ("demoted", 900_000 - 99_000)


def test_new_process_is_rebooted_and_keeps_its_role() -> None:
    """A changed run_id is a restart; the same role before and after is no promotion."""
    place, events = context()
    watch = RoleWatch(place)
    watch.notice(a.sample("redis-1", "primary", 100_000))
    watch.notice(a.sample("redis-1", "primary", 900_000, run_id="another", keys=3))
    assert told(events) == [("rebooted", "redis-1", "redis-1")]
    assert "3 keys" in events[0].detail


def test_new_process_is_told_once_it_has_loaded_with_the_moment_of_its_first_answer() -> None:
    """Half-loaded data is not what it came back with, and what users added since is not either."""
    place, events = context()
    watch = RoleWatch(place)
    watch.notice(a.sample("redis-1", "primary", 100_000))
    watch.notice(a.sample("redis-1", "primary", 300_000, run_id="another", keys=3, error="LOADING: x"))
    assert events == []
    watch.notice(a.sample("redis-1", "primary", 400_000, run_id="another", keys=529, keys_read=0))
    watch.notice(a.sample("redis-1", "primary", 500_000, run_id="another", keys=600, keys_read=0))
    (event,) = events
    assert (event.name, event.t_us, event.error_us) == ("rebooted", 300_000, 300_000 - 99_000)
    assert event.detail == "a new process, which started with 0 keys"


def chosen(place: ObserverContext, *before: NodeSample) -> SentinelWatch:
    """sentinel-1 tells redis-1 to lead at 7 s and sees it lead at 8 s; before that, these samples."""
    roles = RoleWatch(place)
    watch = SentinelWatch(place, "sentinel-1", Suspicions(place), roles)
    for sample in before:
        roles.notice(sample)
    for at_us, message in ((7_000_000, "+failover-state-wait-promotion"), (8_000_000, "+promoted-slave")):
        clock_of(place).at_us = at_us
        watch.hear(message, "slave x 10.0.0.1 7000 @ sessions 10.0.0.1 7001")
    return watch


def promoted(events: Iterable[Event]) -> list[tuple[str, str | None, int, int]]:
    return [
        (event.source, event.node, event.t_us, event.error_us) for event in events if event.name == "promoted"
    ]


def test_old_primary_that_leads_again_is_told_though_its_role_never_changed() -> None:
    """redis-2 had taken over; the promotion of redis-1 lies between the order and the sight of it."""
    place, events = context()
    looks = (
        a.sample("redis-1", "primary", 1_000_000),
        a.sample("redis-2", "replica", 1_000_000),
        a.sample("redis-2", "primary", 3_000_000),
        a.sample("redis-1", "primary", 6_000_000, run_id="back"),
    )
    watch = chosen(place, *looks)
    assert promoted(events)[1:] == [("sentinel-1", "redis-1", 8_000_000, 1_020_000)]
    watch.hear("+promoted-slave", "slave x 10.0.0.1 7000 @ sessions 10.0.0.1 7001")
    assert len(promoted(events)) == 2


def test_promotion_that_its_role_tells_is_not_told_twice() -> None:
    """A replica's own change of role is the better witness; and who leads already is not promoted."""
    place, events = context()
    chosen(place, a.sample("redis-1", "replica", 6_000_000))
    assert promoted(events) == []
    chosen(place, a.sample("redis-1", "primary", 6_000_000))
    assert promoted(events) == []
    chosen(place)
    assert promoted(events) == []


def test_events_name_the_shard_that_a_node_belongs_to_now() -> None:
    """A replica that migrated is promoted in its new shard."""
    place, events = context(a.plan(TopologyKind.CLUSTER, a.cluster_nodes(replicas=2)))
    place = replace(place, shards={"redis-8": 1})
    watch = RoleWatch(place)
    watch.notice(a.sample("redis-8", "replica", 100_000))
    watch.notice(a.sample("redis-8", "primary", 200_000))
    assert [event.shard for event in events] == [1]


def sentinel_watch(place: ObserverContext, suspicions: Suspicions, name: str = "sentinel-1") -> SentinelWatch:
    return SentinelWatch(place, name, suspicions, RoleWatch(place))


def test_what_a_late_loop_hears_may_be_old() -> None:
    """A message's error is as large as the loop was late; on one that is on time it is small."""
    place, events = context()
    for late in (place, replace(place, heard_within_us=lambda: 700_000)):
        watch = SentinelWatch(late, "sentinel-1", Suspicions(late), RoleWatch(late))
        watch.hear("+elected-leader", "master sessions 10.0.0.1 7000")
    assert [one.error_us for one in events] == [HEARD_WITHIN_US, 700_000]


def test_sentinels_messages_become_the_kits_names() -> None:
    """Each message of a failover under the name that the failover's steps are told by."""
    place, events = context()
    suspicions = Suspicions(place)
    one, two = (sentinel_watch(place, suspicions, f"sentinel-{n}") for n in (1, 2))
    one.hear("+sdown", "master sessions 10.0.0.1 7000")
    two.hear("+sdown", "master sessions 10.0.0.1 7000")
    two.hear("+odown", "master sessions 10.0.0.1 7000 #quorum 2/2")
    two.hear("+try-failover", "master sessions 10.0.0.1 7000")
    two.hear("+elected-leader", "master sessions 10.0.0.1 7000")
    two.hear("+switch-master", "sessions 10.0.0.1 7000 10.0.0.1 7001")
    one.hear("-sdown", "master sessions 10.0.0.1 7000")
    two.hear("+convert-to-slave", "slave x 10.0.0.1 7000 @ sessions 10.0.0.1 7001")
    one.hear("+reboot", "slave x 10.0.0.1 7002 @ sessions 10.0.0.1 7001")
    one.hear("__sentinel__:hello", "10.0.0.1,26379,...")
    assert told(events) == [
        ("suspected", "sentinel-1", "redis-1"),
        ("suspected", "sentinel-2", "redis-1"),
        ("suspected-by-quorum", "sentinel-2", "redis-1"),
        ("agreed", "sentinel-2", "redis-1"),
        ("+try-failover", "sentinel-2", "redis-1"),
        ("elected", "sentinel-2", "redis-1"),
        ("published", "sentinel-2", "redis-2"),
        ("cleared", "sentinel-1", "redis-1"),
        ("demoted", "sentinel-2", "redis-1"),
        ("rebooted", "sentinel-1", "redis-3"),
    ]


def test_quorum_is_reached_once_per_suspicion() -> None:
    """A third suspecting sentinel adds nothing; after all have cleared it, it can happen again."""
    place, events = context()
    suspicions = Suspicions(place)
    watches = [sentinel_watch(place, suspicions, f"sentinel-{n}") for n in (1, 2, 3)]
    for _ in range(2):
        for watch in watches:
            watch.hear("+sdown", "master sessions 10.0.0.1 7000")
        for watch in watches:
            watch.hear("-sdown", "master sessions 10.0.0.1 7000")
    assert [e.name for e in events].count("suspected-by-quorum") == 2


def answer(primary: str, t_us: int, **given: Any) -> SentinelView:
    return SentinelView(observer="sentinel-1", sent_us=t_us - 1000, done_us=t_us, primary=primary, **given)


def test_switch_that_was_not_heard_shows_in_what_the_sentinel_answers() -> None:
    """A missed +switch-master is found by asking, within the two looks; one that was heard is not told twice."""
    place, events = context()
    watch = sentinel_watch(place, Suspicions(place))
    watch.notice(answer("redis-1", 100_000))
    watch.notice(answer("redis-1", 200_000, error="no answer"))
    watch.notice(answer("redis-2", 300_000))
    (event,) = events
    assert (event.name, event.node, event.t_us, event.error_us) == ("published", "redis-2", 300_000, 201_000)
    watch.hear("+switch-master", "sessions 10.0.0.1 7001 10.0.0.1 7002")
    watch.notice(answer("redis-2", 390_000))  # asked before the switch
    watch.notice(answer("redis-3", 400_000))
    assert [e.node for e in events] == ["redis-2", "redis-3"]
    watch.notice(answer("redis-1", 500_000))
    assert [e.node for e in events] == ["redis-2", "redis-3", "redis-1"]


def look(observer: str, t_us: int, flags: Iterable[str] = (), owner: int = 2) -> ClusterView:
    """Three shards; redis-2 has the flags, `owner` has the slots of shard 2."""
    nodes = {
        name: ClusterNode(
            name=name,
            primary=name in ("redis-1", "redis-3", f"redis-{owner}"),
            flags=frozenset(flags) if name == "redis-2" else frozenset(),
            slots=100 if name in ("redis-1", "redis-3", f"redis-{owner}") else 0,
            ranges=((5461, 10921),) if name == f"redis-{owner}" else (),
        )
        for name in (f"redis-{n}" for n in range(1, 7))
    }
    return ClusterView(observer=observer, sent_us=t_us - 1000, done_us=t_us, nodes=nodes)


Watched = tuple[ClusterWatch, list[Event]]


@pytest.fixture
def cluster() -> tuple[ClusterWatch, list[Event]]:
    place, events = context(a.plan(TopologyKind.CLUSTER, a.cluster_nodes()))
    return ClusterWatch(place, Suspicions(place)), events


def test_cluster_tells_suspicion_agreement_and_new_owner(cluster: Watched) -> None:
    """PFAIL of one, of the majority, FAIL, and the slots' new owner in each view; each once."""
    watch, events = cluster
    for observer in ("redis-1", "redis-3", "redis-5"):
        watch.notice(look(observer, 100_000))
    watch.notice(look("redis-1", 200_000, {"fail?"}))
    watch.notice(look("redis-1", 300_000, {"fail?"}))
    watch.notice(look("redis-3", 300_000, {"fail?"}))
    watch.notice(look("redis-1", 400_000, {"fail"}))
    watch.notice(look("redis-3", 400_000, {"fail"}))
    watch.notice(look("redis-5", 500_000, {"fail"}, owner=5))
    watch.notice(look("redis-1", 500_000, {"fail"}, owner=5))
    assert told(events) == [
        ("suspected", "redis-1", "redis-2"),
        ("suspected", "redis-3", "redis-2"),
        ("suspected-by-quorum", "redis-3", "redis-2"),
        ("agreed", "redis-1", "redis-2"),
        ("published", "redis-5", "redis-5"),
        ("published", "redis-1", "redis-5"),
    ]
    assert [e.shard for e in events] == [2] * 6
    assert events[0].error_us == 101_000
    assert events[4].error_us == 500_000 - 99_000


def test_cluster_fail_without_a_seen_pfail_is_a_suspicion_too(cluster: Watched) -> None:
    """Between two looks a node can go from healthy to FAIL; somebody suspected it all the same."""
    watch, events = cluster
    watch.notice(look("redis-1", 100_000))
    watch.notice(look("redis-1", 200_000, {"fail"}))
    assert told(events) == [("suspected", "redis-1", "redis-2"), ("agreed", "redis-1", "redis-2")]


def test_cluster_failure_can_be_agreed_again_after_it_was_cleared(cluster: Watched) -> None:
    """A second failure of the same node is an event of its own."""
    watch, events = cluster
    for flags in ((), ("fail",), (), ("fail",)):
        watch.notice(look("redis-1", 100_000, flags))
    assert [e.name for e in events] == ["suspected", "agreed", "cleared", "suspected", "agreed"]


def test_view_that_is_missing_changes_nothing(cluster: Watched) -> None:
    """A node that does not tell its view has not changed its mind."""
    watch, events = cluster
    watch.notice(look("redis-1", 100_000))
    watch.notice(ClusterView(observer="redis-1", sent_us=1, done_us=2, error="no answer"))
    watch.notice(look("redis-1", 300_000))
    assert events == []
