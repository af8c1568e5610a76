"""Every fault against fake nodes: its effect is proved, and without effect it says so.

`test_every_fault_owns_tests` enumerates the table: a new fault without tests in here fails.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.clock import RunClock, wait_until
from harness.errors import EnvironmentFailure, Interrupted, NoEffect
from harness.faults import FAULTS, lose_power, planned_failover, skew_clock
from harness.faults.director import WITHOUT_EFFECT
from harness.faults.kill import exits
from harness.faults.slow import quality
from harness.model.deployment import Project
from harness.model.inventory import NodePlan
from harness.model.links import Quality
from harness.model.plan import Plan
from harness.model.seams import Address, Effect, Fault, Forgetful, Lasting, Machine, NodeState
from harness.model.words import BackendKind, NodeRole, TopologyKind, Trait
from harness.redis_wire.protocol import NoAnswer
from tests.fakes import FakeWorld, fake_world, make_plan, step
from tests.unit.faults import test_command_faults

MACHINE = Machine(backend=BackendKind.PROCESS, network_faults=True)
NO_NETWORK = Machine(backend=BackendKind.PROCESS, network_faults=False, why_no_network_faults="not root")

CAUGHT_UP = {"redis-2": 1000, "redis-3": 400}
"""Replica -> the offset that it has acknowledged: one has all that its primary wrote."""


def skewed_plan() -> Plan:
    """Its nodes are started with clocks of their own."""
    return make_plan(TopologyKind.SENTINEL, step("skew clock"))


class Worlds:
    """Makes fake worlds and closes them when the test is over."""

    def __init__(self, closing: ExitStack) -> None:
        self._closing = closing

    def __call__(self, plan: Plan) -> FakeWorld:
        world = fake_world(plan)
        self._closing.callback(world.topology.close)
        return world


@pytest.fixture
def worlds() -> Iterator[Worlds]:
    with ExitStack() as closing:
        yield Worlds(closing)


def inject(world: FakeWorld, kind: str, target: str = "primary", **changes: Any) -> Effect:
    return FAULTS[kind].inject(step(kind, target, **changes), world.scene)


# --- kill


def test_kill_takes_the_primary_down(worlds: Worlds) -> None:
    """The effect is a process that is gone, and names which one it was."""
    world = worlds(make_plan())
    effect = inject(world, "kill")
    assert effect.targets == ("redis-1",)
    assert not world.topology.state("redis-1").running
    assert "redis-1-" in effect.proof
    assert "exit code -9" in effect.proof
    assert 0 <= effect.error_us < 1_000_000


def test_process_of_another_harness_has_no_exit_code() -> None:
    """Only the parent of a process learns how it ended; in a held topology that is somebody else."""
    states = {"redis-1": NodeState(running=False), "redis-2": NodeState(running=False, exit_code=0)}
    assert exits(states) == "redis-1 ended, redis-2 exit code 0"


@pytest.mark.parametrize(
    ("target", "nodes"),
    [
        ("sentinel", ("sentinel-1",)),
        ("all sentinels", ("sentinel-1", "sentinel-2", "sentinel-3")),
        ("all replicas", ("redis-2", "redis-3")),
    ],
)
def test_kill_takes_sentinels_and_replicas(worlds: Worlds, target: str, nodes: tuple[str, ...]) -> None:
    """Everything that runs can be killed, one or several at a time."""
    world = worlds(make_plan())
    assert inject(world, "kill", target).targets == nodes
    assert world.topology.did == [f"kill {node}" for node in nodes]


def test_kill_of_a_dead_node_has_no_effect(worlds: Worlds) -> None:
    """What is down already cannot be killed: the run must not count it."""
    world = worlds(make_plan(TopologyKind.SINGLE))
    inject(world, "kill")
    with pytest.raises(NoEffect, match="is already down"):
        inject(world, "kill")


def test_kill_that_leaves_the_process_has_no_effect(worlds: Worlds) -> None:
    """Asking is not proof."""
    world = worlds(make_plan())
    world.topology.broken.add("kill")
    with pytest.raises(NoEffect, match="still running"):
        inject(world, "kill")


def test_kill_heals_only_with_a_hold(worlds: Worlds) -> None:
    """`for:` starts the node again; without it the node stays down."""
    world = worlds(make_plan())
    effect = inject(world, "kill")
    assert FAULTS["kill"].heal(step("kill"), effect, world.scene) is None
    assert not world.topology.state("redis-1").running
    healed = FAULTS["kill"].heal(step("kill", for_s=1.0), effect, world.scene)
    assert healed is not None
    assert "redis-1-" in healed
    assert FAULTS["kill"].heal(step("kill", for_s=1.0), effect, world.scene), "healing twice is harmless"
    assert world.topology.did == ["kill redis-1", "start redis-1"]


def test_kill_leaves_a_stranger_alone(worlds: Worlds) -> None:
    """Another process at a node's address is never killed."""
    world = worlds(make_plan())
    world.topology.nodes["redis-1"].pid = 1
    with pytest.raises(EnvironmentFailure, match="the kit did not touch it"):
        inject(world, "kill")
    assert world.topology.did == []


def test_kill_knows_when_the_process_went(worlds: Worlds) -> None:
    """A backend that is slow to report does not blur the moment: the connection's end tells it."""
    world = worlds(make_plan())
    kill, went = world.topology.kill, []

    def slow_to_report(node: str) -> None:
        kill(node)
        went.append(world.observed.now_us())
        until_us = went[0] + 300_000
        wait_until(lambda: world.observed.now_us() > until_us, within_s=1, waiting_for="the backend")

    world.topology.kill = slow_to_report  # type: ignore[method-assign]
    effect = inject(world, "kill")
    assert abs(effect.at_us - went[0]) < 100_000
    assert effect.error_us < 100_000


def test_kill_of_a_paused_node_is_proved_by_the_topology(worlds: Worlds) -> None:
    """It cannot be asked whether it lives."""
    world = worlds(make_plan())
    paused = inject(world, "pause")
    world.scene = replace(world.scene, resolved={1: paused.targets})
    effect = inject(world, "kill", "paused", number=2)
    assert "known by its process" in effect.proof
    assert effect.error_us > 0


# --- stop


def test_stop_shuts_the_primary_down(worlds: Worlds) -> None:
    """SIGTERM, with the exit code as it came."""
    world = worlds(make_plan())
    effect = inject(world, "stop")
    assert world.topology.did == ["stop redis-1"]
    assert "exit code 0" in effect.proof


def test_stop_that_is_ignored_has_no_effect(worlds: Worlds) -> None:
    """A server that does not go is not stopped."""
    world = worlds(make_plan())
    world.topology.broken.add("stop")
    with pytest.raises(NoEffect, match="still running"):
        inject(world, "stop")


def test_stop_heals_with_a_hold(worlds: Worlds) -> None:
    """The node comes back with its data after `for:`."""
    world = worlds(make_plan())
    effect = inject(world, "stop")
    assert FAULTS["stop"].heal(step("stop"), effect, world.scene) is None
    assert FAULTS["stop"].heal(step("stop", for_s=1.0), effect, world.scene)
    assert world.topology.state("redis-1").running
    assert world.topology.nodes["redis-1"].keys == {0: 10}


# --- pause and resume


def test_pause_silences_the_node_until_healed(worlds: Worlds) -> None:
    """Frozen means no answer; healed means that it answers."""
    world = worlds(make_plan())
    effect = inject(world, "pause")
    assert "no answer" in effect.proof
    assert FAULTS["pause"].in_force(effect, world.scene)  # type: ignore[attr-defined]
    assert "answering: redis-1" in str(FAULTS["pause"].heal(step("pause"), effect, world.scene))
    assert not FAULTS["pause"].in_force(effect, world.scene)  # type: ignore[attr-defined]


def test_pause_that_does_not_freeze_has_no_effect(worlds: Worlds) -> None:
    """A node that still answers was not paused, whatever the backend says."""
    world = worlds(make_plan())
    world.topology.broken.add("pause")
    with pytest.raises(NoEffect, match="still answering"):
        inject(world, "pause")


def test_pause_of_a_paused_node_has_no_effect(worlds: Worlds) -> None:
    """Twice frozen is once frozen."""
    world = worlds(make_plan())
    inject(world, "pause")
    with pytest.raises(NoEffect, match="paused already"):
        inject(world, "pause")
    assert world.topology.state("redis-1").paused


