"""A plan as plain text, for the `plan` verb: what would be done, without doing it."""

from __future__ import annotations

from collections.abc import Iterator

from harness.model.directives import used
from harness.model.fit import LOSS_BUDGET
from harness.model.plan import NodePlan, Plan
from harness.model.scenario import Scenario, Start, Term
from harness.model.words import NodeRole, TopologyKind
from harness.plan.load import ACTORS_MAX, actors_needed
from harness.plan.timeline import Expected, expected_faults


def describe(plan: Plan) -> str:
    return "\n".join(_lines(plan))


def _lines(plan: Plan) -> Iterator[str]:
    scenario = plan.scenario
    yield f"{scenario.name} ({scenario.shows}; {scenario.file})"
    if scenario.about:
        yield f"  {scenario.about}"
    if plan.skip:
        yield f"  SKIPPED: {plan.skip}"
    topology = scenario.deployment.topology
    yield (
        f"  deployment  {scenario.deployment.name}: {topology.kind}, backend {plan.backend}, "
        f"timing profile {scenario.deployment.timing}, seed {plan.seed}"
    )
    for node in plan.nodes:
        yield f"    {node.name:<12} {_node(node, plan)}"
    for one in topology.everything_left_out:
        yield f"    left out   {one}{'; so nothing can pass' if one.decides else ''}"
    if any(one.decides for one in topology.everything_left_out):
        yield "    Inconclusive at best. To test the deployment without such a directive, remove its line."
    yield f"  client      {_client(scenario)}"
    yield f"  workload    {_workload(plan)}"
    yield "  timeline    0 s baseline begins"
    for fault in expected_faults(scenario):
        yield f"    ~{fault.start_s:>5.1f} s   {_fault(fault)}"
    end = f"at least {scenario.duration_s:g} s of traffic" if scenario.duration_s else "until settled"
    yield (
        f"    then       {end} (recovery within {scenario.settle_within_s:g} s), audit; "
        f"about {plan.expected_s:.0f} s in all"
    )
    yield "  expected" if scenario.expect else "  expected    no findings at all"
    for expectation, bound in zip(scenario.expect, plan.bounds, strict=True):
        yield f"    {expectation.text}{_resolved(bound.value, expectation.unit, expectation.bound)}"
    if scenario.expect:
        yield "    every other finding: 0"


def _node(node: NodePlan, plan: Plan) -> str:
    words = [node.role.value]
    if node.replica_of:
        words.append(f"of {node.replica_of}")
    if node.role is not NodeRole.SENTINEL:
        words.append(f"for {node.purpose}")
        if plan.scenario.deployment.topology.kind is TopologyKind.CLUSTER:
            words.append(f"shard {node.shard}")
    settings = [str(directive) for directive in used(node.directives)]
    return " ".join(words) + (f"  ({', '.join(settings)})" if settings else "")


def _client(scenario: Scenario) -> str:
    client = scenario.deployment.client
    return (
        f"{client.library}, discovery {client.discovery}, socket timeout {client.socket_timeout_s:g} s, "
        f"retries: library {client.library_retries}, application {client.application_retries}"
    )


def _workload(plan: Plan) -> str:
    work = plan.scenario.workload
    total = sum(work.mix.values())
    mix = ", ".join(f"{name} {100 * weight / total:.0f}%" for name, weight in work.mix.items())
    wait_s = plan.longest_client_wait_s
    needed = actors_needed(work, wait_s)
    capped = f" (capped at {ACTORS_MAX}; {needed} could be waiting)" if needed > ACTORS_MAX else ""
    return (
        f"{work.rate_per_s:g}/s over {len(plan.web_servers)} web servers, {work.users} users, idle timeout "
        f"{work.idle_timeout_s:g} s: {mix}\n"
        f"              {plan.actors} actors{capped}; a request waits up to {wait_s:.1f} s"
    )


def _fault(fault: Expected) -> str:
    step = fault.step
    words = [f"{step.number}. {step.kind}", step.target]
    words += [f"{name} {value}" for name, value in step.options.items() if value != ""]
    if step.hold_s is not None:
        words.append(f"for {step.hold_s:g} s")
    return " ".join(filter(None, words)) + f" ({_start(step.start)})"


def _start(start: Start) -> str:
    if start.after_s is not None:
        return f"after {start.after_s:g} s"
    if start.event is not None:
        return f"after {start.event}" + (f" + {start.offset_s:g} s" if start.offset_s else "")
    if start.acked is not None:
        unreplicated = ", not yet replicated" if start.unreplicated else ""
        return f"when {start.times} x {start.acked} acked{unreplicated}"
    return f"when a replica lags by more than {start.replica_lag_bytes} bytes"


def _resolved(value: float | None, unit: str, bound: tuple[object, ...]) -> str:
    if value is None:
        budget = any(isinstance(term, Term) and term.setting == LOSS_BUDGET for term in bound)
        return "  (known when judged)" if budget else "  (not known for this deployment)"
    return f"  ({value:g} {unit})" if len(bound) > 1 or unit == "s" else ""
