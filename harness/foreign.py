"""`judge --history FILE`: a history that somebody else recorded, judged exactly, key by key.

Reads the file, keeps the time and says the outcome; what the lines mean and whether they can be
explained is `harness.checks.foreign_history`'s business. The lines that show a contradiction are
printed as they were written: saved to a file they are a history of their own, with the same verdict.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from harness.checks.actions import Answer
from harness.checks.foreign_history import Foreign, KeyAnswer, exit_status, judge_foreign, read_foreign
from harness.errors import UsageError

KEY_LIMIT_S = 10.0
"""For one key's answer, and as long again for cutting a contradiction down."""
ALL_LIMIT_S = 120.0
"""For all keys. Whatever is small is judged even after that."""


def judge_file(path: Path, *, partial: bool = False) -> tuple[list[str], int]:
    """Judge the history in a file: what was found, for people, and the exit status.

    Raises:
        UsageError: the file cannot be read, or a line of it is wrong.
    """
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise UsageError(f"{path}: cannot be read: {problem.strerror or problem}") from problem
    foreign = read_foreign(content, str(path), partial=partial)
    answers = judge_foreign(foreign, _time_limits())
    return list(_told(path, foreign, answers)), exit_status(answers)


def _time_limits() -> Callable[[], Callable[[], bool]]:
    all_until = time.monotonic() + ALL_LIMIT_S

    def begin() -> Callable[[], bool]:
        until = min(time.monotonic() + KEY_LIMIT_S, all_until)
        return lambda: time.monotonic() > until

    return begin


def _told(path: Path, foreign: Foreign, answers: Sequence[KeyAnswer]) -> Iterator[str]:
    operations = sum(one.operations for one in answers)
    left_out = f", {foreign.rejected} rejected left out" if foreign.rejected else ""
    yield f"{path}: {_of(operations, 'operation')} on {_of(len(answers), 'key')}{left_out}"
    if foreign.cut_off is not None:
        yield f"line {foreign.cut_off} breaks off and is left out"
    if not operations:
        yield "undecided: there is nothing to judge"
    for one in answers:
        if one.answer is Answer.NOT:
            yield f"key {one.key}: NOT linearizable. No order explains these{_doubt(one)}:"
            yield from (f"  {foreign.lines[n]}" for n in one.shown_by)
        elif one.answer is Answer.UNDECIDED:
            yield f"key {one.key}: undecided: the search ran out of time or memory"
    if operations:
        counts = ((sum(one.answer is answer for one in answers), answer) for answer in Answer)
        yield ", ".join(f"{count} {answer}" for count, answer in counts)


def _doubt(one: KeyAnswer) -> str:
    lines = _of(len(one.shown_by), "line")
    return f" {lines}" if one.minimal else f" {lines} (time ran out: fewer may do)"


def _of(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
