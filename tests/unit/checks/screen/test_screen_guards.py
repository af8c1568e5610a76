"""The screen's guards, each by a small change to a run in which all is well: whom it no longer calls clean.

Three people, nothing happens to any of them. A test changes one thing that was recorded of one of them. The
screen must then leave exactly that session to the checks, and a change that means nothing must leave none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import numpy as np
import pytest

from harness.checks.run import run_checks
from harness.checks.screen.screening import screen
from harness.checks.screen.steps import SESSION_BITS, TIME_BITS
from harness.model.history import History
from harness.model.records import Attempt, AuditEntry, AuditSummary, NodeSample, Operation, Step
from harness.model.words import Outcome, StepKind
from harness.objects.kind import ON_OBJECTS
from lab.past import Past
from lab.records import us
from tests.in_parts import in_parts

ANN, BOB, CID = (f"{n:08x}" * 4 for n in (1, 2, 3))
NAMES = {ANN: "ann", BOB: "bob", CID: "cid"}

ANNS_LOGIN, BOBS_LOGIN, CIDS_LOGIN = 1, 2, 3
CHANGE, READ, TOUCH, ADD, TAKE, READ_CART, REMOVE, LAST_READ = range(4, 12)
"""What ann did, by operation id."""
BOBS_READ, LOGOUT, READ_AFTER, CIDS_READ = range(12, 16)

Change = Callable[[dict[int, Operation]], None]


def three(**about: Any) -> Past:
    past = Past(**about)
    ann, bob, cid = (past.log_in(name, 1.0 + n / 10) for n, name in enumerate(("ann", "bob", "cid")))
    past.change(ann, 2.0, "theme", "ip")
    past.read(ann, 3.0)
    past.touch(ann, 4.0)
    past.add(ann, 5.0, 2)
    past.add(ann, 5.5, -1)
    past.read(ann, 6.0)
    past.remove(ann, 6.5)
    past.read(ann, 7.0)
    past.read(bob, 3.1)
    past.logout(bob, 8.0)
    past.read(bob, 9.0)
    past.read(cid, 3.2)
    return past


@cache
def _nothing_changed() -> History:
    """Its records are not to be changed."""
    return three().history()


def suspects(history: History) -> set[str]:
    """Whose sessions are left to the checks; all others are counted as clean. The same ones if the history is
    read part by part."""
    screened = screen(history)
    with in_parts(history, 5) as apart:
        again = screen(apart)
    assert again.suspects.operations == screened.suspects.operations
    assert again.clean.sessions == screened.clean.sessions
    found = {one.session for one in screened.suspects.operations}
    everybody = set(history.sessions())
    assert screened.clean.sessions == (len(everybody - found) if found != everybody else 0)
    return {NAMES.get(one, one) for one in found}


def changed(change: Change, past: Past | None = None) -> History:
    """The run with its operations changed; judged alike with the screen and without it."""
    history = past.history() if past else _nothing_changed()
    operations = {one.id: msgspec.convert(msgspec.to_builtins(one), Operation) for one in history.operations}
    change(operations)
    made = replace(history, operations=tuple(operations.values()))
    assert run_checks(made) == run_checks(made, screened=False)
    return made


def test_run_in_which_all_is_well_has_no_suspects() -> None:
    """What every test here changes one thing of."""
    assert suspects(three().history()) == set()
    assert suspects(three(witnesses=False).history()) == set()
    assert suspects(three(guarded=False).history()) == {"ann"}  # HDEL 1 says more than sums tell


# ---------------------------------------------------------------- operations


def _of(number: int, **about: Any) -> Change:
    def change(operations: dict[int, Operation]) -> None:
        for name, value in about.items():
            setattr(operations[number], name, value)

    return change


def _asks_for_the_list(operations: dict[int, Operation]) -> None:
    """Also of which sessions its user has: what it then does may concern all of them."""
    steps = operations[READ].steps
    listing = Step(n=2, does=StepKind.INDEX_READ, command="SMEMBERS", key="index:ann", outcome=Outcome.ACKED)
    operations[READ].steps = (*steps, listing)


def _never_sent(operations: dict[int, Operation], **about: Any) -> None:
    operations[READ] = msgspec.structs.replace(
        operations[READ],
        **{
            "outcome": Outcome.NOT_SENT,
            "sent_us": None,
            "done_us": None,
            "steps": (),
            "attempts": (),
            **about,
        },
    )


@pytest.mark.parametrize(
    "change",
    [
        _of(READ, outcome=Outcome.UNKNOWN),
        _of(READ, outcome=Outcome.REJECTED),
        _of(READ, outcome=Outcome.NOT_SENT),
        _of(READ, steps=()),
        _of(READ, done_us=None),
        _of(READ, sent_us=None),
        _of(READ, user="bob"),
        _of(READ, shard=2),
        _asks_for_the_list,
    ],
)
def test_session_with_a_doubtful_operation_is_a_suspect(change: Change) -> None:
    """Not acked, without steps or times, by another user, on another shard, or about all of a user's."""
    assert suspects(changed(change)) == {"ann"}


def test_operation_that_was_never_sent_makes_no_suspect() -> None:
    """It did nothing and saw nothing."""
    assert suspects(changed(_never_sent)) == set()


def test_session_of_nobody_is_a_suspect() -> None:
    """Without a user or without an id nothing of it can be compared."""

    def nobody(operations: dict[int, Operation]) -> None:
        for one in operations.values():
            one.user = "" if one.session == ANN else one.user

    def nameless(operations: dict[int, Operation]) -> None:
        operations[READ].session, operations[READ].steps[0].session = "", None

    assert suspects(changed(nobody)) == {"ann"}
    assert suspects(changed(nameless)) == {""}


