"""What is missing from a run's evidence, and what each gap leaves undecided. Judged before all else.

Missing evidence never shrinks what was proved: it widens upper ends, so that "none seen" stops
meaning "none happened". Only where a run taught nothing (no fault took effect, no traffic before
it) are its measurements void. How late this machine was is counted in `facts/host_lateness`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from harness.checks.facts.clock_drift import DRIFT_LIMIT_US
from harness.checks.facts.host_lateness import Lateness, judged_clocks, lateness, unwatched_s
from harness.checks.facts.of_run import Facts
from harness.checks.measures.bounds import tightest_bound_s
from harness.checks.measures.summary import evicted_keys
from harness.checks.promises.loss_budget import excuses
from harness.checks.promises.table import FINDINGS, lost_by_faults, measure_of
from harness.model.finding_kind import Limit, Need
from harness.model.history import History
from harness.model.judgement import Finding, SessionCounts
from harness.model.measures import not_looked_for
from harness.model.scenario import FaultStep, Scenario
from harness.model.words import NodePurpose, Outcome, Phase

UNWATCHED_S = 2.0
"""There is a clock record every second."""
UNDECIDABLE_SHARE = 0.02
"""Of the sessions at risk."""


class Affects(Enum):
    """What a gap leaves undecided."""

    ALL = auto()
    """Nothing was learnt: what was measured means nothing. Proved findings stay."""
    UPPER = auto()
    """More may have happened than was recorded, or would have if all had been done that was to be done."""
    AUDIT = auto()
    """What only the audit shows may be more than was found."""
    RECOVERY = auto()
    """The same; but the outage itself may be what was to be shown."""
    LOSS = auto()
    """Expectations about losses; findings that no expectation names keep their counts."""
    PASS = auto()
    """Another deployment was run than was asked for: nothing passes. What was measured is what this run did,
    and a proved violation stays one."""
    TIMING = auto()
    TTL = auto()
    """Findings about deadlines, proved ones included."""


@dataclass(frozen=True, slots=True)
class Gap:
    affects: Affects
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    gaps: tuple[Gap, ...] = ()
    lateness: Lateness = field(default_factory=Lateness)
    without: Mapping[Need, str] = field(default_factory=dict)
    """Evidence that was not recorded -> why."""
    limits_s: Mapping[Limit, float] = field(default_factory=dict)
    """The time that something may take."""
    lasted_s: Mapping[Limit, float] = field(default_factory=dict)
    """The time that it has taken at least, where somebody looked on after the limit."""
    excused: Mapping[Limit, tuple[str, ...]] = field(default_factory=dict)
    """Of limits that are judged one by one: why some of what is over may be this machine's doing."""

    def about_delays(self, finding: str) -> tuple[str, ...]:
        """What leaves a finding undecided that comes from something having taken too long."""
        limit = FINDINGS[finding].limit if finding in FINDINGS else None
        if limit is Limit.LOSS_BUDGET:
            return self.about(Affects.TIMING)
        limit_s = self.lateness.bound_s if limit is None else self.limits_s.get(limit, self.lateness.bound_s)
        lasted_s = None if limit is None else self.lasted_s.get(limit)
        machine = self.lateness.of_nodes if limit is Limit.RECOVERY else self.lateness
        late = machine.counts_within(limit_s, lasted_s)
        return self.about(Affects.TIMING) + ((machine.said(limit_s, lasted_s),) if late else ())

    def why_undecidable(self, finding: str) -> str:
        """Why the judging of a finding left some of it open; empty: not because of this machine."""
        limit = FINDINGS[finding].limit if finding in FINDINGS else None
        return next(iter(self.excused.get(limit, ())), "") if limit else ""

    def lacks(self, measure: str) -> tuple[str, ...]:
        """Why the run recorded too little to rule this out."""
        of = measure_of(measure)
        return () if of is None else tuple(why for need, why in self.without.items() if need in of.needs)

    def about(self, *affects: Affects) -> tuple[str, ...]:
        return tuple(gap.sentence for gap in self.gaps if gap.affects in affects)


