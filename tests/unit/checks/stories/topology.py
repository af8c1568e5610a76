"""Stories about replicas, recovery and the loss budget."""

from __future__ import annotations

from itertools import count

from harness.model.records import Connection
from harness.model.words import TopologyKind
from lab.past import Past
from lab.records import us


def diverged() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-3", 1.5)
    past.change(ann, 2.0)
    return past


def silent_replica() -> Past:
    past = Past()
    past.log_in("ann", 1.0)
    past.silent = {"redis-3"}
    return past


def diverged_before_recovery() -> Past:
    past = diverged()
    past.not_recovered = "redis-3 follows an unknown address instead of redis-1"
    return past


def diverged_from_a_second_primary() -> Past:
    """Another node that still calls itself primary is no replica."""
    past = diverged()
    past.calls_itself["redis-3"] = "primary"
    return past


def diverged_when_the_harness_failed() -> Past:
    """Nobody knows whether what said that the topology had recovered was still looking."""
    past = diverged()
    past.interrupted = "the harness failed"
    return past


def not_recovered() -> Past:
    past = Past(not_recovered="two nodes call themselves primary")
    past.log_in("ann", 1.0)
    past.fault(2.0)
    return past


def connections_piled_up() -> Past:
    """Fifty are allowed; while a node does not answer, each request opens one."""
    past = Past()
    past.log_in("ann", 1.0)
    past.connections += [*open_between("web-1", 2.0, 4.0, 40), *open_between("web-1", 3.0, 5.0, 40)]
    return past


def connections_in_turn() -> Past:
    """As many, but never more than the limit at the same time; and as many on another web server."""
    past = Past()
    past.log_in("ann", 1.0)
    past.connections += [*open_between("web-1", 2.0, 3.0, 40), *open_between("web-1", 3.0, 5.0, 40)]
    past.connections += open_between("web-2", 2.0, 5.0, 57)
    return past


def open_between(web_server: str, since_s: float, until_s: float, many: int) -> list[Connection]:
    return [
        Connection(
            id=next(_NUMBERS),
            web_server=web_server,
            node="redis-1",
            role="primary",
            opened_us=us(since_s),
            closed_us=us(until_s),
        )
        for _ in range(many)
    ]


_NUMBERS = count(10_000)


def over_budget() -> Past:
    """The cut-off primary goes on for 4.5 s; with a node-timeout of 2 s it may for 3.3 s."""
    return cut_off_in_a_cluster()


def cut_off_in_a_cluster(until: float = 6.5, outcome: str = "acked") -> Past:
    """The other is promoted after 3 s; the last write to the old one is sent then."""
    past = Past(topology=TopologyKind.CLUSTER)
    ann = past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: cut off", "isolate")
    past.cut_off("redis-1", 2.0)
    past.fail_over("redis-2", 5.0, follow=8.0)
    past.change(ann, until, node="redis-1", outcome=outcome)
    return past
