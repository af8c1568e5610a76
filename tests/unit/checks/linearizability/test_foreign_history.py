"""`judge --history`: the format, its errors with their lines, the answers and exit statuses."""

from __future__ import annotations

import json
import random
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.linearizability.actions import Answer
from harness.checks.linearizability.foreign_history import exit_status, judge_foreign, read_foreign
from harness.cli import main
from harness.errors import UsageError
from harness.saved.foreign import _time_limits, judge_file
from tests.share import examples


def never() -> bool:
    return False


def always() -> bool:
    return True


def op(actor: str, does: str, sent: float, done: float, /, **more: Any) -> dict[str, object]:
    line = {"actor": actor, "op": does, "key": "k", "sent": sent, "done": done, "outcome": "acked"}
    return {**line, **more}


def write(actor: str, sent: float, done: float, value: object, /, **more: Any) -> dict[str, object]:
    return op(actor, "write", sent, done, value=value, **more)


def read(actor: str, sent: float, done: float, seen: object, /, **more: Any) -> dict[str, object]:
    return op(actor, "read", sent, done, seen=seen, **more)


def as_file(*lines: dict[str, object] | str) -> bytes:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    return "".join(f"{text}\n" for text in texts).encode()


def status(*lines: dict[str, object] | str, partial: bool = False) -> int:
    foreign = read_foreign(as_file(*lines), "h.jsonl", partial=partial)
    return exit_status(judge_foreign(foreign, lambda: (never, never)))


def shown(*lines: dict[str, object]) -> tuple[int, ...]:
    foreign = read_foreign(as_file(*lines), "h.jsonl")
    (answer,) = judge_foreign(foreign, lambda: (never, never))
    assert answer.answer is Answer.NOT
    return answer.shown_by


def problem(*lines: dict[str, object] | str) -> str:
    with pytest.raises(UsageError) as found:
        read_foreign(as_file(*lines), "h.jsonl")
    assert found.value.exit_code == 2
    return str(found.value)


GOOD_LINE = write("w", 0, 1, 1)


def test_each_operation_has_its_meaning() -> None:
    """All four, acked, as a correct store answers them."""
    lines = (
        read("a", 0, 1, None),
        write("a", 2, 3, "x"),
        read("a", 4, 5, "x"),
        op("a", "cas", 6, 7, expected="x", value="y", swapped=True),
        op("a", "cas", 8, 9, expected="x", value="z", swapped=False, seen="y"),
        op("a", "cas", 10, 11, expected="x", value="z", swapped=False),
        op("a", "delete", 12, 13, seen="y"),
        op("a", "delete", 14, 15, seen=None),
        op("a", "cas", 16, 17, expected=None, value="new", swapped=True),
        op("a", "cas", 18, 19, expected="new", value=None, swapped=True),
        read("a", 20, 21, None),
        op("a", "delete", 22, 23),
    )
    assert status(*lines) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        read("a", 4, 5, None),
        read("a", 4, 5, "y"),
        op("a", "cas", 4, 5, expected=None, value="y", swapped=True),
        op("a", "cas", 4, 5, expected="y", value="z", swapped=True),
        op("a", "cas", 4, 5, expected="x", value="z", swapped=False),
        op("a", "cas", 4, 5, expected="y", value="z", swapped=False, seen=None),
        op("a", "delete", 4, 5, seen=None),
        op("a", "delete", 4, 5, seen="y"),
    ],
)
def test_each_operation_can_contradict(wrong: dict[str, object]) -> None:
    """After an acked write of x nothing else can have been there."""
    assert status(write("a", 0, 1, "x"), wrong) == 1


def test_absent_after_an_unknown_cas_to_null() -> None:
    """`value: null` of a compare-and-set is a delete, and may take effect late or never."""
    maybe = op("b", "cas", 2, 0, expected="x", value=None, outcome="unknown")
    lines = [write("a", 0, 1, "x"), maybe, read("a", 5, 6, "x")]
    assert status(*lines) == 0
    assert status(*lines, read("a", 7, 8, None)) == 0
    assert status(*lines, read("a", 7, 8, None), read("a", 9, 10, "x")) == 1


