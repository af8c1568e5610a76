"""From recorded attempts to outcomes: did it happen, certainly not, or perhaps?

The only place that decides between acked, rejected and unknown. It reads notes, never the last
exception: a time-out followed by "connection refused" is unknown, because the first attempt may
have been executed. Which error proves that nothing was executed, `harness.redis_wire.refusals` says.

An acked step can still have had no effect; that is read from the reply by the behaviour.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.costly import redis_errors
from harness.model.records import MIXED_UP
from harness.model.words import Outcome, StepKind
from harness.redis_wire.refusals import may_have_run
from harness.sessions.exchange import Carried, Exchange, Part, Raised, Refused, Shape

_MISSING = object()

LOOKS = frozenset({StepKind.READ, StepKind.LOOK})
"""Steps that a replica may answer, where the client profile says so."""

READS = LOOKS | {StepKind.INDEX_READ}
"""Steps that only look, so that WAIT has nothing to wait for."""


def refuses(error: Refused) -> bool:
    """Whether this error, on a single command, proves that the command was not executed."""
    return not may_have_run(error.code)


def of_command(reply: object) -> Outcome:
    if reply is _MISSING:
        return Outcome.UNKNOWN
    if isinstance(reply, Refused):
        return Outcome.REJECTED if refuses(reply) else Outcome.UNKNOWN
    return Outcome.ACKED


def of_script(reply: object) -> Outcome:
    """The reply of `commands.ATOMIC`."""
    if isinstance(reply, Refused) and reply.in_script:
        return Outcome.UNKNOWN
    return of_command(reply)


def of_group(replies: Sequence[object]) -> Outcome:
    """The replies to MULTI, the queued commands and EXEC; trailing ones may be missing."""
    last = replies[-1]
    if isinstance(last, Refused):
        if refuses(last):
            return Outcome.REJECTED
        never_queued = all(isinstance(reply, Refused) and refuses(reply) for reply in replies[:-1])
        return Outcome.REJECTED if never_queued else Outcome.UNKNOWN
    if not isinstance(last, list) or len(last) != len(replies) - 2:
        return Outcome.UNKNOWN
    if any(isinstance(reply, Exception) for reply in last):
        return Outcome.UNKNOWN
    return Outcome.ACKED


def settle(part: Part, exchange: Exchange) -> list[object] | None:
    """Write outcome, error, attempts and times into the part's step.

    Returns the replies to `part.names` of the attempt that was acked, None if none was. A guarded
    script that found no session answers with an empty list.

    The first acked attempt decides. It stands last among the step's attempts, whatever else carried
    the step before or after it.
    """
    step = part.step
    step.outcome = Outcome.REJECTED
    answer: list[object] | None = None
    decided = deciding(part, exchange)
    for carried in exchange.carried:
        attempt = carried.attempt
        if step.n not in attempt.steps:
            continue
        step.sent_us = attempt.sent_us if step.sent_us is None else step.sent_us
        if carried is decided:
            continue
        step.attempts += (attempt.n,)
        if decided is not None:
            continue
        step.done_us = attempt.done_us
        replies = _replies_of(part, carried, exchange)
        if attempt.handed_over and _outcome(part.shape, replies) is Outcome.UNKNOWN:
            step.outcome = Outcome.UNKNOWN
        step.error = _error(replies, exchange) or step.error
    if decided is not None:
        step.attempts += (decided.attempt.n,)
        step.done_us, step.outcome, step.error = decided.attempt.done_us, Outcome.ACKED, None
        answer = _answer(part.shape, _replies_of(part, decided, exchange))
        if step.does in READS:
            step.sent_us = decided.attempt.sent_us
    if answer and not _possible(part.names, answer):
        step.outcome, step.error = Outcome.UNKNOWN, f"{MIXED_UP}: {step.command} answered {answer!r}"[:160]
        return None
    return answer


def deciding(part: Part, exchange: Exchange) -> Carried | None:
    """The first attempt whose reply acked the part's step."""
    return next(
        (
            carried
            for carried in exchange.carried
            if carried.attempt.handed_over
            and part.step.n in carried.attempt.steps
            and _outcome(part.shape, _replies_of(part, carried, exchange)) is Outcome.ACKED
        ),
        None,
    )


