"""Stories are short, in order, and leave nothing out silently."""

from __future__ import annotations

from harness.checks import run_checks
from harness.checks.story import session_story, story
from harness.model.history import History
from harness.model.judgement import Finding
from tests.builders_history import Past
from tests.unit.checks import stories


def _first(past: Past) -> tuple[History, Finding]:
    history = past.history()
    return history, run_checks(history)[0][0]


def test_story_tells_promise_break_and_sight() -> None:
    """Who logged out where and when, what happened to the nodes, who got in: relative to the fault."""
    history, finding = _first(stories.resurrected())
    lines = story(history, finding)
    assert len(lines) <= 12
    logout = next(line for line in lines if "logout" in line)
    assert logout.split()[:2] == ["-0.500", "s"]
    assert "web-1" in logout
    assert "redis-1 (primary)" in logout
    assert any("promoted" in line for line in lines)
    assert any("read" in line and "redis-2 (primary)" in line and "saw it present" in line for line in lines)
    times = [float(line.split()[0]) for line in lines if line.lstrip()[0] in "+-"]
    assert times == sorted(times)


def test_long_story_is_cut_and_says_so() -> None:
    """Two hundred reads leave the finding's own lines and a count of the rest."""
    past = stories.resurrected()
    past.sids = 1
    ann = next(iter(past.users))
    for n in range(200):
        past.read(ann, 5.0 + n / 100)
    history, finding = _first(past)
    lines = story(history, finding)
    assert len(lines) == 12
    assert any("logout" in line for line in lines)
    assert "more" in lines[-1]
    whole = session_story(history, ann)
    assert len(whole) > 200


def test_story_of_no_single_session_tells_events() -> None:
    """A finding about the topology still has a story."""
    history, finding = _first(stories.not_recovered())
    lines = story(history, finding)
    assert any("fault took effect" in line for line in lines)


def test_session_is_found_by_the_beginning_of_its_id() -> None:
    """`why RUN SESSION` takes a prefix; one that fits nobody, or several, says so."""
    past = stories.resurrected()
    past.log_in("bob", 1.2)
    history = past.history()
    assert session_story(history, "00000001")[0].endswith("of ann, shard 1")
    assert "no session" in session_story(history, "ffff")[0]
    assert "2 sessions begin with" in session_story(history, "0000000")[0]