def test_unknown_operation_never_ends() -> None:
    """Its `done` is ignored, whatever it says; its actor may go on; it may take effect much later."""
    for done in ({"done": 3}, {"done": -7}, {"done": None}, {}):
        late = {**write("a", 2, 0, "late", outcome="unknown"), **done}
        if not done:
            del late["done"]
        assert status(write("a", 0, 1, "x"), late, read("a", 2, 4, "x"), read("b", 100, 101, "late")) == 0
        assert status(write("a", 0, 1, "x"), late, read("b", 1, 1.5, "late")) == 1


def test_rejected_operation_did_not_happen() -> None:
    """A value that only a refused write wrote comes from nowhere."""
    refused = write("b", 2, 3, "y", outcome="rejected")
    assert status(write("a", 0, 1, "x"), refused, read("a", 4, 5, "x")) == 0
    assert status(write("a", 0, 1, "x"), refused, read("a", 4, 5, "y")) == 1
    assert status(refused) == 3


def test_equal_times_are_concurrent_between_actors() -> None:
    """Ended when the other began: either order."""
    assert status(write("a", 0, 2, "x"), write("b", 2, 3, "y"), read("c", 4, 5, "x")) == 0
    assert status(write("a", 0, 2, "x"), write("b", 2.001, 3, "y"), read("c", 4, 5, "x")) == 1


def test_equal_times_of_one_actor_go_by_the_file() -> None:
    """One after the other as they stand there, even without any length."""
    assert status(write("a", 0, 2, "x"), write("a", 2, 3, "y"), read("c", 4, 5, "x")) == 1
    assert status(write("a", 2, 2, "x"), write("a", 2, 2, "y"), read("c", 4, 5, "x")) == 1
    assert status(write("a", 2, 2, "y"), write("a", 2, 2, "x"), read("c", 4, 5, "x")) == 0
    elsewhere = write("a", 2, 2, 1, key="other")  # between the two: what follows it follows both
    assert status(write("a", 0, 2, "x"), elsewhere, write("a", 2, 3, "y"), read("c", 4, 5, "x")) == 1


def test_lines_need_not_be_in_order() -> None:
    """Times decide, not the file."""
    assert status(read("c", 4, 5, "y"), write("a", 2, 3, "y"), write("a", 0, 1, "x")) == 0


@pytest.mark.parametrize(("one", "other"), [(1, True), (1, "1"), (0, False), (0, ""), ("null", []), ([1], ["1"]), ({"a": 1}, {"a": True})])  # fmt: skip
def test_values_have_types(one: object, other: object) -> None:
    """1, true and "1" are three values, inside of lists and objects too."""
    assert status(write("a", 0, 1, one), read("a", 2, 3, one)) == 0
    assert status(write("a", 0, 1, one), read("a", 2, 3, other)) == 1


def test_numbers_are_exact() -> None:
    """No two whole numbers are one, however long; and one number has many spellings."""
    line = '{"actor":"a","op":"%s","key":"k","%s":%s,"sent":%s,"done":%s,"outcome":"acked"}'
    for one, other, same in (
        ("9007199254740993", "9007199254740992", False),
        ("0.1", "0.10000000000000000001", False),
        ("1" + "0" * 400, "1" + "0" * 399 + "1", False),
        ("1e999", "1e998", False),
        ("1.0", "1", True),
        ("1e2", "100", True),
        ("-0", "0.00", True),
        ('{"a": 1, "b": 2}', '{"b":2.0,"a":1}', True),
        ('"\\u00e9"', '"é"', True),
    ):
        lines = line % ("write", "value", one, 0, 1), line % ("read", "seen", other, 2, 3)
        assert status(*lines) == (0 if same else 1), (one, other)
    close = line % ("write", "value", 1, 0, 9007199254740992), line % ("read", "seen", "null", 9007199254740993, 9007199254740994)  # fmt: skip
    assert status(*close) == 1


def test_keys_are_judged_apart() -> None:
    """Text and number are two keys; the worst answer is the file's."""
    lines = [write("a", 0, 1, "x", key=1), read("a", 2, 3, None, key="1"), read("a", 4, 5, "x", key=1)]
    assert status(*lines) == 0
    assert status(*lines, read("a", 6, 7, None, key=1)) == 1


