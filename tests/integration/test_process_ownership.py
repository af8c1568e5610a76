"""Nothing stays behind: killed harnesses are cleaned after, the living are left alone, held means held."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.clock import wait_until
from harness.errors import EnvironmentFailure
from harness.model.links import LinkRule
from harness.topology.base import processes, state_files
from harness.topology.base.control import command
from harness.topology.base.readiness import answers
from harness.topology.process import run_record
from harness.topology.process.backend import attach, machine
from tests.builders_topology import process_plan

pytestmark = pytest.mark.process

ROOT = Path(__file__).resolve().parents[2]

HARNESS = """
import json, os, sys
from pathlib import Path
from harness.topology.process.backend import up
from tests.builders_topology import process_plan

with up(process_plan(sys.argv[2]), run="child", directory=Path(sys.argv[1])) as topology:
    pids = [topology.state(node.name).pid for node in topology.plan.nodes]
    held = str(topology.hold()) if sys.argv[3] == "hold" else ""
    print(json.dumps({"pids": pids, "held": held, "loopback": topology.loopback}), flush=True)
    if not held:
        sys.stdin.readline()
"""

WITHOUT_ROOT = """
import os, sys
from harness.topology.process import user_namespace
if user_namespace.needs_user_namespace():
    user_namespace.enter_user_namespace()
from harness.topology.base import processes
from harness.topology.process.backend import machine
from harness.topology.base.readiness import answers
print(os.getuid(), processes.outer_user(), machine().network_faults, flush=True)
"""


@pytest.fixture(autouse=True)
def own_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of these tests lie apart from those of anything else on this machine."""
    (tmp_path / "state").mkdir()
    monkeypatch.setenv(state_files.STATE, str(tmp_path / "state"))


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A harness in a process of its own, holding a running topology."""
    process = start_harness(tmp_path / "run", "sentinel", "run")
    yield process
    process.kill()
    process.communicate(timeout=10)
    run_record.clean()


def start_harness(directory: Path, kind: str, mode: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(directory), kind, mode],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    return json.loads(process.stdout.readline())


def test_killed_harness_is_cleaned_after(child: subprocess.Popen[str], tmp_path: Path) -> None:
    """After SIGKILL of the harness `clean` ends its nodes and keeps every file of the run but their data."""
    pids = said(child)["pids"]
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=10)
    assert all(processes.identity(pid) for pid in pids), "nodes outlive a killed harness"
    data = [*(tmp_path / "run" / "nodes").glob("*/data")]
    assert data
    files = {path for path in (tmp_path / "run").rglob("*") if path.is_file() and "data" not in path.parts}
    (leftover,) = run_record.leftovers()
    assert {process.pid for process in leftover.processes} == set(pids)
    nodes = tmp_path / "run" / "nodes"
    written = [path for path in nodes.glob("*/*") if path.suffix in {".conf", ".txt"}]
    found = re.findall(r"(?m)^(?:requirepass|masterauth) \"?(\w{32})", "".join(map(Path.read_text, written)))
    assert found, "a killed run leaves its passwords in the nodes' configuration"
    assert all(path.stat().st_mode & 0o077 == 0 for path in [nodes, *nodes.rglob("*")])
    (line,) = run_record.clean()
    assert "run child" in line
    assert not any(secret in path.read_text() for secret in found for path in written)
    assert not any(processes.identity(pid) for pid in pids)
    assert files <= {path for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert not any(path.exists() for path in data), "as after an orderly end"
    assert run_record.leftovers() == []
    assert run_record.clean() == []


def test_node_that_was_not_noted_yet_is_cleaned_too(child: subprocess.Popen[str]) -> None:
    """A harness killed between starting a node and writing it down leaves nothing behind either."""
    pids = said(child)["pids"]
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=10)
    (leftover,) = run_record.leftovers()
    record = run_record.RunRecord.read(leftover.record)
    record.owned.nodes.clear()
    record.save()
    run_record.clean()
    assert not any(processes.identity(pid) for pid in pids)


def test_living_harness_is_left_alone(child: subprocess.Popen[str]) -> None:
    """`clean` never touches what somebody still uses."""
    pids = said(child)["pids"]
    assert run_record.leftovers() == []
    assert run_record.clean() == []
    assert all(processes.identity(pid) for pid in pids)
    child.communicate("end\n", timeout=20)
    assert not any(processes.identity(pid) for pid in pids)


def test_record_of_another_boot_is_removed_without_a_signal(tmp_path: Path) -> None:
    """Process ids of an earlier boot mean nothing now: only the record goes."""
    claimed = run_record.RunRecord.claim(run="old", directory=tmp_path, program=Path(sys.executable))
    claimed.owned.boot = "an earlier one"
    claimed.note("redis-1", processes.this_process())
    (leftover,) = run_record.leftovers()
    assert leftover.processes == ()
    run_record.clean()
    assert not claimed.path.exists()


def test_process_id_that_was_used_again_is_left_alone(tmp_path: Path) -> None:
    """A process with the id of a former node but another start time is nobody's leftover."""
    dead = processes.ProcessIdentity(os.getpid(), "0")
    claimed = run_record.RunRecord.claim(run="reused", directory=tmp_path, program=Path("/nonexistent"))
    claimed.owned.owner = dead
    claimed.note("redis-1", dead)
    run_record.clean()  # would end this very process
    assert not claimed.path.exists()


