"""What the machine or the scenario's own settings make impossible: one clear error, nothing running."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.topology.docker import backend as docker
from tests.builders_kit import KEPT, LOST, Kit, one_line, processes_of

pytestmark = pytest.mark.process

WILL_NOT_START = LOST.replace('appendonly: "no"', 'latency-tracking-info-percentiles: "999"')

WITHOUT_EFFECT = """\
scenario: 1
name: a cache flushed twice
deployment: {topology: {kind: split}}
workload: {rate: 50/s, users: 10, mix: {log-in: 10, read: 60}}
faults:
  - {after: 0.3s, fill cache: cache, bytes: 10kB}
  - {after: fault 1 + 100ms, flush: cache}
  - {after: fault 2 + 100ms, flush: cache}
duration: 1s
"""

NOTHING_BEFORE = """\
scenario: 1
name: no traffic before the fault
deployment: {topology: {kind: single}}
workload: {rate: 1/s, users: 3, mix: {read: 1}}
faults:
  - {after: 0s, kill web server: web-2}
duration: 1s
"""


Done = tuple[Kit, subprocess.CompletedProcess[str]]


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """A suite of scenarios that prove nothing, on whatever backend there is."""
    kit = Kit(tmp_path_factory.mktemp("doubtful"))
    (kit.folder / "mine").mkdir()
    kit.write("mine/without-effect.yaml", WITHOUT_EFFECT)
    kit.write("mine/nothing-before.yaml", NOTHING_BEFORE)
    return kit, kit.run("run", "--backend", "auto", "--scenario", "mine", "--seed", "1", "--jobs", "2")


def scenario(kit: Kit, name: str) -> dict[str, Any]:
    summary = json.loads((kit.latest / "summary.json").read_text())
    (found,) = [one for one in summary["scenarios"] if Path(one["file"]).stem == name]
    return dict(found)


def test_nothing_proved_is_never_a_pass(doubtful: Done) -> None:
    """Neither proved nor broken has a status of its own; judging again says the same."""
    kit, done = doubtful
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("exit status 3: inconclusive: the evidence does not decide")
    assert not list(processes_of(kit.runs))
    assert kit.run("judge", "runs/latest").returncode == 3


def test_auto_without_docker_falls_back_in_one_line(doubtful: Done) -> None:
    """Where no engine answers, plain processes are used, and the first line says so and why."""
    kit, done = doubtful
    assert "process: no Docker here" in done.stdout.splitlines()[0]
    assert scenario(kit, "without-effect")["backend"] == "process"


def test_fault_without_effect_is_inconclusive(doubtful: Done) -> None:
    """Flushing what is empty proves nothing; the reason says so, after a second run."""
    found = scenario(doubtful[0], "without-effect")
    assert (found["verdict"], found["times_run"]) == ("INCONCLUSIVE", 2)
    assert "fault 3 (flush cache) did not take effect" in found["reasons"][0]
    assert "there were no keys before" in found["reasons"][0]


def test_workload_that_got_nothing_through_is_inconclusive(doubtful: Done) -> None:
    """Without one success before the fault, what came after it means nothing."""
    found = scenario(doubtful[0], "nothing-before")
    assert found["verdict"] == "INCONCLUSIVE"
    assert "no operation succeeded before the fault" in found["reasons"]


def test_node_that_does_not_start_shows_its_log(kit: Kit) -> None:
    """ERROR, with the node's name and the last lines that the node itself wrote; status 4."""
    name = kit.write("will-not-start.yaml", WILL_NOT_START)
    done = kit.run("run", "--backend", "process", "--scenario", name)
    assert done.returncode == 4, done.stdout + done.stderr
    found = scenario(kit, "will-not-start")
    assert found["verdict"] == "ERROR"
    assert "redis-1 did not start (exit status 1)" in found["reasons"][0]
    assert "latency-tracking-info-percentiles 999" in found["reasons"][0], "the node's own words"
    headline = next(line for line in done.stdout.splitlines() if line.startswith("error: killed without"))
    assert headline.endswith("its log ends with")
    assert "    >>> 'latency-tracking-info-percentiles 999'" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(processes_of(kit.runs))


@pytest.mark.parametrize(
    ("words", "environment", "says"),
    [
        (("--backend", "docker"), {}, "nonexistent/docker.sock"),
        (("--backend", "auto"), {"CI": "true"}, "With CI=true the kit does not fall back"),
        (("--backend", "docker"), {"DOCKER_HOST": "tcp://192.0.2.1:2375"}, "FAILOVER_KIT_ALLOW_REMOTE=1"),
    ],
    ids=["dead engine", "no silent downgrade in CI", "engine elsewhere"],
)
def test_missing_docker_is_one_message(
    kit: Kit, words: tuple[str, ...], environment: dict[str, str], says: str
) -> None:
    """Status 4 and one line that names the engine or the way out; nothing is run."""
    if shutil.which("docker") is None:
        says = "docker"
    done = kit.run("run", *words, "--scenario", kit.write("kept.yaml", KEPT), **environment)
    assert (done.returncode, done.stdout) == (4, "")
    assert one_line(done.stderr), done.stderr
    assert says.lower() in done.stderr.lower()
    assert not kit.runs.exists()


