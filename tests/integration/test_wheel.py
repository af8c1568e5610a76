"""The wheel carries everything: it works in an environment and a folder of its own, without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.builders_kit import KEPT, NO_ENGINE, PATIENCE_S, ROOT

pytestmark = pytest.mark.process

PARTS = (
    "failover_kit",
    "harness",
    "scenarios",
    "compose",
    "sentinel",
    "cluster",
    "pyproject.toml",
    "LICENSE",
    "README.md",
)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with nothing but the wheel; the dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("wheel")
    source, environment = folder / "source", folder / "environment"
    source.mkdir()
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
        elif (ROOT / part).exists():
            shutil.copy(ROOT / part, source / part)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "--wheel-dir", str(folder)]
    subprocess.run([*build, str(source)], check=True, timeout=PATIENCE_S)
    shutil.rmtree(source)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (wheel,) = folder.glob("redis_failover_kit-*.whl")
    into = ["--python", str(environment / "bin" / "python"), "install", "--no-deps", "--no-index"]
    subprocess.run([*pip, *into, str(wheel)], check=True, timeout=PATIENCE_S)
    (packages,) = (environment / "lib").glob("python*/site-packages")
    # Only the folder: the checkout, which an editable installation adds to it, stays out.
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return environment / "bin"


def kit(installed: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    outside = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTHONPATH"}}
    return subprocess.run(
        [str(installed / "failover-kit"), *words],
        cwd=folder,
        env=outside | {"DOCKER_HOST": NO_ENGINE},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_wheel_lists_the_shipped_scenarios_from_anywhere(installed: Path, tmp_path: Path) -> None:
    """Every scenario of the checkout is in the wheel, with its file's place."""
    listed = kit(installed, tmp_path, "list")
    assert listed.returncode == 0, listed.stderr
    for path in (ROOT / "scenarios").glob("*/*.yaml"):
        assert f"{path.parent.name}/{path.name}" in "".join(listed.stdout.split()), path
    assert str(ROOT) not in listed.stdout


def test_wheel_carries_every_file_of_the_kit(installed: Path) -> None:
    """Scenarios, configuration, Compose files, page templates: all that git has of them."""
    share = installed.parent / "share" / "redis-failover-kit"
    for part in ("scenarios", "compose", "sentinel", "cluster"):
        for path in (ROOT / part).rglob("*"):
            if path.is_file():
                assert (share / path.relative_to(ROOT)).read_bytes() == path.read_bytes()
    (packages,) = (installed.parent / "lib").glob("python*/site-packages")
    for package in ("harness", "failover_kit"):
        for path in (ROOT / package).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert (packages / path.relative_to(ROOT)).read_bytes() == path.read_bytes()


def test_wheel_plans_a_shipped_scenario_by_its_short_name(installed: Path, tmp_path: Path) -> None:
    """Globs over the shipped scenarios work without the checkout."""
    planned = kit(installed, tmp_path, "plan", "--backend", "process", "--scenario", "sentinel/01")
    assert planned.returncode == 0, planned.stderr
    assert "kill primary" in planned.stdout


def test_wheel_runs_a_scenario_from_another_folder(installed: Path, tmp_path: Path) -> None:
    """With its configuration files, its page templates and no file of the checkout."""
    (tmp_path / "kept.yaml").write_text(KEPT)
    ran = kit(installed, tmp_path, "run", "--backend", "process", "--scenario", "kept.yaml", "--seed", "1")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (tmp_path / "runs" / "latest" / "kept" / "index.html").is_file()
    assert (tmp_path / "runs" / "latest" / "kept" / "run.log").read_text() == ""
    where = [str(installed / "python"), "-c", "import harness; print(harness.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert found.startswith(str(installed.parent)), found