def test_history_whose_operations_are_not_in_order_has_no_clean_session() -> None:
    """Nor one in which an id is there twice."""
    history = three().history()
    for operations in (history.operations[::-1], (*history.operations, history.operations[-1])):
        assert screen(replace(history, operations=operations)).clean.sessions == 0


@pytest.mark.parametrize("summary", [None, AuditSummary(passes=1, valid_pass=None)])
def test_history_without_a_valid_audit_has_no_clean_session(summary: AuditSummary | None) -> None:
    """Nobody knows what was left in the end."""
    assert suspects(replace(three().history(), audit_summary=summary)) == {"ann", "bob", "cid"}


@pytest.mark.parametrize("number", [CIDS_READ, ANNS_LOGIN])
def test_run_too_long_for_the_screens_numbers_has_no_clean_session(number: int) -> None:
    """Twelve days fit; beyond that time and session would run into each other."""
    fits = changed(_of(number, done_us=(1 << 40) - 1))
    assert "bob" not in suspects(fits)
    assert suspects(changed(_of(number, done_us=1 << 40))) == {"ann", "bob", "cid"}


def test_session_and_time_fill_one_signed_number() -> None:
    """The last session's last moment is the largest that there is."""
    last = (((1 << SESSION_BITS) - 1) << TIME_BITS) + (1 << TIME_BITS) - 1
    assert last == np.iinfo(np.int64).max


