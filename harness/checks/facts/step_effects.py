"""What one step may have done to a session, and what one look at a session showed.

The smallest nouns of judging; `timelines` makes them, the checks combine them. An `StepEffect` says between
which moments a step's change took place, a `Sight` what somebody saw and when. Both carry intervals,
never instants: the server did it somewhere between bytes handed over and reply read.

Trap: an acked step may also have attempts without a reply. Each of them may still land later, so the
effect has an open end of its own (`until_us`), apart from the moment of the ack (`done_us`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from harness.model.attempt_results import code_of, is_answer
from harness.model.records import Attempt, AuditEntry, Operation, Step
from harness.model.times import FOREVER, NEVER
from harness.model.words import Outcome, StepKind
from harness.redis_wire.refusals import may_have_run

IDENTITY = ("sid", "user_id", "generation")
"""Fields that only a log-in writes; without all of them there is no session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEffect:
    """The change that a step made (`certain`) or may have made."""

    operation: Operation
    step: Step
    certain: bool
    """Acked, and by its reply it changed something."""
    first_us: float
    """No execution before this."""
    sent_us: float
    """Acked: the answered attempt was sent then. Else the same as `first_us`."""
    done_us: float
    """Acked: its reply had been read by then. Else `FOREVER`."""
    until_us: float
    """No execution after this: the last moment at which any of its attempts may have landed."""
    extra: int
    """Attempts without an answer that may have been executed, besides the answered one."""

    @property
    def resent(self) -> bool:
        """More than one of its attempts was handed over."""
        sent = [one.n for one in self.operation.attempts if one.handed_over and one.n in self.step.attempts]
        return len(sent) > 1

    def precedes(self, other: StepEffect) -> bool:
        """Every execution of this was over before the first of the other began."""
        return self.until_us < other.first_us


class State(Enum):
    PRESENT = auto()
    PARTIAL = auto()
    """A key without the identity of a session: counts as absent."""
    ABSENT = auto()
    FOREIGN = auto()
    """Somebody else's identity: says nothing about this session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One look at one session, by an operation or by the audit."""

    state: State
    sent_us: float
    done_us: float
    saw: Mapping[str, str]
    pttl_ms: int | None
    operation: Operation | None = None
    step: Step | None = None
    entry: AuditEntry | None = None
    shows: bool = True
    """Shows what the session holds. False: a reply that proves no more than that it is there."""


def answered(operation: Operation, step: Step) -> Attempt | None:
    """The attempt whose reply acked the step."""
    if step.outcome is not Outcome.ACKED or not step.attempts:
        return None
    n = step.attempts[-1]
    for attempt in operation.attempts:  # of nearly every operation: a generator takes twice as long
        if attempt.n == n:
            return attempt
    return None


def effect_of(
    operation: Operation, step: Step, gone: Callable[[Attempt], float], *, creates: bool = False
) -> StepEffect | None:
    """What the step did or may have done; None: certainly nothing.

    `gone` says since when an unanswered attempt certainly could not be executed any more;
    `creates`: an unguarded write, which makes what it did not find.
    """
    if step.outcome is not Outcome.ACKED and step.outcome is not Outcome.UNKNOWN:
        return None
    acked = step.outcome is Outcome.ACKED
    first_us, extra, until_us = _unanswered(operation, step, gone)
    certain = acked and step.effective is not False
    if step.effective is None and extra:
        # "It was not there" after an unanswered attempt: which of the two did it cannot be told. A
        # log-in and a logout have come true by their ack either way.
        certain = acked and step.does in {StepKind.CREATE, StepKind.DESTROY, StepKind.INDEX_ADD}
    if creates and acked and not certain:
        extra, until_us = extra + 1, max(until_us, FOREVER if step.done_us is None else step.done_us)
    if not certain and not extra:
        return None
    reply = answered(operation, step)
    sent_us = first_us if reply is None else reply.sent_us
    done_us = FOREVER if not acked or step.done_us is None else step.done_us
    return StepEffect(
        operation=operation,
        step=step,
        certain=certain,
        first_us=first_us,
        sent_us=sent_us if certain else first_us,
        done_us=done_us,
        until_us=max(until_us, done_us) if certain else until_us,
        extra=extra,
    )


def _unanswered(
    operation: Operation, step: Step, gone: Callable[[Attempt], float]
) -> tuple[float, int, float]:
    """First moment at which the step may have been executed; attempts that may have been besides the
    answered one; the last moment at which one of them may have been."""
    first_us = _first_us(operation, step)
    if step.outcome is Outcome.ACKED and len(step.attempts) < 2:
        return first_us, 0, NEVER
    extra, until_us, handed_over = 0, NEVER, False
    skip = _answered_by(step)
    for attempt in operation.attempts:
        if attempt.n not in step.attempts or not attempt.handed_over:
            continue
        handed_over = True
        if attempt.n == skip or not _may_have_run(attempt):
            continue
        extra += 1
        until_us = max(until_us, _over(attempt, gone))
    if step.outcome is Outcome.UNKNOWN and not extra:
        # An error from inside a script or EXEC: it answered, but may have written before.
        ends = [attempt.done_us for attempt in operation.attempts if attempt.n in step.attempts]
        over = max((end for end in ends if end is not None), default=None) if handed_over else None
        return first_us, 1, FOREVER if over is None else over
    return first_us, extra, until_us


