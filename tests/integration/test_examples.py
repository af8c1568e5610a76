"""The examples for users, as they are documented."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.builders_kit import PATIENCE_S, ROOT, Kit, processes_of
from tests.integration.conftest import NpmModules

pytestmark = pytest.mark.process

PLUGIN = (
    ()
    if any(one.name == "failover_kit" for one in entry_points(group="pytest11"))
    else ("-p", "failover_kit.pytest_plugin")
)


def test_npm_suite_runs_beside_nodes_and_breaks_them_by_calls(
    tmp_path: Path, npm_modules: NpmModules
) -> None:
    """The same in another language; a pause, from which a client must get away by itself."""
    if npm_modules.folder is None:
        pytest.skip(npm_modules.missing)
    shutil.copytree(ROOT / "examples" / "npm", tmp_path, dirs_exist_ok=True)
    (tmp_path / "node_modules").symlink_to(npm_modules.folder)
    kit = Kit(tmp_path)
    words = ["sentinel", "--backend", "process", "--", "npm", "test", "--", "--test-name-pattern=pause"]
    ran = kit.run("with", *words)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "✔ sessions outlive a failover: pause: primary" in ran.stdout
    assert "fault 1 effect: redis-1: frozen" in ran.stderr
    assert "of shard 1, from fault 1: agreed" in ran.stderr
    assert not list(processes_of(kit.runs))


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    shutil.copytree(ROOT / "examples" / "pytest", tmp_path, dirs_exist_ok=True)
    return Kit(tmp_path)


def test_suite_runs_beside_nodes_and_breaks_them_by_calls(kit: Kit) -> None:
    """A kill, a pause and an isolation; each breaks the nodes, and nobody is logged out."""
    words = ["with", "sentinel", "--backend", "process", "--"]
    ran = kit.run(*words, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_sessions.py")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout
    for number, kind in enumerate(("kill", "pause", "isolate"), 1):
        assert f"fault {number} requested: {kind}: primary" in ran.stderr
        assert f"of shard 1, from fault {number}: agreed" in ran.stderr
    assert not list(processes_of(kit.runs))


def test_suite_with_the_fixture_starts_its_own_nodes(kit: Kit) -> None:
    """Nothing else is needed."""
    options = (*PLUGIN, "-q", "-p", "no:cacheprovider", "--rootdir", ".", "--failover-backend=process")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_fixture.py"],
        cwd=kit.folder, env=kit.environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not list(processes_of(kit.runs))
