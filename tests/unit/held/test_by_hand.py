"""What is told of held topologies, without one."""

from __future__ import annotations

import io
import json
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from harness.errors import EnvironmentFailure
from harness.held import by_hand, residence
from harness.held.forms import Form
from harness.held.ready_lines import before_lines, ready_lines
from harness.held.residence import Residence
from harness.model.proxy import Front, ProxyFile, ProxySpec
from harness.model.seams import Certificates, HeldTopology, Machine
from harness.model.words import BackendKind, TopologyKind
from harness.running.ground import Ground
from harness.running.surroundings import variables
from tests.builders_topology import process_plan
from tests.fakes import FakeTopology


def test_password_is_on_no_list_of_processes() -> None:
    """The line that somebody copies hands it over in the environment; an argument is for all to see."""
    topology = FakeTopology(process_plan(TopologyKind.SENTINEL))
    said = io.StringIO()
    by_hand._describe(topology, said)
    topology.close()
    lines = [line for line in said.getvalue().splitlines() if "redis-cli" in line]
    assert len(lines) == len(topology.plan.nodes)
    for line in lines:
        assert re.search(r"REDISCLI_AUTH=\S+ redis-cli -h 127\.0\.0\.1 -p \d+$", line)


@pytest.mark.parametrize(("nodes", "front"), [(True, Front.PLAIN), (False, Front.TLS)])
def test_lines_speak_tls_with_who_does(nodes: bool, front: Front) -> None:
    """A proxy may end it, or begin it; who connects as an application does goes through the proxy."""
    file = ProxyFile(name="haproxy.cfg", sections=(), servers={}, nodes_speak_tls=nodes, front=front)
    topology = FakeTopology(process_plan("sentinel", tls=nodes, proxy=ProxySpec(file=file)))
    made = Certificates(authority="a", node="n", node_key="nk", client="c", client_key="ck")
    topology.secrets = replace(topology.secrets, certificates=made)
    said = io.StringIO()
    by_hand._describe(topology, said)
    by_hand._tell_clients("x", topology, said)
    topology.close()
    lines = said.getvalue().splitlines()
    of_nodes = [line for line in lines if line.startswith(("  redis-", "  sentinel-"))]
    assert len(of_nodes) == 6
    assert all(("--tls" in line) is nodes for line in of_nodes)
    (of_proxy,) = (line for line in lines if line.startswith("  proxy-1"))
    assert ("--tls" in of_proxy) is not nodes
    assert ("--tls" in next(line for line in lines if "redis-cli:" in line)) is not nodes
    assert "redis.Redis(host=" in by_hand._snippet(topology)
    assert ("ssl=True" in by_hand._snippet(topology)) is not nodes


def test_status_of_one_that_lost_its_containers_says_how_to_end_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are told all the same, and the status says that one is not whole."""
    asked = []

    def attach_to(name: str) -> HeldTopology:
        asked.append(name)
        raise EnvironmentFailure("redis-1: expected a container of this run, found none")

    names = ("docker-a", "docker-b")
    found = [by_hand._Found(Path(name), partial(attach_to, name)) for name in names]
    monkeypatch.setattr(by_hand, "_all", lambda: found)
    told = io.StringIO()
    assert by_hand.status(None, told) == EnvironmentFailure.exit_code
    assert asked == list(names)
    for name in names:
        assert f"what is left of it: failover-kit down {name}" in told.getvalue()


def held(kind: TopologyKind, monkeypatch: pytest.MonkeyPatch) -> FakeTopology:
    """A held topology of that kind, `process-a`, that `status` finds."""
    topology = FakeTopology(process_plan(kind))
    topology.let_go = topology.close  # type: ignore[attr-defined]
    found = by_hand._Found(Path("process-a"), lambda: cast("HeldTopology", topology))
    monkeypatch.setattr(by_hand, "_all", lambda: [found])
    return topology


@pytest.mark.parametrize("kind", TopologyKind)
def test_status_for_machines_has_nodes_and_variables(
    kind: TopologyKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON is a list of held topologies; a shell gets the variables of one, and nothing that it would carry out."""
    topology = held(kind, monkeypatch)
    told = io.StringIO()
    assert by_hand.status(None, told, Form.JSON) == 0
    (one,) = json.loads(told.getvalue())
    assert one["held"] == "process-a"
    assert [node["name"] for node in one["nodes"]] == [node.name for node in topology.plan.nodes]
    assert one["environment"]["REDIS_PASSWORD"] == topology.secrets.redis

    topology = held(kind, monkeypatch)
    told = io.StringIO()
    assert by_hand.status("process-a", told, Form.SHELL) == 0
    words = dict(line.removeprefix("export ").split("=", 1) for line in told.getvalue().splitlines())
    assert words.keys() == one["environment"].keys()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("kind", TopologyKind)
