"""Roles and groups from what nodes say, never from names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.model.seams import Address
from harness.model.words import NodeRole, TopologyKind
from harness.redis_wire import cluster
from harness.topology.compose.found import Found, Member, Spoken, inventory, missing, unsettled


def member(name: str, last: int, **of: object) -> Member:
    return Member(
        name=name,
        service=name,
        container=f"id-{name}",
        addresses=(f"10.0.0.{last}",),
        names=frozenset({name, f"{name}-alias"}),
        **of,  # type: ignore[arg-type]
    )


def node(name: str, last: int, replication: Mapping[str, str] | None = None) -> Spoken:
    said = replication or {"role": "master"}
    role = NodeRole.REPLICA if said["role"] == "slave" else NodeRole.PRIMARY
    return Spoken(
        name=name, member=name, pid=last, role=role, address=Address(f"10.0.0.{last}", 6379), replication=said
    )


def follower(name: str, last: int, of: str, link: str = "up") -> Spoken:
    said = {"role": "slave", "master_host": of, "master_port": "6379", "master_link_status": link}
    return node(name, last, said)


def guard(name: str, last: int, of: str = "10.0.0.1", *, flags: str = "master", replicas: int = 1) -> Spoken:
    watch = {
        "name": "mymaster", "ip": of, "port": "6379", "flags": flags, "num-slaves": str(replicas),
        "num-other-sentinels": "1", "quorum": "2", "down-after-milliseconds": "3000",
        "failover-timeout": "10000", "parallel-syncs": "1",
    }  # fmt: skip
    return Spoken(
        name=name,
        member=name,
        pid=last,
        role=NodeRole.SENTINEL,
        address=Address(f"10.0.0.{last}", 26379),
        watched=(watch,),
    )


MEMBERS = (member("a", 1), member("b", 2), member("s1", 3), member("s2", 4), member("app", 5))


def guarded(*instead: Spoken) -> Found:
    nodes = {
        one.name: one for one in (node("a", 1), follower("b", 2, "a-alias"), guard("s1", 3), guard("s2", 4))
    }
    return inventory(MEMBERS, [*{**nodes, **{one.name: one for one in instead}}.values()])


def test_a_project_with_sentinels() -> None:
    """Roles, who follows whom (by a name, too), the service and its times, and what runs along."""
    found = guarded()
    assert [(one.name, one.role, one.replica_of) for one in found.nodes] == [
        ("a", NodeRole.PRIMARY, None),
        ("b", NodeRole.REPLICA, "a"),
        ("s1", NodeRole.SENTINEL, None),
        ("s2", NodeRole.SENTINEL, None),
        ("app", NodeRole.OTHER, None),
    ]
    assert (found.kind, found.service) == (TopologyKind.SENTINEL, "mymaster")
    assert found.settings["down_after_s"] == 3.0
    assert found.settings["quorum"] == 2
    assert missing(found) == ()
    assert found.node_at("B-ALIAS", 6379) == "b"
    assert found.node_at("b", 6380) is None
    assert found.member_of("app").container == "id-app"


@pytest.mark.parametrize(
    ("instead", "said"),
    [
        (follower("b", 2, "a", link="down"), "b is not attached to a"),
        (guard("s1", 3, flags="master,s_down"), "s1 sees a as s_down"),
        (guard("s1", 3, replicas=0), "s1 knows 0 of 1 replicas"),
    ],
)
def test_what_is_missing_is_said(instead: Spoken, said: str) -> None:
    """A link that is down, a sentinel that sees otherwise or knows too little."""
    assert said in missing(guarded(instead))


def test_a_replica_of_somebody_else_is_noticed() -> None:
    """Its data would be another system's."""
    found = inventory(MEMBERS[:2], [node("a", 1), follower("b", 2, "prod.example.com")])
    assert "b follows prod.example.com, which is no node of the project" in missing(found)


def test_the_primary_that_is_guarded_holds_the_sessions() -> None:
    """Another Redis of the project runs along; where two could hold sessions, the user must say which."""
    members = (*MEMBERS[:4], member("cache", 6))
    spoken = [node("a", 1), follower("b", 2, "10.0.0.1"), guard("s1", 3), guard("s2", 4), node("cache", 6)]
    roles = {one.name: one.role for one in inventory(members, spoken).nodes}
    assert roles["a"] is NodeRole.PRIMARY
    assert roles["cache"] is NodeRole.OTHER
    two = (member("a", 1), member("cache", 6))
    with pytest.raises(UsageError, match="sessions: a"):
        inventory(two, [node("a", 1), node("cache", 6)])
    found = inventory(two, [node("a", 1), node("cache", 6)], sessions="cache")
    assert (found.nodes[0].name, found.kind) == ("cache", TopologyKind.SINGLE)


def test_a_project_without_redis_is_refused() -> None:
    """With what there is instead."""
    with pytest.raises(UsageError, match=r"none among its containers: app"):
        inventory((member("app", 5),), [])


ROWS = """\
1 10.0.0.1:6379@16379 myself,master - 0 1 1 connected 0-8191
2 10.0.0.2:6379@16379 master - 0 1 2 connected 8192-16383
3 10.0.0.3:6379@16379 slave 2 0 1 2 connected
"""


