"""What an attempt without an answer may have done, and what a reply proves."""

from __future__ import annotations

import pytest

from harness.checks.effects import FOREVER, REFUSALS, effect_of, found_the_key, unanswered
from harness.model.records import Attempt, Operation, Step
from harness.model.words import OperationKind, Outcome, Phase, StepKind


def _operation(*attempts: Attempt, outcome: Outcome = Outcome.ACKED) -> Operation:
    step = Step(
        n=1,
        does=StepKind.WRITE,
        command="HSET",
        key="k",
        session="x",
        outcome=outcome,
        attempts=tuple(one.n for one in attempts),
        sent_us=10,
        done_us=50,
    )
    return Operation(
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
        due_us=10,
        sent_us=10,
        done_us=50,
        outcome=outcome,
        phase=Phase.BASELINE,
        steps=(step,),
        attempts=attempts,
    )


def _attempt(n: int, result: str, *, handed_over: bool = True) -> Attempt:
    return Attempt(
        n=n, steps=(1,), sent_us=10 * n, done_us=10 * n + 5, result=result, handed_over=handed_over
    )


def _gone(_: Attempt) -> float:
    return 99.0


ANSWER = _attempt(2, "reply")


@pytest.mark.parametrize("prefix", sorted(REFUSALS))
def test_refused_attempt_did_nothing(prefix: str) -> None:
    """The node itself says that it executed nothing: only the answered attempt counts."""
    assert not unanswered(*_with(_attempt(1, f"error:{prefix}")), _gone)


REFUSED = (
    *("READONLY", "OOM", "NOREPLICAS", "MISCONF", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "MOVED", "ASK"),
    *("TRYAGAIN", "CROSSSLOT", "NOAUTH", "NOPERM", "NOSCRIPT", "BUSY", "EXECABORT"),
)


@pytest.mark.parametrize("prefix", REFUSED)
def test_operation_that_was_only_refused_has_no_effect(prefix: str) -> None:
    """Each error with which Redis turns a command away before it executes anything."""
    acked = _operation(_attempt(1, f"error:{prefix}"), ANSWER)
    effect = effect_of(acked, acked.steps[0], _gone)
    assert effect is not None
    assert (effect.extra, effect.first_us, effect.until_us) == (0, 10, 50)


def _with(first: Attempt) -> tuple[Operation, Step]:
    operation = _operation(first, ANSWER)
    return operation, operation.steps[0]


@pytest.mark.parametrize(
    ("result", "over_us"),
    [("timeout", 99.0), ("connection-lost", 99.0), ("error:ERR", 15), ("error:WRONGTYPE", 15)],
)
def test_attempt_without_an_answer_may_have_been_executed(result: str, over_us: float) -> None:
    """Until it is proved over; one that was answered by an error, until then."""
    ((attempt, over),) = unanswered(*_with(_attempt(1, result)), _gone)
    assert (attempt.n, over) == (1, over_us)


def test_attempt_that_never_left_did_nothing() -> None:
    """No byte was given to the socket."""
    assert not unanswered(*_with(_attempt(1, "timeout", handed_over=False)), _gone)


def test_answered_attempt_is_not_one_without_an_answer() -> None:
    """Unless the operation as a whole was not acked: then each of them may have been executed."""
    unknown = _operation(_attempt(1, "timeout"), _attempt(2, "timeout"), outcome=Outcome.UNKNOWN)
    assert [one.n for one, _ in unanswered(unknown, unknown.steps[0], _gone)] == [1, 2]
    effect = effect_of(unknown, unknown.steps[0], _gone)
    assert effect is not None
    assert (effect.certain, effect.extra, effect.done_us, effect.until_us) == (False, 2, FOREVER, 99.0)


def test_attempt_closed_earlier_is_over_then() -> None:
    """What proved it over first counts."""
    first = Attempt(n=1, steps=(1,), sent_us=10, result="timeout", handed_over=True, closed_us=40)
    ((_, over),) = unanswered(*_with(first), _gone)
    assert over == 40
    ((_, over),) = unanswered(*_with(first), lambda _: 30.0)
    assert over == 30


def _reply(does: StepKind, effective: bool | None, now: int | None = None) -> Step:
    step = Step(n=1, does=does, command="c", key="k", session="x", outcome=Outcome.ACKED, effective=effective)
    if now is not None:
        step.added, step.added_now = {"cart:1": 2}, {"cart:1": now}
    return step


@pytest.mark.parametrize(
    ("step", "guarded", "proves"),
    [
        (_reply(StepKind.DESTROY, True), False, True),
        (_reply(StepKind.DESTROY, False), False, False),
        (_reply(StepKind.DESTROY, None), False, False),
        (_reply(StepKind.TOUCH, True), False, True),
        (_reply(StepKind.WRITE, True), False, True),
        (_reply(StepKind.REMOVE_FIELD, True), False, True),
        (_reply(StepKind.CREATE, True), True, False),
        (_reply(StepKind.READ, True), True, False),
        (_reply(StepKind.INCREMENT, True, 2), True, True),
        (_reply(StepKind.INCREMENT, True, 2), False, False),
        (_reply(StepKind.INCREMENT, True, 3), False, True),
    ],
)
def test_reply_that_proves_a_key(step: Step, guarded: bool, proves: bool) -> None:
    """A deletion that met something, an increment that found something there already."""
    assert found_the_key(step, guarded=guarded) is proves


@pytest.mark.parametrize(
    ("reply", "guarded", "proves"), [("2", False, False), ("1", False, True), ("2", True, True)]
)
def test_write_whose_fields_were_all_new_proves_no_key(reply: str, guarded: bool, proves: bool) -> None:
    """Of two fields HSET made two: it may have made the key as well, unless a guard let it through."""
    step = _reply(StepKind.WRITE, True)
    step.wrote, step.reply = {"ip": "1:a", "agent": "1:b"}, reply
    assert found_the_key(step, guarded=guarded) is proves
