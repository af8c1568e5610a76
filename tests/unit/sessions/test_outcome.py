"""The outcome table: what a recorded attempt proves."""

from __future__ import annotations

import pytest
from redis import exceptions as redis_errors

from harness.checks.facts.step_effects import effect_of
from harness.model.records import MIXED_UP, Attempt, Operation, Step
from harness.model.words import OperationKind, Outcome, Phase, StepKind
from harness.redis_wire.refusals import MAX_CLIENTS, REFUSALS
from harness.sessions.exchange import Carried, Exchange, Part, Refused, Shape
from harness.sessions.outcome import failure_text, of_command, of_group, of_script, settle

INSIDE_7 = "OOM command not allowed script: 6b2ab1b6bd8f7ad1c1b2c3d4e5f60718293a4b5c, on @user_script:9."
NOPERM_INSIDE = (
    "NOPERM User default has no permissions to run the 'rpush' command "
    "script: 6b2ab1b6bd8f7ad1c1b2c3d4e5f60718293a4b5c, on @user_script:11."
)
INSIDE_6 = "ERR Error running script (call to f_6b2ab1): @user_script:9: OOM command not allowed"


def refused(text: str) -> Refused:
    return Refused(text)


def step(does: StepKind = StepKind.WRITE) -> Step:
    return Step(n=1, does=does, command="HSET", key="session:{x}")


def exchange_of(shape: Shape, commands: int, *attempts: tuple[Attempt, list[object]]) -> Exchange:
    names = ("HSET",) if shape is not Shape.GROUP else ("HSET",) * (commands - 2)
    part = Part(step(), shape, tuple(range(commands)), names)
    exchange = Exchange("k", tuple((f"C{n}",) for n in range(commands)), (part,))
    for attempt, replies in attempts:
        carried = Carried(attempt, exchange.everything)
        carried.replies.extend(replies)
        exchange.carried.append(carried)
    return exchange


def attempt(n: int, *, handed_over: bool = True, result: str = "reply") -> Attempt:
    return Attempt(
        n=n, steps=(1,), handed_over=handed_over, sent_us=n * 10, done_us=n * 10 + 5, result=result
    )


@pytest.mark.parametrize("prefix", sorted(REFUSALS.keys() - {MAX_CLIENTS}))
def test_single_command_refused_by_a_listed_prefix_is_rejected(prefix: str) -> None:
    """Each prefix on the list proves that a single command was not executed."""
    assert of_command(refused(f"{prefix} some words")) is Outcome.REJECTED


@pytest.mark.parametrize("text", ["ERR unknown command", "WRONGTYPE Operation against a key", "UNBLOCKED x"])
def test_single_command_with_an_unlisted_prefix_is_unknown(text: str) -> None:
    """An error that is not on the list proves nothing."""
    assert of_command(refused(text)) is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "text", ["ERR max number of clients reached", "ERR max number of clients + cluster connections reached"]
)
def test_single_command_at_the_client_limit_is_rejected(text: str) -> None:
    """The server's refusal of one client too many comes with the prefix ERR and still proves it."""
    assert of_command(refused(text)) is Outcome.REJECTED


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        (["OK", "QUEUED", [1]], Outcome.ACKED),
        (["OK", refused("OOM x"), refused("EXECABORT because of previous errors")], Outcome.REJECTED),
        (
            ["OK", "QUEUED", refused("EXECABORT Transaction discarded because of: NOREPLICAS")],
            Outcome.REJECTED,
        ),
        (["OK", "QUEUED", refused("MOVED 1 host:1")], Outcome.REJECTED),
        (["OK", "QUEUED", refused("ERR anything else")], Outcome.UNKNOWN),
        (["OK", "QUEUED", [ValueError("WRONGTYPE")]], Outcome.UNKNOWN),
        (["OK", "QUEUED", None], Outcome.UNKNOWN),
        (["OK", "QUEUED", [1, 2]], Outcome.UNKNOWN),
        ([refused("LOADING x"), refused("LOADING x"), refused("ERR EXEC without MULTI")], Outcome.REJECTED),
        ([refused("NOPERM multi"), 1, refused("ERR EXEC without MULTI")], Outcome.UNKNOWN),
    ],
)
def test_group_is_judged_by_exec_and_what_was_queued(replies: list[object], expected: Outcome) -> None:
    """Only EXEC's reply acks a group; only an abort, or a group that never began, rejects it."""
    assert of_group(replies) is expected


