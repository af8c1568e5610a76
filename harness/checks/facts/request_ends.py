"""From when on an attempt that got no reply can no longer take effect, and what is still open.

Three proofs, the earliest counts: the process that it was sent to had ended; the node answered that it
no longer has the connection (a `connection` is closed for the node then, `Unanswered`); the node
followed another primary from then on, and never became one again in this run. The fourth, that its
value was seen, needs the sights of its session: `timelines` adds it.

The trap: a closed socket proves nothing. A paused node executes what its clients sent before they
hung up, and a healed network delivers what was sent into the cut.
"""

from __future__ import annotations

from harness.checks.facts.ownership import Ownership
from harness.model.directives import setting
from harness.model.history import History
from harness.model.records import Connection
from harness.model.times import FOREVER
from harness.model.words import NodeRole

WRITABLE_REPLICAS = ("replica-read-only", "slave-read-only")


class RequestEnds:
    def __init__(self, history: History, ownership: Ownership) -> None:
        self._ownership = ownership
        self._connections = {one.id: one for one in history.connections}
        self._told = {
            one.connection: one.closed_us for one in history.unanswered if one.closed_us is not None
        }
        self._unproved = [one for one in history.unanswered if one.closed_us is None]
        self._following = {} if history.incomplete or _writable(history, ownership) else _following(history)

    def over_us(self, connection: int | None, sent_us: float) -> float:
        """When an unanswered attempt that was sent then could no longer be executed; `FOREVER`: open."""
        known = self._connections.get(connection or 0)
        if known is None:
            return FOREVER
        may_be = {known.run_id} if known.run_id else self._ownership.processes_at(known.node, sent_us)
        by_node_us = max((self._ended_us(known.node, one, sent_us) for one in may_be), default=FOREVER)
        return min(by_node_us, self._told.get(known.id, FOREVER))

    def _ended_us(self, node: str, process: str, sent_us: float) -> float:
        """By when this process, if it was sent to it, could no longer execute it."""
        gone_us = self._ownership.gone_us(node, process)
        followed_us = self._following.get((node, process))
        return min(
            FOREVER if gone_us is None else gone_us,
            FOREVER if followed_us is None else max(followed_us, sent_us),
        )

    def open(self) -> list[tuple[Connection, str]]:
        """The connections whose unanswered attempt may have taken effect at any time up to the end, and
        why nothing proves otherwise."""
        found = ((self._connections.get(one.connection), one.closed_by) for one in self._unproved)
        return [
            (connection, why)
            for connection, why in found
            if connection is not None and self.over_us(connection.id, connection.opened_us) == FOREVER
        ]


def told_open(request_ends: RequestEnds) -> str:
    """For people: how many unanswered attempts may have taken effect at any time; empty: none."""
    still = request_ends.open()
    if not still:
        return ""
    attempts = "1 unanswered attempt" if len(still) == 1 else f"{len(still)} unanswered attempts"
    return f"{attempts} got no reply and may have executed at any time before the run ended: {still[0][1]}"


def _writable(history: History, ownership: Ownership) -> bool:
    """Whether a replica may have taken writes: the deployment says so, or a fault did."""
    topology = history.plan.scenario.deployment.topology
    return any(
        setting(said, name, "").lower() == "no"
        for said in (topology.redis, topology.replica, topology.primary)
        for name in WRITABLE_REPLICAS
    ) or ownership.settings.ever(lambda node: node.setting(WRITABLE_REPLICAS[0], "").lower() == "no")


def _following(history: History) -> dict[tuple[str, str], float]:
    """Process -> since when it was somebody's linked replica, up to the end of the run."""
    since: dict[tuple[str, str], float] = {}
    for sample in history.samples:
        if not sample.reachable:
            continue
        process = sample.node, sample.run_id
        if sample.role == NodeRole.REPLICA:
            if sample.link_up:
                since.setdefault(process, sample.done_us)
        else:
            since.pop(process, None)
    return since
