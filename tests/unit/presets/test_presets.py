"""Kinds of topology make inventories; whoever has the inventory need not know the kind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.deployment import ClientProfile, Deployment, NodeSettings, TopologySpec
from harness.model.inventory import Inventory, NodePlan
from harness.model.words import NodePurpose, NodeRole, TopologyKind
from harness.presets import PRESETS, completed, inventory_of, marked, of_topology
from tests.builders_topology import process_plan


def of(kind: TopologyKind, **settings: object) -> Inventory:
    topology = TopologySpec(kind=kind, **settings)  # type: ignore[arg-type]
    deployment = Deployment(name="d", topology=topology, client=ClientProfile())
    return inventory_of(deployment)


def names(inventory: Inventory) -> list[str]:
    return [f"{node.name} {node.role} {node.shard} {node.replica_of or '-'}" for node in inventory.nodes]


def test_every_kind_has_a_preset() -> None:
    """A kind without one could be written and never run."""
    assert set(PRESETS) == set(TopologyKind)


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        ("single", {}, ["redis-1 primary 1 -"]),
        ("shared", {}, ["redis-1 primary 1 -"]),
        (
            "sentinel",
            {"replicas": 1, "sentinels": 2},
            [
                "redis-1 primary 1 -",
                "redis-2 replica 1 redis-1",
                "sentinel-1 sentinel 1 -",
                "sentinel-2 sentinel 1 -",
            ],
        ),
        (
            "cluster",
            {"shards": 2, "replicas_per_shard": 2},
            [
                "redis-1 primary 1 -",
                "redis-2 primary 2 -",
                "redis-3 replica 1 redis-1",
                "redis-4 replica 2 redis-2",
                "redis-5 replica 1 redis-1",
                "redis-6 replica 2 redis-2",
            ],
        ),
        ("split", {"replicas": 0, "sentinels": 0}, ["redis-1 primary 1 -", "cache-1 primary 2 -"]),
    ],
)
def test_preset_makes_the_nodes_of_its_kind(kind: str, settings: dict[str, int], expected: list[str]) -> None:
    """Names, roles, shards, and whom each follows."""
    assert names(of(TopologyKind(kind), **settings)) == expected


@pytest.mark.parametrize(
    ("kind", "answers"),
    [
        (TopologyKind.SINGLE, (False, False, None, False, 1, 0)),
        (TopologyKind.SENTINEL, (False, True, None, False, 1, 2)),
        (TopologyKind.CLUSTER, (True, True, None, False, 3, 1)),
        (TopologyKind.SPLIT, (False, True, "cache-1", False, 1, 2)),
        (TopologyKind.SHARED, (False, False, "redis-1", True, 1, 0)),
    ],
)
def test_inventory_answers_what_the_kind_was_asked_for(
    kind: TopologyKind, answers: tuple[object, ...]
) -> None:
    """Votes, successors, the cache and its instance, how many shards and replicas: all follows from the nodes."""
    found = of(kind)
    cache = found.cache.name if found.cache else None
    of_cache = (cache, found.shares_cache)
    assert (found.clustered, found.fails_over, *of_cache, found.shards, found.replicas_of_a_shard) == answers


def test_cache_database_is_the_nodes() -> None:
    """Database 0 of an instance of its own, or whichever the deployment chose on the shared one."""
    shared, split = of(TopologyKind.SHARED, cache_database=3).cache, of(TopologyKind.SPLIT).cache
    assert (shared.cache_database if shared else None) == 3
    assert (split.cache_database if split else None) == 0


def test_a_nodes_own_directives_are_the_strongest() -> None:
    """`redis`, then its role, then the node."""
    found = of(
        TopologyKind.SENTINEL,
        redis={"maxmemory": "1mb", "hz": "10"},
        replica={"maxmemory": "2mb", "replica-priority": "50"},
        nodes={"redis-2": NodeSettings(directives={"replica-priority": "10"})},
    )
    assert found.node("redis-2").directives == {"maxmemory": "2mb", "hz": "10", "replica-priority": "10"}
    assert found.node("redis-3").directives == {"maxmemory": "2mb", "hz": "10", "replica-priority": "50"}
    assert [str(one) for one in found.node("redis-2").configuration] == [
        "maxmemory 2mb",
        "hz 10",
        "replica-priority 10",
    ]


@pytest.mark.parametrize("kind", TopologyKind)
def test_plan_of_an_earlier_version_is_completed(kind: TopologyKind) -> None:
    """Its nodes did not say what followed from the kind of topology: a saved run still means the same."""
    plan = process_plan(kind)
    earlier = replace(
        plan, nodes=tuple(replace(node, cluster=False, cache_database=None) for node in plan.nodes)
    )
    assert completed(earlier) == plan
    assert completed(plan) == plan


def test_completing_a_plan_from_elsewhere_costs_nothing() -> None:
    """Its counts may be anything."""
    topology = TopologySpec(kind=TopologyKind.CLUSTER, shards=10**12, replicas_per_shard=10**12)
    (node,) = marked([NodePlan(name="redis-1", role=NodeRole.PRIMARY)], topology)
    assert node.cluster


def test_roles_beyond_data_and_sentinels_hold_no_data() -> None:
    """A proxy, or whatever runs along, is a node like any other and is never asked for sessions."""
    nodes = (
        *of_topology(TopologySpec(kind=TopologyKind.SENTINEL)).nodes,
        NodePlan(name="proxy-1", role=NodeRole.PROXY),
        NodePlan(name="app", role=NodeRole.OTHER),
    )
    found = Inventory(nodes, "sentinel behind a proxy")
    assert {node.name for node in found.data_nodes} == {"redis-1", "redis-2", "redis-3"}
    assert not {"proxy-1", "app"} & {node.name for node in (*found.sentinels, *found.session_nodes())}
    assert {node.purpose for node in found.session_nodes()} == {NodePurpose.SESSIONS}


def test_port_is_the_roles_unless_the_node_has_its_own() -> None:
    """A user's file may say another one."""
    primary, *_, sentinel = of(TopologyKind.SENTINEL).nodes
    assert (primary.usual_port, sentinel.usual_port) == (6379, 26379)
    assert replace(primary, port=7000).usual_port == 7000


def hosts(inventory: Inventory) -> dict[str, list[str]]:
    return {host: [node.name for node in inventory.on(host)] for host in inventory.hosts}


def test_hosts_are_as_written_and_others_are_alone() -> None:
    """A node that no host names shares its fate with nobody."""
    found = of(TopologyKind.SENTINEL, hosts={"a": ("sentinel-1", "redis-1"), "b": ("redis-2",)})
    assert hosts(found) == {"a": ["redis-1", "sentinel-1"], "b": ["redis-2"]}, "data nodes come first"
    assert [node.name for node in found.beside("sentinel-1")] == ["redis-1", "sentinel-1"]
    assert [node.name for node in found.beside("redis-3")] == ["redis-3"]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (
            TopologyKind.SENTINEL,
            {
                "a": ["redis-1", "sentinel-1"],
                "b": ["redis-2", "sentinel-2"],
                "c": ["redis-3", "sentinel-3"],
            },
        ),
        (
            TopologyKind.CLUSTER,
            {"a": ["redis-1", "redis-6"], "b": ["redis-2", "redis-4"], "c": ["redis-3", "redis-5"]},
        ),
    ],
)
def test_zones_keep_a_primary_from_its_replicas(kind: TopologyKind, expected: dict[str, list[str]]) -> None:
    """And sentinels from each other: the loss of one zone is survived."""
    assert hosts(of(kind, zones=3)) == expected
