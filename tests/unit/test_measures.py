"""What can be expected of a run at all: every measure, every part of a run, every switch."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from harness.checks.promises.table import FINDINGS, measure_of
from harness.checks.verdict.expectations import METRICS as MEASURED
from harness.model.deployment import ClientProfile, Deployment, TopologySpec
from harness.model.finding_kind import Need, OutOf, Part
from harness.model.guest import Guest
from harness.model.measures import METRIC_MEASURES, SIDES, RunKind, not_looked_for, why_not
from harness.model.scenario import Expectation, FaultStep, Start, Term, Workload
from harness.model.words import NodePurpose, Outcome, Phase, TopologyKind
from harness.objects import LEASES, OBJECTS
from harness.presets import inventory_of
from harness.running.vocabulary import shipped
from harness.scenario.expectations import METRICS
from harness.sessions import BEHAVIOURS

MEASURES = {**FINDINGS, **METRIC_MEASURES}
GUEST = Guest(name="a guest", file="guest.yaml", folder="/", start=("serve",))
EVICTS = {"maxmemory": "24mb", "maxmemory-policy": "allkeys-lru"}
SPLIT = Deployment(
    name="d",
    topology=TopologySpec(kind=TopologyKind.SPLIT, redis=EVICTS),
    client=ClientProfile(),
    guest=GUEST,
)
EVERYBODY = Workload(mix=dict.fromkeys(BEHAVIOURS, 1.0), absolute_timeout_s=600.0)
ISOLATE = FaultStep(
    number=1, kind="isolate", target="primary", start=Start(after_s=1.0), options={"with": "web-1"}
)
GROUPS = {
    "web-1": Part.WEB_SERVER,
    "shard 1": Part.SHARD,
    "with-primary": Part.SIDE,
    "rest": Part.SIDE,
    "cache": Part.STORE,
}


def expectation(
    metric: str, *arguments: str, phase: Phase | None = None, on: str | None = None
) -> Expectation:
    return Expectation(text=metric, metric=metric, arguments=arguments, phase=phase, on=on)


def arguments_of(metric: str) -> tuple[str, ...]:
    given = {"outage": "write", "downtime": "write", "longest wait": "write", "share": "lost-session"}
    if metric in set(Outcome):
        return ("write",)
    return ("write", "p99") if metric == "latency" else (given[metric],) if metric in given else ()


def refused(
    one: Expectation,
    deployment: Deployment = SPLIT,
    workload: Workload = EVERYBODY,
    faults: tuple[FaultStep, ...] = (ISOLATE,),
) -> str | None:
    if one.metric == "cluster down":
        deployment = replace(deployment, topology=of_kind(TopologyKind.CLUSTER).topology)
    if "connections" in one.metric:
        deployment = replace(deployment, guest=None)
    run = RunKind(deployment=deployment, inventory=inventory_of(deployment), workload=workload, faults=faults)
    return why_not(one, FINDINGS, run)


def of_kind(kind: TopologyKind) -> Deployment:
    return replace(SPLIT, topology=TopologySpec(kind=kind))


def test_every_finding_and_every_metric_declares_what_it_needs() -> None:
    """A new one that does not cannot be expected, nor judged."""
    assert METRIC_MEASURES.keys() == METRICS.keys() == MEASURED.keys()
    assert not FINDINGS.keys() & METRICS.keys()
    assert {name: measure_of(name) for name in MEASURES} == MEASURES


def test_whole_run_can_always_be_measured() -> None:
    """With everything switched on, each is decidable over the whole run, and `on sessions` is the same."""
    for metric in MEASURES:
        one = expectation(metric, *arguments_of(metric))
        assert refused(one) is None, metric
        assert refused(replace(one, on="sessions")) is None, metric


@pytest.mark.parametrize("on", GROUPS)
def test_group_is_measured_or_refused(on: str) -> None:
    """Honest or refused: a group that a measure cannot tell apart is never 0."""
    for metric, measure in MEASURES.items():
        reason = refused(expectation(metric, *arguments_of(metric), on=on))
        assert (reason is None) is (GROUPS[on] in measure.parts), metric
        assert reason is None or f"remove `on {on}`" in reason, metric


@pytest.mark.parametrize("phase", Phase)
def test_phase_is_measured_or_refused(phase: Phase) -> None:
    """Nothing happens in the audit, and the seed is no part of what is timed."""
    for metric, measure in MEASURES.items():
        reason = refused(expectation(metric, *arguments_of(metric), phase=phase))
        fine = Part.PHASE in measure.parts and phase is not Phase.AUDIT
        fine = fine and (measure.seeded or phase is not Phase.SEED)
        assert (reason is None) is fine, metric
        assert reason is None or f"remove `in {phase}`" in reason, metric


PARTS = {
    "failovers": {Part.SHARD},
    "refused-login": {Part.SHARD},
    "replica-divergence": {Part.SHARD},
    "over-budget": {Part.SHARD},
    "evicted keys": {Part.STORE},
    "memory": {Part.STORE, Part.PHASE},
    "connections": {Part.PHASE, Part.WEB_SERVER},
    "new connections": {Part.PHASE, Part.WEB_SERVER},
    "cluster down": {Part.SHARD},
    "no-recovery": set(),
    "connection-storm": {Part.PHASE, Part.WEB_SERVER},
    "at risk": set(),
}


def test_parts_are_those_that_a_record_tells_apart() -> None:
    """What is counted for many operations, or for none, is known for a shard or a run at most."""
    every = {Part.PHASE, Part.WEB_SERVER, Part.SIDE, Part.SHARD}
    assert {name: one.parts for name, one in MEASURES.items()} == {
        name: PARTS.get(name, every) for name in MEASURES
    }


WITHOUT = {
    Need.WITNESSES: (
        SPLIT,
        replace(EVERYBODY, witnesses=False),
        {"lost-write", "doubled-update", "ghost-retry", "over-budget", "loss window", "recovery point"},
    ),
    Need.GUARDED_WRITES: (SPLIT, replace(EVERYBODY, guarded_writes=False), {"unexplained"}),
    Need.PRIMARY_READS: (
        replace(SPLIT, client=ClientProfile(read_from_replicas=True)),
        EVERYBODY,
        {"unexplained"},
    ),
}


@pytest.mark.parametrize("need", WITHOUT)
def test_evidence_that_is_switched_off_is_never_none(need: Need) -> None:
    """Nobody looked, so it cannot be expected; all the others can."""
    deployment, workload, names = WITHOUT[need]
    for metric in MEASURES:
        reason = refused(expectation(metric, *arguments_of(metric)), deployment, workload)
        assert (reason is not None) is (metric in names), metric
        assert reason is None or reason.startswith(f"{metric} needs {need}, and "), metric
    assert not_looked_for(FINDINGS, deployment, workload) == {need: tuple(n for n in FINDINGS if n in names)}


def test_nothing_is_left_out_where_everything_is_recorded() -> None:
    """The usual scenario looks for every finding."""
    assert not_looked_for(FINDINGS, SPLIT, EVERYBODY) == {}


def test_share_is_of_what_its_finding_can_tell() -> None:
    """It needs what its finding needs, and is confined to what that is confined to."""
    unwitnessed = replace(EVERYBODY, witnesses=False)
    assert "lost-write needs witnesses" in (
        refused(expectation("share", "lost-write"), workload=unwitnessed) or ""
    )
    assert refused(expectation("share", "lost-session"), workload=unwitnessed) is None
    assert "phase" in (refused(expectation("share", "refused-login", phase=Phase.FAULT)) or "")
    unshared = {name for name in FINDINGS if refused(expectation("share", name)) is not None}
    assert unshared == {name for name, kind in FINDINGS.items() if kind.out_of is None}
    assert unshared == {"app-died", "connection-storm", "needs-restart", "no-recovery", "over-budget"}


def test_what_is_asked_of_clusters_or_of_the_kit_s_web_servers_is_refused_elsewhere() -> None:
    """No other topology has a `cluster_state`, and nobody records the connections of somebody's application."""
    run = RunKind(deployment=SPLIT, inventory=inventory_of(SPLIT), workload=EVERYBODY, faults=())
    reason = why_not(expectation("cluster down"), FINDINGS, run)
    assert reason == "there is no cluster_state in a split topology; remove this expectation"
    for metric in ("connections", "new connections"):
        assert "of an application of your own" in (why_not(expectation(metric), FINDINGS, run) or "")