def test_pause_that_fails_midway_resumes_what_it_froze(worlds: Worlds) -> None:
    """Nothing stays frozen behind an error."""
    world = worlds(make_plan())
    pause, turns = world.topology.pause, []

    def second_fails(node: str) -> None:
        turns.append(node)
        if len(turns) == 2:
            raise EnvironmentFailure("no such process")
        pause(node)

    world.topology.pause = second_fails  # type: ignore[method-assign]
    with pytest.raises(EnvironmentFailure):
        inject(world, "pause", "all replicas")
    assert not world.topology.state("redis-2").paused


def test_pause_heals_without_a_node_that_died_meanwhile(worlds: Worlds) -> None:
    """Healing wakes the living and says who is down."""
    world = worlds(make_plan())
    effect = inject(world, "pause")
    world.topology.kill("redis-1")
    assert "down meanwhile: redis-1" in str(FAULTS["pause"].heal(step("pause"), effect, world.scene))


def test_resume_wakes_what_was_paused(worlds: Worlds) -> None:
    """`resume: paused` ends an earlier pause at a moment of its own."""
    world = worlds(make_plan())
    paused = inject(world, "pause")
    world.scene = replace(world.scene, resolved={1: paused.targets})
    effect = inject(world, "resume", "paused", number=2)
    assert effect.targets == ("redis-1",)
    assert not world.topology.state("redis-1").paused
    with pytest.raises(NoEffect, match="no node matches target `paused`"):
        inject(world, "resume", "paused", number=3)


def test_resume_that_does_not_wake_has_no_effect(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that stays frozen was not resumed."""
    monkeypatch.setattr("harness.faults.pause._ANSWERS_AGAIN_S", 0.2)
    world = worlds(make_plan())
    paused = inject(world, "pause")
    world.scene = replace(world.scene, resolved={1: paused.targets})
    world.topology.broken.add("resume")
    with pytest.raises(NoEffect, match="redis-1"):
        inject(world, "resume", "paused", number=2)


# --- restart


def test_restart_of_a_running_primary_is_kill_and_start(worlds: Worlds) -> None:
    """A new run_id proves it, and the effect is when service stopped."""
    world = worlds(make_plan())
    effect = inject(world, "restart")
    assert world.topology.did == ["kill redis-1", "start redis-1"]
    assert "new run_id" in effect.proof
    assert "down for" in effect.proof


def test_restart_empty_wipes_the_node(worlds: Worlds) -> None:
    """The node comes back with nothing."""
    world = worlds(make_plan())
    world.topology.nodes["redis-1"].disk = {0: 10}
    effect = inject(world, "restart", options={"data": "empty"})
    assert world.topology.did == ["kill redis-1", "start redis-1 empty"]
    assert "directory wiped, came back with 0 keys" in effect.proof


def test_restart_empty_that_read_its_data_has_no_effect(worlds: Worlds) -> None:
    """Keys read from disk after a wipe: it was not empty."""
    world = worlds(make_plan())
    world.topology.nodes["redis-1"].loaded_from_disk = 7
    with pytest.raises(NoEffect, match="read 7 keys from disk"):
        inject(world, "restart", options={"data": "empty"})


def test_restart_of_killed_nodes_starts_them(worlds: Worlds) -> None:
    """`restart: killed` brings back exactly what earlier faults took down."""
    world = worlds(make_plan())
    killed = inject(world, "kill", "all replicas")
    world.scene = replace(world.scene, resolved={1: killed.targets})
    effect = inject(world, "restart", "killed", number=2)
    assert effect.targets == ("redis-2", "redis-3")
    assert "was down" in effect.proof
    with pytest.raises(NoEffect, match="no node matches target `killed`"):
        inject(world, "restart", "killed", number=3)


def test_restart_with_other_settings_and_another_engine(worlds: Worlds) -> None:
    """What the new process is started with is changed while the node is down."""
    world = worlds(make_plan())
    effect = inject(world, "restart", options={"redis": 'appendonly "yes"\nsave 5 1', "engine": "valkey-9.1"})
    changed = 'change redis-1 appendonly "yes"; save 5 1; valkey-9.1'
    assert world.topology.did == ["kill redis-1", changed, "start redis-1"]
    assert 'started with appendonly "yes", save 5 1, Redis 9.1.0 in the place of Redis 7.0.15' in effect.proof


@pytest.mark.parametrize(
    ("options", "target", "machine", "reason"),
    [
        ({"engine": "valkey-9.1"}, "replica", MACHINE, "nodes as processes can change their engine"),
        ({"redis": "appendonly yes"}, "sentinel", MACHINE, "for nodes with data"),
        ({"redis": "appendonly yes"}, "primary", replace(MACHINE, own_containers=True), "change its files"),
        ({"address": "new"}, "primary", MACHINE, "containers of a run keep theirs"),
        (
            {"address": "new"},
            "primary",
            replace(NO_NETWORK, programs=True),
            "networks of their own: not root",
        ),
        ({"address": "new"}, "all sentinels", replace(MACHINE, programs=True), "sentinels and proxies keep"),
    ],
)
def test_restart_changes_only_what_the_kit_starts(
    options: dict[str, str], target: str, machine: Machine, reason: str
) -> None:
    """An image is what it is, and so is a project of somebody else."""
    asked = step("restart", target, options=options)
    assert reason in str(FAULTS["restart"].fits(asked, make_plan(), machine))
    able = replace(MACHINE, programs=True)
    assert FAULTS["restart"].fits(step("restart", options=options), make_plan(), able) is None


def test_restart_under_another_address(worlds: Worlds) -> None:
    """It moves while it is down; what has no data does not move."""
    world = worlds(make_plan())
    effect = inject(world, "restart", options={"address": "new"})
    assert world.topology.did == ["kill redis-1", "move redis-1", "start redis-1"]
    assert ", at 127.0.0.9 in the place of 127.0.0.1" in effect.proof
    inject(world, "restart", "replica", options={"address": "abandoned"})
    assert "move redis-2 to an abandoned address" in world.topology.did
    with pytest.raises(NoEffect, match="sentinel-1 keeps its address"):
        inject(world, "restart", "sentinel", options={"address": "new"})


def test_restart_in_the_other_order(worlds: Worlds) -> None:
    """Whoever went last comes first, as after a power cut."""
    world = worlds(make_plan())
    killed = inject(world, "kill", "all replicas")
    world.scene = replace(world.scene, resolved={1: killed.targets})
    effect = inject(world, "restart", "killed", number=2, options={"reversed": True})
    assert effect.targets == ("redis-3", "redis-2")


def test_start_counts_from_the_first_answer_not_from_its_report(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process serves users while the backend still waits to say that it runs."""
    world = worlds(make_plan())
    killed = inject(world, "kill", "primary")
    world.scene = replace(world.scene, resolved={1: killed.targets})
    begun = world.topology.start

    def slowly(node: str, *, empty: bool = False) -> None:
        RunClock().sleep(0.2)
        begun(node, empty=empty)
        RunClock().sleep(0.4)

    monkeypatch.setattr(world.topology, "start", slowly)
    asked_us = world.scene.observed.now_us()
    effect = inject(world, "restart", "killed", number=2)
    reported_us = world.scene.observed.now_us()
    assert asked_us + 200_000 <= effect.at_us <= reported_us - 300_000
    assert effect.error_us < 100_000


def test_users_log_ins_are_not_what_a_node_came_back_with(worlds: Worlds) -> None:
    """Without persistence it read nothing: the keys that it has by then are new."""
    world = worlds(make_plan())
    world.topology.nodes["redis-1"].disk = {0: 529}
    assert "came back with 0 keys" in inject(world, "restart").proof


def test_restart_that_answers_as_before_has_no_effect(worlds: Worlds) -> None:
    """The same run_id means the same process."""
    world = worlds(make_plan())
    world.topology.broken.add("start")
    with pytest.raises(NoEffect, match="it was not restarted"):
        inject(world, "restart")


# --- cut


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "redis-1 | redis-2 redis-3 sentinel-1 sentinel-2 sentinel-3 web-1 web-2 web-3"),
        ({"from": "sentinels"}, "redis-1 | sentinel-1 sentinel-2 sentinel-3"),
        ({"from": "clients", "way": "in"}, "redis-1 | web-1 web-2 web-3 from"),
        ({"from": "web-2", "way": "out"}, "redis-1 | web-2 to"),
        ({"from": "replicas", "port": "data"}, "redis-1 | redis-2 redis-3 data"),
        ({"from": "nodes"}, "redis-1 | redis-2 redis-3 sentinel-1 sentinel-2 sentinel-3"),
    ],
)
def test_cut_takes_a_group_from_the_target(worlds: Worlds, options: dict[str, str], expected: str) -> None:
    """Who is lost, which way and on which port is as written; nobody else loses anything."""
    world = worlds(make_plan())
    effect = inject(world, "cut", options=options)
    assert world.topology.did == [f"cut {expected}"]
    assert effect.targets == ("redis-1",)
    assert "packets dropped" in effect.proof
    inject(world, "cut", options={**options, "by": "reject"})
    assert world.topology.did[1:] == [f"refuse {expected}"]
    assert FAULTS["cut"].in_force(effect, world.scene)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"from": "clients"}, "cut lifted"),
        ({"from": "sentinels"}, "had a message from redis-1"),
        ({"from": "replicas"}, "from its replicas"),
    ],
)
def test_cut_is_healed_and_says_who_is_heard_again(
    worlds: Worlds, options: dict[str, str], said: str
) -> None:
    """Clients speak when they have something to say; nodes talk all the time."""
    world = worlds(make_plan())
    effect = inject(world, "cut", options=options)
    world.topology.nodes["redis-1"].replica_offsets = CAUGHT_UP
    assert said in str(FAULTS["cut"].heal(step("cut", options=options), effect, world.scene))
    assert world.topology.did[1:] == ["mend fault 1"]


