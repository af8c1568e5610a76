"""What every backend does, with real nodes: a backend is one that passes this file.

Parametrised over the table `harness.topology.backends.BACKENDS`, so a new one is asked by being in it. Each
test says what faults, observers and verbs rely on. What only one backend has is tested in a file of its own.
"""

from __future__ import annotations

import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.clock import RunClock, wait_until
from harness.errors import EnvironmentFailure, NoEffect
from harness.model.deployment import Project
from harness.model.inventory import NodePlan
from harness.model.links import LinkPort, LinkRule, Quality, Way
from harness.model.plan import Plan
from harness.model.seams import Backend, Spoilable, Topology
from harness.model.words import BackendKind, NodeRole, TopologyKind
from harness.presets import of_topology
from harness.redis_wire import blocking
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.topology.backends import backend_of
from harness.topology.base import state_files
from harness.topology.base.control import command, connect
from harness.topology.base.readiness import answers, missing
from harness.topology.docker.image import DEBIAN_IMAGES
from lab.plans import plan_of, scenario_of
from tests.builders_topology import EACH_BACKEND, topology_spec

ROOT = Path(__file__).resolve().parents[2]

CONNECTS_WITHIN_S = 1.0
CAUGHT_UP_WITHIN_S = 20.0
SLOW_S = 0.15
"""A PING takes less than 1 ms; a busy machine has been seen to take 50."""

SMALL = {"replicas": 1, "sentinels": 1}


def plan_on(backend: Backend, kind: TopologyKind = TopologyKind.SENTINEL, **settings: int) -> Plan:
    topology = topology_spec(kind, **(settings or (SMALL if kind is TopologyKind.SENTINEL else {})))
    nodes, scenario = of_topology(topology).nodes, scenario_of(topology)
    if backend.machine().own_containers:
        scenario = replace(scenario, deployment=replace(scenario.deployment, project=project(kind, nodes)))
    return plan_of(scenario, nodes, backend=backend.KIND)


def project(kind: TopologyKind, nodes: tuple[NodePlan, ...]) -> Project:
    """The same nodes, as somebody's Compose project."""
    file = Path(__file__).parent / "compose_projects" / "conformance" / f"{kind}.yml"
    return Project(file=str(file), images={"redis:7-alpine": DEBIAN_IMAGES["redis-8.0"].tag}, nodes=nodes)


@pytest.fixture(scope="module", params=EACH_BACKEND)
def backend(request: pytest.FixtureRequest) -> Backend:
    found = backend_of(BackendKind(request.param))
    if reason := found.unavailable():
        pytest.skip(f"no {request.param} here: {reason}")
    return found


@pytest.fixture(scope="module")
def nodes(backend: Backend, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Topology]:
    """A primary, a replica and a sentinel; each test leaves them as they were."""
    directory = tmp_path_factory.mktemp("conformance")
    with backend.up(plan_on(backend), run=f"test-{secrets.token_hex(4)}", directory=directory) as topology:
        yield topology


def reaches(topology: Topology, web_server: str, node: str) -> bool:
    """Whether a web server gets a connection, from where its sockets come from."""
    return why_not(topology, web_server, node) is None


def why_not(topology: Topology, web_server: str, node: str) -> OSError | None:
    source, at = topology.source(web_server), topology.address(node)
    first, last = source.ports or (0, 0)
    for port in range(last, first - 1, -1):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            client.settimeout(CONNECTS_WITHIN_S)
            try:
                client.bind((source.host or "", port))
            except OSError:
                continue
            try:
                client.connect((at.host, at.port))
            except OSError as problem:
                return problem
            return None
    raise AssertionError(f"no port left for {web_server}")


def round_trip_s(topology: Topology, web_server: str, node: str = "redis-1") -> float:
    """The quickest of three PINGs from there, on a connection that exists: a busy machine may be late for one."""
    source, at = topology.source(web_server), topology.address(node)
    secret = topology.secrets.of(NodeRole.PRIMARY)
    taken_s = []
    with blocking.connect(at, source, who=node, secret=secret, within_s=5.0) as client:
        for _ in range(3):
            clock = RunClock()
            assert client.call("PING") == "PONG"
            taken_s.append(clock.now_us() / 1e6)
    return min(taken_s)


def ready(topology: Topology) -> None:
    """Once everybody follows again as planned."""
    wait_until(
        lambda: not missing(topology),
        within_s=CAUGHT_UP_WITHIN_S,
        waiting_for="the nodes to be as they were",
        describe=lambda: missing(topology),
    )


