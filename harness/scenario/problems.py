"""Everything that is wrong with a file, collected, so that one reading reports all of it.

One line each: `file:line: key path: what was expected, what was found, the nearest legal word`.
Readers go on after a problem with whatever is still legible; nobody uses the result, because
`raise_if_any` comes first.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from harness.errors import UsageError
from harness.scenario.tree import Node, found, place


class Problems:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, node: Node, path: str, message: str) -> None:
        text = f"{place(node)}: {path}: {message}" if path else f"{place(node)}: {message}"
        if text not in self._lines:  # an aliased node is read more than once
            self._lines.append(text)

    def expected(self, node: Node, path: str, what: str, hint: str = "") -> None:
        self.add(node, path, f"expected {what}, found {found(node)}" + (f"; {hint}" if hint else ""))

    def unknown(self, node: Node, path: str, what: str, word: str, legal: Iterable[str]) -> None:
        """A word outside a closed vocabulary."""
        self.add(node, path, f"unknown {what} {word!r}{choices(word, legal)}")

    @property
    def count(self) -> int:
        return len(self._lines)

    def raise_if_any(self) -> None:
        if self._lines:
            raise UsageError("\n".join(self._lines))


def choices(word: str, legal: Iterable[str]) -> str:
    """`; did you mean 'x'? legal: x, y, z`."""
    words = list(dict.fromkeys(map(str, legal)))
    folded = {candidate.lower().replace("_", "-"): candidate for candidate in words}
    near = difflib.get_close_matches(word.lower().replace("_", "-"), folded, n=1, cutoff=0.55)
    nearest = f"; did you mean {folded[near[0]]!r}?" if near else ""
    return f"{nearest}; legal: {', '.join(words)}"
