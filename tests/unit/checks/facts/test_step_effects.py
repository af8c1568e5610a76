"""What an attempt without an answer may have done, and what a reply proves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.checks.facts.step_effects import (
    Sight,
    State,
    StepEffect,
    closed_by_sight,
    effect_of,
    entry_seen,
    found_all,
    found_the_key,
    may_make_the_key,
    nothing_seen,
    removal_of,
    seen_at,
    state_of,
    unanswered,
)
from harness.model.records import Attempt, Operation, Step
from harness.model.times import FOREVER
from harness.model.words import OperationKind, Outcome, Phase, StepKind
from harness.redis_wire.refusals import REFUSALS


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
    *("TRYAGAIN", "CROSSSLOT", "NOAUTH", "NOPERM", "NOSCRIPT", "BUSY", "EXECABORT", "max-clients"),
)


@pytest.mark.parametrize("prefix", REFUSED)
def test_operation_that_was_only_refused_has_no_effect(prefix: str) -> None:
    """Each error with which Redis turns a command away before it executes anything."""
    acked = _operation(_attempt(1, f"error:{prefix}"), ANSWER)
    effect = effect_of(acked, acked.steps[0], _gone)
    assert effect is not None
    assert (effect.extra, effect.first_us, effect.until_us) == (0, 20, 50)


@pytest.mark.parametrize(
    ("attempts", "outcome", "first_us"),
    [
        ((_attempt(1, "refused", handed_over=False), _attempt(2, "timeout")), Outcome.UNKNOWN, 20),
        ((_attempt(1, "refused", handed_over=False), _attempt(2, "timeout"), _attempt(3, "reply")), None, 20),
        ((_attempt(1, "timeout"), _attempt(2, "refused", handed_over=False)), Outcome.UNKNOWN, 10),
        ((_attempt(1, "error:READONLY"), _attempt(2, "error:ERR")), Outcome.UNKNOWN, 20),
        ((_attempt(1, "error:ERR"), _attempt(2, "reply")), None, 10),
        ((_attempt(1, "refused", handed_over=False), _attempt(2, "reply")), None, 20),
    ],
)
def test_step_begins_with_the_first_attempt_that_may_have_been_executed(
    attempts: tuple[Attempt, ...], outcome: Outcome | None, first_us: int
) -> None:
    """An attempt that found no connection, or was refused, did nothing: what was seen before the next is not
    its doing."""
    operation = _operation(*attempts, outcome=outcome or Outcome.ACKED)
    effect = effect_of(operation, operation.steps[0], _gone)
    assert effect is not None
    assert effect.first_us == first_us


def _with(first: Attempt) -> tuple[Operation, Step]:
    operation = _operation(first, ANSWER)
    return operation, operation.steps[0]


@pytest.mark.parametrize(
    ("result", "over_us"),
    [
        ("timeout", 99.0),
        ("connection-lost", 99.0),
        ("error:ERR", 15),
        ("error:WRONGTYPE", 15),
        ("error:in-script", 15),
        ("reply", 15),
    ],
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


# ---------------------------------------------------------------- between which moments


def _step(does: StepKind = StepKind.WRITE, effective: bool | None = None, **about: Any) -> Step:
    return Step(
        n=1,
        does=does,
        command="c",
        key="k",
        session="x",
        outcome=Outcome.ACKED,
        effective=effective,
        **about,
    )


def _of(
    step: Step, *attempts: Attempt, outcome: Outcome = Outcome.ACKED, creates: bool = False
) -> StepEffect | None:
    """Attempts n = 1, 2, ... are sent at 10 n and done at 10 n + 5."""
    operation = _operation(*attempts, outcome=outcome)
    step.outcome, step.attempts, step.sent_us, step.done_us = (
        outcome,
        tuple(one.n for one in attempts),
        10,
        50,
    )
    operation.steps = (step,)
    return effect_of(operation, step, _gone, creates=creates)


LOST = _attempt(1, "timeout")


def test_answered_attempt_is_when_it_was_executed() -> None:
    """Acked by the second attempt, sent at 20: its effect is from then, and the first one may land still."""
    effect = _of(_step(), LOST, ANSWER)
    assert effect is not None
    assert (effect.certain, effect.extra) == (False, 1)  # HSET 0 after a lost attempt: which of them did it?
    effect = _of(_step(effective=True), LOST, ANSWER)
    assert effect is not None
    assert (effect.certain, effect.extra) == (True, 1)
    assert (effect.first_us, effect.sent_us, effect.done_us, effect.until_us) == (10, 20, 50, 99.0)


def test_single_answered_attempt_has_one_interval() -> None:
    """Nothing of it is open once its reply is read."""
    effect = _of(_step(), _attempt(1, "reply"))
    assert effect is not None
    assert (effect.certain, effect.extra) == (True, 0)
    assert (effect.first_us, effect.sent_us, effect.done_us, effect.until_us) == (10, 10, 50, 50)
    assert not effect.resent


@pytest.mark.parametrize(
    ("does", "certain"),
    [
        (StepKind.CREATE, True),
        (StepKind.DESTROY, True),
        (StepKind.INDEX_ADD, True),
        (StepKind.WRITE, False),
        (StepKind.TOUCH, False),
        (StepKind.INCREMENT, False),
        (StepKind.REMOVE_FIELD, False),
        (StepKind.INDEX_REMOVE, False),
    ],
)
def test_reply_that_says_nothing_after_a_lost_attempt(does: StepKind, certain: bool) -> None:
    """A log-in and a logout have come true by their ack, whichever attempt did it; nothing else has."""
    effect = _of(_step(does), LOST, ANSWER)
    assert effect is not None
    assert effect.certain is certain
    assert effect.sent_us == (20 if certain else 10)


def test_step_that_changed_nothing_has_no_effect() -> None:
    """Unless an attempt without an answer may have."""
    assert _of(_step(effective=False), _attempt(1, "reply")) is None
    effect = _of(_step(effective=False), LOST, ANSWER)
    assert effect is not None
    assert (effect.certain, effect.extra, effect.done_us, effect.until_us) == (False, 1, 50, 99.0)


@pytest.mark.parametrize("outcome", [Outcome.REJECTED, Outcome.NOT_SENT])
def test_step_that_was_refused_or_never_sent_has_no_effect(outcome: Outcome) -> None:
    """Whatever its attempts say."""
    assert _of(_step(), LOST, outcome=outcome) is None


def test_unguarded_write_that_met_nothing_made_something() -> None:
    """It answers that it changed nothing that was there: then it made the key, up to its reply."""
    assert _of(_step(effective=False), _attempt(1, "reply"), creates=False) is None
    effect = _of(_step(effective=False), _attempt(1, "reply"), creates=True)
    assert effect is not None
    assert (effect.certain, effect.extra, effect.until_us) == (False, 1, 50)
    effect = _of(_step(effective=False), LOST, ANSWER, creates=True)
    assert effect is not None
    assert (effect.certain, effect.extra, effect.until_us) == (False, 2, 99.0)
    effect = _of(_step(effective=True), _attempt(1, "reply"), creates=True)
    assert effect is not None
    assert (effect.certain, effect.extra) == (True, 0)


def test_error_of_a_script_may_have_come_after_its_writes() -> None:
    """Every attempt was answered by an error, and yet it may have been executed, until the last answer."""
    refused = _attempt(1, "error:READONLY")
    effect = _of(_step(), refused, outcome=Outcome.UNKNOWN)
    assert effect is not None
    assert (effect.certain, effect.extra, effect.first_us, effect.until_us) == (False, 1, 10, 15)
    unsent = _attempt(1, "error:READONLY", handed_over=False)
    effect = _of(_step(), unsent, outcome=Outcome.UNKNOWN)
    assert effect is not None
    assert effect.until_us == FOREVER
    effect = _of(_step(), _attempt(1, "error:OOM"), _attempt(3, "error:READONLY"), outcome=Outcome.UNKNOWN)
    assert effect is not None
    assert (effect.extra, effect.until_us) == (1, 35)


def test_attempts_of_other_steps_count_for_nothing() -> None:
    """An operation's attempts may each carry a part of its steps."""
    operation = _operation(LOST, ANSWER)
    step = operation.steps[0]
    step.attempts = (2,)
    effect = effect_of(operation, step, _gone)
    assert effect is not None
    assert (effect.extra, effect.first_us, effect.sent_us) == (0, 20, 20)
    assert not effect.resent
    assert unanswered(operation, step, _gone) == []


