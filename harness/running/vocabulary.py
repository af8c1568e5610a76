"""Everything that a scenario file may name: the kit's faults, behaviours, findings and metrics.

The only module that knows both the grammar and what is there; the reader itself imports neither a
fault nor a behaviour. `python -m harness.running.vocabulary > docs/scenario.schema.json` writes the JSON
Schema for editors again after any of them changed.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace

from harness.checks.promises.table import FINDINGS
from harness.faults import FAULTS
from harness.model.scenario import Vocabulary
from harness.scenario import METRICS, scenario_schema
from harness.sessions import BEHAVIOURS


def shipped() -> Vocabulary:
    return Vocabulary(
        faults={name: fault.declaration for name, fault in FAULTS.items()},
        behaviours={name: replace(one.declaration, kind=one.kind) for name, one in BEHAVIOURS.items()},
        findings=FINDINGS,
        metrics=frozenset(METRICS),
    )


def schema_text() -> str:
    return json.dumps(scenario_schema(shipped()), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
