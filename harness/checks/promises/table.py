"""The table of promises: every check that a history goes through, and every finding that they make.

A new promise is a module beside this one, and one line in `CHECKS`. All that is to be known of a finding
is in `FINDINGS`. Trap: take the names with a trait when they are asked for (`having`); a copy that is made
while modules are imported knows nothing of what is added later.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.checks.facts.causes import NO_NODE
from harness.checks.facts.of_run import Facts
from harness.checks.facts.timelines import Timelines
from harness.checks.promises import (
    acked_writes,
    counters,
    fields,
    front_door,
    identity,
    kept_objects,
    leases,
    let_in,
    lifetimes,
    logouts,
    loss_budget,
    one_register,
    open_connections,
    presence,
    recovery_limit,
    refused_logins,
    refused_sessions,
    replica_agreement,
    user_index,
)
from harness.checks.promises.check import Check, Counted, Sequel
from harness.checks.promises.kinds import UNEXPLAINED
from harness.model.finding_kind import FindingKind, FindingTrait, Measure
from harness.model.judgement import Finding
from harness.model.measures import ARGUMENT_MEASURES, METRIC_MEASURES
from harness.model.words import Cause, FindingSide

CHECKS: tuple[Check, ...] = (
    logouts.CHECK,
    identity.CHECK,
    lifetimes.CHECK,
    presence.CHECK,
    acked_writes.CHECK,
    fields.CHECK,
    counters.CHECK,
    leases.CHECK,
    user_index.CHECK,
    kept_objects.CHECK,
    let_in.CHECK,
    front_door.CHECK,
    open_connections.CHECK,
    refused_logins.CHECK,
    refused_sessions.CHECK,
    replica_agreement.CHECK,
    recovery_limit.CHECK,
)


def _of_registers(timelines: Timelines, found: Sequence[Finding]) -> Counted:
    """The exact test, on sessions whose fields nothing else is wrong with."""
    locks_only = having(FindingTrait.ABOUT_LOCK)
    return one_register.judge_exactly(timelines, {one.session for one in found if one.name not in locks_only})


def _of_budgets(timelines: Timelines, found: Sequence[Finding]) -> Counted:
    return loss_budget.judge_budget(timelines.facts, lost_by_faults(timelines.facts, found))


def lost_by_faults(facts: Facts, found: Sequence[Finding]) -> list[Finding]:
    """What two requests of an application took from each other no fault has cost. Nor has it cost what a
    guest said that it had saved, if no node explains why it is gone."""
    lost = having(FindingTrait.LOST_WRITE)
    of_guest = facts.history.plan.scenario.deployment.guest is not None
    return [
        one
        for one in found
        if one.name in lost
        and one.cause is not Cause.APPLICATION_RACE
        and not (of_guest and one.because == NO_NODE)
    ]


SEQUELS: tuple[Sequel, ...] = (
    Sequel(
        promise="Every field of a session behaves like one register.",
        kinds=(UNEXPLAINED,),
        find=_of_registers,
    ),
    Sequel(
        promise="A fault costs no more than the settings of the topology allow.",
        kinds=(loss_budget.OVER_BUDGET,),
        find=_of_budgets,
    ),
)
"""Checks that go by what the others found, in this order."""


def kinds_of(checks: Sequence[Check | Sequel]) -> dict[str, FindingKind]:
    """Every finding that these make, by name. Open ones first: they are security incidents."""
    kinds = {kind.name: kind for one in checks for kind in one.kinds}
    return dict(sorted(kinds.items(), key=lambda item: item[1].side is not FindingSide.OPEN))


FINDINGS: Mapping[str, FindingKind] = kinds_of((*CHECKS, *SEQUELS))
"""Every finding that the kit can make."""


def having(trait: FindingTrait) -> frozenset[str]:
    """The findings with a trait, by name."""
    return frozenset(name for name, kind in FINDINGS.items() if trait in kind.traits)


def measure_of(name: str) -> Measure | None:
    """What a finding or a metric needs; None: there is nothing of that name."""
    return FINDINGS.get(name) or METRIC_MEASURES.get(name) or ARGUMENT_MEASURES.get(name)
