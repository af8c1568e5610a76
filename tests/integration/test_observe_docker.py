"""The observers against containers: a killed container falls silent without a word, and is noticed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from harness.errors import EnvironmentFailure
from harness.model.records import AuditEntry
from harness.model.seams import Topology
from harness.topology.docker import backend as docker
from harness.topology.docker import image
from tests import builders_observe as a
from tests.integration.test_observe_process import watched

pytestmark = pytest.mark.docker


def test_killed_and_restarted_container_is_seen_all_the_way(tmp_path: Path) -> None:
    """Silence within a second, the failover's steps, the return under a new run_id, a valid audit."""

    async def scenario(topology: Topology) -> Any:
        async with watched(topology) as seen:
            assert seen.observers.observed.primary_of(1) == "redis-1"
            killed_us = await seen.act(topology.kill, "redis-1")
            await seen.until(lambda: not seen.observers.observed.views()["redis-1"].reachable, within_s=3)
            await seen.until(lambda: seen.events("promoted"))
            assert await seen.observers.recovered(within_s=20) == ""
            assert seen.observers.roles()["redis-1"] == "down"
            await seen.act(topology.start, "redis-1")
            await seen.until(lambda: [e for e in seen.events("rebooted") if e.source == "redis-1"])
            await seen.until(
                lambda: seen.observers.observed.views()["redis-1"].role == "replica", within_s=30
            )
            assert await seen.observers.recovered(within_s=30) == ""
            return seen, killed_us, await seen.observers.audit([a.Account("0" * 32, "u")])

    try:
        image.choose_image()
    except EnvironmentFailure as missing:
        pytest.skip(str(missing))
    with docker.up(a.plan(), run="observe", directory=tmp_path) as topology:
        seen, killed_us, summary = asyncio.run(scenario(topology))
    for name in ("suspected", "suspected-by-quorum", "agreed", "elected", "published"):
        assert seen.events(name, killed_us), name
    assert len(seen.events("recovered")) == 2
    assert summary.valid_pass is not None
    assert {e.node for e in seen.of(AuditEntry)} == {"redis-1", "redis-2", "redis-3"}
