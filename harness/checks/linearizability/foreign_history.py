"""Histories that others recorded: from JSON lines to registers to one answer per key. Pure.

The whole format is in docs/foreign-histories.md. What is not exactly so is refused with its line: a
history half understood would be judged as something that nobody recorded. Values are compared as
JSON with type, numbers exactly; times are ordered and nothing else, so any unit will do.

Trap: `seen: null` says that nothing was there. Only where an operation can have seen nothing at all
(a write, an unknown outcome, ...) is a null the same as leaving the member out.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from json.encoder import encode_basestring
from typing import Literal, NoReturn

import msgspec
from msgspec import UNSET, UnsetType

from harness.checks.linearizability.actions import UNSAID, Action, Answer, Unsaid, Value
from harness.checks.linearizability.search import explain, judge_register
from harness.errors import ExitStatus, UsageError
from harness.model.times import FOREVER
from harness.model.words import Outcome

MEMBERS = ("actor", "op", "key", "value", "expected", "swapped", "seen", "sent", "done", "outcome")
_KNOWN = frozenset(MEMBERS)
OPERATIONS = ("read", "write", "cas", "delete")
OUTCOMES = (Outcome.ACKED, Outcome.REJECTED, Outcome.UNKNOWN)
_ACKED, _REJECTED = str(Outcome.ACKED), str(Outcome.REJECTED)

_SHOWN = 60
"""Characters of a wrong value in a message."""

_ZEROS_WRITTEN = 40
"""Beyond, numbers are spelled with an exponent: `1e999999999` is valid JSON."""
_SPELLED_OUT = 10**_ZEROS_WRITTEN
"""Whole numbers below this have fewer zeros at their end, whatever they are."""

Limits = Callable[[], tuple[Callable[[], bool], Callable[[], bool]]]
"""Starts two clocks: for a key's answer, and for all that is done about it."""

MOST_NESTING = 100
"""Brackets within brackets in one line: far below what Python can follow."""

Number = int | Decimal | float
"""A moment. As a float it is what a plain line says, rounded."""
Line = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """A history that can be judged."""

    registers: dict[str, list[Action]]
    """Key, as JSON -> operations on it; an operation's id is the number of its line."""
    lines: dict[int, bytes]
    """The operations as they were written."""
    rejected: int
    """Operations left out because they certainly did not happen."""
    cut_off: int | None = None
    """The line that breaks off, left out as `--partial` allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnswer:
    key: str
    operations: int
    answer: Answer
    shown_by: tuple[int, ...] = ()
    """NOT linearizable: the lines that are enough to show it."""
    minimal: bool = True
    """Whether time sufficed to leave none over."""


class _Read(msgspec.Struct, gc=False):
    """One operation whose line is in order."""

    line: int
    actor: str
    key: str
    outcome: str
    sent: Number
    done: Number | None
    """None: unknown outcome."""
    expects: Value | Unsaid
    refuses: Value | Unsaid
    leaves: Value | Unsaid


class _Plain(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line as nearly all are: acked, without anything nested. What is not so is read member by member."""

    actor: str
    op: Literal["read", "write", "cas", "delete"]
    key: str
    outcome: Literal["acked"]
    sent: float
    done: float
    value: str | int | UnsetType | None = UNSET
    expected: str | int | UnsetType | None = UNSET
    swapped: bool | UnsetType = UNSET
    seen: str | int | UnsetType | None = UNSET


class _Exact(msgspec.Struct, gc=False):
    """The moments of a plain line, as it says them."""

    sent: Decimal
    done: Decimal