def _replies_of(part: Part, carried: Carried, exchange: Exchange) -> list[object]:
    replies, count = carried.replies, len(carried.replies)
    if carried.positions is exchange.everything:
        return [replies[position] if position < count else _MISSING for position in part.positions]
    known = dict(zip(carried.positions, replies, strict=False))
    return [known.get(position, _MISSING) for position in part.positions]


def _outcome(shape: Shape, replies: list[object]) -> Outcome:
    if shape is Shape.PLAIN:
        return of_command(replies[0])
    if shape is Shape.SCRIPT:
        return of_script(replies[0])
    return of_group(replies)


def _answer(shape: Shape, replies: list[object]) -> list[object]:
    if shape is Shape.PLAIN:
        return replies
    body = replies[-1]
    if not isinstance(body, list):
        return [None]
    if shape is Shape.GROUP:
        return body
    return body[1:] if body[:1] in ([0], [1]) else [None]


_OF_SESSIONS = ("HSET", "HINCRBY", "HDEL", "RPUSH", "EXPIRE", "PEXPIRE", "PTTL", "DEL", "SADD", "SREM")
_OF_TALLIES = ("INCR", "DECR", "ZADD", "ZREM", "ZCOUNT", "ZREMRANGEBYSCORE", "PUBLISH")
_INTEGER_REPLIES = frozenset([*_OF_SESSIONS, *_OF_TALLIES, "WAIT", "EVAL"])
"""EVAL by its own name is a small script of a behaviour; steps of the other go by the commands in it."""
_LIST_REPLIES = frozenset({"HGETALL", "SMEMBERS", "LRANGE", "HVALS", "SCAN", "KEYS"})
_OF_SET = ("OK", None)
"""Set, and not set because of NX."""


def _possible(names: Sequence[str], replies: list[object]) -> bool:
    """Whether each reply has a type that its command can answer with. Errors and gaps are possible."""
    return len(replies) >= len(names) and all(map(_can_answer, names, replies))


def _can_answer(name: str, reply: object) -> bool:
    if name == "GET" and (reply is None or type(reply) is str):
        return True
    if type(reply) is int:
        return name in _INTEGER_REPLIES
    if type(reply) is list:
        return _is_list_of_text(name, reply)
    return reply is _MISSING or isinstance(reply, Refused) or (name == "SET" and reply in _OF_SET)


def _is_list_of_text(name: str, reply: list[object]) -> bool:
    if name not in _LIST_REPLIES or (name == "HGETALL" and len(reply) % 2):
        return False
    return not reply or type(reply[0]) is str


def _error(replies: list[object], exchange: Exchange) -> str | None:
    for reply in replies:
        if isinstance(reply, Refused):
            return reply.text[:160]
        if isinstance(reply, list):
            for inner in reply:
                if isinstance(inner, Exception):
                    return f"inside EXEC: {inner}"[:160]
    failure = exchange.failure
    return None if failure is None else failure_text(failure)


def failure_text(failure: BaseException) -> str:
    """What a client got instead of a reply. What Python says of code that met a closed connection, such as
    `'NoneType' object has no attribute ...`, tells nobody anything."""
    if isinstance(failure, Raised):
        return str(failure)
    name = type(failure).__name__
    if isinstance(failure, _OF_CODE) and not isinstance(failure, redis_errors.RedisError):
        return f"the client library failed inside itself ({name})"
    return f"{name}: {failure}"[:160] if str(failure) else name


_OF_CODE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NameError,
    RuntimeError,
    TypeError,
    ValueError,
)
