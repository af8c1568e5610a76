"""Who owns a shard on real nodes, where the plan is wrong about it: sentinels and a cluster say."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.model.plan import Plan
from harness.model.records import Event
from harness.model.seams import Topology
from harness.model.words import TopologyKind
from harness.topology.process import backend as process
from tests import builders_observe as a
from tests.integration.test_last_looks import Play

pytestmark = pytest.mark.process


def fast(plan: Plan, **settings: Any) -> Any:
    """The plan with a topology that fails over within seconds, and its nodes with an append-only file."""
    scenario = plan.scenario
    topology = replace(scenario.deployment.topology, redis={"appendonly": "yes"}, **settings)
    return replace(
        plan,
        scenario=replace(scenario, deployment=replace(scenario.deployment, topology=topology)),
        nodes=tuple(
            node
            if node.name.startswith("sentinel")
            else replace(node, directives={**node.directives, "appendonly": "yes"})
            for node in plan.nodes
        ),
    )


def run(tmp_path: Path, plan: Plan, play_it: Any) -> None:
    async def play(topology: Topology) -> None:
        acted = Play(topology)
        async with acted.observers:
            await play_it(topology, acted)

    with process.up(plan, run=f"owners-{random.randrange(10**9)}", directory=tmp_path) as topology:
        asyncio.run(play(topology))


def promoted(play: Play) -> Any:
    return [(one.node, one.shard) for one in play.of(Event) if one.name == "promoted"]


def test_old_primary_that_leads_again_is_told_and_meant(tmp_path: Path) -> None:
    """redis-2 takes over and dies; redis-1 comes back, never a replica, and is promoted by the sentinels."""

    async def play_it(topology: Topology, play: Play) -> None:
        await asyncio.to_thread(topology.kill, "redis-1")
        await play.until(lambda: play.observers.observed.primary_of(1) == "redis-2", within_s=30)
        await asyncio.to_thread(topology.kill, "redis-2")
        await asyncio.to_thread(topology.start, "redis-1")
        await play.until(lambda: promoted(play)[-1:] == [("redis-1", 1)], within_s=30)
        await play.until(lambda: play.observers.observed.primary_of(1) == "redis-1", within_s=30)
        assert [node for node, _ in promoted(play)] == ["redis-2", "redis-1"]
        assert not [one for one in play.of(Event) if one.name == "demoted" and one.source == "redis-1"]

    nodes = a.sentinel_nodes(replicas=1)
    settings = {"replicas": 1, "down_after_s": 1.0, "failover_timeout_s": 2.0}
    run(tmp_path, fast(a.plan(nodes=nodes), **settings), play_it)


def test_replica_that_migrated_belongs_to_its_new_shard(tmp_path: Path) -> None:
    """Both replicas of shard 1 are killed: a third one comes over, and is promoted there when it must."""

    async def play_it(topology: Topology, play: Play) -> None:
        observed = play.observers.observed
        for node in ("redis-4", "redis-7"):
            await asyncio.to_thread(topology.kill, node)

        def migrated() -> Any:
            there = [name for name, view in observed.views().items() if view.shard == 1]
            return [name for name in there if name not in {"redis-1", "redis-4", "redis-7"}]

        (heir,) = await play.until(migrated, within_s=30)
        assert await play.observers.recovered(within_s=20) == ""
        await asyncio.to_thread(topology.kill, "redis-1")
        await play.until(lambda: promoted(play) == [(heir, 1)], within_s=30)
        assert await play.observers.recovered(within_s=20) == ""
        assert observed.primary_of(1) == heir
        assert await play.observers.audit([]) is not None

    nodes = a.cluster_nodes(replicas=2)
    settings = {"replicas_per_shard": 2, "node_timeout_s": 1.5}
    run(tmp_path, fast(a.plan(TopologyKind.CLUSTER, nodes), **settings), play_it)
