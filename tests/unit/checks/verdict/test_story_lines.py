"""Every line of a story as people read it, and which lines are chosen where there is no room for all."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.checks.verdict.story import WIDTH, session_story, stories, story
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import Event, ForensicEntry, ForensicReading, Operation, PhaseChange
from harness.model.table import OperationTable
from harness.model.words import FindingSide, Outcome, StepKind
from lab.past import Past
from lab.records import us

ANN = "00000001" * 4
BOB = "00000002" * 4


def _finding(**about: Any) -> Finding:
    return Finding(
        **{
            "name": "lost-write",
            "side": FindingSide.CLOSED,
            "session": ANN,
            "sentence": "It is gone.",
            **about,
        }
    )


def _said(lines: list[str]) -> list[str]:
    """Without the times."""
    return [line.split(" s  ", 1)[-1] for line in lines]


def _line(history: History, word: str, session: str = ANN) -> str:
    """The only line of the session's whole story that has this in it, without its time."""
    (found,) = [one for one in _said(session_story(history, session)) if word in one]
    return found


# ---------------------------------------------------------------- what a line says


def test_whole_story_of_a_session_word_by_word() -> None:
    """Time from the fault's effect, who asked for what through which web server, where, and what came of it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 2.5)
    past.change(ann, 3.0, "theme", "ip", web="web-2")
    past.fault(4.0)
    past.fail_over("redis-2", 5.0)
    past.add(ann, 6.0, 2, attempts=[(6.0, None, None), (6.2, 6.3, 6.4)])
    past.read(ann, 7.0)
    past.touch(ann, 8.0, outcome="rejected", error="READONLY You can't write against a read only replica.")
    past.logout(ann, 9.0)
    past.read(ann, 10.0)
    assert session_story(past.history(), ann) == [
        f"session {ANN} of ann, shard 1",
        "   -3.000 s  web-1  log-in #1  at redis-1 (primary)  create acked; index-add acked  user sees 'ok'",
        (
            "   -1.000 s  web-2  change-field #2  at redis-1 (primary)  write acked theme=2:theme, ip=2:ip"
            "  user sees 'ok'"
        ),
        "   +0.000 s  -- fault 1: fault took effect: redis-1: gone",
        "   +1.000 s  -- redis-2: promoted",
        "   +2.000 s  web-1  cart #3  at redis-2 (primary)  increment acked cart:1=2 in 2 attempts  user sees 'ok'",
        "   +3.000 s  web-1  read #4  at redis-2 (primary)  read acked saw it present  user sees 'ok'",
        (
            "   +4.000 s  web-1  touch #5  at redis-2 (primary)  read rejected (READONLY You can't write against"
            " a read only replica.); touch rejected (READONLY You can't write against a read only replica.)"
            "  user sees 'error'"
        ),
        "   +5.000 s  web-1  logout #6  at redis-2 (primary)  destroy acked; index-remove acked  user sees 'ok'",
        "   +6.000 s  web-1  read #7  at redis-2 (primary)  read acked saw nothing  user sees 'ok'",
        "  +21.000 s  -- harness: recovered",
        "  +26.000 s  audit  redis-1 (replica): absent, 2 witnesses",
        "  +26.000 s  audit  redis-2 (primary): absent, 2 witnesses",
        "  +26.000 s  audit  redis-3 (replica): absent, 2 witnesses",
    ]


def test_seconds_of_a_story_count_from_where_the_report_counts() -> None:
    """The first effect as it was proved, however early it may have begun; else the baseline."""
    past = Past()
    ann = past.log_in("ann", 2.0)
    history = past.history()
    assert session_story(history, ann)[1].startswith("   +2.000 s  web-1  log-in #1")
    later = tuple(PhaseChange(phase=one.phase, t_us=one.t_us + us(0.5)) for one in history.phases)
    assert session_story(replace(history, phases=later), ann)[1].startswith("   +1.500 s  web-1  log-in #1")
    effect = Event(source="fault 1", name="effect", t_us=us(4.0), error_us=us(1.0), node="redis-1", fault=1)
    lines = session_story(replace(history, events=(effect,)), ann)
    assert lines[1].startswith("   -2.000 s  web-1  log-in #1")
    assert lines[2].startswith("   +0.000 s  -- fault 1: fault took effect")


def _as_records(history: History) -> list[Operation]:
    return [msgspec.convert(msgspec.to_builtins(one), Operation) for one in history.operations]


def _with_step(past: Past, number: int, **about: Any) -> History:
    """The past's history with the first step of its operation `number` (from 1) changed."""
    history = past.history()
    operations = _as_records(history)
    step = operations[number - 1].steps[0]
    for name, value in about.items():
        setattr(step, name, value)
    return replace(history, operations=tuple(operations))


