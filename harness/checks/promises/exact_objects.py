"""Flags and counters as registers, judged exactly: is there an order of all that was done to a key that
explains all that was seen of it?

The models of `harness.objects` find broken promises, and pass over what no promise was about, such as a value
that is seen, gone, and seen again. Where they find nothing, this looks for an order of everything.

Trap: whatever may have happened has to be possible here in every way in which it may have: each attempt that
may land later or have landed before, a time that may have run out, a count without an answer that may have
followed any other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from harness.checks.linearizability.actions import UNSAID, Action, Answer, Unsaid, Value
from harness.checks.linearizability.search import judge_register
from harness.model.times import FOREVER
from harness.model.words import StepKind
from harness.objects.counter import Counter
from harness.objects.flag import Flag
from harness.objects.kind import SOMETHING, Change, Look, ObjectKind, Past

LOOKS_TO_JUDGE = 3
"""The test's bound, in looks at its clock: the same history gets the same answer on any machine."""

MOST_UNANSWERED, MOST_COUNTED = 4, 60
"""Of a counter: beyond, nearly everything is possible, and the search is long."""


def explained(kind: ObjectKind, past: Past, looks: Sequence[Look]) -> bool | None:
    """Whether an order explains these looks; None: nobody can say, or the object is no register."""
    if isinstance(kind, Flag):
        changes = _of_flag(past, once=kind.once)
    elif isinstance(kind, Counter) and _countable(past):
        changes = _of_counter(past)
    else:
        return None
    acted = {one.n for one in past.changes}
    actions = [*changes, *(_look(one) for one in looks if one.n not in acted)]
    numbered = [msgspec.structs.replace(one, id=n) for n, one in enumerate(actions, start=1)]
    answer = judge_register(numbered, _looks_at_the_clock(LOOKS_TO_JUDGE))
    return None if answer is Answer.UNDECIDED else answer is Answer.LINEARIZABLE


def _of_flag(past: Past, *, once: bool) -> Iterator[Action]:
    for one in past.changes:
        value = one.value if one.does is StepKind.PUT else None
        finds: Value | Unsaid = None if once and one.does is StepKind.PUT else UNSAID
        if one.certain:
            yield Action(sent=one.sent_us, done=one.done_us, expects=finds, leaves=value)
        for _ in range(_unheard(one)):
            yield Action(sent=one.first_us, done=FOREVER, expects=finds, leaves=value, optional=True)
        if one.does is StepKind.PUT and one.ttl_us is not None:
            over_us = one.first_us + one.ttl_us - past.epsilon_us
            for _ in range(one.certain + _unheard(one)):
                yield Action(sent=over_us, done=FOREVER, expects=value, leaves=None, optional=True)


def _countable(past: Past) -> bool:
    counts = [one for one in past.changes if one.does is StepKind.COUNT]
    unanswered = sum(map(_unheard, counts))
    return len(counts) == len(past.changes) <= MOST_COUNTED and unanswered <= MOST_UNANSWERED


def _of_counter(past: Past) -> Iterator[Action]:
    """Each count finds the number before its own. One without an answer may have found any; and whoever began
    a window may have let it end."""
    highest = max((one.total or 0 for one in past.changes), default=0) + len(past.changes)
    for one in past.changes:
        if one.certain and one.total:
            yield Action(
                sent=one.sent_us, done=one.done_us, expects=_number(one.total - 1), leaves=str(one.total)
            )
        for _ in range(_unheard(one)):
            for total in range(1, highest + 1):
                yield Action(
                    sent=one.first_us,
                    done=FOREVER,
                    expects=_number(total - 1),
                    leaves=str(total),
                    optional=True,
                )
        if one.ttl_us is not None and (one.total == 1 or _unheard(one)):
            for _ in range(len(past.changes)):
                over_us = one.first_us + one.ttl_us - past.epsilon_us
                yield Action(sent=over_us, done=FOREVER, leaves=None, optional=True)


def _unheard(one: Change) -> int:
    """How often it may have been executed by an attempt that nobody heard of."""
    return max(one.extra, not one.certain or one.until_us > one.done_us)


def _number(total: int) -> str | None:
    return str(total) if total else None


def _look(one: Look) -> Action:
    if one.value == SOMETHING:
        return Action(sent=one.sent_us, done=one.done_us, refuses=None)
    return Action(sent=one.sent_us, done=one.done_us, expects=one.value)


def _looks_at_the_clock(most: int) -> Callable[[], bool]:
    left = iter(range(most))
    return lambda: next(left, None) is None
