"""Nodes that speak TLS: formed, ready, asked with certificates of the run; strangers are refused."""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from harness.model.credentials import kit_login
from harness.model.proxy import ProxyShape, ProxySpec
from harness.model.seams import Topology
from harness.model.words import NodeRole
from harness.redis_wire import blocking
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.scenario import scenario_of
from harness.topology.base import certificates
from harness.topology.base.certificates import of_clients
from harness.topology.base.control import command, role
from harness.topology.base.readiness import missing
from harness.topology.docker import backend as docker
from harness.topology.process import backend as process
from harness.topology.process import proxy_program, server_programs
from tests.builders_scenario import plan_of
from tests.builders_topology import docker_plan, process_plan
from tests.integration.test_proxy import ENCRYPTED

WITHIN_S = 5.0


def needs_tls() -> None:
    if not server_programs.speaks_tls(server_programs.find().path):
        pytest.skip("the server program was built without TLS: apt-get install redis-server")


@pytest.mark.process
@pytest.mark.parametrize(("kind", "nodes"), [("sentinel", 6), ("cluster", 6)])
def test_topology_is_ready_with_tls_only(kind: str, nodes: int, tmp_path: Path) -> None:
    """Replicas, sentinels and members of a cluster reach each other; nothing of a key is left behind."""
    needs_tls()
    with process.up(process_plan(kind, tls=True), run="tls", directory=tmp_path) as topology:
        assert missing(topology) == ()
        assert len(topology.plan.nodes) == nodes
        assert role(topology, "redis-1") is NodeRole.PRIMARY
        for node in topology.plan.data_nodes():
            said = command(topology, node.name, "CONFIG", "GET", "port")
            assert said[1] == "0"
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".key"]


@pytest.mark.process
def test_strangers_are_refused_in_one_sentence(tmp_path: Path) -> None:
    """Somebody else's certificate, none at all, and a wrong password."""
    needs_tls()
    with process.up(process_plan("single", tls=True), run="tls", directory=tmp_path) as topology:
        at, source = topology.address("redis-1"), topology.observer()
        login = kit_login(topology.plan, "redis-1", topology.secrets)

        def ask(**changed: object) -> object:
            secret = replace(login, **changed)  # type: ignore[arg-type] # of Login's own fields
            with blocking.connect(at, source, who="redis-1", secret=secret, within_s=WITHIN_S) as connection:
                return connection.call("PING")

        assert ask() == "PONG"
        theirs = certificates.made()
        with pytest.raises(NoAnswer, match="its certificate is none of this run"):
            ask(certificates=theirs)
        assert login.certificates is not None
        stranger = replace(login.certificates, client=theirs.client, client_key=theirs.client_key)
        with pytest.raises(NoAnswer, match=r"redis-1.*(unknown ca|certificate)"):
            ask(certificates=stranger)
        with pytest.raises(NoAnswer, match="redis-1"):
            ask(certificates=None)
        with pytest.raises(ErrorReply, match="WRONGPASS"):
            ask(password="wrong")


@pytest.mark.docker
@pytest.mark.parametrize(("kind", "node"), [("sentinel", "redis-2"), ("cluster", "redis-4")])
def test_containers_speak_tls_too(kind: str, node: str, tmp_path: Path) -> None:
    """With the same certificates, also after a restart that loses all data."""
    if reason := docker.unavailable():
        pytest.skip(reason)
    with docker.up(docker_plan(kind, tls=True), run="tls", directory=tmp_path) as topology:
        assert missing(topology) == ()
        topology.kill(node)
        topology.start(node, empty=True)
        assert command(topology, node, "CONFIG", "GET", "port")[1] == "0"
        assert "PRIVATE KEY" not in (tmp_path / "compose.yaml").read_text(encoding="utf-8")
        assert stranger_asks(topology, "redis-1") == b"+PONG\r\n"
    assert not (tmp_path / "tls").exists()


@pytest.mark.process
def test_clients_reach_the_primary_through_a_proxy(tmp_path: Path) -> None:
    """TLS is between the client and the node; the proxy's checks of nodes and sentinels speak it themselves."""
    needs_tls()
    if reason := proxy_program.missing():
        pytest.skip(reason)
    plan = process_plan("sentinel", tls=True, proxy=ProxySpec(shape=ProxyShape.ROLE_AND_MAJORITY))
    with process.up(plan, run="tls", directory=tmp_path) as topology:
        assert missing(topology) == ()
        assert stranger_asks(topology, "proxy-1") == b"+PONG\r\n"


@pytest.mark.process
def test_proxy_with_a_file_of_theirs_ends_tls_on_both_sides(tmp_path: Path) -> None:
    """Clients know it by its certificate; it knows nodes and a sentinel by theirs, and they know it."""
    needs_tls()
    if reason := proxy_program.missing():
        pytest.skip(reason)
    (tmp_path / "haproxy.cfg").write_text(ENCRYPTED, encoding="utf-8")
    ours = tmp_path / "ours.yaml"
    ours.write_text(
        "deployment: 1\ntopology: {kind: sentinel, haproxy_cfg: ./haproxy.cfg}\n", encoding="utf-8"
    )
    plan = plan_of(scenario_of(ours))
    assert plan.scenario.deployment.topology.everything_left_out == ()
    with process.up(plan, run="tls", directory=tmp_path / "run") as topology:
        assert missing(topology) == ()
        assert stranger_asks(topology, "proxy-1") == b"+PONG\r\n"


def stranger_asks(topology: Topology, node: str) -> bytes:
    """What a client of somebody else's is answered, which checks the address in the node's certificate."""
    at = topology.address(node)
    known = of_clients(topology.secrets, topology.directory)
    context = ssl.create_default_context(cafile=known["REDIS_TLS_CA_FILE"])
    context.load_cert_chain(known["REDIS_TLS_CERT_FILE"], known["REDIS_TLS_KEY_FILE"])
    login = b"AUTH %s\r\n" % topology.secrets.redis.encode()
    source = topology.observer()
    with (
        socket.create_connection((at.host, at.port), WITHIN_S, (source.host or "", 0)) as plain,
        context.wrap_socket(plain, server_hostname=at.host) as secured,
    ):
        secured.sendall(login + b"PING\r\n")
        answers = secured.makefile("rb")
        assert answers.readline() == b"+OK\r\n"
        return answers.readline()