def copied(topology: Topology) -> bool:
    """Whether the replica gets what is written now."""
    with connect(topology, "redis-1", timeout_s=5.0) as primary:
        primary.call("SET", "conformance", secrets.token_hex(4))
        return bool(primary.call("WAIT", 1, 300) == 1)


def fed(topology: Topology) -> None:
    """Once it gets it, also where a busy machine was late for one."""
    wait_until(lambda: copied(topology), within_s=CAUGHT_UP_WITHIN_S, waiting_for="the replica to be fed")


@contextmanager
def applied(topology: Topology, rule: LinkRule) -> Iterator[str]:
    try:
        yield topology.apply(rule, by=1)
    finally:
        topology.mend(by=1)


def cut(topology: Topology, left: list[str], right: list[str]) -> AbstractContextManager[str]:
    return applied(topology, LinkRule(left, right))


# -- Nodes


def test_up_means_ready(nodes: Topology) -> None:
    """Everybody answers, follows and is known, by the addresses that the topology tells."""
    assert missing(nodes) == ()
    for node in nodes.plan.nodes:
        assert answers(nodes, node.name)
        at = nodes.address(node.name)
        assert nodes.node_at(at.host, at.port) == node.name
        assert nodes.state(node.name).running
    assert nodes.engine.startswith(("Redis ", "Valkey "))


@pytest.mark.parametrize("kind", TopologyKind)
def test_every_preset_fits(backend: Backend, kind: TopologyKind) -> None:
    """What it cannot run it must say before anything starts."""
    assert backend.fits(plan_on(backend, kind)) is None


def test_nodes_that_it_cannot_run_are_refused_by_name(backend: Backend) -> None:
    """A plan that does not fit is skipped with this reason."""
    plan = plan_on(backend)
    strange = NodePlan(name="the-application", role=NodeRole.OTHER)
    reason = backend.fits(plan_of(plan.scenario, (*plan.nodes, strange), backend=backend.KIND))
    assert reason is None or "the-application" in reason


def test_a_killed_node_is_gone_and_comes_back_where_it_was(nodes: Topology) -> None:
    """Proved gone when `kill` returns; started again with its own address."""
    before = nodes.address("redis-2")
    nodes.kill("redis-2")
    assert not nodes.state("redis-2").running
    assert not answers(nodes, "redis-2")
    nodes.start("redis-2")
    assert answers(nodes, "redis-2")
    assert nodes.address("redis-2") == before
    ready(nodes)


def test_a_stopped_node_ends_in_order(nodes: Topology) -> None:
    """SIGTERM: the server says goodbye in its log."""
    nodes.stop("redis-2")
    state = nodes.state("redis-2")
    assert (state.running, state.exit_code) == (False, 0)
    assert "bye bye" in nodes.logs("redis-2")
    nodes.start("redis-2")
    ready(nodes)


def test_a_restarted_sentinel_knows_its_primary(nodes: Topology) -> None:
    """A node's own folder survives its process."""
    nodes.kill("sentinel-1")
    nodes.start("sentinel-1")
    ready(nodes)


def test_a_running_node_is_not_started_twice(nodes: Topology) -> None:
    """Two servers on one folder would destroy it."""
    with pytest.raises(EnvironmentFailure, match="found it running"):
        nodes.start("redis-1")


def test_a_paused_node_keeps_its_connections_and_answers_nothing(nodes: Topology) -> None:
    """Clients hang instead of being refused; resumed, the same connection goes on."""
    with connect(nodes, "redis-2", timeout_s=5.0) as asked:
        nodes.pause("redis-2")
        try:
            state = nodes.state("redis-2")
            assert (state.running, state.paused) == (True, True)
            with pytest.raises(NoAnswer):
                command(nodes, "redis-2", "PING", timeout_s=0.3)
        finally:
            nodes.resume("redis-2")
        assert not nodes.state("redis-2").paused
        assert asked.call("PING") == "PONG"
    ready(nodes)


# -- Links


def links_needed(topology: Topology, backend: Backend) -> None:
    if topology.loopback or not backend.machine().network_faults:
        pytest.skip(f"no network faults here: {backend.machine().why_no_network_faults}")


