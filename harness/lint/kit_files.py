"""Deployment files and scenarios: read as a run would read them, with the line of every key.

Their nodes become a group like any other, so that rules about settings hold for them too. What the kit
itself decides (passwords, addresses, nothing on disk by default) is not held against anybody.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness import scenario as stage
from harness.errors import UsageError
from harness.lint.subjects import Group, KitFile, Node, Place, Setting
from harness.model.deployment import Deployment, TopologySpec
from harness.model.directive_table import TODAYS_SPELLING
from harness.model.directives import Directive, used
from harness.model.inventory import NodePlan
from harness.model.scenario import Vocabulary
from harness.model.words import SERVICE, NodePurpose, NodeRole
from harness.presets import of_topology
from harness.scenario import tree

_SPELLINGS = tuple(TODAYS_SPELLING.items())
_TABLES = {NodeRole.PRIMARY: "primary", NodeRole.REPLICA: "replica", NodeRole.SENTINEL: "sentinel"}


def read_kit_file(path: Path, vocabulary: Vocabulary) -> tuple[KitFile, UsageError | None]:
    """What can be read of it, and what is wrong with it."""
    lines: dict[str, int] = {}
    values: dict[str, str] = {}
    try:
        for key, node in _keys(tree.compose_file(path)):
            lines[key] = tree.line(node)
            if isinstance(node, tree.Scalar):
                values[key] = node.value
        is_scenario = "scenario" in lines
        scenario = stage.load(path, vocabulary) if is_scenario else None
        deployment = scenario.deployment if scenario else stage.load_deployment(path)
    except UsageError as problem:
        return KitFile(file=str(path), deployment=None, lines=lines, values=values), problem
    kit_file = KitFile(file=str(path), deployment=deployment, scenario=scenario, lines=lines, values=values)
    return kit_file, None


def group_of(kit_file: KitFile) -> Group | None:
    """The nodes that it starts."""
    if kit_file.deployment is None:
        return None
    nodes = tuple(
        _node(one, kit_file, kit_file.deployment)
        for one in of_topology(kit_file.deployment.topology).nodes
        if one.role in _TABLES  # a proxy has no directives
    )
    return Group(name=kit_file.file, nodes=nodes, complete=True, made_by_kit=True)


def _keys(node: tree.Node, above: str = "") -> Iterator[tuple[str, tree.Node]]:
    if not isinstance(node, tree.Mapping):
        return
    for key, value in node.value:
        path = f"{above}.{key.value}" if above else str(key.value)
        yield path, value
        yield from _keys(value, path)


def _node(plan: NodePlan, kit_file: KitFile, deployment: Deployment) -> Node:
    table = "cache" if plan.purpose is NodePurpose.CACHE else _TABLES[plan.role]
    lines = tuple(
        Setting(directive=one, place=_place_of(one, table, kit_file)) for one in used(plan.directives)
    )
    if plan.role is NodeRole.SENTINEL:
        lines += tuple(_of_the_topology(kit_file, deployment.topology))
    return Node(
        name=plan.name,
        sentinel=plan.role is NodeRole.SENTINEL,
        settings=lines,
        place=kit_file.at(kit_file.key("topology")),
        replica=plan.role is NodeRole.REPLICA,
        cache=plan.purpose is NodePurpose.CACHE,
    )


def _place_of(directive: Directive, table: str, kit_file: KitFile) -> Place:
    return kit_file.at(
        *(
            kit_file.key(f"topology.{name}.{spelt}")
            for name in (table, "redis")
            for spelt in (directive.name, *(old for old, today in _SPELLINGS if today == directive.name))
        )
    )


def _of_the_topology(kit_file: KitFile, topology: TopologySpec) -> Iterator[Setting]:
    """What the keys of a topology mean to its sentinels."""

    def setting(key: str, name: str, *arguments: str) -> Setting:
        return Setting(
            directive=Directive(name=name, arguments=(SERVICE, *arguments)),
            place=kit_file.at(kit_file.key(f"topology.{key}")),
        )

    quorum = topology.effective_quorum
    yield setting("quorum", "sentinel monitor", "127.0.0.1", "6379", str(quorum))
    down_after_ms = str(round(topology.down_after_s * 1000))
    yield setting("down_after", "sentinel down-after-milliseconds", down_after_ms)
