"""The director's timeline: starts, holds, healing order, interruption, what it writes down."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, Interrupted, NoEffect
from harness.faults.director import Director, DirectorReport, StepStatus
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Start
from harness.model.seams import Effect, Fault, FaultScene, LastLook, Machine
from harness.model.words import Phase, TopologyKind
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from tests.fakes import FakeWorld, fake_world, make_plan, step


@dataclass
class Scripted:
    """A fault whose injection and healing a test decides; notes both with their times."""

    name: str
    log: list[str]
    lasting: bool = True
    no_effect: str = ""
    error_us: int = 1
    fails: Exception | None = None
    heal_fails: list[Exception] = field(default_factory=list)
    on_inject: Callable[[FaultScene], None] = lambda scene: None
    declaration: Declaration = field(default_factory=lambda: Declaration(name="scripted", help="-"))

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        return None

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        self.log.append(f"{self.name} injected")
        self.on_inject(scene)
        if self.no_effect:
            raise NoEffect(self.no_effect)
        if self.fails:
            raise self.fails
        return Effect(
            targets=("redis-1",), proof="seen", at_us=scene.observed.now_us(), error_us=self.error_us
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        if self.heal_fails:
            self.log.append(f"{self.name} heal failed")
            raise self.heal_fails.pop(0)
        self.log.append(f"{self.name} healed")
        return "seen healed" if self.lasting else None

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return self.lasting


@dataclass
class ScriptedForgetful(Scripted):
    """Its target forgets something once it is healed."""

    last_look: LastLook = field(default_factory=lambda: LastLook(moment="in time"))


class Stage:
    """Runs a director over scripted faults, named a, b, c in the order of the list."""

    def __init__(self, closing: ExitStack) -> None:
        self._closing = closing
        self.log: list[str] = []
        self.phases: list[Phase] = []
        self.faults: dict[str, Scripted] = {}
        self.stop = threading.Event()

    def fault(self, name: str, **changes: Any) -> Scripted:
        kind = ScriptedForgetful if "last_look" in changes else Scripted
        self.faults[name] = kind(name, self.log, **changes)
        return self.faults[name]

    def set(self, *steps: FaultStep, **scenario: Any) -> FakeWorld:
        self.world = fake_world(make_plan(TopologyKind.SENTINEL, *steps, **scenario))
        self._closing.callback(self.world.topology.close)
        for one in steps:
            self.faults.setdefault(one.kind, Scripted(one.kind, self.log))
        return self.world

    def run(self) -> DirectorReport:
        faults: Mapping[str, Fault] = self.faults
        return Director(self.world.scene.plan, self.world.scene, self.phases.append, faults).run(self.stop)

    def stops(self, scene: FaultScene) -> None:
        self.stop.set()

    def later(self, delay_s: float, act: Callable[[], object]) -> None:
        timer = threading.Timer(delay_s, act)
        timer.start()
        self._closing.callback(timer.join)


@pytest.fixture
def stage() -> Iterator[Stage]:
    with ExitStack() as closing:
        yield Stage(closing)


def at(name: str, number: int, after_s: float, **changes: Any) -> FaultStep:
    return step(name, number=number, start=Start(after_s=after_s), **changes)


def on(name: str, number: int, **start: Any) -> FaultStep:
    return step(name, number=number, start=Start(**start), for_s=0.0)


def test_faults_start_on_time_and_heal_after_their_hold(stage: Stage) -> None:
    """Overlapping holds run independently: the second is over before the first."""
    world = stage.set(at("a", 1, 0.05, for_s=0.3), at("b", 2, 0.1, for_s=0.05))
    report = stage.run()
    assert stage.log == ["a injected", "b injected", "b healed", "a healed"]
    first, second = report.steps
    assert first.effect
    assert second.effect
    assert 50_000 <= first.effect.at_us - report.began_us < 150_000
    assert first.healed_us
    assert 300_000 <= first.healed_us - first.effect.at_us < 400_000
    assert [(e.source, e.name) for e in world.events()] == [
        ("fault 1", "requested"),
        ("fault 1", "effect"),
        ("fault 2", "requested"),
        ("fault 2", "effect"),
        ("fault 2", "healed"),
        ("fault 1", "healed"),
    ]
    effect = world.events("effect")[0]
    assert (effect.node, effect.shard, effect.fault, effect.detail) == ("redis-1", 1, 1, "redis-1: seen")
    assert effect.t_us == first.effect.at_us
    assert stage.phases == [Phase.FAULT, Phase.RECOVERY]


def test_faults_with_the_same_start_are_done_in_the_order_of_the_list(stage: Stage) -> None:
    """Each once the one before took effect or failed, however long that took; the others are not held up."""
    stage.fault("a", on_inject=lambda _: time_passes(0.2))
    stage.fault("b", no_effect="nothing to see", on_inject=lambda _: time_passes(0.1))
    stage.fault("d")
    stage.set(
        at("a", 1, 0.05, for_s=0.01),
        at("b", 2, 0.05),
        at("c", 3, 0.05, for_s=0.01),
        at("d", 4, 0.1, for_s=0.01),
    )
    report = stage.run()
    begun = [line for line in stage.log if line.endswith("injected")]
    assert begun == ["a injected", "d injected", "b injected", "c injected"]
    assert [one.number for one in report.without_effect] == [2]


def test_faults_after_the_same_event_are_done_in_the_order_of_the_list(stage: Stage) -> None:
    """Twenty of them: threads alone would mix them up."""
    names = [f"f{n:02}" for n in range(20)]
    stage.set(
        *(
            on(name, n, event="fault 1", offset_s=0.05) if n > 1 else at(name, 1, 0.0)
            for n, name in enumerate(names, 1)
        )
    )
    stage.run()
    assert [line for line in stage.log if line.endswith("injected")] == [f"{name} injected" for name in names]


def time_passes(seconds: float) -> None:
    threading.Event().wait(seconds)


def test_stop_heals_what_stands_in_reverse_order(stage: Stage) -> None:
    """An interruption ends every wait and heals everything, the last fault first."""
    stage.set(*[at(name, n, 0.03 * n, for_s=60.0) for n, name in enumerate("abc", 1)])
    stage.faults["c"].on_inject = stage.stops
    report = stage.run()
    assert stage.log[3:] == ["c healed", "b healed", "a healed"]
    assert report.interrupted
    assert report.ended_us - report.began_us < 30_000_000
    assert stage.phases[-1] is Phase.RECOVERY


def test_stop_before_a_start_is_reported(stage: Stage) -> None:
    """A fault that was never requested has no effect, and says what it waited for."""
    stage.set(at("a", 1, 60.0))
    stage.later(0.05, stage.stop.set)
    report = stage.run()
    assert stage.log == []
    assert "the run ended before the start condition was met" in report.without_effect[0].reason
    assert report.steps[0].requested_us is None
    assert stage.phases == []


def test_stop_reaches_a_fault_that_takes_long(stage: Stage) -> None:
    """`scene.stopping` turns true inside an injection."""

    def long(scene: FaultScene) -> None:
        wait_until(scene.stopping, within_s=5.0, waiting_for="stop", every_s=0.01)
        raise Interrupted("gave up")

    stage.set(at("a", 1, 0.0))
    stage.faults["a"].on_inject = long
    stage.later(0.1, stage.stop.set)
    report = stage.run()
    assert report.steps[0].reason == "gave up"
    assert report.interrupted


def test_fault_without_effect_is_reported_and_the_run_goes_on(stage: Stage) -> None:
    """Never raised: the verdict will be INCONCLUSIVE, with the reason."""
    stage.fault("a", no_effect="redis-1 is down already")
    world = stage.set(at("a", 1, 0.0), at("b", 2, 0.05))
    stage.faults["b"].lasting = False
    report = stage.run()
    assert [one.status for one in report.steps] == [StepStatus.NO_EFFECT, StepStatus.EFFECT]
    assert [e.detail for e in world.events("no-effect")] == ["redis-1 is down already"]
    assert world.events("healed") == [], "nothing to heal"


@pytest.mark.parametrize(
    "problem", [NoAnswer("redis-1 did not answer INFO: timed out"), ErrorReply("ERR no")]
)
def test_a_node_that_does_not_answer_or_refuses_leaves_a_fault_without_effect(
    stage: Stage, problem: Exception
) -> None:
    """What a fault asks on its way need not be wrapped: the run goes on, with the reason."""
    stage.fault("a", fails=problem)
    world = stage.set(at("a", 1, 0.0))
    report = stage.run()
    assert [one.status for one in report.steps] == [StepStatus.NO_EFFECT]
    assert [one.detail for one in world.events("no-effect")] == [str(problem)]


def test_fault_that_follows_one_without_effect_is_given_up_at_once(stage: Stage) -> None:
    """Nobody waits 45 s for a promotion that nothing caused."""
    stage.fault("a", no_effect="nothing happened")
    stage.set(at("a", 1, 0.0), on("b", 2, event="promoted", offset_s=0.1), settle_within_s=30.0)
    report = stage.run()
    assert "fault 1 had no effect, and this fault starts after it" in report.steps[1].reason
    assert report.ended_us - report.began_us < 2_000_000


def test_event_start_counts_from_the_previous_effect(stage: Stage) -> None:
    """A promotion before the fault is not the one that is meant."""
    world = stage.set(at("a", 1, 0.05, for_s=0.0), on("b", 2, event="promoted", offset_s=0.1))
    world.observed.events.append(("promoted", world.observed.now_us()))
    promoted: list[int] = []

    def promote() -> None:
        promoted.append(world.observed.now_us())
        world.observed.events.append(("promoted", promoted[0]))

    stage.later(0.2, promote)
    report = stage.run()
    requested_us = report.steps[1].requested_us
    assert requested_us
    assert 100_000 <= requested_us - promoted[0] < 200_000


def test_event_that_never_comes_is_given_up(stage: Stage) -> None:
    """After the scenario's settle limit, with what was seen."""
    stage.set(at("a", 1, 0.0, for_s=0.0), on("b", 2, event="promoted"), settle_within_s=0.2)
    report = stage.run()
    assert (
        "start condition not met within 0.2 s: waiting for `promoted`; last seen: redis-1 primary"
        in report.steps[1].reason
    )


