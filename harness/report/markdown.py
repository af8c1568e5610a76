"""Markdown of what comes from elsewhere: names and reasons are shown as text, never as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_MARKUP = frozenset("\\|`*_<>[]#")


def escaped(text: str) -> str:
    return "".join(f"\\{sign}" if sign in _MARKUP else sign for sign in text)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table, head first."""
    head = [f"| {' | '.join(columns)} |", "| --- " * len(columns) + "|"]
    return [*head, *(f"| {' | '.join(map(escaped, row))} |" for row in rows)]