@pytest.mark.parametrize(("bits", "fine"), [(1, False), (2, True)])
def test_run_with_more_sessions_than_the_screen_can_number_has_no_clean_one(
    bits: int, fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three are too many for one bit."""
    monkeypatch.setattr(sys.modules[screen.__module__], "SESSION_BITS", bits)
    assert suspects(three().history()) == (set() if fine else {"ann", "bob", "cid"})


def test_as_many_sessions_as_there_are_numbers_are_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four, counted from nought, have two bits."""
    past = three()
    past.log_in("dan", 1.4)
    monkeypatch.setattr(sys.modules[screen.__module__], "SESSION_BITS", 2)
    assert suspects(past.history()) == set()


# ---------------------------------------------------------------- steps and attempts


def _step(number: int, place: int = 0, **about: Any) -> Change:
    def change(operations: dict[int, Operation]) -> None:
        for name, value in about.items():
            setattr(operations[number].steps[place], name, value)

    return change


def _attempt(number: int, **about: Any) -> Change:
    def change(operations: dict[int, Operation]) -> None:
        for name, value in about.items():
            setattr(operations[number].attempts[0], name, value)

    return change


def _both(*changes: Change) -> Change:
    def change(operations: dict[int, Operation]) -> None:
        for one in changes:
            one(operations)

    return change


ACTS = (ANNS_LOGIN, CHANGE, TOUCH, ADD, REMOVE)


@pytest.mark.parametrize("number", ACTS)
@pytest.mark.parametrize(
    "about",
    [
        {"outcome": Outcome.REJECTED},
        {"outcome": Outcome.UNKNOWN},
        {"outcome": Outcome.NOT_SENT},
        {"effective": False},
        {"error": "reply-mixed-up: EXPIRE answered []"},
        {"attempts": ()},
        {"attempts": (1, 2)},
        {"attempts": (2,)},
        {"attempts": (0,)},
        {"attempts": (-1,)},
    ],
)
def test_step_that_was_not_acked_at_once_makes_a_suspect(number: int, about: Mapping[str, Any]) -> None:
    """Whatever it did, and whichever of the run's operations it was part of."""
    place = 1 if number == TOUCH else 0
    assert suspects(changed(_step(number, place, **about))) == {"ann"}


@pytest.mark.parametrize("number", [ANNS_LOGIN, CIDS_READ])
@pytest.mark.parametrize("attempts", [(0,), (2,), (-1,), (-100,), (100,), ()])
def test_attempt_that_is_not_there_is_none(number: int, attempts: tuple[int, ...]) -> None:
    """Nor at the table's ends: what stands beside it is somebody else's."""
    whose = {"ann"} if number == ANNS_LOGIN else {"cid"}
    assert suspects(changed(_step(number, attempts=attempts))) == whose
    assert suspects(changed(_of(number, attempts=()))) == whose


@pytest.mark.parametrize(
    "change",
    [
        _attempt(READ, result="timeout"),
        _attempt(READ, result=""),
        _attempt(READ, n=2),
        _attempt(READ, sent_us=us(3.0) - 1),
        _attempt(READ, sent_us=us(3.0) + 1),
        _of(READ, attempts=()),
    ],
)
def test_attempt_that_is_not_the_steps_own_makes_a_suspect(change: Change) -> None:
    """Without a reply, of another number, sent at another time, or not recorded."""
    assert suspects(changed(change)) == {"ann"}


def test_second_attempt_makes_a_suspect_though_no_step_names_it() -> None:
    """Something was sent once more, and nobody was told what came of it."""

    def change(operations: dict[int, Operation]) -> None:
        lost = Attempt(n=2, connection=1, steps=(1,), handed_over=True, sent_us=us(3.0), result="timeout")
        operations[READ].attempts = (*operations[READ].attempts, lost)

    assert suspects(changed(change)) == {"ann"}


def test_history_without_attempts_has_no_clean_session() -> None:
    """How often anything was sent is not known."""

    def unsent(operations: dict[int, Operation]) -> None:
        for one in operations.values():
            one.attempts = ()

    def untold(operations: dict[int, Operation]) -> None:
        for one in operations.values():
            for step in one.steps:
                step.attempts = ()

    assert suspects(changed(unsent)) == {"ann", "bob", "cid"}
    assert suspects(changed(untold)) == {"ann", "bob", "cid"}


def _sent_and_done(begin: int, sent: int, done: int, end: int) -> Change:
    """Ann's first read, in µs from 3.0 s: the operation's ends, and the step's within."""
    base = us(3.0)
    return _both(
        _of(READ, sent_us=base + begin, done_us=base + end),
        _step(READ, sent_us=base + sent, done_us=base + done),
        _attempt(READ, sent_us=base + sent, done_us=base + done),
    )


@pytest.mark.parametrize(
    ("times", "fine"),
    [
        ((0, 0, 10, 10), True),
        ((0, 5, 5, 10), True),
        ((5, 4, 10, 10), False),
        ((0, 0, 11, 10), False),
        ((0, 6, 5, 10), False),
    ],
)
def test_step_lies_within_its_operation(times: tuple[int, int, int, int], fine: bool) -> None:
    """It may take all of the operation's time, and no time."""
    assert suspects(changed(_sent_and_done(*times))) == (set() if fine else {"ann"})


def test_session_without_a_step_on_it_is_a_suspect() -> None:
    """All that is known of it stands in a list."""

    def change(operations: dict[int, Operation]) -> None:
        for one in operations.values():
            if one.session == CID:
                one.steps[0].does = StepKind.INDEX_ADD

    assert suspects(changed(change)) == {"cid"}


# ---------------------------------------------------------------- beyond one session


@pytest.mark.parametrize(
    ("change", "whose"),
    [
        (_step(READ, session=CID), {"ann", "cid"}),
        (_step(READ, member=CID), {"ann", "cid"}),
        (_step(READ, members=(CID,)), {"ann", "cid"}),
        (_step(READ, members=(BOB, "unknown", CID)), {"ann", "bob", "cid"}),
        (_step(READ, members=()), {"ann"}),
        (_step(READ, session="unknown"), {"ann"}),
        (_step(BOBS_READ, session="unknown"), {"bob"}),
        (_step(READ, member="unknown"), {"ann"}),
        (_step(READ, session=ANN, member=ANN), set()),
        (_step(READ, session=None), set()),
        (_step(CIDS_READ, session=ANN), {"ann", "cid"}),
        (_step(CIDS_READ, member=ANN), {"ann", "cid"}),
    ],
)
def test_step_on_another_session_makes_suspects_of_both(change: Change, whose: set[str]) -> None:
    """Whoever it names, and whose operation it is part of; its own session is no other."""
    assert suspects(changed(change)) == whose


@pytest.mark.parametrize("kind", list(StepKind))
def test_kind_of_step_that_the_screen_does_not_know_makes_a_suspect(kind: StepKind) -> None:
    """A lock, a list that was read or removed; a step that only counts or lists the session is passed over, and
    so is a step on another object."""
    neutral = {StepKind.INDEX_ADD, StepKind.INDEX_REMOVE, StepKind.WAIT, *ON_OBJECTS}
    made = changed(_step(CIDS_READ, does=kind, saw=None, pttl_ms=None))
    if kind in neutral:
        assert suspects(made) == set()
    elif kind is StepKind.TOUCH:
        assert suspects(made) == set()  # its time to live comes from the log-in alone: no other is named
    else:
        assert suspects(made) == {"cid"}


def test_step_on_another_users_session_makes_suspects_of_all_sessions_of_the_first() -> None:
    """Some of it may be told by a session that the step does not name."""
    past = three()
    past.log_in("ann", 1.3)
    past.log_in("bob", 1.4)
    first = changed(_step(READ, member=CID), past)
    found = {one.session for one in screen(first).suspects.operations}
    assert found == {ANN, CID, f"{4:08x}" * 4}


OLD, NEW, NEWEST, OTHER = (f"{n:08x}" * 4 for n in (4, 5, 6, 7))
"""Of dan's sessions: each of the first three the one before it under a new id."""


def _renewed() -> Past:
    past = three()
    old = past.log_in("dan", 1.4)
    past.add(old, 2.0, 3)
    new = past.rotate(old, 3.5)
    past.add(new, 4.0, 2)
    newest = past.rotate(new, 5.0)
    past.remove(newest, 6.0)
    past.change(newest, 6.5)
    past.log_in("dan", 7.0)
    NAMES.update({OLD: "old", NEW: "new", NEWEST: "newest", OTHER: "other"})
    return past


DANS_LOGIN, FIRST_ADD, ROTATE, ADD_TO_NEW, ROTATE_AGAIN, REMOVE_OF_NEWEST = range(16, 22)


def test_session_under_a_new_id_is_clean_and_so_is_the_old_one() -> None:
    """Its cart goes on from what it was."""
    assert suspects(_renewed().history()) == set()


@pytest.mark.parametrize(
    ("number", "place", "about"),
    [
        (ROTATE, 0, {"pttl_ms": -1}),
        (ROTATE, 0, {"saw": None}),
        (ROTATE, 1, {"effective": False}),
        (ROTATE, 1, {"ttl_ms": 1}),
        (ROTATE, 1, {"wrote": {"theme": "16:theme"}}),
        (ROTATE, 2, {"effective": False}),
        (ROTATE, 2, {"session": NEW, "member": None}),
        (ROTATE, 4, {"effective": False}),
        (ROTATE_AGAIN, 2, {"outcome": Outcome.UNKNOWN}),
        (FIRST_ADD, 0, {"added": {"cart:1": 4}}),
        (ADD_TO_NEW, 0, {"added_now": {"cart:1": 6}}),
        (ADD_TO_NEW, 0, {"added": {"cart:1": 5}, "added_now": {"cart:1": 5}}),
        (REMOVE_OF_NEWEST, 0, {"removed": ("theme",)}),
    ],
)
def test_doubt_about_one_id_is_doubt_about_all_that_follow_it(
    number: int, place: int, about: Mapping[str, Any]
) -> None:
    """Near and far; not about another session of the same user."""
    assert suspects(changed(_step(number, place, **about), _renewed())) == {"old", "new", "newest"}


@pytest.mark.parametrize(
    ("about", "besides"),
    [
        ({"session": OTHER}, set()),
        ({"member": OTHER}, set()),
        ({"session": OTHER, "member": NEWEST}, set()),
        ({"member": BOB}, {"bob"}),
    ],
)
def test_step_that_names_another_session_than_it_should_is_doubt_about_both(
    about: Mapping[str, Any], besides: set[str]
) -> None:
    """Of one user, or of several; one that names two says too much."""
    found = suspects(changed(_step(ROTATE, 2, **about), _renewed()))
    assert found == {"old", "new", "newest", "other"} | besides


def test_session_that_was_taken_out_of_the_list_twice_is_a_suspect() -> None:
    """It was in the list again in between, which nobody looked at."""

    def change(operations: dict[int, Operation]) -> None:
        _again(operations, LOGOUT, 10.0)
        again = operations[max(operations)]
        again.steps = again.steps[1:]

    made = changed(change)
    assert suspects(made) == {"bob"}
    assert {one.name for one in run_checks(made)[0]} == {"index-drift"}


@pytest.mark.parametrize(
    "about",
    [
        {"added": {"cart:1": 2}},
        {"added_now": {"cart:1": 2}},
        {"removed": ("cart:1",)},
        {"saw": {}},
        {"pttl_ms": 300_000},
    ],
)
@pytest.mark.parametrize("number", [ANNS_LOGIN, CHANGE])
def test_step_that_tells_more_than_its_kind_does_makes_a_suspect(
    number: int, about: Mapping[str, Any]
) -> None:
    """A write that says that it also added, removed or looked."""
    assert suspects(changed(_step(number, **about))) == {"ann"}


@pytest.mark.parametrize("does", ON_OBJECTS)
def test_step_on_an_object_may_have_had_no_effect(does: StepKind) -> None:
    """A token that was spent before, a revocation that is not there: that says nothing about the session."""
    about = {"does": does, "session": None, "key": "spent:{x}", "effective": False, "pttl_ms": None}
    for saw in (None, {}, {"value": "1"}):
        assert suspects(changed(_step(CIDS_READ, 0, saw=saw, **about))) == set()


def test_mixed_up_reply_about_an_object_makes_a_suspect() -> None:
    """It is told of the session whose request it was."""
    about = {"does": StepKind.LOOK, "session": None, "saw": None, "pttl_ms": None}
    made = changed(_step(LAST_READ, 0, key="spent:{x}", error="reply-mixed-up: GET answered []", **about))
    assert suspects(made) == {"ann"}
    assert {one.name for one in run_checks(made)[0]} == {"reply-mixed-up"}


# ---------------------------------------------------------------- the order of steps


def _again(operations: dict[int, Operation], number: int, at: float, **about: Any) -> None:
    """The same operation once more, as the run's last."""
    copied = msgspec.convert(msgspec.to_builtins(operations[number]), Operation)
    moved_us = us(at) - (copied.sent_us or 0)
    copied.id = max(operations) + 1
    for one in (copied, *copied.steps, *copied.attempts):
        one.sent_us = (one.sent_us or 0) + moved_us  # type: ignore[attr-defined]
        one.done_us = (one.done_us or 0) + moved_us  # type: ignore[attr-defined]
    for name, value in about.items():
        setattr(copied.steps[-1], name, value)
    operations[copied.id] = copied


def test_session_with_two_log_ins_is_a_suspect() -> None:
    """Or with none, or with something before it."""

    def without(operations: dict[int, Operation]) -> None:
        del operations[CIDS_LOGIN]

    def before(operations: dict[int, Operation]) -> None:
        first, read = operations.pop(CIDS_LOGIN), operations.pop(CIDS_READ)
        first.id, read.id = 15, 3
        operations |= {3: read, 15: first}
        for number in sorted(operations):
            operations[number] = operations.pop(number)

    assert suspects(changed(lambda them: _again(them, CIDS_LOGIN, 10.0))) == {"cid"}
    assert suspects(changed(without)) == {"cid"}
    assert suspects(changed(before)) == {"cid"}


@pytest.mark.parametrize("does", [StepKind.TOUCH, StepKind.DESTROY, StepKind.REMOVE_FIELD])
def test_change_after_the_logout_makes_a_suspect(does: StepKind) -> None:
    """Where it had an effect there was a session; a look at nothing there is as it must be."""

    def change(operations: dict[int, Operation]) -> None:
        _again(operations, LOGOUT, 10.0)
        operations[max(operations)].steps[0].does = does

    assert suspects(changed(change)) == {"bob"}


@pytest.mark.parametrize(("done_us", "fine"), [(us(3.0) + 1, True), (us(3.0), False), (us(3.0) - 1, False)])
def test_steps_that_cannot_have_been_done_in_their_order_make_a_suspect(done_us: int, fine: bool) -> None:
    """One that was over before the one to its left was sent; ends that touch are no order."""
    begin_us = us(2.5)
    made = changed(
        _both(
            _of(TOUCH, sent_us=begin_us, done_us=done_us),
            *(_step(TOUCH, n, sent_us=begin_us, done_us=done_us) for n in (0, 1)),
            _attempt(TOUCH, sent_us=begin_us, done_us=done_us),
            *(_step(number, pttl_ms=None) for number in (READ, TOUCH, READ_CART, LAST_READ)),
        )
    )
    unsaid = tuple(msgspec.structs.replace(one, pttl_ms=None) for one in made.audit)
    assert suspects(replace(made, operations=made.table, audit=unsaid)) == (set() if fine else {"ann"})


def test_order_is_asked_of_all_that_came_before_not_of_the_neighbour_alone() -> None:
    """The first look was sent after the third was over; the second lies beside both."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 5.0)
    past.read(ann, 2.0, took=6.0)
    past.read(ann, 3.0)
    assert suspects(past.history()) == {"ann"}


# ---------------------------------------------------------------- what was written and seen


@pytest.mark.parametrize(
    "change",
    [
        _step(CHANGE, wrote={"theme": "4:theme", "ip": 'a "quoted" one'}),
        _step(CHANGE, wrote={"theme": "4:theme", "ip": "back\\slash"}),
        _step(CHANGE, wrote={"theme": "4:theme"}),
        _step(CHANGE, wrote={}),
        _step(CHANGE, wrote={"theme": "4:theme", "ip": "4:ip", "colour": "red"}),
        _step(CHANGE, wrote={"theme": "4:theme", "ip": "4:ip", "sid": ANN}),
        _step(CHANGE, wrote={"theme": "1:theme", "ip": "4:ip"}),
        _step(ANNS_LOGIN, wrote={"theme": "1:theme"}),
        _step(ADD, added={"cart:1": 3}),
        _step(ADD, added={"cart:1": 2, "cart:2": 1}),
        _step(ADD, added={"cart:2": 2}),
        _step(ADD, added={}),
        _step(ADD, added={"cart:1\\": 2}, added_now={"cart:1\\": 2}),
        _step(ADD, added_now={}),
        _step(ADD, added_now={"cart:1": 3}),
        _step(ADD, added_now={"cart:2": 2}),
        _step(ADD, added_now={"cart:1": 2, "cart:2": 2}),
        _both(_step(ADD, added={}), _step(ADD, added_now={})),
        _step(REMOVE, removed=("cart:1", "theme")),
        _step(REMOVE, removed=("theme",)),
        _step(REMOVE, removed=()),
        _step(REMOVE, removed=("cart:2",)),
        _step(REMOVE, removed=("sid",)),
    ],
)
def test_session_whose_steps_do_not_add_up_is_a_suspect(change: Change) -> None:
    """What was written, added and removed, as it was recorded, is not what was seen and what is left."""
    assert suspects(changed(change)) == {"ann"}


@pytest.mark.parametrize("field", ["created", "ip", "agent", "theme", "never"])
def test_field_that_was_written_and_taken_out_makes_a_suspect(field: str) -> None:
    """Whichever it is; to take out what never was there changes nothing."""
    past = three()
    past.remove(CID, 10.0, item=field)
    past.read(CID, 11.0)
    assert suspects(past.history()) == (set() if field == "never" else {"cid"})


@pytest.mark.parametrize("removed", [(), ("never", "nothing")])
def test_removal_that_does_not_name_one_field_makes_a_suspect(removed: tuple[str, ...]) -> None:
    """Though nothing is missing that was there."""
    past = three()
    past.remove(CID, 10.0, item="never")
    assert suspects(changed(_step(16, removed=removed), past)) == {"cid"}


@pytest.mark.parametrize(
    ("identity", "fine"),
    [
        ({"sid": CID}, True),
        ({"sid": CID, "user_id": "cid", "generation": "3"}, True),
        ({"sid": ANN}, False),
        ({"user_id": "ann"}, False),
        ({"generation": "1"}, False),
        ({"sid": "cid"}, False),
    ],
)
def test_log_in_may_list_who_it_is_for(identity: dict[str, str], fine: bool) -> None:
    """Its own identity, or none of it; never somebody else's, nor one name for another."""

    def change(operations: dict[int, Operation]) -> None:
        step = operations[CIDS_LOGIN].steps[0]
        step.wrote = {**step.wrote, **identity}

    assert suspects(changed(change)) == (set() if fine else {"cid"})


def test_number_that_a_write_sets_makes_a_suspect_of_a_field_that_was_counted() -> None:
    """Only a log-in may begin with a number."""
    past = three()
    past.add(CID, 10.0, 2, item="cart:7")
    past.change(CID, 11.0, "cart:7")
    past.logout(CID, 12.0)
    assert suspects(changed(_step(17, wrote={"cart:7": "5"}), past)) == {"cid"}


def test_write_of_who_a_session_is_for_makes_a_suspect_though_it_is_the_same() -> None:
    """Only a log-in may do that."""

    def change(operations: dict[int, Operation]) -> None:
        _again(operations, CHANGE, 10.0, wrote={"user_id": "ann"}, witness=None)

    assert suspects(changed(change)) == {"ann"}


def _saw(step: Step, **fields: str | None) -> None:
    assert step.saw is not None
    both = {**step.saw, **fields}
    step.saw = {name: value for name, value in both.items() if value is not None}


@pytest.mark.parametrize("number", [READ, READ_CART, LAST_READ, TOUCH])
@pytest.mark.parametrize(
    "fields",
    [
        {"theme": None},
        {"theme": "1:theme"},
        {"theme": "nobody's"},
        {"sid": BOB},
        {"generation": None},
        {"new": "1"},
        {"cart:1": "7"},
    ],
)
def test_look_at_something_else_makes_a_suspect(number: int, fields: dict[str, str | None]) -> None:
    """A field that is missing, old, nobody's, or too much, in the first look and in the last."""
    assert suspects(changed(lambda them: _saw(them[number].steps[0], **fields))) == {"ann"}


@pytest.mark.parametrize(
    "about",
    [{"saw": {}}, {"saw": None}, {"saw": {}, "pttl_ms": -2}],
)
def test_look_that_shows_nothing_makes_a_suspect(about: dict[str, Any]) -> None:
    """Nothing there, and nothing said."""
    assert suspects(changed(_step(CIDS_READ, **about))) == {"cid"}


def test_step_that_is_no_look_and_shows_something_makes_a_suspect() -> None:
    """What it showed is compared with nothing."""
    assert suspects(changed(_step(CHANGE, saw={"theme": "4:theme"}))) == {"ann"}
    assert suspects(changed(_step(CHANGE, saw={}))) == {"ann"}


def test_look_at_a_session_that_is_logged_out_must_see_nothing() -> None:
    """Whatever is said of the time to live of what is not there."""
    assert suspects(changed(_step(READ_AFTER, pttl_ms=-1))) == set()
    assert suspects(changed(_step(READ_AFTER, pttl_ms=None))) == set()
    assert suspects(changed(_step(READ_AFTER, saw={"theme": "2:theme"}))) == {"bob"}


# ---------------------------------------------------------------- times to live


@pytest.mark.parametrize(
    ("pttl_ms", "fine"),
    [(297_997, True), (297_996, False), (298_003, True), (298_004, False), (None, True), (-1, False)],
)
def test_time_to_live_is_what_the_last_touch_gave(pttl_ms: int | None, fine: bool) -> None:
    """Touched for 300 s within [4.000, 4.001], looked at within [6.000, 6.001], give or take 2 ms."""
    assert suspects(changed(_step(READ_CART, pttl_ms=pttl_ms))) == (set() if fine else {"ann"})


@pytest.mark.parametrize(
    ("pttl_ms", "fine"), [(297_997, True), (297_996, False), (298_003, True), (298_004, False)]
)
def test_first_time_to_live_is_what_the_log_in_gave(pttl_ms: int, fine: bool) -> None:
    """Logged in for 300 s within [1.100, 1.101], looked at within [3.100, 3.101]: bob's, not ann's."""
    assert suspects(changed(_step(BOBS_READ, pttl_ms=pttl_ms))) == (set() if fine else {"bob"})


@pytest.mark.parametrize(
    "change",
    [
        _step(TOUCH, 1, ttl_ms=299_000),
        _step(TOUCH, 1, ttl_ms=1),
        _step(CIDS_LOGIN, ttl_ms=None),
        _both(_step(CIDS_LOGIN, ttl_ms=None), _step(CIDS_READ, pttl_ms=None)),
        _both(_step(CIDS_LOGIN, ttl_ms=None), _step(CIDS_READ, pttl_ms=-1)),
    ],
)
def test_session_whose_time_out_is_another_or_none_is_a_suspect(change: Change) -> None:
    """Two time-outs in one session, or a session that never got one."""
    assert len(suspects(changed(change))) == 1


def test_time_out_of_another_session_is_none_of_its_own() -> None:
    """Bob's log-in set none; ann's, which stands to its left, ends too late to tell."""
    past = Past()
    past.log_in("ann", 1.0)
    bob = past.log_in("bob", 1.0)
    past.read(bob, 1.0015)
    past.logout(bob, 1.002)
    assert suspects(changed(_both(_step(2, ttl_ms=None), _step(3, pttl_ms=None)), past)) == {"bob"}


def test_session_that_was_there_before_its_time_out_grew_is_a_suspect() -> None:
    """Logged in for 4 s at 1.2, still seen at 8.0, and touched for 300 s at 9.0: it had run out in between."""
    past = three()
    past.read(CID, 8.0)
    past.touch(CID, 9.0)
    unsaid = (_step(number, pttl_ms=None) for number in (CIDS_READ, 16, 17))
    made = changed(_both(_step(CIDS_LOGIN, ttl_ms=4000), *unsaid), past)
    assert suspects(made) == {"cid"}


def _short(*, seen_us: int, audited_us: int, out: bool) -> History:
    """Ann logs in for 4 s within [1.000, 1.001], and is seen, without a time to live, then and in the audit."""
    past = Past(idle_s=4.0, end_s=4.5)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0)
    if out:
        past.logout(ann, 5.0025, took=0.01)
    changes = [
        _of(2, sent_us=seen_us, done_us=seen_us),
        _step(2, sent_us=seen_us, done_us=seen_us, pttl_ms=None),
        _attempt(2, sent_us=seen_us, done_us=seen_us),
        *([_step(3, effective=True)] if out else []),
    ]
    made = changed(_both(*changes), past)
    audit = (
        msgspec.structs.replace(one, sent_us=audited_us, done_us=audited_us, pttl_ms=None)
        for one in made.audit
    )
    return replace(made, operations=made.table, audit=tuple(audit))