def test_start_after_another_fault_and_after_healing(stage: Stage) -> None:
    """`fault 1 + ...` counts from its effect, `healed` from the healing."""
    stage.set(
        at("a", 1, 0.0, for_s=0.2),
        on("b", 2, event="fault 1", offset_s=0.05),
        on("c", 3, event="healed"),
    )
    report = stage.run()
    assert stage.log[:2] == ["a injected", "b injected"]
    first, second, third = report.steps
    assert first.effect
    assert second.requested_us
    assert second.requested_us - first.effect.at_us >= 50_000
    assert third.requested_us
    assert second.healed_us
    assert third.requested_us >= second.healed_us


def test_acked_start_counts_operations_since_the_previous_effect(stage: Stage) -> None:
    """Three logouts after the fault, not before it."""
    world = stage.set(at("a", 1, 0.05, for_s=0.0), on("b", 2, acked="logout", times=2))
    acks = world.observed.acks
    acks += [("logout", world.observed.now_us())] * 5
    stage.later(0.15, lambda: acks.append(("logout", world.observed.now_us())))
    stage.later(0.25, lambda: acks.append(("logout", world.observed.now_us())))
    report = stage.run()
    requested_us = report.steps[1].requested_us
    assert requested_us
    assert requested_us >= acks[-1][1]


