"""A proxy is ready when the primary alone is UP for it."""

from __future__ import annotations

from typing import Any, cast

import pytest

from harness.model.proxy import ProxyShape, ProxySpec
from harness.model.seams import Address, Certificates, Secrets, Topology
from harness.redis_wire import haproxy
from harness.redis_wire.haproxy import ServerState
from harness.redis_wire.protocol import NoAnswer
from harness.topology.base import proxies
from tests.builders_topology import process_plan

PLAN = process_plan("sentinel", proxy=ProxySpec(shape=ProxyShape.ROLE_AND_SENTINEL, count=2))


class Stub:
    plan = PLAN

    def address(self, node: str) -> Address:
        del node
        return Address("198.18.0.9", 6379)

    def observer(self) -> Any:
        return None


def missing(monkeypatch: pytest.MonkeyPatch, *said: ServerState) -> list[str]:
    monkeypatch.setattr(haproxy, "servers", lambda *_, **__: said)
    return list(proxies.missing(cast("Topology", Stub()), "proxy-1"))


def state(name: str, status: str, *, backend: str = "redis", checked: bool = True) -> ServerState:
    return ServerState(backend=backend, name=name, status=status, checked=checked)


def test_ready_once_the_primary_alone_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """And all checks are over."""
    assert not missing(
        monkeypatch, state("redis-1", "UP"), state("redis-2", "DOWN"), state("redis-3", "DOWN")
    )


def test_not_ready_while_a_replica_is_taken_for_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """HAProxy begins with all of them UP."""
    found = missing(monkeypatch, state("redis-1", "UP", checked=False), state("redis-2", "UP 1/3"))
    assert found == ["proxy-1 has not checked redis-1 (redis) yet", "proxy-1 sees redis-2 (redis) as UP 1/3"]


def test_votes_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the primary all sentinels vote, for the others none; other servers are of no interest."""
    found = missing(
        monkeypatch,
        state("sentinel-1", "DOWN", backend="named-redis-1-by"),
        state("sentinel-1", "DOWN", backend="named-redis-2-by"),
        state("web", "DOWN", backend="elsewhere"),
    )
    assert found == ["proxy-1 sees sentinel-1 (named-redis-1-by) as DOWN"]


def test_proxy_without_an_answer_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a node does not."""

    def silent(*_: Any, **__: Any) -> Any:
        raise NoAnswer("gone")

    monkeypatch.setattr(haproxy, "servers", silent)
    assert not proxies.answers(cast("Topology", Stub()), "proxy-1")


def test_configuration_has_the_plans_nodes() -> None:
    """Their addresses and passwords; clients at the proxy's own."""
    addresses = {
        node.name: Address(f"198.18.0.{n}", node.usual_port) for n, node in enumerate(PLAN.nodes, start=1)
    }
    text = proxies.configuration(
        PLAN.node("proxy-2"),
        PLAN,
        addresses=addresses,
        secrets=Secrets(redis="pw1", sentinel="pw2"),
        directory="/data",
    )
    assert f"bind {addresses['proxy-2'].host}:6379" in text
    assert f"server redis-3 {addresses['redis-3'].host}:6379" in text
    assert "AUTH\\ pw1" in text
    assert "AUTH\\ pw2" in text
    assert "ssl" not in text


@pytest.mark.parametrize("shape", ProxyShape)
def test_checks_speak_tls_where_nodes_do(shape: ProxyShape) -> None:
    """With the run's certificates, at data nodes and sentinels. Clients' connections are passed on as they are."""
    plan = process_plan("sentinel", tls=True, proxy=ProxySpec(shape=shape))
    addresses = {node.name: Address("198.18.0.1", node.usual_port) for node in plan.nodes}
    certified = Certificates(authority="a", node="n", node_key="nk", client="c", client_key="ck")
    secrets = Secrets(redis="pw1", sentinel="pw2", certificates=certified)
    lines = proxies.configuration(
        plan.node("proxy-1"), plan, addresses=addresses, secrets=secrets, directory="/data"
    ).splitlines()
    servers = [line for line in lines if line.startswith("    server ")]
    asked = [line for line in lines if line.startswith("    tcp-check connect") and " port 91" not in line]
    assert all(
        line.endswith(" ca-file /data/tls/ca.crt crt /data/tls/proxy.pem") and "verify required" in line
        for line in servers
    )
    assert not any(word in {"ssl", "check-ssl"} for line in servers for word in line.split())
    assert asked
    assert all(line.endswith(" ssl") for line in asked)
    assert not any("ssl" in line for line in lines if line.startswith("    bind "))
