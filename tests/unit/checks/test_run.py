"""The runner: counts, order, crashes, and histories that break off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.checks.facts.timelines import Timelines
from harness.checks.promises import table
from harness.checks.promises.check import Check, Counted
from harness.checks.promises.presence import LOST_SESSION
from harness.checks.promises.table import CHECKS, FINDINGS
from harness.checks.run import _merged, run_checks
from harness.model.judgement import INFINITE, Finding
from harness.model.words import FindingSide
from lab.past import Past
from tests.unit.checks import stories
from tests.unit.checks.stories import BAD, Story


def test_crashed_check_leaves_its_names_without_an_upper_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug in a check is a gap in the evidence: never a pass, and never the end of judging."""

    def crash(timelines: Timelines) -> Counted:
        raise ZeroDivisionError(f"of {len(timelines.sessions)} sessions")

    broken = Check(promise="none", kinds=(LOST_SESSION,), find=crash)
    monkeypatch.setattr(table, "CHECKS", (broken, *table.CHECKS))
    findings, counts, _, crashed = run_checks(stories.resurrected().history())
    assert [one.name for one in findings] == ["resurrected-session"]
    assert counts["lost-session"].high == float("inf")
    assert crashed == ("crash: ZeroDivisionError: of 1 sessions",)


def test_open_findings_come_first() -> None:
    """A security incident stands before everything that is merely lost."""
    past = stories.resurrected()
    ann = past.log_in("bob", 1.6)
    past.change(ann, 1.7)
    sides = [one.side for one in run_checks(past.history())[0]]
    assert sides[0] is FindingSide.OPEN
    assert FindingSide.CLOSED in sides
    assert sides == sorted(sides, key=lambda side: side is not FindingSide.OPEN)


def test_one_broken_promise_is_one_finding() -> None:
    """Ten readers of the same lost update are ten observations of one finding."""
    past = stories.lost_update()
    ann = next(iter(past.users))
    for n in range(9):
        past.read(ann, 4.0 + n)
    findings = run_checks(past.history())[0]
    assert [(one.name, one.observations) for one in findings] == [("lost-update", 11)]  # the audit's too


def test_empty_history_judges_nothing() -> None:
    """No operation, no finding, no crash."""
    findings, _, sessions, crashed = run_checks(Past().history())
    assert findings == []
    assert crashed == ()
    assert sessions.total == 0


def test_sessions_are_counted_by_what_became_of_them() -> None:
    """At risk are those written to under the fault; who came back in is counted too."""
    findings, _, sessions, _ = run_checks(stories.lost_session().history())
    assert [one.name for one in findings] == ["lost-session"]
    assert (sessions.total, sessions.at_risk, sessions.intact, sessions.broken) == (3, 2, 1, 1)
    assert (sessions.logged_out, sessions.got_back_in) == (1, 1)


def test_session_that_may_have_been_logged_out_is_undecidable() -> None:
    """Absent, and a logout whose outcome is unknown may be why: neither intact nor broken."""
    past = Past()
    past.fault(0.5)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, outcome="unknown", executed=2.1)
    _, _, sessions, _ = run_checks(past.history())
    assert (sessions.at_risk, sessions.intact, sessions.broken, sessions.undecidable) == (1, 0, 0, 1)
    assert (sessions.logged_out, sessions.maybe_logged_out) == (0, 1)


def test_evicted_witnesses_leave_lost_writes_open() -> None:
    """Witness lists can be evicted like any key; then what they would show is not known."""
    past = Past()
    past.evicted = [(2.5, "redis-1", 3)]
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    past.act(2.6, past.stores["redis-1"].witnesses.clear)
    findings, counts, _, _ = run_checks(past.history())
    assert findings == []
    assert counts["lost-write"].high == 1


def test_witness_list_begun_anew_after_its_eviction_proves_nothing() -> None:
    """The next write begins another list: what that one does not name is not known, and not lost."""
    past = Past(eviction_events=True)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 1.5)
    past.act(2.0, past.stores["redis-1"].witnesses.clear)
    past.event("evicted", 2.0, source="redis-1", node="redis-1", shard=1, key=f"witness:{{{ann}}}")
    past.change(ann, 3.0)
    findings, counts, _, _ = run_checks(past.history())
    assert findings == []
    assert (counts["lost-write"].low, counts["lost-write"].high) == (0, 1)


def test_session_that_timed_out_after_its_last_acked_touch_is_intact() -> None:
    """A touch without an answer promises nothing: what is absent after the last promise is in order."""
    past = Past(idle_s=4.0)
    past.fault(0.5)
    past.fail_over("redis-2", 1.5)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.0, outcome="unknown", executed=False)
    _, _, sessions, _ = run_checks(past.history())
    assert (sessions.at_risk, sessions.intact, sessions.undecidable) == (1, 1, 0)


