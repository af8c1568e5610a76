"""Real nodes in containers: every topology, every fault's means, and nothing left behind."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier, Thread

import pytest

from harness.clock import wait_until
from harness.errors import EnvironmentFailure
from harness.model.deployment import NodeSettings
from harness.model.links import LinkRule
from harness.model.seams import Topology
from harness.model.words import TopologyKind
from harness.topology.base.configuration import kit_file
from harness.topology.base.control import command, connect
from harness.topology.base.readiness import answers, missing
from harness.topology.docker import addresses, daemon, links, topology
from harness.topology.docker import backend as docker
from harness.topology.docker.image import DEBIAN_IMAGES, choose_image, present
from harness.topology.docker.topology import DockerTopology
from tests.builders_topology import docker_plan

REASON = docker.unavailable()
ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.docker, pytest.mark.skipif(REASON is not None, reason=f"no Docker: {REASON}")]


@pytest.fixture(scope="module")
def image() -> str:
    return choose_image().name


@pytest.fixture
def run() -> str:
    return f"test-{secrets.token_hex(4)}"


def owned(run: str) -> list[str]:
    """Names of containers and networks that carry a run's label."""
    label = f"{daemon.RUN_LABEL}={run}"
    with closing(daemon.connect()) as client:
        found = daemon.containers(client, label) + client.networks.list(filters={"label": label})
    return [str(one.attrs.get("Names") or one.name) for one in found]


def inspected(run: str) -> str:
    """What `docker inspect` shows of a run's containers, to whoever may ask Docker."""
    with closing(daemon.connect()) as client:
        found = daemon.containers(client, f"{daemon.RUN_LABEL}={run}")
        return json.dumps([client.api.inspect_container(one.id) for one in found])


def unused_volumes() -> set[str]:
    with closing(daemon.connect()) as client:
        return {volume.name for volume in client.volumes.list(filters={"dangling": True})}


# -- Up and down


@pytest.mark.parametrize("kind", list(TopologyKind))
def test_topology_is_ready_and_gone_afterwards(
    kind: TopologyKind, image: str, run: str, tmp_path: Path
) -> None:
    """Ready as every node sees it, neither files of evidence nor what Docker shows with secrets, then nothing
    left."""
    volumes = unused_volumes()
    with docker.up(docker_plan(kind), run=run, directory=tmp_path, image=image) as topology:
        assert missing(topology) == ()
        assert topology.engine.split()[0] in {"Redis", "Valkey"}
        for node in topology.plan.nodes:
            where = topology.address(node.name)
            assert topology.node_at(where.host, where.port) == node.name
            assert topology.state(node.name).running
        shown = inspected(run)
        assert shown.count("requirepass") >= len(topology.plan.nodes)
        assert not any(secret in shown for secret in (topology.secrets.redis, topology.secrets.sentinel))
        topology.collect(tmp_path / "nodes")
    assert owned(run) == []
    assert unused_volumes() <= volumes
    assert topology.secrets.redis not in "".join(path.read_text() for path in tmp_path.rglob("*.*"))
    assert "requirepass" in (tmp_path / "nodes" / "redis-1.conf").read_text()
    assert (tmp_path / "nodes" / "redis-1.log").read_text()


@pytest.mark.parametrize("engine", ["redis-7.0", "valkey-8.1"])
def test_other_engines_run_unmodified(engine: str, run: str, tmp_path: Path) -> None:
    """An image of another engine works as it is."""
    other = DEBIAN_IMAGES[engine].tag
    if not present(other):
        pytest.skip(f"{other} is not built here: failover-kit image {engine}")
    with docker.up(docker_plan("sentinel"), run=run, directory=tmp_path, image=other) as topology:
        assert topology.engine.startswith(engine.replace("-", " ").capitalize())


def test_node_has_the_image_of_its_own_engine(run: str, tmp_path: Path) -> None:
    """The others have that of the run; the run is called after both."""
    older = "redis-7.0"
    if not present(DEBIAN_IMAGES[older].tag):
        pytest.skip(f"{older} is not built here: failover-kit image {older}")
    plan = docker_plan("sentinel", replicas=1, nodes={"redis-1": NodeSettings(engine=older)})
    with docker.up(plan, run=run, directory=tmp_path) as topology:
        assert missing(topology) == ()
        assert topology.engine.startswith("Redis 7.0.")
        assert len(topology.engine.split(", ")) == 2


