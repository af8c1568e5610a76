"""What a reply proves: that a session is there, or that it is not, wherever nobody read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.timelines import Timelines
from harness.checks.measures.at_risk import sessions_at_risk
from harness.checks.measures.session_counts import count_sessions
from harness.checks.run import run_checks
from harness.checks.screen.screening import screen
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import AuditEntry, Step
from harness.model.words import Cause
from lab.past import Past
from lab.records import us


def judged(past: Past | History) -> list[Finding]:
    """The findings, which are the same with the screen as without."""
    history = past.history() if isinstance(past, Past) else past
    found = run_checks(history)
    assert found == run_checks(history, screened=False)
    assert found[3] == ()
    return found[0]


def names(past: Past | History) -> list[str]:
    return [one.name for one in judged(past)]


def undone(met: Callable[[Past, str], object], *, guarded: bool = True) -> Past:
    """Ann's logout is undone by a failover; all that anybody does then is `met`, and a logout that holds."""
    past = Past(guarded=guarded)
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    past.logout(ann, 2.0)
    past.fail_over("redis-2", 3.0)
    met(past, ann)
    past.logout(ann, 5.0, forge=_told_nothing)
    return past


def _told_nothing(step: Step) -> None:
    step.effective = None


def _unseen(step: Step) -> None:
    step.saw, step.pttl_ms = None, None


MEETINGS: dict[str, Callable[[Past, str], object]] = {
    "DEL 1": lambda past, ann: past.logout(ann, 4.0),
    "EXPIRE 1": lambda past, ann: past.touch(ann, 4.0, forge=_unseen),
    "guard of HSET": lambda past, ann: past.change(ann, 4.0),
    "guard of HINCRBY": lambda past, ann: past.add(ann, 4.0),
    "guard of HDEL": lambda past, ann: past.remove(ann, 4.0),
}


@pytest.mark.parametrize("met", MEETINGS.values(), ids=MEETINGS)
def test_reply_that_proves_presence_shows_an_undone_logout(met: Callable[[Past, str], object]) -> None:
    """Nobody reads the session, and yet it was there: the reply says so."""
    (found,) = judged(undone(met))
    assert (found.name, found.operations, found.observations) == ("resurrected-session", (2, 3), 1)
    assert found.cause is Cause.NOT_YET_REPLICATED


@pytest.mark.parametrize("met", [*MEETINGS.values(), lambda past, ann: past.read(ann, 2.5)])
def test_reply_before_the_logout_proves_nothing_against_it(met: Callable[[Past, str], object]) -> None:
    """Whoever found the session while the logout was under way may have come first."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 3.9, attempts=[(3.9, 4.5, 4.6)])
    if met is not MEETINGS["DEL 1"]:
        met(past, ann)
    assert names(past) == []


def test_every_session_of_a_second_logout_everywhere_is_told() -> None:
    """Each DEL of the second call answers 1: as many logouts were undone as it deleted sessions."""
    past = Past()
    sessions = [past.log_in("ann", 1.0 + n / 10) for n in range(5)]
    past.cut_off("redis-2", 1.9)
    past.logout_everywhere(sessions[0], 2.0)
    past.fail_over("redis-2", 3.0)
    past.logout_everywhere(sessions[0], 4.0)
    found = judged(past)
    assert {one.session for one in found} == set(sessions)
    assert {one.name for one in found} == {"escaped-logout"}


def test_reply_refutes_an_absence() -> None:
    """A look that found nothing, and then a DEL that found the session: an old answer, no loss."""
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, node="redis-3")
    past.act(2.5, lambda: past.stores.update({"redis-3": past.stores["redis-1"]}))
    past.logout(ann, 3.0)
    assert names(past) == ["stale-read"]


def test_reply_is_no_look_at_fields() -> None:
    """EXPIRE 1 shows no field; so none is missing."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    past.add(ann, 2.1)
    past.touch(ann, 2.5, forge=_unseen)
    past.logout(ann, 3.0)
    assert names(past) == []


