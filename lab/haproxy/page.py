"""The table of docs/haproxy.md, and the numbers of each run that it is made of: docs/haproxy.json. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from lab.haproxy.table import HEAD, Run


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What docs/haproxy.json holds."""

    measured_on: str
    """The days, from the first to the last."""
    engine: str
    runs: tuple[Run, ...]


def decoded(text: bytes) -> Record:
    return msgspec.json.decode(text, type=Record)


def with_table(page: str, new: str) -> str:
    """The page with this table in the place of the one that it has."""
    return "\n".join(_lines(page.split("\n"), new.split("\n")))


def table_of(page: str) -> str:
    """The one that a page has."""
    lines = page.split("\n")
    first = lines.index(HEAD.split("\n", maxsplit=1)[0])
    end = next(number for number in range(first, len(lines)) if not lines[number].startswith("|"))
    return "\n".join(lines[first:end])


def _lines(lines: list[str], new: list[str]) -> Iterable[str]:
    old = table_of("\n".join(lines)).split("\n")
    first = lines.index(old[0])
    return [*lines[:first], *new, *lines[first + len(old) :]]
