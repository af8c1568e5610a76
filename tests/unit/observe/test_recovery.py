"""A topology is recovered when everybody who is meant to be there agrees, and has the data, for a second."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from harness.model.inventory import SLOTS
from harness.model.plan import Plan
from harness.model.records import Event, NodeSample
from harness.model.words import TopologyKind
from harness.observe.recovery import RecoveryWatch, why_not
from harness.observe.topology_view import TopologyView, ViewCollector, members, primary_of
from harness.observe.views import ClusterNode, ClusterView, SentinelView
from tests import builders_observe as a
from tests.fake_clock import in_fake_time
from tests.unit.observe.test_events import clock_of, context

NOW_US = 10_000_000
PLAN = a.plan()
NODES = ("redis-1", "redis-2", "redis-3")
SENTINELS = ("sentinel-1", "sentinel-2", "sentinel-3")


def following(node: str, primary: str = "redis-1", t_us: int = NOW_US, **given: Any) -> NodeSample:
    return a.sample(node, "replica", t_us, **({"primary": primary} | given))


Samples = dict[str, tuple[NodeSample, ...]]


def healthy() -> tuple[Samples, dict[str, SentinelView]]:
    """Samples and sentinels' views of a recovered sentinel topology, redis-1 being primary."""
    samples: Samples = {
        "redis-1": (a.sample("redis-1", "primary", NOW_US - 100_000), a.sample("redis-1", "primary", NOW_US)),
        "redis-2": (following("redis-2"),),
        "redis-3": (following("redis-3"),),
    }
    return samples, {name: view(name) for name in SENTINELS}


def view(name: str, primary: str | None = "redis-1", t_us: int = NOW_US, **given: Any) -> SentinelView:
    return SentinelView(observer=name, sent_us=t_us - 1000, done_us=t_us, primary=primary or "", **given)


def known(
    samples: Mapping[str, tuple[NodeSample, ...]],
    sentinels: Mapping[str, SentinelView] | None = None,
    clusters: Mapping[str, ClusterView] | None = None,
    now_us: int = NOW_US,
) -> TopologyView:
    answers = {name: next((s for s in reversed(seen) if s.reachable), None) for name, seen in samples.items()}
    return TopologyView(
        now_us=now_us,
        samples=samples,
        answers={name: answer for name, answer in answers.items() if answer},
        sentinels=sentinels or {},
        clusters=clusters or {},
    )


def judged(
    samples: Mapping[str, tuple[NodeSample, ...]],
    sentinels: Mapping[str, SentinelView],
    absent: Iterable[str] = (),
    plan: Plan = PLAN,
) -> str:
    return said(known(samples, sentinels), plan, absent)


def said(seen: TopologyView, plan: Plan, absent: Iterable[str] = ()) -> str:
    trouble = why_not(seen, plan, frozenset(absent))
    return "" if trouble is None else trouble.said


def test_topology_in_which_everybody_agrees_is_recovered() -> None:
    """One primary, followed by all with its data, and named by every sentinel."""
    assert judged(*healthy()) == ""


@pytest.mark.parametrize(
    ("node", "change", "missing"),
    [
        ("redis-2", a.sample("redis-2", "primary", NOW_US), "one primary, found redis-1, redis-2"),
        ("redis-1", following("redis-1", "redis-2"), "one primary, found none"),
        ("redis-2", following("redis-2", "redis-3"), "redis-2 follows redis-3 instead of redis-1"),
        ("redis-2", following("redis-2", ""), "redis-2 follows an unknown address"),
        ("redis-3", following("redis-3", replid="r0"), "redis-3 does not have the replication id"),
        ("redis-3", following("redis-3", offset=93), "redis-3 lacks 7 bytes of redis-1"),
        (
            "redis-3",
            following("redis-3", t_us=NOW_US - 1_000_001),
            "redis-3 was not observed for a second",
        ),
        ("redis-3", following("redis-3", error="LOADING: x"), r"redis-3 does not answer (LOADING: x)"),
        (
            "redis-2",
            a.sample("redis-2", "", NOW_US, reachable=False, error="no answer within 0.5 s"),
            "redis-2 does not answer (no answer",
        ),
    ],
)
def test_node_that_disagrees_or_lags_is_what_is_missing(node: str, change: NodeSample, missing: str) -> None:
    """Each way in which a single node is not there yet is found and said."""
    samples, sentinels = healthy()
    assert missing in judged(samples | {node: (change,)}, sentinels)


