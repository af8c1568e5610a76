"""Which links of a run are cut, and by which faults.

Faults may overlap and cut the same link. A link stays cut for as long as any of them cuts it, so
healing one never heals another. Says nothing of how a link is cut: each backend does that its own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

DISCARD_PORT = 9
"""What is sent to see whether a link drops it goes to this port of the other end: nothing listens there."""

Pair = frozenset[str]
"""The two ends of a link, by name."""

Recorded = dict[int, list[tuple[str, str]]]
"""Fault number -> the links that it cuts, for the record of a held topology."""


class Cuts:
    """The cuts in force."""

    def __init__(self, recorded: Mapping[int, Iterable[Iterable[str]]] | None = None) -> None:
        self._by = {fault: {frozenset(pair) for pair in pairs} for fault, pairs in (recorded or {}).items()}

    def all(self) -> set[Pair]:
        return set().union(*self._by.values())

    def add(self, pairs: Iterable[Pair], *, by: int) -> None:
        self._by.setdefault(by, set()).update(pairs)

    def of_nobody_else(self, fault: int) -> set[Pair]:
        """The links that carry packets again once this fault is healed."""
        others = (pairs for other, pairs in self._by.items() if other != fault)
        return self._by.get(fault, set()).difference(*others)

    def lift(self, *, by: int, pairs: Iterable[Pair] | None = None) -> None:
        """Forget that this fault cuts these links, or any."""
        left = set() if pairs is None else self._by.get(by, set()).difference(pairs)
        if left:
            self._by[by] = left
        else:
            self._by.pop(by, None)

    def recorded(self) -> Recorded:
        return {
            fault: [(min(pair), max(pair)) for pair in sorted(pairs, key=sorted)]
            for fault, pairs in self._by.items()
        }
