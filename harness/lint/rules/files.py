"""Lines that no server would read, and keys that the kit cannot."""

from __future__ import annotations

from collections.abc import Iterator

from harness.lint.rule import Hit, Rule, Severity
from harness.lint.subjects import Given
from harness.model.directive_values import why_no_name, why_no_value
from harness.model.directives import not_used
from harness.scenario.file_kind import LINTED, FileKind

_CONF = (FileKind.REDIS_CONF, FileKind.SENTINEL_CONF, FileKind.COMPOSE)


def _unreadable(given: Given) -> Iterator[Hit]:
    for one in given.wrong:
        yield Hit(place=one.place, said=one.said)


def _unknown(given: Given) -> Iterator[Hit]:
    for group in given.groups:
        for node in group.nodes if not group.made_by_kit else ():
            for line in node.settings:
                if reason := why_no_name(line.directive.name, None):
                    yield Hit(place=line.place, said=f"{line.directive.name}: {reason}")


def _value(given: Given) -> Iterator[Hit]:
    for group in given.groups:
        for node in group.nodes if not group.made_by_kit else ():
            for line in node.settings:
                name = line.directive.name
                if not_used(name) is not None or "$" in line.text or why_no_name(name, None):
                    continue
                if reason := why_no_value(line.directive, None):
                    yield Hit(place=line.place, said=f"{name}: {reason}")


RULES = (
    Rule(
        name="unreadable",
        severity=Severity.ERROR,
        wrong="A line or a key cannot be read.",
        why="The server refuses to start with it, or the kit refuses to run with it.",
        cure="Correct the line.",
        kinds=LINTED,
        look=_unreadable,
        no_proof="the server does not start",
    ),
    Rule(
        name="unknown-directive",
        severity=Severity.ERROR,
        wrong="No known engine has this directive.",
        why="The server refuses to start, also when a node restarts in the middle of a failover.",
        cure="Correct the spelling, or remove the line.",
        kinds=_CONF,
        look=_unknown,
        no_proof="the server does not start",
    ),
    Rule(
        name="impossible-value",
        severity=Severity.ERROR,
        wrong="No known engine takes this value.",
        why="The server refuses to start, also when a node restarts in the middle of a failover.",
        cure="Correct the value.",
        kinds=_CONF,
        look=_value,
        no_proof="the server does not start",
    ),
)
