"""Live progress while scenarios run, and the printed report: rich on a terminal, plain lines in a log."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.many.cells import cells_of
from harness.model.results import WAITING, Display, Progress, ScenarioResult, SuiteResult
from harness.model.words import NodeRole, Verdict
from harness.report.cells import TITLE, cell_blocks, cell_table, is_repeated
from harness.report.console import console_on
from harness.report.explain import explain, needs_explaining
from harness.report.table import blocks, table
from harness.report.words import seconds, verdict_word
from harness.safe_files import is_file
from harness.visible import one_line, visible

_FILES = ("index.html", "summary.json", "junit.xml")
"""Of a suite's folder; where the disk is full, some are missing."""
_LEAST_WIDE = 130
"""Columns of a terminal on which what runs is drawn as a table."""
_COLUMNS = {"phase": len(WAITING), "nodes": 32, "acked/s": 7, "errors/s": 8, "sessions": 8, "left": 8}
"""Of that table, and how wide each is, whatever it says: what is left is for the names."""


def display(stream: TextIO) -> Display:
    console = console_on(stream)
    return LiveDisplay(console) if console.is_terminal else LineDisplay(stream)


class LineDisplay:
    """One line per thing that happened: for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started = time.monotonic()
        self._phases: dict[str, str] = {}

    def begin(self, header: str, names: Sequence[str]) -> None:
        self.line(header)
        self.line(f"{len(names)} scenario{'' if len(names) == 1 else 's'}")

    def progress(self, progress: Progress) -> None:
        if progress.note:
            self.line(f"{progress.scenario}: {progress.note}")
        elif self._phases.get(progress.scenario) != progress.phase:
            self._phases[progress.scenario] = progress.phase
            self.line(f"{progress.scenario}: {progress.phase}")

    def line(self, text: str) -> None:
        # Nobody may be reading any more (`| head`); the run goes on and its status tells.
        with contextlib.suppress(OSError):
            print(
                f"[{time.monotonic() - self._started:5.0f} s] {visible(text)}", file=self._stream, flush=True
            )

    def finished(self, result: ScenarioResult) -> None:
        self.line(f"{result.label}: {verdict_word(result)} {_took(result)}")

    def close(self) -> None:
        pass


class LiveDisplay:
    """A block that is redrawn in place: what runs, in which phase, how it goes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._running: dict[str, Progress] = {}
        self._done: Counter[str] = Counter()
        self._total = 0
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def begin(self, header: str, names: Sequence[str]) -> None:
        self._console.print(visible(header), highlight=False)
        self._total = len(names)
        self._live.start()

    def progress(self, progress: Progress) -> None:
        if progress.note:
            self.line(f"{progress.scenario}: {progress.note}")
        self._running[progress.scenario] = progress
        self._live.update(self._drawn())

    def line(self, text: str) -> None:
        self._live.console.print(Text(visible(text), style="dim"))

    def finished(self, result: ScenarioResult) -> None:
        self._running.pop(result.label, None)
        self._done[verdict_word(result)] += 1
        name = one_line(result.label)
        self._live.console.print(f"{name}: {verdict_word(result)} {_took(result)}", highlight=False)
        self._live.update(self._drawn())

    def close(self) -> None:
        self._live.stop()

    def _drawn(self) -> Underway:
        return Underway(list(self._running.values()), dict(self._done), self._total)


@dataclass(frozen=True)
class Underway:
    """What runs. As many lines whatever the nodes are just doing: a block that grows and shrinks flickers."""

    running: Sequence[Progress]
    done: Mapping[str, int]
    """The word of a verdict -> how many runs."""
    total: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= _LEAST_WIDE
        yield from [self._table()] if wide else chain.from_iterable(map(_two_lines, self.running))
        tally = ", ".join(f"{count} {word}" for word, count in self.done.items())
        over = sum(self.done.values())
        yield _one_line(Text(f"{over} of {self.total} done  {tally}", style="bold"))

    def _table(self) -> Table:
        grid = Table(box=None, padding=(0, 2, 0, 0))
        grid.add_column("running", overflow="fold")
        for title, width in _COLUMNS.items():
            style = "dim" if title == "nodes" else None
            grid.add_column(title, style=style, no_wrap=True, overflow="ellipsis", width=width)
        for progress in self.running:
            grid.add_row(*map(one_line, _cells(progress)))
        return grid