def test_exit_status_is_that_of_the_worst_key() -> None:
    """Not linearizable beats undecided beats linearizable; no operation at all proves nothing."""
    good, bad = write("a", 0, 1, 1, key="good"), read("b", 0, 1, 1, key="bad")
    size = 60
    dice = random.Random(7)
    hard = [
        op(
            f"c{n}",
            "cas",
            0,
            9,
            key="hard",
            expected=dice.randrange(9),
            value=dice.randrange(9),
            swapped=True,
        )
        for n in range(size)
    ] + [write("w", 0, 9, 0, key="hard")]
    reads = [read(f"r{n}", 0, 9, n, key="hard") for n in range(9)]
    lines = as_file(good, *hard, *reads)
    answers = judge_foreign(read_foreign(lines, "h.jsonl"), lambda: (always, always))
    assert [one.answer for one in answers] == [Answer.LINEARIZABLE, Answer.UNDECIDED]
    assert exit_status(answers) == 3
    answers = judge_foreign(
        read_foreign(as_file(good, *hard, *reads, bad), "h.jsonl"), lambda: (always, always)
    )
    assert exit_status(answers) == 1
    assert status() == 3
    assert status("", "   ") == 3
    assert status(good) == 0


def test_what_is_shown_is_enough_and_nothing_more() -> None:
    """The stale read, what it saw, and what had replaced it; neither other reads nor other writes."""
    lines = [
        *(write("a", 0, 1, "x"), read("b", 2, 3, "x"), write("a", 4, 5, "y"), read("b", 6, 7, "y")),
        *(write("a", 8, 9, "z"), read("b", 10, 11, "z"), write("c", 0, 30, "x"), read("d", 12, 13, "y")),
    ]
    assert shown(*lines) == (3, 5, 8)
    again = [lines[n - 1] for n in shown(*lines)]
    assert status(*again) == 1
    lines[7] = read("d", 12, 13, "w")
    assert shown(*lines) == (8,)


def test_every_writer_of_a_value_seen_is_shown() -> None:
    """Whoever reads it need not ask where else the value could have come from."""
    lines = [write("a", 0, 1, "x"), write("a", 2, 3, "x"), write("a", 4, 5, "y"), read("b", 6, 7, "x")]
    assert shown(*lines) == (1, 2, 3, 4)


ERRORS: dict[str, tuple[dict[str, object] | str, str]] = {
    "no JSON": ("{actor", "expected one JSON object"),
    "no object": ("[1]", "expected one JSON object"),
    "two objects": ("{} {}", "expected one JSON object"),
    "NaN time": (write("a", float("nan"), 1, 1), "found NaN"),
    "infinite time": (write("a", 0, float("inf"), 1), "found Infinity"),
    "NaN value": (write("a", 0, 1, {"x": float("nan")}), "found NaN"),
    "time beyond numbers": ('{"actor":"a","op":"read","key":"k","seen":1,"sent":0,"done":1e999,"outcome":"acked"}', "finite"),
    "duplicate member": ('{"actor":"a","actor":"a","op":"read","key":"k","seen":1,"sent":0,"done":1,"outcome":"acked"}', "'actor' more than once"),
    "duplicate in a value": ('{"actor":"a","op":"write","key":"k","value":{"x":1,"x":1},"sent":0,"done":1,"outcome":"acked"}', "'x' more than once"),
    "unknown member": (write("a", 0, 1, 1, node="n"), "found 'node'"),
    "text as time": (write("a", "0", 1, 1), "sent: expected a number"),  # type: ignore[arg-type]
    "true as time": (write("a", True, 1, 1), "sent: expected a number"),
    "done before sent": (write("a", 2, 1, 1), "expected sent <= done"),
    "unknown op": (op("a", "append", 0, 1, value=1), "op: expected read, write, cas, delete"),
    "unknown outcome": (write("a", 0, 1, 1, outcome="ok"), "outcome: expected acked, rejected, unknown"),
    "null for write": (write("a", 0, 1, None), "found null"),
    "null for an unknown write": (write("a", 0, 1, None, outcome="unknown"), "found null"),
    "null as key": (write("a", 0, 1, 1, key=None), "key: expected text"),
    "true as actor": (write("a", 0, 1, 1, actor=True), "actor: expected text"),
    "acked read without seen": (op("a", "read", 0, 1), "expected member 'seen'"),
    "write without value": (op("a", "write", 0, 1), "expected member 'value'"),
    "cas without value": (op("a", "cas", 0, 1, expected=1, swapped=True), "expected member 'value'"),
    "cas without expected": (op("a", "cas", 0, 1, value=1, swapped=True), "expected member 'expected'"),
    "acked cas without swapped": (op("a", "cas", 0, 1, value=1, expected=2), "expected member 'swapped'"),
    "swapped that is none": (op("a", "cas", 0, 1, value=1, expected=2, swapped=1), "expected true or false"),
    "unknown cas with swapped": (op("a", "cas", 0, 1, value=1, expected=2, swapped=False, outcome="unknown"), "swapped: belongs to"),
    "read with value": (op("a", "read", 0, 1, seen=1, value=1), "value: belongs to"),
    "write with expected": (write("a", 0, 1, 1, expected=1), "expected: belongs to"),
    "write that saw": (write("a", 0, 1, 1, seen=1), "seen: "),
    "unknown read that saw": (read("a", 0, 1, 1, outcome="unknown"), "seen: "),
    "swapped cas that saw": (op("a", "cas", 0, 1, value=1, expected=2, swapped=True, seen=2), "seen: "),
    "number of insane size": ('{"actor":"a","op":"read","key":"k","seen":1e99999999999999999999,"sent":0,"done":1,"outcome":"acked"}', "sane size"),
    "number of 5,000 digits": (f'{{"actor":"a","op":"read","key":"k","seen":{"7" * 5000},"sent":0,"done":1,"outcome":"acked"}}', "sane size"),
    "nested insanely": ("[" * 100_000, "sane size"),
    "nested 330 deep": (f'{{"actor":"a","op":"write","key":"k","value":{"[" * 330}{"]" * 330},"sent":0,"done":1,"outcome":"acked"}}', "at most 100 brackets nested, found 331"),
    "nested 330 deep where none belongs": (f'{{"actor":"a","op":"read","key":{"[" * 330}{"]" * 330},"sent":0,"done":1,"outcome":"acked"}}', "at most 100 brackets nested"),
}  # fmt: skip
for missing in ("actor", "op", "key", "sent", "done", "outcome"):
    ERRORS[f"no {missing}"] = (
        {name: value for name, value in GOOD_LINE.items() if name != missing},
        f"'{missing}'",
    )


