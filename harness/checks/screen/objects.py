"""Which objects beside sessions are beyond doubt, for all keys at once: part of the screen.

A key is *quiet* if nobody changed it and everybody saw nothing: somebody asked for a revocation that nobody
had made. It is *calm* if every step on it was acked by its only attempt, all of them may have been carried
out in the order in which they stand, its kind finds that everything that was seen agrees with this order
(`ObjectKind.calm`), and the audit tells whether it holds in the end. The checks look at all others, key by
key.

Trap: a look that saw nothing is forgotten where nothing was done to its key before, as there are many of
them. When the last of these was sent is kept: what comes later must not have been over by then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import msgspec

from harness.checks.columns.arrays import (
    NO_CODE,
    NONE,
    Codes,
    Flags,
    Integers,
    Names,
    Words,
    flagged,
    in_order_of,
    integers,
    known,
)
from harness.checks.columns.traffic import OUTCOMES
from harness.checks.facts.audited_objects import audited_objects
from harness.checks.facts.of_run import facts_of
from harness.checks.facts.timelines import epsilon_of
from harness.checks.screen.so_far import Sums
from harness.checks.screen.steps import SESSION_BITS, TIME_BITS
from harness.costly import np, npt, pa
from harness.model.history import History
from harness.model.records import ObjectEntry
from harness.model.table import OperationTable
from harness.model.words import Outcome, StepKind
from harness.objects import OBJECTS, object_of
from harness.objects.kind import CHANGES, TOTAL, VALUE
from harness.objects.told import ABSENT, DOES, NO_TOTAL, NO_TTL, Calm, Told

LOOK = DOES.index(StepKind.LOOK)
NOBODYS, UNSCREENED = -1, -2
"""Instead of a kind's number: the key of no object; of an object whose kind calls nothing calm."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Steps:
    """Steps on objects that tell something, one entry each, in the order of the history."""

    key: Codes
    does: npt.NDArray[np.int8]
    effective: npt.NDArray[np.int8]
    value: Sums
    total: Integers
    ttl_ms: Integers
    sent_us: Integers
    done_us: Integers
    audited: Flags
    """By the audit."""

    def where(self, chosen: Flags | Integers) -> _Steps:
        return _Steps(**{one.name: getattr(self, one.name)[chosen] for one in fields(self)})

    @classmethod
    def together(cls, several: Sequence[_Steps]) -> _Steps:
        return cls(
            **{one.name: np.concatenate([getattr(each, one.name) for each in several]) for one in fields(cls)}
        )


