"""Fields that are overwritten: which write a look had to show, and what an old or a mixed value means."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.fields import is_total, judge_registers
from harness.model.judgement import Finding
from harness.model.records import Step
from harness.model.words import Cause
from lab.past import Past


def _found(past: Past) -> list[Finding]:
    return judge_registers(Timelines(past.history())).findings


def _names(past: Past) -> list[str]:
    return [one.name for one in _found(past)]


def _showed(**fields: str) -> Callable[[Step], None]:
    def forge(step: Step) -> None:
        assert step.saw is not None
        step.saw.update(fields)

    return forge


def _lacked(*names: str) -> Callable[[Step], None]:
    def forge(step: Step) -> None:
        assert step.saw is not None
        for name in names:
            step.saw.pop(name)

    return forge


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("0", True),
        ("7", True),
        ("-7", True),
        ("10", True),
        ("9223372036854775807", True),
        ("9223372036854775808", False),
        ("-9223372036854775808", True),
        ("-9223372036854775809", False),
        ("", False),
        ("-0", False),
        ("07", False),
        ("1.0", False),
        ("1 ", False),
        ("1:theme", False),
        ("٣", False),
    ],
)
def test_total_is_a_number_as_the_server_writes_it(text: str, whole: bool) -> None:
    """A whole number of 64 bits in its shortest form."""
    assert is_total(text) is whole


# ---------------------------------------------------------------- old values


def _old(look: float = 3.0, *, write: float = 2.0, took: float = 0.5, again: bool = True, **how: Any) -> Past:
    """A change in [2.0, 2.5] s; a look is shown what was there before; one that is not at 5.0 s."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, write, took=took)
    past.read(ann, look, took=0.1, forge=_showed(theme="1:theme"), **how)
    if again:
        past.read(ann, 5.0)
    return past


@pytest.mark.parametrize(("look", "names"), [(2.5, []), (2.500001, ["stale-read"])])
def test_look_must_show_what_was_acked_before_it_was_sent(look: float, names: list[str]) -> None:
    """At the very moment of the ack either may be shown."""
    assert _names(_old(look)) == names


def test_old_value_that_gives_way_again_was_an_old_answer() -> None:
    """With everybody who was shown it."""
    past = _old()
    past.read(past.doings[0].sid, 4.0, forge=_showed(theme="1:theme"))
    (found,) = _found(past)
    sid = (found.session or "")[:8]
    assert found.sentence == (
        f"web-1 (operation 3) read an old theme of session {sid} of ann: operation 2 had changed it before."
    )
    assert (found.operations, found.observations) == ((2, 3), 2)


def test_old_value_that_nobody_was_ever_shown_otherwise_is_a_lost_update() -> None:
    """Up to the last look at it."""
    past = _old(again=False)
    past.edit(past.doings[0].sid, 2.8, lambda found: found.fields.update(theme="1:theme"))
    (found,) = _found(past)
    sid = (found.session or "")[:8]
    assert found.sentence == (
        f"web-1 (operation 3) read theme of session {sid} of ann as it was before operation 2, which was acked and"
        " did not appear again."
    )
    assert (found.name, found.operations, found.observations) == ("lost-update", (2, 3), 2)


def test_value_that_was_seen_must_be_shown_from_then_on() -> None:
    """Of a write without an answer: who was shown it knows that it happened."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, outcome="unknown", executed=2.1, closed=2.2)
    past.read(ann, 3.0, took=0.5)
    past.read(ann, 3.5, took=0.1, forge=_showed(theme="1:theme"))  # at the same moment: either
    past.read(ann, 4.5)
    assert _names(past) == []
    past.read(ann, 4.0, took=0.1, forge=_showed(theme="1:theme"))
    assert _names(past) == ["stale-read"]
    past.edit(ann, 3.9, lambda found: found.fields.update(theme="1:theme"))
    (found,) = _found(past)
    assert found.name == "lost-update"
    assert "which had been read and did not appear again" in found.sentence


@pytest.mark.parametrize(("second", "names"), [(2.5, []), (2.500001, ["stale-read"])])
def test_overlapping_writes_have_no_order(second: float, names: list[str]) -> None:
    """Sent at the moment at which the other was acked: either may be the last."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, took=0.5)
    past.change(ann, second, took=0.5)
    past.read(ann, 3.5, took=0.1, forge=_showed(theme="2:theme"))
    past.read(ann, 5.0)
    assert _names(past) == names


def test_value_that_nobody_wrote_is_not_judged_here() -> None:
    """It has a name of its own."""
    past = _old(again=False)
    past.forged[3] = _showed(theme="99:theme")
    past.doings[2].attempts = [(3.0, 3.05, 3.1)]
    assert _names(past) == []