@pytest.mark.parametrize("name", ERRORS)
def test_error_names_its_line(name: str) -> None:
    """Blank lines count; the message says what is wrong there."""
    line, expected = ERRORS[name]
    message = problem(GOOD_LINE, "", line, GOOD_LINE)
    assert message.startswith("h.jsonl:3: ")
    assert expected in message
    assert len(message) < 250


def test_bytes_that_are_no_text_are_an_error() -> None:
    """With their line and column."""
    with pytest.raises(UsageError, match=r"h.jsonl:2: expected UTF-8, found byte 0xff in column 1"):
        read_foreign(as_file(GOOD_LINE) + b"\xff\n", "h.jsonl")


@pytest.mark.parametrize("outcome", ["acked", "rejected", "unknown"])
def test_overlap_of_one_actor_is_an_error(outcome: str) -> None:
    """Nobody does two things at once; the later line is named, whichever it is."""
    inner = write("a", 1, 2, 2, outcome=outcome)
    assert problem(write("a", 0, 5, 1), inner) == (
        'h.jsonl:2: expected one operation of actor "a" at a time, found this one overlapping line 1'
    )
    if outcome != "unknown":
        assert problem(inner, write("a", 0, 5, 1)).startswith("h.jsonl:2: ")
    assert status(write("a", 0, 5, 1), {**inner, "actor": "b"}) == 0
    assert problem(write("a", 0, 5, 1), {**inner, "key": "other"}).startswith("h.jsonl:2: ")


def test_members_that_do_not_apply_may_be_null() -> None:
    """Converters with fixed columns need no special cases; where null says something, it says it."""
    nothing = {"value": None, "expected": None, "swapped": None}
    assert (
        status({**nothing, **write("a", 0, 1, "x"), "seen": None}, {**nothing, **read("a", 2, 3, "x")}) == 0
    )
    assert status(write("a", 0, 1, "x"), {**nothing, **op("a", "delete", 2, 3, seen=None)}) == 1


