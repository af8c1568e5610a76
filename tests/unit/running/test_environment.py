"""What is written of the machine and the nodes, for whoever compares two runs."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

from harness.running.environment import environment
from tests.fakes import FakeTopology, make_plan


def test_each_node_is_written_with_its_host_and_engine() -> None:
    """As the node itself says; of one that is down, where it is."""
    plan = make_plan(replicas=1, sentinels=1)
    nodes = tuple(replace(node, host="a" if node.name != "redis-2" else "") for node in plan.nodes)
    with closing(FakeTopology(replace(plan, nodes=nodes))) as topology:
        topology.kill("sentinel-1")
        found = environment(topology, image=None)
    assert found["nodes"] == {
        "redis-1": {"host": "a", "engine": "Redis 7.0.15"},
        "redis-2": {"host": "", "engine": "Redis 7.0.15"},
        "sentinel-1": {"host": "a", "engine": ""},
    }
