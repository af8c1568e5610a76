"""`plan`: what a run would do, without starting anything; of a deployment alone, what it would start."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from harness import output
from harness import plan as planning
from harness.cli.choice import choice_of, given_in
from harness.model.plan import Plan, RunKey
from harness.model.scenario import Scenario
from harness.running.compiling import compile_chosen
from harness.running.ground import Ground, ground_for_planning, ground_of
from harness.running.projects import surveyed
from harness.running.selection import Choice, Chosen, choose, choose_without_load, scenario_files
from harness.running.vocabulary import shipped


def _first_of_each_cell(plans: Sequence[Plan]) -> list[Plan]:
    """Those that are repeated differ in their seed alone."""
    first: dict[RunKey, Plan] = {}
    for plan in plans:
        first.setdefault(plan.key.cell, plan)
    return list(first.values())


def carry_out(options: argparse.Namespace) -> int:
    seed = options.seed if options.seed is not None else 0
    given = given_in(options)
    if given.deployments and not given.scenarios and options.suite is None:
        chosen, ground = _with_ground(choose_without_load(choice_of(options)), options.backend)
        for plan in compile_chosen(chosen, seed=seed, ground=ground):
            output.say(planning.describe_nodes(plan, _fitting(plan, seed, ground)))
        return 0
    choice = choice_of(options)
    chosen, ground = _with_ground(choose(choice), options.backend)
    plans = compile_chosen(chosen, seed=seed, ground=ground, repeat=choice.repeat)
    for plan in _first_of_each_cell(plans):
        output.say(planning.describe(plan, shipped()))
    if len(plans) > 1:
        output.say(planning.describe_all(plans, jobs=ground.machine.cpus))
    return 0


def explain(options: argparse.Namespace) -> int:
    """`explain`: what should happen in each scenario, second by second, and why."""
    chosen, ground = _with_ground(choose(choice_of(options)), options.backend)
    plans = compile_chosen(chosen, seed=options.seed or 0, ground=ground, repeat=1)
    output.say("\n\n".join(planning.explain(plan, shipped()) for plan in plans))
    return 0


def _with_ground(chosen: Sequence[Chosen], backend: str) -> tuple[list[Chosen], Ground]:
    """A Compose project is started once, to see its nodes; nothing else is."""
    scenarios = [one.scenario for one in chosen]
    own = any(one.deployment.project for one in scenarios)
    ground = ground_of(backend, scenarios) if own else _without_nodes(backend, scenarios)
    return surveyed(chosen, output.note), ground


def _without_nodes(backend: str, scenarios: Sequence[Scenario]) -> Ground:
    return ground_for_planning(backend, scenarios)


def _fitting(plan: Plan, seed: int, ground: Ground) -> list[str]:
    """The shipped scenarios that can be run against a plan's deployment, by the names that `run` takes."""
    choice = Choice(files=tuple(scenario_files(None)), deployments=(Path(plan.scenario.deployment.file),))
    plans = compile_chosen(choose(choice), seed=seed, ground=ground)
    own = {None, plan.skip}  # what the deployment itself lacks here says nothing about a scenario
    files = [Path(one.scenario.file) for one in plans if one.skip in own]
    return [f"{file.parent.name}/{file.name[:2]}" for file in files]