def test_proof_that_takes_time_divides_events_and_acks(stage: Stage) -> None:
    """A promotion during it is the fault's; a logout acked during it may still have been replicated."""
    stage.fault("a", error_us=100_000)
    world = stage.set(
        at("a", 1, 0.2, for_s=0.0),
        on("b", 2, acked="logout"),
        settle_within_s=0.3,
    )
    stage.faults["a"].on_inject = lambda scene: world.observed.acks.append(
        ("logout", scene.observed.now_us() - 50_000)
    )
    report = stage.run()
    assert "waiting for 1 acked `logout`" in report.steps[1].reason

    later = stage.set(at("a", 1, 0.2, for_s=0.0), on("b", 2, event="promoted"), settle_within_s=0.3)
    stage.faults["a"].on_inject = lambda scene: later.observed.events.append(
        ("promoted", scene.observed.now_us() - 50_000)
    )
    assert stage.run().steps[1].status is StepStatus.EFFECT


def test_unreplicated_start_waits_for_an_offset_that_no_replica_has(stage: Stage) -> None:
    """One replica that has everything is enough to say that it was replicated."""
    world = stage.set(on("a", 1, acked="logout", unreplicated=True))
    world.observed.acks.append(("logout", world.observed.now_us() + 1_000_000))
    primary = world.topology.nodes["redis-1"]
    primary.replica_offsets = {"redis-2": 900, "redis-3": 1000}
    behind: list[int] = []

    def fall_behind() -> None:
        behind.append(world.observed.now_us())
        primary.replica_offsets = {"redis-2": 900, "redis-3": 999}

    stage.later(0.15, fall_behind)
    report = stage.run()
    requested_us = report.steps[0].requested_us
    assert requested_us
    assert requested_us >= behind[0]