def test_lines_for_clients_hold_variables_and_no_password(kind: TopologyKind, tls: bool) -> None:
    """Each client has a line, and each variable in it has a value in this topology."""
    topology = FakeTopology(process_plan(kind, tls=tls))
    if tls:
        made = Certificates(authority="a", node="n", node_key="nk", client="c", client_key="ck")
        topology.secrets = replace(topology.secrets, certificates=made)
    known = variables(topology)
    topology.close()
    before = before_lines(known)
    lines = {client: before.get(client, "") + line for client, line in ready_lines(known).items()}
    assert all(("REDIS_TLS_CA_FILE" in line) is tls for line in lines.values())
    assert not any(place in line for line in lines.values() for place in ("<tls", "<scheme"))
    assert list(lines) == ["redis-cli", "redis-py", "ioredis", "node-redis", "phpredis", "Spring", "go-redis"]
    for line in lines.values():
        named = set(re.findall(r"\bREDIS_[A-Z_]+", line))
        assert named
        assert named <= known.keys(), line
        assert not any(secret in line for secret in (topology.secrets.redis, topology.secrets.sentinel))


def test_interrupted_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where the nodes are held already and only their control process is missing: nobody heard of them."""
    did: list[str] = []
    topology = FakeTopology(process_plan(TopologyKind.SINGLE))
    nodes = topology.close

    def close() -> None:
        did.append("closed")
        nodes()

    topology.hold = lambda: tmp_path / "process-a.json"  # type: ignore[attr-defined]
    topology.close = close  # type: ignore[method-assign]

    class Backend:
        @contextmanager
        def up(self, *_: object, **__: object) -> Iterator[FakeTopology]:
            yield topology

        def beside(self, *_: object) -> None: ...

    def interrupted(*_: object) -> Residence:
        raise KeyboardInterrupt

    monkeypatch.setattr(by_hand, "backend_of", lambda _: Backend())
    monkeypatch.setattr(residence, "start", interrupted)
    monkeypatch.setattr(residence, "finish", lambda record: did.append(f"ended that of {record.stem}"))
    ground = Ground(
        backend=BackendKind.PROCESS,
        image=None,
        machine=Machine(backend=BackendKind.PROCESS, network_faults=True),
        said="process: chosen",
    )
    with socket.socket() as listener, pytest.raises(KeyboardInterrupt):
        by_hand.up(topology.plan, ground, tmp_path, io.StringIO(), listener=listener)
    assert did == ["ended that of process-a", "closed"]


def test_down_of_all_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be stopped is said at the end; the others are down."""
    good = FakeTopology(process_plan(TopologyKind.SINGLE))

    def lost() -> HeldTopology:
        raise EnvironmentFailure("expected a container, found none")

    found = [
        by_hand._Found(Path("docker-a"), lost),
        by_hand._Found(Path("process-b"), lambda: cast("HeldTopology", good)),
    ]
    monkeypatch.setattr(by_hand, "_all", lambda: found)
    told = io.StringIO()
    with pytest.raises(EnvironmentFailure, match="docker-a: expected a container"):
        by_hand.down(None, told, everything=True)
    assert told.getvalue() == "process-b is down\n"