def test_last_line_cut_off_is_an_error_unless_partial() -> None:
    """Left out if it breaks off, used if only the line break is missing."""
    whole = as_file(write("a", 0, 1, "x"), read("a", 2, 3, "x"))
    bad = json.dumps(read("a", 4, 5, "y")).encode()
    for end in range(1, len(bad) + 1):
        with pytest.raises(UsageError, match=r"h.jsonl:3: .*--partial"):
            read_foreign(whole + bad[:end], "h.jsonl")
        foreign = read_foreign(whole + bad[:end], "h.jsonl", partial=True)
        assert foreign.cut_off == (3 if end < len(bad) else None)
        answers = judge_foreign(foreign, lambda: (never, never))
        assert exit_status(answers) == (0 if end < len(bad) else 1)
    assert read_foreign(whole + b"  ", "h.jsonl").lines.keys() == {1, 2}
    with pytest.raises(UsageError, match=r"h.jsonl:1: "):
        read_foreign(b"{\n" + whole, "h.jsonl", partial=True)


def test_every_prefix_of_a_history_can_be_judged_as_partial() -> None:
    """Wherever the recording broke off, in the middle of a letter too."""
    content = as_file(write("é", 0, 1, {"ü": 1.5}), read("b", 2, 3, {"ü": 1.5})).decode().encode()
    content = content.replace(b"\\u00fc", "ü".encode()).replace(b"\\u00e9", "é".encode())
    for end in range(len(content) + 1):
        foreign = read_foreign(content[:end], "h.jsonl", partial=True)
        assert len(foreign.lines) <= 2


def test_command_judges_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line per broken key, the lines that show it as they were written, and the exit status."""
    file = tmp_path / "h.jsonl"
    lines = [
        write("a", 0, 1, "x"),
        write("a", 2, 3, "y"),
        read("b", 4, 5, "x"),
        write("b", 6, 7, 1, key="fine"),
    ]
    file.write_bytes(as_file(*lines, write("c", 0, 1, 1, outcome="rejected")))
    assert main(["judge", "--history", str(file)]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{file}: 4 operations on 2 keys, 1 rejected left out"
    assert said[1] == 'key "k": NOT linearizable. No order of the operations explains these 3 lines:'
    assert [json.loads(line) for line in said[2:5]] == lines[:3]
    assert said[5] == "1 linearizable, 1 NOT linearizable, 0 undecided"
    (tmp_path / "shown.jsonl").write_text("".join(f"{line}\n" for line in said[2:5]))
    assert main(["judge", "--history", str(tmp_path / "shown.jsonl")]) == 1


def test_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Bad use and bad files are exit status 2 and one message."""
    file = tmp_path / "h.jsonl"
    file.write_bytes(b"{}")
    for words, expected in (
        (["--history", str(file)], f"{file}:1: expected a line break"),
        (["--history", str(file), "--partial"], f"{file}:1: operation: expected member 'op'"),
        (["--history", str(tmp_path / "none")], "none: cannot be read"),
        ([], "expected either a results folder or --history"),
        ([str(tmp_path), "--history", str(file)], "expected either a results folder or --history"),
        ([str(tmp_path), "--partial"], "--partial belongs to --history"),
    ):
        assert main(["judge", *words]) == 2
        assert expected in capsys.readouterr().err


