"""A foreign history's limits, spellings and messages, each on its edge."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.checks.linearizability import foreign_history
from harness.checks.linearizability.actions import UNSAID, Action, Answer
from harness.checks.linearizability.foreign_history import (
    KeyAnswer,
    exit_status,
    judge_foreign,
    read_foreign,
)
from harness.errors import UsageError
from harness.model.times import FOREVER


def line(**members: Any) -> dict[str, object]:
    return {
        "actor": "a",
        "op": "write",
        "key": "k",
        "value": 1,
        "sent": 0,
        "done": 1,
        "outcome": "acked",
        **members,
    }


def read(*lines: dict[str, object] | str, partial: bool = False) -> dict[str, list[Action]]:
    texts = [one if isinstance(one, str) else json.dumps(one) for one in lines]
    return read_foreign("".join(f"{one}\n" for one in texts).encode(), "h", partial=partial).registers


def refused(*lines: dict[str, object] | str) -> str:
    with pytest.raises(UsageError) as found:
        read(*lines)
    return str(found.value)


def written(value: str) -> str | None:
    """The value's spelling."""
    text = json.dumps(line(value="HERE")).replace('"HERE"', value)
    ((action,),) = read(text).values()
    assert isinstance(action.leaves, str)
    return action.leaves


@pytest.mark.parametrize(
    ("value", "spelled"),
    [
        ("1", "1"),
        ("1.0", "1"),
        ("1.50", "15e-1"),
        ("-0", "0"),
        ("0.0", "0"),
        ("-12", "-12"),
        ("100", "100"),
        ("1e2", "100"),
        ("1e40", "1" + "0" * 40),
        ("1e41", "1e41"),
        ("12e39", "12" + "0" * 39),
        ("0.001", "1e-3"),
        ("true", "true"),
        ('"1"', '"1"'),
        ("[1, [2.0]]", "[1,[2]]"),
        ('{"b": 1, "a": null}', '{"a":null,"b":1}'),
        ('"ä"', '"ä"'),
    ],
)
def test_value_has_one_spelling(value: str, spelled: str) -> None:
    """Equal JSON values have the same, others have another."""
    assert written(value) == spelled


def nested(depth: int) -> str:
    """As many brackets within the line's own."""
    return json.dumps(line(value="HERE")).replace('"HERE"', "[" * depth + "]" * depth)


def test_brackets_may_be_nested_a_hundred_deep() -> None:
    """The line's own count."""
    assert len(read(nested(99))) == 1
    assert refused(nested(100)) == "h:1: expected at most 100 brackets nested, found 101"


@pytest.mark.parametrize(("length", "shown"), [(58, "x" * 58), (59, None)])
def test_wrong_value_is_shown_up_to_sixty_characters(length: int, shown: str | None) -> None:
    """With its quotes; beyond, three points say that there was more."""
    message = refused(line(op="x" * length))
    expected = f"'\"{'x' * length}\"'" if shown else f"'\"{'x' * 59}...'"
    assert message == f"h:1: op: expected read, write, cas, delete, found {expected}"


def test_member_that_is_there_most_often_is_named() -> None:
    """More than once."""
    text = '{"actor": "a", "op": "write", "op": "write"}'
    assert refused(text) == "h:1: expected each member once, found 'op' more than once"
    many = ",".join(f'"{n}": 1, "{n}": 1' for n in range(50_000))
    refused(f'{{"actor": "a", "op": "write", "value": {{{many}}}}}')  # at once, however many there are
    assert refused(f'{{"{"x" * 90}": 1, "{"x" * 90}": 1}}').endswith("xxx...' more than once")


