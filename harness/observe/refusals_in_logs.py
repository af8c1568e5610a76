"""What only the logs of nodes say: why a cluster's replica does not stand for election, and why a replica
cannot follow its primary.

Asked once, when the topology was not seen recovered within its limit. The line is recorded as an event;
what it means is for the judging. Redis repeats such a line every few seconds at most, so the last one
counts.
"""

from __future__ import annotations

from harness.errors import EnvironmentFailure
from harness.model.records import Event
from harness.model.seams import Topology
from harness.observe.context import ObserverContext
from harness.redis_wire.logs import refused_login

UNABLE = "Currently unable to failover: "
LINES = 400
"""A replica that cannot connect to its primary logs several lines a second."""


def record_refusals(context: ObserverContext, topology: Topology, since_us: int) -> None:
    """The last refusals in each data node's log, which were written after `since_us` or are older. Blocks."""
    for node in context.plan.data_nodes():
        try:
            log = topology.logs(node.name, LINES)
        except EnvironmentFailure:
            continue  # it was never started, or its container is gone
        for name, detail in (("cannot-fail-over", _unable(log)), ("cannot-log-in", refused_login(log))):
            if not detail:
                continue
            now_us = context.clock.now_us()
            context.record(
                Event(
                    source=node.name,
                    name=name,
                    t_us=now_us,
                    error_us=max(0, now_us - since_us),
                    node=node.name,
                    shard=context.shard(node.name),
                    detail=detail,
                )
            )


def _unable(log: str) -> str:
    said = [line.partition(UNABLE)[2] for line in log.splitlines() if UNABLE in line]
    return said[-1].strip() if said else ""
