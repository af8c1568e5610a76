"""Whether a run can decide an expectation at all: what a measure needs, and the parts that it tells apart.

`plan` refuses an expectation that its own run could never decide, and the judge leaves the same
expectation of a saved run undecided, both through `why_not`. What findings need comes in as `findings`,
by name. Trap: "none seen" of something that nobody looked for is no zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harness.model.deployment import Deployment
from harness.model.finding_kind import (
    BY_SHARD,
    WHOLE,
    WITNESSED,
    FindingKind,
    FindingTrait,
    Measure,
    Need,
    OutOf,
    Part,
    Premise,
)
from harness.model.inventory import Inventory
from harness.model.scenario import Expectation, FaultStep, Scenario, Workload
from harness.model.times import FOREVER
from harness.model.words import NodePurpose, OperationKind, Phase

SIDES = ("with-primary", "rest")
"""The sides of a partition."""


_OF_TRAFFIC = Measure(seeded=False)
_OF_CONNECTIONS = Measure(parts=frozenset({Part.PHASE, Part.WEB_SERVER}))

METRIC_MEASURES: Mapping[str, Measure] = {
    "outage": _OF_TRAFFIC,
    "downtime": _OF_TRAFFIC,
    "latency": _OF_TRAFFIC,
    "longest wait": _OF_TRAFFIC,
    "acked": Measure(),
    "rejected": Measure(),
    "unknown": Measure(),
    "not_sent": Measure(),
    "share": Measure(),
    "loss window": Measure(needs=WITNESSED),
    "recovery point": Measure(needs=WITNESSED),
    "failovers": Measure(parts=BY_SHARD),
    "evicted keys": Measure(parts=frozenset({Part.STORE})),
    "memory": Measure(parts=frozenset({Part.STORE, Part.PHASE})),
    "connections": _OF_CONNECTIONS,
    "new connections": _OF_CONNECTIONS,
    "cluster down": Measure(parts=BY_SHARD),
    "at risk": Measure(parts=WHOLE),
}
"""What the metrics need; findings declare it themselves. A test holds it complete."""

SURVIVING_WRITE = "surviving write"
"""`outage(surviving write)`: a write that was acked and is still there after the run."""

ARGUMENT_MEASURES: Mapping[str, Measure] = {SURVIVING_WRITE: Measure(needs=WITNESSED, seeded=False)}
"""Arguments of metrics that need more than their metric does."""


WAITED = {"waited": True, "not waited": False}
"""Arguments of findings about what was acked: by what WAIT had answered. `lost-write(waited)`."""


def takes_waited(of: Measure | None) -> bool:
    """Whether it is about something that was acked, and that the client could have waited for."""
    if not isinstance(of, FindingKind):
        return False
    return of.out_of is OutOf.LOGOUTS or not {FindingTrait.LOST_WRITE, FindingTrait.LOSS}.isdisjoint(
        of.traits
    )


def measure_named(expectation: Expectation) -> str:
    """The finding or metric that decides what an expectation needs."""
    if expectation.metric == "share":
        return expectation.arguments[0]
    return next((one for one in expectation.arguments if one in ARGUMENT_MEASURES), expectation.metric)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKind:
    """What runs of a scenario have in common, as far as it decides what they can tell."""

    deployment: Deployment
    inventory: Inventory
    workload: Workload
    faults: Sequence[FaultStep]

    @classmethod
    def of(cls, scenario: Scenario, inventory: Inventory) -> RunKind:
        return cls(
            deployment=scenario.deployment,
            inventory=inventory,
            workload=scenario.workload,
            faults=scenario.faults,
        )


def why_not(expectation: Expectation, findings: Mapping[str, Measure], run: RunKind) -> str | None:
    """Why such a run can never decide this expectation, and what to do; None: it can."""
    name = measure_named(expectation)
    of = findings.get(name) or METRIC_MEASURES.get(name) or ARGUMENT_MEASURES.get(name)
    if of is None:  # a plan from elsewhere
        return f"{name!r} is not a known metric or finding; remove this expectation"
    if expectation.metric == "share" and of.out_of is None:
        return f"{name} is one finding for many operations, so no share of them is known; count it"
    off = switched_off(run.deployment, run.workload)
    missing = next((one for one in Need if one in of.needs & off), None)
    if missing is not None:
        return f"{name} needs {missing}, and {_SWITCHED_OFF[missing]}"
    if not WAITED.keys().isdisjoint(expectation.arguments) and not run.deployment.client.wait_replicas:
        return "the client does not WAIT; give it `wait: {replicas: 1}`, or leave this expectation out"
    return (
        _no_such_phase(expectation, name, of, run.faults)
        or _no_such_group(expectation, name, of, run)
        or _nobody_does(expectation, run.workload)
        or _nobody_can(expectation, name, of, findings, run)
        or _nobody_takes_over(expectation, run.inventory)
        or _nobody_says(expectation, run)
    )


def _nobody_can(
    expectation: Expectation, name: str, of: Measure, findings: Mapping[str, Measure], run: RunKind
) -> str | None:
    """A finding of which there is none because nobody does what leads to it, or nothing is there that could.
    To allow it does no harm."""
    if expectation.allows_anything or not isinstance(of, FindingKind):
        return None
    leave = "or leave this expectation out"
    if of.of_guest and run.deployment.guest is None:
        return f"only an application of your own can do that; give the deployment a guest, {leave}"
    if name in run.workload.beyond:
        one_of = " or ".join(run.workload.beyond[name])
        called = _called_here(of, findings, run.workload)
        return f"nothing in the workload's mix can lead to it{called}; add {one_of} to the mix, {leave}"
    absent = next((one for one in of.premises if not _PREMISES[one](run)), None)
    if absent is not None:
        return f"it needs {absent}, and this run has none; add it, {leave}"
    if of.out_of is OutOf.LOGOUTS and run.workload.kinds and not _logs_out(run.workload):
        return f"nobody logs out in the workload's mix; add a logout to it, {leave}"
    return None


def _called_here(of: FindingKind, findings: Mapping[str, Measure], workload: Workload) -> str:
    """What is lost in this mix instead: a finding about lost writes has a name for each kind of thing."""
    if FindingTrait.LOST_WRITE not in of.traits:
        return ""
    others = [name for name in workload.leads_to if loses_writes(findings.get(name))]
    return f" (what is lost here is called {' or '.join(others)})" if others else ""


def loses_writes(of: Measure | None) -> bool:
    return isinstance(of, FindingKind) and FindingTrait.LOST_WRITE in of.traits


def _may_evict(run: RunKind) -> bool:
    """A project's own nodes are asked by nobody before a run; and a fault may set a limit."""
    if run.deployment.project is not None:
        return True
    settings = (str(value) for step in run.faults for value in step.options.values())
    return any("maxmemory" in one for one in settings) or any(
        node.setting("maxmemory", "0") != "0" and _evicts(node.setting("maxmemory-policy", _KEEPS_ALL), run)
        for node in run.inventory.data_nodes
    )


