"""What a session must have held when somebody looked, for all sessions at once: the screen's arithmetic.

Every `field":"value` that was ever written is a token with a random 64-bit number. What a session
holds is the sum of its tokens' numbers, so a write is one subtraction and one addition, and a look is
as it must be if the sum of what it saw is the running sum then. Two different contents with one sum
are as likely as a guess of 64 bits.

Premise: the caller keeps only sessions whose steps may have been done in their order. Trap: JSON text
is cut at `","`, which is only right where nothing in it is escaped; such text gets a number that no sum
has.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.checks.columns import Codes, Flags, Integers, in_order_of
from harness.checks.effects import IDENTITY

Sums = npt.NDArray[np.uint64]

TEXTS_AT_ONCE = 1 << 14
"""Split at a time: tens of megabytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What steps did to fields, one entry each, in the order of the steps."""

    step: Integers
    """Position of the step; steps of one session stand together, in the order of time."""
    session: Integers
    field: Codes
    token: Codes
    """`Tokens` code; -1: the field was removed."""
    makes: Flags
    """By a log-in."""
    writes: Flags
    """Sets a value; otherwise it adds to a number or removes it."""
    amount: Integers
    total: Integers
    """Additions: by how much, and the new total by the reply; removals: 0 and 0."""


class Tokens:
    """The tokens of a history and their numbers."""

    def __init__(self, texts: pa.Array) -> None:
        """`texts`: every token that was written, in any order, equal ones repeated."""
        packed = texts.dictionary_encode()
        self.codes: Codes = packed.indices.to_numpy()
        self.texts: pa.Array = packed.dictionary
        dice = np.random.default_rng(0x5E5510)
        numbers = dice.integers(1, 1 << 63, len(self.texts) + 2, dtype=np.uint64)
        self._never = numbers[-1]
        numbers[-1] = 0
        self.numbers: Sums = numbers
        """By token; the last but one for what nobody wrote, the last (-1) for nothing."""
        names = pc.list_element(pc.split_pattern(self.texts, '":"', max_splits=1), 0)
        fields = names.dictionary_encode()
        self.field: Codes = fields.indices.to_numpy()
        """By token."""
        self.fields: list[str] = fields.dictionary.to_pylist()

    def sums(self, texts: pa.Array) -> Sums:
        """The sum of each JSON text's tokens."""
        found = np.zeros(len(texts), np.uint64)
        for n in range(0, len(texts), TEXTS_AT_ONCE):
            found[n : n + TEXTS_AT_ONCE] = self._sums(texts.slice(n, TEXTS_AT_ONCE))
            pa.default_memory_pool().release_unused()
        return found

    def _sums(self, texts: pa.Array) -> Sums:
        cut = split(texts)
        codes = pc.fill_null(pc.index_in(cut.values, value_set=self.texts), len(self.texts)).to_numpy()
        running = np.concatenate([np.zeros(1, np.uint64), np.cumsum(self.numbers[codes])])
        ends = cut.offsets.to_numpy()
        found: Sums = running[ends[1:]] - running[ends[:-1]]
        found[_truths(pc.equal(texts, "{}"))] = 0
        found[escaped(texts)] = self._never
        return found


def split(texts: pa.Array) -> pa.ListArray:
    """The tokens of each JSON object whose values are all text."""
    inner = pc.binary_slice(texts.cast(pa.binary()), 2, -2).cast(pa.string())
    return pc.split_pattern(inner, '","')


def escaped(texts: pa.Array) -> Flags:
    """Text with something in it that JSON writes in another way."""
    return _truths(pc.match_substring(texts, "\\"))


def _truths(found: pa.Array) -> Flags:
    flags: Flags = found.to_numpy(zero_copy_only=False)
    return flags


def weigh(changes: Changes, tokens: Tokens, steps: int) -> tuple[Sums, Integers]:
    """What each step adds to the sum of its session; and sessions of which sums alone prove nothing.

    Those are sessions in which a field is both set and counted, is set without a log-in having made it,
    gets the same value twice, or is one of a session's identity; and where a reply's total is not the
    one before and the amount together.
    """
    count = len(tokens.fields)
    key = changes.session * count + changes.field
    order = in_order_of(key)
    key, writes, makes = key[order], changes.writes[order], changes.makes[order]
    follows = np.append(False, key[1:] == key[:-1])[: len(key)]
    numbers = tokens.numbers[changes.token[order]]
    before = np.where(follows, _shifted(numbers), np.uint64(0))
    added = np.zeros(steps, np.uint64)
    np.add.at(added, changes.step[order], numbers - before)
    amount, total = changes.amount[order], changes.total[order]
    expected = np.where(follows, _shifted(total), 0) + amount
    identity = np.isin(changes.field[order], [n for n, name in enumerate(tokens.fields) if name in IDENTITY])
    odd = follows & (writes != _shifted(writes))
    odd |= writes & ~makes & (~follows | identity)
    odd |= ~writes & (changes.token[order] >= 0) & (total != expected)
    return added, np.concatenate([changes.session[order][odd], _repeating(changes)])


def _shifted(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return np.concatenate([values[:1], values[:-1]])


def _repeating(changes: Changes) -> Integers:
    """Sessions in which a value was set twice."""
    token, session = changes.token[changes.writes], changes.session[changes.writes]
    shared = np.bincount(token, minlength=1)[token] > 1
    token, session = token[shared], session[shared]
    order = np.lexsort((token, session))
    token, session = token[order], session[order]
    again = (token[1:] == token[:-1]) & (session[1:] == session[:-1])
    found: Integers = session[1:][again]
    return found