def _read_once(**about: Any) -> History:
    past = Past()
    past.read(past.log_in("ann", 1.0), 2.0)
    return _with_step(past, 2, **about)


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({}, "read acked saw it present"),
        ({"saw": {}}, "read acked saw nothing"),
        ({"saw": {"theme": "dark"}}, "read acked saw it partial"),
        ({"saw": {"sid": BOB}}, "read acked saw it foreign"),
        ({"saw": {"sid": ANN, "user_id": "bob", "generation": "1"}}, "read acked saw it foreign"),
        ({"saw": None}, "read acked"),
        ({"outcome": Outcome.UNKNOWN}, "read unknown"),
        ({"outcome": Outcome.REJECTED, "error": "OOM no"}, "read rejected (OOM no)"),
        ({"outcome": Outcome.UNKNOWN, "error": "x" * 70}, f"read unknown ({'x' * 60})"),
        ({"error": "reply-mixed-up: 7"}, "read acked saw it present"),
        ({"does": StepKind.TOUCH, "saw": None, "effective": False}, "touch acked without effect: the key did not exist"),
        ({"does": StepKind.TOUCH, "saw": None, "effective": True}, "touch acked"),
        (
            {"does": StepKind.TOUCH, "saw": None, "effective": False, "outcome": Outcome.UNKNOWN},
            "touch unknown",
        ),
        ({"does": StepKind.WRITE, "saw": None, "wrote": {"a": "1", "b": "2"}}, "write acked a=1, b=2"),
        ({"does": StepKind.WRITE, "saw": None, "wrote": {"a": "1" * 70}}, f"write acked a={'1' * 58}"),
        ({"does": StepKind.CREATE, "saw": None, "wrote": {"a": "1"}}, "create acked"),
        ({"does": StepKind.INCREMENT, "saw": None, "added": {"cart:1": -2}}, "increment acked cart:1=-2"),
        ({"attempts": (1,)}, "read acked saw it present"),
        ({"attempts": (1, 2)}, "read acked saw it present in 2 attempts"),
    ],
)  # fmt: skip
def test_outcome_in_words(about: dict[str, Any], said: str) -> None:
    """What was asked for, what came of it, what was seen, what changed, and how often it was tried."""
    line = _line(_read_once(**about), "#2")
    assert line == f"web-1  read #2  at redis-1 (primary)  {said}  user sees 'ok'"