def piece(touch: float | None = None) -> Past:
    """Ann's session runs out at 5 s; a write that does not ask makes a piece of it at 6 s."""
    past = Past(guarded=False, idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 6.0)
    if touch is not None:
        past.touch(ann, touch)
    past.read(ann, 7.5)
    return past


@pytest.mark.parametrize("touch", [None, 7.0])
def test_expire_that_hit_a_piece_promises_nothing(touch: float | None) -> None:
    """The session had run out; what the EXPIRE met was a piece, and nothing came too early."""
    assert names(piece(touch)) == ["partial-session"]


def test_expire_that_hit_the_session_promises_although_writes_do_not_ask() -> None:
    """The touch found the session itself: what it promised was lost."""
    past = Past(guarded=False, idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 1.5)
    past.cut_off("redis-2", 2.5)
    past.touch(ann, 3.0)
    past.fail_over("redis-2", 4.0)
    past.read(ann, 6.0)
    assert names(past) == ["expired-early"]


@pytest.mark.parametrize("write", ["change", "add"])
def test_delete_that_met_a_piece_proves_no_undone_logout(write: str) -> None:
    """After the logout an unguarded write made a piece; the second DEL found that."""
    past = Past(guarded=False)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0)
    getattr(past, write)(ann, 3.0)
    past.logout(ann, 4.0)
    assert "resurrected-session" not in names(past)


def test_delete_that_found_a_session_counts_although_writes_do_not_ask() -> None:
    """HSET had found all of its fields, so it made nothing: the second DEL met the session."""
    past = undone(MEETINGS["DEL 1"], guarded=False)
    assert names(past) == ["resurrected-session"]


def unknown_logout(*, closed: float | None, executed: float | None) -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, outcome="unknown", executed=executed or False, closed=closed)
    past.read(ann, 3.0)
    if executed is None:
        past.lose(ann, 4.0)
    past.read(ann, 5.0)
    return past


def test_unknown_logout_that_is_over_excuses_no_later_absence() -> None:
    """It was closed, and the session was seen alive after that: what is gone now is lost."""
    assert names(unknown_logout(closed=2.5, executed=None)) == ["lost-session"]
    assert names(unknown_logout(closed=2.999999, executed=None)) == ["lost-session"]


@pytest.mark.parametrize("closed", [None, 4.5, 3.0])
def test_unknown_logout_that_is_open_excuses_an_absence(closed: float | None) -> None:
    """It may have been executed after the session was last seen alive."""
    assert names(unknown_logout(closed=closed, executed=None)) == []


def seen_done(*, undone: bool, node: str = "redis-1") -> Past:
    """Ann was told "error"; a look found her logged out; the failover may bring her session back."""
    past = Past()
    if node == "redis-3":
        past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    past.logout(ann, 2.0, outcome="unknown", executed=2.1 if node == "redis-1" else False)
    past.read(ann, 2.5, node=node)
    if undone:
        past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    past.act(5.0, lambda: past.stores.update(dict.fromkeys(past.stores, past.stores[past.owner(5.0)])))
    return past


def test_logout_that_was_seen_to_have_happened_must_hold() -> None:
    """Nobody told the user "signed out"; but gone she was, and there she is again."""
    (found,) = judged(seen_done(undone=True))
    assert (found.name, found.operations) == ("resurrected-session", (2, 4))
    assert "(its user saw 'error')" in found.sentence
    assert found.cause is Cause.NOT_YET_REPLICATED


def test_logout_that_was_seen_to_have_happened_and_holds_is_fine() -> None:
    """Gone then, gone now."""
    assert names(seen_done(undone=False)) == []


def test_absence_on_a_replica_is_no_proof_of_a_logout() -> None:
    """The replica had never heard of the session: an old answer."""
    assert names(seen_done(undone=False, node="redis-3")) == ["stale-read"]