def test_link_status_proves_nothing() -> None:
    """A replica whose link claims to be up, but that lacks data, is not recovered."""
    samples, sentinels = healthy()
    samples["redis-2"] = (following("redis-2", link_up=True, offset=1),)
    assert "lacks" in judged(samples, sentinels)


def test_replica_under_load_needs_what_its_primary_had_before() -> None:
    """While offsets move, a replica is judged by what the primary had up to half a second earlier."""
    samples, sentinels = healthy()
    samples["redis-1"] = tuple(
        a.sample("redis-1", "primary", NOW_US - ago, offset=1000 - ago // 1000)
        for ago in (900_000, 400_000, 200_000, 0)
    )
    for offset, missing in ((599, "lacks 1 bytes"), (600, ""), (1000, "")):
        samples["redis-2"] = samples["redis-3"] = ()
        samples |= {name: (following(name, offset=offset),) for name in ("redis-2", "redis-3")}
        assert missing in judged(samples, sentinels)
        assert bool(missing) == bool(judged(samples, sentinels))


@pytest.mark.parametrize(
    ("primary_ago_ms", "offset", "said_of_it", "unseen"),
    [
        ((900, 400), 599, "redis-3 lacks 1 bytes of redis-1", ("redis-1",)),
        ((900, 502, 400), 497, "redis-3 lacks 103 bytes of redis-1", ()),
        ((900, 501, 400), 498, "redis-3 lacks 1 bytes of redis-1", ("redis-1",)),
        ((900, 600), 399, "redis-3 lacks 1 bytes of redis-1", ()),
        ((900, 600), 400, "redis-1 was not sampled before redis-3", ("redis-1",)),
        ((), 1000, "redis-1 was not sampled before redis-3", ("redis-1",)),
    ],
)
def test_lag_is_proved_by_what_the_primary_had_half_a_second_before(
    primary_ago_ms: tuple[int, ...], offset: int, said_of_it: str, unseen: tuple[str, ...]
) -> None:
    """A late observer has no sample of the primary that is old enough, or none at all: the replica may be
    well, and nobody knows. What the primary had more than half a second before must be there."""
    samples, sentinels = healthy()
    samples["redis-1"] = (
        *(a.sample("redis-1", "primary", NOW_US - ago * 1000, offset=1000 - ago) for ago in primary_ago_ms),
        a.sample("redis-1", "primary", NOW_US + 1, offset=1000),
    )
    samples["redis-3"] = (following("redis-3", offset=offset),)
    trouble = why_not(known(samples, sentinels), PLAN, frozenset({"redis-2"}))
    assert trouble is not None
    assert (trouble.said, trouble.unseen) == (said_of_it, unseen)


def test_trouble_that_somebody_saw_comes_before_what_nobody_saw() -> None:
    """Whatever a late observer missed, a sentinel that names another primary proves that it is not over."""
    samples, sentinels = healthy()
    samples["redis-1"] = (a.sample("redis-1", "primary", NOW_US + 1),)
    assert judged(samples, sentinels) == "redis-1 was not sampled before redis-2"
    sentinels |= {"sentinel-2": view("sentinel-2", "redis-2")}
    trouble = why_not(known(samples, sentinels), PLAN, frozenset())
    assert trouble is not None
    assert trouble.unseen == ()
    assert trouble.said == "sentinel-2 names redis-2 as the primary, not redis-1"


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (view("sentinel-2", "redis-2"), "sentinel-2 names redis-2 as the primary, not redis-1"),
        (view("sentinel-2", ""), "sentinel-2 names an unknown address"),
        (view("sentinel-2", error="no answer"), "sentinel-2 does not answer (no answer)"),
        (view("sentinel-2", t_us=NOW_US - 1_500_000), "sentinel-2 was not observed for a second"),
        (view("sentinel-2", flags=frozenset({"s_down"})), "sentinel-2 says of redis-1: s_down"),
    ],
)
def test_sentinel_that_disagrees_is_what_is_missing(change: SentinelView, missing: str) -> None:
    """Every sentinel has to have heard of it, not just a majority."""
    samples, sentinels = healthy()
    assert missing in judged(samples, sentinels | {"sentinel-2": change})