def test_effect_begins_with_the_first_attempt_that_left() -> None:
    """Whatever the step itself says; it is asked where no attempt was recorded, then the operation."""
    operation = _operation(LOST, ANSWER)
    for said in (5, 15, None):
        operation.steps[0].sent_us = said
        assert _first_us(operation) == 10
    bare = _operation()
    bare.steps[0].sent_us = 15
    assert _first_us(bare) == 15
    bare.steps[0].sent_us, bare.sent_us, bare.due_us = None, 9, 7
    assert _first_us(bare) == 9
    bare.sent_us = None
    assert _first_us(bare) == 7


def _first_us(operation: Operation) -> float:
    effect = effect_of(operation, operation.steps[0], _gone)
    assert effect is not None
    return effect.first_us


def test_resent_is_what_was_handed_over_more_than_once() -> None:
    """An attempt that never left is no sending."""
    effect = _of(_step(effective=True), LOST, ANSWER)
    assert effect is not None
    assert effect.resent
    effect = _of(_step(effective=True), _attempt(1, "timeout", handed_over=False), ANSWER)
    assert effect is not None
    assert not effect.resent


def test_one_effect_precedes_another_once_none_of_its_attempts_can_land() -> None:
    """At the same moment neither is first."""
    early = _of(_step(effective=True), _attempt(1, "reply"))
    assert early is not None
    assert early.precedes(replace(early, first_us=51))
    assert not early.precedes(replace(early, first_us=50))


