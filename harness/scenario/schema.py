"""The JSON Schema of scenario files, for editors: completion, and red lines while typing.

Looser than the reader: it knows no topology, so it cannot say that a target does not exist. It is
generated from the same fields that the reader uses, and docs/scenario.schema.json is its output.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from harness.model.scenario import Declaration, Vocabulary
from harness.scenario.expectations import METRICS
from harness.scenario.faults import (
    after_schema,
    condition_schema,
    has_placeholder,
    option_reader,
    target_pattern,
)
from harness.scenario.reading import scenario_fields
from harness.scenario.table import table_schema
from harness.scenario.values import POSITIVE_DURATION, Schema, count


def scenario_schema(vocabulary: Vocabulary) -> Schema:
    schema: dict[str, Any] = dict(table_schema(scenario_fields(vocabulary)))
    properties = schema["properties"]
    properties["faults"] = {
        "description": properties["faults"]["description"],
        "type": "array",
        "items": {"anyOf": [_fault(declaration, vocabulary) for declaration in vocabulary.faults.values()]},
    }
    properties["expect"] = {
        "description": properties["expect"]["description"],
        "type": "object",
        "patternProperties": {_left_side(vocabulary): {"type": ["string", "number"]}},
        "additionalProperties": False,
    }
    workload = properties["workload"]["properties"]
    workload["options"] = {
        "description": workload["options"]["description"],
        "type": "object",
        "properties": {name: _options(of) for name, of in vocabulary.behaviours.items()},
        "additionalProperties": False,
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Redis failover scenario",
        **schema,
    }


def settings_called(key: str, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Paths, as `--set` takes them, that end with this key or with the nearest one that there is."""
    paths = list(_paths(scenario_schema(vocabulary)))
    near = get_close_matches(key, {one.rpartition(".")[2] for one in paths}, n=1)
    return tuple(one for one in paths if [one.rpartition(".")[2]] == near)


def _paths(schema: Schema, above: str = "") -> Iterator[str]:
    for key, below in schema.get("properties", {}).items():
        yield f"{above}{key}"
        yield from _paths(below, f"{above}{key}.")


def _fault(declaration: Declaration, vocabulary: Vocabulary) -> Schema:
    options = _options(declaration)
    return {
        "type": "object",
        "description": declaration.help,
        "required": [declaration.name, *options["required"]],
        "oneOf": [{"required": ["after"]}, {"required": ["when"]}],
        "additionalProperties": False,
        "properties": {
            declaration.name: _target(declaration),
            "after": after_schema(),
            "when": condition_schema(tuple(vocabulary.behaviours)),
            "for": POSITIVE_DURATION.schema(),
            "repeat": count(1).schema(),
            "every": POSITIVE_DURATION.schema(),
            **options["properties"],
        },
    }


def _target(declaration: Declaration) -> Schema:
    if not declaration.targets:
        return {"enum": [True, None, ""]}
    fixed = [target for target in declaration.targets if not has_placeholder(target)]
    patterns = [target_pattern(target) for target in declaration.targets if has_placeholder(target)]
    choices: list[Schema] = [{"type": "string", "pattern": f"^{pattern}$"} for pattern in patterns]
    return {"anyOf": [{"enum": fixed}, *choices]} if fixed else {"anyOf": choices}


def _options(declaration: Declaration) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [option.name for option in declaration.options if option.default is None],
        "properties": {
            option.name: {**option_reader(option).schema(), "description": option.help}
            for option in declaration.options
        },
    }


def _left_side(vocabulary: Vocabulary) -> str:
    names = sorted(vocabulary.findings.keys() | vocabulary.metrics | METRICS.keys())
    return rf"^({'|'.join(names)})(\([^()]*\))?( in [a-z]+)?( on .+?)?( with (Redis|Valkey).*)?$"