def test_a_cut_is_between_its_sides_only(nodes: Topology, backend: Backend) -> None:
    """One web server loses one node; the other ones, and the observer, lose nothing."""
    links_needed(nodes, backend)
    with cut(nodes, ["redis-1"], ["web-1"]) as proof:
        assert proof
        assert not reaches(nodes, "web-1", "redis-1")
        assert reaches(nodes, "web-2", "redis-1")
        assert reaches(nodes, "web-1", "redis-2")
        assert answers(nodes, "redis-1")
    assert reaches(nodes, "web-1", "redis-1")


def test_a_cut_link_copies_nothing_until_it_is_mended(nodes: Topology, backend: Backend) -> None:
    """Also on connections that exist already."""
    links_needed(nodes, backend)
    fed(nodes)
    with cut(nodes, ["redis-1"], ["redis-2"]):
        assert not copied(nodes)
    fed(nodes)
    ready(nodes)


def test_cuts_of_two_faults_add_up(nodes: Topology, backend: Backend) -> None:
    """Healing one never heals the other."""
    links_needed(nodes, backend)
    nodes.apply(LinkRule(["redis-2"], ["web-1"]), by=1)
    nodes.apply(LinkRule(["redis-2"], ["web-1", "web-2"]), by=2)
    try:
        nodes.mend(by=1)
        assert not reaches(nodes, "web-1", "redis-2")
    finally:
        nodes.mend(by=1)
        nodes.mend(by=2)
    assert reaches(nodes, "web-1", "redis-2")
    assert reaches(nodes, "web-2", "redis-2")


def test_a_cut_outlives_the_process_behind_it(nodes: Topology, backend: Backend) -> None:
    """A node that is started again is still cut off."""
    links_needed(nodes, backend)
    with cut(nodes, ["redis-2"], ["web-1"]):
        nodes.kill("redis-2")
        nodes.start("redis-2")
        assert not reaches(nodes, "web-1", "redis-2")
        assert reaches(nodes, "web-2", "redis-2")
    ready(nodes)


@pytest.mark.parametrize(("way", "arrives"), [(Way.FROM, True), (Way.TO, False)])
def test_one_way_loses_replies_or_requests(
    nodes: Topology, backend: Backend, way: Way, arrives: bool
) -> None:
    """A client that gets no answer does not know which: with replies lost, its write was done."""
    links_needed(nodes, backend)
    key = f"one-way-{secrets.token_hex(4)}"
    at, secret = nodes.address("redis-1"), nodes.secrets.of(NodeRole.PRIMARY)
    with (
        blocking.connect(at, nodes.source("web-1"), who="redis-1", secret=secret, within_s=0.5) as client,
        applied(nodes, LinkRule(["web-1"], ["redis-1"], way=way)),
    ):
        with pytest.raises(NoAnswer):
            client.call("SET", key, "1")
        # Before it is mended: what was lost would be sent again.
        assert (command(nodes, "redis-1", "EXISTS", key) == 1) is arrives


def test_a_port_is_cut_and_the_others_are_not(nodes: Topology, backend: Backend) -> None:
    """A web server that cannot ask the sentinel, and reaches the primary all the same."""
    links_needed(nodes, backend)
    rule = LinkRule(["web-1"], ["redis-1", "sentinel-1"], port=LinkPort.SENTINEL)
    with applied(nodes, rule):
        assert not reaches(nodes, "web-1", "sentinel-1")
        assert reaches(nodes, "web-1", "redis-1")
        assert reaches(nodes, "web-2", "sentinel-1")
    assert reaches(nodes, "web-1", "sentinel-1")


def test_a_rule_about_no_link_has_no_effect(nodes: Topology, backend: Backend) -> None:
    """Nobody has a bus here, and web servers do not talk to each other."""
    links_needed(nodes, backend)
    for rule in (LinkRule(["redis-1"], ["redis-2"], port=LinkPort.BUS), LinkRule(["web-1"], ["web-2"])):
        with pytest.raises(NoEffect, match="found none"):
            nodes.apply(rule, by=3)
        nodes.mend(by=3)


def slow_links_needed(backend: Backend) -> None:
    if reason := backend.machine().why_no_slow_links:
        pytest.skip(f"no slow links here: {reason}")


