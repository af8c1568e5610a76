"""Whom a fault struck, as the record of its effect says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.model.directives import Directive, Malformed, of_line, quoted
from harness.model.history import History
from harness.model.inventory import NodePlan
from harness.model.records import Event
from harness.model.scenario import FaultStep
from harness.model.times import FOREVER
from harness.model.words import Trait

ENDING = (Trait.STOPS_PROCESS, Trait.STARTS_PROCESS)
"""Once such a fault has taken effect, the process that its target was is gone."""


def targets_of(event: Event, history: History) -> list[str]:
    """The nodes that an effect names; the record's `node` is the first of them."""
    named = event.detail.partition(":")[0].split(", ")
    known = {node.name for node in history.plan.nodes}
    return [name for name in named if name in known] or [one for one in (event.node,) if one in known]


def full_since_us(node: str, history: History, at_us: float) -> float | None:
    """Since when a node could not write to its files at that moment; None: it could. What it confirmed since
    then waits in its memory, however long it has been full."""
    filling = history.plan.scenario.faults_with(Trait.FILLS_VOLUME)
    healed_us = {one.fault: one.t_us for one in history.events if one.name == "healed"}
    begun = (
        one.t_us - one.error_us
        for one in history.effects
        if one.fault in filling
        and node in targets_of(one, history)
        and one.t_us - one.error_us <= at_us <= healed_us.get(one.fault, FOREVER)
    )
    return min(begun, default=None)


def as_started(node: NodePlan, history: History, before_us: float) -> NodePlan:
    """The node with what faults before that moment had it started with in addition."""
    steps = {step.number: step for step in history.plan.scenario.faults if step.options.get("redis")}
    for one in history.effects:
        if one.fault in steps and one.t_us < before_us and node.name in targets_of(one, history):
            node = started_with(node, steps[one.fault])
    return node


def started_with(node: NodePlan, step: FaultStep) -> NodePlan:
    """The node with what this fault has it started with in addition."""
    added: dict[str, tuple[str, ...]] = {}
    for one in _lines(step):
        said = " ".join(map(quoted, one.arguments))
        added[one.name] = (*added.get(one.name, ()), said)
    kept = {name: value for name, value in node.directives.items() if name not in added}
    return replace(node, directives={**kept, **added})


def _lines(step: FaultStep) -> Iterator[Directive]:
    for line in str(step.options.get("redis", "")).splitlines():
        try:
            yield of_line(line)
        except Malformed:
            continue