def read_foreign(content: bytes, name: str, *, partial: bool = False) -> Foreign:
    """Parse and check a history. `name` is for messages, `partial` allows a last line cut off.

    Raises:
        UsageError: a line is not as it must be; the message begins with `name:line`.
    """
    found: list[_Read] = []
    lines: dict[int, bytes] = {}
    cut_off = None
    pieces = content.split(b"\n")
    for n, piece in enumerate(pieces, start=1):
        unterminated = n == len(pieces)
        one = None if unterminated else _plainly(n, piece)
        if one is None:
            if not piece.strip():
                continue
            try:
                if unterminated and not partial:
                    _wrong("expected a line break at the end, found none: it may be cut off (--partial)")
                members = _members(piece, whole=not (unterminated and partial))
                if members is None:
                    cut_off = n
                    continue
                one = _read(n, members)
            except UsageError as problem:
                raise UsageError(f"{name}:{n}: {problem}") from None
        found.append(one)
        lines[n] = piece
    begun, ended = _comparable(found, lines)
    after = _ties(found, begun, ended, name)
    registers: defaultdict[str, list[Action]] = defaultdict(list)
    nothing: frozenset[int] = frozenset()
    for one, sent, done in zip(found, begun, ended, strict=True):
        if one.outcome != _REJECTED:
            registers[one.key].append(
                Action(
                    id=one.line,
                    sent=sent,
                    done=done,
                    expects=one.expects,
                    refuses=one.refuses,
                    leaves=one.leaves,
                    optional=one.done is None,
                    after=after.get(one.line, nothing),
                )
            )
    rejected = len(found) - sum(map(len, registers.values()))
    return Foreign(registers=dict(registers), lines=lines, rejected=rejected, cut_off=cut_off)


def _plainly(n: int, piece: bytes) -> _Read | None:
    """The line, if it is in order and there is nothing special about it; None: read it member by member.

    Trap: this decoder takes the last of two members with one name, and a number in quotation marks for a
    time. Either means more quotation marks than there should be, and without a backslash all of them count.
    """
    try:
        line = _decode_plain(piece)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    sent, done = line.sent, line.done
    if not -_LARGEST < sent <= done < _LARGEST or b"\\" in piece:
        return None
    if sent == done and (exact := _decode_exact(piece)).sent > exact.done:
        return None
    value, expected, swapped, seen = line.value, line.expected, line.swapped, line.seen
    marks = _MARKS + (4 if type(seen) is str else 0 if seen is UNSET else 2)
    expects: Value | Unsaid = UNSAID
    refuses: Value | Unsaid = UNSAID
    leaves: Value | Unsaid = UNSAID
    match line.op:
        case "read" if seen is not UNSET and value is UNSET and expected is UNSET and swapped is UNSET:
            expects = _said(seen)
        case "write" if value is not UNSET and value is not None and seen is expected is swapped is UNSET:
            marks += 4 if type(value) is str else 2
            leaves = _said(value)
        case "cas" if seen is UNSET and value is not UNSET and expected is not UNSET and swapped is not UNSET:
            marks += 6 + 2 * (type(value) is str) + 2 * (type(expected) is str)
            if swapped:
                expects, leaves = _said(expected), _said(value)
            else:
                refuses = _said(expected)
        case _:
            return None
    if piece.count(b'"') != marks:
        return None
    actor, key = encode_basestring(line.actor), encode_basestring(line.key)
    return _Read(n, actor, key, _ACKED, sent, done, expects, refuses, leaves)


_decode_plain = msgspec.json.Decoder(_Plain).decode
_decode_exact = msgspec.json.Decoder(_Exact).decode
_LARGEST = sys.float_info.max
_MARKS = 2 * 6 + 2 * 4
"""Quotation marks around the names of the six members that every plain line has, and around four values."""


def _said(found: str | int | UnsetType | None) -> Value:
    return None if found is None else _text(found)


def _comparable(found: Sequence[_Read], lines: Mapping[int, bytes]) -> tuple[list[float], list[float]]:
    """When each began and ended, as numbers that compare as quickly as they can and in the same order.

    Nearly always that is the moments as floating-point numbers. Where two moments cannot be told apart as
    these, it is their ranks among all.
    """
    numbers = _rough(_moments(found))
    different = len(set(numbers))
    if different < len(numbers):
        exact = _moments([_exactly(one, lines[one.line]) for one in found])
        if different < len(set(exact)):
            numbers = _ranked(exact)
    ends = iter(numbers[len(found) :])
    return numbers[: len(found)], [FOREVER if one.done is None else next(ends) for one in found]


