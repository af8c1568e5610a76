"""What target words mean, and what is said when they mean nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest

from harness.errors import NoEffect
from harness.faults import targets
from harness.model.words import NodeRole, TopologyKind
from tests.fakes import FakeWorld, fake_world, make_plan, step


@pytest.fixture
def sentinel() -> Iterator[FakeWorld]:
    world = fake_world(make_plan())
    with closing(world.topology):
        yield world


@pytest.mark.parametrize("kind", TopologyKind)
def test_primary_means_one_node_on_every_topology(kind: TopologyKind) -> None:
    """`primary` is the primary of shard 1, or the only node."""
    world = fake_world(make_plan(kind))
    with closing(world.topology):
        assert targets.resolve("primary", world.scene) == ("redis-1",)


@pytest.mark.parametrize(
    ("kind", "node"), [(TopologyKind.SPLIT, "cache-1"), (TopologyKind.SHARED, "redis-1")]
)
def test_cache_means_the_instance_that_holds_it(kind: TopologyKind, node: str) -> None:
    """An instance of its own, or the shared one."""
    world = fake_world(make_plan(kind))
    with closing(world.topology):
        assert targets.resolve("cache", world.scene) == (node,)


def test_primary_follows_a_failover(sentinel: FakeWorld) -> None:
    """Resolved when the fault is injected, not when the plan was made."""
    sentinel.topology.nodes["redis-1"].role = NodeRole.REPLICA
    sentinel.topology.nodes["redis-3"].role = NodeRole.PRIMARY
    assert targets.resolve("primary", sentinel.scene) == ("redis-3",)
    assert targets.resolve("replica", sentinel.scene) == ("redis-1",)


def test_primary_that_is_not_agreed_upon_has_no_effect(sentinel: FakeWorld) -> None:
    """In the middle of a failover nobody is the primary; what was seen is said."""
    sentinel.observed.no_primary = True
    with pytest.raises(
        NoEffect, match=r"the nodes do not agree on the primary of shard 1.*redis-1 primary at offset 1000"
    ):
        targets.resolve("primary", sentinel.scene)


def test_most_lagging_replica_by_what_the_primary_has_heard(sentinel: FakeWorld) -> None:
    """Acknowledged offsets decide; a replica's own word only where the primary knows none."""
    sentinel.topology.nodes["redis-1"].replica_offsets = {"redis-2": 900, "redis-3": 800}
    assert targets.resolve("replica[lag=max]", sentinel.scene) == ("redis-3",)
    sentinel.topology.nodes["redis-1"].replica_offsets = {"redis-3": 800}
    sentinel.observed.offsets["redis-2"] = 700
    assert targets.resolve("replica[lag=max]", sentinel.scene) == ("redis-2",)


def test_shard_words_name_the_shard() -> None:
    """Each shard has its own primary and replica."""
    world = fake_world(make_plan(TopologyKind.CLUSTER))
    with closing(world.topology):
        assert targets.resolve("shard 2 primary", world.scene) == ("redis-2",)
        assert targets.resolve("shard 2 replica", world.scene) == ("redis-5",)
        assert targets.resolve("sessions", world.scene) == ("redis-1", "redis-2", "redis-3")


@pytest.mark.parametrize(("drawn", "node"), [(0.0, "redis-1"), (0.5, "redis-2"), (0.99, "redis-3")])
def test_random_is_drawn_from_the_plans_generator(drawn: float, node: str) -> None:
    """Every data node of the sessions can be hit, and the seed decides."""
    world = fake_world(make_plan(), random=lambda: drawn)
    with closing(world.topology):
        assert targets.resolve("random", world.scene) == (node,)


def test_dead_nodes_are_not_chosen(sentinel: FakeWorld) -> None:
    """A choice among several falls on one that runs."""
    sentinel.topology.kill("sentinel-1")
    sentinel.topology.kill("redis-2")
    assert targets.resolve("sentinel", sentinel.scene) == ("sentinel-2",)
    assert targets.resolve("replica", sentinel.scene) == ("redis-3",)
    sentinel.topology.kill("redis-3")
    with pytest.raises(
        NoEffect, match=r"no node matches target `replica`; last seen.*redis-2 replica \(unreachable\)"
    ):
        targets.resolve("replica", sentinel.scene)


def test_killed_and_paused_are_what_earlier_faults_left(sentinel: FakeWorld) -> None:
    """In the order of the faults, each once, and only those still in that state."""
    scene = replace(sentinel.scene, resolved={2: ("redis-3",), 1: ("redis-2", "web-1"), 3: ("redis-3",)})
    for node in ("redis-2", "redis-3"):
        sentinel.topology.kill(node)
    assert targets.resolve("killed", scene) == ("redis-3", "redis-2")
    sentinel.topology.start("redis-3")
    assert targets.resolve("killed", scene) == ("redis-2",)
    sentinel.topology.pause("redis-3")
    assert targets.resolve("paused", scene) == ("redis-3",)
    sentinel.topology.kill("redis-1")
    assert "redis-1" not in targets.resolve("killed", scene), "killed by somebody else"