def test_a_slow_link_is_slow_for_its_sides_only(nodes: Topology, backend: Backend) -> None:
    """Each way by its delay; when it is mended, as fast as before."""
    slow_links_needed(backend)
    assert round_trip_s(nodes, "web-1") < SLOW_S
    rule = LinkRule(["redis-1"], ["web-1"], quality=Quality(delay_s=SLOW_S))
    with applied(nodes, rule) as proof:
        assert "packets carried" in proof
        assert 2 * SLOW_S <= round_trip_s(nodes, "web-1") < 4 * SLOW_S
        assert round_trip_s(nodes, "web-2") < SLOW_S
    assert round_trip_s(nodes, "web-1") < SLOW_S
    ready(nodes)


def test_a_slow_link_outlives_the_process_behind_it(nodes: Topology, backend: Backend) -> None:
    """A node that is started again is as slow to reach as before."""
    slow_links_needed(backend)
    with applied(nodes, LinkRule(["redis-2"], ["web-1"], quality=Quality(delay_s=SLOW_S))):
        nodes.kill("redis-2")
        nodes.start("redis-2")
        assert round_trip_s(nodes, "web-1", "redis-2") >= 2 * SLOW_S
        assert round_trip_s(nodes, "web-2", "redis-2") < SLOW_S
    ready(nodes)


def test_a_narrow_link_carries_as_many_bytes_as_it_may(nodes: Topology, backend: Backend) -> None:
    """A large reply takes its time, and arrives whole."""
    slow_links_needed(backend)
    value, bytes_per_s = "x" * 60_000, 100_000
    command(nodes, "redis-1", "SET", "large", value)
    at, secret = nodes.address("redis-1"), nodes.secrets.of(NodeRole.PRIMARY)
    rule = LinkRule(["redis-1"], ["web-1"], quality=Quality(bytes_per_s=bytes_per_s))
    with (
        blocking.connect(at, nodes.source("web-1"), who="redis-1", secret=secret, within_s=10.0) as client,
        applied(nodes, rule),
    ):
        clock = RunClock()
        assert client.call("GET", "large") == value
        assert clock.now_us() / 1e6 >= 0.9 * len(value) / bytes_per_s


def test_a_link_that_refuses_does_so_at_once(nodes: Topology, backend: Backend) -> None:
    """Connections that exist are reset, new ones refused, and those of others are not touched."""
    slow_links_needed(backend)
    at, secret = nodes.address("redis-1"), nodes.secrets.of(NodeRole.PRIMARY)
    rule = LinkRule(["redis-1"], ["web-1"], quality=Quality(rejects=True))
    with (
        blocking.connect(at, nodes.source("web-1"), who="redis-1", secret=secret, within_s=5.0) as client,
        applied(nodes, rule) as proof,
    ):
        assert "packets refused" in proof
        clock = RunClock()
        with pytest.raises(NoAnswer):
            client.call("PING")
        assert isinstance(why_not(nodes, "web-1", "redis-1"), ConnectionRefusedError)
        assert clock.now_us() / 1e6 < 5.0, "nobody waited for an answer"
        assert reaches(nodes, "web-2", "redis-1")
        assert reaches(nodes, "web-1", "redis-2")
    assert reaches(nodes, "web-1", "redis-1")


def test_nodes_that_refuse_each_other_copy_nothing(nodes: Topology, backend: Backend) -> None:
    """Each learns of it from the other's end, and connects again when it is over."""
    slow_links_needed(backend)
    with applied(nodes, LinkRule(["redis-1"], ["redis-2"], quality=Quality(rejects=True))):
        assert not copied(nodes)
    fed(nodes)
    ready(nodes)


# -- What is left to read


def test_logs_are_the_last_lines(nodes: Topology) -> None:
    """As many as asked for, and no password among them."""
    lines = nodes.logs("redis-1", 3).splitlines()
    assert 0 < len(lines) <= 3


def test_collected_files_hold_no_secret(nodes: Topology, tmp_path: Path) -> None:
    """Every node's log and configuration, for the run's folder."""
    nodes.collect(tmp_path / "nodes")
    for node in nodes.plan.nodes:
        for kind in ("log", "conf"):
            text = (tmp_path / "nodes" / f"{node.name}.{kind}").read_text(encoding="utf-8")
            assert text
            assert nodes.secrets.redis not in text
            assert nodes.secrets.sentinel not in text


# -- Owners

HARNESS = """
import sys, time
from pathlib import Path
from harness.model.words import BackendKind
from harness.topology.backends import backend_of
from tests.integration.test_backend_conformance import TopologyKind, plan_on
backend = backend_of(BackendKind(sys.argv[1]))
hold = sys.argv[4] == "hold"
plan = plan_on(backend, TopologyKind.SINGLE)
with backend.up(plan, run=sys.argv[2], directory=Path(sys.argv[3]), to_hold=hold) as topology:
    print(topology.hold() if hold else "up", flush=True)
    if not hold:
        time.sleep(120)
"""


