"""Fault × backend, as rows and as a table for people. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from lab.rows import Row, skipped
from lab.sigkill.trial import Outcome


def rows(found: Sequence[Outcome]) -> list[Row]:
    """What was left of each; a fault that fits and has no effect misses its bound as well."""
    return [_row(one) for one in found]


def _row(one: Outcome) -> Row:
    name = f"{one.fault} on {one.backend}"
    if one.skipped:
        return skipped(name, one.skipped)
    said = one.proof or f"no effect: {one.failure}"
    if one.left:
        said = f"left: {', '.join(one.left)}; {said}"
    return Row(
        name=name,
        measured=len(one.left) if one.works else len(one.left) + 1,
        at_most=0,
        unit="left",
        note=said,
    )


def markdown(found: Sequence[Outcome]) -> str:
    """A line for each fault, a column for each backend."""
    backends = list(dict.fromkeys(one.backend for one in found))
    cells = {(one.fault, one.backend): _cell(one) for one in found}
    lines = [f"| fault | {' | '.join(backends)} |", f"| --- |{' --- |' * len(backends)}"]
    for fault in dict.fromkeys(one.fault for one in found):
        said = (cells.get((fault, backend), "") for backend in backends)
        lines.append(f"| `{fault}` | {' | '.join(said)} |")
    return "\n".join(lines)


def _cell(one: Outcome) -> str:
    if one.skipped:
        return f"skipped: {one.skipped}"
    works = "works" if one.works else "no effect"
    return f"{works}; {'nothing left' if not one.left else 'LEFT: ' + ', '.join(one.left)}"
