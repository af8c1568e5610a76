"""The `nodes` table of a topology: what one node has that the others of its role do not.

    nodes: {redis-2: {replica-priority: 10}}

Read after the rest of the topology, because only then the names of its nodes are known.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.model.deployment import NodeSettings
from harness.model.directives import LeftOut
from harness.model.inventory import Inventory
from harness.model.words import NodeRole
from harness.scenario import tree
from harness.scenario.directives import Directives, DirectiveTable
from harness.scenario.problems import Problems
from harness.scenario.table import Field
from harness.scenario.values import Later, Schema, entries


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
        sentinel = known[name].role is NodeRole.SENTINEL
        found = Directives(f"nodes.{name}", of_sentinel=sentinel).read(value, f"{path}.{name}", problems)
        if isinstance(found, DirectiveTable):
            for one in found.written:
                one.check(engine, problems)
            settings[name] = NodeSettings(directives=found.used)
            left_out += found.left_out
    return NodesTable(settings=settings, left_out=tuple(left_out))


def _schema() -> Schema:
    by_name = {"^[a-z][a-z0-9-]*$": Directives("nodes").schema()}
    return {"type": "object", "patternProperties": by_name, "additionalProperties": False}


NODES = Field(
    key="nodes",
    reader=Later(_schema()),
    help="directives of single nodes, by name: {redis-2: {replica-priority: 10}}",
)