def test_group_whose_exec_was_never_answered_is_unknown() -> None:
    """A queue-time error alone, without EXECABORT, is not taken for proof."""
    exchange = exchange_of(
        Shape.GROUP, 3, (attempt(1, result="connection-lost"), ["OK", refused("READONLY x")])
    )
    settle(exchange.parts[0], exchange)
    assert exchange.parts[0].step.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("text", [INSIDE_7, INSIDE_6])
def test_script_error_raised_after_it_began_is_unknown(text: str) -> None:
    """What a script wrote before its error stays, whatever prefix the error has."""
    assert of_script(refused(text)) is Outcome.UNKNOWN


def test_script_error_of_its_first_write_is_rejected() -> None:
    """Our scripts return that error unmarked, so nothing can have been written."""
    assert of_script(refused("OOM command not allowed when used memory > 'maxmemory'.")) is Outcome.REJECTED
    assert (
        of_script(refused("BUSY Redis is busy running a script. You can only call SCRIPT KILL"))
        is Outcome.REJECTED
    )


SAYS_THE_SAME = [
    *(f"{code} some words" for code in sorted(REFUSALS.keys() - {MAX_CLIENTS})),
    "ERR max number of clients reached",
    "ERR max number of clients + cluster connections reached",
    "EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas to write.",
    "ERR unknown command",
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "UNBLOCKED force unblock",
    INSIDE_7,
    INSIDE_6,
    NOPERM_INSIDE,
]


@pytest.mark.parametrize("text", SAYS_THE_SAME)
@pytest.mark.parametrize("shape", [Shape.PLAIN, Shape.SCRIPT])
def test_client_and_judge_read_the_same_out_of_an_error(text: str, shape: Shape) -> None:
    """An attempt that was answered so, before one that was acked: the judge reckons with two executions
    exactly where the client does not call such an answer a rejection."""
    first, answered = attempt(1), attempt(2)
    exchange = exchange_of(shape, 1)
    for one in (first, answered):
        exchange.carried.append(Carried(one, exchange.everything, script=shape is Shape.SCRIPT))
    exchange.carried[0].refuse(refused(text))
    exchange.carried[1].replies.append(1 if shape is Shape.PLAIN else [1, 1])
    alone = exchange_of(shape, 1, (attempt(1), [refused(text)]))
    settle(alone.parts[0], alone)
    settle(exchange.parts[0], exchange)
    operation = Operation(
        id=1,
        actor="a",
        web_server="web-1",
        behaviour="change-field",
        kind=OperationKind.WRITE,
        user="ann",
        session="x",
        key="k",
        shard=1,
        generation=1,
        due_us=1,
        outcome=Outcome.ACKED,
        phase=Phase.BASELINE,
        steps=(exchange.parts[0].step,),
        attempts=(first, answered),
    )
    effect = effect_of(operation, operation.steps[0], lambda _: 99.0)
    assert effect is not None
    assert effect.extra == (alone.parts[0].step.outcome is Outcome.UNKNOWN)


def test_error_from_inside_a_script_that_writes_last_is_known_by_its_code() -> None:
    """The release of a lock writes once, as its last command: a replica's refusal of it wrote nothing."""
    text = f"READONLY You can't write against a read only replica. {INSIDE_7[-70:]}"
    carried = Carried(attempt(1), (0,))
    carried.refuse(refused(text))
    assert carried.attempt.result == "error:READONLY"
    assert of_command(refused(text)) is Outcome.REJECTED


def test_step_timed_out_and_then_refused_is_unknown() -> None:
    """The last error never decides: the first attempt handed bytes over and was not answered."""
    exchange = exchange_of(
        Shape.PLAIN,
        1,
        (attempt(1, result="timeout"), []),
        (attempt(2, handed_over=False, result="connect-failed"), []),
    )
    settle(exchange.parts[0], exchange)
    assert exchange.parts[0].step.outcome is Outcome.UNKNOWN
    assert exchange.parts[0].step.attempts == (1, 2)


def test_step_that_never_left_is_rejected() -> None:
    """Nothing handed to a socket: certainly not executed."""
    exchange = exchange_of(Shape.PLAIN, 1, (attempt(1, handed_over=False, result="connect-failed"), []))
    exchange.failure = ConnectionError("refused")
    assert settle(exchange.parts[0], exchange) is None
    assert exchange.parts[0].step.outcome is Outcome.REJECTED
    assert exchange.parts[0].step.error == "ConnectionError: refused"


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (AttributeError("'NoneType' object has no attribute 'writelines'"), "(AttributeError)"),
        (RuntimeError("unable to perform operation on <TCPTransport closed=True>"), "(RuntimeError)"),
        (TypeError("'NoneType' object is not subscriptable"), "(TypeError)"),
    ],
)
def test_code_that_met_a_closed_connection_is_no_error_text(failure: Exception, text: str) -> None:
    """What Python says of it tells a reader nothing; the kind stays, for whoever looks closer."""
    exchange = exchange_of(Shape.PLAIN, 1, (attempt(1, handed_over=False, result="connect-failed"), []))
    exchange.failure = failure
    settle(exchange.parts[0], exchange)
    assert exchange.parts[0].step.error == f"the client library failed inside itself {text}"


