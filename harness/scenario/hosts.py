"""The key of a deployment that says on which engines its hosts are:

    hosts: {a: {engine: ssh://ops@a}, b: {engine: context:b}}

Nodes that the topology puts nowhere are spread over them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from harness.model.deployment import TopologySpec
from harness.model.hosts import ENGINE, NAME
from harness.presets import of_topology
from harness.presets.placing import over
from harness.scenario import tree
from harness.scenario.problems import Problems
from harness.scenario.table import Field
from harness.scenario.values import Later, entries

_ENGINE = "engine"

ENGINES = Field(
    key="hosts",
    reader=Later(
        {
            "type": "object",
            "minProperties": 1,
            "patternProperties": {
                f"^{NAME.pattern}$": {
                    "type": "object",
                    "properties": {_ENGINE: {"type": "string", "pattern": f"^(?:{ENGINE.pattern})$"}},
                    "required": [_ENGINE],
                    "additionalProperties": False,
                }
            },
            "additionalProperties": False,
        }
    ),
    help="the hosts that nodes run on, each with its Docker engine: {a: {engine: ssh://ops@a}}",
)


def read_engines(node: tree.Node, path: str, problems: Problems) -> dict[str, str]:
    """Host -> its engine."""
    found: dict[str, str] = {}
    for name, key, value in entries(node, path, problems):
        below = f"{path}.{tree.shortened(name)}"
        if not NAME.fullmatch(name):
            problems.add(
                key,
                below,
                f"expected a name of small letters, digits and hyphens, found {tree.shortened(name)!r}",
            )
            continue
        given = {word: one for word, _, one in entries(value, below, problems)}
        engine = given.pop(_ENGINE, None)
        if given:
            problems.add(value, below, f"expected nothing but {_ENGINE}, found {', '.join(sorted(given))}")
        if not isinstance(engine, tree.Scalar) or not ENGINE.fullmatch(engine.value):
            problems.add(
                engine or value,
                f"{below}.{_ENGINE}",
                "expected ssh://USER@HOST, tcp://HOST:PORT, unix:///PATH or context:NAME, found "
                + _found(engine),
            )
            continue
        found[name] = engine.value
    return found


def _found(engine: tree.Node | None) -> str:
    if engine is None:
        return "nothing"
    return repr(tree.shortened(engine.value)) if isinstance(engine, tree.Scalar) else "something else"


def placed_on(topology: TopologySpec, engines: Mapping[str, str]) -> TopologySpec:
    """The topology with every node on one of these hosts."""
    on: dict[str, tuple[str, ...]] = {}
    for node, host in over(of_topology(topology).nodes, tuple(engines)).items():
        on[host] = (*on.get(host, ()), node)
    return replace(topology, hosts=on, zones=0)
