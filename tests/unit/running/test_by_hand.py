"""What is told of held topologies, without one."""

from __future__ import annotations

import io
import re
from functools import partial

import pytest

from harness.errors import EnvironmentFailure
from harness.model.seams import HeldTopology
from harness.model.words import TopologyKind
from harness.running import by_hand
from tests.builders_topology import process_plan
from tests.fakes import FakeTopology


def test_password_is_on_no_list_of_processes() -> None:
    """The line that somebody copies hands it over in the environment; an argument is for all to see."""
    topology = FakeTopology(process_plan(TopologyKind.SENTINEL))
    said = io.StringIO()
    by_hand._describe(topology, said)
    topology.close()
    lines = [line for line in said.getvalue().splitlines() if "redis-cli" in line]
    assert len(lines) == len(topology.plan.nodes)
    for line in lines:
        assert re.search(r"REDISCLI_AUTH=\S+ redis-cli -h 127\.0\.0\.1 -p \d+$", line)


def test_status_of_one_that_lost_its_containers_says_how_to_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are told all the same, and the status says that one is not whole."""
    asked = []

    def attach_to(name: str) -> HeldTopology:
        asked.append(name)
        raise EnvironmentFailure("redis-1: expected a container of this run, found none")

    names = ("docker-a", "docker-b")
    found = [by_hand._Found(name, partial(attach_to, name)) for name in names]
    monkeypatch.setattr(by_hand, "_all", lambda: found)
    told = io.StringIO()
    assert by_hand.status(None, told) == EnvironmentFailure.exit_code
    assert asked == list(names)
    for name in names:
        assert f"what is left of it: failover-kit down {name}" in told.getvalue()
