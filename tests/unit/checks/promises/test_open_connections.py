"""connection-storm: whose connections count towards which limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.open_connections import judge_connections, most_at_once, until_us
from harness.model.guest import Guest
from harness.model.records import Connection, NodeSample
from lab.records import us
from tests.builders_metrics import outline

POOL, SPARE = 50, 8


def opened(
    count: int, *, at: float = 11.0, closed: float | None = None, node: str = "redis-2"
) -> list[Connection]:
    return [
        Connection(
            id=n,
            web_server="web-1",
            node=node,
            role="primary",
            opened_us=us(at),
            closed_us=None if closed is None else us(closed),
        )
        for n in range(count)
    ]


def counts(connections: list[Connection], *, replicas: bool = False) -> list[int | None]:
    history = outline().history()
    plan = history.plan
    deployment = plan.scenario.deployment
    deployment = replace(deployment, client=replace(deployment.client, read_from_replicas=replicas))
    plan = replace(plan, scenario=replace(plan.scenario, deployment=deployment))
    found = judge_connections(Timelines(replace(history, plan=plan, connections=tuple(connections))))
    return [one.observations for one in found.findings]


@pytest.mark.parametrize(
    ("count", "replicas", "found"),
    [
        (POOL + SPARE, False, []),
        (POOL + SPARE + 1, False, [POOL + SPARE + 1]),
        (POOL + SPARE + 1, True, []),
        (2 * POOL + SPARE, True, []),
        (2 * POOL + SPARE + 1, True, [2 * POOL + SPARE + 1]),
    ],
)
def test_replica_that_was_promoted_is_in_the_pool_of_readers_too(
    count: int, replicas: bool, found: list[int]
) -> None:
    """The readers' connections stay open when writers come."""
    assert counts(opened(count), replicas=replicas) == found


def test_nodes_and_generations_are_counted_apart() -> None:
    """What was closed when others were opened was never open at once with them."""
    assert counts([*opened(POOL), *opened(POOL, node="redis-1")]) == []
    assert counts([*opened(POOL, closed=12.0), *opened(POOL, at=12.0)]) == []
    assert counts([*opened(POOL, closed=12.001), *opened(POOL, at=12.0)]) == [2 * POOL]
    there = [*opened(1, at=1.0, closed=3.0), *opened(2, at=2.0)]
    assert most_at_once((one.opened_us, until_us(one)) for one in there) == (3, us(2.0))


@pytest.mark.parametrize(
    ("meant", "clients", "found"),
    [
        (10, [4, 14, 32], []),
        (10, [4, 14, 33], [29]),
        (10, [4, 33, 14], [29]),
        (10, [20, 33], []),
        (10, [None, None], []),
        (None, [4, 400], []),
    ],
)
def test_the_connections_of_a_guest_are_what_the_node_has_besides(
    meant: int | None, clients: list[int | None], found: list[int]
) -> None:
    """Of all web servers together, beyond what the node had at first; where nobody says a limit there is none."""
    history = outline().history()
    guest = Guest(name="a shop", file="x", folder="/", start=("x",), connections=meant)
    plan = history.plan
    deployment = replace(plan.scenario.deployment, guest=guest)
    plan = replace(
        plan, scenario=replace(plan.scenario, deployment=deployment), web_servers=("web-1", "web-2")
    )
    samples = tuple(
        NodeSample(node="redis-1", sent_us=us(n), done_us=us(n) + 500, clients=many)
        for n, many in enumerate(clients, start=1)
    )
    judged = judge_connections(Timelines(replace(history, plan=plan, samples=samples)))
    assert [one.observations for one in judged.findings] == found
    assert all(one.sentence.startswith("a shop had 29 connections to redis-1") for one in judged.findings)
