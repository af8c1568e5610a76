"""Whom a fault struck, as the record of its effect says."""

from __future__ import annotations

from harness.model.history import History
from harness.model.records import Event
from harness.model.words import Trait

ENDING = (Trait.STOPS_PROCESS, Trait.STARTS_PROCESS)
"""Once such a fault has taken effect, the process that its target was is gone."""


def targets_of(event: Event, history: History) -> list[str]:
    """The nodes that an effect names; the record's `node` is the first of them."""
    named = event.detail.partition(":")[0].split(", ")
    known = {node.name for node in history.plan.nodes}
    return [name for name in named if name in known] or [one for one in (event.node,) if one in known]
