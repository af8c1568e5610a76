"""From a saved run to its result: judged, told as stories, written beside the history.

`run` calls this at the end of every run and `judge RUN` calls it on any saved one, without Redis or
Docker: both read the same files, so judging again gives the same answer unless the kit changed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import msgspec

from harness import history
from harness.checks.columns.arrays import give_back
from harness.checks.judge import judge
from harness.checks.verdict.conclusion import why_clause
from harness.checks.verdict.evidence import start_that_never_came, without_effect
from harness.checks.verdict.story import stories
from harness.faults import FAULTS
from harness.history.files import without_collections
from harness.model.history import History
from harness.model.judgement import Finding, Judgement
from harness.model.results import ScenarioResult, Story
from harness.report.page import page, page_of_damage
from harness.safe_files import is_file, write_file
from harness.saved.node_logs import node_logs

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_KEEP = {_TRIM_THRESHOLD: (1 << 31) - 1, _MMAP_MAX: 0}
"""Parameters of mallopt(3), and their values while a run is judged."""
_USUAL = {_MMAP_MAX: 1 << 16, _MMAP_THRESHOLD: 1 << 25, _TRIM_THRESHOLD: 1 << 26}
"""What the C library comes to by itself once large arrays were freed."""

_DATA = ("findings.json", "metrics.json")

STORIES_SHOWN = 3
"""One story per finding name, for this many names; the page and `why` have the rest."""


def read_run(directory: Path, *, in_memory: bool = True) -> History:
    """A saved run; of an old one, whose plan does not say what its faults are, this kit's faults do.

    Raises:
        UsageError: the folder holds no run.
    """
    declared = {name: fault.declaration for name, fault in FAULTS.items()}
    return history.read(directory, in_memory=in_memory, faults=declared)


def judge_folder(directory: Path) -> ScenarioResult:
    """Judge the run in a scenario's folder, and (re)write its findings, metrics and page.

    Raises:
        UsageError: the folder holds no run.
        EnvironmentFailure: the results cannot be written.
    """
    with without_collections(), _memory_kept():
        return _judge(directory)


@contextmanager
def _memory_kept() -> Iterator[None]:
    """What one large array leaves, the next one gets. The C library of most Linux systems gives arrays of
    more than 32 MB back to the system at once, and every page that comes from there is cleared first: a
    fifth of the time that ten million operations take."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", lambda *_: None)
    for parameter, value in _KEEP.items():
        mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in _USUAL.items():
            mallopt(parameter, value)


def _judge(directory: Path) -> ScenarioResult:
    past = read_run(directory, in_memory=False)
    history.check_plausible(directory, past)
    judgement = judge(past)
    give_back(len(past.table))  # what the page is made of comes from elsewhere than arrays do
    judged = ScenarioResult.judged(
        past.plan, past.opening, judgement, why=why_clause(judgement), stories=_stories(past, judgement)
    )
    result = replace(
        judged,
        run_dir=directory.name,
        without_effect=tuple(step.number for step in without_effect(past)),
        start_that_never_came=start_that_never_came(past),
    )
    for name, value in zip(_DATA, (judgement.findings, judgement.metrics), strict=True):
        write_file(directory / name, _pretty(value))
    write_file(directory / "index.html", page(result, past, node_logs(directory, past)).encode())
    return result


def leave_undecided(directory: Path, result: ScenarioResult) -> None:
    """Say on the page of a run that cannot be judged why not. What an earlier judging found stays under
    another name: it is worth reading, and it is not what this folder shows.

    Raises:
        EnvironmentFailure: the page cannot be written.
    """
    for name in _DATA:
        if is_file(directory / name):
            with suppress(OSError):
                (directory / name).replace(directory / f"earlier-{name}")
    write_file(directory / "index.html", page_of_damage(result).encode())


def _stories(past: History, judgement: Judgement) -> tuple[Story, ...]:
    firsts: dict[str, Finding] = {}
    for finding in judgement.findings:
        if finding.session is not None:
            firsts.setdefault(finding.name, finding)
    shown = list(firsts.values())[:STORIES_SHOWN]
    return tuple(
        Story(finding=one.name, session=one.session or "", lines=tuple(lines))
        for one, lines in zip(shown, stories(past, shown), strict=True)
    )


def _pretty(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=2)