def test_timeout_explains_an_absence_before_an_unknown_logout() -> None:
    """It had run out: nobody knows that the logout happened, and a late log-in attempt is no undoing."""
    past = Past(idle_s=1.0)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.5, outcome="unknown", executed=2.6)
    past.read(ann, 3.0)
    assert names(past) == []


def ran_out(*, witnesses: bool, looked: float | None, lost: bool = False) -> Past:
    """Made between the fault and recovery, and run out long before the audit."""
    past = Past(idle_s=8.0, witnesses=witnesses)
    past.fault(2.0)
    past.cut_off("redis-2", 2.5 if lost else 3.4)
    ann = past.log_in("ann", 3.0)
    past.fail_over("redis-2", 3.5)
    past.event("recovered", 5.0)
    if looked is not None:
        past.read(ann, looked)
    return past


@pytest.mark.parametrize(
    ("past", "decided"),
    [
        (ran_out(witnesses=False, looked=None), False),
        (ran_out(witnesses=False, looked=4.9), False),
        (ran_out(witnesses=False, looked=5.1), True),
        (ran_out(witnesses=True, looked=None), True),
        (ran_out(witnesses=True, looked=None, lost=True), False),
    ],
)
def test_session_that_ran_out_is_intact_only_if_it_came_through(past: Past, decided: bool) -> None:
    """Expired, or lost before it expired: only a look after recovery, or its trace, tells."""
    history = past.history()
    counts = count_sessions(Timelines(history), [], sessions_at_risk(facts_of(history)))
    assert (counts.at_risk, counts.intact, counts.undecidable) == (1, int(decided), int(not decided))


@pytest.mark.parametrize(
    ("touched", "promoted", "cut_s", "decided"),
    [
        (None, 12.0, None, True),
        (7.9, 12.0, None, False),
        (7.9, 12.0, 7.8, False),
        (7.0, 12.0, 7.8, True),
        (7.9, 9.0, None, True),
    ],
)
def test_trace_of_the_log_in_tells_nothing_of_a_touch(
    touched: float | None, promoted: float, cut_s: float | None, decided: bool
) -> None:
    """It ran out at 11 s: the touch that would have kept it to 17.9 s was lost. Only where that was after
    recovery it came through, or where offsets show that the touch was not lost."""
    past = Past(idle_s=10.0, end_s=20.0)
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 7.8)
    if touched is not None:
        past.touch(ann, touched)
    past.fault(8.0)
    past.fail_over("redis-2", promoted)
    past.event("recovered", promoted + 1.0)
    history = past.history()
    if cut_s is not None:
        told: dict[str, Any] = {"replid": "second", "replid2": "first", "second_repl_offset": us(cut_s) + 1}
        samples = (
            msgspec.structs.replace(
                one, **(told if (one.node, one.role) == ("redis-2", "primary") else {"replid": "first"})
            )
            for one in history.samples
        )
        history = replace(history, samples=tuple(samples))
    counts = count_sessions(Timelines(history), [], {ann})
    assert (counts.at_risk, counts.intact, counts.undecidable) == (1, int(decided), int(not decided))


@pytest.mark.parametrize(("appendonly", "decided"), [("no", False), ("yes", True)])
def test_touch_before_a_restart_without_a_log_may_be_lost(appendonly: str, decided: bool) -> None:
    """Nobody took over, but the primary came back as it had been before, with as many keys."""
    past = Past(idle_s=10.0, end_s=22.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 7.0)
    past.fault(8.0)
    past.come_back_as_of(2.0, 12.0)
    past.event("recovered", 13.0)
    history = past.history()
    nodes = tuple(replace(one, directives={"appendonly": appendonly}) for one in history.plan.nodes)
    history = replace(history, plan=replace(history.plan, nodes=nodes))
    counts = count_sessions(Timelines(history), [], {ann})
    assert (counts.intact, counts.undecidable) == (int(decided), int(not decided))