def test_touch_that_finds_nothing_is_one_observation() -> None:
    """It reads and it touches, and sees the same absence twice."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 2.0)
    past.touch(ann, 3.0)
    findings = run_checks(past.history())[0]
    assert [(one.name, one.observations) for one in findings] == [("lost-session", 2)]  # and the audit


def test_old_answer_just_before_a_logout_is_a_stale_read() -> None:
    """Nobody looked again, but the addition left its trace: it was not lost."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.read(ann, 3.0, forge=lambda step: (step.saw or {}).pop("cart:1"))
    past.logout(ann, 4.0)
    assert [one.name for one in run_checks(past.history())[0]] == ["stale-read"]


def test_lost_update_is_said_to_be_acked_only_if_it_was() -> None:
    """A write without an answer that was seen and then gone is lost as well; nobody had been promised it."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, outcome="unknown")
    past.read(ann, 3.0)
    past.edit(ann, 3.5, lambda found: found.fields.update(theme=f"{past.logins[ann]}:theme"))
    past.read(ann, 4.0)
    (found,) = run_checks(past.history())[0]
    assert found.name == "lost-update"
    assert "which had been read and did not appear again" in found.sentence


def test_old_answer_while_a_logout_is_under_way_is_a_stale_read() -> None:
    """It found the session, so what it was shown must not be older than what was acked before."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    old = f"{past.logins[ann]}:theme"
    past.read(ann, 4.0, took=1.0, executed=4.1, forge=lambda step: (step.saw or {}).update(theme=old))
    past.logout(ann, 4.2)
    assert [one.name for one in run_checks(past.history())[0]] == ["stale-read"]


# ---------------------------------------------------------------- crashes, merging, the horizon

TOLD = [(name, story) for name, told in BAD.items() for story in told]


def _crash(_: Timelines, *__: object) -> Counted:
    raise ZeroDivisionError("x")


@pytest.mark.parametrize(("name", "story"), TOLD, ids=[f"{name}: {story.__name__}" for name, story in TOLD])
def test_check_that_crashes_leaves_open_all_that_it_makes(
    name: str, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it would have made of this story has no upper bound; nothing else is open."""
    history = story().history()
    timelines = Timelines(history)
    makers = [check for check in CHECKS if any(one.name == name for one in check.find(timelines).findings)]
    whole = run_checks(history)[1]
    for maker in makers:
        made = {one.name for one in maker.find(timelines).findings}
        broken = [replace(one, find=_crash) if one is maker else one for one in CHECKS]
        monkeypatch.setattr("harness.checks.promises.table.CHECKS", tuple(broken))
        _, counts, _, crashed = run_checks(history)
        assert crashed == ("_crash: ZeroDivisionError: x",)
        assert {one for one in made if counts[one].high < INFINITE} == set()
        makes = {kind.name for kind in maker.kinds}
        others = [one for one, count in whole.items() if one not in makes and count.high == 0]
        assert all(counts[one].high < INFINITE for one in others)
    assert makers or name in {"over-budget", "unexplained"}


def _finding(name: str = "lost-write", **about: Any) -> Finding:
    known: dict[str, object] = {
        "side": FINDINGS[name].side,
        "session": "s",
        "operations": (1, 2),
        "seen_us": 5,
        **about,
    }
    return Finding(name=name, **known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        ({}, {"seen_us": 9}, True),
        ({}, {"operations": (1, 3)}, True),
        ({}, {"operations": (2, 1)}, False),
        ({}, {"session": "t"}, False),
        ({}, {"name": "lost-update"}, False),
        ({"name": "stale-read"}, {"name": "stale-read", "operations": (2,)}, True),
        ({"name": "expired-early"}, {"name": "expired-early", "operations": (2,)}, True),
        ({"session": None, "sentence": "x"}, {"session": None, "sentence": "y"}, False),
        ({"session": None, "sentence": "x"}, {"session": None, "sentence": "x"}, True),
        ({"sentence": "x"}, {"sentence": "y"}, True),
    ],
)
def test_one_promise_is_broken_once(
    first: dict[str, object], second: dict[str, object], merged: bool
) -> None:
    """By name, session and the promise's operation; of two that met it the one that was seen first is told."""
    one, other = _finding(**first), _finding(**second)  # type: ignore[arg-type]
    found = _merged([other, one])
    assert len(found) == (1 if merged else 2)
    if merged:
        assert found[0].observations == 2
        assert found[0].seen_us == 5


@pytest.mark.parametrize(
    ("seen", "proved"),
    [(28.95, True), (28.950001, False), (None, True)],
)
def test_what_was_seen_when_the_harness_died_is_not_proved(seen: float | None, proved: bool) -> None:
    """Operations in flight then were never written down: they may explain it, so it may be or not."""
    past = Past(complete=False, audited=False)
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 2.0)
    at = 5.0 if seen is None else seen
    past.read(ann, at, took=0.0)
    findings, counts, _, _ = run_checks(past.history())
    assert [one.name for one in findings] == (["lost-session"] if proved else [])
    assert counts["lost-session"].low == (1 if proved else 0)
    assert counts["lost-session"].high >= 1