def test_deposed_primary_proves_neither_loss_nor_survival() -> None:
    """What it shows is thrown away; shown by it alone, a write was lost all the same."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    past.change(ann, 2.0)
    past.fail_over("redis-2", 3.0, follow=20.0)
    past.read(ann, 4.0)
    past.read(ann, 5.0, node="redis-1")
    (found,) = _found(past)
    assert (found.name, found.cause) == ("lost-update", Cause.NOT_YET_REPLICATED)


# ---------------------------------------------------------------- fields that are gone


def test_field_that_only_the_log_in_wrote_must_not_vanish() -> None:
    """Seen again later it was an old answer, else it is lost."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, forge=_lacked("ip"))
    past.read(ann, 3.0)
    (found,) = _found(past)
    assert (found.name, found.operations) == ("stale-read", (1, 2))
    past.edit(ann, 1.5, lambda kept: kept.fields.pop("ip"))
    past.forged.clear()
    (found,) = _found(past)
    assert (found.name, found.observations) == ("lost-update", 3)


def test_identity_is_not_judged_as_a_field() -> None:
    """Without it there is no session, which has names of its own."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, forge=_showed(generation="9"))
    past.read(ann, 3.0, forge=_lacked("generation"))
    assert _names(past) == []


@pytest.mark.parametrize(
    ("removal", "names"),
    [
        ({}, []),
        ({"outcome": "unknown", "executed": False}, []),  # it may be about to happen
        ({"outcome": "unknown", "executed": False, "closed": 2.3}, []),
        ({"outcome": "unknown", "executed": False, "closed": 1.999999}, ["stale-read"]),
    ],
)
def test_field_that_was_taken_out_may_be_gone(removal: dict[str, object], names: list[str]) -> None:
    """By a removal that may have come after the write."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, took=0.1)
    past.remove(ann, 1.9 if removal else 2.2, "theme", **removal)
    past.read(ann, 3.0, forge=_missing)
    past.edit(ann, 3.5, lambda found: found.fields.update(theme="2:theme"))
    past.read(ann, 4.0)
    if not removal:
        past.doings[3].attempts = [(3.0, 3.1, 3.2)]
        past.read(ann, 3.3)
        past.act(3.4, lambda: None)
        past.doings[4].attempts = [(2.15, 2.16, 2.17)]
        past.acts = [one for one in past.acts if one[0] != 3.5]
    assert _names(past) == names


def _missing(step: Step) -> None:
    assert step.saw is not None
    step.saw.pop("theme", None)


# ---------------------------------------------------------------- parts of one write


def _torn(**shown: str) -> Past:
    """One change of two fields; a look shows these of it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, "ip", "agent")
    past.read(ann, 3.0, forge=_showed(**shown))
    past.read(ann, 4.0)
    return past


def test_part_of_a_write_was_seen() -> None:
    """One field new and the other old: once, with everybody who saw it."""
    past = _torn(agent="1:agent")
    past.read(past.doings[0].sid, 3.5, forge=_showed(agent="1:agent"))
    (found,) = _found(past)
    sid = (found.session or "")[:8]
    assert found.sentence == (
        f"web-1 (operation 3) saw only a part of the values that one write (operation 2) wrote to session {sid} of ann."
    )
    assert (found.name, found.operations, found.observations) == ("torn-state", (2, 3), 2)


@pytest.mark.parametrize(("second", "names"), [(2.5, []), (2.500001, [])])
def test_newer_value_of_one_field_tears_nothing(second: float, names: list[str]) -> None:
    """The other still shows what both were."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, "ip", "agent", took=0.5)
    past.change(ann, second, "ip", took=0.5)
    past.read(ann, 4.0)
    assert _names(past) == names


@pytest.mark.parametrize(("second", "names"), [(1.5, []), (1.500001, ["torn-state"])])
def test_older_value_tears_a_write_if_it_was_over_before(second: float, names: list[str]) -> None:
    """A write of one field that overlaps the one of both may have come second."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 1.2, "agent", took=0.3)
    past.change(ann, second, "ip", "agent", took=0.3)
    past.read(ann, 3.0, forge=_showed(agent="2:agent"))
    past.read(ann, 4.0)
    assert [one for one in _names(past) if one == "torn-state"] == names


def test_two_writes_of_both_fields_cannot_both_show() -> None:
    """Whichever came second has overwritten the other whole, also where they overlap."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, "ip", "agent", attempts=[(2.0, 2.2, 2.5)])
    past.change(ann, 2.1, "ip", "agent", attempts=[(2.1, 2.3, 2.5)])
    past.read(ann, 3.0, forge=_showed(ip="2:ip"))
    past.read(ann, 4.0)
    (found,) = _found(past)
    assert (found.name, found.operations) == ("torn-state", (3, 4))


# ---------------------------------------------------------------- late attempts


def _late(
    landed: float | None, *, witnesses: bool = False, second: float = 3.0, over: float | None = None
) -> Past:
    """The first attempt of a change is executed at `landed`, after a second change was acked."""
    past = Past(witnesses=witnesses)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, landed, None), (2.4, 2.41, 2.42)], closed=over)
    past.change(ann, second)
    past.read(ann, 5.0)
    return past