def _evicts(policy: str, run: RunKind) -> bool:
    """The volatile policies take only keys that have a time to live."""
    if policy.startswith(_WITH_TIME_TO_LIVE):
        return run.workload.shortest_life_s != FOREVER
    return policy != _KEEPS_ALL


_KEEPS_ALL = "noeviction"
_WITH_TIME_TO_LIVE = "volatile-"

_PREMISES: Mapping[Premise, Callable[[RunKind], bool]] = {
    Premise.REPLICA: lambda run: run.inventory.replicas_of_a_shard > 0,
    Premise.EVICTION: _may_evict,
    Premise.TIMEOUT: lambda run: run.workload.shortest_life_s != FOREVER,
    Premise.ABSOLUTE_TIMEOUT: lambda run: run.workload.absolute_timeout_s > 0,
}


def _logs_out(workload: Workload) -> bool:
    return OperationKind.LOGOUT in workload.kinds.values()


def _nobody_takes_over(expectation: Expectation, inventory: Inventory) -> str | None:
    if expectation.metric != "failovers" or inventory.fails_over:
        return None
    return f"nothing can fail over in this {inventory.called} topology; remove this expectation"


def _nobody_says(expectation: Expectation, run: RunKind) -> str | None:
    """What only nodes of a cluster say, or only the kit's own web servers record."""
    if expectation.metric == "cluster down" and not run.inventory.clustered:
        return f"there is no cluster_state in a {run.inventory.called} topology; remove this expectation"
    if "connections" in expectation.metric and run.deployment.guest is not None:
        return "nobody records the connections of an application of your own; remove this expectation"
    return None


