"""What each session held and how long it had to live, step by step: part of the screen.

One running sum tells what every look must have seen (`contents`), one running maximum which touch
its time to live comes from. Premise: the steps stand in an order in which they may have been done
(`steps` blames the sessions where that is not so, and what is said of them here is void).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec

from harness.checks.columns.arrays import (
    NO_CODE,
    NONE,
    ROWS_AT_ONCE,
    Codes,
    Flags,
    Integers,
    Places,
    Words,
    integers,
    picked,
)
from harness.checks.facts.step_effects import IDENTITY
from harness.checks.facts.timelines import EPSILON_US
from harness.checks.screen.contents import Changes, Contents, Tokens
from harness.checks.screen.so_far import SoFar, Sums
from harness.checks.screen.steps import Steps
from harness.costly import np, npt, pa
from harness.model.table import OperationTable
from harness.model.words import StepKind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lives:
    """How long sessions had to live, after steps of theirs or in the end."""

    gone: Flags
    """Destroyed by this step or before."""
    sent_us: Integers
    """Of the last step so far that set the time-out; `NONE`: none did."""
    done_us: Integers
    timeout_us: Integers
    """What all that set it set it to."""

    def at(self, chosen: Integers | Places) -> Lives:
        return Lives(
            gone=self.gone[chosen],
            sent_us=self.sent_us[chosen],
            done_us=self.done_us[chosen],
            timeout_us=self.timeout_us[chosen],
        )

    def allow(self, sent_us: Integers, done_us: Integers, pttl_ms: Integers) -> Flags:
        """Looks that found a session when it had to live, with the time that the last setter of its
        time-out gave it."""
        earliest_us = self.sent_us + self.timeout_us - EPSILON_US
        latest_us = self.done_us + self.timeout_us + EPSILON_US
        left_us = pttl_ms * 1000
        fits = (pttl_ms >= 0) & (done_us + left_us >= earliest_us) & (sent_us + left_us <= latest_us)
        found: Flags = (self.sent_us != NONE) & (sent_us <= latest_us) & (fits | (pttl_ms == NONE))
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Course:
    """What every session held and how long it had to live, step by step."""

    sums: Sums
    """After each step; 0 once the session is destroyed."""
    lives: Lives


def course_of(steps: Steps, table: OperationTable, added: Sums, so_far: SoFar) -> tuple[Course, Codes]:
    """The course of every session, made of what each step adds (`added` becomes the sums); and the sessions
    with more than one time-out, or with a change after it was over. From here on `so_far` knows what is so
    after these steps."""
    first = steps.session[steps.begin]
    gone = steps.within(np.cumsum(steps.are(StepKind.DESTROY), dtype=np.int32)) > 0
    gone |= picked(so_far.gone[first], steps.group)
    sums = steps.within(np.cumsum(added, out=added))
    sums += picked(so_far.sums[first], steps.group)
    sums[gone] = 0
    lives, changed = _lives(steps, table, gone, so_far)
    late = _late(steps, lives, so_far)
    so_far.gone[first] = gone[steps.end]
    so_far.sums[first] = sums[steps.end]
    so_far.set_sent_us[first] = lives.sent_us[steps.end]
    so_far.set_done_us[first] = lives.done_us[steps.end]
    so_far.timeout_us[first] = lives.timeout_us[steps.end]
    so_far.begun[first] = True
    return Course(sums=sums, lives=lives), np.concatenate([changed, late])


def _lives(steps: Steps, table: OperationTable, gone: Flags, so_far: SoFar) -> tuple[Lives, Codes]:
    """Of each step; and the sessions with more than one time-out."""
    places = np.flatnonzero(steps.are(StepKind.CREATE, StepKind.TOUCH))
    ttl_ms = integers(table.steps, "ttl_ms")[steps.at[places]]
    places, ttl_ms = places[ttl_ms != NONE], ttl_ms[ttl_ms != NONE]
    last = np.full(len(steps), -1, np.int32)
    last[places] = places
    last = np.maximum.accumulate(last)
    own = last >= steps.begin[steps.group]
    group, first = steps.group[places], steps.session[steps.begin]
    before_us = so_far.timeout_us[first]
    timeout_us = before_us.copy()
    timeout_us[group] = ttl_ms * 1000
    differ = (ttl_ms[1:] != ttl_ms[:-1]) & (group[1:] == group[:-1])
    differ = np.append(False, differ)[: len(places)]
    differ |= (before_us[group] != NONE) & (before_us[group] != ttl_ms * 1000)
    lives = Lives(
        gone=gone,
        sent_us=np.where(own, steps.sent_us[last], picked(so_far.set_sent_us[first], steps.group)),
        done_us=np.where(own, steps.done_us[last], picked(so_far.set_done_us[first], steps.group)),
        timeout_us=picked(timeout_us, steps.group),
    )
    return lives, steps.session[places[differ]]


def _late(steps: Steps, lives: Lives, so_far: SoFar) -> Codes:
    """Sessions that were there for a change when they had no more to live: what had an effect found them."""
    over_us = lives.done_us + lives.timeout_us + EPSILON_US
    first = steps.session[steps.begin]
    before_us = np.append(over_us[-1:], over_us[:-1])
    before_us[steps.begin] = so_far.set_done_us[first] + so_far.timeout_us[first] + EPSILON_US
    late = steps.changing & ~steps.are(StepKind.CREATE) & (steps.sent_us > before_us)
    found: Codes = steps.session[late]
    return found


def seen_amiss(steps: Steps, course: Course, table: OperationTable, shown: Sums) -> Codes:
    """Sessions with a look at something else than what was there, or at another time to live; `shown`: the
    sum of what each of the table's steps saw."""
    looks = np.flatnonzero(steps.are(StepKind.READ)).astype(np.int32)
    wrong = np.zeros(len(looks), np.bool_)
    pttl_ms = integers(table.steps, "pttl_ms")
    for begin in range(0, len(looks), ROWS_AT_ONCE):
        these = looks[begin : begin + ROWS_AT_ONCE]
        at, lives = steps.at[these], course.lives.at(these)
        amiss = shown[at] != course.sums[these]
        amiss |= ~lives.gone & ~lives.allow(steps.sent_us[these], steps.done_us[these], pttl_ms[at])
        wrong[begin : begin + ROWS_AT_ONCE] = amiss
    found: Codes = steps.session[looks[wrong]]
    return found