def _first_us(operation: Operation, step: Step) -> float:
    """When the first attempt was sent that may have been executed. One that found no connection, or was
    refused, began nothing: what happened to the session before the next one is not the step's."""
    skip = _answered_by(step)
    sent = [
        one.sent_us
        for one in operation.attempts
        if one.n in step.attempts and one.handed_over and (one.n == skip or _may_have_run(one))
    ]
    begun_us = operation.sent_us if step.sent_us is None else step.sent_us
    return min(sent, default=operation.due_us if begun_us is None else begun_us)


def _answered_by(step: Step) -> int | None:
    """The number of the attempt whose reply acked the step."""
    return step.attempts[-1] if step.outcome is Outcome.ACKED and step.attempts else None


def unanswered(
    operation: Operation, step: Step, gone: Callable[[Attempt], float]
) -> list[tuple[Attempt, float]]:
    """Attempts that may have been executed besides the answered one, and when each of them was over."""
    skip = _answered_by(step)
    return [
        (one, _over(one, gone))
        for one in operation.attempts
        if one.n in step.attempts and one.n != skip and one.handed_over and _may_have_run(one)
    ]


def _may_have_run(attempt: Attempt) -> bool:
    return may_have_run(code_of(attempt.result))


def _over(attempt: Attempt, gone: Callable[[Attempt], float]) -> float:
    if attempt.done_us is not None and is_answer(attempt.result):
        return attempt.done_us
    return gone(attempt) if attempt.closed_us is None else min(attempt.closed_us, gone(attempt))


def closed_by_sight(effect: StepEffect, sights: Iterable[Sight]) -> StepEffect:
    """The effect, over once its value was seen. Only of a single unanswered attempt: each is executed
    once at most, but of several nobody can tell which one was seen."""
    if effect.certain or effect.extra != 1:
        return effect
    number = f"{effect.operation.id}:"
    mine = [one for one in effect.step.wrote.items() if one[1].startswith(number)]
    seen_us = min(
        (one.done_us for one in sights if any(item in one.saw.items() for item in mine)), default=FOREVER
    )
    return effect if seen_us >= effect.until_us else replace(effect, until_us=seen_us)


def seen_at(operation: Operation, step: Step) -> tuple[float, float]:
    """When an acked step looked: the answered attempt alone, not the ones before it."""
    reply = answered(operation, step)
    sent_us = step.sent_us if reply is None else reply.sent_us
    done_us = step.done_us if step.done_us is not None else operation.done_us
    if sent_us is None:
        sent_us = operation.sent_us if operation.sent_us is not None else operation.due_us
    return sent_us, FOREVER if done_us is None else done_us


def removal_of(operation: Operation, step: Step) -> StepEffect:
    """An acked step after which something is not there, whether it took it away or found nothing."""
    sent_us, done_us = seen_at(operation, step)
    return StepEffect(
        operation=operation,
        step=step,
        certain=True,
        first_us=sent_us,
        sent_us=sent_us,
        done_us=done_us,
        until_us=done_us,
        extra=0,
    )


def found_all(step: Step, asked: int) -> bool:
    """Whether an acked SREM found every session that it was to take out: what it answered is their number."""
    if asked == 1:
        return step.effective is True
    return step.reply == str(asked)


def nothing_seen(operation: Operation, step: Step) -> Sight:
    """A step that did not meet what it was about, as a look at it."""
    sent_us, done_us = seen_at(operation, step)
    return Sight(
        state=State.ABSENT,
        sent_us=sent_us,
        done_us=done_us,
        saw={},
        pttl_ms=None,
        operation=operation,
        step=step,
    )


def entry_seen(operation: Operation, step: Step) -> Sight:
    """An answer that names a session in its user's list, as a look at that entry."""
    return replace(nothing_seen(operation, step), state=State.PRESENT, shows=False)


FINDS_THE_KEY = frozenset(
    {StepKind.DESTROY, StepKind.TOUCH, StepKind.WRITE, StepKind.INCREMENT, StepKind.REMOVE_FIELD}
)
"""Steps that can only have had an effect on a key that was there: DEL 1, EXPIRE 1, a guard that let
through, HSET that found one of its fields, HDEL 1."""


def found_the_key(step: Step, *, guarded: bool) -> bool:
    """Whether the reply of an acked step proves that the key was there. Not a whole session: where writes
    are not guarded they make keys of their own (`may_make_the_key`)."""
    if step.effective is not True or step.does not in FINDS_THE_KEY:
        return False
    if guarded:
        return True
    if step.does is StepKind.WRITE:
        # HSET makes what it does not find, and then answers how many fields it made.
        return step.reply != str(len(step.wrote))
    if step.does is not StepKind.INCREMENT:
        return True
    # HINCRBY makes what it does not find, and then answers what was added.
    return any(total != step.added.get(name) for name, total in step.added_now.items())


def may_make_the_key(effect: StepEffect) -> bool:
    """Whether an unguarded write may have found no key, and so made one."""
    return effect.extra > 0 or not effect.certain or not found_the_key(effect.step, guarded=False)


def state_of(saw: Mapping[str, str], session: str, user: str) -> State:
    """Whether these fields are this user's session."""
    if not saw:
        return State.ABSENT
    if (saw.get("sid") or session) != session or (saw.get("user_id") or user) != user:
        return State.FOREIGN
    if all(saw.get(field) for field in IDENTITY):
        return State.PRESENT
    return State.PARTIAL