def test_what_client_and_kernel_say_is_kept() -> None:
    """With its kind; without a colon where nothing follows."""
    assert failure_text(redis_errors.TimeoutError("no reply in 0.5 s")) == "TimeoutError: no reply in 0.5 s"
    assert failure_text(OSError(111, "refused")) == "ConnectionRefusedError: [Errno 111] refused"
    assert failure_text(TimeoutError()) == "TimeoutError"
    assert len(failure_text(OSError("x" * 500))) == 160


def test_step_acked_at_the_second_attempt_is_acked_from_the_first_one_on() -> None:
    """One acked attempt acks the step; it may have taken effect since the first was sent."""
    exchange = exchange_of(Shape.PLAIN, 1, (attempt(1, result="timeout"), []), (attempt(2), [1]))
    assert settle(exchange.parts[0], exchange) == [1]
    settled = exchange.parts[0].step
    assert (settled.outcome, settled.sent_us, settled.done_us) == (Outcome.ACKED, 10, 25)


def test_read_acked_at_the_second_attempt_was_sent_with_the_second() -> None:
    """A read without an answer changed nothing, so only the answered attempt counts for order."""
    exchange = exchange_of(Shape.PLAIN, 1, (attempt(1, result="timeout"), []), (attempt(2), [[]]))
    part = Part(step(StepKind.READ), Shape.PLAIN, (0,), ("HGETALL",))
    assert settle(part, exchange) == [[]]
    assert part.step.sent_us == 20


def test_reply_of_an_impossible_type_is_unknown_and_named() -> None:
    """A list where HSET answers an integer is somebody else's reply."""
    exchange = exchange_of(Shape.PLAIN, 1, (attempt(1), [["a", "b"]]))
    assert settle(exchange.parts[0], exchange) is None
    assert exchange.parts[0].step.outcome is Outcome.UNKNOWN
    assert str(exchange.parts[0].step.error).startswith(MIXED_UP)


def test_script_answer_that_is_no_list_is_an_impossible_reply() -> None:
    """The script answers with a list; a bare integer cannot be its reply."""
    exchange = exchange_of(Shape.SCRIPT, 1, (attempt(1), [1]))
    assert settle(exchange.parts[0], exchange) is None
    assert str(exchange.parts[0].step.error).startswith(MIXED_UP)


def test_plain_pipeline_has_one_outcome_per_command() -> None:
    """DEL went through, SET was refused: neither speaks for the other."""
    deleted, written = (
        Step(n=1, does=StepKind.DESTROY, command="", key="k"),
        Step(n=2, does=StepKind.WRITE, command="", key="k"),
    )
    parts = (Part(deleted, Shape.PLAIN, (0,), ("DEL",)), Part(written, Shape.PLAIN, (1,), ("HSET",)))
    exchange = Exchange("k", (("DEL", "k"), ("HSET", "k", "f", "v")), parts)
    both = Carried(Attempt(n=1, steps=(1, 2), handed_over=True, result="error:OOM"), exchange.everything)
    both.replies.extend([1, refused("OOM x")])
    exchange.carried.append(both)
    for part in parts:
        settle(part, exchange)
    assert (deleted.outcome, written.outcome) == (Outcome.ACKED, Outcome.REJECTED)


def test_command_sent_again_alone_is_matched_to_its_step() -> None:
    """A cluster client re-sends single commands of a pipeline after MOVED; replies keep their place."""
    read = Part(step(StepKind.READ), Shape.PLAIN, (0, 1), ("HGETALL", "PTTL"))
    exchange = Exchange("k", (("HGETALL", "k"), ("PTTL", "k")), (read,))
    first = Carried(attempt(1, result="error:MOVED"), exchange.everything)
    first.replies.extend([refused("MOVED 1 h:1"), refused("MOVED 1 h:1")])
    again = Carried(attempt(2), exchange.positions_of([("HGETALL", "k")]))
    again.replies.append(["f", "v"])
    exchange.carried.extend([first, again])
    answer = settle(read, exchange)
    assert answer is not None
    assert answer[0] == ["f", "v"]
    assert not isinstance(answer[1], int)