def test_sessions_without_a_timeout_can_neither_expire_nor_be_evicted_by_a_volatile_policy() -> None:
    """Every other policy takes them, as it takes any key."""
    endless = replace(EVERYBODY, idle_timeout_s=None, absolute_timeout_s=0.0)
    for finding in ("expired-early", "outlived-timeout", "immortal-session"):
        assert "an idle or an absolute timeout" in (refused(expectation(finding), workload=endless) or "")
        assert refused(expectation(finding), workload=replace(endless, absolute_timeout_s=600.0)) is None
    for policy, fine in (("volatile-lru", False), ("allkeys-lru", True), ("noeviction", False)):
        settings = {"maxmemory": "10mb", "maxmemory-policy": policy}
        limited = replace(SPLIT, topology=replace(SPLIT.topology, redis=settings))
        assert (refused(expectation("evicted-session"), limited, endless) is None) is fine
        assert (refused(expectation("evicted-session"), limited) is None) is (policy != "noeviction")


@pytest.mark.parametrize(("kind", "on"), list(product(TopologyKind, ("sessions", "cache"))))
def test_evicted_keys_are_told_apart_where_instances_are(kind: TopologyKind, on: str) -> None:
    """A shared instance counts the keys of both together, and others have no cache."""
    fine = kind is TopologyKind.SPLIT or (on == "sessions" and kind is not TopologyKind.SHARED)
    assert (refused(expectation("evicted keys", on=on), of_kind(kind)) is None) is fine
    assert set(NodePurpose) == {"sessions", "cache"}


