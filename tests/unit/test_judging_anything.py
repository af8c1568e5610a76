"""Histories that lack something, or say something odd: judged or refused, and never better than they were."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from harness import history, saved
from harness.model.words import Verdict
from lab.past import Past, as_lines
from tests.share import some
from tests.unit.checks import stories

KINDS = ("phase", "connection", "operation", "event", "sample", "clock", "audit", "audit-summary", "closing")
STORIES = (stories.logged_out, stories.lost_session, stories.over_budget, stories.lost_write)


def lines_of(story: Callable[[], Past], folder: Path) -> list[str]:
    past = story()
    past.end_s, past.samples_per_s = 12.0, 4
    folder.mkdir(parents=True, exist_ok=True)
    history.write_plan(folder, past.plan())
    return as_lines(past.history()).splitlines()


def judged(folder: Path, lines: list[str]) -> Verdict:
    (folder / "history.jsonl").write_text("".join(f"{line}\n" for line in lines))
    (result,) = saved.judge_again(folder).results
    saved.why(folder)
    return result.verdict


@cache
def verdict_of(story: Callable[[], Past]) -> Verdict:
    """Of all that was recorded."""
    with TemporaryDirectory() as folder:
        return judged(Path(folder), lines_of(story, Path(folder)))


@pytest.mark.parametrize(
    ("story", "kind"),
    [
        *((STORIES[0], kind) for kind in KINDS),
        *some([(story, kind) for story in STORIES[1:] for kind in KINDS], 6),
    ],
)
def test_history_without_a_kind_of_record_is_judged(
    story: Callable[[], Past], kind: str, tmp_path: Path
) -> None:
    """Without a phase, a sample, an audit: no traceback, and no pass where there was none."""
    lines = lines_of(story, tmp_path / "x")
    whole = verdict_of(story)
    left = [line for line in lines if json.loads(line)["type"] != kind]
    verdict = judged(tmp_path / "x", left)
    assert verdict is not Verdict.PASS or whole is Verdict.PASS
    if kind in {"phase", "operation", "sample", "clock", "closing"}:
        assert verdict is not Verdict.PASS, "so much less is known"


def oddly(dice: random.Random, line: str) -> str:
    """One value of a record replaced by another of its type, or of none."""
    record = json.loads(line)
    names = [name for name in record if name not in {"type", "format"}]
    if not names:
        return line
    name = dice.choice(names)
    value = record[name]
    odd = {
        int: [-1, 0, 1, 2**31, 2**62, 10**30, value + 1 if isinstance(value, int) else 0],
        str: ["", "?", "redis-9", "\x1b[2J", "x" * 1000],
        list: [[]],
        dict: [{}],
    }.get(type(value), [None])
    record[name] = dice.choice([*odd, None])  # type: ignore[misc]
    return json.dumps(record)


@pytest.mark.parametrize("seed", some(range(60), 8))
def test_odd_history_never_ends_in_a_traceback(seed: int, tmp_path: Path) -> None:
    """Records changed, left out, repeated and reordered at random."""
    dice = random.Random(seed)
    first, *others = lines_of(dice.choice(STORIES), tmp_path / "x")
    for _ in range(dice.randint(1, 6)):
        n = dice.randrange(len(others))
        change = dice.randrange(4)
        if change == 0:
            others[n] = oddly(dice, others[n])
        elif change == 1:
            del others[n]
        elif change == 2:
            others.insert(dice.randrange(len(others)), others[n])
        else:
            other = dice.randrange(len(others))
            others[n], others[other] = others[other], others[n]
    judged(tmp_path / "x", [first, *others])
