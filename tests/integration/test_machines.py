"""What only the machines backend has, over the engines that the environment names: `make test-machines`."""

from __future__ import annotations

import gc
import json
import os
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import history
from harness.application import IDS_EACH
from harness.cli import main
from harness.clock import WaitExpired, wait_until
from harness.errors import ExitStatus, HostVanished
from harness.model.hosts import NAMED
from harness.model.links import LinkRule
from harness.model.words import Outcome, TopologyKind
from harness.saved import load
from harness.topology.base.readiness import answers
from harness.topology.docker.image import choose_image
from harness.topology.machines import backend, hosts, overlay
from harness.topology.machines.topology import MachinesTopology
from lab.machines import engines, guardian
from tests.builders_faults import heal, inject, reaches, scene_on
from tests.builders_topology import kit_image_needed
from tests.integration.test_backend_conformance import plan_on, ready
from tests.integration.test_guests import PERL, anywhere

pytestmark = pytest.mark.docker

SHORT_SILENCE_S = 6.0
"""More than the controller's own beat takes, on a machine three times as slow."""
TAKEN_BACK_WITHIN_S = 60.0
MOST_APART_US = 1_000_000
"""Of clocks of one machine, however busy."""


@pytest.fixture(scope="module")
def machines() -> list[str]:
    if reason := backend.unavailable():
        pytest.skip(f"no machines here: {reason}")
    return list(hosts.named())


@pytest.fixture
def nodes(machines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MachinesTopology]:
    assert machines
    monkeypatch.setattr(overlay, "SILENCE_S", SHORT_SILENCE_S)
    plan = plan_on(backend, TopologyKind.SENTINEL, replicas=1, sentinels=1)
    with backend.up(plan, run=f"test-{secrets.token_hex(4)}", directory=tmp_path) as topology:
        yield topology


def cut(topology: MachinesTopology, node: str) -> bool:
    return "DROP" in topology.links.run_at(node, "iptables-save -t filter")


def test_rules_outlive_the_beat_and_end_with_the_controller(nodes: MachinesTopology) -> None:
    """A cut stays for as long as the controller is heard, and is taken back by the hosts when it is not."""
    nodes.apply(LinkRule(["redis-1"], ["redis-2"]), by=1)
    with pytest.raises(WaitExpired):
        wait_until(
            lambda: not cut(nodes, "redis-1"), within_s=2 * SHORT_SILENCE_S, waiting_for="a rule to end"
        )
    assert nodes.way is not None
    os.kill(nodes.way.pid, signal.SIGKILL)
    wait_until(
        lambda: not cut(nodes, "redis-1") and not cut(nodes, "redis-2"),
        within_s=TAKEN_BACK_WITHIN_S,
        waiting_for="the hosts to take back the rules",
    )


def test_nodes_are_spread_over_the_hosts(nodes: MachinesTopology, machines: list[str]) -> None:
    """A primary and its replica are on different ones."""
    assert nodes.host_of("redis-1") != nodes.host_of("redis-2")
    assert {nodes.host_of(node.name) for node in nodes.plan.nodes} <= set(machines)


def test_a_host_is_isolated_and_lost(machines: list[str], tmp_path: Path) -> None:
    """Whoever is on it is cut off or gone, and comes back; nobody else is, and the controller sees both sides."""
    plan = plan_on(backend, TopologyKind.SENTINEL, replicas=1, sentinels=3, zones=len(machines))
    with backend.up(plan, run=f"test-{secrets.token_hex(4)}", directory=tmp_path) as topology:
        scene = scene_on(topology)
        there = [node.name for node in plan.nodes if node.host == "b"]
        assert "redis-2" in there
        effect = inject(scene, "isolate", "host b")
        assert set(effect.targets) == set(there)
        assert answers(topology, "redis-2")
        assert not reaches(topology, "web-1", "redis-2")
        assert reaches(topology, "web-1", "redis-1")
        heal(scene, effect, "isolate", "host b")
        assert reaches(topology, "web-1", "redis-2")
        effect = inject(scene, "lose", "host b")
        assert not any(topology.state(name).running for name in there)
        assert all(topology.state(node.name).running for node in plan.nodes if node.name not in there)
        heal(scene, effect, "lose", "host b")
        assert all(answers(topology, name) for name in there)
        assert not any(cut(topology, node.name) for node in plan.nodes)
        assert reaches(topology, "web-1", "redis-2")
        ready(topology)


