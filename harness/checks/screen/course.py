"""What each session held and how long it had to live, step by step: part of the screen.

One running sum tells what every look must have seen (`contents`), one running maximum which touch
its time to live comes from. Premise: the steps stand in an order in which they may have been done
(`steps` blames the sessions where that is not so, and what is said of them here is void).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from harness.checks.columns.arrays import (
    NO_CODE,
    NONE,
    ROWS_AT_ONCE,
    Codes,
    Flags,
    Integers,
    Places,
    integers,
)
from harness.checks.facts.step_effects import IDENTITY
from harness.checks.facts.timelines import EPSILON_US
from harness.checks.screen.contents import Changes, Contents, Sums, Tokens
from harness.checks.screen.steps import Steps
from harness.costly import np, pa
from harness.model.table import OperationTable
from harness.model.words import StepKind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """What every session held and how long it had to live, step by step."""

    sums: Sums
    """After each step; 0 once the session is destroyed."""
    gone: Flags
    """Destroyed by this step or before."""
    setter: Places
    """Position of the last step so far that set the time-out; -1: none did."""
    timeout_us: Integers
    """By session (in the order of `Steps.begin`), what all of its setters set it to."""


def course_of(steps: Steps, table: OperationTable, added: Sums) -> tuple[Course, Codes]:
    """The course of every session, made of what each step adds (`added` becomes the sums); and the sessions
    with more than one time-out."""
    gone = steps.within(np.cumsum(steps.are(StepKind.DESTROY), dtype=np.int32)) > 0
    sums = steps.within(np.cumsum(added, out=added))
    sums[gone] = 0
    setter, timeout_us, changed = _setters(steps, table)
    course = Course(sums=sums, gone=gone, setter=setter, timeout_us=timeout_us)
    return course, changed


def _setters(steps: Steps, table: OperationTable) -> tuple[Places, Integers, Codes]:
    """`setter` and `timeout_us`; and the sessions with more than one time-out."""
    places = np.flatnonzero(steps.are(StepKind.CREATE, StepKind.TOUCH))
    ttl_ms = integers(table.steps, "ttl_ms")[steps.at[places]]
    places, ttl_ms = places[ttl_ms != NONE], ttl_ms[ttl_ms != NONE]
    last = np.full(len(steps), -1, np.int32)
    last[places] = places
    last = np.maximum.accumulate(last)
    last[last < steps.begin[steps.group]] = -1
    group = steps.group[places]
    timeout_us = np.zeros(len(steps.begin), np.int64)
    timeout_us[group] = ttl_ms * 1000
    differ = (ttl_ms[1:] != ttl_ms[:-1]) & (group[1:] == group[:-1])
    return last, timeout_us, steps.session[places[1:][differ]]


def seen_amiss(steps: Steps, course: Course, table: OperationTable, shown: Sums) -> Codes:
    """Sessions with a look at something else than what was there, or at another time to live; `shown`: the
    sum of what each of the table's steps saw."""
    looks = np.flatnonzero(steps.are(StepKind.READ)).astype(np.int32)
    wrong = np.zeros(len(looks), np.bool_)
    pttl_ms = integers(table.steps, "pttl_ms")
    for begin in range(0, len(looks), ROWS_AT_ONCE):
        these = looks[begin : begin + ROWS_AT_ONCE]
        at = steps.at[these]
        amiss = shown[at] != course.sums[these]
        amiss |= ~course.gone[these] & ~in_time(
            steps, course, these, steps.sent_us[these], steps.done_us[these], pttl_ms[at]
        )
        wrong[begin : begin + ROWS_AT_ONCE] = amiss
    found: Codes = steps.session[looks[wrong]]
    return found


def in_time(  # noqa: PLR0917 - one look is these four
    steps: Steps,
    course: Course,
    after: Integers | Places,
    sent_us: Integers,
    done_us: Integers,
    pttl_ms: Integers,
) -> Flags:
    """Looks that found a session when it had to live, with the time that the last setter of its
    time-out gave it; `after`: the position of the last step before the look, or its own."""
    setter, timeout_us = course.setter[after], course.timeout_us[steps.group[after]]
    earliest_us = steps.sent_us[setter] + timeout_us - EPSILON_US
    latest_us = steps.done_us[setter] + timeout_us + EPSILON_US
    left_us = pttl_ms * 1000
    fits = (pttl_ms >= 0) & (done_us + left_us >= earliest_us) & (sent_us + left_us <= latest_us)
    found: Flags = (setter >= 0) & (sent_us <= latest_us) & (fits | (pttl_ms == NONE))
    return found


