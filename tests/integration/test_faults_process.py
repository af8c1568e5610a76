"""Every fault on real nodes of the process backend: what it claims is what the nodes show.

What is looked at afterwards is read from the nodes by other means than the fault's own proof.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.errors import NoEffect
from harness.faults import own_nodes
from harness.faults.director import WITHOUT_EFFECT, Director, StepStatus
from harness.faults.filler import Load, fill
from harness.model.plan import Plan
from harness.model.scenario import Start
from harness.model.seams import FaultScene, Topology
from harness.model.words import TopologyKind
from harness.topology.process import backend as process
from tests.builders_faults import answers, ask, heal, inject, plan_of, reaches, role, scene_on, talk
from tests.fakes import make_plan, step

pytestmark = pytest.mark.process


@contextmanager
def scene_of(plan: Plan, directory: Path, *, loopback: bool = False) -> Iterator[FaultScene]:
    with process.up(plan, run="test", directory=directory, loopback=loopback) as topology:
        yield scene_on(topology)


needs_network = pytest.mark.skipif(
    not process.machine().network_faults, reason=process.machine().why_no_network_faults or "-"
)


@pytest.mark.parametrize("loopback", [False, True], ids=["network", "loopback"])
@pytest.mark.parametrize("kind", [TopologyKind.SINGLE, TopologyKind.SPLIT, TopologyKind.SHARED])
def test_process_faults_on_one_instance(tmp_path: Path, kind: TopologyKind, loopback: bool) -> None:
    """Kill, restart, pause, stop and nothing do what they say to an instance of its own."""
    with scene_of(plan_of(kind), tmp_path, loopback=loopback) as scene:
        topology = scene.topology
        inject(scene, "nothing")

        pid = topology.state("redis-1").pid
        assert pid
        killed = inject(scene, "kill")
        assert not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text()
        assert not answers(topology, "redis-1")
        with pytest.raises(NoEffect, match="is already down"):
            inject(scene, "kill")
        later = replace(scene, resolved={1: killed.targets})
        inject(later, "restart", "killed", number=2)
        assert answers(topology, "redis-1")

        paused = inject(scene, "pause")
        assert not answers(topology, "redis-1")
        heal(scene, paused, "pause")
        assert answers(topology, "redis-1")

        stopped = inject(scene, "stop")
        assert not answers(topology, "redis-1")
        heal(scene, stopped, "stop", for_s=0.1)
        assert answers(topology, "redis-1")


def test_restart_keeps_or_empties(tmp_path: Path) -> None:
    """With an append-only file the data survives a restart, and nothing survives an empty one."""
    plan = make_plan(TopologyKind.SINGLE, redis={"appendonly": "yes"})
    plan = replace(plan, nodes=(replace(plan.nodes[0], directives={"appendonly": "yes"}),))
    with scene_of(plan, tmp_path) as scene:
        ask(scene.topology, "redis-1", "SET", "a", "1")
        assert "came back with 1 keys" in inject(scene, "restart").proof
        assert ask(scene.topology, "redis-1", "GET", "a") == "1"
        assert "came back with 0 keys" in inject(scene, "restart", options={"data": "empty"}).proof
        assert ask(scene.topology, "redis-1", "GET", "a") is None


@needs_network
def test_node_returns_under_another_address(tmp_path: Path) -> None:
    """Its replica finds it no more; another node takes what it has given up, and is taken for it."""
    with scene_of(plan_of(TopologyKind.SENTINEL), tmp_path) as scene:
        topology = scene.topology
        before = topology.address("redis-1")
        effect = inject(scene, "restart", "replica", options={"address": "new"})
        moved = topology.address("redis-2")
        assert f"at {moved.host} in the place of " in effect.proof
        assert answers(topology, "redis-2")
        assert topology.node_at(moved.host, moved.port) == "redis-2"
        wait_until(
            lambda: str(moved.host) in str(ask(topology, "redis-1", "ROLE")),
            within_s=10,
            waiting_for="its primary to know it",
        )
        killed = inject(scene, "kill")
        later = replace(scene, resolved={1: killed.targets})
        inject(later, "restart", "killed", number=2, options={"address": "abandoned"})
        assert topology.address("redis-1").host not in {before.host, moved.host}
        assert topology.node_at(topology.address("redis-1").host, before.port) == "redis-1"
        assert answers(topology, "redis-1")


def test_sentinel_topology_faults(tmp_path: Path) -> None:
    """A planned failover moves the primary; sentinels and replicas can be taken down and paused."""
    with scene_of(plan_of(TopologyKind.SENTINEL), tmp_path) as scene:
        effect = inject(scene, "planned failover")
        assert effect.targets == ("redis-1",)
        promoted = [name for name in ("redis-2", "redis-3") if role(scene, name) == "primary"]
        assert len(promoted) == 1
        host, port = ask(scene.topology, "sentinel-1", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "sessions")
        assert scene.topology.node_at(host, int(port)) == promoted[0]
        with pytest.raises(
            WITHOUT_EFFECT, match=r"do not agree on the primary|does not call|no primary|INPROG|NOGOODSLAVE"
        ):
            # Right after one, the old primary still says master too, or no replica is fit yet.
            inject(scene, "planned failover")

        gone = inject(scene, "kill", "sentinel", for_s=0.1)
        assert not answers(scene.topology, "sentinel-1")
        heal(scene, gone, "kill", "sentinel", for_s=0.1)
        assert answers(scene.topology, "sentinel-1")
        paused = inject(scene, "pause", "all sentinels")
        assert not any(answers(scene.topology, f"sentinel-{n}") for n in (1, 2, 3))
        heal(scene, paused, "pause", "all sentinels")
        assert all(answers(scene.topology, f"sentinel-{n}") for n in (1, 2, 3))


def test_primary_restarted_empty_inside_down_after(tmp_path: Path) -> None:
    """Faster than Sentinel can notice: every copy is empty afterwards, and nobody failed over."""
    with scene_of(plan_of(TopologyKind.SENTINEL), tmp_path) as scene:
        topology = scene.topology
        ask(topology, "redis-1", "SET", "a", "1")
        wait_until(
            lambda: ask(topology, "redis-2", "GET", "a") == "1", within_s=5, waiting_for="the key on redis-2"
        )
        inject(scene, "restart", options={"data": "empty"})
        wait_until(
            lambda: ask(topology, "redis-2", "GET", "a") is None, within_s=10, waiting_for="the key to vanish"
        )
        host, port = ask(topology, "sentinel-1", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "sessions")
        assert topology.node_at(host, int(port)) == "redis-1"


@needs_network
def test_replication_cut_leaves_clients_and_sentinels(tmp_path: Path) -> None:
    """What is written after the cut is on the primary alone, until the cut is healed."""
    with scene_of(plan_of(TopologyKind.SENTINEL), tmp_path) as scene:
        topology = scene.topology
        effect = inject(scene, "cut replication")
        ask(topology, "redis-1", "SET", "a", "1")
        until = time.monotonic() + 1.5
        wait_until(lambda: time.monotonic() > until, within_s=3, waiting_for="down-after to pass")
        assert ask(topology, "redis-2", "GET", "a") is None
        assert ask(topology, "redis-3", "GET", "a") is None
        host, port = ask(topology, "sentinel-1", "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "sessions")
        assert topology.node_at(host, int(port)) == "redis-1"
        assert heal(scene, effect, "cut replication")
        wait_until(
            lambda: ask(topology, "redis-2", "GET", "a") == "1", within_s=15, waiting_for="the key on redis-2"
        )


@needs_network
def test_isolated_primary_is_deposed_and_heard_again(tmp_path: Path) -> None:
    """Sentinel promotes another; the old one keeps answering the web server on its side."""
    isolated = {"options": {"with": "web-1"}}
    with scene_of(plan_of(TopologyKind.SENTINEL), tmp_path) as scene:
        topology = scene.topology
        effect = inject(scene, "isolate", **isolated)  # type: ignore[arg-type]
        assert reaches(topology, "web-1", "redis-1")
        assert not reaches(topology, "web-2", "redis-1")
        assert not reaches(topology, "web-1", "redis-2")
        assert reaches(topology, "web-2", "redis-2")
        assert answers(topology, "redis-1"), "the observer is never cut"
        wait_until(
            lambda: "primary" in {role(scene, "redis-2"), role(scene, "redis-3")},
            within_s=15,
            waiting_for="a promotion on the other side",
        )
        assert role(scene, "redis-1") == "primary"
        assert "had a message from redis-1" in str(heal(scene, effect, "isolate", **isolated))  # type: ignore[arg-type]
        assert reaches(topology, "web-2", "redis-1")
        assert reaches(topology, "web-1", "redis-2")


@needs_network
def test_healing_one_of_two_overlapping_faults_leaves_the_other(tmp_path: Path) -> None:
    """An isolation ends, and the replication that another fault cut stays cut until that one is healed."""
    with scene_of(plan_of(TopologyKind.SENTINEL), tmp_path) as scene:
        inject(scene, "kill", "all sentinels", number=3)  # Nobody is to be promoted meanwhile.
        cut = inject(scene, "cut replication", number=1)
        isolated = inject(scene, "isolate", number=2)
        ask(scene.topology, "redis-1", "SET", "a", "1")
        heal(scene, isolated, "isolate", number=2)
        assert reaches(scene.topology, "web-1", "redis-1")
        assert [ask(scene.topology, node, "GET", "a") for node in ("redis-2", "redis-3")] == [None, None]
        assert "had a message from its replicas" in str(heal(scene, cut, "cut replication", number=1))
        wait_until(
            lambda: ask(scene.topology, "redis-2", "GET", "a") == "1",
            within_s=15,
            waiting_for="the key on redis-2",
        )


@pytest.mark.parametrize("form", ["default", "force", "takeover"])
def test_planned_failover_of_one_shard(tmp_path: Path, form: str) -> None:
    """CLUSTER FAILOVER, in each form, moves exactly that shard."""
    with scene_of(plan_of(TopologyKind.CLUSTER), tmp_path) as scene:
        inject(scene, "planned failover", "shard 2 primary", options={"form": form})
        assert role(scene, "redis-5") == "primary"
        assert role(scene, "redis-1") == "primary"
        assert role(scene, "redis-4") == "replica"


@needs_network
def test_cluster_faults(tmp_path: Path) -> None:
    """Isolating and killing one shard's primary leaves the others; a flush reaches every shard."""
    with scene_of(plan_of(TopologyKind.CLUSTER), tmp_path) as scene:
        for node, key in (("redis-1", "b"), ("redis-2", "c"), ("redis-3", "a")):
            assert ask(scene.topology, node, "SET", key, "1") == "OK"
        inject(scene, "flush", "sessions")
        assert ask(scene.topology, "redis-3", "GET", "a") is None
        effect = inject(scene, "isolate", "shard 2 primary")
        assert effect.targets == ("redis-2",)
        wait_until(lambda: role(scene, "redis-5") == "primary", within_s=15, waiting_for="redis-5 promoted")
        assert "had a message from redis-2" in str(heal(scene, effect, "isolate", "shard 2 primary"))
        assert inject(scene, "kill", "shard 3 primary").targets == ("redis-3",)
        assert answers(scene.topology, "redis-1")