def test_messages_say_all_that_was_expected() -> None:
    """With what was found."""
    assert refused(line(done=-1)) == "h:1: expected sent <= done, found sent 0 and done -1"
    assert refused(line(sent=None)) == "h:1: sent: expected a number, found 'null'"
    assert refused(line(sent=[])) == "h:1: sent: expected a number, found '[]'"
    assert refused(line(key=1.5)) == "h:1: key: expected text or a whole number, found '\"1.5\"'"
    assert refused(line(actor=[])) == "h:1: actor: expected text or a whole number, found '[]'"
    assert refused(line(node=1)).startswith(
        "h:1: expected members actor, op, key, value, expected, swapped, seen,"
    )
    assert refused("7") == "h:1: expected one JSON object, found '7'"
    assert refused("  [1]  ") == "h:1: expected one JSON object, found '[1]'"
    assert refused("{").startswith("h:1: expected one JSON object, found '{' (")
    assert refused(json.dumps(line(sent="HERE")).replace('"HERE"', "-Infinity")) == (
        "h:1: expected JSON, found -Infinity"
    )
    assert refused(json.dumps(line(done="HERE")).replace('"HERE"', "1e999")) == (
        "h:1: done: expected a finite time, found 1E+999"
    )
    assert refused(line(value=None)) == (
        "h:1: write: expected a value, found null: a delete is an operation of its own"
    )
    assert refused(line(seen=2)) == "h:1: seen: a write whose outcome is acked shows none, found '2'"
    assert refused(line(op="cas", expected=1, swapped=None)) == (
        "h:1: swapped: expected true or false, found 'null'"
    )
    assert refused(line(op="cas", expected=1, swapped=True, seen=1)) == (
        "h:1: seen: a swapped cas whose outcome is acked shows none, found '1'"
    )
    assert refused(line(swapped=True)) == "h:1: swapped: belongs to an acked cas alone, found 'true'"


def test_same_moment_is_no_time_travel() -> None:
    """Sent and done at one moment."""
    ((action,),) = read(line(done=0)).values()
    assert (action.sent, action.done) == (0, 0)


@pytest.mark.parametrize(
    ("members", "expects", "refuses", "leaves", "optional"),
    [
        ({}, UNSAID, UNSAID, "1", False),
        ({"outcome": "unknown"}, UNSAID, UNSAID, "1", True),
        ({"op": "read", "value": None, "seen": 2}, "2", UNSAID, UNSAID, False),
        ({"op": "read", "value": None, "seen": None}, None, UNSAID, UNSAID, False),
        ({"op": "read", "value": None, "outcome": "unknown"}, UNSAID, UNSAID, UNSAID, True),
        ({"op": "delete", "value": None}, UNSAID, UNSAID, None, False),
        ({"op": "delete", "value": None, "seen": 3}, "3", UNSAID, None, False),
        ({"op": "delete", "value": None, "seen": None}, None, UNSAID, None, False),
        ({"op": "delete", "value": None, "outcome": "unknown"}, UNSAID, UNSAID, None, True),
        ({"op": "cas", "expected": 2, "swapped": True}, "2", UNSAID, "1", False),
        ({"op": "cas", "expected": None, "value": None, "swapped": True}, None, UNSAID, None, False),
        ({"op": "cas", "expected": 2, "swapped": False}, UNSAID, "2", UNSAID, False),
        ({"op": "cas", "expected": 2, "swapped": False, "seen": 5}, "5", "2", UNSAID, False),
        ({"op": "cas", "expected": 2, "outcome": "unknown"}, "2", UNSAID, "1", True),
    ],
)
def test_operation_becomes_a_condition_and_a_change(
    members: dict[str, object], expects: object, refuses: object, leaves: object, optional: bool
) -> None:
    """What it expects, what it refuses to find, what it leaves; an unknown one has no end."""
    ((action,),) = read(line(**members)).values()
    assert (action.expects, action.refuses, action.leaves) == (expects, refuses, leaves)
    assert action.optional is optional
    assert (action.done == FOREVER) is optional