def test_two_runs_side_by_side_do_not_meet(image: str, run: str, tmp_path: Path) -> None:
    """Two scenarios of one run, up at the same time: other names, other addresses."""
    together = Barrier(2, timeout=60)
    seen: dict[str, str] = {}

    def start(name: str) -> None:
        with docker.up(docker_plan("single"), run=run, directory=tmp_path / name, image=image) as topology:
            seen[name] = topology.address("redis-1").host
            together.wait()

    threads = [Thread(target=start, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen.values())) == 2
    assert owned(run) == []


def test_a_subnet_that_is_taken_is_left_for_another(
    image: str, run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs can choose the same one at the same moment; the later one tries again."""
    with docker.up(docker_plan("single"), run=run, directory=tmp_path / "1", image=image) as first:
        taken = first.address("redis-1").host.rpartition(".")[0]
        offers = iter([taken, addresses.free_subnet()])
        monkeypatch.setattr(topology, "free_subnet", lambda: next(offers))
        with docker.up(docker_plan("single"), run=run, directory=tmp_path / "2", image=image) as second:
            assert second.address("redis-1").host.rpartition(".")[0] != taken
            assert answers(second, "redis-1")


def test_a_node_that_does_not_start_shows_its_log(image: str, run: str, tmp_path: Path) -> None:
    """The node, its exit code and the last lines of its log; nothing stays."""
    plan = docker_plan("single", redis={"maxmemory-policy": "nonsense"})
    with (
        pytest.raises(
            EnvironmentFailure, match=r"(?s)redis-1: expected to start, ended with .*maxmemory-policy"
        ),
        docker.up(plan, run=run, directory=tmp_path, image=image),
    ):
        pass
    assert owned(run) == []
    assert "nonsense" in (tmp_path / "nodes" / "redis-1.conf").read_text()


def test_an_image_that_is_not_there_is_one_error(run: str, tmp_path: Path) -> None:
    """Nothing is pulled while starting, and nothing stays."""
    with (
        pytest.raises(EnvironmentFailure, match="no-such-image"),
        docker.up(docker_plan("single"), run=run, directory=tmp_path, image="no-such-image:1"),
    ):
        pass
    assert owned(run) == []


# -- What faults do


@pytest.fixture(scope="module")
def nodes(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerTopology]:
    """A primary with a replica and a cache, nobody to fail over: each test leaves them as they were."""
    plan = docker_plan("split", replicas=1, sentinels=0, redis={"appendonly": "yes"})
    directory = tmp_path_factory.mktemp("nodes")
    with docker.up(plan, run=f"test-{secrets.token_hex(4)}", directory=directory, image=image) as topology:
        yield topology


def in_step(topology: Topology) -> bool:
    return missing(topology) == ()


def test_killed_node_comes_back_with_its_data_and_address(nodes: DockerTopology) -> None:
    """SIGKILL is proved by the engine's state; the data and the address are those of before."""
    command(nodes, "cache-1", "SET", "kept", "yes")
    nodes.kill("cache-1")
    state = nodes.state("cache-1")
    assert (state.running, state.exit_code) == (False, 137)
    assert not answers(nodes, "cache-1")
    nodes.start("cache-1")
    wait_until(lambda: command(nodes, "cache-1", "GET", "kept") == "yes", within_s=5, waiting_for="the data")


def test_node_restarted_empty_has_lost_its_data(nodes: DockerTopology) -> None:
    """Everything but its configuration is gone."""
    command(nodes, "cache-1", "SET", "gone", "soon")
    nodes.stop("cache-1")
    assert nodes.state("cache-1").exit_code == 0
    nodes.start("cache-1", empty=True)
    assert command(nodes, "cache-1", "DBSIZE") == 0


def test_running_node_is_not_started_again(nodes: DockerTopology) -> None:
    """Starting what runs would be no restart."""
    with pytest.raises(EnvironmentFailure, match="cache-1: expected it to be stopped"):
        nodes.start("cache-1")


def test_paused_node_keeps_its_connections_and_is_silent(nodes: DockerTopology) -> None:
    """Clients hang until their own time-out; after the resume the same connection goes on."""
    with connect(nodes, "cache-1") as control:
        nodes.pause("cache-1")
        state = nodes.state("cache-1")
        assert (state.running, state.paused) == (True, True)
        assert not answers(nodes, "cache-1")
        nodes.resume("cache-1")
        nodes.resume("cache-1")
        assert control.call("PING") == "PONG"


def test_paused_node_can_be_killed(nodes: DockerTopology) -> None:
    """A fault may follow another on the same node."""
    nodes.pause("cache-1")
    nodes.kill("cache-1")
    assert nodes.state("cache-1").running is False
    nodes.start("cache-1")


class WebServerConnection:
    """A connection from a web server's own ports that asks for PING and tells whether an answer came."""

    def __init__(self, topology: Topology, web_server: str, node: str, within_s: float = 0.5) -> None:
        source, target = topology.source(web_server), topology.address(node)
        assert source.ports
        for port in range(*source.ports):
            self._socket = socket.socket()
            self._socket.settimeout(within_s)
            try:
                self._socket.bind((source.host, port))
            except OSError:
                self._socket.close()
                continue
            break
        try:
            self._socket.connect((target.host, target.port))
            self._socket.sendall(f"AUTH {topology.secrets.redis}\r\n".encode())
            assert self._socket.recv(100) == b"+OK\r\n"
        except TimeoutError:
            self._socket.close()
            raise

    def answers(self, within_s: float = 0.5) -> bool:
        self._socket.settimeout(within_s)
        self._socket.sendall(b"PING\r\n")
        try:
            return self._socket.recv(100).startswith(b"+PONG")
        except TimeoutError:
            return False

    def close(self) -> None:
        self._socket.close()


@contextmanager
def cut(topology: Topology, left: list[str], right: list[str]) -> Iterator[str]:
    proof = topology.apply(LinkRule(left, right), by=1)
    try:
        yield proof
    finally:
        topology.mend(by=1)
        topology.mend(by=1)


def test_web_servers_are_cut_by_their_ports(nodes: DockerTopology) -> None:
    """One web server is cut off, connections old and new; the other and the observer are not."""
    with (
        closing(WebServerConnection(nodes, "web-1", "redis-1")) as first,
        closing(WebServerConnection(nodes, "web-2", "redis-1")) as second,
    ):
        with cut(nodes, ["redis-1", "web-1"], ["redis-2", "web-2", "web-3"]) as proof:
            assert "redis-1 - web-2" in proof
            assert "redis-1 - web-3" in proof
            assert first.answers()
            assert not second.answers()
            with pytest.raises(TimeoutError):
                WebServerConnection(nodes, "web-2", "redis-1")
            with closing(WebServerConnection(nodes, "web-2", "redis-2")) as other_side:
                assert other_side.answers()
            with pytest.raises(TimeoutError):
                WebServerConnection(nodes, "web-1", "redis-2")
            assert answers(nodes, "redis-1")
            assert answers(nodes, "redis-2")
        assert second.answers(within_s=5)
    wait_until(lambda: in_step(nodes), within_s=15, waiting_for="the replica to be in step again")


def has_read(nodes: DockerTopology, node: str) -> bool:
    """A node answers before it has read what lies on its disk."""
    return "loading:0" in str(command(nodes, node, "INFO", "persistence"))


def test_cut_nodes_do_not_replicate_until_mended(nodes: DockerTopology) -> None:
    """An established replication link carries nothing while cut, and everything afterwards."""
    with cut(nodes, ["redis-1"], ["redis-2"]) as proof:
        assert "redis-1 - redis-2" in proof
        command(nodes, "redis-1", "SET", "late", "1")
        assert command(nodes, "redis-2", "GET", "late") is None
        nodes.kill("redis-2")
        nodes.start("redis-2")
        wait_until(lambda: has_read(nodes, "redis-2"), within_s=15, waiting_for="redis-2 to read its data")
        assert command(nodes, "redis-2", "GET", "late") is None
    wait_until(lambda: in_step(nodes), within_s=15, waiting_for="the replica to be in step again")
    assert command(nodes, "redis-2", "GET", "late") == "1"


def test_links_are_cut_without_root_by_a_helper(
    nodes: DockerTopology, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container that shares the node's network does what the host's iptables would do."""
    helper = links.any_debian_image()  # type: ignore[attr-defined]
    if helper is None:
        pytest.skip("no image with iptables here: make image")
    monkeypatch.setenv(links.HELPER_IMAGE, helper)
    volumes = unused_volumes()
    monkeypatch.setattr(links, "_in_namespace", lambda *_: pytest.fail("entered the namespace itself"))
    with (
        closing(WebServerConnection(nodes, "web-1", "cache-1")) as connection,
        cut(nodes, ["cache-1"], ["web-1", "redis-1"]) as proof,
    ):
        assert "cache-1 - web-1" in proof
        assert not connection.answers()
    assert docker.machine().network_faults
    assert unused_volumes() <= volumes


# -- Owners that die

HARNESS = """
import signal, sys, time
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background inherits "ignore"
from harness.topology.docker import backend as docker
from tests.builders_topology import docker_plan
with docker.up(
    docker_plan("single"), run=sys.argv[1], directory=Path(sys.argv[2]), image=sys.argv[3],
    to_hold=sys.argv[4] == "hold",
) as topology:
    print(topology.hold() if sys.argv[4] == "hold" else "up", flush=True)
    if sys.argv[4] == "wait":
        time.sleep(120)
"""


def harness(run: str, directory: Path, image: str, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HARNESS, run, str(directory), image, what],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def test_what_a_killed_harness_left_is_cleaned_and_nothing_else(image: str, run: str, tmp_path: Path) -> None:
    """Containers and network of the dead owner go; those of a living one stay."""
    with docker.up(
        docker_plan("single"), run=f"{run}-live", directory=tmp_path / "live", image=image
    ) as live:
        with harness(run, tmp_path / "killed", image, "wait") as killed:
            assert killed.stdout is not None
            assert killed.stdout.readline() == "up\n"
            assert run not in {leftover.run for leftover in docker.leftovers()}
            killed.kill()
        left = [leftover for leftover in docker.leftovers() if leftover.run == run]
        assert sorted(leftover.kind for leftover in left) == ["container", "network"]
        done = docker.clean()
        assert len([line for line in done if f"run {run}:" in line]) == 2
        assert owned(run) == []
        assert answers(live, "redis-1")
        assert (tmp_path / "killed" / "compose.yaml").exists()


@pytest.mark.parametrize("seconds", [0.6, 1.0])
def test_interrupted_while_starting_leaves_nothing(
    seconds: float, image: str, run: str, tmp_path: Path
) -> None:
    """Ctrl-C at any moment of the start."""
    with harness(run, tmp_path, image, "wait") as interrupted:
        with pytest.raises(subprocess.TimeoutExpired):
            interrupted.wait(seconds)
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.wait(60) != 0
    assert owned(run) == []


def test_a_held_topology_outlives_its_harness(image: str, run: str, tmp_path: Path) -> None:
    """It is no leftover; it is found again, cuts included; `close` takes it down."""
    with harness(run, tmp_path, image, "hold") as ended:
        assert ended.stdout is not None
        record = Path(ended.stdout.read().strip())
    assert record in docker.held()
    assert run not in {leftover.run for leftover in docker.leftovers()}
    elsewhere = {**os.environ, "TMPDIR": str(tmp_path)}  # where there is no record of it
    cleaned = subprocess.run(
        [sys.executable, "-m", "harness", "clean"],
        env=elsewhere,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run not in cleaned.stdout
    topology = docker.attach(record)
    assert answers(topology, "redis-1")
    topology.apply(LinkRule(["redis-1"], ["web-1"]), by=1)
    topology.kill("redis-1")
    topology.let_go()
    again = docker.attach(record)
    assert again.engine == "no data node answers"
    again.start("redis-1")
    with pytest.raises(TimeoutError):
        WebServerConnection(again, "web-1", "redis-1")
    again.mend(by=1)
    WebServerConnection(again, "web-1", "redis-1").close()
    again.close()
    assert owned(run) == []
    assert record not in docker.held()


# -- By hand


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
def test_compose_file_starts_by_hand(kind: str, image: str) -> None:
    """`docker compose up` alone forms the topology; `down -v` removes it."""
    project, subnet = f"test-{secrets.token_hex(4)}", addresses.free_subnet()
    environment = {**os.environ, "REDIS_IMAGE": image, "SUBNET": subnet}
    compose = ["docker", "compose", "-p", project, "-f", str(kit_file(f"compose/{kind}.yaml"))]
    asked = {
        "sentinel": (f"{subnet}.101", "26379", "sentinel", "ckquorum", "sessions"),
        "cluster": (f"{subnet}.16", "6379", "cluster", "info"),
    }[kind]
    expected = {"sentinel": "OK 3 usable Sentinels", "cluster": "cluster_slots_ok:16384"}[kind]
    cli = "$(command -v redis-cli || command -v valkey-cli)"

    def answer() -> str:
        words = " ".join(asked[2:])
        script = f"REDISCLI_AUTH=by-hand {cli} -h {asked[0]} -p {asked[1]} {words}"
        asking = [*compose, "exec", "-T", "redis-1", "sh", "-c", script]
        return subprocess.run(asking, env=environment, capture_output=True, text=True, check=True).stdout

    try:
        subprocess.run(
            [*compose, "up", "-d", "--wait"], env=environment, check=True, capture_output=True, timeout=120
        )
        wait_until(
            lambda: expected in answer(), within_s=15, waiting_for=expected, describe=answer, every_s=0.5
        )
    finally:
        subprocess.run([*compose, "down", "-v", "-t", "0"], env=environment, check=True, capture_output=True)