def weigh(
    facts: Facts,
    sessions: SessionCounts,
    crashed: Sequence[str] = (),
    findings: Sequence[Finding] = (),
) -> Evidence:
    """`crashed`: what `run_checks` says of checks that failed with an error of their own."""
    history = facts.history
    scenario = history.plan.scenario
    gaps = [
        *_left_out(history),
        *_recording(history),
        *(Gap(Affects.UPPER, f"a check crashed: {one}") for one in crashed),
        *_faults(history),
        *_traffic(facts),
        *_audit(history),
        *_at_risk(history, sessions),
        *_clocks(facts),
    ]
    return Evidence(
        gaps=tuple(gaps),
        lateness=replace(lateness(facts), bound_s=tightest_bound_s(facts)),
        without=_not_recorded(history),
        limits_s=_limits_s(scenario),
        lasted_s=_lasted_s(facts),
        excused={Limit.LOSS_BUDGET: excuses(facts, lost_by_faults(facts, findings))},
    )


def _limits_s(scenario: Scenario) -> dict[Limit, float]:
    guest = scenario.deployment.guest
    return {
        Limit.RECOVERY: scenario.settle_within_s,
        Limit.IDLE_TIMEOUT: scenario.workload.ends_unused_s,
        **({} if guest is None else {Limit.PATIENCE: guest.timeout_s}),
    }


def _lasted_s(facts: Facts) -> dict[Limit, float]:
    """Where recovery was given up at its limit, observers look on: until it came, or the workload ended."""
    landmarks = facts.landmarks
    if not landmarks.given_up or Phase.RECOVERY not in landmarks.spans:
        return {}
    begin_us, _ = landmarks.spans[Phase.RECOVERY]
    return {Limit.RECOVERY: (landmarks.recovered_us - begin_us) / 1e6}


def _not_recorded(history: History) -> dict[Need, str]:
    """What the scenario does without, and what its run could not record."""
    scenario = history.plan.scenario
    found = {
        need: f"{', '.join(names)}: not looked for, as this run has no {need}"
        for need, names in not_looked_for(FINDINGS, scenario.deployment, scenario.workload).items()
    }
    if not history.opening.eviction_events and evicted_keys(history).get(NodePurpose.SESSIONS):
        found[Need.EVICTION_EVENTS] = "keys were evicted, and the run did not record which"
    return found


def _left_out(history: History) -> Iterator[Gap]:
    deciding = [one for one in history.plan.scenario.deployment.topology.everything_left_out if one.decides]
    if deciding:
        yield Gap(
            Affects.PASS,
            "the nodes were not set up as the deployment says, and that can decide the outcome: "
            + "; ".join(f"left out: {one}" for one in deciding),
        )


def _recording(history: History) -> Iterator[Gap]:
    if history.incomplete or history.closing is None:
        why = history.incomplete or "it has no closing line"
        yield Gap(Affects.UPPER, f"the history is incomplete: {why}")
    elif history.closing.interrupted:
        yield Gap(Affects.UPPER, f"the run was interrupted: {history.closing.reason or 'by its user'}")
    crashes = [event.detail for event in history.events if event.name == "behaviour-crashed"]
    if crashes:
        yield Gap(Affects.UPPER, f"the load engine crashed in {len(crashes)} operations: {crashes[0]}")
    if not history.phases:
        yield Gap(
            Affects.UPPER, "no phase was recorded, so it is not known which operations belong to the fault"
        )
    if not history.samples:
        yield Gap(Affects.UPPER, "no node was sampled, so roles, offsets and evictions are not known")


def _faults(history: History) -> Iterator[Gap]:
    """Where only some of them took effect, what they did is proved, and the others might have done more."""
    missing = without_effect(history)
    affects = Affects.ALL if len(missing) == len(history.plan.scenario.faults) else Affects.UPPER
    for step in missing:
        yield Gap(affects, _no_effect(step, history))
    for event in history.events:
        if event.name == "heal-failed":
            yield Gap(Affects.AUDIT, f"{event.source} could not be healed: {event.detail}")