@pytest.mark.parametrize(("late_us", "fine"), [(0, True), (1, False)])
def test_session_that_was_not_touched_in_time_must_not_be_there(late_us: int, fine: bool) -> None:
    """It may be seen up to the last moment of its time-out and 2 ms more, by a read and by the audit."""
    last_us = us(5.003)
    expected = set() if fine else {"ann"}
    assert suspects(_short(seen_us=last_us + late_us, audited_us=us(7.0), out=True)) == expected
    assert suspects(_short(seen_us=us(2.0), audited_us=last_us + late_us, out=False)) == expected


@pytest.mark.parametrize("number", [CHANGE, TOUCH, ADD, REMOVE])
def test_session_that_was_changed_after_its_time_out_is_a_suspect(number: int) -> None:
    """Nobody looked; but what had an effect found it there. It is the first step of the history's second part."""
    past, names = Past(idle_s=300.0), {CHANGE: "change", TOUCH: "touch", ADD: "add", REMOVE: "remove"}
    ann, bob = past.log_in("ann", 1.0), past.log_in("bob", 1.1)
    for at in (1.2, 1.3, 1.4):
        past.read(bob, at)
    getattr(past, names[number])(ann, 2.0)
    past.logout(ann, 2.2)
    past.read(bob, 2.5)

    def brief(operations: dict[int, Operation]) -> None:
        operations[1].steps[0].ttl_ms = 500
        operations[6].steps = operations[6].steps[-1:]  # a touch looks first
        operations[6].steps[0].ttl_ms = 500 if number == TOUCH else None

    made = changed(brief, past)
    assert suspects(made) == {"ann"}
    assert "outlived-timeout" in {one.name for one in run_checks(made)[0]}


