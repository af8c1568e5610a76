"""Where the audit disagrees with what the steps left behind: part of the screen.

An audit is a few answers for each session. Each becomes a few numbers, block by block, as a long audit does
not fit into memory. What it shows is summed up as the looks are (`contents`). Nodes agree if that does.
Trap: no answer is no agreement. A replica that did not answer leaves something open, and so makes a suspect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import msgspec

from harness.checks.columns.arrays import NO_CODE, NONE, Codes, Flags, Integers
from harness.checks.facts.of_run import facts_of
from harness.checks.facts.shards import Shards
from harness.checks.promises.replica_agreement import PTTL_TOLERANCE_MS
from harness.checks.screen.contents import NEVER, contents_of, sums
from harness.checks.screen.course import Lives
from harness.checks.screen.so_far import SoFar, Sums, chained, numbers_of
from harness.costly import np, pa, pc
from harness.model.history import History
from harness.model.words import NodeRole


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audited:
    """The sessions on which the nodes agree and that have all of their witnesses, by number, and what the
    primary of each answered."""

    sessions: Codes
    shown: Sums
    """The sum of what it shows of the session."""
    sent_us: Integers
    done_us: Integers
    pttl_ms: Integers


def agreed_on(history: History, so_far: SoFar) -> Audited:
    """Which sessions all nodes that hold them agree on, and every step has left its witness on."""
    told = _answers(history, so_far)
    mine = told.shard == so_far.shard[told.session]
    speaks = mine & told.primary
    good = np.bincount(told.session[speaks], minlength=len(so_far.suspect)) == 1
    place = np.zeros(len(good), np.int64)
    place[told.session[speaks]] = np.flatnonzero(speaks)
    primary = told.where(place[told.session])
    good[told.session[mine & ~(told.whole & _same(told, primary))]] = False
    listed = told.primary & (told.indexed != NO_CODE)
    good[told.session[listed & (told.indexed != (primary.shown != 0))]] = False
    sessions = np.flatnonzero(good).astype(np.int32)
    found = told.where(place[sessions])
    fine = (found.left == so_far.left[sessions]) & (found.order == so_far.chain[sessions])
    return Audited(
        sessions=sessions[fine],
        shown=found.shown[fine],
        sent_us=found.sent_us[fine],
        done_us=found.done_us[fine],
        pttl_ms=found.pttl_ms[fine],
    )


def contradicted(audited: Audited, so_far: SoFar) -> Codes:
    """Sessions whose primary did not hold what the steps left, after the last of them, and as long as they
    said."""
    sessions = audited.sessions
    lives = Lives(
        gone=so_far.gone[sessions],
        sent_us=so_far.set_sent_us[sessions],
        done_us=so_far.set_done_us[sessions],
        timeout_us=so_far.timeout_us[sessions],
    )
    held = (audited.shown == so_far.sums[sessions]) & (audited.sent_us > so_far.over_us[sessions])
    held &= lives.gone | lives.allow(audited.sent_us, audited.done_us, audited.pttl_ms)
    found: Codes = sessions[~held]
    return found


class _Told(msgspec.Struct, gc=False):
    """What the screen asks an entry of the audit for."""

    pass_n: int
    session: str
    node: str
    role: str
    sent_us: int
    done_us: int
    key_type: str | None = None
    pttl_ms: int | None = None
    saw: msgspec.Raw = msgspec.Raw()
    """As it stands there, as do the witnesses."""
    witnesses: msgspec.Raw = msgspec.Raw()
    indexed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Answers:
    """Answers about sessions that the screen knows, one entry each."""

    session: Codes
    shard: Codes
    """Of the node, then; `NO_CODE`: it is none of the run's."""
    primary: Flags
    whole: Flags
    """It says what is there, in fields, and when."""
    shown: Sums
    left: Integers
    """How many witnesses it shows."""
    order: Sums
    """Which, and in which order: `chained`."""
    sent_us: Integers
    done_us: Integers
    pttl_ms: Integers
    indexed: Codes
    """1 or 0; `NO_CODE`: not asked."""

    def where(self, chosen: Flags | Integers) -> _Answers:
        return _Answers(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})


