"""Which flows of a run are cut, and by which faults.

Faults may overlap and cut the same flow. It stays cut for as long as any of them cuts it, so healing one
never heals another. Says nothing of how a flow is cut: each backend does that its own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.model.inventory import NodePlan
from harness.model.links import BUS_ABOVE, Flow, LinkPort
from harness.model.seams import Address
from harness.model.words import NodeRole

DISCARD_PORT = 9
"""What is sent to see whether a link drops it goes to this port of the other end: nothing listens there."""


Recorded = dict[int, list[tuple[str, ...]]]
"""Fault number -> the flows that it cuts (source, target, port), for the record of a held topology. A pair is
of an earlier version of the kit, which cut links both ways."""


class Cuts:
    """The cuts in force."""

    def __init__(self, recorded: Mapping[int, Iterable[tuple[str, ...]]] | None = None) -> None:
        self._by = {
            fault: {flow for one in flows for flow in _flows_of(one)}
            for fault, flows in (recorded or {}).items()
        }

    def all(self) -> set[Flow]:
        return set().union(*self._by.values())

    def add(self, flows: Iterable[Flow], *, by: int) -> None:
        self._by.setdefault(by, set()).update(flows)

    def of_nobody_else(self, fault: int) -> set[Flow]:
        """What carries packets again once this fault is healed."""
        others = (flows for other, flows in self._by.items() if other != fault)
        return self._by.get(fault, set()).difference(*others)

    def lift(self, *, by: int, flows: Iterable[Flow] | None = None) -> None:
        """Forget that this fault cuts these flows, or any."""
        left = set() if flows is None else self._by.get(by, set()).difference(flows)
        if left:
            self._by[by] = left
        else:
            self._by.pop(by, None)

    def recorded(self) -> Recorded:
        return {
            fault: [(flow.source, flow.target, flow.port.value) for flow in sorted(flows)]
            for fault, flows in self._by.items()
        }


def _flows_of(recorded: tuple[str, ...]) -> tuple[Flow, ...]:
    source, target, *port = recorded
    if port:
        return (Flow(source, target, LinkPort(port[0])),)
    return Flow(source, target), Flow(target, source)


def ports_of(flow: Flow, listening: Mapping[str, Mapping[LinkPort, int]]) -> dict[str, int]:
    """End of a flow that is about one port -> where it listens on that port; empty: neither end does.
    `listening`: name -> its ports."""
    return {
        end: listening[end][flow.port]
        for end in (flow.source, flow.target)
        if flow.port in listening.get(end, {})
    }


def listens(nodes: Iterable[NodePlan], addresses: Mapping[str, Address]) -> dict[str, dict[LinkPort, int]]:
    """Each node's ports by what they are for."""
    found: dict[str, dict[LinkPort, int]] = {}
    for node in nodes:
        port = addresses[node.name].port
        if node.role is NodeRole.SENTINEL:
            found[node.name] = {LinkPort.SENTINEL: port}
        elif node.role is NodeRole.PROXY:
            found[node.name] = {LinkPort.DATA: port}
        elif node.holds_data:
            found[node.name] = {LinkPort.DATA: port}
            if node.cluster:
                found[node.name][LinkPort.BUS] = port + BUS_ABOVE
    return found