def test_nodes_down_on_purpose_are_left_out() -> None:
    """A killed primary and a killed sentinel do not keep the rest from being recovered."""
    samples, sentinels = healthy()
    samples["redis-1"] = (a.sample("redis-1", "", NOW_US, reachable=False),)
    samples["redis-2"] = (
        a.sample("redis-2", "primary", NOW_US - 100_000),
        a.sample("redis-2", "primary", NOW_US),
    )
    samples["redis-3"] = (following("redis-3", "redis-2"),)
    sentinels = {name: view(name, "redis-2") for name in SENTINELS[:2]}
    assert "redis-1 does not answer" in judged(samples, sentinels)
    assert judged(samples, sentinels, {"redis-1", "sentinel-3"}) == ""


def test_shard_without_any_node_is_not_recovered() -> None:
    """Down on purpose does not make an empty shard a healthy one."""
    plan = a.plan(TopologyKind.SINGLE, a.single_nodes())
    assert "found none" in judged({}, {}, {"redis-1"}, plan)


def test_cache_beside_the_sessions_counts_as_a_shard_of_its_own() -> None:
    """A split's cache instance must be up as well."""
    plan = a.plan(TopologyKind.SPLIT, a.split_nodes())
    samples = {"redis-1": (a.sample("redis-1", "primary", NOW_US),)}
    assert "cache-1 was not observed" in judged(samples, {}, plan=plan)
    assert judged(samples | {"cache-1": (a.sample("cache-1", "primary", NOW_US),)}, {}, plan=plan) == ""


CLUSTER = a.plan(TopologyKind.CLUSTER, a.cluster_nodes())


def cluster_nodes(**changes: ClusterNode) -> dict[str, ClusterNode]:
    nodes = {
        f"redis-{n}": ClusterNode(
            name=f"redis-{n}",
            primary=n <= 3,
            flags=frozenset(),
            replica_of=f"redis-{n - 3}" if n > 3 else "",
            slots=(5461, 5461, 5462, 0, 0, 0)[n - 1],
            ranges=(CLUSTER.inventory.slot_range(n),) if n <= 3 else (),
        )
        for n in range(1, 7)
    }
    return nodes | changes


def cluster_picture(**changes: ClusterView) -> TopologyView:
    samples: Samples = {}
    for n in (1, 2, 3):
        samples[f"redis-{n}"] = tuple(
            a.sample(f"redis-{n}", "primary", NOW_US - ago, replid=f"r{n}") for ago in (100_000, 0)
        )
        samples[f"redis-{n + 3}"] = (following(f"redis-{n + 3}", f"redis-{n}", replid=f"r{n}"),)
    views = {
        name: ClusterView(observer=name, sent_us=NOW_US, done_us=NOW_US, nodes=cluster_nodes())
        for name in samples
    }
    return known(samples, clusters=views | changes)


def seen_by(observer: str, **nodes: ClusterNode) -> ClusterView:
    return ClusterView(observer=observer, sent_us=NOW_US, done_us=NOW_US, nodes=cluster_nodes(**nodes))


def test_cluster_in_which_every_view_agrees_is_recovered() -> None:
    """All slots served, nobody flagged, in the eyes of every node."""
    assert sum(node.slots for node in cluster_nodes().values()) == SLOTS
    assert said(cluster_picture(), CLUSTER) == ""


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (
            {"redis_2": ClusterNode(name="redis-2", primary=True, flags=frozenset({"fail?"}), slots=5461)},
            "redis-4 says of redis-2: fail?",
        ),
        (
            {"redis_2": ClusterNode(name="redis-2", primary=False, flags=frozenset(), slots=0)},
            "redis-4 takes redis-2 for a replica",
        ),
        (
            {"redis_2": ClusterNode(name="redis-2", primary=True, flags=frozenset(), slots=5000)},
            "redis-4 sees 15923 of 16384 slots served",
        ),
    ],
)
def test_cluster_node_that_sees_it_otherwise_is_what_is_missing(
    change: dict[str, ClusterNode], missing: str
) -> None:
    """One node's view is enough to say that it is not over."""
    change = {name.replace("_", "-"): node for name, node in change.items()}
    found = cluster_picture(**{"redis-4": seen_by("redis-4", **change)})
    assert said(found, CLUSTER) == missing