def test_lock_that_was_taken_is_no_missing_session() -> None:
    """SET NX without effect found somebody, EXPIRE without effect found nobody."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0)
    history = _with_step(past, 2, does=StepKind.ACQUIRE, saw=None, effective=False)
    lines = story(history, _finding(name="lock-held-twice", session=None, operations=(2,)))
    assert [one for one in _said(lines) if "#2" in one] == [
        "web-1  read #2  at redis-1 (primary)  acquire acked without effect: the lock was taken  user sees 'ok'"
    ]


def test_look_of_no_single_session_is_not_called_present_or_absent() -> None:
    """Whose fields they should be is not known there."""
    lines = story(_read_once(), _finding(session=None, operations=(2,)))
    assert _said(lines) == [
        "web-1  read #2  at redis-1 (primary)  read acked  user sees 'ok'",
    ]


def test_operation_without_steps_tells_its_outcome() -> None:
    """Due while its actor was busy: it has a due time, and never had another."""
    history = _read_once()
    operations = _as_records(history)
    operations[1].steps, operations[1].attempts = (), ()
    operations[1].sent_us, operations[1].done_us, operations[1].due_us = None, None, us(1.5)
    operations[1].outcome, operations[1].told = Outcome.NOT_SENT, ""
    changed = replace(history, operations=tuple(operations))
    (line,) = [one for one in session_story(changed, ANN) if "#2" in one]
    assert line == "   +1.500 s  web-1  read #2  not_sent"


def test_operation_begins_when_it_was_sent() -> None:
    """Not when it was due: it may have waited for its actor."""
    history = _read_once()
    operations = _as_records(history)
    operations[1].due_us = us(1.5)
    (line,) = [
        one for one in session_story(replace(history, operations=tuple(operations)), ANN) if "#2" in one
    ]
    assert line.startswith("   +2.000 s")


def test_address_that_is_no_node_of_the_run_has_no_role() -> None:
    """And without a connection there is not even an address."""
    unsent = _with_step(_one_read(), 2, attempts=())
    assert "  read #2  (no node)  read acked" in _line(unsent, "#2")
    history = _one_read().history()
    elsewhere = tuple(msgspec.structs.replace(one, node="?") for one in history.connections)
    assert "  read #2  at ? (?)  read acked" in _line(replace(history, connections=elsewhere), "#2")


def _one_read() -> Past:
    past = Past()
    past.read(past.log_in("ann", 1.0), 2.0)
    return past


def test_role_is_that_of_the_answered_attempt() -> None:
    """Asked before the failover, answered after it: by whom, and as what, is told of the answer."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.fail_over("redis-2", 3.0)
    past.read(ann, 2.0, attempts=[(2.0, None, None), (6.0, 6.1, 6.2)])
    past.read(ann, 7.0, node="redis-1")
    history = past.history()
    assert _line(history, "#2").startswith("web-1  read #2  at redis-2 (primary)")
    assert _line(history, "#3").startswith("web-1  read #3  at redis-1 (deposed primary)")


def test_step_that_decides_names_the_node() -> None:
    """The first that is marked so; where none is, the first."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.0)
    history = past.history()
    operations = _as_records(history)
    look, touch = operations[1].steps
    assert (look.deciding, touch.deciding) == (False, True)
    look.attempts = ()
    marked = replace(history, operations=tuple(operations))
    assert "at redis-1 (primary)  read acked saw it present; touch acked" in _line(marked, "#2")
    touch.deciding = False
    unmarked = replace(history, operations=tuple(operations), samples=history.samples)
    assert "(no node)  read acked saw it present; touch acked" in _line(unmarked, "#2")


def test_call_on_several_sessions_tells_each_its_own_part() -> None:
    """Logout-everywhere, from ann's first session: what it did to the second."""
    past = Past()
    first, second = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.log_in("bob", 1.2)
    past.logout_everywhere(first, 2.0)
    history = past.history()
    said = "web-1  logout-everywhere #4  at redis-1 (primary)  index-read acked names it; destroy acked  user sees 'ok'"
    assert _line(history, "#4", second) == said
    assert _line(history, "#4", first) == said.replace("  user", "; index-remove acked  user")
    everything = _said(story(history, _finding(session=None, operations=(4,))))
    assert everything == [
        (
            "web-1  logout-everywhere #4  at redis-1 (primary)  index-read acked; destroy acked; destroy acked;"
            " index-remove acked  user sees 'ok'"
        )
    ]


# ---------------------------------------------------------------- events


TOLD = (
    *("effect", "no-effect", "healed", "promoted", "demoted", "rebooted", "recovered", "flushed"),
    *("evicted", "web-server-killed"),
)


@pytest.mark.parametrize("name", TOLD)
def test_event_that_people_must_know_of_is_told(name: str) -> None:
    """What was done to nodes, and what they did."""
    past = _one_read()
    past.event(name, 1.5, source="redis-3", node="redis-3", detail="it was so")
    said = {"effect": "fault took effect", "no-effect": "fault had no effect"}.get(name, name)
    assert _line(past.history(), "it was so") == f"-- redis-3: {said}: it was so"


