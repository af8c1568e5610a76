"""Each read judged alone: whose session it is, and whether somebody had written its values by then."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.identity import judge_identity
from harness.model.judgement import Finding
from harness.model.records import Step
from harness.model.words import Cause
from lab.past import Past
from lab.records import us


def _found(past: Past) -> list[Finding]:
    return judge_identity(Timelines(past.history())).findings


def _names(past: Past) -> list[str]:
    return [one.name for one in _found(past)]


def _showed(**fields: str) -> Callable[[Step], None]:
    def forge(step: Step) -> None:
        assert step.saw is not None
        step.saw.update(fields)

    return forge


def _read(forge: Callable[[Step], None] | None = None, at: float = 3.0, **how: Any) -> tuple[Past, str]:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, at, forge=forge, **how)
    return past, ann


# ---------------------------------------------------------------- somebody else's


@pytest.mark.parametrize(
    ("shown", "foreign"),
    [
        ({"sid": "f" * 32, "user_id": "bob", "generation": "9"}, True),
        ({"user_id": "bob"}, True),
        ({"sid": "f" * 32}, True),
        ({"generation": "9"}, True),  # a log-in of somebody else
        ({"generation": "1"}, False),
        ({"generation": ""}, False),
    ],
)
def test_session_of_somebody_else(shown: dict[str, str], foreign: bool) -> None:
    """By its id, its user, or by the log-in that it names."""
    past, _ = _read(_showed(**shown))
    assert (_names(past) == ["foreign-session"]) is foreign
    assert foreign or _names(past) == []


def test_foreign_session_says_whose_it_was() -> None:
    """Once, with every look that got it."""
    past, ann = _read(_showed(sid="f" * 32, user_id="bob", theme="99:theme"))
    past.read(ann, 4.0, forge=_showed(sid="e" * 32, user_id="eve"))
    (found,) = _found(past)
    assert found.sentence == (
        f"web-1 (operation 2) asked for session {ann[:8]} of ann and got the session of bob (ffffffff)."
    )
    assert (found.operations, found.observations, found.cause) == ((1, 2), 2, Cause.NOT_DETERMINED)

    def nameless(step: Step) -> None:
        step.saw = {"generation": "9"}

    past, ann = _read(nameless)
    (found,) = _found(past)
    assert found.sentence.endswith("and got the session of nobody (?).")


@pytest.mark.parametrize(("web", "mixed"), [("web-1", True), ("web-2", False)])
def test_connection_that_mixed_up_its_replies_may_give_anybodys(web: str, mixed: bool) -> None:
    """The same one, whoever's reply it was; another connection explains nothing."""
    past, _ann = _read(_showed(user_id="bob"))
    bob = past.log_in("bob", 1.5, web=web)
    error = "reply-mixed-up: HGETALL answered 1"
    past.read(bob, 2.0, web=web, outcome="unknown", error=error, attempts=[(2.0, None, 2.1)])
    found = {one.name: one for one in _found(past)}
    assert set(found) == {"foreign-session", "reply-mixed-up"}
    foreign = found["foreign-session"]
    assert (foreign.cause is Cause.MIXED_REPLIES) is mixed
    assert foreign.because == ("connection 101 also got an impossible reply" if mixed else "")
    told = found["reply-mixed-up"]
    assert told.sentence == (
        f"{web} got a reply to HGETALL PTTL for bob that this command never gives (operation 4)."
    )
    assert (told.cause, told.because, told.operations) == (Cause.MIXED_REPLIES, error, (4,))


# ---------------------------------------------------------------- nobody's value


@pytest.mark.parametrize(
    ("shown", "names"),
    [
        ({"theme": "99:theme"}, ["unwritten-value"]),
        ({"theme": ""}, ["unwritten-value"]),
        ({"new": "1:theme"}, ["unwritten-value"]),
        ({"theme": "99:theme", "ip": "99:ip"}, ["unwritten-value"] * 2),
        ({}, []),
    ],
)
def test_value_that_nobody_wrote(shown: dict[str, str], names: list[str]) -> None:
    """Each field by itself."""
    past, _ = _read(_showed(**shown))
    assert _names(past) == names


def test_value_that_nobody_wrote_is_shown() -> None:
    """Its beginning, with every look that got it."""
    past, ann = _read(_showed(theme="x" * 61))
    past.read(ann, 4.0, forge=_showed(theme="y"))
    (found,) = _found(past)
    assert found.sentence == (
        f"web-1 (operation 2) read '{'x' * 60}' as theme of session {ann[:8]} of ann, which was never written."
    )
    assert (found.operations, found.observations, found.seen_us) == ((1, 2), 2, us(3.001))


@pytest.mark.parametrize(("sent", "names"), [(3.001, []), (3.001001, ["unwritten-value"])])
def test_value_was_written_once_its_write_was_sent(sent: float, names: list[str]) -> None:
    """The look of [3.0, 3.001] s shows it: at that very moment it may have been executed."""
    past, ann = _read(_showed(theme="3:theme"))
    past.change(ann, sent)
    assert _names(past) == names


def test_value_of_a_write_without_an_answer_was_written_by_somebody() -> None:
    """Of a refused one it was not."""
    for outcome, names in (("unknown", []), ("rejected", ["unwritten-value"])):
        past, ann = _read(_showed(theme="3:theme"))
        past.change(ann, 2.0, outcome=outcome, executed=False)
        assert _names(past) == names


@pytest.mark.parametrize(
    ("total", "names"),
    [("2", []), ("77", []), ("-3", []), ("02", ["unwritten-value"]), ("x", ["unwritten-value"])],
)
def test_total_is_a_number_that_somebody_counted(total: str, names: list[str]) -> None:
    """Which number is right is judged elsewhere; of a field that nobody counts a number is nobody's value."""
    past, ann = _read(_showed(**{"cart:1": total}))
    past.add(ann, 2.0)
    past.read(ann, 2.5)
    assert _names(past) == names
    past, ann = _read(_showed(theme="2"))
    assert _names(past) == ["unwritten-value"]


@pytest.mark.parametrize(("done", "names"), [(0.999999, ["unwritten-value"]), (1.0, [])])
def test_session_that_is_seen_before_its_log_in_was_sent(done: float, names: list[str]) -> None:
    """Nobody had made it by then."""
    whole = {"sid": "00000001" * 4, "user_id": "ann", "generation": "1", "theme": "1:theme"}
    past, _ = _read(lambda step: setattr(step, "saw", whole), at=done, took=0.0)
    found = _found(past)
    assert [one.name for one in found] == names
    if found:
        assert "read '00000001000000010000000100000001' as sid of session" in found[0].sentence


def test_session_of_nobody_known_is_not_judged() -> None:
    """Without any log-in there is nothing that its values could be held against."""
    past, ann = _read(_showed(theme="99:theme"))
    history = past.history()
    history = type(history)(
        **{
            **{
                name: getattr(history, name)
                for name in ("plan", "opening", "connections", "samples", "events")
            },
            "operations": history.operations[1:],
        }
    )
    assert judge_identity(Timelines(history)).findings == []
    assert ann in Timelines(history).sessions


def test_empty_look_shows_no_value() -> None:
    """Absent is judged elsewhere."""
    past, ann = _read()
    past.lose(ann, 2.0)
    assert _names(past) == []