def _moments(found: Sequence[_Read]) -> list[Number]:
    """All beginnings, then all ends that are known."""
    moments = [one.sent for one in found]
    moments += [one.done for one in found if one.done is not None]
    return moments


def _exactly(one: _Read, piece: bytes) -> _Read:
    if not isinstance(one.sent, float):
        return one
    exact = _decode_exact(piece)
    return msgspec.structs.replace(one, sent=exact.sent, done=exact.done)


def _rough(moments: Sequence[Number]) -> list[float]:
    """As floating-point numbers, in the same order."""
    try:
        return list(map(float, moments))
    except OverflowError:  # a whole number of hundreds of digits: finite, whatever it is
        return list(map(_cut, moments))


def _cut(moment: Number) -> float:
    return float(max(-_LARGEST, min(_LARGEST, moment)))


def _ranked(moments: Sequence[Number]) -> list[float]:
    ranks = {moment: float(rank) for rank, moment in enumerate(sorted(set(moments)))}
    return [ranks[moment] for moment in moments]


def judge_foreign(foreign: Foreign, limits: Limits) -> list[KeyAnswer]:
    """An answer for every key. `limits` starts the clocks of one key; each tells when it has run out."""
    answers = []
    for key, actions in foreign.registers.items():
        answer_out_of_time, key_out_of_time = limits()
        one = KeyAnswer(key=key, operations=len(actions), answer=judge_register(actions, answer_out_of_time))
        if one.answer is Answer.NOT:
            shown, minimal = explain(actions, key_out_of_time)
            one = replace(one, shown_by=tuple(sorted(action.id for action in shown)), minimal=minimal)
        answers.append(one)
    return answers


def exit_status(answers: Iterable[KeyAnswer]) -> ExitStatus:
    """Failed: some key is not linearizable; else inconclusive: some key is undecided, or there is none."""
    found = {one.answer for one in answers}
    if Answer.NOT in found:
        return ExitStatus.FAILED
    return ExitStatus.PASSED if found == {Answer.LINEARIZABLE} else ExitStatus.INCONCLUSIVE


def _wrong(message: str) -> NoReturn:
    raise UsageError(message)


def _members(piece: bytes, *, whole: bool) -> Line | None:
    """The line as an object; None: it is not `whole`, as is allowed there."""
    try:
        found = _decode(piece.decode())
    except UnicodeDecodeError as problem:
        if not whole:
            return None
        _wrong(f"expected UTF-8, found byte {piece[problem.start]:#04x} in column {problem.start + 1}")
    except json.JSONDecodeError as problem:
        if not whole:
            return None
        _wrong(f"expected one JSON object, found {_short(piece.decode())} ({problem.msg})")
    except (ValueError, ArithmeticError, RecursionError):
        _wrong(f"expected JSON with numbers of a sane size and at most {MOST_NESTING} brackets nested")
    if not isinstance(found, dict):
        _wrong(f"expected one JSON object, found {_short(piece.decode())}")
    if piece.count(b"{") + piece.count(b"[") > MOST_NESTING and _nested(found) > MOST_NESTING:
        _wrong(f"expected at most {MOST_NESTING} brackets nested, found {_nested(found)}")
    return found


def _no_constant(word: str) -> NoReturn:
    _wrong(f"expected JSON, found {word}")


def _nested(found: object) -> int:
    """How deep it is, level by level: Python's own stack is no part of the format."""
    depth, level = 0, [found]
    while level := [one for one in level if isinstance(one, dict | list)]:
        depth += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return depth


def _once(pairs: list[tuple[str, object]]) -> Line:
    found = dict(pairs)
    if len(found) < len(pairs):
        most = Counter(name for name, _ in pairs).most_common(1)[0][0]
        _wrong(f"expected each member once, found {_short(most)} more than once")
    return found


_decode = json.JSONDecoder(object_pairs_hook=_once, parse_float=Decimal, parse_constant=_no_constant).decode
"""One for all lines: making a decoder costs as much as decoding a line."""