@pytest.mark.parametrize("name", ["requested", "suspected", "configured", "ready", "redirected"])
def test_event_on_the_way_is_not_told(name: str) -> None:
    """The steps of a failover have a table of their own."""
    past = _one_read()
    past.event(name, 1.5, detail="it was so")
    assert not [one for one in session_story(past.history(), ANN) if "it was so" in one]


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({"source": "x"}, "-- x: healed"),
        ({"source": "x", "node": "redis-1"}, "-- x: healed redis-1"),
        ({"source": "x", "detail": "link up"}, "-- x: healed: link up"),
        ({"source": "x", "node": "redis-1", "detail": "link up"}, "-- x: healed redis-1: link up"),
        ({"source": "x", "node": "redis-1", "detail": "redis-1: link up"}, "-- x: healed: redis-1: link up"),
        ({"source": "redis-1", "node": "redis-1", "detail": "link up"}, "-- redis-1: healed: link up"),
    ],
)
def test_event_in_words(about: dict[str, Any], said: str) -> None:
    """Who noticed what where; a node that the detail names is not named twice."""
    past = _one_read()
    past.event("healed", 1.5, **about)
    assert _line(past.history(), "healed") == said


def _with_events(*events: tuple[str, int | None, str | None]) -> History:
    """Each a detail, a shard and a key."""
    past = _one_read()
    for n, (detail, shard, key) in enumerate(events):
        past.event("evicted", 1.5 + n / 10, shard=shard, key=key, detail=detail)
    return past.history()


def test_story_of_a_session_has_the_events_of_its_shard_and_its_key() -> None:
    """Other shards' and other sessions' are not its own."""
    mine, other = f"session:{{{ANN}}}", f"session:{{{BOB}}}"
    history = _with_events(
        ("everywhere", None, None),
        ("here", 1, None),
        ("there", 2, None),
        ("my key", 1, mine),
        ("not mine", 1, other),
        ("mine elsewhere", 2, mine),
    )
    told = [one for one in _said(session_story(history, ANN)) if "evicted" in one]
    assert [one.removeprefix("-- harness: evicted: ") for one in told] == ["everywhere", "here", "my key"]


@pytest.mark.parametrize(
    ("shard", "told"), [(None, ["everywhere", "here", "there"]), (1, ["everywhere", "here"])]
)
def test_story_of_no_session_has_the_events_of_its_shard(shard: int | None, told: list[str]) -> None:
    """All where it has none; a single key's never."""
    history = _with_events(
        ("everywhere", None, None), ("here", 1, None), ("there", 2, None), ("a key", 1, f"session:{{{ANN}}}")
    )
    lines = _said(story(history, _finding(session=None, shard=shard)))
    assert [one.removeprefix("-- harness: evicted: ") for one in lines] == told


def test_finding_about_which_nothing_is_recorded_has_its_sentence() -> None:
    """A story is never empty."""
    history = _one_read().history()
    assert story(history, _finding(session=None)) == ["It is gone."]
    assert story(history, _finding(session=BOB)) == ["It is gone."]


def test_story_of_no_session_tells_its_first_six_operations() -> None:
    """In the order of time, whoever did them; what is not in the history is passed over."""
    past = Past()
    people = [past.log_in(f"user-{n}", 1.0 + n) for n in range(9)]
    assert len(people) == 9
    history = past.history()
    finding = _finding(session=None, operations=(8, 1, 2, 3, 99, 5, 6, 7))
    assert [one.split("  ")[1] for one in _said(story(history, finding))] == [
        *("log-in #1", "log-in #2", "log-in #3", "log-in #5", "log-in #8")
    ]


# ---------------------------------------------------------------- the audit, and what nodes held before


def _audited(**about: Any) -> str:
    history = _one_read().history()
    first = history.audit[0]
    entry = msgspec.structs.replace(first, **about)
    return _line(replace(history, audit=(entry, *history.audit[1:])), "redis-1 (primary)" + ":")


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({}, "present, time to live 271000 ms, 1 witnesses"),
        ({"saw": {}, "pttl_ms": -2}, "absent, 1 witnesses"),
        ({"saw": {"theme": "x"}, "pttl_ms": -1}, "partial, time to live -1 ms, 1 witnesses"),
        ({"saw": {"sid": BOB}}, "foreign, time to live 271000 ms, 1 witnesses"),
        ({"saw": None, "error": "timed out", "witnesses": None}, "no answer (timed out)"),
        ({"saw": None, "witnesses": None}, "no answer (none)"),
        ({"witnesses": None}, "present, time to live 271000 ms"),
        ({"witnesses": ()}, "present, time to live 271000 ms, 0 witnesses"),
    ],
)
def test_audit_in_words(about: dict[str, Any], said: str) -> None:
    """What a node held in the end, for how long, and how many writes it has a witness of."""
    assert _audited(**about) == f"audit  redis-1 (primary): {said}"