def in_cluster(name: str, last: int, *, rows: str = ROWS, follows: bool = False) -> Spoken:
    said = {"role": "slave", "master_link_status": "up"} if follows else {"role": "master"}
    return Spoken(
        name=name,
        member=name,
        pid=last,
        role=NodeRole.REPLICA if follows else NodeRole.PRIMARY,
        address=Address(f"10.0.0.{last}", 6379),
        replication=said,
        identity=str(last),
        rows=tuple(cluster.rows(rows)),
    )


def test_a_cluster() -> None:
    """Shards by their slots; a replica belongs to the shard of its primary."""
    members = tuple(member(name, last) for last, name in enumerate("zyx", start=1))
    nodes = [in_cluster("z", 1), in_cluster("y", 2), in_cluster("x", 3, follows=True)]
    found = inventory(members, nodes)
    assert [(one.name, one.shard, one.replica_of) for one in found.nodes] == [
        ("z", 1, None), ("y", 2, None), ("x", 2, "y"),
    ]  # fmt: skip
    assert found.settings["shards"] == 2
    assert missing(found) == ()


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS.replace("8192-16383", "8192-16382"), "sees 16383 of 16384 slots served"),
        (ROWS.replace("slave 2", "master -"), "x has no slots and follows nobody"),
        (ROWS.replace("master - 0 1 2", "master,fail - 0 1 2"), "sees nodes as fail"),
        ("\n".join(ROWS.splitlines()[:2]) + "\n", "does not know x"),
        (ROWS.replace(" 0-8191", "").replace(" 8192-16383", ""), "sees 0 of 16384 slots served"),
    ],
)
def test_a_cluster_that_is_not_whole_is_not_ready(rows: str, said: str) -> None:
    """A slot without a node, a node that belongs to nobody, one that is down or unknown."""
    members = tuple(member(name, last) for last, name in enumerate("zyx", start=1))
    nodes = [in_cluster("z", 1, rows=rows), in_cluster("y", 2, rows=rows), in_cluster("x", 3, rows=rows)]
    assert any(said in one for one in missing(inventory(members, nodes)))


def with_proxy(
    reached: Mapping[int, frozenset[str]], *, proxied: bool = True, engine: str = "haproxy"
) -> Found:
    """`app` is a proxy before `a`, the primary, and `b`."""
    proxy = Spoken(
        name="app",
        member="app",
        pid=5,
        role=NodeRole.PROXY,
        address=Address("10.0.0.5", 80),
        engine=engine,
        reached=reached,
    )
    first, second = node("a", 1), follower("b", 2, "a")
    nodes = [replace(first, run_id="run-a"), replace(second, run_id="run-b"), guard("s1", 3), guard("s2", 4)]
    return inventory(MEMBERS, [*nodes, proxy], proxied=proxied)


def test_clients_go_through_the_port_that_leads_to_the_primary_alone() -> None:
    """Of several, not the one for readers."""
    a, b = frozenset({"run-a"}), frozenset({"run-b"})
    found = with_proxy({6380: b, 6381: a | b, 6382: a})
    assert found.fronts == ("app",)
    (proxy,) = [one for one in found.nodes if one.role is NodeRole.PROXY]
    assert (proxy.name, proxy.port, proxy.stats_port) == ("app", 6382, None)
    assert next(one for one in found.spoken if one.name == "app").address == Address("10.0.0.5", 6382)
    assert missing(found) == ()


def test_a_proxy_that_takes_turns_is_not_ready() -> None:
    """Half of the writes would be READONLY."""
    found = with_proxy({6379: frozenset({"run-a", "run-b"})})
    assert missing(found) == ("app sends connections at port 6379 to b as well as to a, the primary",)


@pytest.mark.parametrize(
    ("reached", "proxied"), [({}, True), ({6379: {"run-b"}}, True), ({6379: {"run-a"}}, False)]
)
def test_a_proxy_that_is_not_for_these_clients_runs_along(
    reached: dict[int, set[str]], proxied: bool
) -> None:
    """It leads elsewhere, or they do not want it."""
    found = with_proxy({port: frozenset(nodes) for port, nodes in reached.items()}, proxied=proxied)
    assert found.fronts == ()
    assert found.nodes[-1].role is NodeRole.OTHER


def test_a_proxy_of_tcp_is_waited_for() -> None:
    """Its checks take seconds; a web server's proxy may never lead to a node."""
    assert unsettled(with_proxy({})) == ("app leads to no node yet",)
    assert unsettled(with_proxy({6379: frozenset({"run-a"})})) == ()
    assert unsettled(with_proxy({}, engine="nginx")) == ()


def test_a_container_that_was_made_again_is_found_where_it_is() -> None:
    """By its new address and its old names, and no more by the old address."""
    found = guarded().with_member(member("b", 9))
    assert found.node_at("10.0.0.9", 6379) == "b"
    assert found.node_at("b-alias", 6379) == "b"
    assert found.node_at("10.0.0.2", 6379) is None


def test_nodes_in_one_container_are_on_one_host() -> None:
    """It is lost with all of them; nobody else shares one."""
    inside = replace(guard("s1", 1), name="a-sentinel", member="a")
    nodes = (node("a", 1), follower("b", 2, "a"), inside, guard("s2", 4))
    found = inventory(MEMBERS, nodes)
    hosts = {one.name: one.host for one in found.nodes if one.role is not NodeRole.OTHER}
    assert hosts == {"a": "a", "a-sentinel": "a", "b": "", "s2": ""}