# ---------------------------------------------------------------- the audit


def audited(change: Callable[[AuditEntry], AuditEntry | None], past: Past | None = None) -> History:
    """The run with each entry of its audit changed or left out; judged alike with and without the screen."""
    history = past.history() if past else _nothing_changed()
    entries = tuple(new for one in history.audit if (new := change(one)) is not None)
    made = replace(history, audit=entries)
    assert run_checks(made) == run_checks(made, screened=False)
    return made


def _entry(session: str, node: str, **about: Any) -> Callable[[AuditEntry], AuditEntry]:
    def change(entry: AuditEntry) -> AuditEntry:
        ours = entry.session == session and entry.node == node
        return msgspec.structs.replace(entry, **about) if ours else entry

    return change


@pytest.mark.parametrize("node", ["redis-1", "redis-2", "redis-3"])
@pytest.mark.parametrize(
    "about",
    [
        {"saw": None, "witnesses": None, "pttl_ms": None, "key_type": None},
        {"saw": {}, "pttl_ms": -2},
        {"saw": {}, "key_type": "string", "pttl_ms": -2},
        {"saw": {"sid": CID, "user_id": "cid", "generation": "3"}},
        {"pttl_ms": 200_000},
        {"pttl_ms": 400_000},
        {"pttl_ms": -1},
        {"witnesses": ()},
        {"witnesses": ("2",)},
        {"witnesses": ("3", "3")},
    ],
)
def test_answer_of_a_node_that_is_not_as_it_must_be_makes_a_suspect(node: str, about: dict[str, Any]) -> None:
    """The primary's, or a replica's: each node must hold what was written."""
    assert suspects(audited(_entry(CID, node, **about))) == {"cid"}


