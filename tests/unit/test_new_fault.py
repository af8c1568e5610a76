"""A fault is added in one place: this one exists nowhere else, and every stage treats it as what it is."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.promises.loss_budget import loss_budgets
from harness.errors import UsageError
from harness.faults import FAULTS, targets
from harness.faults.director import Director
from harness.model.links import LinkRule
from harness.model.pacing import RECOVERED_FOR_S
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Scenario
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import TopologyKind, Trait
from harness.observe.live_state import LiveState
from harness.observe.topology_view import ViewCollector
from harness.plan.timeline import DEMOTION_S, QUICK_S, expected_faults
from harness.presets import inventory_of
from harness.running.vocabulary import shipped
from harness.scenario import load, load_live_fault
from lab.past import Past
from lab.records import us
from tests.fakes import fake_world, make_plan, step
from tests.unit.observe.test_events import StoppedClock

NAME = "unplug"


class Unplug:
    """As the next person might write it: a primary's cable is pulled."""

    declaration = Declaration(
        name=NAME,
        help="Pull a primary's cable.",
        targets=targets.PRIMARIES,
        traits=(Trait.CUTS_LINKS, Trait.LASTS, Trait.CAUSES_FAILOVER, Trait.NEEDS_REPLICA),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        others = [node.name for node in scene.plan.nodes if node.name not in nodes]
        proof = scene.topology.apply(LinkRule(nodes, others), by=step.number)
        return Effect(targets=nodes, proof=proof, at_us=scene.observed.now_us())

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        scene.topology.mend(by=step.number)
        return "plugged in again"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return True


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one line in the table of faults."""
    monkeypatch.setitem(FAULTS, NAME, Unplug())


def scenario(folder: Path, *, fault: str = f"{NAME}: primary", topology: str = "kind: sentinel") -> Scenario:
    """That fault for 20 s, and another once all has recovered from it."""
    path = folder / "s.yaml"
    path.write_text(
        "scenario: 1\n"
        "name: a cable is pulled\n"
        f"deployment: {{topology: {{{topology}}}}}\n"
        "workload: {rate: 100/s, mix: {log-in: 1}}\n"
        "faults:\n"
        f"  - {{after: 5s, {fault}, for: 20s}}\n"
        "  - {after: recovered, nothing: primary}\n"
    )
    return load(path, shipped())


def test_new_fault_is_read_with_its_traits(tmp_path: Path) -> None:
    """From a scenario's list, and from what a run that goes on is told."""
    read = scenario(tmp_path)
    assert read.faults[0].traits == Unplug.declaration.traits
    told = load_live_fault(f"{{after: 0s, {NAME}: primary, for: 1s}}", 1, read, shipped())
    assert told.traits == Unplug.declaration.traits


def test_new_fault_that_needs_a_replica_is_refused_where_there_is_none(tmp_path: Path) -> None:
    """At its line of the file, before anything starts."""
    with pytest.raises(UsageError, match=f":6: .*{NAME} needs a replica"):
        scenario(tmp_path, topology="kind: sentinel, replicas: 0")


def test_new_fault_that_causes_a_failover_is_given_the_time_for_it(tmp_path: Path) -> None:
    """Planning expects the demotion of the old primary; after a fault without that trait it does not."""
    made = {
        fault: scenario(tmp_path, fault=fault) for fault in (f"{NAME}: primary", "cut replication: primary")
    }
    expected = {
        fault: expected_faults(one, inventory_of(one.deployment))[1].start_s for fault, one in made.items()
    }
    assert expected == {
        f"{NAME}: primary": 25.0 + DEMOTION_S + RECOVERED_FOR_S,
        "cut replication: primary": 25.0 + QUICK_S + RECOVERED_FOR_S,
    }


def test_new_fault_that_cuts_links_counts_as_a_cut_while_it_stands() -> None:
    """Carried out by the director, noted by the observers, over once it is healed."""
    plan = make_plan(TopologyKind.SENTINEL, step(NAME, for_s=0.01))
    world = fake_world(plan)
    observed = LiveState(
        plan, StoppedClock(0), ViewCollector(), acked_since=lambda *_: 0, last_acked_us=lambda _: None
    )
    seen: list[tuple[str, bool]] = []
    note = observed.recording(lambda rec: seen.append((getattr(rec, "name", ""), observed.cut())))
    try:
        Director(plan, world.scene).run(threading.Event())
    finally:
        world.topology.close()
    for event in world.events():
        note(event)
    assert seen == [("requested", False), ("effect", True), ("healed", False)]


def test_new_fault_that_lasts_endangers_writes_until_it_is_healed() -> None:
    """The healing of one without that trait says nothing."""
    ends = {}
    for kind in (NAME, "kill"):
        past = Past()
        past.fault(2.0, "redis-1: struck", kind)
        past.event("healed", 9.0, source="fault 1", fault=1, node="redis-1")
        danger_us = facts_of(past.history()).landmarks.danger_us
        assert danger_us is not None
        ends[kind] = danger_us[1]
    assert ends == {NAME: us(9.0), "kill": us(2.0)}


def test_failover_after_a_new_fault_that_causes_one_is_explained() -> None:
    """No budget for a failover that nobody asked for, as there is after a fault without that trait."""
    unasked = {}
    for kind in (NAME, "cut replication"):
        past = Past()
        past.log_in("ann", 1.0)
        past.fault(2.0, "redis-1: struck", kind)
        past.fail_over("redis-2", 4.0)
        history = past.history()
        unasked[kind] = [one.what for one in loss_budgets(facts_of(history)) if one.fault is None]
    assert unasked == {NAME: [], "cut replication": ["a failover to redis-2 that no fault requested"]}
