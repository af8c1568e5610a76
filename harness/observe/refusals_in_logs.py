"""What only the logs of nodes say: why a cluster's replica does not stand for election, and why a replica
cannot follow its primary.

Asked once, when the topology was not seen recovered within its limit. The line is recorded as an event;
what it means is for the judging. Redis repeats such a line every few seconds at most, so the last one
counts. The trap: a replica that got in after all has such lines too, further up.
"""

from __future__ import annotations

import re

from harness.errors import EnvironmentFailure
from harness.model.records import Event
from harness.model.seams import Topology
from harness.observe.context import ObserverContext

UNABLE = "Currently unable to failover: "
LINES = 400
"""A replica that cannot connect to its primary logs several lines a second."""

_REFUSED = re.compile(r"-(?:NOAUTH|WRONGPASS|NOPERM)\b.*")
_FOLLOWS = re.compile(r"sync: Finished with success|Successful partial resynchronization")


def record_refusals(context: ObserverContext, topology: Topology, since_us: int) -> None:
    """The last refusals in each data node's log, which were written after `since_us` or are older. Blocks."""
    for node in context.plan.data_nodes():
        try:
            log = topology.logs(node.name, LINES)
        except EnvironmentFailure:
            continue  # it was never started, or its container is gone
        for name, detail in (("cannot-fail-over", _unable(log)), ("cannot-log-in", _refused(log))):
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


def _refused(log: str) -> str:
    """What the primary answered to a replica that has not got in since; empty: it did."""
    said = ""
    for line in log.splitlines():
        if _FOLLOWS.search(line):
            said = ""
        elif found := _REFUSED.search(line):
            said = found[0].removeprefix("-").strip()
    return said