@pytest.mark.parametrize(
    ("sent_s", "took_us", "pttl_ms", "fine"),
    [
        (36.0, 1000, 265_200, True),
        (36.0, 1000, 266_200, True),
        (36.0, 1000, 266_201, False),
        (36.0, 1000, 264_200, True),
        (36.0, 1000, 264_199, False),
        (36.0, 0, 265_200, True),
        (36.0, -1, 265_200, False),
        (30.0, 1000, 1 << 70, False),
        (1e18, 1000, 271_200, False),
    ],
)
def test_replica_that_was_asked_later_has_that_much_less_to_live(
    sent_s: float, took_us: int, pttl_ms: int, fine: bool
) -> None:
    """Give or take a second. The primary said 271.2 s, at 30 s. Numbers of no run prove nothing."""
    sent_us = int(sent_s * 1_000_000)
    replica = _entry(CID, "redis-2", sent_us=sent_us, done_us=sent_us + took_us, pttl_ms=pttl_ms)
    primary = _entry(CID, "redis-1", sent_us=us(30.0), done_us=us(30.001), pttl_ms=271_200)
    entries = tuple(replica(primary(one)) for one in _nothing_changed().audit)
    assert suspects(replace(_nothing_changed(), audit=entries)) == (set() if fine else {"cid"})


