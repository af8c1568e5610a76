"""Node.js clients, installed once for a test session, where npm and its registry are there.

`make integration` starts one half of the tests in the background, where a shell has Ctrl-C ignored; whatever
these tests start would ignore it, too.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.builders_kit import ROOT

signal.signal(signal.SIGINT, signal.default_int_handler)

NODE_REDIS = "6.3.1"
_INSTALLED_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class NpmModules:
    """`folder`: a `node_modules` with ioredis, as examples/npm has it, and node-redis; None: there is none."""

    folder: Path | None
    missing: str = ""


@pytest.fixture(scope="session")
def npm_modules(tmp_path_factory: pytest.TempPathFactory) -> NpmModules:
    if not shutil.which("node") or not shutil.which("npm"):
        return NpmModules(None, "needs Node.js and npm: apt-get install nodejs npm")
    package = json.loads((ROOT / "examples" / "npm" / "package.json").read_text(encoding="utf-8"))
    wanted = [f"{name}@{version}" for name, version in package["dependencies"].items()]
    folder = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-save", *wanted, f"redis@{NODE_REDIS}"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_INSTALLED_WITHIN_S, check=False
        )
    except subprocess.TimeoutExpired:
        return NpmModules(None, f"npm install: not done within {_INSTALLED_WITHIN_S:g} s")
    if done.returncode != 0:
        said = done.stderr.strip().splitlines()
        return NpmModules(None, f"npm install: {said[-1] if said else done.returncode}")
    return NpmModules(folder / "node_modules")