def test_cut_that_fails_leaves_nothing_cut(worlds: Worlds) -> None:
    """What was begun is lifted."""
    world = worlds(make_plan())
    world.topology.failing["cut"] = NoEffect("nothing dropped")
    with pytest.raises(NoEffect):
        inject(world, "cut", options={"from": "clients"})
    assert world.topology.did[-1] == "mend fault 1"


def test_cut_from_nobody_has_no_effect(worlds: Worlds) -> None:
    """A lone sentinel has no other one."""
    world = worlds(make_plan(sentinels=1))
    with pytest.raises(NoEffect, match="sentinel-1 has no sentinels"):
        inject(world, "cut", "sentinel", options={"from": "sentinels"})


@pytest.mark.parametrize(
    ("plan", "group", "said"),
    [
        (make_plan(TopologyKind.CLUSTER), "sentinels", "no sentinels"),
        (make_plan(TopologyKind.SINGLE), "replicas", "no replicas"),
        (make_plan(TopologyKind.SINGLE), "nodes", "one node only"),
        (make_plan(), "web-9", "there is no web-9"),
    ],
)
def test_cut_fits_where_there_is_such_a_group(plan: Plan, group: str, said: str) -> None:
    """At planning, before anything starts."""
    assert said in str(FAULTS["cut"].fits(step("cut", options={"from": group}), plan, MACHINE))


@pytest.mark.parametrize(
    ("kind", "target", "group", "port", "said"),
    [
        (TopologyKind.SINGLE, "all nodes", "clients", "sentinel", "no sentinels"),
        (TopologyKind.SENTINEL, "primary", "clients", "sentinel", "neither primary nor clients listen there"),
        (TopologyKind.SENTINEL, "replica[lag=max]", "web-1", "sentinel", "nor web-1 listen there"),
        (TopologyKind.SENTINEL, "primary", "nodes", "sentinel", None),
        (TopologyKind.SENTINEL, "sentinel", "clients", "sentinel", None),
        (TopologyKind.SENTINEL, "primary", "nodes", "bus", "only nodes of a cluster"),
        (TopologyKind.CLUSTER, "shard 2 primary", "nodes", "bus", None),
        (TopologyKind.SINGLE, "primary", "clients", "data", None),
    ],
)
def test_cut_of_a_port_needs_somebody_who_listens_there(
    kind: TopologyKind, target: str, group: str, port: str, said: str | None
) -> None:
    """At planning as well: such a cut never drops a packet."""
    cut = step("cut", target, options={"from": group, "port": port})
    refused = FAULTS["cut"].fits(cut, make_plan(kind), MACHINE)
    assert refused is None if said is None else said in str(refused)


# --- slow


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"delay": 0.2}, "redis-1 | web-1 web-2 web-3"),
        ({"loss": 0.1, "from": "replicas"}, "redis-1 | redis-2 redis-3"),
        (
            {"bandwidth": 1000, "from": "sentinels", "way": "out"},
            "redis-1 | sentinel-1 sentinel-2 sentinel-3 to",
        ),
    ],
)
def test_slow_carries_packets_of_a_group_badly(
    worlds: Worlds, options: dict[str, Any], expected: str
) -> None:
    """With the target and the peers as written; healed, they take their usual way."""
    world = worlds(make_plan())
    effect = inject(world, "slow", options=options)
    assert world.topology.did == [f"slow {expected}"]
    assert FAULTS["slow"].in_force(effect, world.scene)  # type: ignore[attr-defined]
    assert FAULTS["slow"].heal(step("slow", options=options), effect, world.scene)
    assert world.topology.did[1:] == ["mend fault 1"]


def test_slow_says_how_badly() -> None:
    """In the units of a rule; nothing asked for is nothing done."""
    asked = step("slow", options={"delay": 0.2, "jitter": 0.05, "loss": 0.1, "bandwidth": 1000})
    assert quality(asked) == Quality(delay_s=0.2, jitter_s=0.05, loss=0.1, bytes_per_s=1000)
    assert "found none" in str(FAULTS["slow"].fits(step("slow"), make_plan(), MACHINE))


def test_slow_is_skipped_where_links_can_only_be_cut() -> None:
    """With the reason."""
    machine = replace(MACHINE, why_no_slow_links="no device here")
    asked = step("slow", options={"delay": 0.2})
    assert "no device here" in str(FAULTS["slow"].fits(asked, make_plan(), machine))
    assert FAULTS["slow"].fits(asked, make_plan(), MACHINE) is None


def test_cut_that_rejects_needs_what_slow_needs() -> None:
    """One that drops does not."""
    machine = replace(MACHINE, why_no_slow_links="no device here")
    asked = step("cut", options={"by": "reject"})
    assert "no device here" in str(FAULTS["cut"].fits(asked, make_plan(), machine))
    assert FAULTS["cut"].fits(asked, make_plan(), MACHINE) is None
    assert FAULTS["cut"].fits(step("cut", options={"by": "drop"}), make_plan(), machine) is None


def test_slow_that_fails_leaves_nothing_slow(worlds: Worlds) -> None:
    """What was begun is lifted."""
    world = worlds(make_plan())
    world.topology.failing["slow"] = NoEffect("nothing carried")
    with pytest.raises(NoEffect):
        inject(world, "slow", options={"delay": 0.2})
    assert world.topology.did[-1] == "mend fault 1"


# --- lose, and whole hosts

ON_HOSTS = {"redis-1": "a", "sentinel-1": "a", "redis-2": "b"}


def on_hosts(plan: Plan) -> Plan:
    nodes = (replace(node, host=ON_HOSTS.get(node.name, "")) for node in plan.nodes)
    return replace(plan, nodes=tuple(nodes))


@pytest.mark.parametrize("target", ["host of primary", "host of sentinel", "host a", "zone a"])
def test_lose_cuts_a_host_off_and_kills_all_that_is_on_it(worlds: Worlds, target: str) -> None:
    """First the network, so that nobody hears an end, and of it the clients, so that nothing is acknowledged that
    no replica has; then every process."""
    world = worlds(on_hosts(make_plan()))
    effect = inject(world, "lose", target)
    assert world.topology.did == [
        "cut redis-1 sentinel-1 | web-1 web-2 web-3",
        "cut redis-1 sentinel-1 | redis-2 redis-3 sentinel-2 sentinel-3",
        "kill redis-1",
        "kill sentinel-1",
    ]
    assert effect.targets == ("redis-1", "sentinel-1")
    assert FAULTS["lose"].in_force(effect, world.scene)  # type: ignore[attr-defined]
    healed = str(FAULTS["lose"].heal(step("lose", target), effect, world.scene))
    assert world.topology.did[4:] == ["mend fault 1", "start redis-1", "start sentinel-1"]
    assert "answers again: redis-1" in healed
    assert not FAULTS["lose"].in_force(effect, world.scene)  # type: ignore[attr-defined]
    FAULTS["lose"].heal(step("lose", target), effect, world.scene)
    assert world.topology.did[7:] == ["mend fault 1"], "healing twice is harmless"


