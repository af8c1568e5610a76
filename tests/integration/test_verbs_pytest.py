"""Scenario files in somebody else's test run: collected by the plug-in, run by the one scheduler."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.builders_kit import LOST, PATIENCE_S, Kit, processes_of

pytestmark = pytest.mark.process


def test_pytest_collects_and_runs_a_scenario_file(tmp_path: Path) -> None:
    """A broken promise is a failed test with its story; other YAML and a mistaken file are told apart."""
    kit = Kit(tmp_path)
    kit.write("lost.yaml", LOST)
    kit.write("compose.yaml", "services: {}\n")
    kit.write("mistaken.yaml", "scenario: 1\nname: x\nworklod: {}\n")
    installed = any(one.name == "failover_kit" for one in entry_points(group="pytest11"))
    plugin = () if installed else ("-p", "failover_kit.pytest_plugin")
    options = ("-p", "no:cacheprovider", "--rootdir", ".", "-v")
    chosen = ("--failover-backend=process", "--failover-seed=3")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugin, *options, *chosen, "."],
        cwd=tmp_path,
        env=kit.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "1 failed, 1 error" in said
    assert "lost.yaml::lost FAILED" in said
    assert "BROKEN: killed without persistence" in said
    assert "the story of session" in said
    assert "mistaken.yaml:3: unknown key 'worklod'; did you mean 'workload'?" in said
    assert "compose" not in said
    assert "Traceback" not in said
    assert (tmp_path / "runs" / "latest" / "junit.xml").is_file()
    assert not list(processes_of(kit.runs))