def test_cluster_node_without_a_view_is_what_is_missing() -> None:
    """A node that loads its data does not report how it sees the cluster."""
    silent = ClusterView(observer="redis-4", sent_us=NOW_US, done_us=NOW_US, error="LOADING")
    found = cluster_picture(**{"redis-4": silent})
    assert said(found, CLUSTER) == "redis-4 does not report how it sees the cluster"


def test_primary_is_who_the_majority_of_answering_sentinels_names() -> None:
    """The isolated sentinel and the silent one do not decide; a tie decides nothing."""
    samples, sentinels = healthy()
    sentinels |= {name: view(name, "redis-2") for name in SENTINELS[1:]}
    assert primary_of(known(samples, sentinels), PLAN, 1) == "redis-2"
    sentinels["sentinel-3"] = view("sentinel-3", "redis-2", error="no answer")
    assert primary_of(known(samples, sentinels), PLAN, 1) is None
    sentinels["sentinel-2"] = view("sentinel-2", "redis-2", t_us=NOW_US - 2_000_000)
    assert primary_of(known(samples, sentinels), PLAN, 1) == "redis-1"


def test_data_nodes_know_where_no_sentinel_answers() -> None:
    """All that answer must say the same: themselves, or whom they follow; else nobody is the primary."""
    samples, _ = healthy()
    dead = {name: view(name, "redis-3", error="no answer") for name in SENTINELS}
    assert primary_of(known(samples, dead), PLAN, 1) == "redis-1"
    assert primary_of(known(samples, {}), PLAN, 1) == "redis-1"
    gone = samples | {"redis-1": (a.sample("redis-1", "", NOW_US, reachable=False),)}
    assert primary_of(known(gone, dead), PLAN, 1) == "redis-1"
    two = samples | {"redis-2": (a.sample("redis-2", "primary", NOW_US),)}
    assert primary_of(known(two, dead), PLAN, 1) is None
    lost = samples | {"redis-2": (following("redis-2", ""),)}
    assert primary_of(known(lost, dead), PLAN, 1) is None
    nobody = {name: (a.sample(name, "", NOW_US, reachable=False),) for name in NODES}
    assert primary_of(known(nobody, dead), PLAN, 1) is None
    one_sentinel = dead | {"sentinel-2": view("sentinel-2", "redis-2")}
    assert primary_of(known(samples, one_sentinel), PLAN, 1) == "redis-2"


def test_migrated_replica_belongs_to_the_shard_that_it_follows() -> None:
    """Both replicas of shard 1 are dead; redis-5 came over from shard 2, and everything is well."""
    changes = {
        "redis-4": a.sample("redis-4", "", NOW_US, reachable=False),
        "redis-5": following("redis-5", "redis-1"),
    }
    views = {
        f"redis-{n}": seen_by(
            f"redis-{n}",
            **{"redis-5": replace(cluster_nodes()["redis-5"], replica_of="redis-1")},
        )
        for n in (1, 2, 3, 5, 6)
    }
    found = cluster_picture(**views)
    samples = dict(found.samples) | {name: (sample,) for name, sample in changes.items()}
    answers = dict(found.answers) | {"redis-5": changes["redis-5"]}
    moved = replace(found, samples=samples, answers=answers, shards={"redis-5": 1})
    assert members(moved, CLUSTER, 1) == {"redis-1", "redis-4", "redis-5"}
    assert members(moved, CLUSTER, 2) == {"redis-2"}
    assert said(moved, CLUSTER, {"redis-4"}) == ""
    planned = replace(moved, shards={})
    assert said(planned, CLUSTER, {"redis-4"}) == "redis-5 follows redis-1 instead of redis-2"


