"""The exact test on sessions: what it adds to the named checks, and that it adds no false alarm."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.checks.facts.timelines import Index
from harness.checks.linearizability.actions import Answer
from harness.checks.linearizability.search import judge_register
from harness.checks.promises import one_register
from harness.checks.promises.fields import registers_of
from harness.checks.run import run_checks
from harness.model.history import History
from harness.model.records import Step
from harness.model.words import Cause, FindingSide
from lab.past import Past
from tests.unit.checks import stories
from tests.unit.checks.test_properties import tell

seeds = st.integers(min_value=0, max_value=2**32)
thorough = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


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
    index = Index(to_and_fro(last=3).history())
    (sid,) = index.sessions
    assert one_register.judge_exactly(index, set()).findings
    assert not one_register.judge_exactly(index, {sid}).findings


@pytest.mark.parametrize(("last", "found"), [(3, ["unexplained"]), (2, [])])
def test_unguarded_sessions_are_judged_as_a_whole(last: int, found: list[str]) -> None:
    """A write that makes what it does not find is one more thing that may have happened, no excuse."""
    past = to_and_fro(last=last, witnesses=False)
    past.guarded = False
    index = Index(past.history())
    assert [one.name for one in one_register.judge_exactly(index, set()).findings] == found


def test_history_that_breaks_off_proves_nothing_at_its_end() -> None:
    """What the harness did not live to write down may explain it."""
    past = to_and_fro(last=3)
    del past.doings[-1]
    for writing in past.doings[1:3]:
        writing.attempts = [(2.0, 2.2, 3.5)]
    whole = past.history()
    assert [one.name for one in run_checks(whole)[0]] == ["unexplained"]
    cut = replace(whole, closing=None, incomplete="the harness died", samples=(), clocks=(), audit=(), audit_summary=None)  # fmt: skip
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
    index = Index(history)
    return [
        judge_register(
            [
                replace(action, id=n)
                for n, (_, action) in enumerate(one_register._actions(index, timeline, name))
            ],
            lambda: False,
        )
        for timeline in index.sessions.values()
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
            past.forged[doing.id] = _forging(dice.choice(written))
    index = Index(past.history())
    for timeline in index.sessions.values():
        if timeline.created is None:
            continue
        doubtful = {one.name for one in one_register._doubtful(index, timeline)}
        overwritten = {name for name, one in registers_of(timeline).items() if len(one.values) > 1}
        for name in overwritten & {"theme", "ip", "agent"} - doubtful:
            actions = [
                replace(one, id=n) for n, (_, one) in enumerate(one_register._actions(index, timeline, name))
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
        step.effective, step.reply = True, reply

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
