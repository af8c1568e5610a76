"""The exact test on sessions: what it adds to the named checks, and that it adds no false alarm."""

from __future__ import annotations

import random
import sys
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.facts.timelines import Timelines
from harness.checks.linearizability.actions import Answer
from harness.checks.linearizability.search import judge_register
from harness.checks.promises import one_register
from harness.checks.promises.fields import registers_of
from harness.checks.run import run_checks
from harness.model.history import History
from harness.model.records import Step
from harness.model.words import Cause, FindingSide, Outcome
from lab.past import Past
from lab.records import us
from tests.share import examples
from tests.unit.checks import stories
from tests.unit.checks.test_properties import tell

seeds = st.integers(min_value=0, max_value=2**32)
thorough = examples(60, 8)


def to_and_fro(*, last: int, witnesses: bool = True) -> Past:
    """Two overlapping writes, 2 and 3; three looks, one after the other: 3, 2, and `last`."""
    past = Past(witnesses=witnesses)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.1, 4.0)])
    past.change(ann, 2.0, attempts=[(2.0, 2.2, 4.0)])
    for at, seen in ((2.5, 3), (2.7, 2), (2.9, last)):
        past.read(ann, at, forge=_showing(f"{seen}:theme"))
    past.logout(ann, 5.0)
    return past


def _showing(value: str) -> object:
    def forge(step: Step) -> None:
        assert step.saw is not None
        step.saw["theme"] = value

    return forge


def test_values_that_come_and_go_are_unexplained() -> None:
    """Each of the looks is fine beside the other two; the three of them no order explains."""
    (found,) = run_checks(to_and_fro(last=3).history())[0]
    assert (found.name, found.side, found.cause) == (
        "unexplained",
        FindingSide.CLOSED,
        Cause.NOT_DETERMINED,
    )
    assert found.operations == (1, 2, 3, 4, 5, 6)
    assert found.observations == 3
    assert "operations 1, 2, 3, 4, 5, 6 contradict each other" in found.sentence


def test_values_that_only_come_are_explained() -> None:
    """The same looks without the third: the writes took place in the other order."""
    assert run_checks(to_and_fro(last=2, witnesses=False).history())[0] == []


def test_looks_that_contradict_the_witnesses_are_unexplained() -> None:
    """The same, where the list of witnesses says which of the two writes came first."""
    (found,) = run_checks(to_and_fro(last=2).history())[0]
    assert found.name == "unexplained"
    assert "No order" in found.sentence


def test_unanswered_attempt_explains_what_comes_back() -> None:
    """One attempt more, without an answer, and the value may well have been written twice."""
    past = to_and_fro(last=3, witnesses=False)
    past.doings[2].attempts = [(2.0, None, None), *past.doings[2].attempts]
    assert "unexplained" not in {one.name for one in run_checks(past.history())[0]}


def test_other_nodes_answers_are_left_out() -> None:
    """A replica may show anything: that is judged by order alone."""
    past = to_and_fro(last=3)
    past.doings[4].node = "redis-3"
    assert "unexplained" not in {one.name for one in run_checks(past.history())[0]}


def test_named_session_is_not_named_twice() -> None:
    """Where a finding tells the story, the contradiction is part of it."""
    timelines = Timelines(to_and_fro(last=3).history())
    (sid,) = timelines.sessions
    assert one_register.judge_exactly(timelines, set()).findings
    assert not one_register.judge_exactly(timelines, {sid}).findings


@pytest.mark.parametrize(("last", "found"), [(3, ["unexplained"]), (2, [])])
def test_unguarded_sessions_are_judged_as_a_whole(last: int, found: list[str]) -> None:
    """A write that makes what it does not find is one more thing that may have happened, no excuse."""
    past = to_and_fro(last=last, witnesses=False)
    past.guarded = False
    timelines = Timelines(past.history())
    assert [one.name for one in one_register.judge_exactly(timelines, set()).findings] == found


