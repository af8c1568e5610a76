"""A failover as one bar of stages, each with the setting that governs it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.model.deployment import Project
from harness.model.judgement import FailoverStep
from harness.model.plan import Plan
from harness.report.anatomy import Anatomy, anatomies
from tests.unit.checks.stories import zombie_reader

PLAN = zombie_reader().history().plan
MEASURED = {
    "fault effect": 0.0,
    "suspected first": 1.2,
    "suspected by quorum": 1.3,
    "agreed": 1.3,
    "elected": 1.5,
    "promoted": 2.5,
    "topology published": 2.3,
    "first write acked by the new primary": 3.0,
}


def steps(**changed: float | None) -> tuple[FailoverStep, ...]:
    at = {**MEASURED, **{name.replace("_", " "): value for name, value in changed.items()}}
    return tuple(
        FailoverStep(step=step, shard=1, t_s=value, reason="" if value is not None else "no good replica")
        for step, value in at.items()
    )


def anatomy(plan: Plan = PLAN, **changed: float | None) -> Anatomy:
    (found,) = anatomies(steps(**changed), plan)
    return found


def test_stages_follow_each_other_without_a_gap() -> None:
    """From the fault's effect to the first write that the new primary acknowledged."""
    found = anatomy()
    assert [one.name for one in found.stages] == [
        "noticed",
        "agreed",
        "elected",
        "promoted",
        "followed by clients",
    ]
    assert [one.begin_s for one in found.stages] == [0.0, 1.2, 1.3, 1.5, 2.5]
    assert sum(one.share for one in found.stages) == pytest.approx(100)
    assert (found.length_s, found.unfinished) == (3.0, "")


def test_each_stage_names_the_setting_that_governs_it() -> None:
    """With its value in this run; of somebody's own project no value is claimed."""
    topology = PLAN.scenario.deployment.topology
    assert anatomy().stages[0].governed == f"down_after {topology.down_after_s:.1f} s"
    assert anatomy().stages[1].governed.startswith(f"quorum {topology.effective_quorum} of")
    deployment = replace(PLAN.scenario.deployment, project=Project(file="compose.yaml"))
    theirs = replace(PLAN, scenario=replace(PLAN.scenario, deployment=deployment))
    assert {one.governed for one in anatomy(theirs).stages} == {""}


def test_a_step_that_was_not_seen_belongs_to_the_stage_after_it() -> None:
    """So does one that another observer put before the step that precedes it."""
    unseen = anatomy(suspected_first=None)
    assert [(one.name, one.begin_s) for one in unseen.stages][:2] == [("agreed", 0.0), ("elected", 1.3)]
    early = anatomy(elected=1.25)
    assert [one.name for one in early.stages] == ["noticed", "agreed", "promoted", "followed by clients"]


def test_a_failover_without_an_end_says_where_it_ended() -> None:
    """Nobody was promoted, for a reason; or clients never wrote again."""
    nobody = anatomy(promoted=None, first_write_acked_by_the_new_primary=None)
    assert nobody.unfinished == "not promoted: no good replica"
    assert nobody.length_s == 1.5
    assert anatomy(first_write_acked_by_the_new_primary=None).unfinished == "no good replica"


def test_without_a_failover_there_is_nothing_to_show() -> None:
    """No steps, or none but the fault itself."""
    assert anatomies((), PLAN) == []
    assert anatomies((FailoverStep(step="fault effect", shard=1, t_s=0.0),), PLAN) == []
