"""The calls as an OpenAPI description, made from `routes` and `words`.

`python -m harness.control.openapi > docs/control.openapi.json` writes the file anew.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from harness.control.routes import FAULT_BODY, MEANING, ROUTES, UNAUTHORIZED, Parameter, Route
from harness.control.words import HealRequest, Problem
from harness.faults import FAULTS

_EXAMPLES = ('{"pause": "primary"}', '{"isolate": "primary", "for": "5s"}', '"isolate: primary, for: 5s"')

_WAYS = {
    "after": "a time such as 5s, or an event such as promoted + 2s",
    "for": "heal it after this time",
}


def description() -> dict[str, Any]:
    answers = dict.fromkeys(route.answer for route in ROUTES)
    _, schemas = msgspec.json.schema_components(
        [*answers, HealRequest, Problem], ref_template="#/components/schemas/{name}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Control interface of the Redis failover kit",
            "version": "1",
            "description": "Faults at the call of a test. FAILOVER_CONTROL is the address, "
            "FAILOVER_CONTROL_TOKEN the token of the run.",
        },
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": {**schemas, FAULT_BODY: _fault()},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    answers = {
        "200": {"description": "Done.", "content": _json(route.answer.__name__)},
        **{
            str(status): {"description": MEANING[status], "content": _json(Problem.__name__)}
            for status in (UNAUTHORIZED, *route.problems)
        },
    }
    operation: dict[str, Any] = {"summary": route.help, "responses": answers}
    if route.parameters:
        operation["parameters"] = [_parameter(one) for one in route.parameters]
    if route.body:
        operation["requestBody"] = {"required": route.body == FAULT_BODY, "content": _json(route.body)}
    return operation


def _parameter(parameter: Parameter) -> dict[str, Any]:
    words = {"enum": list(parameter.words)} if parameter.words else {}
    return {
        "name": parameter.name,
        "in": parameter.place,
        "required": parameter.place == "path",
        "description": parameter.help,
        "schema": {"type": "string", **words},
        "example": parameter.example,
    }


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}}


def _fault() -> dict[str, Any]:
    """Exactly one fault with its target; its options as docs/scenario.schema.json has them."""
    kinds = {
        name: {"type": "string", "description": fault.declaration.help}
        for name, fault in sorted(FAULTS.items())
    }
    ways: dict[str, Any] = {name: {"type": "string", "description": text} for name, text in _WAYS.items()}
    ways["when"] = {"type": "object", "description": 'a condition, such as {"replica_lag": "1MB"}'}
    as_object = {
        "type": "object",
        "description": "One fault with its target, as an item of a scenario's list. docs/faults.md has "
        "the targets and options of each.",
        "properties": {**kinds, **ways},
        "oneOf": [{"required": [name]} for name in kinds],
    }
    as_text = {
        "type": "string",
        "description": "The same in one text, as `failover-kit with --fault` takes it.",
    }
    return {"anyOf": [as_object, as_text], "examples": [json.loads(example) for example in _EXAMPLES]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(description(), indent=2) + "\n")