def without_effect(history: History) -> tuple[FaultStep, ...]:
    """The faults whose effect was not observed."""
    took_effect = {event.fault for event in history.events if event.name == "effect"}
    return tuple(step for step in history.plan.scenario.faults if step.number not in took_effect)


def _no_effect(step: FaultStep, history: History) -> str:
    said = [one.detail for one in history.events if one.name == "no-effect" and one.fault == step.number]
    what = " ".join(word for word in (step.kind, step.target) if word)
    why = (said[-1] or "its effect was not observed") if said else "it did not start"
    return f"fault {step.number} ({what}) did not take effect: {why}"


def start_that_never_came(history: History) -> str:
    """The first fault that waited for its start in vain, if the run lacks nothing but such faults and those
    that were to follow them. The same plan would wait for the same; an effect that failed may come next
    time."""
    named = {name: {one.fault for one in history.events if one.name == name} for name in _OF_FAULTS}
    missing = without_effect(history)
    if any(one.number in named["requested"] for one in missing):
        return ""
    waited = [one for one in missing if one.number in named["no-effect"]]
    return _no_effect(waited[0], history) if waited else ""


_OF_FAULTS = ("requested", "no-effect")


def _traffic(facts: Facts) -> Iterator[Gap]:
    traffic = facts.traffic
    if not (traffic.with_outcome(Outcome.ACKED) & traffic.in_phase(Phase.BASELINE)).any():
        yield Gap(Affects.ALL, "no operation succeeded before the fault")
    sent = traffic.in_phase(Phase.FAULT, Phase.RECOVERY) & traffic.sent
    if facts.history.plan.scenario.faults and not sent.any():
        yield Gap(Affects.ALL, "no operation was sent between the fault and recovery")


def _audit(history: History) -> Iterator[Gap]:
    summary = history.audit_summary
    if summary is None:
        yield Gap(Affects.AUDIT, "the run ended before its audit")
    elif summary.valid_pass is None:
        why = summary.reason or f"the topology changed during each of {summary.passes} passes"
        yield Gap(Affects.AUDIT, f"no audit is valid: {why}")
    elif not any(history.valid_audit()):
        yield Gap(Affects.AUDIT, "the audit read no session")
    if history.closing is not None and history.closing.not_recovered:
        unseen = ", ".join(history.closing.unseen)
        said = (
            f"it is not known whether the topology recovered: {unseen} not observed in time"
            if unseen
            else f"the topology did not recover: {history.closing.not_recovered}"
        )
        yield Gap(Affects.RECOVERY, said)


def _at_risk(history: History, sessions: SessionCounts) -> Iterator[Gap]:
    if not history.plan.scenario.faults:
        return
    if not sessions.at_risk:
        yield Gap(Affects.LOSS, "no session was at risk: no session existed while the fault could do harm")
    elif sessions.undecidable > UNDECIDABLE_SHARE * sessions.at_risk:
        yield Gap(
            Affects.LOSS,
            f"{sessions.undecidable} sessions cannot be decided, more than {100 * UNDECIDABLE_SHARE:g} %"
            f" of the {sessions.at_risk} at risk",
        )


def _clocks(facts: Facts) -> Iterator[Gap]:
    if not judged_clocks(facts):
        yield Gap(Affects.TIMING, "it is not known how busy this machine was: no clock records")
        yield Gap(Affects.TTL, "it is not known whether the clocks were right: no clock records")
        return
    unwatched = unwatched_s(facts)
    if unwatched > UNWATCHED_S:
        yield Gap(
            Affects.TIMING,
            f"it is not known how busy this machine was for {unwatched:.0f} s: no clock records",
        )
    drift_us = facts.drift_us or 0
    if drift_us > DRIFT_LIMIT_US:
        yield Gap(Affects.TTL, f"the wall clock moved {drift_us / 1000:.0f} ms against the monotonic clock")