def test_history_that_breaks_off_proves_nothing_at_its_end() -> None:
    """What the harness did not live to write down may explain it."""
    past = to_and_fro(last=3)
    del past.doings[-1]
    for writing in past.doings[1:3]:
        writing.attempts = [(2.0, 2.2, 3.5)]
    whole = past.history()
    assert [one.name for one in run_checks(whole)[0]] == ["unexplained"]
    cut = replace(whole, closing=None, incomplete="the harness died", phases=(), samples=(), clocks=(), audit=(), audit_summary=None)  # fmt: skip
    findings, counts, _, _ = run_checks(cut)
    assert [one.name for one in findings if one.name == "unexplained"] == []
    assert counts["unexplained"].high >= 1


def test_guarded_write_that_found_a_logged_out_session_is_a_sight_of_it() -> None:
    """The logout reached a deposed primary; the next write on the real one was acked with effect."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    past.fail_over("redis-2", 2.0, follow=8.0)
    past.logout(ann, 3.0, node="redis-1")
    past.change(ann, 4.0, web="web-2")
    past.logout(ann, 5.0, web="web-2")
    (found,) = run_checks(past.history())[0]
    assert (found.name, found.cause) == ("resurrected-session", Cause.SPLIT_BRAIN)
    assert found.operations == (2, 3)


def _every_register(history: History) -> list[Answer]:
    timelines = Timelines(history)
    return [
        judge_register(
            [
                msgspec.structs.replace(action, id=n)
                for n, (_, action) in enumerate(one_register._actions(timelines, timeline, name))
            ],
            lambda: False,
        )
        for timeline in timelines.sessions.values()
        for name in ("theme", "ip", "agent")
    ]


@thorough
@given(seeds)
def test_correct_run_is_linearizable_without_the_shortcut(seed: int) -> None:
    """Every field of every session, with short time-outs too: the test itself raises no false alarm."""
    idle_s = random.Random(seed).choice((0.8, 3.0, 300.0))
    assert set(_every_register(tell(seed, idle_s=idle_s).history())) <= {Answer.LINEARIZABLE}


@thorough
@given(seeds)
def test_shortcut_hides_nothing(seed: int) -> None:
    """What the quick proof explains is linearizable, in runs whose reads show any value at all."""
    dice = random.Random(seed)
    past = tell(seed, operations=40)
    for doing in past.doings:
        if doing.behaviour == "read" and dice.random() < 0.3:
            written = [f"{one.id}:theme" for one in past.doings if one.sid == doing.sid] or ["0:theme"]
            past.forged[doing.id] = _forging(dice.choice(written))  # type: ignore[assignment]
    timelines = Timelines(past.history())
    for timeline in timelines.sessions.values():
        if timeline.created is None:
            continue
        doubtful = {one.name for one in one_register._doubtful(timelines, timeline)}
        overwritten = {name for name, one in registers_of(timeline).items() if len(one.values) > 1}
        for name in overwritten & {"theme", "ip", "agent"} - doubtful:
            actions = [
                msgspec.structs.replace(one, id=n)
                for n, (_, one) in enumerate(one_register._actions(timelines, timeline, name))
            ]
            assert judge_register(actions, lambda: False) is Answer.LINEARIZABLE


def _forging(value: str) -> object:
    def forge(step: Step) -> None:
        if step.saw:
            step.saw["theme"] = value

    return forge


@pytest.mark.parametrize("name", sorted(stories.BAD.keys() - {"unexplained"}))
def test_named_story_is_not_also_unexplained(name: str) -> None:
    """What a named check tells gets that name alone."""
    for story in stories.BAD[name]:
        assert "unexplained" not in {one.name for one in run_checks(story().history())[0]}


@pytest.mark.parametrize(("reply", "found"), [("1", []), (None, ["unexplained"])])
def test_unguarded_write_whose_fields_were_all_new_met_perhaps_no_session(
    reply: str | None, found: list[str]
) -> None:
    """HSET of a field that was not there yet answers the same with and without a session."""
    past = Past(guarded=False, witnesses=False)
    ann = past.log_in("ann", 1.0)

    def first_visit(step: Step) -> None:
        step.effective, step.reply = True, reply  # type: ignore[assignment]

    past.change(ann, 2.0, "visits", forge=first_visit)
    past.read(ann, 3.0)
    assert [one.name for one in run_checks(past.history())[0]] == found


def test_write_that_a_deposed_primary_acked_is_no_part_of_the_one_history() -> None:
    """It found no session there and made a piece, which was thrown away at the demotion."""
    past = Past(guarded=False)
    past.cut_off("redis-2", 1.0)
    past.fault(1.0)
    past.fail_over("redis-2", 2.0, follow=6.0)
    ann = past.log_in("ann", 3.0, node="redis-2")
    past.change(ann, 4.0, node="redis-1", web="web-2")
    past.logout(ann, 5.0, node="redis-2")
    assert "unexplained" not in {one.name for one in run_checks(past.history())[0]}


def test_what_a_failover_took_is_no_contradiction() -> None:
    """Ann's log-in was lost with redis-1; a logout that was under way hides that, but not what came next."""
    past = Past(guarded=False, witnesses=False)
    past.log_in("bob", 0.5)
    past.cut_off("redis-2", 1.0)
    ann = past.log_in("ann", 1.5)
    past.fault(2.0)
    past.fail_over("redis-2", 3.0)
    past.change(ann, 3.6, "ip")
    past.logout(ann, 2.5, attempts=[(2.5, 4.0, 4.1)], node="redis-2")
    findings, counts, _, _ = run_checks(past.history())
    assert "unexplained" not in {one.name for one in findings}
    assert counts["unexplained"].high >= 1