def test_primary_of_a_cluster_shard_is_who_owns_its_slots_for_most() -> None:
    """The isolated old primary still takes itself for the owner, and is outvoted."""
    new = {
        "redis-2": ClusterNode(name="redis-2", primary=True, flags=frozenset({"fail"}), slots=0),
        "redis-5": ClusterNode(
            name="redis-5",
            primary=True,
            flags=frozenset(),
            slots=5461,
            ranges=(CLUSTER.inventory.slot_range(2),),
        ),
    }
    changed = {f"redis-{n}": seen_by(f"redis-{n}", **new) for n in (1, 3, 4, 5, 6)}
    found = cluster_picture(**changed)
    assert primary_of(found, CLUSTER, 2) == "redis-5"
    assert primary_of(found, CLUSTER, 1) == "redis-1"


def test_primary_of_a_single_node_outlives_its_silence() -> None:
    """Where nobody votes, the node that last said so is meant, also while it is down."""
    plan = a.plan(TopologyKind.SINGLE, a.single_nodes())
    samples = {
        "redis-1": (
            a.sample("redis-1", "primary", NOW_US - 5_000_000),
            a.sample("redis-1", "", NOW_US, reachable=False),
        )
    }
    assert primary_of(known(samples), plan, 1) == "redis-1"
    assert primary_of(known({}), plan, 1) is None


class Watched:
    """A recovery watch over a sentinel topology whose clock and samples the test moves."""

    def __init__(self) -> None:
        self.place, self.events = context()
        self.clock = clock_of(self.place)
        self.collector = ViewCollector()
        self.cut = False
        self.unlooked = ""
        self.effect_us: int | None = None
        self.watch = RecoveryWatch(
            self.place,
            self.collector,
            cut=lambda: self.cut,
            last_change_us=lambda: self.effect_us,
            absent=frozenset,
        )

    def pass_time(self, seconds: float, primary: str | None = "redis-1") -> None:
        for _ in range(round(seconds * 10)):
            self.clock.at_us += 100_000
            now_us = self.clock.at_us
            for name in set(NODES) - {self.unlooked}:
                role = "primary" if name == primary else "replica"
                followed = "" if role == "primary" else primary or "redis-9"
                self.collector.saw_sample(a.sample(name, role, now_us - 2000, primary=followed))
            for name in set(SENTINELS) - {self.unlooked}:
                self.collector.saw_sentinel(view(name, primary, now_us))
            self.watch.look()

    def pass_time_observed_late(self, turns: int, *, offset: int) -> None:
        """Every node answers once in 0.9 s, the replicas just before the primary."""
        for _ in range(turns):
            self.clock.at_us += 900_000
            now_us = self.clock.at_us
            for name in NODES[1:]:
                self.collector.saw_sample(following(name, t_us=now_us - 4000, offset=offset))
            self.collector.saw_sample(a.sample("redis-1", "primary", now_us - 2000))
            for name in SENTINELS:
                self.collector.saw_sentinel(view(name, "redis-1", now_us))
            self.watch.look()

    def told(self) -> list[int]:
        return [event.t_us for event in self.events if isinstance(event, Event)]


def test_recovery_is_told_once_per_disturbance() -> None:
    """Nothing before anything happened; one event for each disturbance, timed at its end."""
    run = Watched()
    run.pass_time(3)
    assert run.told() == []
    run.pass_time(1, primary=None)
    run.pass_time(0.9)
    assert run.told() == []
    run.pass_time(3)
    (at_us,) = run.told()
    # The second look is the first with a primary sample older than the replicas'.
    assert 4_000_000 < at_us <= 4_300_000
    assert run.events[0].error_us == 100_000
    run.pass_time(0.2, primary=None)
    run.pass_time(2)
    assert len(run.told()) == 2


def test_recovery_that_does_not_hold_is_none() -> None:
    """Less than a second of agreement does not count."""
    run = Watched()
    for _ in range(5):
        run.pass_time(0.2, primary=None)
        run.pass_time(0.8)
    assert run.told() == []


