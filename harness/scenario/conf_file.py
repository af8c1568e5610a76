"""A redis.conf or sentinel.conf as the server reads it: one directive a line, with the line's number.

Nothing is decided here: which directives a node may be given, and what is wrong with them, is asked of
the tables in `harness.model`. Trap: `include` is a line like any other; what it names is not read.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.directives import Directive, Malformed, of_line


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfLine:
    number: int
    directive: Directive


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLine:
    """A line that no server would read."""

    number: int
    why: str
    """Without the line itself, which may hold a password."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfFile:
    file: str
    lines: tuple[ConfLine, ...]
    bad: tuple[BadLine, ...] = ()


def read_conf(text: str, file: str) -> ConfFile:
    lines: list[ConfLine] = []
    bad: list[BadLine] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip(" \t\r\n")
        if not line or line.startswith("#"):
            continue
        try:
            lines.append(ConfLine(number=number, directive=of_line(line)))
        except Malformed as problem:
            bad.append(BadLine(number=number, why=str(problem)))
    return ConfFile(file=file, lines=tuple(lines), bad=tuple(bad))
