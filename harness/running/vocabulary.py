"""Everything that a scenario file may name: the kit's faults, behaviours, findings and metrics.

The only module that knows both the grammar and what is there; the reader itself imports neither a
fault nor a behaviour. It writes the JSON Schemas for editors again after any of them changed:

    python -m harness.running.vocabulary > docs/scenario.schema.json
    python -m harness.running.vocabulary matrix > docs/matrix.schema.json
    python -m harness.running.vocabulary guest > docs/guest.schema.json
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.checks.promises.table import FINDINGS
from harness.faults import FAULTS
from harness.model.scenario import Vocabulary
from harness.scenario import METRICS, guest_schema, matrix_schema, scenario_schema
from harness.sessions import BEHAVIOURS


def shipped() -> Vocabulary:
    return Vocabulary(
        faults={name: fault.declaration for name, fault in FAULTS.items()},
        behaviours={name: replace(one.declaration, kind=one.kind) for name, one in BEHAVIOURS.items()},
        findings=FINDINGS,
        metrics=frozenset(METRICS),
    )


def schema_text() -> str:
    return _as_text(scenario_schema(shipped()))


def matrix_schema_text() -> str:
    return _as_text(matrix_schema())


def guest_schema_text() -> str:
    return _as_text(guest_schema())


def _as_text(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    texts = {"matrix": matrix_schema_text, "guest": guest_schema_text}
    sys.stdout.write(texts.get("".join(sys.argv[1:]), schema_text)())
