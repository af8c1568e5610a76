"""What faults are made of, on real processes: signals with proof, restarts, cuts of established connections."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.errors import EnvironmentFailure, NoEffect
from harness.model.links import LinkRule
from harness.model.seams import Topology
from harness.redis_wire import blocking, info
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import NoAnswer
from harness.topology.base.control import command, connect
from harness.topology.process.backend import machine, up
from harness.topology.process.topology import ProcessTopology
from tests.builders_topology import await_ready, process_plan

pytestmark = pytest.mark.process

needs_network = pytest.mark.skipif(
    not machine().network_faults, reason=f"no network of its own: {machine().why_no_network_faults}"
)


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessTopology]:
    """One primary and two replicas; each test leaves it ready."""
    plan = process_plan("sentinel", sentinels=0, redis={"appendonly": "yes"})
    with up(plan, run="faults", directory=tmp_path_factory.mktemp("faults")) as running:
        yield running


def as_web_server(topology: Topology, name: str, node: str) -> Connection:
    return blocking.connect(
        topology.address(node), topology.source(name), who=node, secret=topology.secrets.redis, within_s=0.5
    )


def run_id(topology: Topology, node: str) -> str:
    return info.fields(command(topology, node, "INFO", "server"))["run_id"]


def test_killed_node_is_gone_and_comes_back_with_its_data(topology: ProcessTopology) -> None:
    """SIGKILL, then a start at the same address: another process, the same data from its AOF."""
    command(topology, "redis-1", "SET", "kept", "1")
    wait_until(  # while a sync takes long, Redis answers and writes to its file later
        lambda: "aof_buffer_length:0\r" in str(command(topology, "redis-1", "INFO", "persistence")),
        within_s=10,
        waiting_for="the key to be in the file",
    )
    address, before = topology.address("redis-1"), run_id(topology, "redis-1")
    topology.kill("redis-1")
    state = topology.state("redis-1")
    assert (state.running, state.exit_code) == (False, -9)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((address.host, address.port), timeout=1)
    topology.start("redis-1")
    assert topology.address("redis-1") == address
    assert run_id(topology, "redis-1") != before
    wait_until(
        lambda: command(topology, "redis-1", "GET", "kept") == "1",
        within_s=5,
        waiting_for="the data to be loaded",
    )
    await_ready(topology)


def test_node_started_empty_has_lost_its_data(topology: ProcessTopology) -> None:
    """A start with `empty` wipes RDB and AOF first."""
    command(topology, "redis-1", "SET", "lost", "1")
    topology.kill("redis-1")
    topology.start("redis-1", empty=True)
    assert command(topology, "redis-1", "DBSIZE") == 0
    await_ready(topology)


def test_stopped_node_shuts_down_in_order(topology: ProcessTopology) -> None:
    """SIGTERM lets the server say good-bye in its log; its exit status is 0."""
    topology.stop("redis-2")
    assert topology.state("redis-2").exit_code == 0
    assert "ready to exit" in topology.logs("redis-2")
    topology.start("redis-2")
    await_ready(topology)


def test_paused_node_keeps_connections_and_answers_after_resume(topology: ProcessTopology) -> None:
    """While paused a node accepts bytes and answers nothing; resumed, it goes on as the same process."""
    with connect(topology, "redis-3", timeout_s=0.3) as established:
        before = run_id(topology, "redis-3")
        topology.pause("redis-3")
        assert topology.state("redis-3").paused
        with pytest.raises(NoAnswer):
            established.call("PING")
        topology.resume("redis-3")
    assert not topology.state("redis-3").paused
    assert run_id(topology, "redis-3") == before
    await_ready(topology)


def test_paused_node_can_be_killed(topology: ProcessTopology) -> None:
    """SIGKILL works on a frozen process."""
    topology.pause("redis-3")
    topology.kill("redis-3")
    assert not topology.state("redis-3").running
    topology.start("redis-3")
    await_ready(topology)


def test_signals_for_a_dead_node_are_refused(topology: ProcessTopology) -> None:
    """Nothing is ever sent to a process id that the node no longer has."""
    topology.kill("redis-2")
    for act in (topology.kill, topology.stop, topology.pause):
        with pytest.raises(EnvironmentFailure, match="redis-2: expected it to run"):
            act("redis-2")
    topology.start("redis-2")
    with pytest.raises(EnvironmentFailure, match="found it running"):
        topology.start("redis-2")
    await_ready(topology)


@needs_network
def test_cut_web_server_cannot_reach_the_node_on_an_established_connection(topology: ProcessTopology) -> None:
    """What a cut web server sends is never executed, new connections fail, observer and others go on."""
    command(topology, "redis-1", "SET", "count", "0")
    cut_off, other = as_web_server(topology, "web-1", "redis-1"), as_web_server(topology, "web-2", "redis-1")
    with cut_off, other:
        assert cut_off.call("INCR", "count") == 1
        proof = topology.apply(LinkRule(["web-1"], ["redis-1"]), by=1)
        assert "none answered" in proof
        with pytest.raises(NoAnswer):
            cut_off.call("INCR", "count")
        with pytest.raises(NoAnswer):
            as_web_server(topology, "web-1", "redis-1")
        assert other.call("GET", "count") == "1"
        assert command(topology, "redis-1", "GET", "count") == "1"
        topology.mend(by=1)
    with as_web_server(topology, "web-1", "redis-1") as again:
        assert again.call("PING") == "PONG"


@needs_network
def test_reply_to_a_cut_web_server_does_not_arrive(topology: ProcessTopology) -> None:
    """A request that was executed before the cut is not answered through it: both ways are shut."""
    with as_web_server(topology, "web-1", "redis-1") as waiting:
        waiting.socket.sendall(b"BLPOP gate 0\r\n")
        wait_until(
            lambda: info.fields(command(topology, "redis-1", "INFO", "clients"))["blocked_clients"] == "1",
            within_s=5,
            waiting_for="the client to be blocked",
        )
        topology.apply(LinkRule(["redis-1"], ["web-1"]), by=1)
        command(topology, "redis-1", "RPUSH", "gate", "open")
        with pytest.raises(TimeoutError):
            waiting.socket.recv(100)
        topology.mend(by=1)


@needs_network
def test_cut_replicas_receive_nothing_and_catch_up_when_mended(topology: ProcessTopology) -> None:
    """Replication stops on the established link, towards the cut node only, and resumes after the mend."""
    topology.apply(LinkRule(["redis-1"], ["redis-2"]), by=1)
    command(topology, "redis-1", "SET", "through", "yes")
    wait_until(
        lambda: command(topology, "redis-3", "GET", "through") == "yes",
        within_s=5,
        waiting_for="redis-3 to have it",
    )
    assert command(topology, "redis-2", "GET", "through") is None
    topology.mend(by=1)
    wait_until(
        lambda: command(topology, "redis-2", "GET", "through") == "yes",
        within_s=20,
        waiting_for="redis-2 to have it",
    )
    command(topology, "redis-1", "DEL", "through")
    await_ready(topology)


@needs_network
def test_cuts_add_up_and_outlive_a_restart(topology: ProcessTopology) -> None:
    """A second cut leaves the first; a killed and started node is still behind its cut; mending is idempotent."""
    topology.apply(LinkRule(["redis-3"], ["web-1"]), by=1)
    topology.apply(LinkRule(["redis-3"], ["web-1", "web-2"]), by=1)
    topology.kill("redis-3")
    topology.start("redis-3")
    for web_server in ("web-1", "web-2"):
        with pytest.raises(NoAnswer):
            as_web_server(topology, web_server, "redis-3")
    topology.mend(by=1)
    topology.mend(by=1)
    for web_server in ("web-1", "web-2"):
        as_web_server(topology, web_server, "redis-3").close()
    await_ready(topology)


@needs_network
def test_link_stays_cut_while_any_fault_cuts_it(topology: ProcessTopology) -> None:
    """Healing lifts what its own fault did: links that another one cuts too carry nothing until its end."""
    topology.apply(LinkRule(["redis-3"], ["web-1", "web-2"]), by=1)
    topology.apply(LinkRule(["redis-3"], ["web-2", "web-3"]), by=2)
    topology.mend(by=1)
    topology.mend(by=1)
    as_web_server(topology, "web-1", "redis-3").close()
    for web_server in ("web-2", "web-3"):
        with pytest.raises(NoAnswer):
            as_web_server(topology, web_server, "redis-3")
    topology.mend(by=2)
    for web_server in ("web-2", "web-3"):
        as_web_server(topology, web_server, "redis-3").close()
    await_ready(topology)


@needs_network
def test_cut_without_a_node_is_refused(topology: ProcessTopology) -> None:
    """Web servers do not talk to each other: there is nothing to cut between them."""
    with pytest.raises(NoEffect):
        topology.apply(LinkRule(["web-1"], ["web-2"]), by=1)


def test_cut_on_loopback_is_refused(tmp_path: Path) -> None:
    """Without a network of its own a cut says why it had no effect, and never pretends."""
    with up(process_plan("single"), run="loopback", directory=tmp_path, loopback=True) as topology:
        with pytest.raises(NoEffect, match="loopback"):
            topology.apply(LinkRule(["redis-1"], ["web-1"]), by=1)
        assert command(topology, "redis-1", "PING") == "PONG"
