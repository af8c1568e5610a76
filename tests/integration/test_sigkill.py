"""SIGKILL in the middle of faults that leave much behind; `make sigkill` does it for every fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.topology.machines import backend as machines
from lab.sigkill.__main__ import outcomes

FAULTS = ["slow", "fail snapshots"]
"""A helper process, queues and a rule in a network namespace; files in the place of others."""


ON_HOSTS = ["isolate", "pause"]
"""Rules in networks that outlive their nodes; a node that no signal reaches."""


@pytest.mark.process
def test_clean_removes_all_that_a_killed_harness_left(tmp_path: Path) -> None:
    """Nodes, helpers, networks, records; the faults were in effect."""
    if os.getuid() != 0:
        pytest.skip("needs root: networks of the nodes' own")
    for one in outcomes(FAULTS, ["process"], tmp_path):
        assert one.works, one
        assert not one.left, one


@pytest.mark.docker
def test_clean_removes_it_from_machines_too(tmp_path: Path) -> None:
    """Containers and the network on each host, and the way there."""
    if reason := machines.unavailable():
        pytest.skip(f"no machines here: {reason}")
    for one in outcomes(ON_HOSTS, ["machines"], tmp_path):
        assert one.works, one
        assert not one.left, one