def test_answer_of_another_pass_does_not_count() -> None:
    """Neither for the session nor against it."""
    history = three().history()
    wrong = tuple(
        msgspec.structs.replace(one, pass_n=2, saw={"theme": "x"}, witnesses=()) for one in history.audit
    )
    both = replace(history, audit=(*wrong, *history.audit, *wrong))
    assert suspects(both) == set()
    assert suspects(replace(both, audit_summary=AuditSummary(passes=2, valid_pass=2))) == {
        "ann",
        "bob",
        "cid",
    }


def test_answer_about_a_session_of_nobody_does_not_count() -> None:
    """The audit may know of sessions that no operation is about."""
    history = three().history()
    strange = msgspec.structs.replace(history.audit[0], session="unknown", saw={"theme": "x"})
    assert suspects(replace(history, audit=(strange, *history.audit))) == set()


def test_session_that_no_primary_or_two_answered_for_is_a_suspect() -> None:
    """Who speaks for it is not known."""
    assert suspects(audited(_entry(CID, "redis-1", role="replica"))) == {"cid"}
    assert suspects(audited(_entry(CID, "redis-2", role="primary"))) == {"cid"}
    gone = audited(lambda one: None if one.session == CID else one)
    assert suspects(gone) == {"cid"}


@pytest.mark.parametrize("key_type", [None, "hash", "none", "string", "list"])
def test_key_of_another_type_is_no_absent_session(key_type: str | None) -> None:
    """It shows no fields, and yet something is there."""
    found = suspects(audited(_entry(BOB, "redis-2", key_type=key_type)))
    assert found == ({"bob"} if key_type in {"string", "list"} else set())
    held = suspects(audited(_entry(CID, "redis-2", key_type=key_type)))
    assert held == set()


@pytest.mark.parametrize("session", [BOB, CID])
def test_index_must_say_of_a_session_what_its_primary_says(session: str) -> None:
    """A replica's list does not count, and where no list was asked for nothing is said."""
    listed = session == CID
    assert suspects(audited(_entry(session, "redis-1", indexed=not listed))) == {NAMES[session]}
    assert suspects(audited(_entry(session, "redis-1", indexed=listed))) == set()
    assert suspects(audited(_entry(session, "redis-1", indexed=None))) == set()
    assert suspects(audited(_entry(session, "redis-2", indexed=not listed))) == set()