class ObjectsSoFar:
    """What the parts of a history that were read tell of objects; everything by a key's number in `keys`."""

    def __init__(self) -> None:
        self.keys = Names()
        self._kinds = [one for one in OBJECTS.values() if one.calm(_told(_none())) is not None]
        self._places = {one.prefix: n for n, one in enumerate(self._kinds)}
        self._kind = np.zeros(0, np.int8)
        """Place in `_kinds`."""
        self._loud = np.zeros(0, np.bool_)
        """Somebody changed it, or saw something."""
        self._odd = np.zeros(0, np.bool_)
        """Not every step was acked by its only attempt."""
        self._quiet_us = np.zeros(0, np.int64)
        """When the last look was sent that is forgotten."""
        self._steps: list[_Steps] = []

    def look_at(self, table: OperationTable, does: Words, at_once: Flags) -> None:
        """Note what a part tells. `at_once`: the steps that were acked by their only attempt."""
        at = _telling(table, does)
        key = self._numbers(Words(table.steps, "key"), at)
        steps, nothing = self._steps_at(table, does, at, key)
        first = np.full(len(self._loud), len(at))
        np.minimum.at(first, key[~nothing], np.flatnonzero(~nothing))
        forgotten = nothing & ~self._loud[key] & (np.arange(len(at)) < first[key])
        np.maximum.at(self._quiet_us, key[forgotten], steps.sent_us[forgotten])
        self._loud[key[~nothing]] = True
        self._odd[key[~at_once[at]]] = True
        self._steps.append(steps.where(~forgotten & (self._kind[key] >= 0) & ~self._odd[key]))

    def _numbers(self, words: Words, at: Integers) -> Codes:
        codes, place = np.unique(words.codes[at], return_inverse=True)
        found = self.keys.numbers(words.texts.take(pa.array(codes)))
        more = len(self.keys) - len(self._kind)
        if more:
            new = self.keys.all()[-more:]
            self._kind = np.append(self._kind, np.array([self._kind_of(one) for one in new], np.int8))
            self._loud = np.append(self._loud, np.zeros(more, np.bool_))
            self._odd = np.append(self._odd, np.zeros(more, np.bool_))
            self._quiet_us = np.append(self._quiet_us, np.zeros(more, np.int64))
        numbers: Codes = found[place]
        return numbers

    def _kind_of(self, key: str) -> int:
        kind = object_of(key)
        if kind is None:
            return NOBODYS
        return self._places.get(kind.prefix, UNSCREENED)

    def _steps_at(self, table: OperationTable, does: Words, at: Integers, key: Codes) -> tuple[_Steps, Flags]:
        """These steps, and which of them are looks that saw nothing."""
        steps, kind = table.steps, self._kind[key]
        kinds = does.mapped(_places(does), nothing=NO_CODE, dtype=np.int8)[at]
        puts, counts, looks = (
            kinds == DOES.index(one) for one in (StepKind.PUT, StepKind.COUNT, StepKind.LOOK)
        )
        value, total = np.full(len(at), ABSENT, np.uint64), np.full(len(at), NO_TOTAL, np.int64)
        value[puts] = _each(Words(steps, "wrote"), at[puts], lambda told: number_of(told.get(VALUE)))
        total[counts] = _each(Words(steps, "added_now"), at[counts], _counted, _numbers)
        saw, nothing = Words(steps, "saw"), np.zeros(len(at), np.bool_)
        nothing[looks] = _each(saw, at[looks], lambda told: not told)
        for n, one in enumerate(self._kinds):
            mine = looks & (kind == n)
            texts = _each(saw, at[mine], one.looked)
            value[mine], total[mine] = [*map(number_of, texts)], _totals(texts)
        yes, no = (flagged(steps, "effective", value=flag)[at] for flag in (True, False))
        found = _Steps(
            key=key,
            does=kinds,
            effective=np.where(yes, np.int8(1), np.where(no, np.int8(0), np.int8(-1))),
            value=value,
            total=total,
            ttl_ms=integers(steps, "ttl_ms")[at],
            sent_us=integers(steps, "sent_us")[at],
            done_us=integers(steps, "done_us")[at],
            audited=np.zeros(len(at), np.bool_),
        )
        return found, nothing

    def doubted(self, history: History) -> frozenset[str]:
        """The keys of objects that the checks must look at, once all parts were read."""
        audited = audited_objects(history)
        shown = [key for key, entry in audited.items() if entry.saw]
        numbers = self.keys.known(shown)
        self._loud[numbers[numbers >= 0]] = True
        unasked = [key for key, number in zip(shown, numbers.tolist(), strict=True) if number < 0]
        doubted = self._loud & (self._kind != NOBODYS)
        doubted[self._calm(history, audited)] = False
        return frozenset([*self.keys.texts(np.flatnonzero(doubted)), *unasked])

    def _calm(self, history: History, audited: Mapping[str, ObjectEntry]) -> Codes:
        """The numbers of calm keys."""
        found = [np.zeros(0, np.int32)]
        steps = _Steps.together([_none(), *self._steps, *self._audits(audited)])
        self._steps.clear()
        steps = steps.where(~self._odd[steps.key])
        steps = steps.where(in_order_of(steps.key))
        for n, kind in enumerate(self._kinds) if len(self.keys) < 1 << SESSION_BITS else ():
            mine = steps.where(self._kind[steps.key] == n)
            told = _told(mine)
            said = kind.calm(told)
            assert said is not None
            keys = mine.key[told.begin]
            calm = said.calm & told.keys_without(_misordered(told, self._quiet_us[keys]))
            calm &= _tells_the_end(history, said, told, mine.audited)
            found.append(keys[calm])
        return np.concatenate(found)

    def _audits(self, audited: Mapping[str, ObjectEntry]) -> list[_Steps]:
        """What the audit saw of loud keys, as looks."""
        told = [entry for entry in audited.values() if entry.saw is not None]
        key = self.keys.known(one.key for one in told)
        mine = np.flatnonzero(key >= 0)
        mine = mine[self._loud[key[mine]] & (self._kind[key[mine]] >= 0)]
        key, entries = key[mine], [told[n] for n in mine.tolist()]
        kinds = [self._kinds[n] for n in self._kind[key].tolist()]
        values = [kind.looked(entry.saw or {}) for kind, entry in zip(kinds, entries, strict=True)]
        return [
            _Steps(
                key=key,
                does=np.full(len(key), LOOK, np.int8),
                effective=np.full(len(key), -1, np.int8),
                value=np.array([*map(number_of, values)], np.uint64),
                total=np.array(_totals(values), np.int64),
                ttl_ms=np.full(len(key), NONE),
                sent_us=np.array([one.sent_us for one in entries], np.int64),
                done_us=np.array([one.done_us for one in entries], np.int64),
                audited=np.ones(len(key), np.bool_),
            )
        ]