def test_workers_on_hosts_make_one_history(machines: list[str], tmp_path: Path) -> None:
    """Each sends from its host. A web server is on the wrong side of a partition, and another one of the same
    worker is not. What they recorded is one history, and the clocks are known."""
    kit_image_needed()
    on = f"deployment.workers=[{', '.join(machines[:2])}]"
    changed = [on, "workload.rate=60/s", "workload.users=200"]
    words = ["run", "sentinel/04", "--backend", "machines", "--seed", "1", "--out", str(tmp_path)]
    for one in changed:
        words += ["--set", one]
    assert main(words) in {ExitStatus.PASSED, ExitStatus.INCONCLUSIVE}
    (result,) = load(tmp_path / "latest").results
    past = history.read(tmp_path / "latest" / result.run_dir)
    assert past.complete, result.reasons
    assert result.judgement is not None
    for number, own in ((1, {"web-1", "web-3"}), (2, {"web-2"})):
        assert {one.web_server for one in past.operations if one.id // IDS_EACH == number} == own
        assert any(one.clock == f"worker-{number}" for one in past.clock_readings)
    assert {one.web_server for one in past.operations if one.client_side == "with-primary"} == {"web-1"}
    assert 0 < past.clocks_apart_us < MOST_APART_US
    assert list(backend.leftovers()) == []


SIDES = ("with-primary", "rest")
CUT_OFF = """\
scenario: 1
name: a web server on another host is cut off from the node
deployment: {topology: {kind: single}, guest: ./guest.yaml}
workload: {rate: 20/s, users: 20, web_servers: 2, mix: {log-in: 1, read: 5}}
faults:
  - {after: 3s, isolate: primary, with: web-1, for: 3s}
"""


def test_a_guest_is_on_hosts(machines: list[str], tmp_path: Path) -> None:
    """Its containers are where its file says, are reached from here, and are told apart by a partition."""
    container = {"image": choose_image(None).name, "command": ["perl", "-e", PERL.read_text("utf-8")]}
    there = machines[1:]
    anywhere(tmp_path, f"container: {json.dumps({**container, 'hosts': there})}")
    (tmp_path / "s.yaml").write_text(CUT_OFF)
    words = ["run", str(tmp_path / "s.yaml"), "--backend", "machines", "--seed", "1", "--out", str(tmp_path)]
    assert main(words) in {ExitStatus.PASSED, ExitStatus.INCONCLUSIVE}
    (result,) = load(tmp_path / "latest").results
    past = history.read(tmp_path / "latest" / result.run_dir)
    assert past.complete, result.reasons
    on_side = {side: [one for one in past.operations if one.client_side == side] for side in SIDES}
    assert {one.web_server for one in on_side["with-primary"]} == {"web-1"}
    assert {one.outcome for one in on_side["with-primary"] if one.sent_us} == {Outcome.ACKED}
    assert {one.web_server for one in on_side["rest"]} == {"web-2"}
    assert any(one.outcome is not Outcome.ACKED for one in on_side["rest"] if one.sent_us)
    assert list(backend.leftovers()) == []


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_host_that_vanishes_is_named_and_the_rest_is_removed(
    machines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine failed and not the topology; nothing is left where somebody answers."""
    assert machines
    run = f"test-{secrets.token_hex(4)}"
    with guardian.guarded(2) as found:
        monkeypatch.setenv(NAMED, ",".join(f"{name}={where}" for name, where in found.items()))
        plan = plan_on(backend, TopologyKind.SENTINEL, replicas=1, sentinels=1)
        topologies = backend.up(plan, run=run, directory=tmp_path)
        topology = topologies.__enter__()
        try:
            assert answers(topology, "redis-1")
            engines.kill(found["b"])
            with pytest.raises(HostVanished, match="host b"):
                topology.state("redis-2")
        finally:
            with pytest.raises(HostVanished, match="host b"):
                topologies.__exit__(None, None, None)
        monkeypatch.setenv(NAMED, f"a={found['a']}")
        assert [one for one in backend.leftovers() if one.run == run] == []
    gc.collect()  # the client library forgets a socket for each engine that it cannot reach