def _moved(history: History, node: str, shard: int) -> History:
    """The node says from the beginning that it belongs to another shard."""
    sample = NodeSample(node=node, sent_us=0, done_us=1, run_id="x", role="primary", shard=shard)
    return replace(history, samples=(sample, *history.samples))


def test_node_of_another_shard_says_nothing_of_the_session() -> None:
    """Except what it has in its list of the user's sessions, which may lie there."""
    wrong = audited(_entry(CID, "redis-3", role="primary", saw={"theme": "x"}, indexed=None))
    assert suspects(wrong) == {"cid"}
    assert suspects(_moved(wrong, "redis-3", 2)) == set()
    listed = audited(_entry(CID, "redis-3", role="primary", saw={}, indexed=False))
    assert suspects(_moved(listed, "redis-3", 2)) == {"cid"}
    assert suspects(_moved(three().history(), "redis-1", 2)) == {"ann", "bob", "cid"}


@pytest.mark.parametrize(
    ("witnesses", "fine"),
    [
        (("1", "4", "7", "8", "10"), True),
        (("1", "4", "7", "8"), False),
        (("4", "7", "8", "10"), False),
        (("1", "4", "7", "8", "10", "10"), False),
        (("1", "4", "8", "7", "10"), False),
        (("1", "4", "7", "8", "11"), False),
        (("1", "4", "7", "8", "unknown"), False),
        (None, False),
    ],
)
def test_every_step_must_have_left_its_witness_in_order(
    witnesses: tuple[str, ...] | None, fine: bool
) -> None:
    """On all nodes alike."""
    every = audited(
        lambda one: msgspec.structs.replace(one, witnesses=witnesses) if one.session == ANN else one
    )
    assert suspects(every) == (set() if fine else {"ann"})


def test_witness_that_two_steps_left_proves_neither() -> None:
    """The same name twice, also in two sessions."""
    twice = changed(_step(TAKE, witness="7"))
    entries = tuple(
        msgspec.structs.replace(one, witnesses=("1", "4", "7", "7", "10")) if one.session == ANN else one
        for one in twice.audit
    )
    assert suspects(replace(twice, operations=twice.table, audit=entries)) == {"ann"}
    shared = changed(_step(CIDS_LOGIN, witness="1"))
    entries = tuple(
        msgspec.structs.replace(one, witnesses=("1",)) if one.session == CID else one for one in shared.audit
    )
    assert suspects(replace(shared, operations=shared.table, audit=entries)) == {"ann", "cid"}


@pytest.mark.parametrize(("sent_us", "fine"), [(us(10.001), False), (us(10.001) + 1, True)])
def test_audit_must_have_come_after_all_else(sent_us: int, fine: bool) -> None:
    """What was under way when the primary was asked may have changed it since."""
    past = three()
    past.read(CID, 10.0)
    made = audited(
        lambda one: (
            msgspec.structs.replace(one, sent_us=sent_us, done_us=sent_us, pttl_ms=None)
            if one.session == CID
            else one
        ),
        past,
    )
    assert suspects(made) == (set() if fine else {"cid"})


@pytest.mark.parametrize(
    ("pttl_ms", "fine"),
    [(271_197, True), (271_196, False), (271_203, True), (271_204, False), (None, True), (-1, False)],
)
def test_time_to_live_in_the_audit_is_what_the_last_touch_gave(pttl_ms: int | None, fine: bool) -> None:
    """Logged in for 300 s within [1.200, 1.201], audited within [30.000, 30.001], give or take 2 ms."""
    made = audited(lambda one: msgspec.structs.replace(one, pttl_ms=pttl_ms) if one.session == CID else one)
    assert suspects(made) == (set() if fine else {"cid"})


def test_audit_of_a_session_that_is_logged_out_must_show_nothing() -> None:
    """Whatever is said of the time to live of what is not there."""
    quiet = audited(lambda one: msgspec.structs.replace(one, pttl_ms=None) if one.session == BOB else one)
    assert suspects(quiet) == set()
    there = {"sid": BOB, "user_id": "bob", "generation": "2"}
    back = audited(
        lambda one: msgspec.structs.replace(one, saw=there, indexed=True) if one.session == BOB else one
    )
    assert suspects(back) == {"bob"}


# ---------------------------------------------------------------- what counting is told


def test_log_ins_of_clean_sessions_are_told() -> None:
    """Whose they were and when they were sent: the moment itself counts; a suspect's are not among them."""
    clean = screen(changed(_step(CIDS_READ, pttl_ms=-1))).clean
    assert clean.sessions == 2
    assert clean.logged_in_since("ann", us(1.0))
    assert not clean.logged_in_since("ann", us(1.0) + 1)
    assert clean.logged_in_since("bob", us(1.1))
    assert not clean.logged_in_since("cid", 0)
    assert not clean.logged_in_since("dan", 0)


def test_suspects_keep_all_of_their_operations_and_nobody_elses() -> None:
    """In order; a run of suspects alone is left as it is."""
    screened = screen(changed(_step(CIDS_READ, pttl_ms=-1)))
    assert [one.id for one in screened.suspects.operations] == [CIDS_LOGIN, CIDS_READ]
    everybody = _both(*(_attempt(number, result="timeout") for number in (READ, BOBS_READ, CIDS_READ)))
    for history in (replace(three().history(), audit_summary=None), changed(everybody)):
        assert screen(history).suspects is history
        assert not screen(history).clean.logged_in_since("ann", 0)
