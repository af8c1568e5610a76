"""The operations of one session as marks over the nodes that they went to: where a promise was made, where
it was broken, and who was primary meanwhile.

Only geometry, as in `timeline`, on the same time axis. A node's label says what the audit read there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping

from harness.costly import np, pa, pc
from harness.model.history import History
from harness.model.records import Operation
from harness.model.words import OperationKind
from harness.report.timeline import LANE, Axis, Bar, Label, Timeline, roles
from harness.report.words import after

_ABOVE = 4.0
_WIDE = 4.0
_LOW, _HIGH = 6.0, 12.0
"""Reads are low marks, whatever changes something is a high one."""
NOWHERE = "no node"
"""Where an operation went that no connection carried."""


def lanes(past: History, sessions: Collection[str]) -> dict[str, Timeline]:
    """A drawing of each of these sessions."""
    if not sessions:
        return {}
    asked = pc.is_in(past.table.operations["session"], value_set=pa.array(sorted(sessions), pa.string()))
    about: dict[str, list[Operation]] = defaultdict(list)
    for operation in past.table.take(np.flatnonzero(asked.to_numpy())).records():
        about[operation.session].append(operation)
    held: dict[str, dict[str, str]] = defaultdict(dict)
    for entry in past.valid_audit_about(about):
        there = "not known" if entry.saw is None else "there" if entry.saw else "absent"
        held[entry.session][entry.node] = there
    axis = Axis(past)
    nodes = {one.id: one.node for one in past.connections}
    return {session: _drawn(past, axis, mine, nodes, held[session]) for session, mine in about.items()}


def _drawn(
    past: History,
    axis: Axis,
    operations: list[Operation],
    nodes: Mapping[int, str],
    held: Mapping[str, str],
) -> Timeline:
    went = {one.id: _went_to(one, nodes) for one in operations}
    known = [one.name for one in past.plan.data_nodes() if one.name in held or one.name in went.values()]
    others = sorted(set(went.values()) - set(known))
    drawing = Timeline()
    y = _ABOVE
    for node in (*known, *others):
        drawing.labels.append(Label(0, y + 11, f"{node}: {held[node]}" if node in held else node))
        drawing.bars += roles(axis, past, node, y)
        drawing.bars += [_mark(one, axis, y) for one in operations if went[one.id] == node]
        y += LANE
    drawing.height = y + _ABOVE
    drawing.marks = [
        Bar(axis.x(one.t_us), 0, 1, drawing.height, "fault-line", one.said) for one in past.effects
    ]
    return drawing


def _went_to(operation: Operation, nodes: Mapping[int, str]) -> str:
    """The node of the last attempt that had one."""
    tried = (nodes.get(one.connection) for one in reversed(operation.attempts) if one.connection is not None)
    return next((node for node in tried if node is not None), NOWHERE)


def _mark(operation: Operation, axis: Axis, y: float) -> Bar:
    at_us = operation.done_us if operation.done_us is not None else operation.due_us
    height = _LOW if operation.kind is OperationKind.READ else _HIGH
    title = (
        f"{operation.behaviour} {operation.id} through {operation.web_server}, {operation.outcome}, "
        f"user sees '{operation.told}', {after(axis.seconds(at_us))}"
    )
    place = axis.x(at_us) - _WIDE / 2
    return Bar(place, y + (LANE - 6 - height) / 2, _WIDE, height, f"mark outcome-{operation.outcome}", title)
