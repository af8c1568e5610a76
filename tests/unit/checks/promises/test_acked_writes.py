"""What a session's list of traces proves: a trace that is missing, there twice, out of order, or of nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.acked_writes import judge_witnesses, twice
from harness.checks.run import run_checks
from harness.model.judgement import Finding
from harness.model.records import Step
from harness.model.words import Cause
from lab.past import Past


def _lost(past: Past) -> tuple[list[int], int]:
    """The operations whose writes are lost, and how many more may be."""
    counted = judge_witnesses(Timelines(past.history()))
    lost = [one.operations[0] for one in counted.findings if one.name == "lost-write"]
    return lost, counted.undecidable.get("lost-write", 0)


def _found(past: Past, name: str) -> list[Finding]:
    return [one for one in judge_witnesses(Timelines(past.history())).findings if one.name == name]


# ---------------------------------------------------------------- lists that may have been evicted


def _evicting(at: float = 2.0, *, log_in: float = 1.0, events: bool = False) -> tuple[Past, str]:
    """The node evicts a key at 2 s, and says how many, or which."""
    past = Past(eviction_events=events)
    past.evicted = [(at, "redis-1", 1)]
    return past, past.log_in("ann", log_in)


def _list_goes(past: Past, sid: str, at: float) -> None:
    past.act(at, lambda: past.stores["redis-1"].witnesses.pop(sid))


def _evicted(past: Past, key: str, at: float = 2.0) -> None:
    past.event("evicted", at, source="redis-1", node="redis-1", shard=1, key=key)


def test_list_that_the_log_in_began_was_never_evicted() -> None:
    """The log-in's own trace is there: whatever else is missing was lost."""
    past, ann = _evicting()
    past.change(ann, 1.5, lost=True)
    past.change(ann, 3.0)
    assert _lost(past) == ([2], 0)


def test_list_that_was_begun_anew_proves_nothing_about_what_was_before() -> None:
    """It may have been evicted in between: nothing is proved, and nothing ruled out."""
    past, ann = _evicting()
    past.change(ann, 1.5)
    past.change(ann, 1.6)
    _list_goes(past, ann, 2.0)
    past.change(ann, 3.0)
    assert _lost(past) == ([], 2)


def test_node_that_evicted_nothing_since_the_log_in_cannot_have_evicted_the_list() -> None:
    """What it evicted before was something else."""
    past, ann = _evicting(0.5)
    past.change(ann, 1.5)
    _list_goes(past, ann, 2.0)
    past.change(ann, 3.0)
    assert _lost(past) == ([2], 0)


def test_first_of_two_log_ins_begins_the_time_in_which_the_list_may_have_been_evicted() -> None:
    """A second one, without an answer, does not make what was evicted before it somebody else's."""
    past, ann = _evicting()
    past.change(ann, 1.5)
    _list_goes(past, ann, 2.0)
    past.log_in("ann", 2.5, outcome="unknown", executed=False)
    past.doings[-1].sid = ann
    past.change(ann, 3.0)
    assert _lost(past) == ([], 1)


def test_listener_that_heard_every_eviction_and_not_of_this_list() -> None:
    """Then it was not evicted."""
    past, ann = _evicting(events=True)
    past.change(ann, 1.5)
    _list_goes(past, ann, 2.0)
    past.change(ann, 3.0)
    assert _lost(past) == ([2], 0)
    _evicted(past, f"witness:{{{ann}}}")
    assert _lost(past) == ([], 1)


def test_writes_of_a_session_that_was_evicted_went_with_it() -> None:
    """That is a finding of its own: neither they nor anything else of them is open."""
    past, ann = _evicting(events=True)
    past.change(ann, 1.5)
    _list_goes(past, ann, 2.0)
    past.change(ann, 3.0)
    _evicted(past, f"session:{{{ann}}}")
    assert _lost(past) == ([], 0)