def test_web_servers_go_by_their_names(sentinel: FakeWorld) -> None:
    """The only names that a scenario may use; its grammar knows no others."""
    assert targets.resolve("web-2", sentinel.scene) == ("web-2",)
    with pytest.raises(NoEffect, match="web-9"):
        targets.resolve("web-9", sentinel.scene)


def test_node_goes_by_its_name_where_nodes_run(sentinel: FakeWorld) -> None:
    """Up or down, whatever its role is now; nobody else's node has such a name."""
    assert targets.resolve("redis-2", sentinel.scene) == ("redis-2",)
    assert targets.resolve("sentinel-1", sentinel.scene) == ("sentinel-1",)
    with pytest.raises(NoEffect, match="no node matches target `redis-9`"):
        targets.resolve("redis-9", sentinel.scene)


def test_another_replica_is_one_that_no_fault_has_struck(sentinel: FakeWorld) -> None:
    """Where `replica` may name the same one again."""
    scene = replace(sentinel.scene, resolved={1: ("redis-2",)})
    assert targets.resolve("another replica", scene) == ("redis-3",)
    with pytest.raises(NoEffect, match="no node matches target `another replica`"):
        targets.resolve("another replica", replace(scene, resolved={1: ("redis-2", "redis-3")}))


def test_the_old_primary_is_the_last_one_that_was_struck_and_replaced(sentinel: FakeWorld) -> None:
    """Whoever leads now is not it; a replica that was cut off never was."""
    faults = (step("kill"), step("cut replication", number=2))
    plan = make_plan(TopologyKind.SENTINEL, *faults)
    scene = replace(sentinel.scene, plan=plan, resolved={1: ("redis-1",), 2: ("redis-3",)})
    with pytest.raises(NoEffect):
        targets.resolve("the old primary", scene)
    sentinel.topology.nodes["redis-1"].role = NodeRole.REPLICA
    sentinel.topology.nodes["redis-2"].role = NodeRole.PRIMARY
    assert targets.resolve("the old primary", scene) == ("redis-1",)


def test_one_of_killed_is_the_first(sentinel: FakeWorld) -> None:
    """The others stay down."""
    scene = replace(sentinel.scene, resolved={1: ("redis-2", "redis-3")})
    for node in ("redis-2", "redis-3"):
        sentinel.topology.kill(node)
    assert targets.resolve("one of killed", scene) == ("redis-2",)


def test_sentinel_leader_is_whoever_announced_its_election(sentinel: FakeWorld) -> None:
    """Before that there is none; dead, it leads nobody."""
    with pytest.raises(NoEffect, match="`sentinel leader`"):
        targets.resolve("sentinel leader", sentinel.scene)
    sentinel.observed.leader = "sentinel-2"
    assert targets.resolve("sentinel leader", sentinel.scene) == ("sentinel-2",)
    sentinel.topology.kill("sentinel-2")
    with pytest.raises(NoEffect, match="`sentinel leader`"):
        targets.resolve("sentinel leader", sentinel.scene)


@pytest.mark.parametrize(
    ("kind", "minority", "majority"),
    [
        (TopologyKind.SENTINEL, ("sentinel-1",), ("sentinel-1", "sentinel-2")),
        (TopologyKind.CLUSTER, ("redis-1",), ("redis-1", "redis-2")),
    ],
)
def test_shares_of_those_who_vote(kind: TopologyKind, minority: tuple[str], majority: tuple[str]) -> None:
    """Sentinels, or the primaries of a cluster."""
    world = fake_world(make_plan(kind))
    with closing(world.topology):
        assert targets.resolve("minority", world.scene) == minority
        assert targets.resolve("majority", world.scene) == majority


def test_shares_need_voters() -> None:
    """Of one sentinel there is no minority, and without any no majority."""
    assert "no minority of 1 voters" in str(targets.fits(step("kill", "minority"), make_plan(sentinels=1)))
    assert "no majority of 0" in str(targets.fits(step("kill", "majority"), make_plan(TopologyKind.SINGLE)))


def test_not_yet_restarted_takes_replicas_first(sentinel: FakeWorld) -> None:
    """As an upgrade does; a node that another kind of fault struck still waits for its turn."""
    faults = (step("kill", "replica"), *(step("restart", "x", number=n) for n in (2, 3, 4)))
    scene = replace(
        sentinel.scene, plan=make_plan(TopologyKind.SENTINEL, *faults), resolved={1: ("redis-2",)}
    )
    done: dict[int, tuple[str, ...]] = {}
    for number in (2, 3, 4):
        done[number] = targets.resolve(
            "not yet restarted", replace(scene, resolved={**scene.resolved, **done})
        )
    assert list(done.values()) == [("redis-2",), ("redis-3",), ("redis-1",)]
    with pytest.raises(NoEffect):
        targets.resolve("not yet restarted", replace(scene, resolved=done))


def test_everything_is_every_node_that_runs(sentinel: FakeWorld) -> None:
    """`all nodes` leaves the sentinels alone."""
    sentinel.topology.kill("redis-2")
    assert targets.resolve("all nodes", sentinel.scene) == ("redis-1", "redis-3")
    sentinels = ("sentinel-1", "sentinel-2", "sentinel-3")
    assert targets.resolve("everything", sentinel.scene) == ("redis-1", "redis-3", *sentinels)