def changes_of(
    steps: Steps, table: OperationTable, wrote: Contents, identity: Sequence[tuple[str, ...]]
) -> tuple[Tokens, Changes, Integers]:
    """Every change of a field; and the sessions with steps that do not say all of what they changed.

    `identity`: of each session, what `step_effects.IDENTITY` must be. A log-in need not list that among what
    it wrote; where it does, it must be the same.
    """
    sets = np.flatnonzero(steps.are(StepKind.CREATE, StepKind.WRITE))
    said = wrote.codes[steps.at[sets]]
    told = ~np.append(wrote.escaped, True)[said]
    untold = [steps.session[sets[~told]]]
    sets, said = sets[told], said[told]
    additions = _additions(steps, table)
    untold.append(additions.untold)
    named = [f'{name}":"{value}' for values in identity for name, value in zip(IDENTITY, values, strict=True)]
    tokens = Tokens(
        pa.concat_arrays([wrote.texts, pa.array(additions.texts, pa.string()), pa.array(named, pa.string())])
    )
    added, given = np.split(tokens.codes[len(wrote.texts) :], [len(additions.texts)])
    removes, field, unnamed = _removals(steps, table, tokens)
    untold.append(unnamed)
    place, each = _spread(wrote.offsets, said)
    step, token = np.repeat(sets, each), tokens.codes[wrote.tokens[place]]
    own = np.isin(tokens.field[token], tokens.field[given])
    mine = given.reshape(len(identity), len(IDENTITY))[steps.group[step[own]]]
    same = (mine == token[own][:, None]).any(axis=1) & steps.are(StepKind.CREATE)[step[own]]
    untold.append(steps.session[step[own][~same]])
    makers = np.repeat(steps.begin, len(IDENTITY))
    parts = [
        _part(makers, given, tokens.field[given]),
        _part(step[~own], token[~own], tokens.field[token[~own]]),
        _part(additions.step, added[additions.text], tokens.field[added[additions.text]], additions),
        _part(removes, np.full(len(removes), NO_CODE, np.int32), field),
    ]
    return tokens, _in_order(steps, parts), np.concatenate(untold)


_Part: TypeAlias = "tuple[Integers | Places, Codes, Codes, Integers, Integers]"
"""Step, token, field, amount and total of some changes."""


def _part(step: Integers | Places, token: Codes, field: Codes, counted: _Additions | None = None) -> _Part:
    if counted is not None:
        return step, token, field, counted.amount, counted.total
    nothing = np.zeros(len(step), np.int64)
    return step, token, field, nothing, nothing


def _in_order(steps: Steps, parts: Sequence[_Part]) -> Changes:
    step, token, field, amount, total = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(step, stable=True)
    step = step[order]
    return Changes(
        step=step,
        session=steps.session[step].astype(np.int64),
        field=field[order],
        token=token[order],
        makes=steps.are(StepKind.CREATE)[step],
        writes=steps.are(StepKind.CREATE, StepKind.WRITE)[step],
        amount=amount[order],
        total=total[order],
    )


def _spread(offsets: Integers, codes: Codes) -> tuple[Integers, Integers]:
    """The positions of the tokens of each of these texts, one after the other, and how many each has."""
    first = offsets[codes]
    each = offsets[codes + 1] - first
    ends = np.cumsum(each)
    return np.arange(int(each.sum())) - np.repeat(ends - each - first, each), each


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Additions:
    """Steps that add to a number and were told the new total."""

    step: Integers
    amount: Integers
    total: Integers
    text: Codes
    """Of each, its place in `texts`."""
    texts: list[str]
    """The tokens that the replies show."""
    untold: Integers
    """Sessions in which one of them does not say so."""


def _additions(steps: Steps, table: OperationTable) -> _Additions:
    step = np.flatnonzero(steps.are(StepKind.INCREMENT))
    asked, told = steps.words(table, "added", step), steps.words(table, "added_now", step)
    amounts, totals = (
        [_one_number(text) for text in asked.names()],
        [_one_number(text) for text in told.names()],
    )
    place = {name: n for n, name in enumerate(dict.fromkeys(name for name, _ in (*amounts, *totals)))}
    asked_field, told_field = (
        np.array([*(place[name] if name else NO_CODE for name, _ in known), NO_CODE])[said.codes]
        for known, said in ((amounts, asked), (totals, told))
    )
    good = (asked_field == told_field) & (asked_field != NO_CODE)
    kept = step[good]
    return _Additions(
        step=kept,
        amount=np.array([number for _, number in amounts], np.int64)[asked.codes[good]],
        total=np.array([number for _, number in totals], np.int64)[told.codes[good]],
        text=told.codes[good],
        texts=[f'{name}":"{number}' for name, number in totals],
        untold=steps.session[step[~good]],
    )


def _one_number(text: str) -> tuple[str, int]:
    """Field and number of a JSON object like `{"cart:1":2}`; "": it has not exactly one plain name."""
    numbers = msgspec.json.decode(text, type=dict[str, int])
    return next(iter(numbers.items())) if len(numbers) == 1 and "\\" not in text else ("", 0)


def _removals(steps: Steps, table: OperationTable, tokens: Tokens) -> tuple[Integers, Codes, Integers]:
    """Steps that remove a field that ever had a value, and the field; sessions that do not name one."""
    step = np.flatnonzero(steps.are(StepKind.REMOVE_FIELD))
    removed = steps.words(table, "removed", step)
    place = {name: n for n, name in enumerate(tokens.fields)}
    names = [msgspec.json.decode(text, type=tuple[str, ...]) for text in removed.names()]
    fields = np.array([*(place.get(one[0], -1) if len(one) == 1 else -2 for one in names), -2], np.int32)
    field = fields[removed.codes]
    return step[field >= 0], field[field >= 0], steps.session[step[field == -2]]
