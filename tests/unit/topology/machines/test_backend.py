"""What the machines backend says before it has reached any host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.cli import main
from harness.errors import EnvironmentFailure, ExitStatus, UsageError
from harness.model.guest import Container, Guest
from harness.model.hosts import ALLOW_REMOTE, NAMED
from harness.model.inventory import NodePlan
from harness.model.pins import Pins
from harness.model.plan import Plan
from harness.model.scenario import FaultStep, Start, Workload
from harness.model.words import BackendKind, NodeRole, TopologyKind
from harness.presets import of_topology
from harness.presets.placing import over
from harness.topology.docker.image import DEBIAN_IMAGES
from harness.topology.machines import backend, topology, tunnel
from lab.plans import plan_of, scenario_of
from tests.builders_topology import topology_spec
from tests.fakes import make_plan

QUIET = """\
scenario: 1
name: quiet
deployment: {topology: {kind: sentinel}}
workload: {rate: 50/s, users: 5, mix: {read: 1}}
"""


@pytest.fixture(autouse=True)
def able(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that could."""
    monkeypatch.setattr(tunnel, "why_not", lambda: "")
    monkeypatch.delenv(NAMED, raising=False)


def test_without_hosts_it_says_how_to_name_them() -> None:
    """`auto` never takes it, and `doctor` says why."""
    reason = str(backend.unavailable())
    assert "FAILOVER_KIT_HOSTS" in reason
    assert backend.survey().lines == (f"machines backend: no: {reason}",)


def test_hosts_that_cannot_be_read_are_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """And no crash of `doctor`."""
    monkeypatch.setenv(NAMED, "nonsense")
    assert "expected NAME=ENGINE" in str(backend.unavailable())
    assert backend.leftovers() == ()
    with pytest.raises(UsageError, match="expected NAME=ENGINE"):
        backend.clean()


def test_without_hosts_nothing_is_cleaned() -> None:
    """No host is asked."""
    assert backend.clean() == []


def test_it_needs_a_way_to_the_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which only root can make."""
    monkeypatch.setattr(tunnel, "why_not", lambda: "needs root")
    assert backend.unavailable() == "needs root"


def test_nodes_that_it_cannot_run_are_refused() -> None:
    """By name, before anything starts."""
    plan = make_plan(TopologyKind.SENTINEL)
    assert backend.fits(plan) is None
    strange = NodePlan(name="the-application", role=NodeRole.OTHER)
    scenario = scenario_of(topology_spec(TopologyKind.SENTINEL))
    reason = backend.fits(plan_of(scenario, (*plan.nodes, strange), backend=BackendKind.MACHINES))
    assert "the-application" in str(reason)


def with_guest(*hosts: str, fault: str = "") -> Plan:
    """Two web servers of a guest in containers, beside nodes on a, b and c."""
    guest = Guest(name="shop", file="guest.yaml", folder=".", container=Container(image="shop", hosts=hosts))
    spec = topology_spec(TopologyKind.SENTINEL, zones=3)
    faults = (FaultStep(number=1, kind="lose", target=fault, start=Start(after_s=1)),) if fault else ()
    scenario = scenario_of(spec, faults=faults, workload=Workload(web_servers=2))
    scenario = replace(scenario, deployment=replace(scenario.deployment, guest=guest))
    return plan_of(scenario, of_topology(spec).nodes, backend=BackendKind.MACHINES)


@pytest.mark.parametrize(
    ("named", "on"),
    [((), ["a", "b"]), (("c",), ["c", "c"]), (("c", "b"), ["c", "b"])],
)
def test_web_servers_of_a_guest_are_where_its_file_says(named: Sequence[str], on: Sequence[str]) -> None:
    """In turn; if it says nothing, on all hosts."""
    assert [*topology.web_servers_over(with_guest(*named), ("a", "b", "c")).values()] == on
    assert topology.web_servers_over(make_plan(TopologyKind.SENTINEL), ("a", "b")) == {}


@pytest.mark.parametrize(
    ("plan", "said"),
    [
        (with_guest("d"), "there is no host d for the guest, only a, b, c"),
        (with_guest(fault="host b"), "host b: web-2 of the guest is on that host or may be"),
        (with_guest("c", fault="host of primary"), "host of primary: web-1 of the guest"),
        (with_guest("c", fault="zone c"), "zone c: web-1 of the guest"),
    ],
)
def test_a_guest_that_would_share_the_fate_of_a_host_is_refused(
    plan: Plan, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one on a host that nobody knows."""
    monkeypatch.setenv(NAMED, "a=unix:///a,b=unix:///b,c=unix:///c")
    assert said in str(backend.fits(plan))


