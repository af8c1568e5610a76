"""Mappings with a fixed set of keys: one list of fields drives the reading and the JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.scenario import tree
from harness.scenario.problems import Problems
from harness.scenario.values import INVALID, Reader, Schema, entries


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One legal key. `attribute` is its name in the model, where units are part of names."""

    key: str
    reader: Reader
    help: str
    attribute: str = ""
    required: bool = False

    @property
    def name(self) -> str:
        return self.attribute or self.key


def read_table(
    node: tree.Node,
    path: str,
    fields: Sequence[Field],
    problems: Problems,
    *,
    elsewhere: Mapping[str, str] = {},
) -> dict[str, Any]:
    """Attribute -> value of every key that is present and legible.

    `elsewhere`: keys that exist, though not here -> why not.
    """
    legal = {field.key: field for field in fields}
    values: dict[str, Any] = {}
    present = set()
    for key, key_node, value_node in entries(node, path, problems):
        below = f"{path}.{key}" if path else key
        present.add(key)
        if key in legal:
            value = legal[key].reader.read(value_node, below, problems)
            if value is not INVALID:
                values[legal[key].name] = value
        elif key in elsewhere:
            problems.add(key_node, below, elsewhere[key])
        else:
            problems.unknown(key_node, path, "key", key, legal)
    if isinstance(node, tree.Mapping):
        for field in fields:
            if field.required and field.key not in present:
                problems.add(node, path, f"the key {field.key!r} is missing: {field.help}")
    return values


def table_schema(fields: Sequence[Field]) -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [field.key for field in fields if field.required],
        "properties": {field.key: {**field.reader.schema(), "description": field.help} for field in fields},
    }
