"""`judge --history FILE`: a history that somebody else recorded, judged exactly, key by key.

Reads the file, keeps the time and says the outcome; what the lines mean and whether they can be
explained is the business of `harness.checks.linearizability`. The lines that show a contradiction are
printed as they were written: saved to a file they are a history of their own, with the same verdict.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.checks.linearizability.actions import Answer
from harness.checks.linearizability.foreign_history import (
    Foreign,
    KeyAnswer,
    Limits,
    exit_status,
    judge_foreign,
    read_foreign,
)
from harness.errors import UsageError
from harness.model.nearest import near_file
from harness.safe_files import MOST_BYTES
from harness.visible import visible_json

KEY_LIMIT_S = 10.0
"""For one key: its answer, and cutting a contradiction down."""
ANSWER_LIMIT_S = 7.0
"""Of these, for the answer."""
ALL_LIMIT_S = 120.0
"""For all keys. Whatever is small is judged even after that."""

MOST_SHOWN = 1000
"""Lines of one contradiction; nobody reads more."""


def judge_file(path: Path, *, partial: bool = False) -> tuple[list[str], int]:
    """Judge the history in a file: what was found, for people, and the exit status.

    Raises:
        UsageError: the file cannot be read, or a line of it is wrong.
    """
    content = _read(path)
    with _no_garbage():
        foreign = read_foreign(content, str(path), partial=partial)
        answers = judge_foreign(foreign, _time_limits())
    return list(_told(path, foreign, answers)), exit_status(answers)


@contextmanager
def _no_garbage() -> Iterator[None]:
    """Nothing that is made meanwhile refers to itself: looking for cycles takes a fifth of the time."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def _read(path: Path) -> bytes:
    """Whatever gives bytes will do (`<(zcat FILE)`), as long as it ends."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except FileNotFoundError as problem:
        raise UsageError(f"{path}: cannot be read: {problem.strerror}{near_file(path)}") from problem
    except OSError as problem:
        raise UsageError(f"{path}: cannot be read: {problem.strerror or problem}") from problem
    if len(content) > MOST_BYTES:
        raise UsageError(f"{path}: expected at most {MOST_BYTES >> 20} MiB, found more: divide it by keys")
    return content


def _time_limits() -> Limits:
    all_until = time.monotonic() + ALL_LIMIT_S

    def begin() -> tuple[Callable[[], bool], Callable[[], bool]]:
        now = time.monotonic()
        return _clock(min(now + ANSWER_LIMIT_S, all_until)), _clock(min(now + KEY_LIMIT_S, all_until))

    return begin


def _clock(until: float) -> Callable[[], bool]:
    return lambda: time.monotonic() > until


def _told(path: Path, foreign: Foreign, answers: Sequence[KeyAnswer]) -> Iterator[str]:
    operations = sum(one.operations for one in answers)
    left_out = f", {foreign.rejected} rejected left out" if foreign.rejected else ""
    yield f"{path}: {_of(operations, 'operation')} on {_of(len(answers), 'key')}{left_out}"
    if foreign.cut_off is not None:
        yield f"line {foreign.cut_off} is incomplete and was ignored"
    if not operations:
        yield "undecided: there is no operation to judge"
    for one in answers:
        if one.answer is Answer.NOT:
            yield f"key {one.key}: NOT linearizable. No order of the operations explains these{_doubt(one)}:"
            yield from (
                f"  {visible_json(foreign.lines[n].decode().strip())}" for n in one.shown_by[:MOST_SHOWN]
            )
            if len(one.shown_by) > MOST_SHOWN:
                yield f"  ({len(one.shown_by) - MOST_SHOWN} more lines are not shown)"
        elif one.answer is Answer.UNDECIDED:
            yield f"key {one.key}: undecided: the search ran out of time or memory"
    if operations:
        counts = ((sum(one.answer is answer for one in answers), answer) for answer in Answer)
        yield ", ".join(f"{count} {answer}" for count, answer in counts)


def _doubt(one: KeyAnswer) -> str:
    lines = _of(len(one.shown_by), "line")
    return f" {lines}" if one.minimal else f" {lines} (time ran out: fewer lines may be enough)"


def _of(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
