"""Everything that a scenario file may name: the kit's faults, behaviours, findings and metrics.

The only module that knows both the grammar and what is there; the reader itself imports neither a
fault nor a behaviour. Tests and plug-ins may put together a vocabulary of their own.
"""

from __future__ import annotations

from harness.checks import FINDINGS
from harness.faults import FAULTS
from harness.model.scenario import Vocabulary
from harness.scenario.expectations import METRICS
from harness.sessions import BEHAVIOURS


def shipped() -> Vocabulary:
    return Vocabulary(
        faults={name: fault.declaration for name, fault in FAULTS.items()},
        behaviours={name: behaviour.declaration for name, behaviour in BEHAVIOURS.items()},
        findings=frozenset(FINDINGS),
        metrics=frozenset(METRICS),
    )