def _last_look(kept: tuple[str, ...] | None, **about: Any) -> str:
    """The line of one reading of redis-3, where the audit's primary kept these witnesses."""
    history = _one_read().history()
    audit = tuple(msgspec.structs.replace(one, witnesses=kept) for one in history.audit)
    entry = {"saw": {"sid": ANN, "user_id": "ann", "generation": "1"}, "witnesses": ("1", "2"), **about}
    looked = ForensicEntry(reading=1, session=ANN, node="redis-3", sent_us=us(3.0), done_us=us(3.1), **entry)
    reading = ForensicReading(n=1, node="redis-3", moment="demoted", sent_us=us(3.0), done_us=us(3.1))
    return _line(replace(history, audit=audit, forensics=(looked,), readings=(reading,)), "last look")


@pytest.mark.parametrize(
    ("kept", "about", "said"),
    [
        (("1", "2"), {}, "present, 2 witnesses"),
        (("1",), {}, "present, 2 witnesses, lost since: #2"),
        ((), {}, "present, 2 witnesses, lost since: #1 #2"),
        (None, {}, "present, 2 witnesses"),
        (("1",), {"witnesses": None}, "present"),
        (("1",), {"saw": {}, "witnesses": ()}, "absent, 0 witnesses"),
        (("1",), {"saw": {"sid": BOB}, "witnesses": None}, "foreign"),
        (("1",), {"saw": None, "witnesses": ("1",)}, "its type is not a session's, 1 witnesses"),
    ],
)
def test_last_look_in_words(kept: tuple[str, ...] | None, about: dict[str, Any], said: str) -> None:
    """What a node held before it lost it, and which writes it was the only one to have."""
    assert _last_look(kept, **about) == f"last look  redis-3 (demoted): {said}"


# ---------------------------------------------------------------- whose story it is


def test_story_has_what_its_user_did_to_it_and_nothing_else() -> None:
    """Not the user's other session, and not what somebody else's session saw."""
    past = Past()
    first, second = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    bob = past.log_in("bob", 1.2)
    for n, one in enumerate((first, second, bob)):
        past.read(one, 2.0 + n)
    past.logout_everywhere(second, 5.0)
    past.logout_everywhere(bob, 6.0)
    numbers = re.findall(r"#(\d+)", "\n".join(session_story(past.history(), first)))
    assert numbers == ["1", "4", "7"]


def test_session_that_only_a_step_names_has_a_story() -> None:
    """Its log-in is not in the history: the harness did not live to write it down."""
    past = Past()
    first, second = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.logout_everywhere(first, 2.0)
    history = past.history()
    history = replace(history, operations=tuple(one for one in history.operations if one.session != second))
    lines = session_story(history, second)
    assert lines[0] == f"session {second} of ann, shard 1"
    assert [one for one in _said(lines) if "#3" in one] == [
        "web-1  logout-everywhere #3  at redis-1 (primary)  index-read acked names it; destroy acked  user sees 'ok'"
    ]


def test_read_of_the_list_is_told_whether_it_names_the_session_or_not() -> None:
    """A session that escaped a logout-everywhere has a story that shows why; one that began later has none
    of it, and neither has somebody else's."""
    past = Past()
    first, second = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.log_in("bob", 1.2)
    past.logout_everywhere(first, 2.0)
    later = past.log_in("ann", 3.0)
    escaped = _with_step(past, 4, members=(first,), session=None)
    (call,) = [one for one in _said(session_story(escaped, second)) if "#4" in one]
    assert "index-read acked does not name it" in call
    assert "#4" not in "\n".join(session_story(escaped, later))


def test_step_that_names_no_session_is_about_its_operations() -> None:
    """As most commands of a run that others recorded."""
    past = _one_read()
    history = past.history()
    operations = _as_records(history)
    for operation in operations:
        for step in operation.steps:
            step.session = None
    lines = session_story(replace(history, operations=tuple(operations)), ANN)
    assert [one.split("  ")[1] for one in _said(lines)[1:3]] == ["log-in #1", "read #2"]


