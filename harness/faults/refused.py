"""Which faults a machine costs: those that these nodes could have elsewhere, and cannot have here."""

from __future__ import annotations

from dataclasses import replace

from harness.faults import FAULTS
from harness.model.plan import Plan
from harness.model.scenario import FaultStep, OptionType, Start
from harness.model.seams import Fault, Machine


def refused_by(machine: Machine, plan: Plan) -> tuple[str, ...]:
    """Their names, for people."""
    able = replace(machine, network_faults=True, why_no_slow_links="")
    return tuple(
        kind
        for kind, fault in FAULTS.items()
        if any(
            fault.fits(step, plan, able) is None and fault.fits(step, plan, machine) is not None
            for step in _steps(kind, fault)
        )
    )


def _steps(kind: str, fault: Fault) -> list[FaultStep]:
    """The fault at each of its targets, as it is by default, with times that are not nothing."""
    declared = fault.declaration
    options = {
        option.name: option.default or 1.0 if option.type is OptionType.DURATION else option.default
        for option in declared.options
        if option.default is not None
    }
    return [
        FaultStep(
            number=1,
            kind=kind,
            target=target,
            start=Start(after_s=0.0),
            options=options,
            traits=declared.traits,
        )
        for target in declared.targets or ("",)
    ]
