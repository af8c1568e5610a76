"""Which mutants are tried, and which tests could notice each. Pure.

A sample stays the same where the code does: mutants are drawn by a digest of the seed and of their own
text, not by their place in a list, so that a change elsewhere exchanges few of them.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from lab.mutation.operators import Mutant


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What an unchanged run of the tests showed: the lines that each ran, and the CPU time it took."""

    lines: Mapping[str, Mapping[int, frozenset[str]]]
    """Of each file, the tests that ran each line after everything was imported."""
    cpu_s: Mapping[str, float]
    failed: frozenset[str] = frozenset()
    """Tests that fail without any change. They can notice nothing."""
    importers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Of each file, those that import from it."""

    def tests_for(self, mutant: Mutant) -> list[str]:
        """Those that could notice, the quickest first.

        What runs at import only, such as a constant, could be noticed by whoever uses the file or a file
        that imports from it.
        """
        there = self.lines.get(mutant.file, {})
        found: set[str] = set()
        for line in range(mutant.first_line, mutant.last_line + 1):
            found |= there.get(line, frozenset())
        if not found and not mutant.scope.rpartition(".")[2].islower():
            for file in (mutant.file, *self.importers.get(mutant.file, ())):
                found.update(*self.lines.get(file, {}).values())
        return sorted(found - self.failed, key=lambda test: (self.cpu_s.get(test, 0.0), test))


def sample(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """As many as asked for, or all there are, in the order of the files."""
    drawn = sorted(mutants, key=lambda one: hashlib.sha256(f"{seed} {one.key}".encode()).digest())[:count]
    return sorted(drawn, key=lambda one: (one.file, one.start, one.end, one.replacement))


def importers(sources: Mapping[str, bytes]) -> dict[str, frozenset[str]]:
    """Of each file, which others import from it."""
    found: dict[str, set[str]] = {file: set() for file in sources}
    for file, source in sources.items():
        for name in _imported(ast.parse(source)):
            path = name.replace(".", "/")
            for other in (f"{path}.py", f"{path}/__init__.py"):
                if other in found:
                    found[other].add(file)
    return {file: frozenset(others) for file, others in found.items()}


def _imported(module: ast.Module) -> Iterable[str]:
    for node in ast.walk(module):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