def test_operation_whose_steps_are_all_on_others_is_told_whole() -> None:
    """It was asked for with this session; a step that names none is on it."""
    past = Past()
    first, second = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.logout_everywhere(first, 2.0)
    strange = _with_step(past, 3, session=None)
    assert "index-read acked names it; destroy acked; index-remove acked" in _line(strange, "#3", first)
    history = past.history()
    operations = _as_records(history)
    for step in operations[2].steps:
        step.session = second
    others = replace(history, operations=tuple(operations))
    assert _line(others, "#3", first).count("acked") == 4


def test_last_look_where_nobody_was_audited_names_no_loss() -> None:
    """What is still there is not known then."""
    past = _one_read()
    past.audited = False
    entry = ForensicEntry(
        reading=1, session=ANN, node="redis-3", sent_us=us(3.0), done_us=us(3.1), saw={}, witnesses=("1", "2")
    )
    reading = ForensicReading(n=1, node="redis-3", moment="demoted", sent_us=us(3.0), done_us=us(3.1))
    history = replace(past.history(), forensics=(entry,), readings=(reading,))
    assert _line(history, "last look") == "last look  redis-3 (demoted): absent, 2 witnesses"


def test_another_users_step_on_the_session_is_no_part_of_it() -> None:
    """A reply that named somebody else's session is told where it was asked for."""
    past = Past()
    past.log_in("ann", 1.0)
    bob = past.log_in("bob", 1.1)
    past.read(bob, 2.0)
    history = _with_step(past, 3, session=ANN)
    assert "#3" not in "\n".join(session_story(history, ANN))


def test_sessions_are_listed_by_name_whoever_came_first() -> None:
    """The list is for choosing from."""
    past = Past()
    past.sids = 7
    past.log_in("ann", 1.0)
    past.sids = 1
    past.log_in("bob", 1.1)
    assert session_story(past.history(), "0000")[1:] == [f"{n:08x}" * 4 for n in (2, 8)]


def test_story_makes_records_of_what_it_tells_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long history stays a table; the session's own rows are few."""
    past = Past()
    people = [past.log_in(f"user-{n}", 1.0 + n / 10) for n in range(9)]
    past.read(people[4], 3.0)
    taken: list[list[int]] = []
    take = OperationTable.take

    def counted(table: OperationTable, rows: Any) -> OperationTable:
        taken.append(rows.tolist())
        return take(table, rows)

    history = past.history()
    monkeypatch.setattr(OperationTable, "take", counted)
    session_story(history, people[4])
    story(history, _finding(session=people[4], operations=(5,)))
    story(history, _finding(session=None, operations=(2, 3)))
    assert taken == [[4, 9], [4, 9], [1, 2]]


def test_sessions_that_begin_alike_are_listed_in_order() -> None:
    """Twenty of them are enough to choose from; the number says how many there are."""
    past = Past()
    for n in range(25):
        past.log_in(f"user-{n}", 1.0 + n / 10)
    head, *names = session_story(past.history(), "000000")
    assert head == "25 sessions begin with '000000':"
    assert names == [f"{n:08x}" * 4 for n in range(1, 21)]
    assert session_story(past.history(), "")[0] == "25 sessions begin with '':"
    assert session_story(past.history(), "f") == ["no session 'f' in this history; it has 25 sessions"]


def test_stories_come_in_the_order_of_their_findings() -> None:
    """One for each, told from the suspects' operations alone."""
    past = Past()
    ann, bob = past.log_in("ann", 1.0), past.log_in("bob", 1.1)
    past.lose(ann, 2.0)
    past.lose(bob, 2.0)
    past.read(ann, 3.0)
    past.read(bob, 3.1)
    history = past.history()
    findings = [_finding(session=bob, operations=(2, 4)), _finding(session=ann, operations=(1, 3))]
    told = [re.findall(r"#(\d+)", "\n".join(lines)) for lines in stories(history, findings)]
    assert told == [["2", "4"], ["1", "3"]]


# ---------------------------------------------------------------- which lines are chosen


