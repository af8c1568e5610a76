"""What the stages hand to the report: progress while a scenario runs, its result afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from harness.model.directives import LeftOut
from harness.model.judgement import Judgement
from harness.model.words import Shows, Verdict


class Progress(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of JSON on the standard output of a running attempt, about twice a second."""

    scenario: str
    phase: str
    roles: dict[str, str] = {}
    """Node -> primary, replica, sentinel, down, paused."""
    rate_per_s: float = 0.0
    """Operations acked in the last second."""
    errors_per_s: float = 0.0
    """Operations rejected or unknown in the last second."""
    at_risk: int = 0
    """Sessions that are logged in now."""
    left_s: float | None = None
    note: str = ""
    """Something that happened just now, one clause: `fault 1 took effect: redis-1 is gone`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The story of one session: at most 12 lines of text under one finding."""

    finding: str
    session: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScenarioResult:
    """One scenario's outcome, complete enough to report without its history."""

    name: str
    file: str
    shows: Shows
    topology: str
    backend: str
    engine: str
    client: str
    timing: str
    seed: int
    advice: str
    about: str
    verdict: Verdict
    reasons: tuple[str, ...]
    run_dir: str
    """Relative to the suite's folder; empty when nothing was run."""
    wall_s: float = 0.0
    """Of all attempts together."""
    left_out: tuple[LeftOut, ...] = ()
    """Directives that the deployment asked for and that no node was given."""
    judgement: Judgement | None = None
    """None: skipped, or the environment failed."""
    why: str = ""
    """One clause for the closing table."""
    stories: tuple[Story, ...] = ()
    attempts: int = 1
    changed: tuple[str, ...] = ()
    """As in the plan: what the command that repeats it must say besides the file and the seed."""
    log_tail: str = ""
    """Verdict ERROR: the last lines of the attempt's own log."""


class Display(Protocol):
    """Whatever shows progress; `harness.report.terminal` has one for terminals, one for logs."""

    def begin(self, header: str, names: Sequence[str]) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def line(self, text: str) -> None: ...
    def finished(self, result: ScenarioResult) -> None: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteResult:
    suite: str
    run: str
    directory: str
    started_wall_us: int
    wall_s: float
    backend: str
    engine: str
    timing: str
    jobs: int
    seed: int
    verdict: Verdict
    exit_code: int
    results: tuple[ScenarioResult, ...] = field(default_factory=tuple)
    interrupted: bool = False
    incomplete: str = ""
    """Why scenarios may be missing that nobody can name any more; empty: the list is whole."""