def test_unreplicated_start_holds_behind_a_cut(stage: Stage) -> None:
    """While replication is cut, whatever was acked since cannot have been replicated."""
    world = stage.set(at("cut replication", 1, 0.0, for_s=0.5), on("b", 2, acked="logout", unreplicated=True))
    world.topology.nodes["redis-1"].replica_offsets = {"redis-2": 1000}
    world.observed.acks.append(("logout", world.observed.now_us() + 1_000_000))
    report = stage.run()
    assert report.steps[1].status is StepStatus.EFFECT
    assert stage.log[:2] == ["cut replication injected", "b injected"]


def test_lag_start_waits_for_the_slowest_replica(stage: Stage) -> None:
    """`replica_lag > N` is about bytes that the primary has not heard back."""
    world = stage.set(on("a", 1, replica_lag_bytes=500), settle_within_s=0.2)
    world.topology.nodes["redis-1"].replica_offsets = {"redis-2": 1000, "redis-3": 500}
    assert "more than 500 bytes behind" in stage.run().steps[0].reason
    world.topology.nodes["redis-1"].replica_offsets = {"redis-2": 1000, "redis-3": 499}
    assert stage.run().steps[0].status is StepStatus.EFFECT


@pytest.mark.parametrize(
    ("duration_s", "settle_s", "stands_s"), [(0.4, 30.0, 0.4), (None, 0.3, 0.3)], ids=["duration", "settled"]
)
def test_unheld_fault_stands_to_the_end(
    stage: Stage, duration_s: float | None, settle_s: float, stands_s: float
) -> None:
    """Without `for:`, until the scenario's time is over, then it is healed."""
    stage.set(at("a", 1, 0.0), duration_s=duration_s, settle_within_s=settle_s)
    report = stage.run()
    assert report.steps[0].healed_us
    assert stands_s * 1e6 <= report.steps[0].healed_us - report.began_us < stands_s * 1e6 + 300_000