def _sight(saw: dict[str, str], done_us: float) -> Sight:
    return Sight(state=State.PRESENT, sent_us=done_us - 1, done_us=done_us, saw=saw, pttl_ms=None)


def test_value_that_was_seen_closes_its_only_attempt() -> None:
    """An attempt is executed once: it is over when its value was first seen."""
    effect = _of(_step(wrote={"theme": "1:theme", "ip": "fixed"}), LOST, outcome=Outcome.UNKNOWN)
    assert effect is not None
    mine, later = _sight({"theme": "1:theme"}, 60), _sight({"theme": "1:theme"}, 70)
    assert closed_by_sight(effect, [later, mine]).until_us == 60
    assert closed_by_sight(effect, [_sight({"theme": "1:theme"}, 99.0)]) is effect
    assert closed_by_sight(effect, [_sight({"theme": "11:theme"}, 60)]) is effect
    assert closed_by_sight(effect, [_sight({"ip": "fixed"}, 60)]) is effect  # anybody may have written that
    assert closed_by_sight(effect, [_sight({"agent": "1:theme"}, 60)]) is effect
    assert closed_by_sight(replace(effect, extra=2), [mine]).until_us == 99.0
    assert closed_by_sight(replace(effect, certain=True), [mine]).until_us == 99.0


def test_acked_step_looked_with_its_answered_attempt() -> None:
    """Not with those before it; without an attempt by the step's own times, then the operation's."""
    operation = _operation(LOST, ANSWER)
    step = operation.steps[0]
    assert seen_at(operation, step) == (20, 50)
    step.done_us, operation.done_us = None, 60
    assert seen_at(operation, step) == (20, 60)
    operation.done_us = None
    assert seen_at(operation, step) == (20, FOREVER)
    step.attempts, step.sent_us = (), 12
    assert seen_at(operation, step)[0] == 12
    step.sent_us, operation.sent_us = None, 11
    assert seen_at(operation, step)[0] == 11
    operation.sent_us, operation.due_us = None, 8
    assert seen_at(operation, step)[0] == 8