def test_what_nobody_answered_may_be_lost_as_well() -> None:
    """Ann's change got no answer and was read; the failover took it, though nothing that was acked."""
    past = Past()
    ann = past.log_in("ann", 0.5)
    past.cut_off("redis-2", 3.0)
    past.add(ann, 3.5, outcome="unknown")
    past.read(ann, 4.3)
    past.fault(4.6)
    kept = Timelines(past.history())
    past.fail_over("redis-2", 5.4)
    timelines = Timelines(past.history())
    for lost, of in ((False, kept), (True, timelines)):
        (timeline,) = of.sessions.values()
        assert one_register._perhaps_lost(of, replace(timeline, creations=[])) is lost


# ---------------------------------------------------------------- the quick proof, on each side of each moment


def _left_open(past: Past, history: History | None = None) -> set[str]:
    """The overwritten fields of the run's only session that the quick proof leaves to the test."""
    timelines = Timelines(past.history() if history is None else history)
    (timeline,) = timelines.sessions.values()
    return {one.name for one in one_register._doubtful(timelines, timeline)}


def _written_at(*writes: tuple[float, float]) -> tuple[Past, str]:
    """Ann logs in within [1.0, 1.001]; each write of her theme was under way from then until then. No audit."""
    past = Past(witnesses=False, audited=False)
    ann = past.log_in("ann", 1.0)
    for sent, done in writes:
        past.change(ann, sent, attempts=[(sent, (sent + done) / 2, done)], forge=_with_effect)
    return past, ann


def _with_effect(step: Step) -> None:
    step.effective = True


def _seen(past: Past, ann: str, sent: float, done: float, value: str | None) -> None:
    def forge(step: Step) -> None:
        both = {"sid": ann, "user_id": "ann", "generation": "1", "theme": value}
        step.saw = {name: one for name, one in both.items() if one is not None}

    past.read(ann, sent, attempts=[(sent, (sent + done) / 2, done)], forge=forge)


