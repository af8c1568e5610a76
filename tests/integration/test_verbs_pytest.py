"""Scenario files in somebody else's test run: collected by the plug-in, run by the one scheduler."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from harness.clock import wait_until
from tests.builders_kit import LOST, PATIENCE_S, Kit, Traces, processes_of

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


STORE = """
from redis.sentinel import Sentinel

def store(topology):
    known = {"password": topology.sentinel_password}
    return Sentinel(topology.sentinels, sentinel_kwargs=known, socket_timeout=0.5).master_for(
        topology.service, password=topology.password, socket_timeout=0.5
    )
"""

TESTS = """
import redis, pytest
from failover_kit.topologies import FailoverError
from harness.store import store

def test_pause(redis_failover):
    topology = redis_failover("sentinel")
    primary = store(topology)
    primary.set("k", "before")
    with topology.fault("pause: primary") as fault:
        assert fault.nodes == ("redis-1",)
        assert fault.wait("promoted") > 0
        assert fault.wait("published") > 0
        assert "frozen: redis-1" in fault.proof
    assert topology.status()["faults"][0]["state"] == "healed"

def test_kill_is_healed_by_a_start(redis_failover):
    topology = redis_failover("single")
    assert topology.sentinels == topology.cluster_nodes == []
    client = redis.Redis.from_url(topology.url(1))
    with topology.fault("kill: primary"):
        with pytest.raises(redis.ConnectionError):
            client.ping()
    assert client.ping()
    with pytest.raises(FailoverError, match="did you mean 'kill'"):
        topology.inject("kil: primary")
    with pytest.raises(FailoverError, match="found the node|expected one of") as refused:
        topology.inject("kill: redis-9")
    assert refused.value.status == 404

def test_cluster_that_speaks_tls(redis_failover):
    topology = redis_failover("cluster", engine="redis-7.0", settings={"deployment.topology.tls": "true"})
    host, port = topology.cluster_nodes[0]
    client = redis.RedisCluster(host=host, port=port, password=topology.password, **topology.tls)
    assert client.set("k", "v") and len(topology.cluster_nodes) == 6

def test_fails(redis_failover):
    redis_failover("single").inject("kill: primary")
    assert False, "as it should"

def test_no_such_topology(redis_failover):
    redis_failover("sentinal")
"""

PLUGIN = (
    ()
    if any(one.name == "failover_kit" for one in entry_points(group="pytest11"))
    else ("-p", "failover_kit.pytest_plugin")
)


def foreign_project(kit: Kit, tests: str) -> list[str]:
    """Somebody's project, with a package `harness` of its own and no scenario; the command that tests it."""
    (kit.folder / "harness").mkdir()
    kit.write("harness/__init__.py", "")
    kit.write("harness/store.py", STORE)
    kit.write("test_theirs.py", tests)
    options = ("-p", "no:cacheprovider", "--rootdir", ".", "-v", "--failover-backend=process")
    return [sys.executable, "-m", "pytest", *PLUGIN, *options]


def test_fixture_breaks_nodes_for_somebody_elses_tests(tmp_path: Path) -> None:
    """In a project that knows nothing of scenarios: what it gives, what it heals, what it refuses, what it shows."""
    kit = Kit(tmp_path)
    command = foreign_project(kit, TESTS)
    done = subprocess.run(
        command, cwd=tmp_path, env=kit.environment() | {"REDIS_CLUSTER_NODES": "production:1"},
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    assert "3 passed" in said, said
    assert "2 failed" in said
    assert "fault 1 effect" in said.partition("test_fails")[2], "what happened is shown beside a failed test"
    assert "a topology by its name: single, sentinel" in said
    assert not list(processes_of(kit.runs))


HANGS = """
import pathlib
def test_hangs(redis_failover):
    topology = redis_failover("sentinel")
    with topology.fault("pause: primary"):
        pathlib.Path("begun").touch()
        topology.wait("recovered", within="1h")
"""


def _interruptible() -> None:
    """A test run in the background inherits "ignore"."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_session_leaves_no_node(tmp_path: Path, number: signal.Signals) -> None:
    """After Ctrl-C in the middle of a fault, and where the session is killed at once."""
    kit = Kit(tmp_path)
    command = foreign_project(kit, HANGS)
    with subprocess.Popen(
        command,
        cwd=tmp_path,
        env=kit.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        preexec_fn=_interruptible,  # noqa: PLW1509  one thread, and only this signal
    ) as session:
        try:
            wait_until((tmp_path / "begun").exists, within_s=PATIENCE_S, waiting_for="the fault")
            traces = Traces.of(kit.runs)
            assert traces.processes
            session.send_signal(number)
            session.wait(PATIENCE_S)
        finally:
            session.kill()
    assert traces.vanish(), "the kit notices that the session is gone"