def test_fault_with_nothing_to_heal_ends_at_once(stage: Stage) -> None:
    """A kill is over when it is done; recovery begins."""
    stage.fault("a", lasting=False)
    stage.set(at("a", 1, 0.0), duration_s=30.0)
    report = stage.run()
    assert report.ended_us - report.began_us < 500_000
    assert report.steps[0].healed_us is None
    assert stage.phases == [Phase.FAULT, Phase.RECOVERY]


def test_failed_healing_is_tried_again_and_stops_no_other(stage: Stage) -> None:
    """Written down, repeated at the end, and the others are healed all the same."""
    stage.fault("a", heal_fails=[WaitExpired("redis-1 to answer", 1, None)])
    stage.fault("b", heal_fails=[EnvironmentFailure("gone"), EnvironmentFailure("gone for good")])
    world = stage.set(at("a", 1, 0.0, for_s=0.05), at("b", 2, 0.02, for_s=0.05))
    report = stage.run()
    # On a busy host the first healing may be due before the second fault was injected.
    healing = [line for line in stage.log if not line.endswith("injected")]
    assert healing == ["a heal failed", "b heal failed", "b heal failed", "a healed"]
    assert report.steps[0].heal_failure == ""
    assert [one.heal_failure for one in report.heal_failures] == ["gone for good"]
    assert len(world.events("heal-failed")) == 3


def test_failing_machine_is_raised_after_everything_was_healed(stage: Stage) -> None:
    """An environment failure ends the run, not before the other faults are healed."""
    stage.fault("b", fails=EnvironmentFailure("docker is gone"))
    stage.set(at("a", 1, 0.0, for_s=60.0), at("b", 2, 0.05), at("c", 3, 60.0))
    with pytest.raises(EnvironmentFailure, match="docker is gone"):
        stage.run()
    assert stage.log == ["a injected", "b injected", "a healed"]


def test_bug_in_a_fault_is_raised_after_everything_was_healed(stage: Stage) -> None:
    """Also an exception that nobody foresaw leaves nothing standing."""
    stage.fault("b", fails=ZeroDivisionError())
    stage.set(at("a", 1, 0.0, for_s=60.0), at("b", 2, 0.05))
    with pytest.raises(ZeroDivisionError):
        stage.run()
    assert stage.log[-1] == "a healed"


def test_targets_of_earlier_faults_are_known_to_later_ones(stage: Stage) -> None:
    """What `killed` stands for: the effects so far, by number."""
    seen: list[dict[int, tuple[str, ...]]] = []
    stage.set(at("a", 1, 0.0, for_s=0.0), on("b", 2, event="fault 1"))
    stage.faults["b"].on_inject = lambda scene: seen.append(dict(scene.resolved))
    stage.run()
    assert seen == [{1: ("redis-1",)}]


def test_plan_without_faults_is_over_at_once(stage: Stage) -> None:
    """A pure load run has a director too."""
    stage.set()
    assert stage.run().steps == ()
    assert stage.phases == []


def _looked_at(stage: Stage, *steps: FaultStep) -> list[tuple[tuple[str, ...], str, tuple[str, ...]]]:
    """Nodes, moment, and what had been logged by then, for each last look of a run."""
    looks: list[tuple[tuple[str, ...], str, tuple[str, ...]]] = []
    world = stage.set(*steps)

    def last_look(nodes: Sequence[str], moment: str) -> None:
        looks.append((tuple(nodes), moment, tuple(stage.log)))

    scene = replace(world.scene, last_look=last_look)
    Director(scene.plan, scene, stage.phases.append, stage.faults).run(stage.stop)
    return looks


BEFORE = LastLook(moment="before it forgets")
AFTER = LastLook(moment="as soon as it answers", after_healing=True)


