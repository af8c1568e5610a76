"""A matrix file: scenarios, deployments, engines and settings that are run in every combination.

Paths of files are relative to the matrix; what is no file there is left to whoever selects scenarios: a
shipped name, say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from harness.model.matrix import Matrix
from harness.scenario import tree
from harness.scenario.problems import Problems
from harness.scenario.table import Field, read_table, table_schema
from harness.scenario.values import ENGINE, TEXT, VERSION, Many, Named, One, Schema, count, entries

REPEAT_MAX = 10_000

_VALUE = One(TEXT.expected, TEXT.parse, {"type": ["string", "number", "boolean"], "minLength": 1})
"""Read as text; whoever writes a number need not quote it, so an editor must not ask for that."""
_SETTING = Named(of=_VALUE, looks_like=".+")
_VALUES = Named(of=Many(_VALUE), looks_like=".+")

FIELDS = (
    Field(key="matrix", reader=VERSION, required=True, help="format version; always the first key"),
    Field(key="name", reader=TEXT, required=True, help="what is to be decided, in a few words"),
    Field(
        key="scenarios",
        reader=Many(TEXT),
        required=True,
        help="files, folders, or globs over the shipped ones, as `run` takes them",
    ),
    Field(key="deployments", reader=Many(TEXT), help="deployment files: each scenario runs against each"),
    Field(key="engines", reader=Many(ENGINE), help="engines by name: each scenario runs on each"),
    Field(key="set", attribute="settings", reader=_SETTING, help="settings of all runs, path: value"),
    Field(
        key="vary",
        reader=_VALUES,
        help="settings that take several values, path: [value, value]; every combination runs",
    ),
    Field(key="repeat", reader=count(1, REPEAT_MAX), help="runs of each, with different seeds; default 1"),
)


def load_matrix(path: Path) -> Matrix:
    """
    Raises:
        UsageError: everything that is wrong, one line each.
    """
    root = tree.compose_file(path)
    problems = Problems()
    values = read_table(root, "", FIELDS, problems)
    keys = _keys(root)
    _check(keys, values, problems)
    problems.raise_if_any()
    values.pop("matrix")
    matrix = Matrix(file=str(path), **values)
    return replace(
        matrix,
        scenarios=tuple(_beside(path, one) for one in matrix.scenarios),
        deployments=tuple(_beside(path, one) for one in matrix.deployments),
        fingerprint=_fingerprint(matrix),
        places={name: tree.place(node) for name, node in keys.items()},
    )


def _keys(root: tree.Node) -> dict[str, tree.Node]:
    """`vary`, `vary.deployment.timing`, `scenarios.0` -> where it stands."""
    top = {key: (node, value) for key, node, value in entries(root, "", Problems())}
    below = {
        f"{key}.{path}": node
        for key in ("set", "vary")
        if key in top
        for path, node, _ in entries(top[key][1], key, Problems())
    }
    for key in ("scenarios", "deployments"):
        if key in top and isinstance(top[key][1], tree.Sequence):
            below |= {f"{key}.{n}": node for n, node in enumerate(top[key][1].value)}
    return {key: node for key, (node, _) in top.items()} | below


def _fingerprint(matrix: Matrix) -> str:
    """Of what it names, as written: where its files lie is another place on another machine."""
    named = (matrix.scenarios, matrix.deployments, matrix.engines, matrix.settings, matrix.vary)
    return hashlib.blake2b(msgspec.json.encode(named, order="deterministic"), digest_size=6).hexdigest()


def _check(keys: Mapping[str, tree.Node], values: dict[str, Any], problems: Problems) -> None:
    """A matrix without a cell, and values that would run the same thing twice."""
    if values.get("scenarios") == ():
        problems.add(keys["scenarios"], "scenarios", "expected at least one scenario, found none")
    lists = {name: values.get(name, ()) for name in ("scenarios", "deployments", "engines")}
    lists |= {f"vary.{path}": several for path, several in values.get("vary", {}).items()}
    for name, several in lists.items():
        if len(set(several)) < len(several):
            problems.add(keys[name], name, "expected different values, found one of them twice")
        if name.startswith("vary.") and not several:
            problems.add(keys[name], name, "expected at least one value, found none")
    for path in values.get("vary", {}).keys() & values.get("settings", {}).keys():
        name = f"vary.{path}"
        problems.add(keys[name], name, "expected it either in 'set' or in 'vary', found it in both")


def _beside(matrix: Path, name: str) -> str:
    beside = matrix.parent / name
    return str(beside) if beside.exists() else name


def matrix_schema() -> Schema:
    """For editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Redis failover matrix",
        **table_schema(FIELDS),
    }