def test_removal_is_certain_from_its_look_on() -> None:
    """Whether it took something away or found nothing."""
    operation = _operation(LOST, ANSWER)
    removal = removal_of(operation, operation.steps[0])
    assert (removal.certain, removal.extra) == (True, 0)
    assert (removal.first_us, removal.sent_us, removal.done_us, removal.until_us) == (20, 20, 50, 50)
    look = nothing_seen(operation, operation.steps[0])
    assert (look.state, look.sent_us, look.done_us, look.saw, look.pttl_ms) == (
        State.ABSENT,
        20,
        50,
        {},
        None,
    )
    assert look.shows
    entry = entry_seen(operation, operation.steps[0])
    assert (entry.state, entry.sent_us, entry.done_us, entry.shows) == (State.PRESENT, 20, 50, False)


@pytest.mark.parametrize(
    ("effective", "reply", "asked", "all_of_them"),
    [
        (True, "1", 1, True),
        (True, "", 1, True),
        (False, "1", 1, False),
        (None, "1", 1, False),
        (True, "2", 2, True),
        (True, "1", 2, False),
        (True, "0", 0, True),
    ],
)
def test_removal_found_all_that_it_asked_for(
    effective: bool | None, reply: str, asked: int, all_of_them: bool
) -> None:
    """SREM answers how many it took out; of one, whether."""
    step = _step(StepKind.INDEX_REMOVE, effective, reply=reply)
    assert found_all(step, asked) is all_of_them


WHOLE = {"sid": "x", "user_id": "ann", "generation": "1"}


@pytest.mark.parametrize(
    ("saw", "state"),
    [
        ({}, State.ABSENT),
        (WHOLE, State.PRESENT),
        (WHOLE | {"theme": "1:theme"}, State.PRESENT),
        (WHOLE | {"sid": "y"}, State.FOREIGN),
        (WHOLE | {"user_id": "bob"}, State.FOREIGN),
        (WHOLE | {"sid": ""}, State.PARTIAL),
        (WHOLE | {"user_id": ""}, State.PARTIAL),
        ({"sid": "x", "user_id": "ann"}, State.PARTIAL),
        ({"user_id": "ann", "generation": "1"}, State.PARTIAL),
        ({"sid": "x", "generation": "1"}, State.PARTIAL),
        ({"theme": "1:theme"}, State.PARTIAL),
        ({"sid": "y", "theme": "1:theme"}, State.FOREIGN),
        ({"user_id": "bob", "theme": "1:theme"}, State.FOREIGN),
    ],
)
def test_state_of_what_was_seen(saw: dict[str, str], state: State) -> None:
    """A session has all of its identity; somebody else's shows in any part of it."""
    assert state_of(saw, "x", "ann") is state


@pytest.mark.parametrize(
    ("step", "extra", "certain", "may"),
    [
        (_reply(StepKind.INCREMENT, True, 3), 0, True, False),
        (_reply(StepKind.INCREMENT, True, 2), 0, True, True),
        (_reply(StepKind.INCREMENT, True, 3), 1, True, True),
        (_reply(StepKind.INCREMENT, True, 3), 0, False, True),
        (_reply(StepKind.REMOVE_FIELD, True), 0, True, False),
    ],
)
def test_unguarded_write_may_have_made_the_key(step: Step, extra: int, certain: bool, may: bool) -> None:
    """Unless it is answered that something was there, and none of its attempts is open."""
    effect = _of(_step(effective=True), _attempt(1, "reply"))
    assert effect is not None
    assert may_make_the_key(replace(effect, step=step, extra=extra, certain=certain)) is may


def test_increment_that_found_one_of_its_fields_proves_the_key() -> None:
    """Of two items one was in the cart already."""
    step = _reply(StepKind.INCREMENT, True)
    step.added, step.added_now = {"cart:1": 2, "cart:2": 1}, {"cart:1": 2, "cart:2": 4}
    assert found_the_key(step, guarded=False)