@pytest.mark.parametrize(
    ("looks", "open_fields"),
    [
        ([], set()),
        ([(3.5, 3.6, "2:theme")], set()),
        ([(3.5, 3.6, "1:theme"), (3.5, 3.6, "2:theme")], {"theme"}),
        ([(2.2, 2.3, "1:theme"), (3.5, 3.6, "2:theme")], set()),
        ([(2.2, 2.3, "2:theme")], set()),
        ([(1.9, 2.0, "2:theme")], set()),
        ([(1.8, 1.9, "2:theme")], {"theme"}),
        ([(3.5, 3.6, "nobody")], {"theme"}),
        ([(3.5, 3.6, None)], {"theme"}),
    ],
)
def test_quick_proof_explains_what_was_read_in_turn(
    looks: list[tuple[float, float, str | None]], open_fields: set[str]
) -> None:
    """One write, within [2, 3], of the value that the log-in gave: each value's looks together, in their order."""
    past, ann = _written_at((2.0, 3.0))
    for sent, done, value in looks:
        _seen(past, ann, sent, done, value)
    assert _left_open(past) == open_fields


@pytest.mark.parametrize(
    ("looks", "open_fields"),
    [
        ([(4.0, 4.1, "2:theme"), (5.0, 5.1, "3:theme")], set()),
        ([(4.0, 4.1, "3:theme"), (5.0, 5.1, "2:theme")], set()),
        ([(4.0, 4.1, "3:theme"), (4.5, 4.6, "2:theme"), (5.0, 5.1, "3:theme")], {"theme"}),
        ([(4.0, 4.1, "2:theme"), (4.101, 4.2, "3:theme"), (4.201, 4.3, "2:theme")], {"theme"}),
        ([(4.0, 4.1, "2:theme"), (4.1, 4.2, "3:theme"), (4.201, 4.3, "2:theme")], set()),
        ([(4.0, 4.1, "2:theme"), (4.101, 4.2, "3:theme"), (4.2, 4.3, "2:theme")], set()),
    ],
)
def test_quick_proof_leaves_open_what_comes_and_goes(
    looks: list[tuple[float, float, str | None]], open_fields: set[str]
) -> None:
    """Two writes under way at once: their values may be seen in either order, once each."""
    past, ann = _written_at((2.0, 6.0), (2.0, 6.0))
    for sent, done, value in looks:
        _seen(past, ann, sent, done, value)
    assert _left_open(past) == open_fields


def test_quick_proof_takes_a_write_that_nobody_was_told_of_as_it_was_seen() -> None:
    """Not seen, it need not have happened; seen, it stands where it was seen."""
    past, ann = _written_at()
    past.change(ann, 2.0, outcome="unknown", executed=False)
    _seen(past, ann, 3.0, 3.1, "1:theme")
    assert _left_open(past) == set()
    _seen(past, ann, 3.5, 3.6, "2:theme")
    assert _left_open(past) == set()
    _seen(past, ann, 4.0, 4.1, "1:theme")
    assert _left_open(past) == {"theme"}


def test_quick_proof_leaves_removals_and_second_log_ins_to_the_test() -> None:
    """A field that was taken out, or a session that was made twice, has more than one value like it."""
    past, ann = _written_at((2.0, 3.0))
    past.remove(ann, 4.0, item="theme")
    assert _left_open(past) == {"theme"}
    past, ann = _written_at((2.0, 3.0))
    history = past.history()
    again = msgspec.structs.replace(history.operations[0], id=9)
    assert _left_open(past, replace(history, operations=(*history.operations, again))) == {"theme"}


