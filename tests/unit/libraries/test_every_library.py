"""A client library is one module and one line: what each of them has to be, without its package being here."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from harness.libraries import INSIDE, LIBRARIES
from harness.libraries.library import Declaration

ROOM = Path(__file__).parents[3] / "harness" / "libraries"
MADE_OF = {"redis": {"redis"}, "coredis": {"coredis"}, "valkey-glide": {"glide"}}
"""Packages -> what they are imported as, where it is not their name."""


def imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (one.name for one in node.names)


def strangers(library: Declaration) -> set[str]:
    """What its module imports and its environment does not have."""
    of_package = MADE_OF.get(library.package, {library.package.replace("-", "_")})
    tops = {name.partition(".")[0] for name in imported(library.module)}
    of_the_kit = {name for name in imported(library.module) if name.startswith("harness.")}
    elsewhere = {name for name in of_the_kit if not name.startswith("harness.libraries.")}
    return (tops - {"harness"} - of_package - set(sys.stdlib_module_names)) | elsewhere


def test_library_is_a_module_with_connect_that_needs_nothing_else() -> None:
    """Its environment has its package and this room, and nothing of the kit."""
    for library in LIBRARIES.values():
        tree = ast.parse(library.module.read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert "connect" in functions, library.name
        assert strangers(library) == set(), library.name


def test_stranger_would_be_noticed() -> None:
    """The kit's own client is no library of that kind."""
    store = Declaration(name="x", module=ROOM.parent / "sessions" / "store.py", package="redis")
    assert strangers(store) >= {"tenacity", "harness.sessions.connection"}


def test_every_library_has_a_version_that_was_tried() -> None:
    """One without a version of its own is tried as the kit has it."""
    for library in LIBRARIES.values():
        assert library.tested, library.name
        assert library.version or "" not in library.tested or library.package == "redis"
        assert library.name == INSIDE or "" in library.tested


def test_everybody_else_reads_the_table() -> None:
    """Nobody names a library but its own line: the next one needs no other change."""
    names = [f'"{name}"' for name in LIBRARIES if name != INSIDE]
    for file in ROOM.parent.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if file != ROOM / "__init__.py":
            assert [name for name in names if name in text] == [], file
