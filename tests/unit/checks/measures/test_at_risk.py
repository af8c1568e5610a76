"""Who could have been hurt: a session on each side of every boundary."""

from __future__ import annotations

from dataclasses import replace

from harness.checks.facts.of_run import facts_of
from harness.checks.measures.at_risk import sessions_at_risk
from harness.checks.measures.scope import Scope
from harness.checks.measures.summary import share
from harness.checks.run import run_checks
from harness.model.history import History
from harness.model.words import Phase
from lab.past import Past
from tests.in_parts import in_parts


def _at_risk(past: Past, scope: Scope | None = None) -> set[str]:
    return _of(past.history(), scope or Scope())


def _of(history: History, scope: Scope) -> set[str]:
    """At once, and with a boundary between any two operations."""
    found = sessions_at_risk(facts_of(history), scope)
    with in_parts(history) as apart:
        assert sessions_at_risk(facts_of(apart), scope) == found
    return found


def test_nobody_is_at_risk_without_a_fault() -> None:
    """No fault, no danger: the sessions of the whole run are what a share is a share of."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    history = past.history()
    assert sessions_at_risk(facts_of(history)) == {ann}
    assert run_checks(history)[2].at_risk == 0


def test_whoever_was_logged_in_when_it_struck_is_at_risk() -> None:
    """Also who did nothing since; a log-in without an ack is nobody's yet."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.log_in("bob", 2.0, outcome="unknown", executed=False)
    past.fault(5.0)
    assert _at_risk(past) == {ann}


def test_log_in_counts_until_the_danger_is_over() -> None:
    """The promotion is the last thing that can cost anybody anything."""
    past = Past()
    past.fault(5.0)
    past.fail_over("redis-2", 7.0)
    before = past.log_in("ann", 6.999)
    past.log_in("bob", 6.9991)
    assert _at_risk(past) == {before}


def test_logout_counts_from_when_it_is_asked_for() -> None:
    """One that was sent before the fault leaves nothing to lose, one that was sent with it does."""
    past = Past()
    ann, bob = past.log_in("ann", 1.0), past.log_in("bob", 1.1)
    past.logout(ann, 4.999)
    past.logout(bob, 5.0)
    past.fault(5.0)
    assert _at_risk(past) == {bob}


def test_session_that_lived_on_after_its_time_is_at_risk() -> None:
    """Its log-in had promised a second, and somebody found it there after the fault."""
    past = Past()
    ann, bob = past.log_in("ann", 1.0), past.log_in("bob", 1.1)
    past.fault(5.0)
    past.touch(ann, 6.0)
    history = past.history()
    for operation in history.operations[:2]:
        operation.steps[0].ttl_ms = 1000
    assert _of(replace(history, operations=history.operations), Scope()) == {ann}
    assert bob in {one.session for one in history.operations}


def test_session_whose_time_was_over_is_not_at_risk() -> None:
    """By the last touch that had an effect: ann's promises until 5.0 s, bob's ended before."""
    past = Past(idle_s=4.0)
    ann, bob = past.log_in("ann", 0.999), past.log_in("bob", 0.9989)
    past.fault(5.0)
    assert _at_risk(past) == {ann}
    past.touch(bob, 2.0)
    assert _at_risk(past) == {ann, bob}


def test_touch_that_found_nothing_promises_nothing() -> None:
    """Acknowledged, and without an effect."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 0.1)
    past.touch(ann, 4.5)
    past.fault(5.0)
    assert _at_risk(past) == set()


def test_phase_asks_for_the_sessions_made_in_it() -> None:
    """Whatever became of them, and whatever was in danger."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0)
    past.fault(5.0)
    assert _at_risk(past, Scope(phase=Phase.BASELINE)) == {ann}
    assert _at_risk(past, Scope(phase=Phase.FAULT)) == set()


def _restarted(told_s: float) -> tuple[History, str]:
    """redis-1 answers as another process from 6.0 s on; whoever started it is told so later."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.fault(5.0)
    past.come_back_empty(6.0)
    past.fault(told_s, kind="restart", target="killed")
    past.events[-1].error_us = round((told_s - 5.0) * 1e6)
    past.log_in("bob", 6.2)
    past.log_in("eve", told_s + 0.1)
    return past.history(), ann


def test_log_in_after_the_first_answer_of_a_restarted_node_is_not_at_risk() -> None:
    """The node served users 0.8 s before its start was reported; they had nothing in the old process."""
    history, ann = _restarted(6.8)
    assert sessions_at_risk(facts_of(history)) == {ann}
    findings, _, sessions, _ = run_checks(history)
    assert (sessions.at_risk, sessions.broken) == (1, 1)
    assert share("lost-session", facts_of(history), findings, Scope()) == (1, 1)


def test_undecidable_session_is_counted_wherever_the_fault_was_before_it() -> None:
    """Made when the danger was over, and nobody can tell what became of it: no reason to say all is well."""
    for made_s, expected in ((5.5, 1), (4.0, 1)):
        past = Past()
        past.fault(5.0)
        ann = past.log_in("ann", made_s)
        past.logout(ann, 8.0, outcome="unknown", executed=8.1)
        sessions = run_checks(past.history())[2]
        assert (sessions.at_risk, sessions.undecidable) == (expected, expected)


def test_touch_that_promises_until_the_very_effect_keeps_its_session_at_risk() -> None:
    """Its log-in had promised less; a microsecond earlier it would be over."""
    for touched, at_risk in ((0.999, True), (0.998999, False)):
        past = Past(idle_s=4.0)
        ann = past.log_in("ann", 0.5)
        past.touch(ann, touched)
        past.fault(5.0)
        assert (_at_risk(past) == {ann}) is at_risk
