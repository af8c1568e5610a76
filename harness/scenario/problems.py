"""Everything that is wrong with a file, collected, so that one reading reports all of it.

One line each: `file:line: key path: what was expected, what was found, the nearest legal word`.
Readers go on after a problem with whatever is still legible; nobody uses the result, because
`raise_if_any` comes first.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.errors import UsageError
from harness.model.nearest import did_you_mean
from harness.scenario.tree import Mapping, Node, found, place, shortened

LONGEST = 1000
"""Letters of one message."""

MOST = 50
"""Problems of one file that are worth telling; whoever has more has another kind of file."""


class Problems:
    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, node: Node, path: str, message: str) -> None:
        where = ".".join(map(shortened, path.lstrip(".").split(".")))
        text = f"{place(node)}: {where}: {message}" if where else f"{place(node)}: {message}"
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
        if text not in self._lines:  # an aliased node is read more than once
            self._lines.append(text)
        if len(self._lines) > MOST:
            self._lines[-1] = f"and more: only the first {MOST} problems are shown"
            self.raise_if_any()

    def expected(self, node: Node, path: str, what: str, hint: str = "") -> None:
        self.add(node, path, f"expected {what}, found {found(node)}" + (f"; {hint}" if hint else ""))

    def unknown(self, node: Node, path: str, what: str, word: str, legal: Iterable[str]) -> None:
        """A word outside a closed vocabulary."""
        self.add(node, path, f"unknown {what} {shortened(word)!r}{choices(word, legal)}")

    @property
    def count(self) -> int:
        return len(self._lines)

    def raise_if_any(self) -> None:
        if self._lines:
            raise UsageError("\n".join(self._lines))


def choices(word: str, legal: Iterable[str]) -> str:
    """`; did you mean 'x'? legal: x, y, z`."""
    words = list(dict.fromkeys(map(str, legal)))
    return f"{did_you_mean(shortened(word), words)}; legal: {', '.join(words)}"


def check_first_key(root: Node, expected: str, problems: Problems) -> None:
    """The first key says what kind of file it is.

    Raises:
        UsageError: it is nowhere in the file, so that nothing else that is wrong counts.
    """
    keys = [key for key, _ in root.value] if isinstance(root, Mapping) else []
    if keys and keys[0].value != expected:
        problems.add(
            keys[0],
            "",
            f"expected '{expected}: 1' as the first key, found {shortened(str(keys[0].value))!r}",
        )
        if expected not in [key.value for key in keys]:
            problems.raise_if_any()