def _long(*events: tuple[str, float]) -> History:
    """Ann's log-in is #1, at 1.0; then a read each second, #2 at 2.0 to #20 at 20.0; the audit at 30.0."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    for n in range(2, 21):
        past.read(ann, float(n))
    for name, at in events:
        past.event(name, at, source=f"{name}@{at:g}")
    return past.history()


def _chosen(history: History, lines: int = 12, **about: Any) -> list[str]:
    """What each line of the story is about: an operation's number, an event, a node that was audited."""
    told = story(history, _finding(**about), lines)
    assert len(told) <= lines
    found = []
    for line in _said(told):
        match = re.match(r"web-\d  \S+ (#\d+)|-- (\S+): |(audit|last look)  (\S+)|\((\d+ more)", line)
        assert match, line
        found.append(" ".join(one for one in match.groups() if one))
    return found


def test_story_that_fits_is_told_whole() -> None:
    """As many lines as there is room for, and no word of any left out."""
    history = _long()
    whole = _chosen(history, 23, operations=(5,))
    assert whole == [*(f"#{n}" for n in range(1, 21)), *(f"audit redis-{n}" for n in (1, 2, 3))]
    cut = _chosen(history, 22, operations=(5,))
    assert cut[-1] == "2 more"
    assert len(cut) == 22


def test_findings_own_operations_come_first() -> None:
    """The first four and the last two of them, where there is room for no more."""
    history = _long()
    assert _chosen(history, 7, operations=(3, 5, 7, 9, 11, 13, 15)) == [
        *("#3", "#5", "#7", "#9", "#13", "#15", "17 more")
    ]


def test_then_come_the_log_in_and_two_answers_of_the_audit() -> None:
    """Where the session began and what was left of it in the end."""
    history = _long()
    assert _chosen(history, 3, operations=(9,)) == ["#1", "#9", "21 more"]
    assert _chosen(history, 5, operations=(9,)) == ["#1", "#9", "audit redis-1", "audit redis-2", "19 more"]
    near = ["#1", "#8", "#9", "audit redis-1", "audit redis-2", "18 more"]
    assert _chosen(history, 6, operations=(9,)) == near


def test_then_comes_the_first_node_that_was_read_before_it_lost_its_data() -> None:
    """Of several, the one that was read first."""
    readings = tuple(
        ForensicReading(n=n, node=node, moment="demoted", sent_us=0, done_us=0)
        for n, node in enumerate(("redis-2", "redis-3"))
    )
    entries = tuple(
        ForensicEntry(reading=one.n, session=ANN, node=one.node, sent_us=us(25.0 + one.n), done_us=us(26.0), saw={})
        for one in readings
    )  # fmt: skip
    history = replace(_long(("healed", 9.5)), readings=readings, forensics=entries)
    assert _chosen(history, 6, operations=(9,)) == [
        *("#1", "#9", "last look redis-2", "audit redis-1", "audit redis-2", "21 more")
    ]
    assert _chosen(history, 7, operations=(9,))[2] == "healed@9.5"


def test_then_come_the_events_between_promise_and_sight() -> None:
    """Both ends count; what came before or after them explains nothing."""
    history = _long(("demoted", 8.999), ("effect", 9.0), ("healed", 12.0), ("healed", 12.001))
    sought = {"operations": (9,), "seen_us": us(12.0)}
    assert _chosen(history, 7, **sought) == [
        *("#1", "effect@9", "#9", "healed@12", "audit redis-1", "audit redis-2", "21 more")
    ]
    assert _chosen(history, 8, **sought) == [
        *("#1", "effect@9", "#9", "#10", "healed@12", "audit redis-1", "audit redis-2", "20 more")
    ]


def test_of_a_finding_that_nobody_saw_the_events_to_the_end_count() -> None:
    """And of one whose promise is no operation of the session, those from the beginning."""
    history = _long(("effect", 9.5), ("healed", 29.0))
    assert _chosen(history, 7, operations=(9,)) == [
        *("#1", "#9", "effect@9.5", "healed@29", "audit redis-1", "audit redis-2", "19 more")
    ]
    early = _long(("effect", 0.5), ("healed", 5.5), ("promoted", 6.5))
    for lines, shown in (
        (2, ["#1"]),
        (6, ["effect@0.5", "#1", "healed@5.5", "audit redis-1", "audit redis-2"]),
    ):
        assert _chosen(early, lines, operations=(99,), seen_us=us(6.0))[:-1] == shown


