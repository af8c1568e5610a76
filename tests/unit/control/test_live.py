"""What the calls do to a run: faults on fake nodes, carried out by a real director."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from harness.clock import RunClock
from harness.control.live import Live, NotSeen, Unknown
from harness.errors import Interrupted, NoEffect, UsageError
from harness.faults.director import Director
from harness.model.seams import Machine
from harness.model.words import BackendKind, TopologyKind
from harness.observe import Observers
from harness.running.vocabulary import shipped
from tests.fakes import FakeWorld, fake_world, make_plan

MACHINE = Machine(backend=BackendKind.PROCESS, network_faults=True)


class FakeObservers:
    """Knows what the fake nodes say."""

    def __init__(self, world: FakeWorld) -> None:
        self.observed = world.observed
        self.missing = ""

    def roles(self) -> dict[str, str]:
        return {name: view.role for name, view in self.observed.views().items()}

    async def recovered(self, within_s: float) -> str:
        return self.missing


class Run:
    """A live run over fake nodes; the director has a thread of its own."""

    def __init__(self, machine: Machine = MACHINE) -> None:
        self.world = fake_world(make_plan(TopologyKind.SENTINEL))
        scene = replace(
            self.world.scene, resolved={0: tuple(node.name for node in self.world.scene.plan.nodes)}
        )
        self.director = Director(scene.plan, scene)
        self.observers = FakeObservers(self.world)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.director.attend, args=(self.stop,))
        self.thread.start()
        self.live = Live(
            scene.plan,
            self.world.topology,
            run="abc",
            machine=machine,
            vocabulary=shipped(),
            observers=cast("Observers", self.observers),
            director=self.director,
            clock=RunClock(),
        )

    def end(self) -> None:
        self.stop.set()
        self.thread.join()

    def inject(self, **wanted: object) -> Any:
        return self.do(
            lambda: self.live.inject({name.replace("_", " "): one for name, one in wanted.items()})
        )

    def do(self, call: Callable[[], Awaitable[Any]]) -> Any:
        async def done() -> Any:
            return await call()

        return asyncio.run(done())


@pytest.fixture
def run() -> Iterator[Run]:
    one = Run()
    yield one
    one.end()
    one.world.topology.close()


def test_fault_is_answered_with_its_proof_and_its_times(run: Run) -> None:
    """Which node the target meant, when it was asked for, when it was in effect."""
    answer = run.inject(kill="primary")
    assert (answer.fault, answer.kind, answer.target, answer.nodes) == (1, "kill", "primary", ("redis-1",))
    assert "process gone: redis-1" in answer.proof
    assert answer.asked_s <= answer.effect_s
    assert answer.asked_at.endswith("Z")
    assert run.live.answered == {1}


def test_node_goes_by_its_own_name(run: Run) -> None:
    """A replica, a sentinel; what is down already has no effect."""
    assert run.inject(pause="redis-3").nodes == ("redis-3",)
    assert run.inject(kill="sentinel-2").nodes == ("sentinel-2",)
    assert run.live.status().faults[1].nodes == ("sentinel-2",)


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"kill": "redis-9"}, "expected one of redis-1, redis-2, redis-3, sentinel-1"),
        ({"kill": "web-7"}, "expected one of"),
    ],
)
def test_node_of_nobody_is_unknown(run: Run, wanted: Mapping[str, object], said: str) -> None:
    """It is not ours, or there is none; nothing was done."""
    with pytest.raises(Unknown, match=said):
        run.do(lambda: run.live.inject(wanted))
    assert run.live.status().faults == ()


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"paus": "primary"}, "did you mean 'pause'"),
        ({}, "expected one fault"),
        ({"kill": "primary", "pause": "primary"}, "one fault each"),
        ({"kill": "primary", "for": 3}, "for"),
        ({"kill": ["primary"]}, "expected a target of kill"),
        ({"kill": "cache"}, "no cache in a sentinel topology"),
        ({"planned failover": "redis-2"}, "expected primary"),
        ({"kill": "primary", "when": {"acked": "read"}}, "when.acked: expected one of"),
        ({"after": "promoted", "kill": "primary"}, "the first fault has no event before it"),
        ({"kill": "primary", "after": "fault 7"}, "after"),
        ({"kill": "x" * 5000}, "at most 4000"),
        ({"\x00": "primary"}, "expected"),
    ],
)
def test_fault_that_cannot_be_is_refused(run: Run, wanted: Mapping[str, object], said: str) -> None:
    """In the words in which a scenario's own mistake is refused; nothing was done."""
    with pytest.raises(UsageError, match=said):
        run.do(lambda: run.live.inject(wanted))
    assert run.live.status().faults == ()
    assert run.world.topology.did == []