def _two_lines(progress: Progress) -> Iterator[Text]:
    """For a narrow terminal: the nodes come last, and are what is cut off."""
    yield _one_line(Text(one_line(progress.scenario)))
    told = [progress.phase]
    if progress.roles:
        told += [f"{seconds(progress.left_s)} left"] if progress.left_s else []
        told += [f"{progress.rate_per_s:.0f}/s"]
        told += [f"{progress.errors_per_s:.0f} errors/s"] if progress.errors_per_s >= 1 else []
        told += [_roles(progress.roles)]
    yield _one_line(Text(f"  {one_line(' · '.join(told))}", style="dim"))


def _one_line(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _cells(progress: Progress) -> tuple[str, ...]:
    if not progress.roles:  # starting, judging: there is nothing to measure
        return (progress.scenario, progress.phase, "", "", "", "", "")
    return (
        progress.scenario,
        progress.phase,
        _roles(progress.roles),
        f"{progress.rate_per_s:.0f}",
        f"{progress.errors_per_s:.0f}",
        str(progress.at_risk),
        seconds(progress.left_s) if progress.left_s else "",
    )


def _roles(roles: dict[str, str]) -> str:
    """`redis-2 primary · 1 replica · 1 down`: primaries by name, the rest counted."""
    primaries = [name for name, role in roles.items() if role == NodeRole.PRIMARY]
    others = Counter(role for role in roles.values() if role not in (NodeRole.PRIMARY, NodeRole.SENTINEL))
    parts = [f"{' '.join(primaries)} primary"] if primaries else ["no primary"]
    return " · ".join(parts + [f"{count} {role}" for role, count in others.items()])


def _took(result: ScenarioResult) -> str:
    again = ", run twice" if result.times_run > 1 else ""
    return f"({result.wall_s:.0f} s{again})" if result.wall_s else ""


def show(suite: SuiteResult, stream: TextIO) -> None:
    """Print the whole report; the last line is the exit status and its meaning."""
    console = console_on(stream)
    console.print()
    console.print(suite_line(suite), style="bold", highlight=False)
    if suite.incomplete:
        console.print(
            f"scenarios may be missing: {one_line(suite.incomplete)}", highlight=False, soft_wrap=True
        )
    cells = cells_of(suite.results)
    if is_repeated(cells):
        console.print(TITLE, highlight=False)
        for title, some in cell_blocks(cells):
            console.print(cell_table(title, some))
    else:
        for title, results in blocks(suite.results):
            console.print(table(title, results))
    for result in suite.results:
        if needs_explaining(result):
            # Never wrapped by us: commands are there to be copied.
            console.print(Text("\n".join(explain(result, suite.directory))), soft_wrap=True)
            console.print()
    if len(suite.results) == 1 and suite.results[0].advice and not needs_explaining(suite.results[0]):
        console.print(Text(f"setting to change: {one_line(suite.results[0].advice)}"), soft_wrap=True)
    for reason in _missing(suite):
        console.print(Text(f"skipped: {reason}"), soft_wrap=True)
    there = " · ".join(name for name in _FILES if is_file(Path(suite.directory, name)))
    where = (
        f"{one_line(suite.directory)}/{there}" if there else f"{one_line(suite.directory)}, without a report"
    )
    console.print(f"results: {where}", highlight=False, soft_wrap=True)
    console.print(f"exit status {suite.exit_code}: {suite.comes_to}", highlight=False)


def _missing(suite: SuiteResult) -> Iterator[str]:
    """Why something was skipped, once, where a command would change it; nobody can copy it out of a table."""
    skipped = (one for one in suite.results if one.verdict is Verdict.SKIPPED)
    reasons = dict.fromkeys(one_line(reason) for one in skipped for reason in one.reasons)
    return (reason for reason in reasons if "to install it: " in reason)


def suite_line(suite: SuiteResult) -> str:
    """The first line of every output: what stood under the results."""
    what = f"backend {suite.backend} · {suite.engine or 'no engine'} · timing {suite.timing}"
    return one_line(f"{what} · seed {suite.seed} · {suite.wall_s:.0f} s with {suite.jobs} in parallel")