def test_times_are_as_they_are_written_unless_rounding_makes_two_the_same() -> None:
    """Whatever unit they are in. Ranks take their place then, and those of a rejected operation count."""
    lines = [
        line(actor=1, sent=10, done=30.5),
        line(actor=2, sent=5, done=7, outcome="rejected"),
        line(actor=3, sent=30.5, done=40),
    ]
    assert [(one.sent, one.done) for one in read(*lines)['"k"']] == [(10, 30.5), (30.5, 40)]
    closer = [*lines, line(actor=4, sent=2**53, done=2**53 + 1)]
    assert [(one.sent, one.done) for one in read(*closer)['"k"']] == [(2, 3), (3, 4), (5, 6)]


def test_moments_that_floating_point_takes_for_one_are_two() -> None:
    """Exactly in their order, whole numbers of hundreds of digits too."""
    close = ["1." + "0" * 30 + "2", "1." + "0" * 30 + "1", "1"]
    lines = [
        b'{"actor":"%d","op":"read","key":"k","seen":null,"sent":%s,"done":%s,"outcome":"acked"}'
        % (n, at, at)
        for n, at in enumerate(one.encode() for one in (*close, "9" * 400, "9" * 399 + "8"))
    ]
    (actions,) = read_foreign(b"\n".join([*lines, b""]), "x").registers.values()
    assert [one.sent for one in actions] == [2, 1, 0, 4, 3]


