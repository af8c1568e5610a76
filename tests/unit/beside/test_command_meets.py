"""Which faults a command met: those that took effect while it ran."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.beside.running import RECOVERED_WITHIN_S, _partitions, met
from harness.faults.director import DirectorReport, StepReport, StepStatus
from harness.model.deployment import Project
from harness.model.pacing import RECOVERED_FOR_S
from harness.model.seams import Effect, Machine
from harness.model.words import BackendKind
from harness.plan.timeline import DEMOTION_S
from tests.builders_topology import process_plan
from tests.fakes import FakeTopology

ENDED_US = 5_000_000


def reported(*at_us: int | None) -> DirectorReport:
    """One fault each, with its effect at this time; None: it had none."""
    steps = []
    for number, t_us in enumerate(at_us, 1):
        one = StepReport(
            number=number, kind="stop", target="primary", reason="" if t_us else "its start never came"
        )
        if t_us is not None:
            effect = Effect(targets=("redis-1",), proof="process gone", at_us=t_us, error_us=2_000_000)
            one = StepReport(
                number=number, kind="stop", target="primary", status=StepStatus.EFFECT, effect=effect
            )
        steps.append(one)
    return DirectorReport(began_us=0, ended_us=9_000_000, steps=tuple(steps))


@pytest.mark.parametrize(
    ("at_us", "unmet"), [(1_000_000, 0), (ENDED_US, 0), (ENDED_US + 1, 1), (6_500_000, 1), (None, 1)]
)
def test_effect_after_the_commands_end_is_none_for_it(at_us: int | None, unmet: int) -> None:
    """A node that takes its time to stop may outlast a test that passes: the test has met nothing."""
    assert len(met(reported(at_us), ENDED_US).without_effect) == unmet


def test_fault_that_came_too_late_says_by_how_much() -> None:
    """The others keep what was said of them."""
    first, second, third = met(reported(1_000_000, 6_500_000, None), ENDED_US).steps
    assert first.reason == ""
    assert second.reason == "none is proved before the command's end, the first one 1.500 s after it"
    assert second.effect is not None, "what it did to the nodes is known all the same"
    assert third.reason == "its start never came"


def test_nodes_are_watched_for_as_long_as_sentinels_leave_an_old_primary_alone() -> None:
    """A command may end as soon as it has been started again; what follows is no trouble."""
    assert RECOVERED_WITHIN_S > DEMOTION_S + RECOVERED_FOR_S


def test_command_beside_a_project_is_told_that_partitions_do_not_reach_it() -> None:
    """Whoever is root and has an engine is not told to get them."""
    plan = process_plan("sentinel")
    deployment = replace(plan.scenario.deployment, project=Project(file="docker-compose.yml"))
    plan = replace(plan, scenario=replace(plan.scenario, deployment=deployment))
    topology = FakeTopology(plan)
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True)
    (line,) = _partitions(topology, machine, None)
    topology.close()
    assert line.startswith(
        "partitions do not reach the command, which reaches every node: beside a Compose project"
    )