@pytest.mark.parametrize(
    ("faults", "with_primary", "rest"),
    [
        ((), False, False),
        ((replace(ISOLATE, options={}),), False, False),
        ((replace(ISOLATE, options={"with": ""}),), False, True),
        ((replace(ISOLATE, options={"with": ""}, target="random"),), True, True),
        ((ISOLATE,), True, True),
    ],
)
def test_sides_exist_where_a_fault_makes_them(
    faults: tuple[FaultStep, ...], with_primary: bool, rest: bool
) -> None:
    """Without a partition that web servers are told of, nobody is on a side of one."""
    found = tuple(refused(expectation("outage", "write", on=side), faults=faults) is None for side in SIDES)
    assert found == (with_primary, rest)


@pytest.mark.parametrize(
    ("phase", "fine"), [(Phase.FAULT, False), (Phase.RECOVERY, False), (Phase.BASELINE, True)]
)
def test_phase_of_a_fault_needs_a_fault(phase: Phase, fine: bool) -> None:
    """Without a fault all of the traffic is baseline."""
    assert (refused(expectation("rejected", "read", phase=phase), faults=()) is None) is fine


def test_outcome_of_what_nobody_does_is_refused() -> None:
    """No refusals of a behaviour that is not in the mix are no achievement. A kind may be done by others."""
    readers = Workload(mix={"read": 1.0})
    assert "not in the workload's mix" in (refused(expectation("rejected", "cart"), workload=readers) or "")
    assert refused(expectation("rejected", "read"), workload=readers) is None
    assert refused(expectation("rejected", "write"), workload=readers) is None
    assert refused(expectation("acked", "log-in", phase=Phase.SEED), workload=readers) is None
    assert refused(expectation("outage", "write"), workload=readers) is None


@pytest.mark.parametrize("one", [expectation("melted"), expectation("share", "melted")])
def test_measure_that_nobody_knows_is_refused(one: Expectation) -> None:
    """A plan from elsewhere may name anything, and none of it is 0."""
    assert refused(one) == "'melted' is not a known metric or finding; remove this expectation"


