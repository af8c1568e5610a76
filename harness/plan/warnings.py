"""What a plan is likely to run into although nothing is wrong with it: said by `plan`, before anything runs.

The trap of persistence: nodes keep nothing on disk unless a directive says so. A primary that is started
again before anybody was promoted in its place is empty then, and its replicas copy that. And of promotion: a
fault that waits for it where no replica is left waits in vain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

from harness.model.finding_kind import Measure
from harness.model.fit import LEFT_BY
from harness.model.inventory import NodePlan
from harness.model.measures import loses_writes, measure_named
from harness.model.persistence import NOTHING, persistence
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Scenario, Vocabulary
from harness.model.words import Discovery, NodeRole, Trait
from harness.plan.timeline import Expected, Pace, expected_faults


def warnings(plan: Plan, vocabulary: Vocabulary) -> Iterator[str]:
    yield from _of_other_names(plan.scenario, vocabulary.findings)
    yield from _surprises(plan, vocabulary.behaviours)
    client = plan.scenario.deployment.client
    if plan.inventory.clustered and client.discovery is Discovery.FIXED_ADDRESS:
        yield (
            f"clients know the address of {plan.inventory.data_nodes[0].name} and no cluster (discovery "
            f"{client.discovery}), so they are refused with MOVED for whatever belongs to another node. If "
            "that is not what is tested, leave `discovery` out"
        )
    faults = expected_faults(plan.scenario, plan.inventory)
    pace = Pace(plan.scenario.deployment.topology, plan.inventory)
    for number, fault in enumerate(faults):
        empty = [node for node in _come_back(fault, faults[:number], plan) if _keeps_nothing(node)]
        if empty and not _promoted(fault, faults[:number], pace):
            yield _restarted_empty(fault, empty, plan)
        shard = _shard_without_heir(fault, faults[:number], plan)
        if shard is not None:
            yield (
                f"fault {fault.step.number} waits for `promoted`, and shard {shard} has no replica running "
                "by then that could be promoted, so its start condition will probably not be met. Start a "
                "replica before it, or add replicas"
            )


def _surprises(plan: Plan, behaviours: Mapping[str, Declaration]) -> Iterator[str]:
    workload = plan.scenario.workload
    a_weight_s = workload.rate_per_s / workload.active_users / (sum(workload.mix.values()) or 1.0)

    def of_a_user(weight: float, within_s: float) -> float:
        return a_weight_s * weight * min(within_s, plan.expected_s)

    for name, weight in workload.mix.items():
        options = workload.options.get(name, {})
        known = behaviours.get(name)
        if known and (said := known.surprise(options, partial(of_a_user, weight))):
            yield f"{name}: {said}"


def _of_other_names(scenario: Scenario, findings: Mapping[str, Measure]) -> Iterator[str]:
    """A finding about lost writes is allowed, and what some behaviour of the mix loses has another name that
    no expectation allows: the run would fail by that."""
    named = {measure_named(one) for one in scenario.expect}
    makers = scenario.workload.leads_to
    allowed = {
        name: makers[name]
        for one in scenario.expect
        if (one.allows_anything or one.demands) and (name := measure_named(one)) in makers
    }
    allowed = {name: by for name, by in allowed.items() if loses_writes(findings.get(name))}
    theirs = set(chain.from_iterable(allowed.values()))
    for other, behaviours in makers.items() if allowed else ():
        if other not in named and theirs.isdisjoint(behaviours) and loses_writes(findings.get(other)):
            yield (
                f"{' and '.join(allowed)} may happen, and {other} may not, as no expectation names it: "
                f"so is a write of {' or '.join(behaviours)} called when it is lost. If that is meant to "
                f'happen as well, write `{other}: ">= 0"`'
            )


def _restarted_empty(fault: Expected, nodes: Sequence[NodePlan], plan: Plan) -> str:
    shards = {node.shard for node in nodes}
    copied = any(node.role is NodeRole.REPLICA and node.shard in shards for node in plan.nodes)
    when, and_then = (
        (", before any replica is promoted", ", and replicas copy the empty data set") if copied else ("", "")
    )
    return (
        f"fault {fault.step.number} restarts {' and '.join(node.name for node in nodes)} without persistence"
        f"{when}: its sessions will be lost{and_then}. To keep them, write "
        '`appendonly: "yes"` or `save: 60 1` under `redis`'
    )


def _come_back(fault: Expected, before: tuple[Expected, ...], plan: Plan) -> list[NodePlan]:
    """The primaries that a fault starts again, as far as their names are known beforehand."""
    step = fault.step
    if step.options.get("data") == "empty":  # that is what is wanted
        return []
    if Trait.STOPS_PROCESS in step.traits and step.for_s is not None:
        return _primaries(step, plan)
    if Trait.STARTS_PROCESS not in step.traits:
        return []
    if LEFT_BY.get(step.target) is not Trait.STOPS_PROCESS:
        return _primaries(step, plan)
    stopped = [one for one in before if _stops(one)]
    if step.target == "one of killed":  # one at a time, in their order
        again = sum(one.step.target == step.target for one in before)
        stopped = stopped[again : again + 1]
    return [node for one in stopped for node in _primaries(one.step, plan)]


def _primaries(step: FaultStep, plan: Plan) -> list[NodePlan]:
    """A replica or a cache may lose everything and no session is gone; neither does an old primary matter."""
    words = step.target.split()
    if "primary" not in words or "old" in words:
        return []
    shard = _shard(step)
    return [node for node in plan.nodes if node.role is NodeRole.PRIMARY and node.shard == shard]


def _shard(step: FaultStep) -> int:
    """Of a target that names a role, or the host of one."""
    named = re.search(r"\bshard (\d+)\b", step.target)
    return int(named[1]) if named else 1


def _shard_without_heir(fault: Expected, before: tuple[Expected, ...], plan: Plan) -> int | None:
    """The shard whose promotion a fault waits for, if its replicas were all stopped before the primary."""
    if fault.step.start.event != "promoted":
        return None
    struck = [
        number
        for number, one in enumerate(before)
        if Trait.CAUSES_FAILOVER in one.step.traits and "primary" in one.step.target.split()
    ]
    if not struck:
        return None
    shard = _shard(before[struck[-1]].step)
    replicas = sum(node.role is NodeRole.REPLICA and node.shard == shard for node in plan.nodes)
    down = 0
    for one in before[: struck[-1]]:
        if Trait.STARTS_PROCESS in one.step.traits:
            down = 0
        elif _stops(one) and one.step.for_s is None and _shard_of_replicas(one.step) == shard:
            down += replicas if one.step.target.startswith("all ") else 1
    return shard if 0 < replicas <= down else None


def _shard_of_replicas(step: FaultStep) -> int | None:
    named = any(word.partition("[")[0] in {"replica", "replicas"} for word in step.target.split())
    return _shard(step) if named else None


def _keeps_nothing(node: NodePlan) -> bool:
    return persistence(node) == NOTHING


def _promoted(fault: Expected, before: tuple[Expected, ...], pace: Pace) -> bool:
    """Whether somebody will have taken over by then. A restart at once is too fast for that."""
    if not pace.inventory.fails_over:
        return False
    step = fault.step
    if Trait.STOPS_PROCESS in step.traits:
        return step.for_s is not None and step.for_s > pace.promotion_s(step)
    if LEFT_BY.get(step.target) is not Trait.STOPS_PROCESS:
        return False
    if step.start.event == "promoted":
        return True
    stopped = [one for one in before if _stops(one)]
    return all(fault.start_s > one.start_s + pace.promotion_s(one.step) for one in stopped)


def _stops(fault: Expected) -> bool:
    return Trait.STOPS_PROCESS in fault.step.traits
