"""Stories are short, in order, and leave nothing out silently."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from harness.checks.run import run_checks
from harness.checks.verdict.story import WIDTH, session_story, story
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import ForensicEntry, ForensicReading
from lab.past import Past
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


def test_long_line_ends_with_a_whole_word_and_says_so() -> None:
    """What a fault said may be longer than a line; `why` has all of it."""
    past = stories.resurrected()
    history, finding = _first(past)
    said = " ".join(["evicted"] * 40)
    events = tuple(
        msgspec.structs.replace(one, detail=said) if one.name == "effect" else one for one in history.events
    )
    history = replace(history, events=events)
    (line,) = [one for one in story(history, finding) if "evicted" in one]
    assert len(line) <= WIDTH
    assert line.endswith("evicted …")
    assert any(said in one for one in session_story(history, finding.session or ""))


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


def test_story_tells_what_a_node_held_before_it_lost_it() -> None:
    """One line for the node: why it was read then, and the writes that nobody has any more."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    write = past.change(ann, 2.0)
    past.fault(2.5)
    past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    early, late = (
        ForensicEntry(
            reading=n,
            session=ann,
            node="redis-1",
            sent_us=round(at * 1e6),
            done_us=round(at * 1e6) + 100,
            saw={"sid": ann, "user_id": "ann", "generation": "1"},
            witnesses=("1", str(write.id)),
        )
        for n, at in ((1, 3.1), (2, 3.3))
    )
    readings = tuple(
        ForensicReading(n=n, node="redis-1", moment=moment, sent_us=0, done_us=0)
        for n, moment in ((1, "deposed by redis-2"), (2, "demoted"))
    )
    history = replace(past.history(), forensics=(early, late), readings=readings)
    finding = next(one for one in run_checks(history)[0] if one.name == "lost-write")
    for lines in (story(history, finding), session_story(history, ann)):
        (line,) = [one for one in lines if "last look" in one]
        assert line.endswith(f"last look  redis-1 (demoted): present, 2 witnesses, lost since: #{write.id}")
        assert line.split()[0] == "+0.800"