def test_documented_examples_judge_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first passes, the second fails, and prints what the page says."""
    page = (Path(__file__).resolve().parents[4] / "docs" / "foreign-histories.md").read_text()
    good, bad = re.findall(r"```jsonl\n(.*?)```", page, re.DOTALL)
    (said,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    for example, expected in ((good, 0), (bad, 1)):
        Path("docs.jsonl").write_text(example)
        lines, exit_code = judge_file(Path("docs.jsonl"))
        assert exit_code == expected
    assert "\n".join(lines) == said.strip()


def test_empty_file_proves_nothing(tmp_path: Path) -> None:
    """Exit status 3, and it says so."""
    file = tmp_path / "h.jsonl"
    file.write_bytes(b"")
    lines, exit_code = judge_file(file)
    assert exit_code == 3
    assert lines == [f"{file}: 0 operations on 0 keys", "undecided: there is no operation to judge"]


@examples(40, 5)
@given(st.integers(min_value=0, max_value=2**32))
def test_history_of_a_real_store_passes(seed: int) -> None:
    """Closed-loop actors on a store that does one thing at a time; whole times, so that many tie."""
    dice = random.Random(seed)
    store: dict[str, int] = {}
    free = dict.fromkeys("abc", 0)
    events: list[tuple[int, int, dict[str, object]]] = []
    lines: list[dict[str, object]] = []
    for _ in range(60):
        actor = min(free, key=lambda one: (free[one], one))
        sent = free[actor] + dice.choice((0, 0, 1))
        events.append((sent, len(events), {"actor": actor, "sent": sent}))
        free[actor] = sent + dice.choice((0, 1, 3))
        events[-1][2]["done"] = free[actor]
    for _, _, line in sorted(events, key=lambda event: event[:2]):
        # Executed when sent, in this order: within every interval, and as the ties demand.
        key, value = dice.choice("kl"), dice.randrange(3)
        there = store.get(key)
        line |= {"key": key, "outcome": "acked", "op": dice.choice(("read", "write", "cas", "delete"))}
        if line["op"] == "read":
            line["seen"] = there
        elif line["op"] == "write":
            line["value"] = store[key] = value
        elif line["op"] == "delete":
            line["seen"] = store.pop(key, None)
        else:
            expected = dice.choice((None, 0, 1, there))
            line |= {"expected": expected, "value": value, "swapped": expected == there}
            if expected == there:
                store[key] = value
        lines.append(line)
    assert status(*lines) == 0


def test_value_that_nobody_wrote_needs_no_search() -> None:
    """Whatever else was done to the key: it is decided when time is up, and shown by that line alone."""
    hard = [write(f"w{n}", 0, 9, n % 5) for n in range(50)]
    foreign = read_foreign(as_file(*hard, read("r", 3, 4, "nobody's")), "h.jsonl")
    (answer,) = judge_foreign(foreign, lambda: (always, always))
    assert (answer.answer, answer.shown_by, answer.minimal) == (Answer.NOT, (51,), True)


def slow_to_judge(pairs: int) -> bytes:
    """One write that lasts, around many short ones: whoever looks for an order goes over all of them anew. The
    order of sending is none: the first read was sent before what it saw."""
    short = [
        one
        for n in range(1, pairs)
        for one in (write("a", 10 * n, 10 * n + 1, n % 50), read("b", 10 * n + 2, 10 * n + 3, n % 50))
    ]
    late = (read("b", 2, 6, "late"), write("a", 3, 5, "late"))
    return as_file(
        write("long", 0, 10 * pairs, "x"), *late, *short, read("b", 10 * pairs, 10 * pairs + 1, 49)
    )


def test_limit_of_a_key_holds_inside_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at while one configuration is followed, not only between two."""
    monkeypatch.setattr("harness.saved.foreign.ANSWER_LIMIT_S", 0.3)
    monkeypatch.setattr("harness.saved.foreign.KEY_LIMIT_S", 0.5)
    foreign = read_foreign(slow_to_judge(4_000), "h.jsonl")
    began = time.monotonic()
    (answer,) = judge_foreign(foreign, _time_limits())
    assert time.monotonic() < began + 3, "it took 14 s without a look at the clock"
    assert answer.answer is not Answer.LINEARIZABLE


def test_long_contradiction_is_not_printed_whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where time does not suffice to cut it down, a part of it is shown, and how much is left out."""
    monkeypatch.setattr("harness.saved.foreign.MOST_SHOWN", 2)
    file = tmp_path / "h.jsonl"
    file.write_bytes(
        as_file(write("w", 0, 1, 1), write("w", 2, 3, 2), write("w", 4, 5, 1), read("r", 6, 7, 2))
    )
    lines, status = judge_file(file)
    assert status == 1
    assert any("more line" in line for line in lines), lines


@examples(300, 30)
@given(st.data())
def test_no_file_makes_more_than_one_message(data: st.DataObject) -> None:
    """Lines cut, swapped and overwritten at random are judged or refused: nothing else ever comes out."""
    good = as_file(GOOD_LINE, read("r", 2, 3, 1), op("c", "cas", 4, 5, expected=1, value=[2], swapped=True))
    content = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        piece = data.draw(
            st.sampled_from(
                [b"", b"\x00", b"\xff", b"1e400", b"9" * 5000, b"[" * 400, b"{", b'"', b"null", b"-"]
            )
            | st.binary(max_size=3)
        )
        content[at : at + data.draw(st.integers(0, 3))] = piece
    with suppress(UsageError):
        foreign = read_foreign(bytes(content), "h.jsonl", partial=data.draw(st.booleans()))
        assert exit_status(judge_foreign(foreign, lambda: (never, never))) in {0, 1, 3}
