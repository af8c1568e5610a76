"""The keys of a topology that name nodes: settings of single nodes, and which nodes share a host.

    nodes: {redis-2: {replica-priority: 10}, redis-3: {engine: valkey-8.1}}
    hosts: {a: [redis-1, sentinel-1], b: [redis-2, sentinel-2], c: [sentinel-3]}

Read after the rest of the topology, because only then the names of its nodes are known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.model.deployment import NodeSettings
from harness.model.directives import LeftOut
from harness.model.inventory import Inventory
from harness.model.words import NodeRole
from harness.presets import placing
from harness.scenario import tree
from harness.scenario.directives import Directives, DirectiveTable
from harness.scenario.problems import Problems
from harness.scenario.table import Field
from harness.scenario.values import ENGINE, Later, Schema, count, entries


@dataclass(frozen=True, slots=True, kw_only=True)
class NodesTable:
    """What each node is given, and what none is."""

    settings: dict[str, NodeSettings] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


def read_nodes(
    node: tree.Node, path: str, inventory: Inventory, engine: str | None, problems: Problems
) -> NodesTable:
    """`inventory`: the nodes as they are without this table; `engine`: what they run, if that is named."""
    known = {one.name: one for one in inventory.nodes}
    settings: dict[str, NodeSettings] = {}
    left_out: list[LeftOut] = []
    for name, key, value in entries(node, path, problems):
        if name not in known:
            problems.unknown(key, path, "node", name, known)
            continue
        role, below = known[name].role, f"{path}.{name}"
        if role is NodeRole.PROXY:
            problems.add(key, below, "a proxy has no settings of its own: see 'shape' and 'proxy_settings'")
            continue
        own, directives = _own_engine(value, below, problems)
        reader = Directives(f"nodes.{name}", of_sentinel=role is NodeRole.SENTINEL)
        found = reader.read(directives, below, problems)
        if isinstance(found, DirectiveTable):
            for one in found.written:
                one.check(own or engine, problems)
            settings[name] = NodeSettings(directives=found.used, engine=own)
            left_out += found.left_out
    return NodesTable(settings=settings, left_out=tuple(left_out))


def _own_engine(node: tree.Node, path: str, problems: Problems) -> tuple[str | None, tree.Node]:
    """The engine that a node names for itself, and its table without it. No server has such a directive."""
    if not isinstance(node, tree.Mapping):
        return None, node
    named = [value for key, value in node.value if key.value == _ENGINE]
    others = [(key, value) for key, value in node.value if key.value != _ENGINE]
    rest = tree.Mapping(node.tag, others, node.start_mark, node.end_mark, node.flow_style)
    if len(named) > 1:
        problems.add(named[1], f"{path}.{_ENGINE}", "named twice")
    engine = ENGINE.read(named[0], f"{path}.{_ENGINE}", problems) if named else None
    return engine if isinstance(engine, str) else None, rest


_ENGINE = "engine"


def _schema() -> Schema:
    directives = Directives("nodes").schema()
    one = {**directives, "properties": {_ENGINE: ENGINE.schema()}}
    return {
        "type": "object",
        "patternProperties": {"^[a-z][a-z0-9-]*$": one},
        "additionalProperties": False,
    }


NODES = Field(
    key="nodes",
    reader=Later(_schema()),
    help="directives of single nodes, and `engine`: {redis-2: {replica-priority: 10, engine: valkey-8.1}}",
)


def read_hosts(
    node: tree.Node, path: str, inventory: Inventory, problems: Problems
) -> dict[str, tuple[str, ...]]:
    """Host -> its nodes; each node on one host at most."""
    known = {one.name for one in inventory.nodes}
    hosts: dict[str, tuple[str, ...]] = {}
    seen: dict[str, str] = {}
    for host, key, value in entries(node, path, problems):
        below = f"{path}.{tree.shortened(host)}"
        if not _HOST.fullmatch(host) or host == "of":
            problems.add(key, below, "expected a name of small letters, digits and hyphens that is not 'of'")
            continue
        if not isinstance(value, tree.Sequence):
            problems.expected(value, below, "a list of nodes")
            continue
        here = [one.value for one in value.value if isinstance(one, tree.Scalar)]
        for name in here:
            if name not in known:
                problems.unknown(value, below, "node", name, known)
            elif name in seen:
                problems.add(value, below, f"{name} is on host {seen[name]} already")
            seen.setdefault(name, host)
        hosts[host] = tuple(here)
    return hosts


_HOST = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")

HOSTS = Field(
    key="hosts",
    reader=Later(
        {
            "type": "object",
            "patternProperties": {_HOST.pattern: {"type": "array", "items": {"type": "string"}}},
            "additionalProperties": False,
        }
    ),
    help="which nodes share a host, for faults that take a whole host: {a: [redis-1, sentinel-1]}",
)
ZONES = Field(
    key="zones",
    reader=count(2, len(placing.ZONES)),
    help="spread the nodes over so many hosts, called a, b, c, instead of writing `hosts`",
)
