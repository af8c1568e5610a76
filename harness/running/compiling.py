"""From chosen scenarios to plans for the nodes of this machine.

Trap: one scenario may have several plans, against several deployments or on several engines. Its runs
are told apart by their key (`Plan.key`) and, for people, by their variant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from harness import plan as planning
from harness.checks.promises.table import FINDINGS
from harness.errors import UsageError
from harness.faults import FAULTS
from harness.model.command_words import SEED_MAX
from harness.model.plan import Plan, setting_in_short
from harness.model.scenario import Scenario
from harness.running.ground import Ground
from harness.running.selection import Chosen


def compile_chosen(
    chosen: Sequence[Chosen], *, seed: int, ground: Ground, repeat: int = 1
) -> tuple[Plan, ...]:
    """`repeat` plans for each, named so that people can tell them apart.

    The first has the seed, each further one the next. All that were chosen come once before any comes again:
    a suite that is ended early has something of each.

    Raises:
        UsageError: as `compile_all`; the same run was asked for twice.
    """
    plans = [
        replace(plan, varied=one.varied, repeated=repeat > 1)
        for nth in seeds(seed, repeat)
        for one in chosen
        for plan in compile_all([one.scenario], seed=nth, ground=ground, changed=one.changed)
    ]
    for key, times in Counter(plan.key for plan in plans).items():
        if times > 1:
            raise UsageError(f"{key.scenario}: expected each run once, found this scenario {times} times")
    return _with_variants(plans)


def part_of(plans: Sequence[Plan], number: int, parts: int) -> tuple[Plan, ...]:
    """Every `parts`-th of the runs: all parts together are all of them, and none has much more than another.

    Raises:
        UsageError: there are fewer runs than parts.
    """
    if len(plans) < parts:
        raise UsageError(f"--shard {number}/{parts}: expected at least {parts} runs, found {len(plans)}")
    return tuple(plans[number - 1 :: parts])


def seeds(first: int, repeat: int) -> tuple[int, ...]:
    """As many as there are repeats, all different; none is larger than a seed may be."""
    return tuple((first + nth) % (SEED_MAX + 1) for nth in range(repeat))


def _with_variants(plans: Sequence[Plan]) -> tuple[Plan, ...]:
    """The plans, each with what tells it from the other plans of its scenario."""
    names = _deployment_names(plans)
    return tuple(
        replace(plan, variant=_variant(plan, [one for one in plans if _same_scenario(one, plan)], names))
        for plan in plans
    )


def _same_scenario(one: Plan, other: Plan) -> bool:
    return one.key.scenario == other.key.scenario


def _variant(plan: Plan, others: Sequence[Plan], names: dict[str, str]) -> str:
    words = []
    if len({one.key.deployment for one in others}) > 1:
        words.append(names[plan.key.deployment])
    if len({one.key.engine for one in others}) > 1:
        words.append(plan.key.engine or "engine of this machine")
    words += map(setting_in_short, plan.varied)
    return ", ".join(words)


def _deployment_names(plans: Iterable[Plan]) -> dict[str, str]:
    """A name for each deployment file: the name in it, or its path where several have the same name."""
    names = {plan.key.deployment: plan.scenario.deployment.name for plan in plans}
    times = Counter(names.values())
    return {file: name if times[name] == 1 else file for file, name in names.items()}


def compile_all(
    scenarios: Sequence[Scenario], *, seed: int, ground: Ground, changed: Sequence[str] = ()
) -> tuple[Plan, ...]:
    """`changed`: the options that changed the scenarios, kept so that the run can be repeated.

    Raises:
        UsageError: a plan that could not be judged, such as sessions that expire before their audit.
    """
    fits = {name: fault.fits for name, fault in FAULTS.items()}
    plans = (
        planning.compile(
            one, seed=seed, backend=ground.backend, machine=ground.machine, fits=fits, findings=FINDINGS
        )
        for one in scenarios
    )
    return tuple(
        replace(plan, changed=tuple(changed), skip=plan.skip or ground.why_not(plan)) for plan in plans
    )