def _read(n: int, members: Line) -> _Read:
    """Raises UsageError for whatever is missing, unknown or impossible."""
    if not members.keys() <= _KNOWN:
        unknown = next(name for name in members if name not in _KNOWN)
        _wrong(f"expected members {', '.join(MEMBERS)}, found {_short(unknown)}")
    op = _word(members, "op", OPERATIONS)
    outcome = _word(members, "outcome", OUTCOMES)
    sent = _time(members, "sent")
    done = None if outcome == Outcome.UNKNOWN else _time(members, "done")
    if done is not None and done < sent:
        _wrong(f"expected sent <= done, found sent {sent} and done {done}")
    expects, refuses, leaves = _effect(members, op, outcome)
    return _Read(
        line=n,
        actor=_name(members, "actor"),
        key=_name(members, "key"),
        outcome=outcome,
        sent=sent,
        done=done,
        expects=expects,
        refuses=refuses,
        leaves=leaves,
    )


def _effect(members: Line, op: str, outcome: str) -> tuple[Value | Unsaid, Value | Unsaid, Value | Unsaid]:
    """What the operation expects, refuses and leaves."""
    acked = outcome == Outcome.ACKED
    _only_where(members, "value", applies=op in {"write", "cas"}, to="write and cas")
    _only_where(members, "expected", applies=op == "cas", to="cas")
    _only_where(members, "swapped", applies=op == "cas" and acked, to="an acked cas")
    if op == "write":
        if _needed(members, "value", op) is None:
            _wrong("write: expected a value, found null: a delete is an operation of its own")
        return _sees_nothing(members, op, outcome), UNSAID, _value(members["value"])
    if op == "cas":
        return _cas(
            members, outcome, _value(_needed(members, "expected", op)), _value(_needed(members, "value", op))
        )
    if not acked:
        _sees_nothing(members, op, outcome)
        return UNSAID, UNSAID, None if op == "delete" else UNSAID
    if op == "read":
        return _value(_needed(members, "seen", "acked read")), UNSAID, UNSAID
    return _value(members["seen"]) if "seen" in members else UNSAID, UNSAID, None


def _cas(
    members: Line, outcome: str, expected: Value, value: Value
) -> tuple[Value | Unsaid, Value | Unsaid, Value | Unsaid]:
    if outcome != Outcome.ACKED:
        _sees_nothing(members, "cas", outcome)
        return expected, UNSAID, value
    swapped = _needed(members, "swapped", "acked cas")
    if not isinstance(swapped, bool):
        _wrong(f"swapped: expected true or false, found {_shown(swapped)}")
    if swapped:
        _sees_nothing(members, "swapped cas", outcome)
        return expected, UNSAID, value
    return _value(members["seen"]) if "seen" in members else UNSAID, expected, UNSAID


def _needed(members: Line, name: str, whose: str) -> object:
    if name not in members:
        _wrong(f"{whose}: expected member {name!r}, found none")
    return members[name]


def _only_where(members: Line, name: str, *, applies: bool, to: str) -> None:
    if not applies and members.get(name) is not None:
        _wrong(f"{name}: belongs to {to} alone, found {_shown(members[name])}")


def _sees_nothing(members: Line, op: str, outcome: str) -> Unsaid:
    if members.get("seen") is not None:
        _wrong(f"seen: a {op} whose outcome is {outcome} shows none, found {_shown(members['seen'])}")
    return UNSAID


def _word(members: Line, name: str, words: tuple[str, ...]) -> str:
    found = _needed(members, name, "operation")
    if not isinstance(found, str) or found not in words:
        _wrong(f"{name}: expected {', '.join(words)}, found {_shown(found)}")
    return found


def _name(members: Line, name: str) -> str:
    """Text or a whole number, as JSON: 1 and "1" are two."""
    found = _needed(members, name, "operation")
    if isinstance(found, bool) or not isinstance(found, str | int):
        _wrong(f"{name}: expected text or a whole number, found {_shown(found)}")
    return _text(found)


