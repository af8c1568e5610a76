"""Redis directives of a deployment: read by the server's own grammar, decided by name, kept or left out.

What is left out stays here: its name and the reason go on, its value does not, since it may be a password
and nobody needs it. Messages quote a value only where the directive holds no secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.model.directive_table import SECRET
from harness.model.directive_values import why_no_name, why_no_value
from harness.model.directives import (
    Directive,
    LeftOut,
    Lines,
    Malformed,
    for_service,
    not_carried_out,
    not_used,
    parsed,
    quoted,
)
from harness.model.words import SERVICE
from harness.scenario import tree
from harness.scenario.problems import Problems
from harness.scenario.values import INVALID, Schema, entries

_OWN_KEYS = {
    "cluster-node-timeout": "node_timeout",
    "cluster-replica-validity-factor": "validity_factor",
    "cluster-require-full-coverage": "require_full_coverage",
    "cluster-allow-reads-when-down": "allow_reads_when_down",
    "sentinel down-after-milliseconds": "down_after",
    "sentinel failover-timeout": "failover_timeout",
    "sentinel parallel-syncs": "parallel_syncs",
}

_LINE = {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectiveTable:
    """One table of directives: what nodes are given, and what they are not."""

    used: dict[str, Lines] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()
    written: tuple[Written, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A directive in its place, so that a mistake which depends on the engine can still be told there."""

    directive: Directive
    node: tree.Node
    path: str

    def check(self, engine: str | None, problems: Problems) -> None:
        """Against what engines say of their own directives. A value is quoted only where it is no secret."""
        reason = why_no_name(self.directive.name, engine)
        if reason is None and not_used(self.directive.name) is None:
            wrong = why_no_value(self.directive, engine)
            found = tree.shortened(" ".join(self.directive.arguments))
            shown = "" if self.directive.name in SECRET else f", found {found!r}"
            reason = f"{wrong}{shown}" if wrong else None
        if reason:
            problems.add(self.node, self.path, reason)


@dataclass(frozen=True, slots=True)
class Directives:
    """Reads the table of this name."""

    table: str
    of_sentinel: bool = False
    """What it says is for sentinels."""

    def read(self, node: tree.Node, path: str, problems: Problems) -> Any:
        before = problems.count
        lines: dict[str, list[str]] = {}
        left_out: dict[str, LeftOut] = {}
        written: dict[str, str] = {}
        places: list[Written] = []
        for key, key_node, value in entries(node, path, problems):
            below = f"{path}.{tree.shortened(key)}"
            for directive, raw in self._lines(key, key_node, value, below, problems):
                places.append(Written(directive=directive, node=key_node, path=below))
                if written.setdefault(directive.name, key) != key:
                    first = tree.shortened(written[directive.name])
                    problems.add(key_node, below, f"the same directive as {first}: write its lines as a list")
                elif reason := not_carried_out(directive):
                    left_out[directive.name] = LeftOut(
                        table=self.table, name=directive.name, why=reason.why, decides=reason.decides
                    )
                else:
                    lines.setdefault(directive.name, []).append(raw)
        if problems.count > before:
            return INVALID
        used = {name: found[0] if len(found) == 1 else tuple(found) for name, found in lines.items()}
        return DirectiveTable(used=used, left_out=tuple(left_out.values()), written=tuple(places))

    def schema(self) -> Schema:
        several = {"type": "array", "items": _LINE, "minItems": 1}
        return {
            "type": "object",
            "patternProperties": {"^([Ss]entinel( |$))?[A-Za-z0-9_-]*$": {"anyOf": [_LINE, several]}},
            "additionalProperties": False,
        }

    def _lines(
        self, key: str, key_node: tree.Node, value: tree.Node, path: str, problems: Problems
    ) -> list[tuple[Directive, str]]:
        found = []
        for line in value.value if isinstance(value, tree.Sequence) and value.value else [value]:
            if not isinstance(line, tree.Scalar):
                problems.add(
                    value, path, "expected the directive's arguments, or a list with a line of them each"
                )
                continue
            try:
                found.append(self._line(key, line.value.strip(" ")))
            except Malformed as problem:
                problems.add(line if line.value else key_node, path, str(problem))
        return found

    def _line(self, key: str, value: str) -> tuple[Directive, str]:
        directive = parsed(key, value)
        if own := _OWN_KEYS.get(directive.name):
            raise Malformed(f"write this as the topology's own key {own!r}, so that bounds can refer to it")
        if directive.name.startswith("sentinel ") and not self.of_sentinel:
            raise Malformed("only sentinels know this directive: write it under 'sentinel:'")
        if not_used(directive.name) is None:
            for_service(directive, SERVICE)
        if len(key.split()) < len(directive.name.split()):  # the option came with the value
            return directive, " ".join(map(quoted, directive.arguments))
        return directive, value


@dataclass(frozen=True, slots=True)
class ConfigurationLines:
    """Reads such a table into the lines of a configuration file. What nodes are not given is refused here:
    what is left out of a deployment is told by its plan, and a fault without its point is none."""

    table: str

    def read(self, node: tree.Node, path: str, problems: Problems) -> Any:
        found = Directives(self.table).read(node, path, problems)
        if found is INVALID:
            return INVALID
        for one in found.left_out:
            problems.add(node, f"{path}.{one.name}", one.why)
        for place in found.written:
            place.check(None, problems)
        return "\n".join(str(place.directive) for place in found.written)

    def schema(self) -> Schema:
        return Directives(self.table).schema()
