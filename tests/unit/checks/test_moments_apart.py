"""What came first decides: a history on each side of the moments that excuse, explain or count."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from harness.checks.facts.timelines import Timelines
from harness.checks.run import run_checks
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.words import Cause, StepKind
from lab.past import Past
from lab.records import us


def _found(past: Past | History) -> dict[str, Finding]:
    history = past.history() if isinstance(past, Past) else past
    return {one.name: one for one in run_checks(history)[0]}


# ---------------------------------------------------------------- evictions are counted under one owner


def _evictions(*owners: tuple[str, float]) -> Past:
    """One key of redis-1 is evicted at 2.0 s."""
    past = Past(end_s=12.0)
    past.evicted = [(2.0, "redis-1", 1)]
    for node, at in owners:
        past.fail_over(node, at)
    return past


@pytest.mark.parametrize(
    ("owners", "count"),
    [
        ((), 1),
        ((("redis-2", 1.3), ("redis-1", 1.6)), 0),
        ((("redis-2", 0.2), ("redis-1", 0.6)), 1),
        ((("redis-2", 3.5),), 1),
        ((("redis-2", 2.5),), 0),
    ],
)
def test_evictions_count_only_while_the_shard_keeps_its_owner(
    owners: tuple[tuple[str, float], ...], count: int
) -> None:
    """Between two moments, with no change of roles meanwhile: a counter of another node says nothing."""
    timelines = Timelines(_evictions(*owners).history())
    assert timelines.ownership.evicted_between(1, us(1.0), us(3.0))[1] == count


def test_evictions_count_only_between_the_two_moments() -> None:
    """A key that was evicted before, or only after, is not one of these."""
    nodes = Timelines(_evictions().history()).ownership
    assert nodes.evicted_between(1, us(2.2), us(3.0)) == ("redis-1-life-0", 0)
    assert nodes.evicted_between(1, us(1.0), us(1.8)) == ("redis-1-life-0", 0)
    assert nodes.evicted_between(1, us(1.9), us(2.1)) == ("redis-1-life-0", 1)


def test_evictions_are_those_of_one_process() -> None:
    """A node that was started again counts from none."""
    past = _evictions()
    past.come_back_empty(2.5)
    nodes = Timelines(past.history()).ownership
    assert nodes.evicted_between(1, us(1.0), us(3.0)) == ("", 0)
    assert nodes.evicted_between(1, us(1.0), us(2.2)) == ("redis-1-life-0", 1)


@pytest.mark.parametrize(("memory", "counted"), [({"memory_bytes": 50}, 1), ({"memory_limit_bytes": 0}, 0)])
def test_evictions_need_a_limit_and_no_sample_that_shows_full_memory(
    memory: dict[str, int], counted: int
) -> None:
    """Buffers of many connections are gone again before anybody looks; without a limit nothing is evicted."""
    history = _evictions().history()
    samples = tuple(changed(one, **memory) for one in history.samples)
    timelines = Timelines(replace(history, samples=samples))
    assert timelines.ownership.evicted_between(1, us(1.0), us(3.0)) == ("redis-1-life-0", counted)


# ---------------------------------------------------------------- a deadline that is still open


def _told(engine: str, pttl_ms: int) -> dict[str, Finding]:
    """A touch at 2.0 s was never answered nor proved over; a look at 3.0 s is told a time to live."""
    past = Past(idle_s=4.0, end_s=20.0, engine=engine)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.0, outcome="unknown", executed=False)
    past.read(ann, 3.0, forge=lambda step: setattr(step, "pttl_ms", pttl_ms))
    past.logout(ann, 3.5)
    return _found(past)


@pytest.mark.parametrize("engine", ["Redis 6.2.14", "Redis 7.0.15"])
def test_open_touch_explains_no_more_than_a_touch_at_that_very_moment(engine: str) -> None:
    """It may have been executed at any moment until the look was answered, and not after it."""
    assert "outlived-timeout" not in _told(engine, 3990)
    assert "outlived-timeout" in _told(engine, 9000)


# ---------------------------------------------------------------- who was listed before the call


def _listed_at(at: float) -> dict[str, Finding]:
    """The log-in at 1.1 s is entered into the user's list at this second; logout everywhere at 2.0 s misses it."""
    past = Past()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.act(1.5, lambda: past.stores["redis-1"].indexes["ann"].discard(other))
    past.logout_everywhere(ann, 2.0)
    past.read(other, 3.0)
    history = past.history()
    operations = list(history.operations)
    n = next(n for n, one in enumerate(operations) if one.session == other and one.kind == "login")
    login = operations[n]
    (entered,) = [one for one in login.steps if one.does is StepKind.INDEX_ADD]
    attempt = changed(
        login.attempts[0],
        n=2,
        steps=(entered.n,),
        sent_us=us(at - 0.001),
        done_us=us(at),
    )
    later = changed(entered, attempts=(2,), sent_us=us(at - 0.001), done_us=us(at))
    first = changed(login.attempts[0], steps=tuple(one.n for one in login.steps if one is not entered))
    operations[n] = changed(
        login,
        steps=tuple(later if one is entered else one for one in login.steps),
        attempts=(first, attempt),
        done_us=us(at),
    )
    return _found(replace(history, operations=tuple(operations)))


def test_session_that_was_not_listed_before_the_call_did_not_escape_it() -> None:
    """Logout everywhere promises to end those that were in the list when it was asked."""
    assert "escaped-logout" in _listed_at(1.2)
    assert "escaped-logout" in _listed_at(1.999)
    assert "escaped-logout" not in _listed_at(2.0)
    assert "escaped-logout" not in _listed_at(2.5)


# ---------------------------------------------------------------- a flush between the write and the look


def _flush(at: float) -> Finding:
    """Ann logs in at 2.0 s, is lost at 3.0 s, and is missed at 4.0 s."""
    past = Past()
    ann = past.log_in("ann", 2.0)
    past.fault(at, "redis-1: FLUSHDB", kind="flush", target="sessions", scope="database")
    past.lose(ann, 3.0)
    past.read(ann, 4.0)
    return _found(past)["lost-session"]


@pytest.mark.parametrize(
    ("at", "cause"),
    [
        (1.0, Cause.NOT_DETERMINED),
        (1.99, Cause.NOT_DETERMINED),
        (2.5, Cause.FLUSHED),
        (3.9, Cause.FLUSHED),
        (4.5, Cause.NOT_DETERMINED),
    ],
)
def test_flush_explains_only_what_was_written_before_and_missed_after(at: float, cause: Cause) -> None:
    """One before the write took nothing of it; one after the look came too late."""
    assert _flush(at).cause is cause