def changes_of(steps: Steps, table: OperationTable, wrote: Contents, so_far: SoFar) -> tuple[Changes, Codes]:
    """Every change of a field; and the sessions with steps that do not say all of what they changed.

    What `step_effects.IDENTITY` must be of a session, its log-in need not list among what it wrote; where it
    does, it must be the same.
    """
    sets = np.flatnonzero(steps.are(StepKind.CREATE, StepKind.WRITE))
    said = wrote.codes[steps.at[sets]]
    told = ~np.append(wrote.escaped, True)[said]
    untold = [steps.session[sets[~told]]]
    sets, said = sets[told], said[told]
    additions = _additions(steps, table)
    untold.append(additions.untold)
    written = Tokens(wrote.texts, so_far.fields)
    totals = Tokens(pa.array(additions.texts, pa.string()), so_far.fields)
    new, given = _identities(steps, table, so_far)
    place, each = _spread(wrote.offsets, said)
    step, token = np.repeat(sets, each), wrote.tokens[place]
    number, field = written.numbers[token], written.field[token]
    own = np.isin(field, given.field)
    mine = given.numbers.reshape(-1, len(IDENTITY))[new[steps.group[step[own]]]]
    same = (mine == number[own][:, None]).any(axis=1) & steps.are(StepKind.CREATE)[step[own]]
    untold.append(steps.session[step[own][~same]])
    removes, removed, unnamed = _removals(steps, table, so_far)
    untold.append(unnamed)
    makers = np.repeat(steps.begin[new >= 0], len(IDENTITY))
    nobody = given.numbers[: len(makers)]
    numbers, values = written.totals()
    step, token = step[~own], token[~own]
    counts = numbers[token] & steps.are(StepKind.CREATE)[step]
    parts = [
        _part(makers, nobody, given.field[: len(makers)], writes=True),
        _part(
            step,
            written.numbers[token],
            written.field[token],
            writes=~counts,
            total=np.where(counts, values[token], 0),
        ),
        _part(
            additions.step,
            totals.numbers[additions.text],
            totals.field[additions.text],
            adds=True,
            amount=additions.amount,
            total=additions.total,
        ),
        _part(removes, np.zeros(len(removes), np.uint64), removed),
    ]
    return _in_order(steps, parts), np.concatenate(untold)


def _identities(steps: Steps, table: OperationTable, so_far: SoFar) -> tuple[Codes, Tokens]:
    """Of each session here, its place among those that begin here (behind them all, if it does not); and what
    those that do must be, `IDENTITY` of each, followed by what nobody is."""
    begins = ~so_far.begun[steps.session[steps.begin]]
    place = np.full(len(begins), -1, np.int32)
    place[begins] = np.arange(int(begins.sum()))
    at = steps.begin[begins]
    rows, ids = steps.row[at], integers(table.operations, "id")
    users = Words(table.operations, "user")
    told = zip(
        so_far.sessions.texts(steps.session[at]),
        users.texts.take(pa.array(users.codes[rows])).to_pylist(),
        map(str, ids[rows].tolist()),
        strict=True,
    )
    nobody = ("",) * len(IDENTITY)
    tokens = [
        f'{name}":"{value}'
        for values in (*told, nobody)
        for name, value in zip(IDENTITY, values, strict=True)
    ]
    return place, Tokens(pa.array(tokens, pa.string()), so_far.fields)


_Part: TypeAlias = "tuple[npt.NDArray[Any], ...]"
"""The columns of some changes, as `_part` names them."""


def _part(
    step: Integers | Places,
    number: Sums,
    field: Codes,
    *,
    writes: Flags | bool = False,
    adds: bool = False,
    amount: Integers | int = 0,
    total: Integers | int = 0,
) -> _Part:
    columns = np.broadcast_arrays(step, number, field, writes, adds, amount, total)
    return tuple(columns)


def _in_order(steps: Steps, parts: Sequence[_Part]) -> Changes:
    step, number, field, writes, adds, amount, total = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    order = np.argsort(step, stable=True)
    step = step[order].astype(np.int64)
    return Changes(
        step=step,
        session=steps.session[step],
        field=field[order],
        number=number[order],
        makes=steps.are(StepKind.CREATE)[step],
        writes=writes[order],
        adds=adds[order],
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
    untold: Codes
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


def _removals(steps: Steps, table: OperationTable, so_far: SoFar) -> tuple[Integers, Codes, Codes]:
    """Steps that remove a field that ever had a value, and the field; sessions that do not name one."""
    step = np.flatnonzero(steps.are(StepKind.REMOVE_FIELD))
    removed = steps.words(table, "removed", step)
    names = [msgspec.json.decode(text, type=tuple[str, ...]) for text in removed.names()]
    known = so_far.fields.known(one[0] if one else "" for one in names)
    alone = np.array([len(one) == 1 for one in names], np.bool_)
    fields = np.append(np.where(alone, np.maximum(known, NO_CODE), -2), -2).astype(np.int32)
    field = fields[removed.codes]
    return step[field >= 0], field[field >= 0], steps.session[step[field == -2]]