PLAIN = b'{"actor":"a","op":"write","key":"k","value":1,"sent":1,"done":2,"outcome":"acked"}'


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"", b""),
        (b'"value":1', b'"value":1,"value":2'),
        (b'"value":1', b'"value":"1"'),
        (b'"value":1', b'"value":true'),
        (b'"value":1', b'"value":1.50'),
        (b'"value":1', b'"value":null'),
        (b'"value":1', b'"value":{"a":"b"}'),
        (b'"value":1', b'"value":1,"seen":null'),
        (b'"value":1', b'"value":1,"seen":3'),
        (b'"value":1', b'"value":"\\u0041\\""'),
        (b'"value":1', b'"value":100000000000000000000000000000000000000000'),
        (b'"sent":1', b'"sent":"1"'),
        (b'"sent":1', b'"sent":1.0'),
        (b'"sent":1', b'"sent":1e999'),
        (b'"sent":1', b'"sent":3'),
        (b'"done":2', b'"done":null'),
        (b'"done":2', b'"done":NaN'),
        (b'"actor":"a"', b'"actor":7'),
        (b'"key":"k"', b'"key":7'),
        (b'"outcome":"acked"', b'"outcome":"unknown"'),
        (b'"outcome":"acked"', b'"outcome":"rejected"'),
        (b'"outcome":"acked"', b'"outcome":"acked","more":1'),
        (b'"op":"write"', b'"op":"delete"'),
        (b'"write","key":"k","value":1', b'"read","key":"k","seen":"\xc3\xa9"'),
        (b'"write","key":"k","value":1', b'"read","key":"k","seen":null'),
        (b'"write","key":"k","value":1', b'"read","key":"k"'),
        (b'"write","key":"k"', b'"cas","key":"k","expected":null,"swapped":true'),
        (b'"write","key":"k"', b'"cas","key":"k","expected":"x","swapped":false'),
        (b'"write","key":"k"', b'"cas","key":"k","expected":"x"'),
        (b'"write","key":"k"', b'"cas","key":"k","expected":null,"swapped":false,"seen":2'),
        (b'"key":"k"', b'"key":"\xff"'),
    ],
)
def test_plain_line_is_read_as_any_other(old: bytes, new: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """All at once or member by member: the same registers, or the same words about what is wrong."""

    def found() -> object:
        try:
            return read_foreign(PLAIN.replace(old, new) + b"\n", "x")
        except UsageError as problem:
            return str(problem)

    quickly = found()
    monkeypatch.setattr(foreign_history, "_plainly", lambda _n, _piece: None)
    assert quickly == found()


@pytest.mark.parametrize(
    ("second", "after"),
    [
        ({"sent": 1, "done": 2}, {1}),
        ({"sent": 1, "done": 2, "key": "other"}, set()),
        ({"sent": 1.5, "done": 2}, set()),
        ({"sent": 1, "done": 2, "actor": "b"}, set()),
    ],
)
def test_operations_of_one_actor_at_one_moment_follow_the_file(
    second: dict[str, object], after: set[int]
) -> None:
    """Those on the same key; others are told apart by time alone."""
    registers = read(line(), line(**second))
    found = [one for actions in registers.values() for one in actions if one.id == 2]
    assert found[0].after == after


def test_several_at_one_moment_follow_one_another() -> None:
    """Each knows all of those before it that ended then; one that was rejected or is unknown precedes nothing."""
    instant = {"sent": 1, "done": 1}
    actions = read(line(), line(**instant), line(**instant), line(sent=1, done=2))['"k"']
    assert [one.after for one in actions] == [frozenset(), {1}, {1, 2}, {1, 2, 3}]
    actions = read(line(), line(**instant, outcome="rejected"), line(sent=1, done=2))['"k"']
    assert [one.after for one in actions] == [frozenset(), {1}]
    actions = read(line(), line(sent=1, outcome="unknown"), line(sent=1, done=2))['"k"']
    assert [one.after for one in actions] == [frozenset(), {1}, {1}]


def test_overlap_names_both_lines() -> None:
    """The later one in the file is where it stands; touching each other is no overlap."""
    assert len(read(line(), line(sent=1, done=2))['"k"']) == 2
    expected = 'expected one operation of actor "a" at a time, found this one overlapping line'
    assert refused(line(), line(sent=0.5, done=2)) == f"h:2: {expected} 1"
    assert refused(line(sent=0.5, done=2), line()) == f"h:2: {expected} 1"
    assert refused(line(), line(sent=5, done=6), line(sent=0.5, done=2)) == f"h:3: {expected} 1"


def test_blank_lines_and_blanks_count_for_nothing() -> None:
    """But for the numbers of lines."""
    foreign = read_foreign(b"\n   \n " + json.dumps(line()).encode() + b" \n\n", "h")
    assert list(foreign.lines) == [3]
    assert foreign.lines[3].strip() == json.dumps(line()).encode()
    assert (foreign.rejected, foreign.cut_off) == (0, None)


@pytest.mark.parametrize(
    ("answers", "status"),
    [
        ([], 3),
        ([Answer.LINEARIZABLE], 0),
        ([Answer.LINEARIZABLE, Answer.UNDECIDED], 3),
        ([Answer.UNDECIDED, Answer.NOT], 1),
        ([Answer.LINEARIZABLE, Answer.NOT], 1),
    ],
)
def test_worst_key_decides(answers: list[Answer], status: int) -> None:
    """And none proves nothing."""
    assert exit_status(KeyAnswer(key="k", operations=1, answer=one) for one in answers) == status


def test_each_key_has_clocks_of_its_own() -> None:
    """Started when it is its turn; what contradicts it is shown in the order of the file."""
    started: list[int] = []

    def limits() -> tuple[object, object]:
        started.append(len(started))
        return (lambda: False), (lambda: False)

    late = line(actor="r", op="read", value=None, seen=1, sent=6, done=7)
    lines = [late, line(actor="b", value=2, sent=2, done=3), line(), line(actor="o", key="other")]
    foreign = read_foreign("".join(json.dumps(one) + "\n" for one in lines).encode(), "h")
    answers = judge_foreign(foreign, limits)  # type: ignore[arg-type]
    assert [(one.key, one.operations, one.answer) for one in answers] == [
        ('"k"', 3, Answer.NOT),
        ('"other"', 1, Answer.LINEARIZABLE),
    ]
    assert answers[0].shown_by == (1, 2, 3)
    assert answers[0].minimal
    assert started == [0, 1]
