"""Seeded bugs against a real node, and a run without any, through the selftest's own front door."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WITHIN_S = 300

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(
        not (os.environ.get("REDIS_SERVER") or shutil.which("redis-server")), reason="no redis-server"
    ),
]


def test_bugs_are_found_and_clean_runs_are_not_accused(tmp_path: Path) -> None:
    """One run each of three bugs, one of every topology, and a small history: every row is met."""
    wanted = ["dropped-write", "undone-delete", "foreign-value", "clean", "model"]
    command = [sys.executable, "-m", "lab.selftest", "--runs", "1", "--operations", "5000"]
    command += [word for name in wanted for word in ("--only", name)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = json.loads((tmp_path / "selftest.json").read_text())["rows"]
    assert [row["name"] for row in rows if row["name"].startswith("bug")] == [
        "bug: drops an acked write",
        "bug: undoes a delete",
        "bug: serves another user's value",
    ]
    assert all(row["met"] is not False for row in rows)