def _telling(table: OperationTable, does: Words) -> Integers:
    """The steps on objects that the checks go by: looks that were answered, and changes that may have been
    made."""
    steps = table.steps
    outcome = Words(steps, "outcome").as_members(OUTCOMES)
    acked = outcome == OUTCOMES.index(Outcome.ACKED)
    changes = does.which({*map(str, CHANGES)}.__contains__)
    found = changes & (acked | (outcome == OUTCOMES.index(Outcome.UNKNOWN)))
    found |= does.equal(StepKind.LOOK) & acked & known(steps, "saw")
    return np.flatnonzero(found)


_texts = msgspec.json.Decoder(dict[str, str]).decode
_numbers = msgspec.json.Decoder(dict[str, int]).decode


def _each(
    words: Words, at: Integers, of: Callable[[Any], Any], read: Callable[[str], Any] = _texts
) -> list[Any]:
    """What `of` makes of the JSON object of each of these rows; of none it makes what it makes of an empty
    one. Equal texts are asked for once.

    Raises:
        ValueError: it is something else (msgspec's DecodeError).
    """
    codes, place = np.unique(words.codes[at], return_inverse=True)
    texts = words.texts.take(pa.array(codes[codes >= 0])).to_pylist()
    made = [of({})] * (len(codes) - len(texts)) + [of(read(text)) for text in texts]
    return [made[n] for n in place.tolist()]


def _counted(told: Mapping[str, int]) -> int:
    total = told.get(TOTAL, NO_TOTAL)
    return total if 0 < total < _MOST else NO_TOTAL


def number_of(text: str | None) -> int:
    """Equal texts have equal numbers, as long as this process lives."""
    return ABSENT if text is None else hash(text) % (1 << 64) or 1


def total_of(text: str | None) -> int:
    """The number that a look shows, as a node writes it."""
    if text is None:
        return 0
    return int(text) if _TOTAL.fullmatch(text) else NO_TOTAL


def _totals(texts: Sequence[str | None]) -> list[int]:
    known = {text: total_of(text) for text in {*texts}}
    return [known[text] for text in texts]


_MOST = 1_000_000_000
_TOTAL = re.compile("[1-9][0-9]{0,8}", re.ASCII)


def _told(steps: _Steps) -> Told:
    """Of steps that stand in the order of their keys."""
    first = np.append(True, steps.key[1:] != steps.key[:-1])[: len(steps.key)]
    return Told(
        begin=np.flatnonzero(first),
        key=np.cumsum(first) - 1,
        does=steps.does,
        effective=steps.effective,
        value=steps.value,
        total=steps.total,
        ttl_us=np.where(steps.ttl_ms == NONE, NO_TTL, steps.ttl_ms * 1000),
        sent_us=steps.sent_us,
        done_us=steps.done_us,
    )


def _misordered(told: Told, quiet_us: Integers) -> Flags:
    """Steps that cannot have been carried out after all before them (`screen.steps.misordered`), or at a time
    that nobody can have meant. `quiet_us`: when the last forgotten look at each key was sent."""
    wrong = (told.sent_us < 0) | (told.sent_us > told.done_us) | (told.done_us >= 1 << TIME_BITS)
    key = told.key << TIME_BITS
    latest_us = key + told.sent_us
    latest_us[told.begin] = np.maximum(latest_us[told.begin], key[told.begin] + quiet_us)
    np.maximum.accumulate(latest_us, out=latest_us)
    wrong[told.begin] |= quiet_us >= told.done_us[told.begin]
    wrong[1:] |= latest_us[:-1] >= key[1:] + told.done_us[1:]
    return wrong


def _tells_the_end(history: History, said: Calm, told: Told, audited: Flags) -> Flags:
    """By key: whether a look tells that what was promised last was not lost, as `promises.kept_objects` asks
    for one; here the audit's."""
    facts = facts_of(history)
    looked = np.zeros(len(told.begin), np.bool_)
    danger_us = facts.landmarks.danger_us
    if danger_us is None:
        looked[told.key[audited]] = True
        return looked | (said.holds_until_us <= facts.landmarks.workload_ends_us)
    begun_us, over_us = danger_us
    epsilon_us, _ = epsilon_of(facts)
    in_time = told.done_us < said.holds_until_us[told.key] - epsilon_us
    looked[told.key[audited & (told.sent_us > over_us) & in_time]] = True
    return looked | (said.holds_until_us < begun_us)


def _places(does: Words) -> list[int]:
    places = {str(kind): n for n, kind in enumerate(DOES)}
    return [places.get(name, NO_CODE) for name in does.names()]


def _none() -> _Steps:
    none = np.zeros(0, np.int64)
    flags, small = none.astype(np.bool_), none.astype(np.int8)
    return _Steps(
        key=none.astype(np.int32),
        does=small,
        effective=small,
        value=none.astype(np.uint64),
        total=none,
        ttl_ms=none,
        sent_us=none,
        done_us=none,
        audited=flags,
    )
