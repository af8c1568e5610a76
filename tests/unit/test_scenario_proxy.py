"""A proxy in a scenario: what it says, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.proxy import Balance, ProxyShape, ProxySpec
from harness.model.words import Discovery, NodeRole
from tests.builders_scenario import GOOD, plan_of, read


def proxied(topology: str, client: str = "") -> str:
    given = f"topology: {{kind: sentinel, {topology}}}" + (f"\n  client: {{{client}}}" if client else "")
    return GOOD.replace("topology: {kind: sentinel}", given)


def test_proxies_are_nodes_that_clients_connect_to(tmp_path: Path) -> None:
    """Behind the others in the inventory; discovery follows from them."""
    scenario = read(
        tmp_path,
        proxied("proxy: haproxy, proxies: 2, shape: fast, proxy_settings: {balance: first, order: redis-3}"),
    )
    assert scenario.deployment.topology.proxy == ProxySpec(
        count=2, shape=ProxyShape.FAST, balance=Balance.FIRST, order=("redis-3",)
    )
    assert scenario.deployment.client.discovery is Discovery.THROUGH_PROXY
    plan = plan_of(scenario)
    assert [(node.name, node.role) for node in plan.inventory.proxies] == [
        ("proxy-1", NodeRole.PROXY),
        ("proxy-2", NodeRole.PROXY),
    ]
    assert not any(node.role is NodeRole.PROXY for node in plan.data_nodes())


def test_share_of_clients_may_connect_for_each_request(tmp_path: Path) -> None:
    """With a proxy or without."""
    scenario = read(tmp_path, GOOD.replace("workload:", "  client: {connect_per_request: 33%}\nworkload:"))
    assert scenario.deployment.client.connect_per_request == pytest.approx(0.33)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (proxied("shape: fast"), "there is no proxy; say `proxy: haproxy` too"),
        (proxied("proxy: nginx"), "one of haproxy"),
        (proxied("proxy: haproxy, shape: bold"), "role, fast, votes, role-and-sentinel"),
        (proxied("proxy: haproxy, proxies: 3"), "from 1 to 2"),
        (proxied("proxy: haproxy, proxy_settings: {order: redis-9}"), "no node 'redis-9'; nodes: redis-1"),
        (proxied("proxy: haproxy, proxy_settings: {fall: 0}"), "from 1 to 20"),
        (proxied("proxy: haproxy", "discovery: on-error"), "clients know the proxy's address only"),
        (proxied("replicas: 1", "discovery: through-proxy"), "there is no proxy"),
        (proxied("proxy: haproxy", "read_from_replicas: true"), "the proxy sends everything to the primary"),
        (GOOD.replace("kind: sentinel", "kind: single, proxy: haproxy"), "it is a setting of sentinel"),
    ],
    ids=[
        "shape alone",
        "program",
        "shape",
        "three",
        "order",
        "fall",
        "asks",
        "nothing",
        "replicas",
        "single",
    ],
)
def test_mistakes_are_refused(text: str, message: str, tmp_path: Path) -> None:
    """Each with what would be legal."""
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