def test_what_nobody_can_do_is_not_expected() -> None:
    """None of what no behaviour of the mix, and no application, can lead to is no achievement. To allow it
    does no harm."""
    mix = {"log-in": 1.0, "read": 1.0}
    kinds = {one: BEHAVIOURS[one].kind for one in mix}
    readers = Workload(mix=mix, kinds=kinds, beyond=shipped().beyond(mix), absolute_timeout_s=600.0)
    nobody: dict[str, set[str]] = {}
    for name, comparison in product(FINDINGS, ("==", "<=", ">", ">=")):
        one = replace(expectation(name), comparison=comparison, bound=(Term(factor=0),))
        if refused(one, replace(SPLIT, guest=None), readers):
            nobody.setdefault(comparison, set()).add(name)
    of_guest = {name for name, kind in FINDINGS.items() if kind.of_guest}
    of_logouts = {name for name, kind in FINDINGS.items() if kind.out_of is OutOf.LOGOUTS}
    assert {"app-died", "cookie-deleted"} < of_guest
    assert "resurrected-session" in of_logouts
    everything = of_guest | of_logouts | readers.beyond.keys()
    assert nobody == dict.fromkeys(("==", "<=", ">"), everything)


@pytest.mark.parametrize(
    ("finding", "topology", "can"),
    [
        ("replica-divergence", TopologySpec(kind=TopologyKind.SINGLE), False),
        ("replica-divergence", TopologySpec(kind=TopologyKind.SENTINEL, replicas=1), True),
        ("evicted-session", TopologySpec(kind=TopologyKind.SENTINEL), False),
        ("evicted-session", TopologySpec(kind=TopologyKind.SENTINEL, redis=EVICTS), True),
        ("evicted-session", TopologySpec(kind=TopologyKind.SENTINEL, redis={"maxmemory": "24mb"}), False),
    ],
)
def test_what_the_deployment_has_no_part_for_is_not_expected(
    finding: str, topology: TopologySpec, can: bool
) -> None:
    """No replica differs where there is none, and a node evicts only with a limit and a policy; a fault may
    set a limit. To allow it does no harm."""
    bare = replace(SPLIT, topology=topology)
    assert (refused(expectation(finding), bare) is None) is can
    assert refused(replace(expectation(finding), comparison=">=", bound=(Term(factor=0),)), bare) is None
    limited = replace(ISOLATE, options={"set": "maxmemory 24mb"})
    if finding == "evicted-session":
        assert refused(expectation(finding), bare, faults=(limited,)) is None


def test_what_is_lost_in_a_mix_without_session_writes_is_called_by_its_name() -> None:
    """Lost writes of other objects have names of their own, and the refusal says them."""
    mix = ["log-in", "save-session", "read"]
    workload = Workload(
        mix=dict.fromkeys(mix, 1.0), beyond=shipped().beyond(mix), leads_to=shipped().leads_to(mix)
    )
    said = refused(expectation("lost-write"), workload=workload) or ""
    assert "(what is lost here is called save-lost)" in said
    assert "add change-field or cart or lock or use-copy to the mix" in said
    silent = refused(expectation("torn-state"), workload=workload) or ""
    assert "is called" not in silent


def test_finding_that_nobody_sees_is_not_expected() -> None:
    """Whoever ends a session by a message does not see whether it was heard: both must be in the mix."""
    for mix in (["end-session"], ["read-cached"]):
        assert "message-lost" in shipped().beyond(mix)
    assert "message-lost" not in shipped().beyond(["end-session", "read-cached"])


def test_findings_about_objects_name_the_behaviours_that_make_them() -> None:
    """Of each object that is kept, some behaviour says so."""
    of_objects = {kind.name for one in OBJECTS.values() for kind in one.findings}
    of_leases = {one.held_twice.name for one in LEASES.values()}
    declared = {name for by in BEHAVIOURS.values() for name in by.declaration.leads_to}
    of_others = {"doubled-update", "fixated-session", "lease-overrun", "let-in-unchecked", "refused-session"}
    of_others |= {"lost-write", "lost-update", "torn-state", "ghost-retry"}
    of_others |= {"resurrected-session", "undone-by-own-write", "escaped-logout"}
    assert declared == of_objects | of_leases | of_others
    assert declared <= FINDINGS.keys()
    assert (
        shipped().beyond(["lead-job", "revoke-token"]).keys().isdisjoint({"two-leaders", "revocation-lost"})
    )
    assert shipped().beyond(["lead-job"])["revocation-lost"] == ("revoke-token", "ban-user")