def _answers(history: History, so_far: SoFar) -> _Answers:
    """What the pass that counts was told."""
    where = facts_of(history).shards
    parts = [_numbers((), where, so_far)]
    parts += [_numbers(block, where, so_far) for block in history.valid_audit_as(_Told)]
    return _Answers(
        **{one.name: np.concatenate([getattr(each, one.name) for each in parts]) for one in fields(_Answers)}
    )


def _numbers(block: Sequence[_Told], where: Shards, so_far: SoFar) -> _Answers:
    role, saw = str(NodeRole.PRIMARY), pa.array([bytes(one.saw) for one in block], pa.string())
    session = so_far.sessions.known([one.session for one in block])
    sent_us, done_us = _reckoned([one.sent_us for one in block]), _reckoned([one.done_us for one in block])
    pttl_ms = _reckoned([NONE if one.pttl_ms is None else one.pttl_ms for one in block])
    shown, (left, order) = sums(contents_of([saw])), _witnessed(block)
    whole = pc.and_(pc.greater(pc.binary_length(saw), 0), pc.not_equal(saw, "null")).to_numpy(False)
    whole &= (sent_us > -_BEYOND) & (sent_us <= done_us) & (done_us < _BEYOND)
    whole &= (np.abs(pttl_ms) < _BEYOND) | (pttl_ms == NONE)
    bare = np.flatnonzero(shown == 0)
    of_fields = [block[n].key_type in {None, "hash", "none"} for n in bare.tolist()]
    whole[bare] &= np.array(of_fields, np.bool_)
    found = _Answers(
        session=session,
        shard=where.of_each([one.node for one in block], sent_us),
        primary=np.array([one.role == role for one in block], np.bool_),
        whole=whole,
        shown=shown,
        left=left,
        order=order,
        sent_us=sent_us,
        done_us=done_us,
        pttl_ms=pttl_ms,
        indexed=np.array([NO_CODE if one.indexed is None else one.indexed for one in block], np.int32),
    )
    return found.where(session >= 0)


_BEYOND = 1 << 50
"""No number of a run's is as large."""


def _reckoned(numbers: Sequence[int]) -> Integers:
    """Numbers that nothing can be done with made ones that are `_BEYOND`, and fit."""
    try:
        return np.array(numbers, np.int64)
    except OverflowError:
        return np.array([max(-_BEYOND, min(one, _BEYOND)) for one in numbers], np.int64)


def _witnessed(block: Sequence[_Told]) -> tuple[Integers, Sums]:
    """How many witnesses each of these shows, and which, in their order."""
    told = contents_of([pa.array([bytes(one.witnesses) for one in block], pa.string())])
    each = np.diff(told.offsets)
    text = np.repeat(np.arange(len(told)), each)
    numbers = numbers_of(told.texts.to_pylist())[told.tokens]
    order = np.zeros(len(told), np.uint64)
    np.add.at(order, text, chained(numbers, np.arange(len(text)) - told.offsets[text]))
    order[told.escaped] = NEVER
    each[told.empty], order[told.empty] = 0, 0
    return each[told.codes], order[told.codes]


def _same(one: _Answers, primary: _Answers) -> Flags:
    """Beyond doubt the same data: with as long to live, once the time between the two looks is left out."""
    same: Flags = (one.shown == primary.shown) & (one.left == primary.left) & (one.order == primary.order)
    apart_us = (one.pttl_ms - primary.pttl_ms) * 1000 + (one.sent_us - primary.sent_us)
    alive = (one.pttl_ms >= 0) & (primary.pttl_ms >= 0)
    return same & np.where(
        alive, np.abs(apart_us) <= PTTL_TOLERANCE_MS * 1000, one.pttl_ms == primary.pttl_ms
    )