def test_events_between_two_of_the_findings_operations_count() -> None:
    """From the first of them on."""
    history = _long(("effect", 7.5), ("healed", 11.5))
    assert _chosen(history, 8, operations=(5, 10), seen_us=us(12.0)) == [
        *("#1", "#5", "effect@7.5", "#10", "healed@11.5", "audit redis-1", "audit redis-2", "18 more")
    ]
    both = _long(("effect", 9.0), ("promoted", 9.0))
    assert _chosen(both, 7, operations=(9,)) == [
        *("#1", "effect@9", "promoted@9", "#9", "audit redis-1", "audit redis-2", "19 more")
    ]


def test_four_events_by_their_weight() -> None:
    """What was done, then what it led to, each kind in the order of time; the rest where room is left."""
    names = (
        "recovered",
        "healed",
        "demoted",
        "web-server-killed",
        "evicted",
        "flushed",
        "promoted",
        "effect",
    )
    events = [(name, 9.1 + n / 10) for n, name in enumerate(names)]
    history = _long(*events)
    shown = [one for one in _chosen(history, 9, operations=(9,)) if "@" in one]
    assert shown == ["evicted@9.5", "flushed@9.6", "promoted@9.7", "effect@9.8"]
    nearest = ["#1", "#8", "#9", "recovered@9.1", *shown, "audit redis-1", "audit redis-2", "21 more"]
    assert _chosen(history, 11, operations=(9,)) == nearest
    later = _long(*events[:4])
    shown = [one for one in _chosen(later, 8, operations=(9,)) if "@" in one]
    assert shown == ["healed@9.2", "demoted@9.3", "web-server-killed@9.4"]
    twice = _long(
        ("rebooted", 9.1), ("recovered", 9.2), ("rebooted", 9.3), ("recovered", 9.4), ("healed", 9.5)
    )
    shown = [one for one in _chosen(twice, 9, operations=(9,)) if "@" in one]
    assert shown == ["rebooted@9.1", "recovered@9.2", "rebooted@9.3", "healed@9.5"]


def test_then_come_the_neighbours_of_the_findings_own_lines() -> None:
    """One before and one after each, then one further, whichever of its own a line is near to."""
    history = _long()
    assert _chosen(history, 9, operations=(9, 15)) == [
        *("#1", "#8", "#9", "#10", "#14", "#15", "audit redis-1", "audit redis-2", "15 more")
    ]
    assert _chosen(history, 12, operations=(9,)) == [
        *(
            "#1",
            "#5",
            "#6",
            "#7",
            "#8",
            "#9",
            "#10",
            "#11",
            "#12",
            "audit redis-1",
            "audit redis-2",
            "12 more",
        )
    ]
    assert _chosen(history, 6, operations=(20,)) == [
        *("#1", "#19", "#20", "audit redis-1", "audit redis-2", "18 more")
    ]
    assert _chosen(history, 6, operations=(1,))[:2] == ["#1", "#2"]


def test_story_about_none_of_its_operations_begins_at_the_beginning() -> None:
    """Nothing is near to anything then."""
    assert _chosen(_long(), 6, operations=()) == [
        *("#1", "#2", "#3", "audit redis-1", "audit redis-2", "18 more")
    ]


# ---------------------------------------------------------------- how wide a line is


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("x" * 106, "x" * 106),
        ("x" * 107, "…"),
        ("x" * 50 + " " + "y" * 55, "x" * 50 + " " + "y" * 55),
        ("x" * 50 + " " + "y" * 56, "x" * 50 + " …"),
        ("x" * 50 + "   " + "y" * 56, "x" * 50 + " …"),
        ("x" * 50 + " " + "y" * 53 + " z z", "x" * 50 + " " + "y" * 53 + " …"),
    ],
)
def test_line_that_is_too_long_ends_after_a_whole_word(said: str, shown: str) -> None:
    """At the width it is left as it is; longer, it says that it goes on."""
    past = _one_read()
    past.event("effect", 1.5, source="fault 1", detail=said)
    history = past.history()
    (line,) = [one for one in story(history, _finding()) if "--" in one]
    head = "   +0.000 s  -- fault 1: fault took effect: "
    assert len(head) + 106 == WIDTH
    assert line == f"{head}{shown}"
