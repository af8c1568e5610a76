"""SIGKILL in the middle of faults that leave much behind; `make sigkill` does it for every fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lab.sigkill.__main__ import outcomes

pytestmark = pytest.mark.process

FAULTS = ["slow", "fail snapshots"]
"""A helper process, queues and a rule in a network namespace; files in the place of others."""


def test_clean_removes_all_that_a_killed_harness_left(tmp_path: Path) -> None:
    """Nodes, helpers, networks, records; the faults were in effect."""
    if os.getuid() != 0:
        pytest.skip("needs root: networks of the nodes' own")
    for one in outcomes(FAULTS, ["process"], tmp_path):
        assert one.works, one
        assert not one.left, one