_SWITCHED_OFF: Mapping[Need, str] = {
    Need.WITNESSES: "the workload says `witnesses: false`; switch them on, or leave this expectation out",
    Need.GUARDED_WRITES: (
        "the workload says `guarded_writes: false`, so a write may make a session; remove this expectation"
    ),
    Need.PRIMARY_READS: (
        "the client says `read_from_replicas: true`, and what a replica answers proves nothing about the"
        " order of writes; remove this expectation"
    ),
}


def switched_off(deployment: Deployment, workload: Workload) -> frozenset[Need]:
    """The evidence that a scenario itself does without."""
    off = {
        Need.WITNESSES: not workload.witnesses,
        Need.GUARDED_WRITES: not workload.guarded_writes,
        Need.PRIMARY_READS: deployment.client.read_from_replicas,
    }
    return frozenset(need for need, is_off in off.items() if is_off)


def not_looked_for(
    findings: Mapping[str, Measure], deployment: Deployment, workload: Workload
) -> dict[Need, tuple[str, ...]]:
    """Evidence that a scenario does without -> the findings that it therefore cannot rule out."""
    off = switched_off(deployment, workload)
    return {
        need: tuple(name for name, one in findings.items() if need in one.needs)
        for need in Need
        if need in off
    }


def _no_such_phase(
    expectation: Expectation, name: str, of: Measure, faults: Sequence[FaultStep]
) -> str | None:
    phase = expectation.phase
    if phase is None:
        return None
    if Part.PHASE not in of.parts:
        return f"{name} is not counted per phase; remove `in {phase}`"
    if phase is Phase.AUDIT:
        return "the audit has no operations that could be measured; remove `in audit`"
    if phase is Phase.SEED and not of.seeded:
        return f"{name} is not measured in the seed, in which the users log in; remove `in seed`"
    if phase in {Phase.FAULT, Phase.RECOVERY} and not faults:
        return f"the scenario has no fault, and so no phase {phase}"
    return None


def _no_such_group(expectation: Expectation, name: str, of: Measure, run: RunKind) -> str | None:
    on = expectation.on
    if on is None:
        return None
    if on in set(NodePurpose):
        if Part.STORE in of.parts:
            return _no_such_store(on, name, run.inventory)
        if on == NodePurpose.CACHE:
            return f"{name} is about sessions, and a cache holds none; remove `on cache`"
        return None  # sessions: all of it
    part = Part.SIDE if on in SIDES else Part.SHARD if on.startswith("shard ") else Part.WEB_SERVER
    if part not in of.parts:
        return f"{name} is not counted per {part}; remove `on {on}`"
    if part is Part.SIDE and not any(_makes_side(step, on) for step in run.faults):
        return f"no fault of the scenario leaves a web server on the side {on!r} of a partition"
    return None


def _no_such_store(on: str, name: str, inventory: Inventory) -> str | None:
    if inventory.shares_cache:
        return (
            f"sessions and cache share an instance, and {name} of both are counted together; remove `on {on}`"
        )
    if on == NodePurpose.CACHE and inventory.cache is None:
        return f"there is no cache in a {inventory.called} topology; remove `on cache`"
    return None


def _makes_side(step: FaultStep, side: str) -> bool:
    """A fault with the option `with` tells the web servers their sides. The primary's own has one only if
    one is named."""
    if "with" not in step.options:
        return False
    return side == "rest" or bool(step.options["with"]) or "primary" not in step.target


_OF_OPERATIONS = frozenset(
    {"outage", "downtime", "latency", "longest wait", "acked", "rejected", "unknown", "not_sent"}
)


def _nobody_does(expectation: Expectation, workload: Workload) -> str | None:
    """A behaviour by name that the mix leaves out, or a kind that none of its behaviours is: none of it can
    be acked, refused or late. Users without a session log in, whatever the mix says."""
    if expectation.metric not in _OF_OPERATIONS or expectation.phase is Phase.SEED:
        return None
    of = expectation.arguments[0]
    if of == SURVIVING_WRITE:
        of = OperationKind.WRITE
    if of in workload.mix:
        return None
    if of in set(OperationKind):
        if not workload.kinds or of in {OperationKind.LOGIN, *workload.kinds.values()}:
            return None
        kinds = ", ".join(f"{name} counts as {kind}" for name, kind in workload.kinds.items())
        return f"no behaviour of the workload's mix counts as {of!r}: {kinds}"
    return f"{of!r} is not in the workload's mix"
