"""Faults of the machine below a node, on real nodes: what was not on the disk is gone; its clock is wrong."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.model.engine import engine_name
from harness.model.words import TopologyKind, Trait
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.topology.base import unsynced
from harness.topology.process import backend as process
from harness.topology.process import own_clock, server_programs
from harness.topology.process.topology import ProcessTopology
from tests.builders_faults import ask, heal, inject, plan_of, scene_on
from tests.fakes import step

pytestmark = pytest.mark.process


def test_what_was_not_on_the_disk_is_gone(tmp_path: Path) -> None:
    """A write that was synced is there after the loss of power, a later one is not; all survive a kill."""
    if reason := unsynced.why_not(tmp_path):
        pytest.skip(reason)
    plan = plan_of(TopologyKind.SINGLE)
    node = replace(plan.nodes[0], directives={"appendonly": "yes", "appendfsync": "no"})
    with process.up(replace(plan, nodes=(node,)), run="test", directory=tmp_path, loopback=True) as topology:
        scene = scene_on(topology)
        ask(topology, "redis-1", "SET", "early", "x" * 5000)
        for file in topology.data_files("redis-1"):
            _sync(file)
        ask(topology, "redis-1", "SET", "late", "y" * 5000)
        inject(scene, "restart")
        _loaded(topology)
        assert ask(topology, "redis-1", "EXISTS", "early", "late") == 2, "the kernel has what a process wrote"
        # The page in which the synced part ends holds something newer soon, and goes as a whole.
        ask(topology, "redis-1", "SET", "padding", "z" * 5000)
        for file in topology.data_files("redis-1"):
            _sync(file)
        told = 0
        for turn in range(5):  # a busy disk may get everything at the moment that counts
            with ThreadPoolExecutor(1) as pool:
                writing = pool.submit(_written, topology, f"later-{turn}")
                effect = inject(scene, "lose power", for_s=1.0)
                told = writing.result()
            heal(scene, effect, "lose power", for_s=1.0)
            _loaded(topology)
            if "lost its last" in effect.proof:
                break
        else:
            if not _waits(tmp_path):
                pytest.skip("somebody has the disk of this machine get everything at once")
        assert ask(topology, "redis-1", "EXISTS", "early", "late") == 2
        assert told > 1
        assert ask(topology, "redis-1", "EXISTS", f"later-{turn}-{told - 1}") == 0


def _written(topology: ProcessTopology, name: str) -> int:
    """How many writes a node confirms until it is gone: what came last is always the newest in its file."""
    number = 0
    with suppress(NoAnswer):
        while True:
            ask(topology, "redis-1", "SET", f"{name}-{number}", "y" * 5000)
            number += 1
    return number


def _loaded(topology: ProcessTopology) -> None:
    """It has read its files: until then it answers nothing else."""

    def loaded() -> bool:
        try:
            return ask(topology, "redis-1", "PING") == "PONG"
        except ErrorReply:
            return False

    wait_until(loaded, within_s=10, waiting_for="a node that has read its files")


def _waits(folder: Path) -> bool:
    """Whether what is written now and then waits for the disk at all, be it for 20 ms."""
    file = folder / "waits"
    for turn in range(50):
        file.write_bytes(bytes(4096 * (turn + 1)))
        time.sleep(0.02)
        if unsynced.first_unsynced(file) is not None:
            return True
    return False


def _sync(file: Path) -> None:
    """The disk has all of it, as the kernel says."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())
    assert unsynced.first_unsynced(file) is None


def test_clock_of_one_node_is_wrong(tmp_path: Path) -> None:
    """A key that lasts a minute has ended there an hour later, and nowhere else; healed, it is there again."""
    programs = [one for one in server_programs.installed() if not own_clock.why_not(one.path)]
    if not programs:
        pytest.skip(own_clock.missing() or "no server program here starts with libfaketime")
    plan = plan_of(TopologyKind.SENTINEL, replace(step("skew clock"), traits=(Trait.OWN_CLOCK,)))
    scenario = replace(
        plan.scenario, deployment=replace(plan.scenario.deployment, engine=engine_name(programs[0].version))
    )
    with process.up(
        replace(plan, scenario=scenario), run="test", directory=tmp_path, loopback=True
    ) as topology:
        scene = scene_on(topology)
        effect = inject(scene, "skew clock", "replica", options={"by": 3600.0})
        (skewed,) = effect.targets
        assert int(ask(topology, skewed, "TIME")[0]) - time.time() > 3500
        assert abs(int(ask(topology, "redis-1", "TIME")[0]) - time.time()) < 60
        heal(scene, effect, "skew clock", "replica", options={"by": 3600.0})
        assert abs(int(ask(topology, skewed, "TIME")[0]) - time.time()) < 60
