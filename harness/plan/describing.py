"""A plan as plain text, for the `plan` verb: what would be done, without doing it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.model.deployment import LONGEST_BACKOFF_S, Deployment, TopologySpec
from harness.model.directives import used
from harness.model.fit import LOSS_BUDGET
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.scenario import FaultStep, OptionType, Scenario, Start, Term, Vocabulary, Workload
from harness.model.words import SERVICE, TooFew, Trait
from harness.plan.load import ACTORS_MAX, actors_needed
from harness.plan.timeline import Expected, expected_faults, latest_end_s
from harness.plan.warnings import warnings

AROUND_A_RUN_S = 3.0
"""Starting its nodes, stopping them and judging what they did."""


def describe(plan: Plan, vocabulary: Vocabulary) -> str:
    return "\n".join(_lines(plan, vocabulary))


def describe_nodes(plan: Plan, fitting: Sequence[str]) -> str:
    """A deployment alone: what would be started, and what is missing for a run. `fitting`: shipped scenarios
    that can be run against it, by name."""
    deployment = plan.scenario.deployment
    return "\n".join(
        (
            f"{deployment.name} (deployment; {plan.scenario.file})",
            *_skipped(plan),
            *_deployment(plan),
            f"  client      {_client(plan.scenario)}",
            f"  to start    failover-kit up {plan.scenario.file}",
            "  for a run   a scenario is missing: its workload, faults and expectations",
            *_fitting(plan.scenario.file, fitting, plan.inventory.called),
        )
    )


def _fitting(file: str, names: Sequence[str], called: str) -> Iterator[str]:
    """`called`: what people call this arrangement; scenarios about it come first."""
    if not names:
        yield "              no shipped scenario fits; write one: docs/writing-scenarios.md"
        return
    yield f"              {len(names)} shipped ones fit: {', '.join(names)}"
    one = next((name for name in names if name.startswith(f"{called}/")), names[0])
    yield f"              one of them:        failover-kit run {one} {file}"
    yield f"              those of suite core: failover-kit run {file}"


def describe_all(plans: Sequence[Plan], *, jobs: int) -> str:
    """How many runs these are, of what, and how long they take."""
    cells = {plan.key.cell for plan in plans}
    seeds = sorted({plan.seed for plan in plans})
    skipped = sum(plan.skip is not None for plan in plans)
    runs = f"in all: {len(plans)} runs"
    if len(seeds) > 1:
        runs += f" ({len(cells)} with {len(seeds)} seeds each, {seeds[0]} to {seeds[-1]})"
    skipped_too = f"; {skipped} of them SKIPPED" if skipped else ""
    minutes = wall_s(plans, jobs=jobs) / 60
    return f"{runs}{skipped_too}; about {max(1, minutes):.0f} min with {jobs} in parallel"


def wall_s(plans: Sequence[Plan], *, jobs: int) -> float:
    """How long a suite of these is expected to take: runs that measure short times go one by one."""
    took = {True: 0.0, False: 0.0}
    for plan in plans:
        if plan.skip is None:
            took[plan.scenario.exclusive] += plan.expected_s + AROUND_A_RUN_S
    return took[True] + took[False] / jobs


def _skipped(plan: Plan) -> Iterator[str]:
    if plan.skip:
        yield f"  SKIPPED: {plan.skip}"


def _lines(plan: Plan, vocabulary: Vocabulary) -> Iterator[str]:
    scenario = plan.scenario
    yield f"{plan.label} ({scenario.shows}; {scenario.file})"
    if scenario.about:
        yield f"  {scenario.about}"
    yield from _skipped(plan)
    yield from _deployment(plan)
    yield f"  client      {_client(scenario)}"
    yield f"  workload    {_workload(plan, vocabulary)}"
    yield "  timeline    0 s baseline begins"
    for fault in expected_faults(scenario, plan.inventory):
        yield f"    ~{fault.start_s:>5.1f} s   {_fault(fault, vocabulary)}"
    end = f"at least {scenario.duration_s:g} s of traffic" if scenario.duration_s else "until settled"
    yield (
        f"    then       {end} (recovery within {scenario.settle_within_s:g} s), audit; "
        f"about {plan.expected_s:.0f} s in all, at most {latest_end_s(scenario, plan.inventory):.0f} s"
    )
    for warning in warnings(plan, vocabulary):
        yield f"  warning     {warning}"
    yield "  expected" if scenario.expect else "  expected    no findings at all"
    for expectation, bound in zip(scenario.expect, plan.bounds, strict=True):
        yield f"    {expectation.text}{_resolved(bound.value, expectation.unit, expectation.bound)}"
    if scenario.expect:
        yield "    every other finding: 0"


def _deployment(plan: Plan) -> Iterator[str]:
    deployment = plan.scenario.deployment
    topology = deployment.topology
    named = topology.kind if deployment.name == topology.kind else f"{deployment.name}: {topology.kind}"
    yield (
        f"  deployment  {named}, backend {plan.backend}, timing profile {deployment.timing}, seed {plan.seed}"
    )
    for node in plan.nodes:
        yield f"    {node.name:<12} {_node(node)}"
    yield from _who_decides(plan)
    if topology.needs_certificates:
        yield f"    TLS        {_who_speaks_tls(topology)}; certificates are made at the start"
    if topology.proxy:
        yield f"    proxy      {topology.proxy.called}"
    if topology.service != SERVICE:
        yield f"    service    {topology.service}: the name by which sentinels know the primary"
    for one in topology.everything_left_out:
        yield f"    left out   {one}{'; the verdict cannot be PASS' if one.decides else ''}"
    if any(one.decides for one in topology.everything_left_out):
        yield "    The verdict will be INCONCLUSIVE at best."
        yield "    To test the deployment without such a directive, remove its line."


def _who_speaks_tls(topology: TopologySpec) -> str:
    if topology.tls and topology.clients_speak_tls:
        return "every connection"
    if topology.tls:
        return "nodes and the proxy before them; clients speak plain TCP with the proxy"
    return "clients with the proxy; nodes speak plain TCP"


def _who_decides(plan: Plan) -> Iterator[str]:
    """The times and counts by which a primary is taken for dead and replaced."""
    topology = plan.scenario.deployment.topology
    if plan.inventory.clustered:
        required = "required" if topology.require_full_coverage else "not required"
        yield (
            f"    cluster    node-timeout {topology.node_timeout_s:g} s, validity factor "
            f"{topology.validity_factor}, full coverage {required}"
        )
    elif plan.inventory.sentinels:
        yield (
            f"    sentinels  quorum {topology.effective_quorum} of {topology.sentinels}, down-after "
            f"{topology.down_after_s:g} s, failover-timeout {topology.failover_timeout_s:g} s"
        )


def _node(node: NodePlan) -> str:
    words = [node.role.value]
    if node.replica_of:
        words.append(f"of {node.replica_of}")
    if node.host:
        words.append(f"on host {node.host}")
    if node.holds_data:
        words.append(f"for {node.purpose}")
        if node.cluster:
            words.append(f"shard {node.shard}")
    runs = f", runs {node.engine}" if node.engine else ""
    settings = [str(directive) for directive in used(node.directives)]
    return " ".join(words) + runs + (f"  ({', '.join(settings)})" if settings else "")


def _client(scenario: Scenario) -> str:
    """Every setting, also those left to their defaults: which of them a test rests on is not known here."""
    client, guest = scenario.deployment.client, scenario.deployment.guest
    if guest is not None:
        return (
            f"guest {guest.name}: {guest.file}\n"
            f"              a web server is: {guest.described}\n"
            f"              a browser waits {guest.timeout_s:g} s for an answer"
        )
    waits = f"{client.wait_replicas} replicas within {client.wait_timeout_s:g} s after each write"
    if client.too_few is TooFew.TRY_AGAIN:
        waits += ", and with too few the user is told to try again"
    cancels = "" if client.request_deadline_s is None else f", a request {client.request_deadline_s:g} s"
    return (
        f"{client.named}{f', profile {client.profile}' if client.profile else ''}, "
        f"discovery {client.discovery}{f', user {client.user}' if client.user else ''}\n"
        f"              timeouts: socket {client.socket_timeout_s:g} s, "
        f"connect {client.connect_timeout_s:g} s, sentinel {client.sentinel_timeout_s:g} s{cancels}\n"
        f"              retries: library {client.library_retries}, each sentinel {client.sentinel_retries}, "
        f"application {client.application_retries} "
        f"with a pause of {client.retry_backoff_s:g} s that doubles up to {LONGEST_BACKOFF_S:g} s"
        f"{'' if client.repeat_writes else '; a write without a reply is not repeated'}\n"
        f"              {'at most' if client.bounded else 'no limit to connections, meant are'} "
        f"{client.max_connections} connections per web server, "
        f"reads from {'replicas too' if client.read_from_replicas else 'primaries only'}, "
        f"WAIT {f'for {waits}' if client.wait_replicas else 'not used'}"
    )


def _idle(work: Workload) -> str:
    return "no idle timeout" if work.idle_timeout_s is None else f"idle timeout {work.idle_timeout_s:g} s"


def _sizes(work: Workload) -> str:
    total = sum(weight for _, weight in work.session_sizes)
    sizes = (f"{100 * weight / total:.0f}% {size / 1000:g} kB" for size, weight in work.session_sizes)
    return f", sessions of {', '.join(sizes)}" if total else ""


def _users(work: Workload) -> str:
    devices = f" with {work.devices} devices each" if work.devices > 1 else ""
    thinks = f" who think for {work.think_time_s:g} s" if work.think_time_s else ""
    return f"{work.users} users{devices}{thinks}"


def _workers(deployment: Deployment) -> str:
    if not deployment.workers:
        return ""
    where = f" on {', '.join(deployment.worker_hosts)}" if deployment.worker_hosts else ""
    return f" of {deployment.workers} load workers{where}"


def _age(work: Workload) -> str:
    return f", absolute timeout {work.absolute_timeout_s:g} s" if work.absolute_timeout_s else ""


def _workload(plan: Plan, vocabulary: Vocabulary) -> str:
    work = plan.scenario.workload
    total = sum(work.mix.values())
    mix = ", ".join(
        f"{name} {100 * weight / total:.0f}%{_changed(name, work, vocabulary)}"
        for name, weight in work.mix.items()
    )
    mix = f"{work.traffic} traffic: {mix}" if work.traffic else mix
    wait_s = plan.longest_client_wait_s
    needed = actors_needed(work, wait_s)
    capped = f" (capped at {ACTORS_MAX}; {needed} could be waiting)" if needed > ACTORS_MAX else ""
    return (
        f"{work.rate_per_s:g}/s over {len(plan.web_servers)} web servers"
        f"{_workers(plan.scenario.deployment)}, {_users(work)}, {_idle(work)}"
        f"{_age(work)}{_sizes(work)}: {mix}\n"
        f"              up to {plan.actors} clients at once{capped}; a request waits up to {wait_s:.1f} s"
    )


def _changed(name: str, work: Workload, vocabulary: Vocabulary) -> str:
    """The options of a behaviour that are not at their default: they can be what a scenario is about."""
    given = work.options.get(name, {})
    declared = vocabulary.behaviours[name].options if name in vocabulary.behaviours else ()
    said = [
        f"{option.name} {_with_unit(given[option.name], option.type)}"
        for option in declared
        if given.get(option.name, option.default) != option.default
    ]
    return f" ({', '.join(said)})" if said else ""


def _fault(fault: Expected, vocabulary: Vocabulary) -> str:
    step = fault.step
    said = [" ".join(filter(None, (f"{step.number}. {step.kind}", step.target)))]
    said += options_of(step, vocabulary)
    if step.for_s is not None:
        said.append(f"for {step.for_s:g} s")
    elif Trait.LASTS in step.traits:
        undone = " or something resumes it" if Trait.FREEZES_PROCESS in step.traits else ""
        said.append(f"until the run ends{undone}")
    return ", ".join(said) + f" ({_start(step.start)})"


def options_of(step: FaultStep, vocabulary: Vocabulary) -> Iterator[str]:
    """With their units; those that are left out of account when they are at their default, such as `ttl: 0`,
    are not said."""
    for option in vocabulary.faults[step.kind].options if step.kind in vocabulary.faults else ():
        value = step.options.get(option.name, option.default)
        if (value or value != option.default) and not step.options.get(option.unless):
            yield f"{option.name} {_with_unit(value, option.type)}"


def _with_unit(value: object, of: OptionType) -> str:
    if of is OptionType.DURATION:
        return f"{value:g} s"
    if of is OptionType.SIZE and isinstance(value, int):
        unit, name = next((one for one in _SIZES if value % one[0] == 0), (1, "B"))
        return f"{value // unit} {name}"
    if of is OptionType.SHARE and isinstance(value, float):
        return f"{value * 100:g} %"
    if of is OptionType.FACTOR:
        return f"{value:g} times"
    return ("yes" if value else "no") if of is OptionType.FLAG else str(value)


_SIZES = ((10**9, "GB"), (10**6, "MB"), (1024**2, "MiB"), (1000, "kB"), (1024, "KiB"))


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
        return "  (known after the run)" if budget else "  (not known for this deployment)"
    return f"  ({value:g} {unit})" if len(bound) > 1 or unit == "s" else ""