def test_a_guest_elsewhere_does_not_share_the_fate_of_a_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file names another one."""
    monkeypatch.setenv(NAMED, "a=unix:///a,b=unix:///b,c=unix:///c")
    assert backend.fits(with_guest("c", fault="host b")) is None


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({"join": "mine"}, UsageError, "--join mine"),
        ({"pins": Pins(port=6379)}, UsageError, "--pin"),
        ({}, EnvironmentFailure, "FAILOVER_KIT_HOSTS"),
    ],
)
def test_what_cannot_be_had_is_refused_before_any_host_is_asked(
    given: dict[str, object], error: type[Exception], said: str, tmp_path: Path
) -> None:
    """With what was asked for."""
    plan = make_plan(TopologyKind.SENTINEL)
    with pytest.raises(error, match=said), backend.up(plan, run="x", directory=tmp_path, **given):  # type: ignore[arg-type]
        pass


def nodes(**hosts: str) -> list[NodePlan]:
    return [NodePlan(name=name, role=NodeRole.REPLICA, host=host) for name, host in hosts.items()]


def test_a_named_host_keeps_its_nodes() -> None:
    """And zones of other names become hosts, all nodes of one on the same."""
    found = over(nodes(r1="b", r2="x", r3="y", r4="x"), ("a", "b"))
    assert found == {"r1": "b", "r2": "a", "r3": "b", "r4": "a"}


def test_nodes_without_a_host_are_spread() -> None:
    """As over zones."""
    assert set(over(make_plan(TopologyKind.SENTINEL).nodes, ("a", "b", "c")).values()) == {"a", "b", "c"}


def test_hosts_on_the_command_line_are_known_to_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also whether an engine may be elsewhere: the run itself is a process of its own."""
    monkeypatch.setenv(NAMED, "")
    monkeypatch.setenv(ALLOW_REMOTE, "")
    file = tmp_path / "quiet.yaml"
    file.write_text(QUIET, encoding="utf-8")
    words = [
        "run",
        "--backend",
        "machines",
        "--hosts",
        "a=unix:///nobody",
        "--allow-remote-engine",
        str(file),
    ]
    assert main(words) == ExitStatus.ENVIRONMENT
    assert "--backend machines" in capsys.readouterr().err
    assert (os.environ[NAMED], os.environ[ALLOW_REMOTE]) == ("a=unix:///nobody", "1")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (
            ("--hosts", "foo"),
            "--hosts: expected NAME=ENGINE for each host, such as a=ssh://ops@a,b=context:b",
        ),
        (("--backend", "machines", "--hosts", ","), "--hosts: expected NAME=ENGINE for each host, found ','"),
        (("--hosts", "a=unix:///x,a=unix:///y"), "--hosts: expected a name for each host, found 'a' twice"),
        (("--hosts", "a=unix:///x"), "--hosts: expected --backend machines, found --backend auto"),
        (("--backend", "process", "--hosts", "a=unix:///x"), "found --backend process"),
        (("--backend", "machine"), "(choose from 'auto', 'compose', 'docker', 'machines', 'process')"),
    ],
)
def test_hosts_that_nobody_would_use_are_refused(
    words: Sequence[str],
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nodes would be started elsewhere than the command says."""
    monkeypatch.setenv(NAMED, "")
    file = tmp_path / "quiet.yaml"
    file.write_text(QUIET, encoding="utf-8")
    try:
        status = main(["run", *words, str(file)])
    except SystemExit as ended:
        status = int(ended.code or 0)
    assert status == ExitStatus.USAGE
    assert expected in capsys.readouterr().err


def test_what_waits_runs_the_nodes_own_image_if_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    """A published one has no tools for rules; then another image is carried too, or the build is named."""
    own = DEBIAN_IMAGES["redis-7.0"].tag
    monkeypatch.setattr(topology, "any_debian_image", lambda: "another")
    assert topology._with_tools(own) == own
    assert topology._with_tools("redis:8.0.2") == "another"
    monkeypatch.setattr(topology, "any_debian_image", lambda: None)
    with pytest.raises(EnvironmentFailure, match="make image"):
        topology._with_tools("redis:8.0.2")
