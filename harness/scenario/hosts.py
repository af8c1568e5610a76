"""The keys of a deployment that say on which engines its hosts are, and which of them send the load:

    hosts: {a: {engine: ssh://ops@a}, b: {engine: context:b}}
    workers: [b]

Nodes that the topology puts nowhere are spread over them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.model.deployment import TopologySpec
from harness.model.hosts import ENGINE, NAME
from harness.presets import of_topology
from harness.presets.placing import over
from harness.scenario import tree
from harness.scenario.problems import Problems
from harness.scenario.table import Field
from harness.scenario.values import INVALID, Later, Many, One, Schema, Unreadable, count, entries

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

MOST_WORKERS = 16
MOST_ON_HOSTS = 8
"""As many as there may be hosts."""


def _host(text: str) -> str:
    if not re.fullmatch(NAME, text):
        raise Unreadable("small letters, digits and hyphens")
    return text


@dataclass(frozen=True, slots=True)
class _Workers:
    """How many there are on this machine, or the host of each."""

    number: One
    hosts: Many

    def read(self, node: tree.Node, path: str, problems: Problems) -> Any:
        if not isinstance(node, tree.Sequence):
            return self.number.read(node, path, problems)
        found = self.hosts.read(node, path, problems)
        if found is not INVALID and not 1 <= len(found) <= MOST_ON_HOSTS:
            problems.add(node, path, f"expected 1 to {MOST_ON_HOSTS} hosts, found {len(found)}")
            return INVALID
        return found

    def schema(self) -> Schema:
        listed = {**self.hosts.schema(), "minItems": 1, "maxItems": MOST_ON_HOSTS}
        return {"oneOf": [self.number.schema(), listed]}


HOST = One("the name of a host", _host, {"type": "string", "pattern": f"^{NAME.pattern}$"})
_NUMBER = count(0, MOST_WORKERS)
WORKERS = Field(
    key="workers",
    reader=_Workers(
        replace(_NUMBER, expected=f"{_NUMBER.expected}, or a list of hosts such as [b, c]"),
        Many(HOST),
    ),
    help="processes that send the load, where one cannot send as much: how many on this machine, or the "
    "host of each: [b, c]; default: the kit's own process",
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