def test_held_topology_lives_on_and_is_found_again(tmp_path: Path) -> None:
    """`hold` outlives the harness; `attach` can act on it, cuts persist, closing takes it down."""
    harness = start_harness(tmp_path / "run", "sentinel", "hold")
    told = said(harness)
    harness.communicate(timeout=20)
    assert harness.returncode == 0
    pids, record = told["pids"], Path(str(told["held"]))
    assert run_record.held() == [record]
    assert run_record.clean() == []
    topology = attach(record)
    try:
        assert (
            topology.plan.scenario.deployment.topology
            == process_plan("sentinel").scenario.deployment.topology
        )
        assert command(topology, "redis-1", "PING") == "PONG"
        topology.kill("redis-3")
        topology.start("redis-3")
        if machine().network_faults:
            topology.apply(LinkRule(["redis-1"], ["redis-2"]), by=1)
            topology.let_go()
            topology = attach(record)
            topology.mend(by=1)
            assert topology._wiring.cuts() == {}
    finally:
        topology.close()
    assert not any(processes.identity(pid) for pid in pids)
    assert run_record.held() == []
    with pytest.raises(EnvironmentFailure, match="taken down"):
        attach(record)


def test_held_topology_without_its_keeper_is_a_leftover(tmp_path: Path) -> None:
    """When the process that holds the network is gone, `clean` ends the nodes."""
    harness = start_harness(tmp_path / "run", "single", "hold")
    told = said(harness)
    harness.communicate(timeout=20)
    topology = attach(Path(str(told["held"])))
    held = topology._run_record.owned.held
    assert held is not None
    processes.end(held.keeper)
    topology.let_go()
    if not topology.loopback:
        assert wait_until(
            lambda: not answers(topology, "redis-1"),
            within_s=10,
            waiting_for="the network to vanish with its holder",
        )
    assert len(run_record.clean()) == 1
    assert not any(processes.identity(pid) for pid in told["pids"])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_plain_user_gets_a_network_through_a_user_namespace_where_allowed(tmp_path: Path) -> None:
    """Without root the harness starts itself again as root of a user namespace, still as that user outside."""
    nobody = pwd.getpwnam("nobody")

    def as_nobody(*command: str) -> subprocess.CompletedProcess[str]:
        user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        return subprocess.run(  # type: ignore[call-overload]
            command, cwd=ROOT, **user, capture_output=True, text=True, check=False, timeout=60
        )

    try:
        readable = as_nobody(sys.executable, "-c", "import harness.topology.process.backend").returncode == 0
    except PermissionError:
        readable = False
    if not readable:
        pytest.skip("this Python or the project lies in a private folder")
    if as_nobody(sys.executable, "-m", "harness.topology.process.user_namespace", "user").returncode:
        pytest.skip("user namespaces are not allowed here")
    assert as_nobody(sys.executable, "-c", WITHOUT_ROOT).stdout.split() == ["0", str(nobody.pw_uid), "True"]