@pytest.mark.parametrize("policy", ["allkeys-lru", "noeviction"])
@pytest.mark.parametrize(
    ("kind", "node"), [(TopologyKind.SPLIT, "cache-1"), (TopologyKind.SHARED, "redis-1")]
)
def test_cache_is_filled_past_its_limit(tmp_path: Path, kind: TopologyKind, node: str, policy: str) -> None:
    """Under eviction keys go; under noeviction writes are refused; then the cache can be flushed."""
    with scene_of(plan_of(kind, maxmemory="16mb", policy=policy), tmp_path) as scene:
        inject(scene, "fill cache", "cache", options={"to": 1.5})
        with talk(scene.topology, node) as conversation:
            evicted = int(conversation.info("stats")["evicted_keys"])
            memory = conversation.info("memory")
        assert int(memory["used_memory"]) > 0.9 * int(memory["maxmemory"])
        assert (evicted > 0) == (policy == "allkeys-lru")
        inject(scene, "flush", "cache")
        assert ask(scene.topology, node, "DBSIZE") == 0


def test_rate_limits_the_fill(tmp_path: Path) -> None:
    """1000 keys at 2000 a second take half a second."""
    with scene_of(plan_of(TopologyKind.SPLIT, maxmemory="16mb"), tmp_path) as scene:
        began = time.monotonic()
        inject(scene, "fill cache", "cache", options={"bytes": 100_000, "value": 88, "rate": 2000})
        assert 0.4 < time.monotonic() - began < 5
        assert ask(scene.topology, "cache-1", "DBSIZE") == 1000