def test_field_of_the_log_in_that_vanished_is_a_lost_update() -> None:
    """Nobody ever wrote it again, and no write of anything else is needed to miss it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 1.5)
    past.edit(ann, 2.0, lambda found: found.fields.pop("created"))
    past.read(ann, 3.0)
    (found,) = judged(past)
    assert (found.name, found.operations) == ("lost-update", (1, 3))
    assert "created" in found.sentence


def test_field_that_is_there_again_was_an_old_answer() -> None:
    """One look without it, and the next with it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, forge=lambda step: (step.saw or {}).pop("created"))
    past.read(ann, 3.0)
    assert names(past) == ["stale-read"]


def test_write_told_no_session_whose_trace_is_there_is_unexplained() -> None:
    """It was told that nothing was written; its witness says that it was."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0)
    past.change(ann, 3.0)
    assert names(past) == []
    past.act(3.5, lambda: past.stores["redis-1"].witnesses[ann].append("3"))
    (found,) = judged(past)
    assert (found.name, found.operations) == ("unexplained", (3,))
    assert "no session" in found.sentence


STRANGE = (
    "--3",
    "+1",
    "1e3",
    "",
    "-0",
    "007",
    " 1",
    "1_0",
    "²",
    "٣",
    "9" * 5000,
    "9223372036854775808",
    "\ufffd",
)


@pytest.mark.parametrize("value", STRANGE)
def test_what_is_no_number_in_a_cart_is_a_value_that_nobody_wrote(value: str) -> None:
    """No text crashes a check, and none is read as a number that HINCRBY would not have written."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 3)
    past.read(ann, 3.0, forge=lambda step: (step.saw or {}).update({"cart:1": value}))
    assert names(past) == ["unwritten-value"]


@pytest.mark.parametrize("value", ["9223372036854775807", "-9223372036854775808", "-3", "0"])
def test_number_that_a_node_may_hold_is_judged_as_one(value: str) -> None:
    """Too much or too little, but a number."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 3)
    past.read(ann, 3.0, forge=lambda step: (step.saw or {}).update({"cart:1": value}))
    assert set(names(past)) <= {"doubled-update", "lost-update", "stale-read"}
    assert names(past)


@pytest.mark.parametrize("name", ["sid", "user_id", "generation"])
def test_session_with_an_empty_identity_is_a_piece(name: str) -> None:
    """An empty name is nobody's: no other user's session was shown."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, forge=lambda step: (step.saw or {}).update({name: ""}))
    assert "partial-session" in names(past)
    assert "foreign-session" not in names(past)


def _audited(history: History, change: Callable[[AuditEntry], AuditEntry]) -> History:
    return replace(history, audit=tuple(change(one) for one in history.audit))


@pytest.mark.parametrize("logged_out", [True, False])
def test_key_of_another_type_is_a_piece_and_not_nothing(logged_out: bool) -> None:
    """Whatever lies under the session's key, it is not gone."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    if logged_out:
        past.logout(ann, 2.0)
    history = _audited(
        past.history(), lambda one: msgspec.structs.replace(one, key_type="list", saw={}, pttl_ms=-1)
    )
    assert "partial-session" in names(history)
    assert ann in {one.session for one in screen(history).suspects.operations}


def own_write(*, outcome: str) -> Past:
    """An unguarded write, sent once, ends after the logout was sent."""
    past = Past(guarded=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.6, 2.7 if outcome == "acked" else None)], outcome=outcome)
    past.logout(ann, 2.4, attempts=[(2.4, 2.5, 2.55)])
    past.read(ann, 4.0)
    return past


@pytest.mark.parametrize(
    ("outcome", "cause"), [("acked", Cause.APPLICATION_RACE), ("unknown", Cause.CLIENT_RETRY)]
)
def test_write_that_was_sent_once_and_answered_is_no_retry(outcome: str, cause: Cause) -> None:
    """It raced with the logout; only an attempt without an answer can have come late by itself."""
    found = {one.name: one for one in judged(own_write(outcome=outcome))}
    assert found["undone-by-own-write"].cause is cause
