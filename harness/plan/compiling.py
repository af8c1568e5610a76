"""Puts a plan together, and refuses what could never be judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from harness.errors import UsageError
from harness.model.finding_kind import Measure
from harness.model.fit import (
    LOSS_BUDGET,
    application_misfit,
    misfit,
    missing_shard,
    settings_s,
    web_server_names,
    workload_misfit,
)
from harness.model.guest import Guest, RunAs
from harness.model.inventory import Inventory
from harness.model.measures import RunKind, why_not
from harness.model.plan import Plan, PlannedBound
from harness.model.scenario import Expectation, FaultStep, Scenario
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.plan.load import actors, longest_client_wait_s
from harness.plan.timeline import expected_s, latest_end_s
from harness.presets import inventory_of

FaultFits = Callable[[FaultStep, Plan, Machine], str | None]


def compile(  # noqa: A001 - the stage's own word
    scenario: Scenario,
    *,
    seed: int,
    backend: BackendKind,
    machine: Machine,
    fits: Mapping[str, FaultFits],
    findings: Mapping[str, Measure],
) -> Plan:
    """Everything that follows from a scenario and a seed.

    `fits` asks each kind of fault why it cannot be done to this plan on this machine. A pair that
    does not fit is a plan with the reason in `skip`, and so is an expectation that no such run can decide:
    `findings` says what each kind of finding needs.

    Raises:
        UsageError: the sessions can expire before they are audited, or users think for longer than the rate
            lets them.
    """
    inventory = inventory_of(scenario.deployment)
    wait_s = longest_client_wait_s(scenario.deployment, inventory)
    plan = Plan(
        scenario=scenario,
        seed=seed,
        backend=backend,
        nodes=inventory.nodes,
        web_servers=web_server_names(scenario.workload),
        actors=actors(scenario.workload, wait_s),
        bounds=tuple(_bound(expectation, scenario, inventory) for expectation in scenario.expect),
        longest_client_wait_s=wait_s,
        expected_s=expected_s(scenario, inventory),
        skip=scenario.misfit or _deployment_misfit(scenario, inventory, findings),
    )
    if plan.skip is not None:
        return plan
    _check_timeouts(scenario, inventory)
    _check_think_time(scenario)
    return replace(plan, skip=_machine_misfit(plan, machine, fits))


def _bound(expectation: Expectation, scenario: Scenario, inventory: Inventory) -> PlannedBound:
    settings = settings_s(scenario.deployment, inventory, scenario.workload)
    value = 0.0
    for term in expectation.bound:
        if term.setting is None:
            value += term.factor
        elif term.setting in settings:
            value += term.factor * settings[term.setting]
        else:  # a loss budget, or a deployment put in from outside, of which `skip` says so
            return PlannedBound(text=expectation.text, value=None)
    return PlannedBound(text=expectation.text, value=round(value, 6))


def _deployment_misfit(
    scenario: Scenario, inventory: Inventory, findings: Mapping[str, Measure]
) -> str | None:
    if scenario.fits and inventory.called not in scenario.fits:
        return f"made for {', '.join(scenario.fits)}; the deployment is {inventory.called}"
    if reason := _guest_misfit(scenario, inventory):
        return reason
    settings = settings_s(scenario.deployment, inventory, scenario.workload)
    for expectation in scenario.expect:
        for term in expectation.bound:
            if term.setting not in {None, LOSS_BUDGET, *settings}:
                return f"'{expectation.text}': a {inventory.called} topology has no {term.setting}"
        of = RunKind.of(scenario, inventory)
        reason = missing_shard(expectation.on or "", inventory) or why_not(expectation, findings, of)
        if reason:
            return f"'{expectation.text}': {reason}"
    if reason := workload_misfit(scenario.workload, inventory):
        return reason
    reasons = (
        misfit(step, inventory) or application_misfit(step, scenario.deployment, scenario.workload)
        for step in scenario.faults
    )
    return next((reason for reason in reasons if reason), None)


def _guest_misfit(scenario: Scenario, inventory: Inventory) -> str | None:
    guest = scenario.deployment.guest
    if guest is None:
        return None
    if inventory.clustered:
        return f"the guest {guest.name}: only the cluster knows which shard has a session of it"
    if guest.run_as is RunAs.CONTAINER and scenario.deployment.topology.clients_speak_tls:
        return f"the guest {guest.name}: its containers cannot read the certificates that TLS needs"
    return guest.misfit(scenario.workload.mix) or _web_server_misfit(scenario, guest)


def _web_server_misfit(scenario: Scenario, guest: Guest) -> str | None:
    """Why a guest has not as many web servers as the workload; None: it has."""
    wanted, project = scenario.workload.web_servers, scenario.deployment.project
    if guest.run_as is RunAs.ADDRESS:
        there, what = len(guest.addresses), "address"
    elif guest.run_as is not RunAs.SERVICE:
        return None
    elif project is None:
        return (
            f"the guest {guest.name} is a service of a Compose project, and the deployment has none: a "
            "deployment with `compose:` and `guest:`, which `guest check` takes as --beside"
        )
    else:
        there, what = project.web_servers, "container"
    if there == wanted:
        return None
    return (
        f"the guest {guest.name}: expected one {what} for each of {wanted} web servers, found {there}; "
        f"--set workload.web_servers={there}"
    )


def _machine_misfit(plan: Plan, machine: Machine, fits: Mapping[str, FaultFits]) -> str | None:
    if plan.scenario.deployment.worker_hosts and not machine.hosts:
        return "its load workers are on hosts, and so must its nodes be: --backend machines with --hosts"
    guest = plan.scenario.deployment.guest
    if guest is not None and guest.hosts and not machine.hosts:
        return (
            f"the guest {guest.name} is on hosts, and so must its nodes be: --backend machines with --hosts"
        )
    for step in plan.scenario.faults:
        if reason := fits[step.kind](step, plan, machine):
            return f"fault {step.number} ({step.kind}): {reason}"
    return None


def _check_timeouts(scenario: Scenario, inventory: Inventory) -> None:
    work, end_s = scenario.workload, latest_end_s(scenario, inventory)
    if scenario.audit_expiry or work.shortest_life_s >= end_s:
        return
    which = "idle_timeout" if work.ends_unused_s <= work.shortest_life_s else "absolute_timeout"
    found = f"expected at least {end_s:.0f}s, found {work.shortest_life_s:g}s"
    raise UsageError(
        f"{scenario.file}: workload.{which}: {found}: "
        "sessions could expire before they are audited, and the kit could not distinguish lost from expired; "
        "raise it, shorten settle_within, or set audit_expiry: true if expiry is what is tested"
    )


def _check_think_time(scenario: Scenario) -> None:
    work = scenario.workload
    browsers = work.active_users * work.devices
    longest_s = browsers / work.rate_per_s
    if work.think_time_s <= longest_s:
        return
    raise UsageError(
        f"{scenario.file}: workload.think_time: expected at most {longest_s:g}s, found "
        f"{work.think_time_s:g}s: {browsers} browsers cannot send {work.rate_per_s:g} requests a second "
        "and think for longer; raise users or devices, or lower rate"
    )
