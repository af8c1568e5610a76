"""Where the audit disagrees with what the steps left behind: part of the screen.

The audit is a few records a session, so it is walked one by one; only what the primaries hold is
summed up as the looks are (`contents`). Trap: no answer is no agreement. A replica that did not answer
leaves something open, and so makes a suspect.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec

from harness.checks.columns.arrays import NONE, Codes, Integers
from harness.checks.facts.of_run import facts_of
from harness.checks.promises.replica_agreement import differs
from harness.checks.screen.contents import contents_of, sums
from harness.checks.screen.course import Lives
from harness.checks.screen.so_far import SoFar, Sums, chained, numbers_of
from harness.costly import np, pa
from harness.model.history import History
from harness.model.records import AuditEntry
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
    where = facts_of(history).shards
    parts: list[Audited] = []
    sessions: list[int] = []
    primaries: list[AuditEntry] = []
    for session, answers in _answers(history, so_far):
        shard = so_far.shard[session]
        mine = [one for one in answers if where.of(one.node, one.sent_us) == shard]
        primary = _primary(mine)
        if primary is not None and _indexed(primary, answers):
            sessions.append(session)
            primaries.append(primary)
        if len(primaries) == _AT_ONCE:
            parts.append(_audited(sessions, primaries, so_far))
            sessions.clear()
            primaries.clear()
    parts.append(_audited(sessions, primaries, so_far))
    return Audited(
        **{name: np.concatenate([getattr(one, name) for one in parts]) for name in Audited.__slots__}
    )


_AT_ONCE = 4096
"""Sessions whose answers are looked at together: an answer takes a thousand times what is kept of it."""


def _audited(numbers: Sequence[int], primaries: Sequence[AuditEntry], so_far: SoFar) -> Audited:
    """Those of these sessions that have all of their witnesses."""
    sessions = np.array(numbers, np.int32)
    left, order = _witnessed(primaries)
    good = (left == so_far.left[sessions]) & (order == so_far.chain[sessions])
    return Audited(
        sessions=sessions[good],
        shown=_shown(primaries)[good],
        sent_us=np.array([one.sent_us for one in primaries], np.int64)[good],
        done_us=np.array([one.done_us for one in primaries], np.int64)[good],
        pttl_ms=np.array([NONE if one.pttl_ms is None else one.pttl_ms for one in primaries], np.int64)[good],
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


def _answers(history: History, so_far: SoFar) -> Iterator[tuple[int, list[AuditEntry]]]:
    """Each session (by number) with the valid pass's entries about it, once all of them were read: nodes are
    asked by turns, and a long audit does not fit into memory. Sessions without an entry are left out."""
    number = {name: n for n, name in enumerate(so_far.sessions.all())}
    left = Counter(one.session for one in history.valid_audit_as(_Whose) if one.session in number)
    answers: dict[str, list[AuditEntry]] = defaultdict(list)
    for entry in history.valid_audit():
        if entry.session not in left:
            continue
        answers[entry.session].append(entry)
        left[entry.session] -= 1
        if not left[entry.session]:
            yield number[entry.session], answers.pop(entry.session)


class _Whose(msgspec.Struct):
    pass_n: int
    session: str


def _shown(primaries: Sequence[AuditEntry]) -> Sums:
    """What each shows of its session, summed up as a look is."""
    said = [msgspec.json.encode(one.saw).decode() for one in primaries]
    return sums(contents_of([pa.array(said, pa.string())]))


def _witnessed(primaries: Sequence[AuditEntry]) -> tuple[Integers, Sums]:
    """How many witnesses each of these shows, and which, in their order."""
    each = np.array([len(one.witnesses or ()) for one in primaries], np.int64)
    numbers = numbers_of(chain.from_iterable(one.witnesses or () for one in primaries))
    ends = np.cumsum(each)
    place = np.arange(len(numbers)) - np.repeat(ends - each, each)
    order = np.zeros(len(each), np.uint64)
    np.add.at(order, np.repeat(np.arange(len(each)), each), chained(numbers, place))
    return each, order


def _primary(answers: Iterable[AuditEntry]) -> AuditEntry | None:
    """The answer of the shard's only primary, if all of its replicas answered the same."""
    primary: AuditEntry | None = None
    others = []
    for entry in answers:
        if entry.saw is None or (not entry.saw and entry.key_type not in {None, "hash", "none"}):
            return None
        if entry.role != NodeRole.PRIMARY:
            others.append(entry)
        elif primary is not None:
            return None
        else:
            primary = entry
    if primary is None or not all(_same(primary, other) for other in others):
        return None
    return primary


def _same(primary: AuditEntry, other: AuditEntry) -> bool:
    """Quick where both say the same to the letter, which is what nearly all do."""
    equal = other.saw is primary.saw or other.saw == primary.saw
    equal = equal and (other.witnesses is primary.witnesses or other.witnesses == primary.witnesses)
    return (equal and other.pttl_ms == primary.pttl_ms) or differs(primary, other) is None


def _indexed(primary: AuditEntry, answers: Iterable[AuditEntry]) -> bool:
    """The user's index says of the session what its primary says."""
    return all(
        one.indexed is bool(primary.saw)
        for one in answers
        if one.indexed is not None and one.role == NodeRole.PRIMARY
    )
