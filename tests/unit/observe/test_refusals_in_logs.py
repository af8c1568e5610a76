"""What a cluster's replica writes into its log about the failover that it cannot do."""

from __future__ import annotations

from harness.errors import EnvironmentFailure
from harness.model.words import TopologyKind
from harness.observe.refusals_in_logs import LINES, record_refusals
from tests import builders_observe as a
from tests.unit.observe.test_events import clock_of, context

LOGS = {
    "redis-1": "1:M 28 Nov * Ready to accept connections",
    "redis-4": (
        "1:S 28 Nov # Currently unable to failover: Waiting the delay before I can start a new failover.\n"
        "1:S 28 Nov # Currently unable to failover: Disconnected from master for longer than allowed. "
        "Please check the 'cluster-replica-validity-factor' configuration option.\n"
        "1:S 28 Nov * Connecting to MASTER 10.0.0.1:6379"
    ),
}


class Logs:
    """A topology of which only logs are asked; redis-2's container is gone."""

    def logs(self, node: str, lines: int) -> str:
        assert lines == LINES
        if node == "redis-2":
            raise EnvironmentFailure("no such container")
        return LOGS.get(node, "")


def test_last_refusal_of_each_node_is_recorded() -> None:
    """With the node and its shard of now; who wrote none, or has no log, is left out."""
    place, events = context(a.plan(TopologyKind.CLUSTER, a.cluster_nodes()))
    clock_of(place).at_us = 9_000
    record_refusals(place, Logs(), 4_000)  # type: ignore[arg-type]
    (event,) = events
    assert (event.name, event.source, event.node, event.shard) == (
        "cannot-fail-over",
        "redis-4",
        "redis-4",
        1,
    )
    assert (event.t_us, event.error_us) == (9_000, 5_000)
    assert event.detail.startswith("Disconnected from master for longer than allowed. Please check")


def refusals(log: str) -> list[str]:
    class One:
        def logs(self, node: str, lines: int) -> str:
            return log if node == "redis-2" else ""

    place, events = context(a.plan(TopologyKind.SENTINEL, a.sentinel_nodes()))
    record_refusals(place, One(), 0)  # type: ignore[arg-type]
    return [f"{event.node} {event.name}: {event.detail}" for event in events]


NOAUTH = "7:S 28 Nov # Unexpected reply to PSYNC from master: -NOAUTH Authentication required."
WRONG = (
    "7:S 28 Nov # Unable to AUTH to MASTER: -WRONGPASS invalid username-password pair or user is disabled."
)


def test_what_a_primary_answers_to_its_replica_is_recorded() -> None:
    """The last of it, in the primary's own words."""
    assert refusals(f"{NOAUTH}\n{WRONG}\n7:S * Retrying\n") == [
        "redis-2 cannot-log-in: WRONGPASS invalid username-password pair or user is disabled."
    ]
    assert refusals("7:S * (Non critical) Master does not understand REPLCONF capa: -NOAUTH Auth.\n") == [
        "redis-2 cannot-log-in: NOAUTH Auth."
    ]


def test_replica_that_got_in_after_all_is_not_refused() -> None:
    """What it was told before is over."""
    assert refusals(f"{NOAUTH}\n7:S 28 Nov * MASTER <-> REPLICA sync: Finished with success\n") == []
    assert refusals(f"{NOAUTH}\n7:S * Successful partial resynchronization with master.\n{NOAUTH}\n") != []
    assert refusals("7:S * Connecting to MASTER 10.0.0.1:6379\n") == []