def test_quick_proof_looks_at_overwritten_fields_alone() -> None:
    """Not at those that only the log-in wrote, at who the session is for, or at what is counted."""
    past, ann = _written_at((2.0, 3.0))
    past.add(ann, 4.0, 1)
    past.add(ann, 4.5, 1)
    _seen(past, ann, 5.0, 5.1, "nobody")
    assert _left_open(past) == {"theme"}
    past, ann = _written_at()
    _seen(past, ann, 5.0, 5.1, "nobody")
    assert _left_open(past) == set()
    past, ann = _written_at()
    for wrote in ({"sid": "x", "cart:1": "5"}, {"sid": ann, "cart:1": "7"}):
        past.change(ann, 2.0, forge=_writing(wrote))
    past.add(ann, 3.0, 1)
    assert _left_open(past) == set()


def _writing(wrote: dict[str, str]) -> object:
    def forge(step: Step) -> None:
        step.wrote = wrote

    return forge


@pytest.mark.parametrize(("done", "open_fields"), [(1.0, set()), (0.999, {"theme"})])
def test_nothing_of_a_session_is_over_before_its_log_in_was_sent(done: float, open_fields: set[str]) -> None:
    """A look or a write that was leaves all to the test."""
    past, ann = _written_at((2.0, 3.0))
    _seen(past, ann, 0.9, done, "1:theme")
    assert _left_open(past) == open_fields
    past, _ = _written_at((0.9, done))
    assert _left_open(past) == open_fields
    past, ann = _written_at((0.9, 1.5))
    past.logout(ann, 0.8, took=done - 0.8, forge=lambda step: setattr(step, "effective", None))
    assert _left_open(past) == open_fields


@pytest.mark.parametrize(("sent", "open_fields"), [(4.9, set()), (5.0, set()), (5.001, {"theme"})])
def test_nothing_that_needs_the_session_is_sent_after_it_was_gone(sent: float, open_fields: set[str]) -> None:
    """The logout was done at 5.0; what was sent by then may have come before it."""
    past, ann = _written_at((2.0, 3.0))
    past.logout(ann, 4.0, attempts=[(4.0, 4.95, 5.0)])
    _seen(past, ann, sent, 5.1, "2:theme")
    assert _left_open(past) == open_fields
    past, ann = _written_at((2.0, 3.0), (sent, 5.2))
    past.logout(ann, 4.0, attempts=[(4.0, 5.15, 5.0)])
    assert _left_open(past) == open_fields


@pytest.mark.parametrize(("done", "open_fields"), [(4.0, set()), (3.999, {"theme"})])
def test_nothing_finds_the_session_gone_before_something_ended_it(done: float, open_fields: set[str]) -> None:
    """The logout was sent at 4.0; an earlier attempt at one counts from when it was sent."""
    past, ann = _written_at((2.0, 3.0))
    past.logout(ann, 4.0)
    _gone(past, ann, 3.5, done)
    assert _left_open(past) == open_fields
    past, ann = _written_at((2.0, 3.0))
    past.logout(ann, 4.0, outcome="unknown", executed=False)
    past.logout(ann, 5.0, forge=lambda step: setattr(step, "effective", None))
    _gone(past, ann, 3.5, done)
    assert _left_open(past) == open_fields


def _gone(past: Past, ann: str, sent: float, done: float) -> None:
    def forge(step: Step) -> None:
        step.saw, step.pttl_ms = {}, -2

    past.read(ann, sent, attempts=[(sent, (sent + done) / 2, done)], forge=forge)


@pytest.mark.parametrize(
    ("done", "clocks", "open_fields"),
    [(4.95, True, set()), (4.949, True, {"theme"}), (4.949, False, set()), (4.96, True, set())],
)
def test_nothing_finds_the_session_gone_before_it_may_have_run_out(
    done: float, clocks: bool, open_fields: set[str]
) -> None:
    """Logged in at 1.0 for 4 s, less 50 ms that nobody notices; where clocks are not known, at any time."""
    past = Past(witnesses=False, idle_s=4.0, clocks=clocks, end_s=10.0)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    _gone(past, ann, 4.5, done)
    assert _left_open(past) == open_fields