def test_attempt_without_an_answer_that_landed_late() -> None:
    """It overwrote what was acked after it."""
    (found,) = _found(_late(4.0))
    assert (found.name, found.cause, found.operations) == ("ghost-retry", Cause.CLIENT_RETRY, (3, 2, 4))
    assert found.because == (
        "operation 2 was sent 2 times; an attempt without a reply was executed after operation 3"
    )
    sid = (found.session or "")[:8]
    assert found.sentence == (
        f"web-1 (operation 4) read what operation 2 wrote to session {sid} of ann in place of a later acked write:"
        f" {found.because}."
    )
    assert found.observations == 2


@pytest.mark.parametrize(("over", "name"), [(3.0, "ghost-retry"), (2.999999, "lost-update")])
def test_attempt_that_was_over_before_the_newer_write_did_not_overwrite_it(over: float, name: str) -> None:
    """Something else did."""
    past = _late(None, over=over)
    past.edit(past.doings[0].sid, 4.0, lambda found: found.fields.update(theme="2:theme"))
    assert _names(past) == [name]


def test_traces_tell_whether_the_late_attempt_came_after_the_newer_write() -> None:
    """They are in the order of execution; without the newer write's own, it was lost."""
    assert _names(_late(4.0, witnesses=True)) == ["ghost-retry"]
    for traces, name in (
        (["1", "2", "3", "2"], "ghost-retry"),
        (["1", "2", "2", "3"], "lost-update"),
        (["1", "2", "2"], "lost-update"),
    ):
        past = _late(4.0, witnesses=True)
        sid = past.doings[0].sid
        past.act(
            6.0,
            lambda past=past, sid=sid, traces=traces: past.stores["redis-1"].witnesses.update({sid: traces}),  # type: ignore[misc]
        )
        assert _names(past) == [name], traces


def test_write_that_was_acked_when_the_newer_was_sent_may_have_come_second() -> None:
    """The two overlap: nothing is wrong with either order."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.7, 3.0)])
    past.change(ann, 2.5, attempts=[(2.5, 2.6, 2.9)])
    past.read(ann, 4.0)
    assert _names(past) == []


# ---------------------------------------------------------------- old answer or loss


def test_trace_that_is_still_there_shows_that_nothing_was_lost() -> None:
    """Unless the audit itself was shown the old value."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    past.read(ann, 3.0, forge=_showed(theme="1:theme"))
    past.change(ann, 4.0)
    assert _names(past) == ["stale-read"]
    past.act(2.5, lambda: past.stores["redis-1"].witnesses[ann].remove("2"))
    assert _names(past) == ["lost-update"]
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    past.edit(ann, 2.5, lambda found: found.fields.update(theme="1:theme"))
    assert _names(past) == ["lost-update"]


def test_write_that_was_overwritten_before_anybody_could_tell_says_so() -> None:
    """Without traces nobody knows whether it was there until then."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    past.read(ann, 3.0, took=0.5, forge=_showed(theme="1:theme"))
    past.change(ann, 3.0)
    (found,) = _found(past)
    assert found.because == (
        "it was overwritten before a read could distinguish an old answer from a lost write"
    )
    past.doings[-1].attempts = [(3.000002, 3.1, 3.2)]
    (found,) = _found(past)
    assert found.because.startswith("redis-1 acked it as primary")


def test_part_of_a_log_in_was_seen() -> None:
    """A field that an unguarded write had made before shows beside those of the log-in."""
    past = Past(guarded=False, witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 0.5, "ip", "theme")
    past.read(ann, 3.0, forge=_showed(theme="2:theme"))
    past.read(ann, 4.0)
    found = next(one for one in _found(past) if one.name == "torn-state")
    assert found.sentence == (
        f"web-1 (operation 3) saw only a part of the values that one log-in (operation 1) wrote to session {ann[:8]} of ann."
    )


@pytest.mark.parametrize(("second", "overwritten"), [(3.0, True), (3.000001, False)])
def test_write_was_overwritten_by_what_was_sent_before_the_last_look(
    second: float, overwritten: bool
) -> None:
    """At its moment at the latest."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0)
    past.read(ann, 3.0, took=0.5, forge=_showed(theme="1:theme"))
    past.change(ann, second)
    (found,) = _found(past)
    assert found.because.startswith("it was overwritten") is overwritten


def test_write_without_a_trace_of_its_own_is_not_told_by_the_list() -> None:
    """Others have theirs; whether this one was there until it was overwritten nobody knows."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, forge=lambda step: setattr(step, "witness", None))
    past.read(ann, 3.0, took=0.5, forge=_showed(theme="1:theme"))
    past.change(ann, 3.0)
    (found,) = _found(past)
    assert found.because.startswith("it was overwritten")