def _time(members: Line, name: str) -> Number:
    found = _needed(members, name, "operation")
    if isinstance(found, bool) or not isinstance(found, int | Decimal):
        _wrong(f"{name}: expected a number, found {_shown(found)}")
    if isinstance(found, Decimal) and math.isinf(float(found)):
        _wrong(f"{name}: expected a finite time, found {found}")
    return found


def _value(found: object) -> Value:
    return None if found is None else _text(found)


def _text(found: object) -> str:
    """One spelling for equal JSON values, and only for those: 1 and 1.0 are the same number, and
    1, true and "1" are three values."""
    if type(found) is str:
        return encode_basestring(found)
    if type(found) is int and -_SPELLED_OUT < found < _SPELLED_OUT:
        return str(found)
    if isinstance(found, dict):
        return "{" + ",".join(f"{_text(name)}:{_text(found[name])}" for name in sorted(found)) + "}"
    if isinstance(found, list):
        return "[" + ",".join(_text(one) for one in found) + "]"
    if isinstance(found, int | Decimal) and not isinstance(found, bool):
        return _digits(Decimal(found))
    return json.dumps(found, ensure_ascii=False)


def _digits(number: Decimal) -> str:
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # NaN and Infinity were refused
    text = "".join(map(str, digits)).lstrip("0")
    short = text.rstrip("0")
    if not short:
        return "0"
    exponent += len(text) - len(short)
    minus = "-" if sign else ""
    if 0 <= exponent <= _ZEROS_WRITTEN:
        return f"{minus}{short}{'0' * exponent}"
    return f"{minus}{short}e{exponent}"


def _ties(
    found: Sequence[_Read], begun: Sequence[float], ended: Sequence[float], name: str
) -> dict[int, frozenset[int]]:
    """Operations of one actor that follow one another at the same moment, in the order of the file.

    Most actors began each of theirs after the one before had ended, in the order of the file. Only the
    others are looked at closely.

    Raises:
        UsageError: an actor began an operation before its last one was over.
    """
    over: dict[str, float] = {}
    closely: set[str] = set()
    for one, sent, done in zip(found, begun, ended, strict=True):
        if sent <= over.get(one.actor, -FOREVER):
            closely.add(one.actor)
        over[one.actor] = sent if done == FOREVER else done
    after: dict[int, frozenset[int]] = {}
    if closely:
        by_actor: dict[str, list[int]] = {actor: [] for actor in over if actor in closely}
        for n, one in enumerate(found):
            if one.actor in closely:
                by_actor[one.actor].append(n)
        for mine in by_actor.values():
            _ties_of(mine, found, begun, ended, name, after)
    return after


def _ties_of(  # noqa: PLR0917 - what one actor did, and where it is noted
    mine: list[int],
    found: Sequence[_Read],
    begun: Sequence[float],
    ended: Sequence[float],
    name: str,
    after: dict[int, frozenset[int]],
) -> None:
    mine.sort(key=begun.__getitem__)  # stable: the file decides ties
    last, last_done = -1, -FOREVER
    ending: list[int] = []
    for n in mine:
        sent, done = begun[n], ended[n]
        if sent < last_done:
            _overlap(found[last], found[n], name)
        if sent > last_done:
            ending = []
        elif before_it := [
            found[each].line
            for each in ending
            if found[each].key == found[n].key and found[each].outcome == _ACKED
        ]:
            after[found[n].line] = frozenset(before_it)
        if done != FOREVER:  # an unknown operation never ends, so nothing comes after it
            if done > last_done:
                ending = []
            last, last_done = n, done
            ending.append(n)


def _overlap(first: _Read, second: _Read, name: str) -> NoReturn:
    early, late = sorted((first.line, second.line))
    raise UsageError(
        f"{name}:{late}: expected one operation of actor {first.actor} at a time, found this one"
        f" overlapping line {early}"
    )


def _shown(found: object) -> str:
    return _short(json.dumps(found, default=str))


def _short(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")