def test_session_runs_out_by_whichever_time_out_ends_first() -> None:
    """Nobody knows which came last: a touch that overlapped the next one may have been it."""
    past = Past(witnesses=False, idle_s=4.0, end_s=12.0)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    past.touch(ann, 3.0)
    _gone(past, ann, 4.9, 4.96)
    assert _left_open(past) == set()


def test_one_look_that_no_order_explains_is_one_observation() -> None:
    """The write was over before the look was sent, which shows what it overwrote."""
    past, ann = _written_at((2.0, 3.0))
    _seen(past, ann, 4.0, 4.1, "1:theme")
    (found,) = one_register.judge_exactly(Timelines(past.history()), set()).findings
    assert (found.observations, found.operations, found.seen_us) == (1, (1, 2, 3), us(4.1))
    assert found.sentence == (
        f"No order of the operations explains the values that were read in theme of session {ann[:8]} of ann:"
        " operations 1, 2, 3 contradict each other."
    )


def test_two_logouts_that_both_deleted_one_session_contradict_each_other() -> None:
    """Under way at once, so neither came after the other; nobody looked, and yet it is one observation."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    for executed in (2.1, 2.2):
        past.logout(ann, 2.0, attempts=[(2.0, executed, 3.0)], forge=_with_effect)
    (found,) = run_checks(past.history())[0]
    assert (found.name, found.observations, found.operations[0]) == ("unexplained", 1, 1)
    assert found.sentence.startswith(
        f"No order of the operations explains all reads of session {ann[:8]} of ann"
    )


def test_same_in_a_history_that_breaks_off_is_undecided() -> None:
    """Nobody looked: what the harness did not live to write down may explain it."""
    past = Past(witnesses=False, audited=False)
    ann = past.log_in("ann", 1.0)
    for executed in (2.1, 2.2):
        past.logout(ann, 2.0, attempts=[(2.0, executed, 3.0)], forge=_with_effect)
    whole = past.history()
    assert len(one_register.judge_exactly(Timelines(whole), set()).findings) == 1
    cut = one_register.judge_exactly(
        Timelines(replace(whole, closing=None, incomplete="the harness died")), set()
    )
    assert (cut.findings, cut.undecidable) == ([], {"unexplained": 1})


def test_session_whose_log_in_is_not_in_the_history_is_not_judged() -> None:
    """What it held in the beginning is not known."""
    past = to_and_fro(last=3, witnesses=False)
    history = past.history()
    timelines = Timelines(replace(history, operations=history.operations[1:]))
    assert timelines.sessions
    counted = one_register.judge_exactly(timelines, set())
    assert (counted.findings, counted.undecidable) == ([], {"unexplained": 0})


def test_session_whose_log_in_had_no_answer_is_judged_as_a_whole() -> None:
    """It must have happened, for the session was seen; when, is open."""
    past = to_and_fro(last=3, witnesses=False)
    past.doings[0].outcome = Outcome.UNKNOWN
    (found,) = one_register.judge_exactly(Timelines(past.history()), set()).findings
    assert "of ann: operations" in found.sentence
    past = to_and_fro(last=2, witnesses=False)
    past.doings[0].outcome = Outcome.UNKNOWN
    assert one_register.judge_exactly(Timelines(past.history()), set()).findings == []


def test_naive_write_after_the_logout_is_no_contradiction() -> None:
    """It made a piece of a session; a guarded one cannot have been let through."""
    for guarded, count in ((False, 0), (True, 1)):
        past = Past(witnesses=False, audited=False, guarded=guarded)
        ann = past.log_in("ann", 1.0)
        past.logout(ann, 2.0)
        past.change(ann, 3.0, forge=_with_effect if guarded else _made_its_field)
        assert len(one_register.judge_exactly(Timelines(past.history()), set()).findings) == count


def _made_its_field(step: Step) -> None:
    step.effective, step.reply = True, "1"


def test_looks_at_once_that_fit_nowhere_are_told_together() -> None:
    """How many they are, and when the last of them was answered."""
    past, ann = _written_at()
    for done in (4.0, 3.0):
        past.read(ann, 2.0, attempts=[(2.0, 2.5, done)], forge=_showing("nobody"))
    (found,) = one_register.judge_exactly(Timelines(past.history()), set()).findings
    assert (found.observations, found.operations, found.seen_us) == (2, (1, 2, 3), us(4.0))
    assert found.sentence.endswith("of ann: operations 2, 3 do not fit.")


def test_audit_alone_may_fit_nowhere() -> None:
    """No operation is named then but the log-in."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    history = past.history()
    audit = tuple(msgspec.structs.replace(one, saw={**(one.saw or {}), "more": "x"}) for one in history.audit)
    (found,) = one_register.judge_exactly(Timelines(replace(history, audit=audit)), set()).findings
    assert (found.observations, found.operations, found.seen_us) == (1, (1,), us(30.001))
    assert found.sentence == (
        f"No order of the operations explains all reads of session {ann[:8]} of ann:"
        " the reads of the audit do not fit."
    )


