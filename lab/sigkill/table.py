"""Fault × backend, as rows and as a table for people. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

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
    """What became of each trial: a line for each fault, a column for each backend."""
    return _table({(one.fault, one.backend): _cell(one) for one in found})


def planned(refused: Mapping[tuple[str, str], str]) -> str:
    """Which fault can be had on which backend; `refused`: why not, empty where it can."""
    return _table({at: f"no: {_OF_A_FAULT.sub('', why)}" if why else "yes" for at, why in refused.items()})


_OF_A_FAULT = re.compile(r"^fault \d+ \([a-z ]+\): ")
"""Which of a scenario's faults a reason is about; here there is one."""


def _table(cells: Mapping[tuple[str, str], str]) -> str:
    backends = list(dict.fromkeys(backend for _, backend in cells))
    lines = [f"| fault | {' | '.join(backends)} |", f"| --- |{' --- |' * len(backends)}"]
    for fault in dict.fromkeys(fault for fault, _ in cells):
        said = (cells.get((fault, backend), "") for backend in backends)
        lines.append(f"| `{fault}` | {' | '.join(said)} |")
    return "\n".join(lines)


def _cell(one: Outcome) -> str:
    if one.skipped:
        return f"skipped: {one.skipped}"
    works = "works" if one.works else "no effect"
    return f"{works}; {'nothing left' if not one.left else 'LEFT: ' + ', '.join(one.left)}"
