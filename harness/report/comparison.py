"""Two suites beside each other, as text for a terminal and as Markdown for a pull request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TextIO

from rich import box
from rich.table import Table

from harness.many.compare import WORST_FIRST, Compared, Comparison, Sense
from harness.many.summary import Seen
from harness.model.cells import CONFIDENCE
from harness.model.judgement import Interval, percent
from harness.report.cells import interval_text
from harness.report.console import console_on
from harness.report.markdown import escaped, table
from harness.visible import one_line

MARKDOWN_LINES = 60
"""At most; what is left out is said. A comment that nobody scrolls through is read."""

NAMED = 5
"""Scenarios that only one of the two ran, by name; how many more there are is said."""

HOW = (
    "Shares are compared by Fisher's exact test, times and counts by that of Mann and Whitney, both "
    f"two-sided; corrected by Holm's method for all {{count}} comparisons together, at {CONFIDENCE:.0%}."
)
COLUMNS = ("", "scenario", "what", "before", "after", "runs", "p")


def show_comparison(compared: Compared, names: tuple[str, str], stream: TextIO) -> None:
    console = console_on(stream)
    for line in _preamble(compared, names):
        console.print(line, highlight=False)
    drawn = Table(box=box.SIMPLE_HEAD, expand=True)
    for column in COLUMNS:
        drawn.add_column(
            column, ratio=3 if column == "scenario" else None, no_wrap=column in {"", "p", "runs"}
        )
    rows = told(compared.comparisons)
    for one in rows:
        drawn.add_row(*row(one))
    if rows:
        console.print(drawn)
    for line in _afterword(compared):
        console.print(line, highlight=False)


def markdown(compared: Compared, names: tuple[str, str]) -> str:
    """At most `MARKDOWN_LINES` lines, worst first."""
    columns, rule, *rows = table(COLUMNS, map(row, told(compared.comparisons)))
    head = [*map(escaped, _preamble(compared, names)), "", columns, rule]
    tail = ["", *map(escaped, _afterword(compared))]
    room = MARKDOWN_LINES - len(head) - len(tail) - 1
    left_out = [f"| | {len(rows) - room} more rows | | | | | |"] if len(rows) > room else []
    return "\n".join([*head, *rows[:room], *left_out, *tail]) + "\n"


def told(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Without those that are the same on either side."""
    return [one for one in comparisons if one.sense is not Sense.SAME]


def _preamble(compared: Compared, names: tuple[str, str]) -> Iterator[str]:
    yield one_line(f"{names[0]} → {names[1]}")
    yield one_line(f"different between the two: {'; '.join(compared.differs) or 'nothing but the runs'}")
    counts = Counter(one.sense for one in compared.comparisons)
    yield ", ".join(f"{counts[one]} {one}" for one in WORST_FIRST if counts[one])


def _afterword(compared: Compared) -> Iterator[str]:
    yield HOW.format(count=len(compared.comparisons))
    for title, names in (
        ("only before", compared.only_before),
        ("only after", compared.only_after),
        ("not decided before", compared.undecided_before),
        ("not decided after", compared.undecided_after),
    ):
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            yield one_line(f"{title}: {', '.join(names[:NAMED])}{more}")
    if any(one.sense is Sense.BROKEN and max(one.runs) < 6 for one in compared.comparisons):
        yield "With so few runs, repeat what is newly broken (--repeat) to learn how often it breaks."


def row(one: Comparison) -> tuple[str, ...]:
    cells = (
        one.sense,
        one.cell,
        one.what,
        _value(one.before, one.unit),
        _value(one.after, one.unit),
        f"{one.runs[0]}, {one.runs[1]}",
        "< 0.001" if one.difference.chance < 0.001 else f"{one.difference.chance:.3f}",
    )
    return tuple(map(one_line, cells))


def _value(value: Seen | Interval, unit: str) -> str:
    if isinstance(value, Seen):
        share = f" ({percent(value.seen, value.runs)})" if value.runs else ""
        return f"{value.seen} of {value.runs}{share}"
    return interval_text(value, unit)