@pytest.fixture
def own_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of these tests lie apart from those of anything else on this machine."""
    (tmp_path / "state").mkdir()
    monkeypatch.setenv(state_files.STATE, str(tmp_path / "state"))


def harness(backend: Backend, run: str, directory: Path, what: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HARNESS, str(backend.KIND), run, str(directory), what],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )


def left_of(backend: Backend, run: str) -> list[str]:
    return [str(one) for one in backend.leftovers() if run in str(one)]


@pytest.mark.usefixtures("own_records")
def test_what_a_killed_owner_left_is_cleaned_and_nothing_else(backend: Backend, tmp_path: Path) -> None:
    """`clean` after SIGKILL: its nodes go, those of a living owner stay, and so does every file of the run."""
    dead, living = (f"test-{secrets.token_hex(4)}" for _ in range(2))
    plan = plan_on(backend, TopologyKind.SINGLE)
    with backend.up(plan, run=living, directory=tmp_path / "living") as topology:
        with harness(backend, dead, tmp_path / "dead", "wait") as killed:
            assert killed.stdout is not None
            assert killed.stdout.readline() == "up\n"
            assert left_of(backend, dead) == []
            killed.kill()
        assert left_of(backend, dead)
        files = {path for path in (tmp_path / "dead").rglob("*") if path.is_file()}
        assert any(dead in line for line in backend.clean())
        assert left_of(backend, dead) == []
        assert files <= {path for path in (tmp_path / "dead").rglob("*") if path.is_file()}
        assert answers(topology, "redis-1")
    assert left_of(backend, living) == []


@pytest.mark.usefixtures("own_records")
def test_a_held_topology_outlives_its_owner(backend: Backend, tmp_path: Path) -> None:
    """It is no leftover; it is attached to, let go and attached to again; `close` takes it down."""
    if backend.machine().own_containers:
        pytest.skip("a project of a user's own is never held: `docker compose up` does that")
    run = f"test-{secrets.token_hex(4)}"
    with harness(backend, run, tmp_path / "held", "hold") as ended:
        assert ended.stdout is not None
        record = Path(ended.stdout.read().strip())
    assert record in backend.held()
    assert left_of(backend, run) == []
    assert backend.beside(record, ["status"]) is None, "this process started it, so here is right"
    first = backend.attach(record)
    assert command(first, "redis-1", "SET", "kept", "1") == "OK"
    assert command(first, "redis-1", "SAVE") == "OK"
    first.kill("redis-1")
    first.let_go()
    again = backend.attach(record)
    assert not again.state("redis-1").running
    again.start("redis-1")
    assert command(again, "redis-1", "DBSIZE") == 1, "a node's data survive its process"
    assert isinstance(again, Spoilable)
    again.obstruct("redis-1")
    again.kill("redis-1")
    again.start("redis-1")
    assert command(again, "redis-1", "DBSIZE") == 1, "a full volume can be read"
    with pytest.raises(ErrorReply):
        command(again, "redis-1", "SAVE")
    again.kill("redis-1")
    again.clear("redis-1")
    again.start("redis-1")
    assert command(again, "redis-1", "DBSIZE") == 1, "a snapshot outlives that none can be written"
    again.kill("redis-1")
    again.start("redis-1", empty=True)
    assert command(again, "redis-1", "DBSIZE") == 0, "nothing is left where an empty start is asked for"
    again.close()
    assert record not in backend.held()
    assert left_of(backend, run) == []
    with pytest.raises(EnvironmentFailure, match="taken down"):
        backend.attach(record)


def test_it_says_what_it_can_do_here(backend: Backend) -> None:
    """`doctor` prints it, and planning goes by it."""
    survey, machine = backend.survey(), backend.machine()
    assert survey.usable
    assert survey.lines[0].startswith(f"{backend.KIND} backend: yes")
    assert machine.backend is backend.KIND
    assert machine.network_faults is not bool(machine.why_no_network_faults)
    assert machine.cpus >= 1


def test_a_command_starts_where_nodes_can_be_made(backend: Backend) -> None:
    """The way in ends with the command itself."""
    said = subprocess.run(
        [*backend.inside(), sys.executable, "-c", "print('here')"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert said.stdout == "here\n"
