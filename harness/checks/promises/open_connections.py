"""The finding connection-storm: a web server had more connections open at once than its pool may hold.

A pool that is bounded keeps its limit through an outage: whoever finds no connection free waits. One that
opens another whenever none is free opens one for every request that arrives while a node does not answer,
until the node refuses everybody.

Nobody sees the connections of somebody else's application one by one. So each node is asked how many clients
it has; what it had before the application began are the kit's own. The web servers of a guest are counted
together, if its guest file says how many connections each is meant to have.

Trap: redis-py's cluster client keeps a pool for each node, and opens connections of its own for slot maps. So
connections are counted node by node, and a few beyond the limit say nothing. A web server without a pool has
no limit to keep. One that reads from replicas has a second pool for that, and a replica that was promoted is
in both.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.check import Check, Counted
from harness.model.finding_kind import FindingKind, FindingTrait, Part
from harness.model.guest import Guest
from harness.model.judgement import Finding
from harness.model.records import Connection, NodeSample
from harness.model.times import FOREVER
from harness.model.words import Cause, FindingSide, NodeRole

SPARE = 8
"""What a client library opens for itself."""

CONNECTION_STORM = FindingKind(
    name="connection-storm",
    side=FindingSide.CLOSED,
    sentence="a web server opened more connections than its pool may hold",
    needs=frozenset(),
    parts=frozenset({Part.PHASE, Part.WEB_SERVER}),
    out_of=None,
    traits=(FindingTrait.SURE_AT_THE_END,),
)


def judge_connections(timelines: Timelines) -> Counted:
    plan = timelines.history.plan
    if plan.scenario.deployment.guest is not None:
        return Counted(findings=_of_guest(timelines, plan.scenario.deployment.guest))
    client = plan.scenario.deployment.client
    limit = client.max_connections * (2 if client.read_from_replicas else 1)
    without_pool = set(client.without_pool(plan.web_servers))
    opened: dict[tuple[str, str], list[Connection]] = defaultdict(list)
    for one in timelines.history.connections:
        if one.web_server not in without_pool and one.role in {NodeRole.PRIMARY, NodeRole.REPLICA}:
            opened[one.web_server, one.node].append(one)
    worst: dict[str, tuple[int, int, str]] = {}
    for (web_server, node), connections in opened.items():
        if len(connections) > limit + SPARE:
            many, at_us = most_at_once((one.opened_us, until_us(one)) for one in connections)
            worst[web_server] = max(worst.get(web_server, (0, 0, "")), (many, at_us, node))
    return Counted(
        findings=[
            replace(
                _finding(timelines, web_server, node, (many, at_us), f"its pool is to hold {limit}"),
                web_server=web_server,
            )
            for web_server, (many, at_us, node) in worst.items()
            if many > limit + SPARE
        ]
    )


def _of_guest(timelines: Timelines, guest: Guest) -> list[Finding]:
    if guest.connections is None:
        return []
    servers = timelines.history.plan.web_servers
    limit = guest.connections * len(servers)
    meant = f"its web server is meant to have {guest.connections}"
    if len(servers) > 1:
        meant = f"its {len(servers)} web servers are meant to have {guest.connections} each"
    worst: dict[str, tuple[int, int]] = {}
    for node, samples in _counted(timelines).items():
        own = samples[0].clients or 0
        many, at = max(((one.clients or 0) - own, -one.sent_us) for one in samples)
        worst[node] = (many, -at)
    return [
        _finding(timelines, guest.name, node, most, meant)
        for node, most in worst.items()
        if most[0] > limit + SPARE
    ]


def _counted(timelines: Timelines) -> dict[str, list[NodeSample]]:
    """Node -> what it said of its clients, oldest first."""
    said: dict[str, list[NodeSample]] = defaultdict(list)
    for one in timelines.history.samples:
        if one.clients is not None:
            said[one.node].append(one)
    return said


def until_us(one: Connection) -> float:
    return FOREVER if one.closed_us is None else one.closed_us


def most_at_once(spans: Iterable[tuple[float, float]]) -> tuple[int, int]:
    """How many were open at the same time, and since when. What closes at a moment makes room for what is
    opened then."""
    changes = [change for opened, closed in spans for change in ((opened, 1), (closed, -1))]
    most, now, since_us = 0, 0, 0
    for at_us, change in sorted(changes):
        now += change
        if now > most:
            most, since_us = now, int(at_us)
    return most, since_us


def _finding(timelines: Timelines, who: str, node: str, most: tuple[int, int], meant: str) -> Finding:
    many, at_us = most
    at_s = (at_us - timelines.facts.landmarks.zero_us) / 1e6
    return Finding(
        name=CONNECTION_STORM.name,
        side=CONNECTION_STORM.side,
        cause=Cause.NOT_DETERMINED,
        sentence=f"{who} had {many} connections to {node} open at once at {at_s:+.2f} s; {meant}.",
        node=node,
        t_us=at_us,
        seen_us=at_us,
        observations=many,
    )


CHECK = Check(
    promise="A web server opens no more connections than its pool may hold, through an outage too.",
    kinds=(CONNECTION_STORM,),
    find=judge_connections,
)
