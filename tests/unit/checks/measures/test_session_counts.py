"""How many sessions came through: each of them is counted as one thing, and only by what is known."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.checks.facts.timelines import Timelines
from harness.checks.measures.session_counts import count_sessions
from harness.checks.run import run_checks
from harness.model.judgement import Finding, SessionCounts
from harness.model.words import FindingSide
from lab.past import Past
from lab.records import us


def _counted(past: Past, *findings: Finding, at_risk: bool | None = True) -> SessionCounts:
    """What the session counts as; all are at risk, or none, or (None) whoever is by the whole judgement."""
    history = past.history()
    if at_risk is None:
        return run_checks(history)[2]
    return count_sessions(
        Timelines(history), findings, {one.sid for one in past.doings} if at_risk else set[str]()
    )


def _one(past: Past, *findings: Finding, at_risk: bool = True) -> str:
    """The one thing that the only session counts as."""
    counts = _counted(past, *findings, at_risk=at_risk)
    assert counts.total == 1
    assert counts.at_risk == counts.intact + counts.broken + counts.undecidable
    found = [name for name in ("intact", "broken", "undecidable") if getattr(counts, name)]
    assert len(found) <= 1
    return found[0] if found else "nothing"


def _past(**how: Any) -> tuple[Past, str]:
    """Ann logs in; a fault of 2.0 s is over at 25.0 s."""
    past = Past(**how)
    ann = past.log_in("ann", 1.0)
    past.fault(2.0)
    return past, ann


def _finding(
    name: str, past: Past, *, seen: float | None = 5.0, operations: tuple[int, ...] = (1,)
) -> Finding:
    return Finding(
        name=name,
        side=FindingSide.CLOSED,
        session=past.doings[0].sid,
        seen_us=None if seen is None else us(seen),
        operations=operations,
    )


def test_session_that_the_audit_found_is_intact() -> None:
    """If it was at risk; one that was not is neither."""
    past, _ = _past()
    assert _one(past) == "intact"
    assert _one(past, at_risk=False) == "nothing"


def test_session_that_was_found_broken_is_broken() -> None:
    """At risk or not, and whatever the audit found; a wrong answer about it breaks nothing."""
    past, _ = _past()
    assert _one(past, _finding("lost-write", past)) == "broken"
    assert _one(past, _finding("lost-write", past), at_risk=False) == "broken"
    assert _one(past, _finding("stale-read", past)) == "intact"
    nobody = Finding(name="lost-write", side=FindingSide.CLOSED)
    assert _one(past, nobody) == "intact"


def test_session_that_its_user_ended_is_intact_without_it() -> None:
    """A logout that was acked before the audit looked."""
    past, ann = _past()
    past.logout(ann, 5.0)
    assert _one(past) == "intact"


@pytest.mark.parametrize(
    ("acked", "what"), [(30.0, "undecidable"), (29.999999, "intact"), (30.5, "undecidable")]
)
def test_logout_that_was_not_over_when_the_audit_looked_decides_nothing(acked: float, what: str) -> None:
    """It may explain what is gone, and so may something else."""
    past, ann = _past()
    past.logout(ann, 5.0, attempts=[(5.0, 29.0, acked)])
    assert _one(past) == what


def test_session_that_nobody_could_read_is_undecidable() -> None:
    """Unless its user had ended it, and the audit is valid; without one nothing is decided."""
    past, ann = _past()
    past.silent = {"redis-1"}
    assert _one(past) == "undecidable"
    past.logout(ann, 5.0)
    assert _one(past) == "intact"
    past.audited = False
    assert _one(past) == "undecidable"


def _created(at: float) -> Past:
    past = Past()
    past.silent = {"redis-1"}
    past.log_in("ann", at, took=0.5)
    past.fault(2.0)
    return past


@pytest.mark.parametrize(("at", "what"), [(1.499999, "nothing"), (1.5, "undecidable"), (9.0, "undecidable")])
def test_session_that_was_not_at_risk_is_undecidable_if_it_was_made_after_the_fault(
    at: float, what: str
) -> None:
    """Acked at the effect or after it; one of before was not alive then."""
    assert _one(_created(at), at_risk=False) == what
    without = _created(at)
    without.events, without.faults = [], ()
    assert _one(without, at_risk=False) == "nothing"


def test_session_whose_logout_nobody_answered_is_undecidable() -> None:
    """It is gone, and that may be why."""
    past, ann = _past()
    past.logout(ann, 5.0, outcome="unknown", executed=5.1)
    assert _one(past) == "undecidable"


def test_session_that_was_never_acked_is_no_session() -> None:
    """Nobody was promised one."""
    past, _ = _past()
    past.log_in("bob", 3.0, outcome="unknown", executed=3.1)
    assert _counted(past).total == 1


def _ran_out(*looks: float, idle: float = 26.0, **how: Any) -> tuple[Past, str]:
    """The session of 1.0 s ends at 1.0 + `idle` s; recovery is over at 25.0 s."""
    past, ann = _past(idle_s=idle, **how)
    for at in looks:
        past.read(ann, at)
    return past, ann


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: _ran_out(26.0), "intact"),
        (lambda: _ran_out(25.000001), "intact"),
        (lambda: _ran_out(25.0), "undecidable"),
        (_ran_out, "undecidable"),
        (lambda: _ran_out(26.0, drift_ms=60.0), "undecidable"),
    ],
)
def test_session_that_has_run_out_is_intact_if_it_was_seen_after_recovery(
    make: Callable[[], tuple[Past, str]], what: str
) -> None:
    """Else it may have been lost before it ran out; and only if the clocks say when it did."""
    past, ann = make()
    past.witnesses = True
    past.act(20.0, lambda: past.stores["redis-1"].witnesses.pop(ann))
    assert _one(past) == what


def test_trace_that_outlives_its_session_shows_that_it_was_not_lost() -> None:
    """It was written in one group with the log-in, and is kept for longer."""
    past, ann = _ran_out()
    assert _one(past) == "intact"
    past.change(ann, 5.0)
    past.act(20.0, lambda: past.stores["redis-1"].witnesses.update({ann: ["3"]}))
    assert _one(past) == "undecidable"


def test_deposed_primary_shows_nothing_of_what_came_through() -> None:
    """It had the session after recovery, and throws it away."""
    past, ann = _ran_out()
    past.act(20.0, lambda: past.stores["redis-2"].witnesses.pop(ann))
    past.cut_off("redis-1", 2.0)
    past.fail_over("redis-2", 3.0, follow=26.9)
    past.read(ann, 26.0, node="redis-1")
    assert _one(past) == "undecidable"
    past.read(ann, 26.5)
    assert _one(past) == "intact"


@pytest.mark.parametrize(("idle", "what"), [(28.9, "undecidable"), (29.051, "undecidable"), (29.3, "intact")])
def test_session_that_may_just_have_run_out(idle: float, what: str) -> None:
    """Within the tolerance around its deadline nobody knows; before it, it was lost, and is found so."""
    past, ann = _past(idle_s=idle)
    past.act(20.0, lambda: past.stores["redis-1"].witnesses.pop(ann))
    if what == "undecidable":
        past.lose(ann, 29.0)
    assert _one(past) == what


def test_sessions_whose_age_ends_during_the_audit_are_intact_if_their_traces_are_there() -> None:
    """They end together, each a little before or after the audit asked for it."""
    past = Past(idle_s=300.0, age_s=28.98)
    past.fault(2.0)
    for n in range(12):
        past.log_in(f"user-{n}", 0.95 + n / 100)
    counts = _counted(past)
    assert (counts.total, counts.intact, counts.undecidable) == (12, 12, 0)
    past.witnesses = False
    assert _counted(past).undecidable > 0


# ---------------------------------------------------------------- who was put out, and who got back in


def _put_out(*findings: Finding, past: Past) -> tuple[int, int]:
    counts = _counted(past, *findings)
    return counts.logged_out, counts.got_back_in


@pytest.mark.parametrize(
    ("name", "out"),
    [
        ("lost-session", 1),
        ("partial-session", 1),
        ("evicted-session", 1),
        ("logged-out-by-outage", 1),
        ("lost-write", 0),
        ("resurrected-session", 0),
    ],
)
def test_user_was_put_out(name: str, out: int) -> None:
    """Once, however often it was found."""
    past, _ = _past()
    assert _put_out(_finding(name, past), _finding(name, past, seen=6.0), past=past) == (out, 0)
    assert _put_out(_finding(name, past, seen=None), past=past) == (0, 0)


@pytest.mark.parametrize(("name", "out"), [("expired-early", 1), ("stale-read", 1), ("lost-write", 0)])
def test_user_who_was_told_that_there_is_no_session_was_put_out(name: str, out: int) -> None:
    """The look that found nothing is the one that the finding tells of."""
    past, ann = _past()
    past.read(ann, 5.0, took=0.0, forge=lambda step: setattr(step, "saw", {}))
    assert _put_out(_finding(name, past), past=past)[0] == out
    assert _put_out(_finding(name, past, seen=5.1), past=past)[0] == 0
    assert _put_out(_finding(name, past, operations=()), past=past)[0] == 0


def test_user_who_was_shown_something_old_is_still_in() -> None:
    """The session was there."""
    past, ann = _past()
    past.read(ann, 5.0, took=0.0)
    assert _put_out(_finding("stale-read", past), past=past) == (0, 0)


@pytest.mark.parametrize(
    ("again", "how", "back"),
    [
        (5.0, {}, 1),
        (9.0, {}, 1),
        (4.999999, {}, 0),
        (6.0, {"outcome": "unknown", "executed": 6.1}, 0),
    ],
)
def test_user_is_back_in_with_another_log_in_that_was_acked(
    again: float, how: dict[str, object], back: int
) -> None:
    """Sent when the user knew of being out."""
    past, _ = _past()
    past.log_in("ann", again, **how)
    assert _put_out(_finding("lost-session", past), past=past) == (1, back)
    assert _put_out(
        _finding("lost-session", past), _finding("evicted-session", past, seen=1.5), past=past
    ) == (
        1,
        1 if not how else 0,
    )


def test_log_in_of_somebody_else_or_of_the_same_session_brings_nobody_back() -> None:
    """It must be this user's, and another session."""
    past, _ = _past()
    past.log_in("bob", 6.0)
    assert _put_out(_finding("lost-session", past), past=past) == (1, 0)


