"""What is done to objects beside sessions, on what one node holds; and what a node answers about one."""

from __future__ import annotations

from harness.model.records import Step
from harness.model.words import StepKind
from harness.objects.counter import Counter
from harness.objects.kind import AT, LIMIT, TOTAL, UNTIL, VALUE, ObjectKind
from harness.objects.saved import PLAIN, Document, packed
from harness.objects.tally import Online
from lab.past.doing import Doing, Steps
from lab.past.session_steps import look
from lab.past.store import Data


def _on(does: StepKind, key: str, command: str) -> Step:
    return Step(n=1, does=does, command=command, key=key, deciding=True)


def put(kept: ObjectKind, key: str, lives_s: float) -> Steps:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        step = _on(StepKind.PUT, key, "SET")
        step.wrote, step.ttl_ms = {VALUE: str(doing.id)}, round(lives_s * 1000)
        there = kept.once and data.object(key, now_us) is not None
        step.effective = not there or (None if len(doing.attempts) > 1 else False)
        if not there:
            data.objects[key] = str(doing.id), now_us + lives_s * 1e6
        return [step]

    return steps


def look_at(kept: ObjectKind, key: str) -> Steps:
    def steps(data: Data, now_us: float, _doing: Doing) -> list[Step]:
        step = _on(StepKind.LOOK, key, "GET PTTL")
        value = data.object(key, now_us)
        step.saw = {} if value is None else {TOTAL if isinstance(kept, Counter) else VALUE: value}
        return [step]

    return steps


def count(key: str, limit: int | None, window_s: float) -> Steps:
    def steps(data: Data, now_us: float, _doing: Doing) -> list[Step]:
        step = _on(StepKind.COUNT, key, "EVAL (INCR PEXPIRE)")
        step.added, step.ttl_ms = {TOTAL: 1}, round(window_s * 1000)
        step.wrote = {} if limit is None else {LIMIT: str(limit)}
        value = data.object(key, now_us)
        total = int(value or 0) + 1
        ends_us = now_us + window_s * 1e6 if value is None else data.objects[key][1]
        data.objects[key] = str(total), ends_us
        step.added_now, step.effective = {TOTAL: total}, True
        return [step]

    return steps


def count_in_vain(key: str) -> Steps:
    """Nothing is counted; then the session is looked at."""

    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        looked = look(data, now_us, doing)
        looked.deciding = False
        return [_on(StepKind.COUNT, key, "EVAL (INCR PEXPIRE)"), looked]

    return steps


def enter(key: str, lasts_s: float) -> Steps:
    def steps(data: Data, _now_us: float, doing: Doing) -> list[Step]:
        step = _on(StepKind.PUT, key, "ZADD")
        until_us = round(doing.attempts[0][0] * 1e6 + lasts_s * 1e6)
        step.wrote, step.effective = {VALUE: str(doing.id), UNTIL: str(until_us)}, True
        data.objects[key] = " ".join([*_members(data, key), f"{doing.id}={until_us}"]), float("inf")
        return [step]

    return steps


def leave(key: str, entered: Doing) -> Steps:
    def steps(data: Data, _now_us: float, _doing: Doing) -> list[Step]:
        step = _on(StepKind.DROP, key, "ZREM")
        step.wrote, step.effective = {VALUE: str(entered.id)}, True
        left = [one for one in _members(data, key) if not one.startswith(f"{entered.id}=")]
        data.objects[key] = " ".join(left), float("inf")
        return [step]

    return steps


def tally(key: str) -> Steps:
    def steps(data: Data, _now_us: float, doing: Doing) -> list[Step]:
        step = _on(StepKind.LOOK, key, "ZCOUNT")
        at_us = doing.attempts[0][0] * 1e6
        ends = [float(one.partition("=")[2]) for one in _members(data, key)]
        step.saw = {TOTAL: str(sum(one > at_us for one in ends)), AT: str(round(at_us))}
        return [step]

    return steps


def _members(data: Data, key: str) -> list[str]:
    return data.objects.get(key, ("", 0.0))[0].split()


def save(key: str, found: list[str]) -> Steps:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        before = found[-1] if found else data.object(key, now_us) or ""
        step = _on(StepKind.PUT, key, "SET")
        step.wrote, step.effective = {VALUE: f"{before} {doing.id}".strip()}, True
        step.ttl_ms = 1_800_000
        data.objects[key] = step.wrote[VALUE], now_us + step.ttl_ms * 1e3
        return [step]

    return steps


def replied(kind: ObjectKind, value: str | None) -> object:
    """What a node answers to the first question about an object that holds this."""
    if isinstance(kind, Online):
        return [part for one in (value or "").split() for part in one.split("=")]
    if isinstance(kind, Document) and value is not None:
        return packed(value.split(), PLAIN)
    return value
