"""Faults that are commands, on real nodes: what each claims is what the nodes show, and is undone.

What is looked at is read from the nodes by other means than the fault's own proof.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.errors import NoEffect
from harness.model.plan import Plan
from harness.model.seams import FaultScene
from harness.model.words import NodeRole, TopologyKind
from harness.redis_wire.keys import slot
from harness.redis_wire.protocol import ErrorReply
from harness.topology.process import backend as process
from tests.builders_faults import ask, heal, inject, plan_of, role, scene_on, talk

pytestmark = pytest.mark.process


@contextmanager
def scene_of(plan: Plan, directory: Path, **directives: str) -> Iterator[FaultScene]:
    nodes = tuple(
        node
        if node.role is NodeRole.SENTINEL
        else replace(node, directives={**node.directives, **directives})
        for node in plan.nodes
    )
    with process.up(replace(plan, nodes=nodes), run="test", directory=directory, loopback=True) as topology:
        yield scene_on(topology)


def test_commands_on_one_instance(tmp_path: Path) -> None:
    """A setting, clients, connections, a script, KEYS, MONITOR, buffers, a full memory and a snapshot."""
    plan = plan_of(TopologyKind.SHARED, maxmemory="64mb")
    with scene_of(plan, tmp_path, maxclients="60") as scene:
        ask(scene.topology, "redis-1", "SET", "a", "1")
        _setting(scene)
        _clients(scene)
        _connections(scene)
        _busy(scene)
        _watched(scene)
        _snapshot(scene)
        _no_snapshot(scene)
        _full_volume(scene)
        _buffers(scene)
        _full(scene)


def _setting(scene: FaultScene) -> None:
    options = {"directive": "maxmemory-policy", "value": "allkeys-lru"}
    effect = inject(scene, "config set", options=options)
    assert ask(scene.topology, "redis-1", "CONFIG", "GET", "maxmemory-policy")[1] == "allkeys-lru"
    heal(scene, effect, "config set", options=options)
    assert ask(scene.topology, "redis-1", "CONFIG", "GET", "maxmemory-policy")[1] == "noeviction"


def _clients(scene: FaultScene) -> None:
    with talk(scene.topology, "redis-1") as client:
        assert client.call("PING") == "PONG"
        inject(scene, "disconnect clients")
        with pytest.raises(Exception, match="did not answer"):
            client.call("PING")
    effect = inject(scene, "pause clients", for_s=9.0)
    with talk(scene.topology, "redis-1", within_s=0.3) as client:
        assert client.call("GET", "a") == "1"
        with pytest.raises(Exception, match="did not answer"):
            client.call("SET", "a", "1")
    heal(scene, effect, "pause clients", for_s=9.0)
    began_s = time.monotonic()
    everything = {"commands": "all"}
    effect = inject(scene, "pause clients", for_s=0.6, options=everything)
    heal(scene, effect, "pause clients", for_s=0.6, options=everything)
    assert 0.55 < time.monotonic() - began_s < 3


def _connections(scene: FaultScene) -> None:
    with talk(scene.topology, "redis-1") as connected:
        effect = inject(scene, "exhaust connections")
        # The node may free a connection that was given up just before; the fault takes it a moment later.
        wait_until(lambda: _refuses_newcomers(scene), within_s=1.0, waiting_for="refusals", every_s=0.02)
        assert connected.call("GET", "a") == "1"
    heal(scene, effect, "exhaust connections")
    assert ask(scene.topology, "redis-1", "GET", "a") == "1"


def _refuses_newcomers(scene: FaultScene) -> bool:
    try:
        ask(scene.topology, "redis-1", "PING")
    except ErrorReply as reply:
        return "max number of clients" in reply.text
    return False


def _busy(scene: FaultScene) -> None:
    began_s = time.monotonic()
    effect = inject(scene, "occupy", for_s=1.0)
    with talk(scene.topology, "redis-1", within_s=5.0) as other:
        assert other.call("GET", "a") == "1"
        assert time.monotonic() - began_s > 0.9
    heal(scene, effect, "occupy", for_s=1.0)
    keys = {"with": "keys", "keys": 600_000}  # a fast processor goes through fewer in no time
    effect = inject(scene, "occupy", for_s=0.5, options=keys)
    heal(scene, effect, "occupy", for_s=0.5, options=keys)
    assert ask(scene.topology, "redis-1", "DBSIZE") > 600_000
    ask(scene.topology, "redis-1", "FLUSHALL")  # what follows restarts the node, which would read them all
    ask(scene.topology, "redis-1", "SET", "a", "1")
    if scene.topology.engine.startswith("Redis 6"):
        return
    with pytest.raises(NoEffect, match="DEBUG"):
        inject(scene, "occupy", for_s=0.5, options={"with": "sleep"})


def _watched(scene: FaultScene) -> None:
    effect = inject(scene, "monitor", options={"readers": 3})
    with talk(scene.topology, "redis-1") as client:
        assert str(client.call("CLIENT", "LIST")).count("cmd=monitor") == 3
        heal(scene, effect, "monitor")
        wait_until(
            lambda: "cmd=monitor" not in str(client.call("CLIENT", "LIST")),
            within_s=2,
            waiting_for="the monitors to be gone",
        )


def _snapshot(scene: FaultScene) -> None:
    inject(scene, "save snapshot")
    ask(scene.topology, "redis-1", "SET", "a", "later")
    inject(scene, "restart")
    assert ask(scene.topology, "redis-1", "GET", "a") == "1"


def _no_snapshot(scene: FaultScene) -> None:
    """With save points a node whose snapshot failed refuses writes and PING."""
    options = {"directive": "save", "value": "3600 1"}
    points = inject(scene, "config set", options=options, number=8)
    effect = inject(scene, "fail snapshots")
    with pytest.raises(ErrorReply, match="MISCONF"):
        ask(scene.topology, "redis-1", "SET", "b", "1")
    assert "PING: PONG" in str(heal(scene, effect, "fail snapshots"))
    assert ask(scene.topology, "redis-1", "SET", "b", "1") == "OK"
    inject(scene, "save snapshot", number=9)
    effect = inject(scene, "fail snapshots")
    scene.topology.kill("redis-1")
    assert heal(scene, effect, "fail snapshots") == "the node is down"
    scene.topology.start("redis-1")
    assert ask(scene.topology, "redis-1", "GET", "b") == "1", "a full volume keeps the snapshot from before"
    heal(scene, points, "config set", options=options, number=8)


def _full_volume(scene: FaultScene) -> None:
    """What was confirmed is still there; with an append-only file nothing more is confirmed until there is room."""
    ask(scene.topology, "redis-1", "CONFIG", "SET", "appendonly", "yes")
    wait_until(
        lambda: (
            ask(scene.topology, "redis-1", "SET", "b", "1") == "OK"
            and "aof_rewrite_in_progress:0" in ask(scene.topology, "redis-1", "INFO", "persistence")
        ),
        within_s=10,
        waiting_for="the append-only file",
    )
    effect = inject(scene, "fill volume")
    with pytest.raises(ErrorReply, match="MISCONF"):
        wait_until(
            lambda: ask(scene.topology, "redis-1", "SET", "b", "2") != "OK",
            within_s=10,
            waiting_for="a write to be refused",
        )
    assert ask(scene.topology, "redis-1", "GET", "a") == "1"
    assert "PING: PONG" in str(heal(scene, effect, "fill volume"))
    assert ask(scene.topology, "redis-1", "SET", "b", "3") == "OK"
    _held_syncs(scene)
    ask(scene.topology, "redis-1", "CONFIG", "SET", "appendonly", "no")


def _held_syncs(scene: FaultScene) -> None:
    """A write is confirmed meanwhile, and waits in the memory of the node."""
    ask(scene.topology, "redis-1", "SET", "c", "1")  # a sync is for what was written
    effect = inject(scene, "hold syncs")
    assert ask(scene.topology, "redis-1", "SET", "c", "2") == "OK"
    waits = "aof_buffer_length:0\r"
    assert waits not in ask(scene.topology, "redis-1", "INFO", "persistence")
    assert heal(scene, effect, "hold syncs") == "redis-1 syncs again"
    wait_until(
        lambda: waits in ask(scene.topology, "redis-1", "INFO", "persistence"),
        within_s=10,
        waiting_for="the write to reach the file",
    )


def _buffers(scene: FaultScene) -> None:
    def used() -> int:
        with talk(scene.topology, "redis-1") as client:
            return int(client.info("memory")["used_memory"])

    before = used()
    options = {"readers": 2, "bytes": 8_000_000}
    effect = inject(scene, "slow readers", options=options)
    assert used() - before > 15_000_000
    heal(scene, effect, "slow readers", options=options)
    wait_until(lambda: used() - before < 5_000_000, within_s=3, waiting_for="the buffers to be freed")


def _full(scene: FaultScene) -> None:
    """A connection that ends gives some room back: what it fills holds it full."""

    def refuses() -> bool:
        try:
            ask(scene.topology, "redis-1", "SET", "b", "x" * 2000)
        except ErrorReply as refused:
            return refused.code == "OOM"
        return False

    effect = inject(scene, "fill", options={"to": 1.5})
    wait_until(refuses, within_s=8, waiting_for="a full instance", every_s=0.1)
    ask(scene.topology, "redis-1", "DEL", *(f"cache:{n}" for n in range(1000)))
    wait_until(refuses, within_s=8, waiting_for="the room to be taken", every_s=0.1)
    heal(scene, effect, "fill")


def test_roles_by_hand(tmp_path: Path) -> None:
    """FAILOVER without losing anything, REPLICAOF, and sentinels that forget."""
    with scene_of(plan_of(TopologyKind.SENTINEL), tmp_path) as scene:
        inject(scene, "reset sentinels", "all sentinels")
        wait_until(
            lambda: len(ask(scene.topology, "sentinel-1", "SENTINEL", "REPLICAS", "sessions")) == 2,
            within_s=15,
            waiting_for="sentinel-1 to learn of the replicas again",
        )
        ask(scene.topology, "redis-1", "SET", "a", "1")
        effect = inject(scene, "hand over", options={"to": "replica", "within": 2.0})
        assert effect.targets == ("redis-1",)
        assert role(scene, "redis-2") == "primary"
        assert ask(scene.topology, "redis-2", "GET", "a") == "1"
        assert ask(scene.topology, "redis-1", "ROLE")[0] == "slave"


def test_replica_follows_whom_it_is_told_to(tmp_path: Path) -> None:
    """By hand, where nobody puts it right."""
    plan = plan_of(TopologyKind.SENTINEL)
    with scene_of(plan, tmp_path) as scene:
        inject(scene, "kill", "all sentinels")
        inject(scene, "reattach", options={"to": "replica"})
        assert ask(scene.topology, "redis-1", "ROLE")[0] == "slave"
        with pytest.raises(ErrorReply, match="READONLY"):
            ask(scene.topology, "redis-1", "SET", "a", "1")


def test_restart_with_other_settings(tmp_path: Path) -> None:
    """Redis 7 that is started with appendonly for the first time does not read its snapshot."""
    with scene_of(plan_of(TopologyKind.SINGLE), tmp_path) as scene:
        ask(scene.topology, "redis-1", "SET", "a", "1")
        inject(scene, "save snapshot")
        inject(scene, "restart", options={"redis": "save 60 1"})
        assert ask(scene.topology, "redis-1", "GET", "a") == "1"
        effect = inject(scene, "restart", options={"redis": "appendonly yes"})
        assert "append-only file on, started with appendonly yes" in effect.proof
        if scene.topology.engine.startswith("Redis 7.0"):
            assert ask(scene.topology, "redis-1", "GET", "a") is None


def test_replica_comes_back_as_another_engine(tmp_path: Path) -> None:
    """A rolling upgrade begins like that; the new engine reads what the old primary sends."""
    with scene_of(plan_of(TopologyKind.SENTINEL), tmp_path) as scene:
        ask(scene.topology, "redis-1", "SET", "a", "1")
        effect = inject(scene, "restart", "replica", options={"engine": "valkey-9.1"})
        assert "Valkey 9.1" in effect.proof
        wait_until(
            lambda: ask(scene.topology, "redis-2", "GET", "a") == "1",
            within_s=10,
            waiting_for="the key on the new engine",
        )


def test_slots_move_and_come_back(tmp_path: Path) -> None:
    """Half of a slot's keys are gone, and its owner says where to; healed, all are where they were."""
    plan = plan_of(TopologyKind.CLUSTER)
    tag = next(f"{{{n}}}" for n in count() if plan.inventory.shard_of_slot(slot(f"{{{n}}}")) == 1)
    keys = [f"{tag}{n}" for n in range(6)]
    with scene_of(plan, tmp_path) as scene:
        topology = scene.topology
        for key in keys:
            ask(topology, "redis-1", "SET", key, key)
        effect = inject(scene, "reshard", options={"until": "halfway"})
        moved = [key for key in keys if _elsewhere(scene, key)]
        assert len(moved) == 3
        with talk(topology, "redis-2") as other:
            assert other.call_all([("ASKING",), ("GET", moved[0])])[1] == moved[0]
        heal(scene, effect, "reshard", options={"until": "halfway"})
        assert [ask(topology, "redis-1", "GET", key) for key in keys] == keys
        whole = inject(scene, "reshard", options={"to": 3})
        with pytest.raises(ErrorReply, match="MOVED"):
            ask(topology, "redis-1", "GET", keys[0])
        assert ask(topology, "redis-3", "GET", keys[0]) == keys[0]
        heal(scene, whole, "reshard", options={"to": 3})
        assert [ask(topology, "redis-1", "GET", key) for key in keys] == keys


def _elsewhere(scene: FaultScene, key: str) -> bool:
    try:
        ask(scene.topology, "redis-1", "GET", key)
    except ErrorReply as refused:
        return refused.code == "ASK"
    return False