def test_fault_without_a_visible_disturbance_is_recovered_a_second_later() -> None:
    """A fault that disturbs nothing (a flush) still gets its `recovered`, after its effect."""
    run = Watched()
    run.pass_time(2)
    run.effect_us = 2_000_000
    run.pass_time(3)
    (at_us,) = run.told()
    assert 2_000_000 < at_us <= 2_200_000


def test_cut_in_force_is_not_recovered_however_well_it_looks() -> None:
    """As long as a cut stands, agreement is borrowed."""
    run = Watched()
    run.pass_time(1)
    run.cut = True
    run.pass_time(3)
    assert run.told() == []
    run.cut = False
    run.pass_time(2)
    assert len(run.told()) == 1


def test_waiting_for_recovery_says_what_is_missing_at_the_deadline() -> None:
    """When time is up the reason is the last one seen."""
    run = Watched()
    run.pass_time(1, primary=None)

    async def wait() -> str:
        waiting = asyncio.create_task(run.watch.recovered(within_s=0.5))
        for _ in range(8):
            await asyncio.sleep(0.06)
            run.pass_time(0.1, primary=None)
        return await asyncio.wait_for(waiting, 1)

    assert "one primary, found none" in in_fake_time(wait())


@pytest.mark.parametrize("unlooked", ["redis-2", "sentinel-3"])
def test_nobody_gives_up_on_what_nobody_looked_at(unlooked: str) -> None:
    """An observer that fell silent says nothing of its node: it gets a little longer, then the run says
    that nobody knows. That a node is silent is another matter."""
    run = Watched()
    run.pass_time(1)
    run.unlooked = unlooked
    run.pass_time(1.2)

    async def wait() -> str:
        waiting = asyncio.create_task(run.watch.recovered(within_s=0.5))
        for _ in range(22):
            await asyncio.sleep(0.06)
            run.pass_time(0.1)
            assert not waiting.done()
        for _ in range(8):
            await asyncio.sleep(0.06)
            run.pass_time(0.1)
        return await asyncio.wait_for(waiting, 1)

    assert in_fake_time(wait()) == f"{unlooked} was not observed for a second"
    assert run.watch.unseen == (unlooked,)


@pytest.mark.parametrize(
    ("offset", "missing", "unseen"),
    [
        (100, "redis-1 was not sampled before redis-2", ("redis-1",)),
        (99, "redis-2 lacks 1 bytes of redis-1", ()),
    ],
)
def test_replica_whose_primary_is_sampled_too_late_is_unknown_unless_it_lags(
    offset: int, missing: str, unseen: tuple[str, ...]
) -> None:
    """Samples that come once in 0.9 s do not show that a replica follows. They can show that it does not."""
    run = Watched()
    run.pass_time(1)
    run.pass_time_observed_late(3, offset=offset)

    async def wait() -> str:
        waiting = asyncio.create_task(run.watch.recovered(within_s=0.5))
        for _ in range(4):
            await asyncio.sleep(0.06)
            run.pass_time_observed_late(1, offset=offset)
        return await asyncio.wait_for(waiting, 1)

    assert in_fake_time(wait()) == missing
    assert run.watch.unseen == unseen


def test_observer_that_comes_back_after_the_deadline_is_heard() -> None:
    """A loop that stood still finds its deadline over before anything was looked at: it looks, and then says."""
    run = Watched()
    run.effect_us = 500_000
    run.pass_time(1)
    run.clock.at_us += 41_000_000

    async def wait() -> str:
        waiting = asyncio.create_task(run.watch.recovered(within_s=0.0))
        for _ in range(15):
            await asyncio.sleep(0.06)
            run.pass_time(0.1)
        return await asyncio.wait_for(waiting, 1)

    assert in_fake_time(wait()) == ""
    assert run.watch.unseen == ()
    assert run.told()[-1] > 42_000_000, "what held while nobody looked proves nothing"


def test_waiting_for_recovery_returns_at_once_when_it_was_told() -> None:
    """A recovery that was already proved is not proved again."""
    run = Watched()
    run.pass_time(1)
    run.pass_time(1, primary=None)
    run.pass_time(3)
    assert in_fake_time(asyncio.wait_for(run.watch.recovered(within_s=1), 0.5)) == ""
    assert len(run.told()) == 1
