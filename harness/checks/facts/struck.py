"""Whom a fault struck, as the record of its effect says."""

from __future__ import annotations

from harness.model.history import History
from harness.model.records import Event
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


def saved_by_hand(node: str, history: History, by_us: float) -> bool:
    """Whether somebody had a node save a snapshot by then, which its next process reads, whatever its save
    points."""
    saves = history.plan.scenario.faults_with(Trait.SAVES_SNAPSHOT)
    return any(
        one.fault in saves and one.t_us <= by_us and node in targets_of(one, history)
        for one in history.effects
    )