def test_stranger_at_a_nodes_address_is_left_alone(tmp_path: Path) -> None:
    """A process that is not the one started under that name gets no destructive command."""
    with scene_of(plan_of(TopologyKind.SPLIT), tmp_path, loopback=True) as scene:
        ask(scene.topology, "redis-1", "SET", "a", "1")
        swapped = _Swapped(scene.topology)
        with pytest.raises(Exception, match="the kit did not touch it"):
            inject(replace(scene, topology=swapped), "flush", "cache", options={"scope": "all"})  # type: ignore[arg-type]
        with pytest.raises(Exception, match="the kit did not touch it"):
            own_nodes.check(replace(scene, topology=swapped), "redis-1")  # type: ignore[arg-type]
        assert ask(scene.topology, "redis-1", "GET", "a") == "1"


class _Swapped:
    """The same topology with the addresses of redis-1 and cache-1 exchanged."""

    def __init__(self, real: Topology) -> None:
        self._real = real

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)

    def address(self, node: str) -> object:
        return self._real.address({"redis-1": "cache-1", "cache-1": "redis-1"}[node])


@needs_network
def test_director_carries_out_a_logout_undone(tmp_path: Path) -> None:
    """Cut replication, wait for something acked that no replica has, kill, restart what was killed."""
    plan = plan_of(
        TopologyKind.SENTINEL,
        step("cut replication", for_s=1.0, start=Start(after_s=0.2)),
        step("kill", number=2, start=Start(acked="logout", unreplicated=True)),
        step("restart", "killed", number=3, start=Start(event="fault 2", offset_s=0.5)),
    )
    with scene_of(plan, tmp_path) as scene:
        report = Director(plan, scene).run(threading.Event())
        for one in report.steps:
            print(one)
        assert [one.status for one in report.steps] == [StepStatus.EFFECT] * 3
        assert report.heal_failures == ()
        assert report.steps[2].effect
        assert report.steps[2].effect.targets == ("redis-1",)
        assert answers(scene.topology, "redis-1")


def test_filler_keeps_up_with_redis_benchmark(tmp_path: Path) -> None:
    """Cheap enough that the server, not the kit, sets the pace: a floor that any machine should clear in one of
    three tries, whatever else it does."""
    with scene_of(plan_of(TopologyKind.SPLIT), tmp_path) as scene:
        for _ in range(3):
            took_s = _timed(scene, Load(keys=100_000, value_bytes=64))
            print(f"{100_000 / took_s:.0f} SET/s with {os.cpu_count()} CPUs")
            if 100_000 / took_s > 40_000:
                return
        pytest.fail("slower each time")


def _timed(scene: FaultScene, load: Load, after: Callable[[object], bool] = lambda _: True) -> float:
    with own_nodes.connect(scene, "cache-1") as conversation:
        began = time.monotonic()
        written = fill(conversation.socket, load, after)
        took_s = time.monotonic() - began
    assert written.accepted == load.keys
    return took_s