def test_missing_server_program_is_one_message(kit: Kit) -> None:
    """A REDIS_SERVER that is not there: ERROR with the variable's name, status 4."""
    name = kit.write("kept.yaml", KEPT)
    done = kit.run("run", "--backend", "process", "--scenario", name, REDIS_SERVER="/nonexistent/redis")
    assert done.returncode == 4
    expected = "expected a Redis or Valkey server program, found nothing at /nonexistent/redis"
    assert f"REDIS_SERVER='/nonexistent/redis': {expected}" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.docker
def test_image_that_cannot_be_had_is_one_message(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    """REDIS_IMAGE is taken at its word: without that image there is no run, and no other image."""
    missing = docker.unavailable()
    if missing is not None:
        pytest.skip(missing)
    engine = os.environ.get("DOCKER_HOST", "")
    name = kit.write("kept.yaml", KEPT)
    done = kit.run(
        "run", "--backend", "docker", "--scenario", name, DOCKER_HOST=engine, REDIS_IMAGE="does/not:exist"
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert one_line(done.stderr), done.stderr
    assert "REDIS_IMAGE=does/not:exist: expected to have or to pull this image" in done.stderr


def test_everything_skipped_is_no_success(kit: Kit) -> None:
    """A scenario that does not fit is skipped with the reason, and nothing else ran: status 4."""
    name = kit.write("kept.yaml", KEPT)
    kit.write("mine.yaml", "deployment: 1\nname: ours\ntopology: {kind: cluster}\n")
    done = kit.run("run", "--backend", "process", "--scenario", name, "--deployment", "mine.yaml")
    assert done.returncode == 4, done.stdout + done.stderr
    summary = json.loads((kit.latest / "summary.json").read_text())
    assert summary["scenarios"][0]["verdict"] == "SKIPPED"
    assert summary["scenarios"][0]["reasons"] == ["made for single; the deployment is cluster"]
    assert "exit status 4: the environment failed or nothing could run" in done.stdout


def test_results_folder_that_cannot_be_made_is_one_message(kit: Kit) -> None:
    """A file where the folder should be: status 4, one line with the way out, nothing started."""
    kit.write("occupied", "")
    name = kit.write("kept.yaml", KEPT)
    done = kit.run("run", "--backend", "process", "--scenario", name, "--out", "occupied/runs")
    assert (done.returncode, done.stdout) == (4, "")
    assert one_line(done.stderr), done.stderr
    assert "occupied/runs" in done.stderr
    assert "--out" in done.stderr


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that holds a plan and a few hundred operations."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=160k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can make a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_full_disk_is_one_clear_error(kit: Kit, tiny_disk: Path) -> None:
    """The history no longer fits: the run ends early as ERROR, says so, and leaves nothing running."""
    name = kit.write("kept.yaml", KEPT.replace("duration: 2s", "duration: 60s"))
    done = kit.run("run", "--backend", "process", "--scenario", name, "--out", str(tiny_disk))
    assert done.returncode == 4, done.stdout + done.stderr
    assert "the history cannot be written (No space left on device)" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    assert "exit status 4" in done.stdout
    assert "all passed" not in done.stdout
    assert not list(processes_of(tiny_disk))
    assert not list(kit.folder.glob("state/*/*.json")), "no record of ownership stays"


def test_disk_full_from_the_start_is_one_clear_error(kit: Kit, tiny_disk: Path) -> None:
    """Not even a plan can be written: no node is started."""
    with contextlib.suppress(OSError), (tiny_disk / "filled").open("wb", buffering=0) as filled:
        while filled.write(b"x" * 4096):
            pass
    done = kit.run(
        "run", "--backend", "process", "--scenario", kit.write("kept.yaml", KEPT), "--out", str(tiny_disk)
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "No space left on device" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert not list(processes_of(tiny_disk))


def test_doctor_says_what_is_missing(kit: Kit) -> None:
    """A line for each backend; without any server and any engine it is status 4."""
    done = kit.run("doctor", REDIS_SERVER="/nonexistent/redis")
    assert done.returncode == 4
    assert "process backend: no: REDIS_SERVER=" in done.stdout
    assert "docker backend: no: " in done.stdout
    working = kit.run("doctor")
    assert working.returncode == 0
    assert "process backend: yes: " in working.stdout