@pytest.mark.parametrize("for_s", [0.05, None])
def test_forgetful_node_is_read_once_before_it_is_healed(stage: Stage, for_s: float | None) -> None:
    """Whatever it acknowledged alone goes with the heal; also where only the end of the run heals it."""
    changes = {} if for_s is None else {"for_s": for_s}
    stage.fault("a", lasting=False, last_look=BEFORE)
    looks = _looked_at(stage, at("a", 1, 0.0, **changes))
    assert looks == [(("redis-1",), "before it forgets", ("a injected",))]
    assert stage.log[-1] == "a healed"


def test_forgetful_node_that_cannot_answer_is_read_after_it_was_healed(stage: Stage) -> None:
    """Later than one would wish; the record says so in the fault's own words."""
    stage.fault("a", last_look=AFTER)
    looks = _looked_at(stage, at("a", 1, 0.0, for_s=0.05))
    assert looks == [(("redis-1",), "as soon as it answers", ("a injected", "a healed"))]


def test_node_that_forgets_nothing_is_not_read(stage: Stage) -> None:
    """A look takes time, and a fault that does not ask for one gets none."""
    assert _looked_at(stage, at("a", 1, 0.0, for_s=0.05)) == []


def test_run_that_is_stopped_reads_nobody(stage: Stage) -> None:
    """Healing at once matters more."""
    stage.fault("a", last_look=BEFORE)
    stage.fault("b", last_look=AFTER)
    stage.faults["b"].on_inject = stage.stops
    assert _looked_at(stage, at("a", 1, 0.0, for_s=60.0), at("b", 2, 0.05, for_s=60.0)) == []
    assert stage.log == ["a injected", "b injected", "b healed", "a healed"]


def test_look_before_healing_does_not_lengthen_a_hold(stage: Stage) -> None:
    """It is taken ahead of the end, so that a partition lasts as long as the scenario says."""
    stage.fault("a", last_look=BEFORE)
    world = stage.set(at("a", 1, 0.0, for_s=0.8))
    looked_us: list[int] = []
    scene = replace(world.scene, last_look=lambda _nodes, _moment: looked_us.append(scene.observed.now_us()))
    report = Director(scene.plan, scene, stage.phases.append, stage.faults).run(stage.stop)
    (step_report,) = report.steps
    assert step_report.effect
    assert step_report.healed_us
    assert looked_us[0] < step_report.effect.at_us + 800_000 <= step_report.healed_us


class Attended:
    """A director that goes on until the test ends, in a thread of its own."""

    def __init__(self, stage: Stage) -> None:
        self.director = Director(stage.world.scene.plan, stage.world.scene, stage.phases.append, stage.faults)
        self.reports: list[DirectorReport] = []
        self._stop = stage.stop
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        stage._closing.callback(self.end)
        assert self.director.attended(5.0)

    def _run(self) -> None:
        self.reports.append(self.director.attend(self._stop))

    def end(self) -> None:
        self._stop.set()
        self._thread.join()

    def submit(self, name: str, **changes: Any) -> Any:
        def read(number: int, since_us: int) -> FaultStep:
            start = changes.pop("start", Start(after_s=since_us / 1e6))
            return step(name, number=number, start=start, **changes)

        return self.director.submit(read)


def test_attended_director_takes_faults_until_it_is_stopped(stage: Stage) -> None:
    """Numbers go on after the list's; what was submitted is in effect when it is answered, and healed at the end."""
    stage.set(at("a", 1, 0.0), settle_within_s=0.1)
    stage.fault("b")
    attended = Attended(stage)
    wait_until(lambda: "a injected" in stage.log, within_s=5.0, waiting_for="fault 1", every_s=0.01)
    asked, begun = attended.submit("b")
    report = begun.result(5.0)
    assert (asked.number, report.status) == (2, StepStatus.EFFECT)
    time_passes(0.2)  # longer than a run would let an unheld fault stand
    assert "b healed" not in stage.log
    attended.end()
    assert stage.log[-2:] == ["b healed", "a healed"]
    assert [one.number for one in attended.reports[0].steps] == [1, 2]
    assert attended.reports[0].steps[1].healed_us is not None
    assert [event.name for event in stage.world.events() if event.fault == 2] == [
        "requested",
        "effect",
        "healed",
    ]


