"""Whole judgements that are kept as text, so that no line of one changes unnoticed.

Other tests say which rule holds; these say that everything else stays as it is: each finding's sentence, cause,
operations and story, each count, metric and reason, and which sessions the screen calls clean. `CASES` are
histories that are made the same way each time; `text` is what is kept of one. After a change that is meant to
change judgements, `python -m tests.kept` writes `tests/judgements/` anew: read the difference before keeping it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from itertools import groupby
from pathlib import Path
from typing import Any

from harness.checks.judge import judge_checked
from harness.checks.run import run_checks
from harness.checks.screen.screening import screen
from harness.checks.verdict.conclusion import why_clause
from harness.checks.verdict.story import session_story, stories
from harness.model.history import History
from harness.model.judgement import Interval
from harness.model.words import Outcome, TopologyKind
from harness.redis_wire.refusals import MAX_CLIENTS, REFUSALS
from harness.saved.judging import read_run
from lab.past import Past
from tests.unit.checks import stories as told
from tests.unit.checks.test_properties import ITEMS, tell
from tests.unit.checks.test_properties_broken import WAYS, Broken

FOLDER = Path(__file__).with_name("judgements")
DIGITS = 6
NOTHING: tuple[object, ...] = (None, "", 0, False, (), [], {})
WHOLE_OF = 4
"""Findings of a name that are kept whole; of the others whose they are."""
STORIES_OF = 3
"""Findings whose story is kept."""

Made = Callable[[], History]


def _stories() -> Iterator[tuple[str, Made]]:
    seen: set[str] = set()
    for kind, table in (("bad", told.BAD), ("good", told.GOOD), ("undecided", told.UNDECIDED)):
        for those in table.values():
            for one in those:
                if one.__name__ not in seen:
                    seen.add(one.__name__)
                    yield f"{kind} {one.__name__}", lambda one=one: one().history()  # type: ignore[misc]


def _random(count: int = 36) -> Iterator[tuple[str, Made]]:
    for seed in range(count):
        yield f"random {seed}", lambda seed=seed: _troubled(seed).history()  # type: ignore[misc]


def _troubled(seed: int) -> Past:
    """A random run in which stores lose, forget and disagree, at random."""
    dice = random.Random(f"kept {seed}")
    past = tell(
        seed,
        idle_s=dice.choice((300.0, 300.0, 2.0)),
        witnesses=dice.random() < 0.8,
        guarded=dice.random() < 0.7,
        operations=dice.choice((30, 60)),
    )
    past.engine = dice.choice(("Redis 6.2.14", "Redis 7.0.15", "Valkey 9.1.2"))
    past.topology = dice.choice((TopologyKind.SENTINEL, TopologyKind.SENTINEL, TopologyKind.CLUSTER))
    past.drift_ms = dice.choice((0.0, 0.0, 4.0, 60.0))
    past.eviction_events = dice.random() < 0.5
    past.evicted = [(dice.uniform(1.0, 8.0), "redis-1", 2)] if dice.random() < 0.3 else []
    past.silent = {"redis-2"} if dice.random() < 0.2 else set()
    for doing in past.doings:
        if doing.outcome is Outcome.REJECTED:
            doing.error = dice.choice((*sorted(REFUSALS.keys() - {MAX_CLIENTS}), "WRONGTYPE"))
        elif doing.outcome is Outcome.UNKNOWN and dice.random() < 0.5:
            doing.closed = doing.attempts[-1][0] + 4.0
    sids = list(dict.fromkeys(one.sid for one in past.doings if one.sid))
    trouble = dice.choice(("cut off", "empty", "older", "lost", "killed"))
    at = dice.uniform(2.0, 7.0)
    if trouble == "cut off":
        past.cut_off("redis-3", at)
        past.fault(at + 0.5)
        past.fail_over("redis-3", at + 1.5)
    elif trouble == "empty":
        past.fault(at, "redis-1: restarted", kind="restart")
        past.come_back_empty(at)
    elif trouble == "older":
        past.fault(at, "redis-1: restarted", kind="restart")
        past.come_back_as_of(at - 1.5, at)
    elif trouble == "killed":
        past.fault(at)
    for sid in dice.sample(sids, min(len(sids), 3)):
        past.lose(sid, at + dice.random(), witnesses=dice.random() < 0.5)
    for sid in dice.sample(sids, min(len(sids), 2)):
        past.edit(sid, at + dice.random(), lambda kept: kept.fields.pop(ITEMS[0], None))
    return past


RUNS = FOLDER.with_name("histories") / "runs"
"""Folders of real runs, with little traffic: plan, records and tables, nothing else."""


def _recorded() -> Iterator[tuple[str, Made]]:
    for folder in sorted(RUNS.iterdir()):
        yield folder.name, lambda folder=folder: read_run(folder)  # type: ignore[misc]


def _broken(each: int = 2) -> Iterator[tuple[str, Made]]:
    for way in WAYS:
        for seed in range(each):
            yield (
                f"broken {way.__name__} {seed}",
                lambda way=way, seed=seed: Broken(100 + seed, way).tell(300),  # type: ignore[misc]
            )


CASES: Mapping[str, Mapping[str, Made]] = {
    "stories": dict(_stories()),
    "random": dict(_random()),
    "broken": dict(_broken()),
    "recorded": dict(_recorded()),
}
"""By file."""


def text(history: History) -> str:
    """What is kept of a history's judgement."""
    checked = run_checks(history)
    judgement = judge_checked(history, checked)
    lines = [f"why: {why_clause(judgement)}", *_lines(replace(judgement, counts={}, findings=()), "")]
    for name, those in groupby(judgement.findings, key=lambda one: one.name):
        for n, finding in enumerate(those):
            kept_whole = n < WHOLE_OF
            lines += (
                _lines(finding, name) if kept_whole else [f"{name}: {finding.session} {finding.operations}"]
            )
    lines += [f"count of {name}: {_word(count)}" for name, count in checked[1].items() if count.high]
    suspects = screen(history).suspects.sessions()
    lines.append(f"beyond doubt: {len(history.sessions()) - len(suspects)} sessions")
    for finding, story in zip(
        judgement.findings[:STORIES_OF], stories(history, judgement.findings[:STORIES_OF]), strict=True
    ):
        lines += [f"story of {finding.name}:", *(f"    {line}" for line in story)]
    if judgement.findings and judgement.findings[0].session:
        lines += [f"all: {line}" for line in session_story(history, judgement.findings[0].session)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _lines(value: Any, name: str) -> Iterator[str]:
    """Everything that says something, with the way to it; what holds no more than words on one line."""
    parts = _parts(value)
    if parts is None:
        if value not in NOTHING:
            yield f"{name}: {_word(value)}"
    elif all(_parts(one) is None or _words(one) for _, one in parts):
        said = [f"{key} {_word(one)}" for key, one in parts if one not in NOTHING]
        yield f"{name}: {'; '.join(said)}"
    else:
        for key, one in parts:
            yield from _lines(one, f"{name}.{key}".removeprefix("."))


def _parts(value: Any) -> list[tuple[str, Any]] | None:
    """What it is made of; None: a word."""
    if isinstance(value, Interval):
        return None
    if is_dataclass(value) and not isinstance(value, type):
        return [(field.name, getattr(value, field.name)) for field in fields(value)]
    if isinstance(value, Mapping):
        return [(str(key), one) for key, one in value.items()]
    if isinstance(value, list | tuple):
        return [(str(n), one) for n, one in enumerate(value)]
    return None


def _words(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(_parts(one) is None for one in value)


def _word(value: object) -> str:
    if isinstance(value, Interval):
        return f"{_word(value.low)}..{_word(value.high)}"
    if isinstance(value, list | tuple):
        return ",".join(_word(one) for one in value)
    if isinstance(value, Enum):
        return str(value.value)
    return f"{value:.{DIGITS}g}" if isinstance(value, float) else str(value)


def kept(file: str) -> dict[str, str]:
    """What the folder holds, by case."""
    path = FOLDER / f"{file}.txt"
    sections = path.read_text(encoding="utf-8").split("\n== ") if path.exists() else []
    return {
        head: body.rstrip("\n") + "\n"
        for head, _, body in (section.removeprefix("== ").partition("\n") for section in sections)
    }


def main() -> int:
    for file, cases in CASES.items():
        whole = "\n".join(f"== {name}\n{text(made())}" for name, made in cases.items())
        (FOLDER / f"{file}.txt").write_text(whole, encoding="utf-8")
        print(f"{file}: {len(cases)} judgements")
    return 0


if __name__ == "__main__":
    sys.exit(main())