def test_fault_that_this_machine_cannot_do_is_refused() -> None:
    """With the machine's reason."""
    run = Run(
        Machine(backend=BackendKind.PROCESS, network_faults=False, why_no_network_faults="plain loopback")
    )
    with pytest.raises(UsageError, match="plain loopback"):
        run.inject(isolate="primary")
    run.end()
    run.world.topology.close()


def test_fault_without_effect_says_so(run: Run) -> None:
    """And the next goes on from there."""
    run.world.topology.broken.add("kill")
    with pytest.raises(NoEffect, match=r"fault 1 \(kill: primary\) had no effect"):
        run.inject(kill="primary")
    assert run.live.status().faults[0].state == "no-effect"
    assert run.live.answered == {1}


def test_heal_lifts_and_starts_again(run: Run) -> None:
    """What is frozen goes on, what is down runs again, each once."""
    run.inject(pause="replica")
    run.inject(kill="primary")
    healed = run.do(lambda: run.live.heal(None))
    assert [(one.fault, one.kind, one.nodes) for one in healed.healed] == [
        (2, "kill", ("redis-1",)),
        (1, "pause", ("redis-2",)),
    ]
    assert all(run.world.topology.state(name).running for name in ("redis-1", "redis-2"))
    assert [one.state for one in run.live.status().faults] == ["healed", "healed"]
    assert run.do(lambda: run.live.heal(None)).healed == ()
    with pytest.raises(Unknown, match="found 9"):
        run.do(lambda: run.live.heal(9))


def test_event_counts_from_the_fault_that_it_is_asked_for(run: Run) -> None:
    """What was before it is none of it; without a number the last fault is meant."""
    run.world.observed.events.append(("promoted", 1))
    first = run.inject(pause="redis-2")
    moment_us = run.world.observed.now_us()
    run.world.observed.events.append(("promoted", moment_us))
    seen = run.do(lambda: run.live.wait("promoted", within_s=5.0, fault=None))
    assert seen.event_s == moment_us / 1e6
    assert seen.since_s == pytest.approx(first.effect_s - first.effect_error_s)
    second = run.inject(pause="redis-3")
    with pytest.raises(
        NotSeen, match=r"expected `promoted` within 0 s, found not; last seen: redis-1 primary"
    ):
        run.do(lambda: run.live.wait("promoted", within_s=0.0, fault=second.fault))
    assert run.do(lambda: run.live.wait("promoted", within_s=0.0, fault=first.fault)).event_s == seen.event_s


def test_recovery_is_asked_of_those_who_watch_for_it(run: Run) -> None:
    """What is missing is said."""
    assert run.do(lambda: run.live.wait("recovered", within_s=1.0, fault=None)).event == "recovered"
    run.observers.missing = "redis-3 does not follow"
    with pytest.raises(NotSeen, match="redis-3 does not follow"):
        run.do(lambda: run.live.wait("recovered", within_s=1.0, fault=None))


def test_wait_for_nothing_that_happens_is_unknown(run: Run) -> None:
    """An event that there is not, a fault that there is not, a fault without effect."""
    with pytest.raises(Unknown, match="expected one of agreed"):
        run.do(lambda: run.live.wait("promotion", within_s=1.0, fault=None))
    with pytest.raises(Unknown, match="found 4"):
        run.do(lambda: run.live.wait("promoted", within_s=1.0, fault=4))


def test_status_tells_nodes_and_faults(run: Run) -> None:
    """As they are now."""
    run.inject(pause="replica", **{"for": "10min"})
    status = run.live.status()
    assert (status.run, status.topology, status.primary) == ("abc", "sentinel", "redis-1")
    assert [node.name for node in status.nodes][:3] == ["redis-1", "redis-2", "redis-3"]
    assert status.nodes[0].port == run.world.topology.address("redis-1").port
    assert [(one.fault, one.state, one.nodes) for one in status.faults] == [(1, "effect", ("redis-2",))]


def test_run_that_ends_takes_no_fault(run: Run) -> None:
    """It says so at once."""
    run.inject(pause="replica")
    run.end()
    with pytest.raises(Interrupted):
        run.inject(kill="primary")