def test_submitted_fault_waits_for_the_event_that_it_names(stage: Stage) -> None:
    """Events count from the fault before it, whoever asked for that."""
    stage.set()
    stage.fault("a")
    stage.fault("b")
    attended = Attended(stage)
    attended.submit("a")[1].result(5.0)
    _, begun = attended.submit("b", start=Start(event="promoted", offset_s=0.0))
    time_passes(0.05)
    assert not begun.done()
    stage.world.observed.events.append(("promoted", stage.world.observed.now_us()))
    assert begun.result(5.0).status is StepStatus.EFFECT


def test_submitted_fault_is_held_and_healed_by_itself(stage: Stage) -> None:
    """Its answer does not wait for that."""
    stage.set()
    stage.fault("a")
    attended = Attended(stage)
    _, begun = attended.submit("a", for_s=0.1)
    begun.result(5.0)
    assert "a healed" not in stage.log
    wait_until(lambda: "a healed" in stage.log, within_s=5.0, waiting_for="the end of the hold", every_s=0.01)


def test_submitted_fault_without_effect_says_why(stage: Stage) -> None:
    """And the director goes on."""
    stage.set()
    stage.fault("a", no_effect="nothing to see")
    stage.fault("b", fails=EnvironmentFailure("the disk is full"))
    attended = Attended(stage)
    assert attended.submit("a")[1].result(5.0).reason == "nothing to see"
    with pytest.raises(EnvironmentFailure, match="the disk is full"):
        attended.submit("b")[1].result(5.0)
    assert attended.submit("a")[0].number == 3


def test_attended_director_that_ends_takes_no_more(stage: Stage) -> None:
    """And whoever waits for a start is told that it will not come."""
    stage.set()
    stage.fault("a")
    attended = Attended(stage)
    _, waiting = attended.submit("a", start=Start(after_s=3600.0))
    attended.end()
    assert "the run ended before the start condition was met" in waiting.result(5.0).reason
    with pytest.raises(Interrupted):
        attended.submit("a")


def test_failing_fault_of_the_list_ends_an_attended_director(stage: Stage) -> None:
    """The machine is at fault: nobody asked for that fault in person."""
    stage.set(at("a", 1, 0.0), at("b", 2, 0.05))
    stage.fault("b", fails=EnvironmentFailure("the disk is full"))
    director = Director(stage.world.scene.plan, stage.world.scene, stage.phases.append, stage.faults)
    with pytest.raises(EnvironmentFailure, match="the disk is full"):
        director.attend(threading.Event())
    assert stage.log[-1] == "a healed"


def test_everything_or_one_fault_is_healed_at_a_call(stage: Stage) -> None:
    """The last first; what was healed already, and what never holds, is none of it."""
    stage.set()
    for name in "abc":
        stage.fault(name)
    stage.fault("once", lasting=False)
    attended = Attended(stage)
    for name in ("a", "once", "b", "c"):
        attended.submit(name)[1].result(5.0)
    assert attended.director.standing() == (1, 3, 4)
    assert [one.number for one in attended.director.heal_now(3)] == [3]
    assert [one.number for one in attended.director.heal_now()] == [4, 1]
    assert [line for line in stage.log if line.endswith("healed")] == ["b healed", "c healed", "a healed"]
    assert attended.director.heal_now() == ()


def test_heal_that_fails_at_a_call_is_reported(stage: Stage) -> None:
    """And tried again at the next call."""
    stage.set()
    stage.fault("a", heal_fails=[EnvironmentFailure("no route")])
    attended = Attended(stage)
    attended.submit("a")[1].result(5.0)
    assert attended.director.heal_now()[0].heal_failure == "no route"
    (again,) = attended.director.heal_now()
    assert (again.heal_failure, again.healed_us is not None) == ("", True)