def test_session_that_nobody_could_read_leaves_every_acked_write_open() -> None:
    """Those that were not acked promise nothing."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    past.add(ann, 3.0)
    past.change(ann, 4.0, outcome="unknown", executed=False)
    past.silent = {"redis-1"}
    assert _lost(past) == ([], 2)


def test_run_without_traces_proves_nothing_by_them() -> None:
    """Switched off, nothing is lost by a list, and nothing is left open by it."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, lost=True)
    assert _lost(past) == ([], 0)


def test_lost_write_names_what_it_wrote() -> None:
    """Fields, items that were added and items that were taken out; the log-in and the logout are no writes."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, "ip", "agent", lost=True)
    past.add(ann, 2.1, lost=True)
    past.remove(ann, 2.2, "cart:7", lost=True)
    sentences = [one.sentence for one in _found(past, "lost-write")]
    assert sentences == [
        (
            f"Operation 2 (change-field: ip, agent) on session {ann[:8]} of ann was acked;"
            " the audit of redis-1 found no trace of it."
        ),
        (
            f"Operation 3 (cart: cart:1) on session {ann[:8]} of ann was acked;"
            " the audit of redis-1 found no trace of it."
        ),
        (
            f"Operation 4 (cart: cart:7) on session {ann[:8]} of ann was acked;"
            " the audit of redis-1 found no trace of it."
        ),
    ]


# ---------------------------------------------------------------- traces that are there twice


def _written(past: Past, sid: str, *traces: str) -> None:
    """What the list says at last."""
    past.act(20.0, lambda: past.stores["redis-1"].witnesses.update({sid: list(traces)}))


def test_increment_is_there_more_often_than_it_was_asked_for() -> None:
    """A change of a field may be there twice and has changed nothing; so may one that nobody asked for."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0)
    past.change(ann, 3.0)
    past.add(ann, 4.0)
    _written(past, ann, "1", "2", "3", "3", "2", "2", "4", "9", "9")
    (timeline,) = Timelines(past.history()).sessions.values()
    assert [(effect.operation.id, times) for effect, times in twice(timeline)] == [(2, 3)]


def test_increments_that_are_there_once_each_are_no_more_than_asked_for() -> None:
    """Nor is anything where no list was left."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0)
    (timeline,) = Timelines(past.history()).sessions.values()
    assert twice(timeline) == []
    past.silent = {"redis-1"}
    (timeline,) = Timelines(past.history()).sessions.values()
    assert twice(timeline) == []


def _ghosts(
    *traces: str, resent: bool = True, newer: float = 3.0, field: str = "theme", outcome: str = "acked"
) -> list[Finding]:
    """Operation 2 writes the theme in [2.0, 2.5], operation 3 something at `newer`; the list says these."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    first = [(2.0, 2.1, None), (2.4, 2.45, 2.5)] if resent else [(2.0, 2.1, 2.5)]
    past.change(ann, 2.0, attempts=first)
    past.change(ann, newer, field, outcome=outcome)
    _written(past, ann, *traces)
    return _found(past, "ghost-retry")


def test_old_attempt_that_was_executed_after_something_newer() -> None:
    """The newer one is the broken promise, and the old one's client sent it twice."""
    (found,) = _ghosts("1", "2", "3", "2")
    assert found.operations == (3, 2)
    assert found.cause is Cause.CLIENT_RETRY
    assert found.because == "operation 2 was executed 2 times, the last after 3"
    (found,) = _ghosts("1", "2", "3", "2", "2")
    assert found.because == "operation 2 was executed 3 times, the last after 3"


def test_old_write_that_was_sent_once_was_not_repeated_by_its_client() -> None:
    """It is there again, and nobody knows why."""
    (found,) = _ghosts("1", "2", "3", "2", resent=False)
    assert found.cause is Cause.NOT_DETERMINED


@pytest.mark.parametrize(
    "harmless",
    [
        lambda: _ghosts("1", "2", "3"),
        lambda: _ghosts("1", "2", "2", "3"),
        lambda: _ghosts("1", "2", "2", "3", "4"),
        lambda: _ghosts("1", "3", "2", "2"),
        lambda: _ghosts("1", "2", "3", "2", field="ip"),
        lambda: _ghosts("1", "2", "3", "2", outcome="unknown"),
        lambda: _ghosts("1", "2", "3", "2", newer=2.5),
        lambda: _ghosts("1", "2", "1", "2"),
    ],
)
def test_repeated_write_that_harms_nobody(harmless: Callable[[], list[Finding]]) -> None:
    """Nothing newer of the same field lies between its first and its last execution."""
    assert harmless() == []