def test_lose_of_a_host_of_its_own_takes_one_node(worlds: Worlds) -> None:
    """A node that no host names is alone on its own."""
    world = worlds(on_hosts(make_plan(sentinels=1)))
    world.topology.kill("redis-2")
    assert inject(world, "lose", "host of replica").targets == ("redis-3",)


def test_lose_has_no_effect_where_a_process_stays(worlds: Worlds) -> None:
    """Or where the host is lost already."""
    world = worlds(on_hosts(make_plan()))
    world.topology.broken.add("kill")
    with pytest.raises(NoEffect, match="still running"):
        inject(world, "lose", "host a")
    gone = worlds(on_hosts(make_plan()))
    for node in ("redis-1", "sentinel-1"):
        gone.topology.kill(node)
    with pytest.raises(NoEffect, match="no node runs on `host a`"):
        inject(gone, "lose", "host a")


def test_lose_that_cannot_cut_leaves_nothing_cut(worlds: Worlds) -> None:
    """And nothing killed."""
    world = worlds(on_hosts(make_plan()))
    world.topology.failing["cut"] = NoEffect("nothing dropped")
    with pytest.raises(NoEffect):
        inject(world, "lose", "host a")
    assert world.topology.did[1:] == ["mend fault 1"]


def test_isolate_takes_a_whole_host_with_its_web_server(worlds: Worlds) -> None:
    """Everybody on it still talks to each other; web servers know on which side the primary is."""
    world = worlds(on_hosts(make_plan()))
    effect = inject(world, "isolate", "zone a", options={"with": "web-1"})
    assert world.topology.did == [
        "cut redis-1 sentinel-1 web-1 | redis-2 redis-3 sentinel-2 sentinel-3 web-2 web-3"
    ]
    assert world.sides == {1: {"web-1": "with-primary", "web-2": "rest", "web-3": "rest"}}
    assert effect.targets == ("redis-1", "sentinel-1")
    other = worlds(on_hosts(make_plan()))
    inject(other, "isolate", "host b", options={"with": "web-1"})
    assert other.sides == {1: {"web-1": "rest", "web-2": "with-primary", "web-3": "with-primary"}}


# --- isolate


def test_isolate_cuts_the_primary_and_its_web_server_from_the_rest(worlds: Worlds) -> None:
    """One web server is left on the losing side, and everybody is told where they are."""
    world = worlds(make_plan())
    effect = inject(world, "isolate", options={"with": "web-2"})
    assert world.topology.did == [
        "cut redis-1 web-2 | redis-2 redis-3 sentinel-1 sentinel-2 sentinel-3 web-1 web-3"
    ]
    assert world.sides == {1: {"web-1": "rest", "web-2": "with-primary", "web-3": "rest"}}
    assert "packets dropped" in effect.proof
    healed = FAULTS["isolate"].heal(step("isolate", options={"with": "web-2"}), effect, world.scene)
    assert "had a message from redis-1" in str(healed)
    assert world.sides == {1: {}}
    assert world.topology.did[1:] == ["mend fault 1"]


def test_isolate_of_a_replica_leaves_its_web_server_away_from_the_primary(worlds: Worlds) -> None:
    """`with-primary` is the side where the primary is, whoever was isolated."""
    world = worlds(make_plan())
    inject(world, "isolate", "replica", options={"with": "web-1"})
    assert world.sides == {1: {"web-1": "rest", "web-2": "with-primary", "web-3": "with-primary"}}


@pytest.mark.parametrize(
    ("target", "cut"),
    [
        ("all replicas", "redis-2 redis-3 web-1 | redis-1 sentinel-1 sentinel-2 sentinel-3 web-2 web-3"),
        ("majority", "sentinel-1 sentinel-2 web-1 | redis-1 redis-2 redis-3 sentinel-3 web-2 web-3"),
    ],
)
def test_isolate_takes_several_nodes_to_one_side(worlds: Worlds, target: str, cut: str) -> None:
    """They reach each other, and nobody else; sentinels alone give web servers no side of the data."""
    world = worlds(make_plan())
    options = {"options": {"with": "web-1"}}
    effect = inject(world, "isolate", target, **options)
    assert world.topology.did == [f"cut {cut}"]
    assert bool(world.sides[1]) is (target == "all replicas")
    assert "had a message from" in str(FAULTS["isolate"].heal(step("isolate", target), effect, world.scene))


def test_isolate_without_a_web_server_isolates_alone(worlds: Worlds) -> None:
    """`with` is optional."""
    world = worlds(make_plan(TopologyKind.CLUSTER))
    effect = inject(world, "isolate", "shard 2 primary")
    assert effect.targets == ("redis-2",)
    assert set(world.sides[1].values()) == {"rest"}
    assert "had a message from redis-2" in str(FAULTS["isolate"].heal(step("isolate"), effect, world.scene))


def test_isolate_that_fails_leaves_no_cut_behind(worlds: Worlds) -> None:
    """A cut that could not be proved is mended before the error goes on."""
    world = worlds(make_plan())
    world.topology.failing["cut"] = NoEffect("packets still pass")
    with pytest.raises(NoEffect, match="packets still pass"):
        inject(world, "isolate", options={"with": "web-2"})
    assert world.topology.did[-1] == "mend fault 1"
    assert world.sides == {1: {}}


def test_isolate_heals_when_the_node_is_dead(worlds: Worlds) -> None:
    """Nobody can hear the dead; the cuts are lifted all the same."""
    world = worlds(make_plan())
    effect = inject(world, "isolate")
    world.topology.kill("redis-1")
    assert "is down" in str(FAULTS["isolate"].heal(step("isolate"), effect, world.scene))
    assert world.topology.did[-1] == "mend fault 1"


def test_node_that_is_alone_is_heard_by_no_replica(worlds: Worlds) -> None:
    """Nobody waits for one that is not there."""
    world = worlds(make_plan(TopologyKind.SINGLE))
    effect = inject(world, "isolate")
    healed = str(FAULTS["isolate"].heal(step("isolate"), effect, world.scene))
    assert "redis-1 has no replica that could hear from it" in healed


