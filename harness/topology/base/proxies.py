"""The proxies of a topology, on both backends: their configuration, and when they are ready.

Ready means that the primary alone is UP, for a check that is over: HAProxy takes servers for UP until the
first check, and whoever connects before may get a replica.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from harness.model.credentials import kit_login
from harness.model.inventory import PROXY_STATS_PORT, NodePlan
from harness.model.plan import Plan
from harness.model.proxy import ProxySpec
from harness.model.seams import Address, Secrets, Topology, shard_primary
from harness.redis_wire import haproxy as wire
from harness.redis_wire.protocol import NoAnswer
from harness.topology.base import certificates, haproxy, haproxy_file

ASKED_WITHIN_S = 1.0


def configuration(
    node: NodePlan, plan: Plan, *, addresses: Mapping[str, Address], secrets: Secrets, directory: str
) -> str:
    """The file with which a proxy is started."""
    spec = plan.scenario.deployment.topology.proxy
    assert spec is not None, "the plan has a proxy"
    own = addresses[node.name]
    if spec.file:
        return haproxy_file.render(
            spec.file,
            plan,
            own=own,
            addresses=addresses,
            secrets=secrets,
            directory=directory,
            first=haproxy.process(own.host),
        )
    nodes = {one.name: addresses[one.name] for one in plan.inventory.session_nodes()}
    first = next(iter(nodes))
    return haproxy.render(
        spec,
        haproxy.Surroundings(
            own=own.host,
            port=own.port,
            nodes=haproxy.in_order(nodes, spec.order),
            sentinels={one.name: addresses[one.name] for one in plan.sentinels()},
            service=plan.scenario.deployment.topology.service,
            login=kit_login(plan, first, secrets),
            sentinel_login=kit_login(plan, plan.sentinels()[0].name, secrets),
            tls=certificates.of_a_proxy(directory) if plan.scenario.deployment.topology.tls else "",
        ),
    )


def servers(topology: Topology, proxy: str) -> tuple[wire.ServerState, ...]:
    """What a proxy says of its servers. Raises `NoAnswer`."""
    at = Address(topology.address(proxy).host, PROXY_STATS_PORT)
    return wire.servers(at, topology.observer(), within_s=ASKED_WITHIN_S)


def answers(topology: Topology, proxy: str) -> bool:
    try:
        servers(topology, proxy)
    except NoAnswer:
        return False
    return True


NO_WAY = "has no way to"


def missing(topology: Topology, proxy: str) -> Iterator[str]:
    """What keeps it from being ready."""
    plan = topology.plan
    primary = shard_primary(plan, 1).name
    spec = plan.scenario.deployment.topology.proxy
    if spec and spec.file:
        yield from _unsettled(servers(topology, proxy), proxy, spec, primary)
        return
    nodes = {node.name for node in plan.inventory.session_nodes()}
    for one in servers(topology, proxy):
        expected = one.name == primary
        if one.name not in nodes:  # a sentinel, which votes for the node that its backend is named after
            about = haproxy.voted_on(one.backend)
            if about is None:
                continue
            expected = about == primary
        if not one.checked:
            yield f"{proxy} has not checked {one.name} ({one.backend}) yet"
        elif one.up is not expected:
            yield f"{proxy} sees {one.name} ({one.backend}) as {one.status}"


def _unsettled(
    said: tuple[wire.ServerState, ...], proxy: str, spec: ProxySpec, primary: str
) -> Iterator[str]:
    """A file of somebody's own may send clients to anybody: what it makes of the primary must be over,
    and what it makes of the others too."""
    if not any(one.up and spec.node_of(one.backend, one.name) == primary for one in said):
        yield f"{proxy} {NO_WAY} {primary}: each server of your file that leads there is DOWN"
    for one in said:
        if not one.settled:
            yield f"{proxy} has not made up its mind about {one.name} ({one.backend}): {one.status}"