def test_write_is_newer_from_the_first_moment_after_the_ack() -> None:
    """One microsecond decides: sent when the old one was acked it is concurrent with it."""
    assert len(_ghosts("1", "2", "3", "2", newer=2.500001)) == 1


# ---------------------------------------------------------------- traces that nothing explains


def _named(step: Step) -> None:
    step.witness = "2"


def _turned_away(step: Step) -> None:
    step.witness, step.effective = "2", False


@pytest.mark.parametrize(("traces", "found"), [(("1", "2"), 1), (("1",), 0)])
def test_trace_of_a_refused_write(traces: tuple[str, ...], found: int) -> None:
    """What the node refused, and yet did."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, outcome="rejected", executed=False, error="READONLY x", forge=_named)
    _written(past, ann, *traces)
    impossible = _found(past, "unexplained")
    assert [one.operations for one in impossible] == [(2,)] * found
    assert all("was refused (READONLY x), but session" in one.sentence for one in impossible)


@pytest.mark.parametrize(("traces", "found"), [(("1", "2"), 1), (("1",), 0)])
def test_trace_of_a_write_that_was_told_there_was_no_session(traces: tuple[str, ...], found: int) -> None:
    """The guard of a write answered that nothing was there, and the write is there."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, lost=True, forge=_turned_away)
    _written(past, ann, *traces)
    impossible = _found(past, "unexplained")
    assert [one.operations for one in impossible] == [(2,)] * found
    assert all("got the answer that there was no session, but session" in one.sentence for one in impossible)


def _ordered(*traces: str, second: float = 2.0, **how: Any) -> list[Finding]:
    """Operations 2, 3, 4 change a field at 1.5 s (done at 1.501), `second` and 3.0 s; the list says these."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 1.5)
    past.change(ann, second, **how)
    past.change(ann, 3.0)
    _written(past, ann, *traces)
    return _found(past, "unexplained")


def test_write_that_was_executed_after_one_that_was_sent_later() -> None:
    """Once per session: the first that is out of order."""
    (found,) = _ordered("1", "3", "2", "4")
    assert found.operations == (2, 3)
    assert "Operation 2 was done before operation 3 was sent" in found.sentence
    (found,) = _ordered("1", "4", "3", "2")
    assert found.operations == (3, 4)
    (found,) = _ordered("1", "3", "4", "2")
    assert found.operations == (2, 4)


@pytest.mark.parametrize(
    "in_order",
    [
        lambda: _ordered("1", "2", "3", "4"),
        lambda: _ordered("2", "3", "4"),
        lambda: _ordered("1", "3", "2", "4", second=1.501),
        lambda: _ordered("1", "3", "2", "4", outcome="unknown"),
        lambda: _ordered("1", "3", "2", "4", attempts=[(2.0, None, None), (2.4, 2.45, 2.5)]),
        lambda: _ordered("1", "2", "3", "4", "2"),
        lambda: _ordered("1", "9", "2", "3", "4"),
    ],
)
def test_order_that_can_be(in_order: Callable[[], list[Finding]]) -> None:
    """Of writes that overlap, that were tried more than once, or whose outcome nobody knows, any order can."""
    assert in_order() == []


def test_one_microsecond_makes_an_order() -> None:
    """Sent right after the other was acked."""
    assert len(_ordered("1", "3", "2", "4", second=1.501001)) == 1


def test_writes_of_every_session_are_judged() -> None:
    """Also where another session cannot be read."""
    past = Past()
    ann, bob = past.log_in("ann", 1.0), past.log_in("bob", 1.1)
    past.change(ann, 2.0, lost=True)
    past.change(bob, 2.0, lost=True)
    findings = run_checks(past.history())[0]
    assert {one.session for one in findings if one.name == "lost-write"} == {ann, bob}
    assert all(one.operations[0] in {3, 4} for one in findings)