def test_clean_sessions_count_with_the_others() -> None:
    """The screen leaves them out of the index, and nothing can be wrong with them."""
    past, ann = _past()
    past.log_in("bob", 1.5)
    past.log_in("eve", 3.0)
    past.lose(ann, 2.0)
    past.log_in("ann", 6.0)
    counts = _counted(past, at_risk=None)
    assert (counts.total, counts.broken, counts.intact) == (4, 1, 1)
    assert (counts.at_risk, counts.undecidable) == (2, 0)
    assert (counts.logged_out, counts.got_back_in) == (1, 0)


def test_lock_of_a_session_that_nobody_knows_puts_nobody_out() -> None:
    """Its old answer is about no session of the index."""
    past, _ = _past()
    unknown = Finding(
        name="stale-read", side=FindingSide.CLOSED, session="nobody", seen_us=5, operations=(1,)
    )
    assert _put_out(unknown, past=past) == (0, 0)


def test_session_that_is_there_is_intact_whatever_may_have_ended_it() -> None:
    """A logout without an answer was not executed, or not yet; a timeout that may have run out had not."""
    past, ann = _past()
    past.logout(ann, 5.0, outcome="unknown", executed=False)
    assert _one(past) == "intact"
    past, ann = _past(idle_s=28.0)
    past.edit(ann, 2.0, lambda found: setattr(found, "ends_us", 300e6))
    past.act(20.0, lambda: past.stores["redis-1"].witnesses.pop(ann))
    assert _one(past) == "intact"


@pytest.mark.parametrize(
    ("name", "breaks"),
    [
        *((name, True) for name in ("lost-session", "partial-session", "evicted-session", "expired-early")),
        *(
            (name, True)
            for name in ("lost-write", "lost-update", "doubled-update", "torn-state", "ghost-retry")
        ),
        *((name, True) for name in ("resurrected-session", "undone-by-own-write", "escaped-logout")),
        *((name, True) for name in ("outlived-timeout", "immortal-session", "unexplained")),
        *((name, False) for name in ("stale-read", "foreign-session", "index-drift", "lock-held-twice")),
        *((name, False) for name in ("replica-divergence", "refused-login", "logged-out-by-outage")),
    ],
)
def test_finding_breaks_its_session_or_is_a_wrong_answer_about_it(name: str, breaks: bool) -> None:
    """A session that is not what its user was promised is broken; others are still whole."""
    past, _ = _past()
    assert (_one(past, _finding(name, past)) == "broken") is breaks
