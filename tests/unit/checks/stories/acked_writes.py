"""Stories about acknowledged writes and additions."""

from __future__ import annotations

from harness.model.records import Step
from lab.past import Past


def lost_write() -> Past:
    """The theme is overwritten later, so nobody can see the loss: its witness is missing."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, lost=True)
    past.change(ann, 3.0)
    past.read(ann, 4.0)
    return past


def unknown_write() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, outcome="unknown", executed=False)
    past.change(ann, 2.5, outcome="rejected", executed=False)
    past.change(ann, 3.0)
    past.read(ann, 4.0)
    return past


def lost_update() -> Past:
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, lost=True)
    past.read(ann, 3.0)
    return past


def overlapping_updates() -> Past:
    """The second to be answered was executed first; either order is fine."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.3, 2.4)])
    past.change(ann, 2.1, attempts=[(2.1, 2.2, 2.5)])
    past.read(ann, 3.0)
    return past


def lost_increment() -> Past:
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.add(ann, 2.5, 1, lost=True)
    past.read(ann, 3.0)
    past.add(ann, 3.5, 1)
    return past


def doubled_update() -> Past:
    """The first attempt was executed, its answer lost; the client sent it again."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2, attempts=[(2.0, 2.001, None), (2.5, 2.501, 2.502)])
    past.read(ann, 3.0)
    return past


def doubled_by_value() -> Past:
    """Without witnesses a total that nothing explains."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.edit(ann, 2.5, lambda found: found.fields.update({"cart:1": "4"}))
    past.read(ann, 3.0)
    return past


def added_once() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2, attempts=[(2.0, None, None), (2.5, 2.501, 2.502)])
    past.add(ann, 3.0, 1, outcome="unknown", executed=9.0)
    past.read(ann, 4.0)
    past.remove(ann, 5.0)
    past.read(ann, 6.0)
    past.add(ann, 7.0, 1)
    past.read(ann, 10.0)
    return past


def lost_removal() -> Past:
    """An item that was taken out is there again: a loss, not a doubled addition."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.remove(ann, 2.5, lost=True)
    past.read(ann, 3.0)
    return past


def trace_of_a_refused_write() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, outcome="rejected", executed=False, forge=_witnessed)
    past.act(2.5, lambda: past.stores["redis-1"].witnesses[ann].append("2"))
    return past


def _witnessed(step: Step) -> None:
    step.witness = "2"
