"""What a command learns of the nodes beside it: environment variables, and placeholders in its words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import quote

from harness.errors import UsageError
from harness.model.credentials import client_login, sentinel_login
from harness.model.seams import Joinable, Topology
from harness.model.words import NodePurpose, NodeRole
from harness.topology.base.certificates import OF_CLIENTS, of_clients
from harness.visible import visible

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACEHOLDER = re.compile(r"\{((?:REDIS|FAILOVER)_[A-Z_]+)\}")
_SHOWN = 60
_USUAL_USER = "default"
"""Named in URLs: redis-cli takes an empty name for a user's, and is refused."""


NAMES = frozenset(
    {
        "REDIS_URL",
        "REDIS_HOST",
        "REDIS_PORT",
        "REDIS_USERNAME",
        "REDIS_PASSWORD",
        "REDIS_SENTINELS",
        "REDIS_SERVICE",
        "REDIS_SENTINEL_PASSWORD",
        "REDIS_CLUSTER_NODES",
        "REDIS_CACHE_URL",
        *OF_CLIENTS,
        "FAILOVER_NETWORK",
        "FAILOVER_ADDRESS",
    }
)
"""What some topology has a value for."""


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """What a command keeps of its user's environment: not where another Redis of theirs is."""
    return {name: value for name, value in environment.items() if name not in NAMES}


def variables(topology: Topology) -> dict[str, str]:
    """Name -> value.

    `REDIS_URL` leads to the first proxy or, where there is none, to the node that is primary at the start. A
    client that is to follow a failover by itself goes by `REDIS_SENTINELS` and `REDIS_SERVICE`, or by
    `REDIS_CLUSTER_NODES`. Where somebody speaks TLS, `REDIS_TLS_…` lead to what it needs for that.
    """
    plan = topology.plan
    login = client_login(plan, topology.secrets)
    sessions = [node for node in plan.data_nodes() if node.purpose is NodePurpose.SESSIONS]
    primary = next(node for node in sessions if node.role is NodeRole.PRIMARY)
    entry = next((node.name for node in plan.inventory.proxies), primary.name)
    address = topology.address(entry)
    found = {
        "REDIS_URL": _url(topology, entry),
        "REDIS_HOST": address.host,
        "REDIS_PORT": str(address.port),
        "REDIS_PASSWORD": login.password,
    }
    if login.user:
        found["REDIS_USERNAME"] = login.user
    if sentinels := [node.name for node in plan.sentinels()]:
        found["REDIS_SENTINELS"] = _listed(topology, sentinels)
        found["REDIS_SERVICE"] = topology.service
        found["REDIS_SENTINEL_PASSWORD"] = sentinel_login(plan, topology.secrets).password
    if plan.inventory.clustered:
        found["REDIS_CLUSTER_NODES"] = _listed(topology, [node.name for node in sessions])
    caches = [node.name for node in plan.data_nodes() if node.purpose is NodePurpose.CACHE]
    if caches:
        found["REDIS_CACHE_URL"] = _url(topology, caches[0])
    found |= of_clients(topology.secrets, topology.directory)
    if isinstance(topology, Joinable):
        found["FAILOVER_NETWORK"] = topology.network
        if topology.free_address:
            found["FAILOVER_ADDRESS"] = topology.free_address
    return found


def mapped(given: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """What `--env NAME=TEXT` adds; placeholders in TEXT are filled.

    Raises:
        UsageError: no name, or a placeholder that this topology has no value for.
    """
    added: dict[str, str] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not _NAME.fullmatch(name):
            shown = visible(text[:_SHOWN])
            raise UsageError(f"--env: expected NAME=TEXT, such as STORE={{REDIS_URL}}, found {shown!r}")
        added[name] = filled(value, known)
    return added


def filled(text: str, known: Mapping[str, str]) -> str:
    """`text` with each `{REDIS_…}` replaced; other braces stay as they are.

    Raises:
        UsageError: a placeholder that this topology has no value for.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in known:
            expected = ", ".join(sorted(known))
            raise UsageError(f"{found[0]}: expected a name that this topology has: {expected}")
        return known[found[1]]

    return _PLACEHOLDER.sub(value, text)


def _url(topology: Topology, node: str) -> str:
    address = topology.address(node)
    login = client_login(topology.plan, topology.secrets, purpose=topology.plan.node(node).purpose)
    who = f"{login.user or _USUAL_USER}:{quote(login.password, safe='')}@" if login.password else ""
    spec = topology.plan.scenario.deployment.topology
    encrypted = spec.clients_speak_tls if topology.plan.node(node).role is NodeRole.PROXY else spec.tls
    scheme = "rediss" if encrypted else "redis"
    return f"{scheme}://{who}{address.host}:{address.port}/0"


def _listed(topology: Topology, nodes: Sequence[str]) -> str:
    addresses = [topology.address(node) for node in nodes]
    return ",".join(f"{one.host}:{one.port}" for one in addresses)