def test_log_in_comes_first_however_late_it_was_answered() -> None:
    """A write that was let through came after it; what the log-in gave is not seen again then."""
    past = Past(witnesses=False, audited=False)
    ann = past.log_in("ann", 1.0, attempts=[(1.0, 1.1, 5.0)])
    past.change(ann, 2.0, attempts=[(2.0, 2.5, 3.0)])
    assert _left_open(past) == set()
    _seen(past, ann, 4.0, 4.1, "1:theme")
    assert _left_open(past) == {"theme"}


def test_logout_that_found_the_session_contradicts_a_look_that_did_not() -> None:
    """Another logout, without an answer, may have ended it before the look; then there was none to find."""
    past, ann = _written_at((1.5, 1.6))
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    _gone(past, ann, 3.0, 3.1)
    past.logout(ann, 5.0)
    (found,) = one_register.judge_exactly(Timelines(past.history()), set()).findings
    assert "the values that were read in theme" in found.sentence
    past.forged[5] = lambda step: setattr(step, "effective", None)
    assert one_register.judge_exactly(Timelines(past.history()), set()).findings == []


def _taken_out() -> Past:
    """What the quick proofs leave to the search: a field that was removed, which a read shows that was sent before,
    and a write that was sent twice."""
    past, ann = _written_at()
    past.change(ann, 2.0, attempts=[(2.0, None, None), (2.2, 2.3, 2.4)])
    past.read(ann, 3.9, attempts=[(3.9, 4.2, 4.5)])
    past.remove(ann, 4.0, item="theme")
    past.read(ann, 5.0)
    return past


def test_register_that_the_test_explains_is_no_finding() -> None:
    """And one for which its bounds do not suffice is counted."""
    counted = one_register.judge_exactly(Timelines(_taken_out().history()), set())
    assert (counted.findings, counted.undecidable) == ([], {"unexplained": 0})


def test_register_that_needs_too_much_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the number of looks at the clock, so the same on any machine."""
    monkeypatch.setattr(sys.modules[judge_register.__module__], "WORK_BETWEEN_LOOKS", 1)
    monkeypatch.setattr(one_register, "LOOKS_TO_JUDGE", 1)
    counted = one_register.judge_exactly(Timelines(_taken_out().history()), set())
    assert (counted.findings, counted.undecidable) == ([], {"unexplained": 1})


def test_addition_that_was_let_through_contradicts_a_look_that_found_nothing() -> None:
    """It is no action on the field, but it found the session; a logout without an answer may have ended that."""
    past, ann = _written_at((1.5, 1.6))
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    _gone(past, ann, 3.0, 3.1)
    past.add(ann, 5.0, 1)
    (found,) = one_register.judge_exactly(Timelines(past.history()), set()).findings
    assert "the values that were read in theme" in found.sentence