def test_isolate_says_when_nobody_has_heard_the_node_yet(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lifted cuts and heard packets are two things."""
    monkeypatch.setattr("harness.faults.healed_link._PATIENCE_S", 0.2)
    world = worlds(make_plan())
    for n in (1, 2, 3):
        world.topology.nodes[f"sentinel-{n}"].heard_ms_ago = 60_000
    effect = inject(world, "isolate")
    assert "no message from" in str(FAULTS["isolate"].heal(step("isolate"), effect, world.scene))


# --- cut replication


def test_cut_replication_cuts_only_the_replicas_of_the_shard(worlds: Worlds) -> None:
    """Clients, sentinels and other shards keep their primary."""
    world = worlds(make_plan(TopologyKind.CLUSTER))
    effect = inject(world, "cut replication", "shard 2 primary")
    assert world.topology.did == ["cut redis-2 | redis-5"]
    assert effect.targets == ("redis-2",)


def test_cut_replication_heals_when_a_replica_has_caught_up(worlds: Worlds) -> None:
    """Judged by offsets, not by links."""
    world = worlds(make_plan())
    effect = inject(world, "cut replication")
    world.topology.nodes["redis-1"].replica_offsets = CAUGHT_UP
    healed = FAULTS["cut replication"].heal(step("cut replication"), effect, world.scene)
    assert "had a message from its replicas" in str(healed)
    assert world.topology.did == ["cut redis-1 | redis-2 redis-3", "mend fault 1"]


@pytest.mark.parametrize("kind", ["isolate", "cut replication"])
def test_healing_mends_the_cuts_of_its_own_fault_only(worlds: Worlds, kind: str) -> None:
    """Another fault may have cut the same links, and still stand."""
    world = worlds(make_plan())
    first, second = (inject(world, kind, number=number) for number in (1, 2))
    world.topology.nodes["redis-1"].replica_offsets = CAUGHT_UP
    FAULTS[kind].heal(step(kind, number=1), first, world.scene)
    assert world.topology.cuts == {2}
    FAULTS[kind].heal(step(kind, number=2), second, world.scene)
    assert world.topology.cuts == set()


def test_cut_replication_without_replicas_has_no_effect(worlds: Worlds) -> None:
    """With every replica gone there is nothing to cut."""
    world = worlds(make_plan())
    inject(world, "kill", "all replicas")
    with pytest.raises(NoEffect, match="has no replicas; last seen"):
        inject(world, "cut replication")


def test_cut_replication_that_fails_leaves_no_cut_behind(worlds: Worlds) -> None:
    """A cut that could not be proved is mended."""
    world = worlds(make_plan())
    world.topology.failing["cut"] = NoEffect("packets still pass")
    with pytest.raises(NoEffect):
        inject(world, "cut replication")
    assert world.topology.did[-1] == "mend fault 1"


# --- planned failover


def test_planned_failover_by_sentinel_is_watched_to_its_end(worlds: Worlds) -> None:
    """The new primary says so, and the sentinel publishes it under a new epoch."""
    world = worlds(make_plan())
    effect = inject(world, "planned failover")
    assert effect.targets == ("redis-1",)
    assert world.topology.nodes["redis-2"].role is NodeRole.PRIMARY
    assert "redis-2 says master" in effect.proof
    assert "epoch 1 -> 2" in effect.proof


def test_promotion_may_have_been_at_any_moment_since_the_node_was_a_replica(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look that gets no answer says nothing: whoever is promoted drops its clients."""
    answers = iter([["slave"], NoAnswer("dropped"), NoAnswer("dropped"), ["master"]])
    looked_us: list[int] = []
    world = worlds(make_plan())

    class Asked:
        def call(self, *_words: str) -> Any:
            looked_us.append(world.scene.observed.now_us())
            answer = next(answers)
            if isinstance(answer, NoAnswer):
                raise answer
            return answer

        def close(self) -> None: ...

    monkeypatch.setattr("harness.faults.own_nodes.connect", lambda *_: Asked())
    found = planned_failover.await_promotion(["redis-2"], 0, 5.0, world.scene)
    assert found.node == "redis-2"
    assert found.at_us - found.error_us <= looked_us[0] < looked_us[1]
    assert found.at_us >= looked_us[3]
    assert found.at_us - found.error_us > 0, "since it said that it is a replica, not since it was asked"


def test_planned_failover_that_is_refused_has_no_effect(worlds: Worlds) -> None:
    """Sentinel's own reason is passed on."""
    world = worlds(make_plan())
    world.topology.nodes["sentinel-1"].refuses["SENTINEL"] = "NOGOODSLAVE No suitable replica to promote"
    with pytest.raises(WITHOUT_EFFECT, match="NOGOODSLAVE"):
        inject(world, "planned failover")


@pytest.mark.parametrize(
    ("form", "command"),
    [
        ("default", ("CLUSTER", "FAILOVER")),
        ("force", ("CLUSTER", "FAILOVER", "FORCE")),
        ("takeover", ("CLUSTER", "FAILOVER", "TAKEOVER")),
    ],
)
def test_planned_failover_of_a_shard_asks_its_replica(
    worlds: Worlds, form: str, command: tuple[str, ...]
) -> None:
    """In a cluster the replica of that shard is asked, in the form that was wanted."""
    world = worlds(make_plan(TopologyKind.CLUSTER))
    effect = inject(world, "planned failover", "shard 2 primary", options={"form": form})
    replica = world.topology.nodes["redis-5"]
    assert command in replica.received
    assert replica.role is NodeRole.PRIMARY
    assert effect.targets == ("redis-2",)
    assert "1 -> 2" in effect.proof


def test_planned_failover_that_promotes_nobody_has_no_effect(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An accepted command proves nothing."""
    monkeypatch.setattr("harness.faults.planned_failover._CLUSTER_WITHIN_S", 0.2)
    world = worlds(make_plan(TopologyKind.CLUSTER))
    replica = world.topology.nodes["redis-4"]
    replica._cluster = lambda words, database: (  # type: ignore[method-assign]
        b"+OK\r\n" if words[0] == "FAILOVER" else b"$18\r\ncluster_my_epoch:1\r\n"
    )
    with pytest.raises(NoEffect, match="to be promoted"):
        inject(world, "planned failover")


def test_planned_failover_ends_when_the_run_does(worlds: Worlds) -> None:
    """Nobody waits out a failover after Ctrl-C."""
    world = worlds(make_plan())
    world.topology.nodes["redis-2"].deaf_to.add("ROLE")
    world.scene = replace(world.scene, stopping=lambda: True)
    with pytest.raises(Interrupted):
        inject(world, "planned failover")


# --- fill cache


def test_fill_cache_pushes_the_cache_instance_over_its_limit(worlds: Worlds) -> None:
    """Memory at the limit and evictions since: full."""
    world = worlds(make_plan(TopologyKind.SPLIT))
    effect = inject(world, "fill cache", "cache")
    cache = world.topology.nodes["cache-1"]
    assert effect.targets == ("cache-1",)
    assert cache.evicted > 0
    assert f"{cache.evicted} keys evicted" in effect.proof
    assert world.topology.nodes["redis-1"].keys == {0: 10}, "the sessions' instance is not touched"


def test_fill_cache_writes_what_it_says(worlds: Worlds) -> None:
    """Keys are numbered on from those that are there, values have the size asked for, the TTL is set."""
    world = worlds(make_plan(TopologyKind.SPLIT))
    there = world.topology.nodes["cache-1"].keys[0]
    inject(world, "fill cache", "cache", options={"bytes": 20_000, "value": 100, "ttl": 2.5})
    sets = [words for words in world.topology.nodes["cache-1"].received if words[0] == "SET"]
    assert sets == [("SET", f"cache:{n}", "x" * 100, "PX", "2500") for n in range(there, there + len(sets))]
    assert len(sets) == 20_000 // 112


def test_fill_cache_under_noeviction_is_proved_by_refusals(worlds: Worlds) -> None:
    """In `shared` it fills the only instance, in the cache's database."""
    world = worlds(make_plan(TopologyKind.SHARED, cache_database=1))
    node = world.topology.nodes["redis-1"]
    node.policy = "noeviction"
    effect = inject(world, "fill cache", "cache")
    assert "OOM command not allowed" in effect.proof
    assert "0 keys evicted" in effect.proof
    assert node.keys[0] == 10
    assert node.keys[1] > 100


def test_fill_cache_that_never_gets_full_has_no_effect(worlds: Worlds) -> None:
    """Writing is not filling."""
    world = worlds(make_plan(TopologyKind.SPLIT))
    world.topology.nodes["cache-1"].deaf_to.add("SET")
    with pytest.raises(NoEffect, match="was not filled"):
        inject(world, "fill cache", "cache")


def test_fill_cache_without_a_limit_has_no_effect(worlds: Worlds) -> None:
    """`to: 2` of no limit is nothing."""
    world = worlds(make_plan(TopologyKind.SPLIT))
    world.topology.nodes["cache-1"].limit_bytes = 0
    with pytest.raises(NoEffect, match="no maxmemory"):
        inject(world, "fill cache", "cache")


def test_fill_cache_below_the_limit_is_proved_by_its_keys(worlds: Worlds) -> None:
    """A small fill, as preparation for a flush, is an effect too."""
    world = worlds(make_plan(TopologyKind.SPLIT))
    effect = inject(world, "fill cache", "cache", options={"bytes": 10_000, "value": 88})
    assert "keys 10 -> 110" in effect.proof


def test_fill_cache_ends_when_the_run_does(worlds: Worlds) -> None:
    """A long fill sees Ctrl-C."""
    world = worlds(make_plan(TopologyKind.SPLIT))
    world.scene = replace(world.scene, stopping=lambda: True)
    with pytest.raises(Interrupted):
        inject(world, "fill cache", "cache")


# --- flush


@pytest.mark.parametrize(
    ("scope", "left"), [("database", {0: 10, 1: 0}), ("all", {})], ids=["FLUSHDB", "FLUSHALL"]
)
def test_flush_empties_what_was_asked_for(worlds: Worlds, scope: str, left: dict[int, int]) -> None:
    """FLUSHDB of the cache's database leaves the sessions; FLUSHALL leaves nothing."""
    world = worlds(make_plan(TopologyKind.SHARED, cache_database=1))
    world.topology.nodes["redis-1"].keys = {0: 10, 1: 5}
    effect = inject(world, "flush", "cache", options={"scope": scope})
    assert world.topology.nodes["redis-1"].keys == left
    assert f"{5 if scope == 'database' else 15} keys -> 0" in effect.proof


def test_flush_of_sessions_reaches_every_shard(worlds: Worlds) -> None:
    """On a cluster the sessions live on every primary."""
    world = worlds(make_plan(TopologyKind.CLUSTER))
    assert inject(world, "flush", "sessions").targets == ("redis-1", "redis-2", "redis-3")
    assert world.topology.nodes["redis-4"].keys == {0: 10}


def test_flush_that_leaves_keys_has_no_effect(worlds: Worlds) -> None:
    """OK is not proof; the count is."""
    world = worlds(make_plan(TopologyKind.SINGLE))
    world.topology.nodes["redis-1"].deaf_to.add("FLUSHDB")
    with pytest.raises(NoEffect, match="still holds 10 keys"):
        inject(world, "flush", "sessions")


def test_flush_lets_nobody_write_before_the_count(worlds: Worlds) -> None:
    """Without ASYNC, Redis 8 serves others between the flush and the command after it."""
    world = worlds(make_plan(TopologyKind.SINGLE))
    node = world.topology.nodes["redis-1"]
    node.serves_others_while_flushing = True
    for scope in ("database", "all"):
        node.keys = {0: 10}
        assert "10 keys -> 0" in inject(world, "flush", "sessions", options={"scope": scope}).proof


def test_flush_of_nothing_has_no_effect(worlds: Worlds) -> None:
    """An empty database cannot be lost."""
    world = worlds(make_plan(TopologyKind.SPLIT))
    world.topology.nodes["cache-1"].keys = {}
    with pytest.raises(NoEffect, match="there were no keys before"):
        inject(world, "flush", "cache")


def test_flush_leaves_a_stranger_alone(worlds: Worlds) -> None:
    """Not one command that destroys goes to a process that is not ours."""
    world = worlds(make_plan(TopologyKind.SINGLE))
    node = world.topology.nodes["redis-1"]
    node.pid = 1
    with pytest.raises(EnvironmentFailure, match="the kit did not touch it"):
        inject(world, "flush", "sessions", options={"scope": "all"})
    assert {words[0] for words in node.received} <= {"AUTH", "INFO"}


# --- kill web server


def test_kill_web_server_takes_it_out_of_service(worlds: Worlds) -> None:
    """The load engine proves it; healing starts it again, if there is a hold."""
    world = worlds(make_plan())
    effect = inject(world, "kill web server", "web-2")
    assert effect.targets == ("web-2",)
    assert "aborted" in effect.proof
    fault = FAULTS["kill web server"]
    assert fault.heal(step("kill web server", "web-2"), effect, world.scene) is None
    assert fault.heal(step("kill web server", "web-2", for_s=1.0), effect, world.scene)
    assert world.web_servers.did == ["kill web-2", "start web-2"]


# --- pause web server


def test_pause_web_server_freezes_it_until_it_is_healed(worlds: Worlds) -> None:
    """The load engine proves it; healing resumes it, also without a hold."""
    world = worlds(make_plan())
    effect = inject(world, "pause web server", "web-2")
    assert (effect.targets, effect.proof) == (("web-2",), "web-2 is frozen")
    assert FAULTS["pause web server"].heal(step("pause web server", "web-2"), effect, world.scene)
    assert world.web_servers.did == ["pause web-2", "resume web-2"]


# --- nothing


def test_nothing_waits_and_proves_that_nothing_happened(worlds: Worlds) -> None:
    """The same process before and after, and the time went by."""
    world = worlds(make_plan())
    effect = inject(world, "nothing", options={"wait": 0.05})
    assert effect.error_us >= 50_000
    assert "waited 0.0" in effect.proof
    assert world.topology.did == []


def test_nothing_notices_when_something_happened(worlds: Worlds) -> None:
    """A node that was replaced meanwhile makes the baseline worthless."""
    world = worlds(make_plan())
    node = world.topology.nodes["redis-1"]

    def restarted() -> bool:
        node.generation += 1
        return False

    world.scene = replace(world.scene, stopping=restarted)
    node.__class__ = type(
        "Renamed", (type(node),), {"run_id": property(lambda self: f"r{self.generation}" * 9)}
    )
    with pytest.raises(NoEffect, match="something happened"):
        inject(world, "nothing", options={"wait": 0.02})


# --- what only a user's own containers can have done to them


PROJECT = Project(file="docker-compose.yml")
OWN = Machine(backend=BackendKind.PROCESS, network_faults=True, own_containers=True)


def own_plan(**changes: Any) -> Plan:
    plan = make_plan()
    deployment = replace(plan.scenario.deployment, project=PROJECT)
    app = NodePlan(name="app-1", role=NodeRole.OTHER)
    scenario = replace(plan.scenario, deployment=deployment)
    return replace(plan, scenario=scenario, nodes=(*plan.nodes, app), **changes)


class OwnContainers:
    """The fake topology's containers, as a project has them."""

    def __init__(self, world: FakeWorld, *, policy: bool = True, dies: bool = True) -> None:
        self.world, self.policy, self.dies = world, policy, dies
        for node in world.topology.nodes.values():  # whose first letters differ after each start
            run_id = property(lambda self: f"r{self.generation}" * 9)
            node.__class__ = type("Renamed", (type(node),), {"run_id": run_id})
        for name in ("named", "restarts", "crash", "remove", "make_again", "silence_names", "answer_names"):
            setattr(world.topology, name, getattr(self, name))

    def named(self, node: str) -> Address:
        return Address(node, 6379)

    def restarts(self, node: str) -> bool:
        return self.policy

    def crash(self, node: str) -> None:
        if self.dies:
            self.world.topology.nodes[node].generation += 1

    def remove(self, node: str) -> None:
        self.world.topology.kill(node)

    def make_again(self, node: str) -> None:
        self.world.topology.start(node)
        if not self.dies:
            self.world.topology.nodes[node].generation -= 1

    def silence_names(self, nodes: Sequence[str]) -> str:
        return f"questions dropped: {', '.join(nodes)}"

    def answer_names(self, nodes: Sequence[str]) -> str:
        return f"names are answered again: {', '.join(nodes)}"


def test_crash_is_proved_by_the_process_that_the_policy_started(worlds: Worlds) -> None:
    """Nobody here starts it: the new process is the proof."""
    world = worlds(own_plan())
    OwnContainers(world)
    effect = inject(world, "crash")
    assert effect.targets == ("redis-1",)
    assert "its restart policy started redis-1" in effect.proof
    assert FAULTS["crash"].heal(step("crash"), effect, world.scene) is None


def test_crash_without_a_restart_policy_has_no_effect(worlds: Worlds) -> None:
    """It would be a kill, and a scenario must not take it for something else."""
    world = worlds(own_plan())
    OwnContainers(world, policy=False)
    with pytest.raises(NoEffect, match="no restart policy"):
        inject(world, "crash")


def test_crash_of_a_process_that_goes_on_has_no_effect(worlds: Worlds) -> None:
    """The same process answers as before."""
    world = worlds(own_plan())
    OwnContainers(world, dies=False)
    with pytest.raises(NoEffect, match="did not die"):
        inject(world, "crash")


def test_recreate_is_proved_by_the_new_container(worlds: Worlds) -> None:
    """Removed, made again, and another process answers; where the old one does, nothing happened."""
    world = worlds(own_plan())
    OwnContainers(world)
    assert "a new container answers: redis-1" in inject(world, "recreate").proof
    assert world.topology.did == ["kill redis-1", "start redis-1"]
    unchanged = worlds(own_plan())
    OwnContainers(unchanged, dies=False)
    with pytest.raises(NoEffect, match="was not made again"):
        inject(unchanged, "recreate")


def test_silence_dns_tells_what_was_dropped_and_answers_again(worlds: Worlds) -> None:
    """The proof is the topology's count; healing lets questions through."""
    world = worlds(own_plan())
    OwnContainers(world)
    effect = inject(world, "silence dns", "all sentinels")
    assert effect.targets == ("sentinel-1", "sentinel-2", "sentinel-3")
    assert effect.proof.startswith("questions dropped")
    healed = FAULTS["silence dns"].heal(step("silence dns"), effect, world.scene)
    assert str(healed).startswith("names are answered again")


def test_a_service_that_is_no_redis_is_known_by_its_container(worlds: Worlds) -> None:
    """An application or a proxy is killed and started by the name of its service; nobody asks it anything."""
    world = worlds(own_plan())
    effect = inject(world, "kill", "service app")
    assert effect.targets == ("app-1",)
    assert "app-1 (process" in effect.proof
    world.scene = replace(world.scene, resolved={1: effect.targets})
    assert inject(world, "restart", "killed").proof.startswith("app-1 runs as process")


def test_skew_clock_is_proved_by_the_time_that_the_node_says(worlds: Worlds) -> None:
    """Ahead or behind, and right again after the healing."""
    world = worlds(skewed_plan())
    options = {"by": 60.0, "to": "behind"}
    effect = inject(world, "skew clock", "all replicas", options=options)
    assert effect.proof == "the clock of redis-2 is -60.0 s off, the clock of redis-3 is -60.0 s off"
    healed = FAULTS["skew clock"].heal(step("skew clock", options=options), effect, world.scene)
    assert healed == "right again: redis-2, redis-3"
    assert world.topology.nodes["redis-2"].ahead_s == 0.0


def test_skew_clock_that_nobody_sees_has_no_effect(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    """The node goes by this machine's clock all the same."""
    monkeypatch.setattr(skew_clock, "_WITHIN_S", 0.1)
    world = worlds(skewed_plan())
    world.topology.broken.add("set clock")
    with pytest.raises(NoEffect, match=r"the clock of redis-1 is [+-]0.0 s off, not \+60 s"):
        inject(world, "skew clock", options={"by": 60.0})


def test_lose_power_cuts_files_where_the_disk_ends(
    worlds: Worlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the first page that waits, but never before what was seen on the disk; then the node may come back."""
    monkeypatch.setattr(lose_power, "_WATCHED_S", 0.05)
    world = worlds(make_plan())
    log, snapshot = tmp_path / "1.incr.aof", tmp_path / "dump.rdb"
    log.write_bytes(b"x" * 5000)
    snapshot.write_bytes(b"y" * 9000)
    world.topology.files["redis-1"] = [log, snapshot]
    world.topology.unsynced[snapshot] = 8192
    looks = []

    def waits(file: Path) -> int | None:
        """All is there until it has been seen; then somebody writes on."""
        looks.append(file)
        if file == log and looks.count(log) == 2:
            log.write_bytes(b"x" * 6000)
            world.topology.unsynced[log] = 4096
        return world.topology.unsynced.get(file)

    world.topology.first_unsynced = waits  # type: ignore[method-assign]
    effect = inject(world, "lose power", for_s=1.0)
    assert "1.incr.aof of redis-1 lost its last 1000 of 6000 bytes" in effect.proof
    assert "dump.rdb of redis-1 lost its last 808 of 9000 bytes" in effect.proof
    assert (log.stat().st_size, snapshot.stat().st_size) == (5000, 8192)
    assert "answers again: redis-1" in str(
        FAULTS["lose power"].heal(step("lose power", for_s=1.0), effect, world.scene)
    )


def test_lose_power_has_no_effect_where_nobody_knows_the_disk(worlds: Worlds) -> None:
    """Results may lie on another file system than the machine was asked about; the node lives on."""
    world = worlds(make_plan())
    world.topology.no_power_loss = "the file system of /dev/shm does not say it"
    with pytest.raises(NoEffect, match="redis-1: the file system of /dev/shm"):
        inject(world, "lose power")
    assert world.topology.state("redis-1").running


def test_lose_power_takes_nothing_that_was_confirmed_after_its_sync(
    worlds: Worlds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `appendfsync always` nobody was told of what waits."""
    monkeypatch.setattr(lose_power, "_WATCHED_S", 0.01)
    plan = make_plan()
    always = tuple(replace(node, directives={"appendfsync": "always"}) for node in plan.nodes)
    world = worlds(replace(plan, nodes=always))
    log = tmp_path / "1.incr.aof"
    log.write_bytes(b"x" * 5000)
    world.topology.files["redis-1"], world.topology.unsynced[log] = [log], 4096
    assert inject(world, "lose power").proof.endswith("no file lost anything")
    assert log.stat().st_size == 5000


# --- fits


@pytest.mark.parametrize(
    ("kind", "target", "plan", "machine", "reason"),
    [
        ("isolate", "primary", make_plan(), NO_NETWORK, "not root"),
        ("cut replication", "primary", make_plan(), NO_NETWORK, "not root"),
        ("cut replication", "primary", make_plan(TopologyKind.SINGLE), MACHINE, "no replicas"),
        ("cut", "replica", make_plan(TopologyKind.SINGLE), MACHINE, "no replicas"),
        ("slow", "primary", make_plan(), MACHINE, "found none"),
        ("skew clock", "primary", make_plan(), MACHINE, "with the clock of this machine"),
        ("skew clock", "cache", skewed_plan(), MACHINE, "no cache"),
        ("skew clock", "primary", make_plan(), replace(MACHINE, why_no_own_clocks="not here"), "not here"),
        ("lose power", "cache", make_plan(), MACHINE, "no cache"),
        ("lose power", "primary", make_plan(), replace(MACHINE, why_no_power_loss="tmpfs"), "tmpfs"),
        ("lose", "host a", make_plan(), MACHINE, "add `hosts` or `zones`"),
        ("lose", "host c", on_hosts(make_plan()), MACHINE, "no host c, only a, b"),
        ("kill", "sentinel", make_plan(TopologyKind.CLUSTER), MACHINE, "no sentinels"),
        ("kill", "shard 4 primary", make_plan(TopologyKind.CLUSTER), MACHINE, "shard 1 to 3"),
        ("kill", "shard 2 primary", make_plan(TopologyKind.SPLIT), MACHINE, "shard 1 to 1"),
        ("kill", "replica", make_plan(TopologyKind.SINGLE), MACHINE, "no replicas"),
        ("stop", "cache", make_plan(), MACHINE, "no cache"),
        ("pause", "all replicas", make_plan(TopologyKind.SHARED), MACHINE, "no replicas"),
        ("resume", "paused", make_plan(), MACHINE, "no earlier fault freezes"),
        ("restart", "killed", make_plan(), MACHINE, "no earlier fault stops"),
        ("planned failover", "primary", make_plan(TopologyKind.SINGLE), MACHINE, "no replicas"),
        ("planned failover", "primary", make_plan(sentinels=0), MACHINE, "needs sentinels or a cluster"),
        ("hand over", "primary", make_plan(TopologyKind.CLUSTER), MACHINE, "refused in a cluster"),
        ("reattach", "primary", make_plan(TopologyKind.CLUSTER), MACHINE, "refused in a cluster"),
        ("reset sentinels", "sentinel", make_plan(TopologyKind.SINGLE), MACHINE, "no sentinels"),
        ("config set", "cache", make_plan(), MACHINE, "no cache"),
        ("disconnect clients", "cache", make_plan(), MACHINE, "no cache"),
        ("pause clients", "cache", make_plan(), MACHINE, "no cache"),
        ("exhaust connections", "primary", make_plan(), MACHINE, "maxclients: 100"),
        ("occupy", "cache", make_plan(), MACHINE, "no cache"),
        ("monitor", "cache", make_plan(), MACHINE, "no cache"),
        ("slow readers", "cache", make_plan(), MACHINE, "no cache"),
        ("save snapshot", "cache", make_plan(), MACHINE, "no cache"),
        ("fail snapshots", "cache", make_plan(), MACHINE, "no cache"),
        ("fail snapshots", "primary", make_plan(), OWN, "a Compose project keeps its snapshots"),
        ("fill volume", "cache", make_plan(), MACHINE, "no cache"),
        ("fill volume", "primary", make_plan(), replace(MACHINE, why_no_full_volume="not root"), "not root"),
        (
            "hold syncs",
            "primary",
            make_plan(),
            MACHINE,
            "no node has appendonly yes with appendfsync everysec",
        ),
        ("hold syncs", "primary", make_plan(), replace(MACHINE, why_no_held_threads="not here"), "not here"),
        ("reshard", "primary", make_plan(), MACHINE, "only a cluster has slots"),
        ("reshard", "primary", make_plan(TopologyKind.CLUSTER), MACHINE, "half-moved slots"),
        ("fill", "cache", make_plan(), MACHINE, "no cache"),
        ("fill cache", "cache", make_plan(), MACHINE, "no cache"),
        ("flush", "cache", make_plan(TopologyKind.CLUSTER), MACHINE, "no cache"),
        ("kill web server", "web-9", make_plan(), MACHINE, "no web-9"),
        ("pause web server", "web-1", make_plan(), MACHINE, "only the web servers of a guest"),
        ("nothing", "sentinel", make_plan(TopologyKind.SINGLE), MACHINE, "no sentinels"),
        ("crash", "primary", make_plan(), MACHINE, "of a Compose project"),
        ("recreate", "primary", make_plan(), MACHINE, "of a Compose project"),
        ("silence dns", "primary", make_plan(), MACHINE, "of a Compose project"),
        ("silence dns", "primary", own_plan(), replace(NO_NETWORK, own_containers=True), "not root"),
        ("kill", "service app", make_plan(), MACHINE, "only a Compose project has services"),
        ("kill", "service apps", own_plan(), OWN, "there is no service apps, only redis-1"),
    ],
)
def test_fits_names_what_is_missing(
    kind: str, target: str, plan: Plan, machine: Machine, reason: str
) -> None:
    """A fault that cannot be done is skipped with a reason that a person can act upon."""
    assert reason in str(FAULTS[kind].fits(step(kind, target), plan, machine))


@pytest.mark.parametrize(
    ("target", "plan", "moves"),
    [
        ("replica", make_plan(), True),
        ("all nodes", make_plan(), True),
        ("minority", make_plan(), False),
        ("majority", make_plan(), False),
        ("minority", make_plan(TopologyKind.CLUSTER), True),
        ("everything", make_plan(TopologyKind.CLUSTER), True),
        ("everything", make_plan(), False),
        ("host of primary", on_hosts(make_plan()), False),
        ("sentinel", make_plan(), False),
    ],
)
def test_only_what_holds_data_can_move(target: str, plan: Plan, *, moves: bool) -> None:
    """Where a sentinel may be among the targets, it is said before the run."""
    able = replace(MACHINE, programs=True)
    for options in ({"address": "new"}, {"redis": "appendonly yes"}):
        reason = FAULTS["restart"].fits(step("restart", target, options=options), plan, able)
        assert (reason is None) is moves


@pytest.mark.parametrize("to", [1, 9])
def test_slots_move_to_another_shard_that_exists(to: int) -> None:
    """The reason says which do."""
    moving = step("reshard", "shard 1 primary", options={"to": to})
    reason = FAULTS["reshard"].fits(moving, make_plan(TopologyKind.CLUSTER, moving), MACHINE)
    assert reason == f"to: expected another shard than 1, one of 2, 3, found {to}"


@pytest.mark.parametrize(
    ("kind", "target", "plan"),
    [
        ("kill", "primary", make_plan(TopologyKind.SINGLE)),
        ("kill", "shard 3 replica", make_plan(TopologyKind.CLUSTER)),
        ("isolate", "primary", make_plan()),
        ("cut replication", "shard 1 primary", make_plan(TopologyKind.CLUSTER)),
        ("cut", "shard 2 primary", make_plan(TopologyKind.CLUSTER)),
        ("lose", "host of primary", on_hosts(make_plan())),
        ("planned failover", "primary", make_plan()),
        ("planned failover", "shard 2 primary", make_plan(TopologyKind.CLUSTER)),
        ("fill cache", "cache", make_plan(TopologyKind.SHARED)),
        ("fill cache", "cache", make_plan(TopologyKind.SPLIT)),
        ("flush", "sessions", make_plan()),
        ("kill web server", "web-1", make_plan()),
        ("nothing", "primary", make_plan(TopologyKind.SINGLE)),
        ("lose power", "primary", make_plan(TopologyKind.SINGLE)),
        ("reshard", "primary", make_plan(TopologyKind.CLUSTER, step("reshard"))),
        ("fill volume", "primary", make_plan()),
    ],
)
def test_fits_says_nothing_where_it_can_be_done(kind: str, target: str, plan: Plan) -> None:
    """None means that it can be done."""
    assert FAULTS[kind].fits(step(kind, target), plan, MACHINE) is None


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        ("crash", "primary"),
        ("recreate", "all sentinels"),
        ("silence dns", "sentinel"),
        ("kill", "service app"),
    ],
)
def test_fits_takes_what_a_project_has(kind: str, target: str) -> None:
    """Its nodes and its services, numbered or not."""
    assert FAULTS[kind].fits(step(kind, target), own_plan(), OWN) is None


def test_fits_refuses_to_empty_what_is_a_users_own() -> None:
    """Where a project keeps its data is not known: a scenario that needs it is skipped, and nothing is wiped."""
    empty = step("restart", options={"data": "empty"})
    assert "use recreate" in str(FAULTS["restart"].fits(empty, own_plan(), OWN))
    assert FAULTS["restart"].fits(empty, make_plan(), MACHINE) is None


def test_fits_refuses_a_cluster_form_for_sentinels() -> None:
    """`force` and `takeover` are CLUSTER FAILOVER's."""
    forced = step("planned failover", options={"form": "force"})
    assert "is for a cluster" in str(FAULTS["planned failover"].fits(forced, make_plan(), MACHINE))


def test_fits_refuses_to_fill_what_has_no_limit() -> None:
    """A shared instance without maxmemory can never be full, though it can hold cache keys."""
    plan = make_plan(TopologyKind.SHARED)
    plan = replace(plan, nodes=(replace(plan.nodes[0], directives={}),))
    assert "no maxmemory" in str(FAULTS["fill cache"].fits(step("fill cache", "cache"), plan, MACHINE))
    small = step("fill cache", "cache", options={"bytes": 1000})
    assert FAULTS["fill cache"].fits(small, plan, MACHINE) is None


def test_fits_accepts_what_an_earlier_fault_prepares() -> None:
    """`restart: killed` and `resume: paused` need an earlier fault of the list."""
    plan = make_plan(TopologyKind.SENTINEL, step("kill"), step("pause", "replica", number=2))
    assert FAULTS["restart"].fits(step("restart", "killed", number=3), plan, MACHINE) is None
    assert FAULTS["resume"].fits(step("resume", "paused", number=3), plan, MACHINE) is None


# --- the table


@pytest.mark.parametrize(("name", "fault"), FAULTS.items())
def test_every_fault_is_declared_under_its_name(name: str, fault: Fault) -> None:
    """What the scenario reader is told and what the director looks up are one."""
    assert fault.declaration.name == name
    assert fault.declaration.help
    assert fault.declaration.targets


@pytest.mark.parametrize(("name", "fault"), FAULTS.items())
def test_every_fault_that_lasts_says_so(name: str, fault: Fault) -> None:
    """To the director by its power to hold, to everybody else by its trait."""
    assert (Trait.LASTS in fault.declaration.traits) is isinstance(fault, Lasting), name


def test_faults_that_make_nodes_forget_call_for_a_last_look() -> None:
    """A cut-off node is read before its links are mended, a paused one as soon as it can answer."""
    looks = {name: fault.last_look for name, fault in FAULTS.items() if isinstance(fault, Forgetful)}
    after_healing = {name: look.after_healing for name, look in looks.items()}
    assert after_healing.items() >= {"isolate": False, "cut replication": False, "pause": True}.items()


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_owns_tests(name: str) -> None:
    """A fault without a test of its effect, or of `fits`, does not get in."""
    own = f"test_{name.replace(' ', '_')}_"
    tests = (*dir(sys.modules[__name__]), *dir(test_command_faults))
    assert any(test.startswith(own) for test in tests), f"write {own}..."
    marks = test_fits_says_nothing_where_it_can_be_done.pytestmark  # type: ignore[attr-defined]
    marks = marks + test_fits_names_what_is_missing.pytestmark  # type: ignore[attr-defined]
    assert any(name == row[0] for mark in marks for row in mark.args[1]), f"give {name} a row in fits"
