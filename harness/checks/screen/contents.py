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

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harness.checks.columns.arrays import (
    NO_CODE,
    ROWS_AT_ONCE,
    Codes,
    Flags,
    Integers,
    give_back,
    in_order_of,
    picked,
)
from harness.checks.facts.step_effects import IDENTITY
from harness.costly import np, npt, pa, pc

Sums = npt.NDArray[np.uint64]


BACKSLASH = re.compile(rb"\\")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A column of JSON objects, cut into tokens: all of the work on it that can be done beforehand."""

    codes: Codes
    """Of each row, its text; -1: none."""
    offsets: Integers
    """Where each text's tokens begin in `tokens`, and where the last one's end."""
    tokens: Codes
    """Places in `texts`."""
    texts: pa.Array
    """Tokens; each chunk of the column has its own."""
    empty: Flags
    """By text: `{}`."""
    escaped: Flags
    """By text: has something in it that JSON writes in another way."""

    def __len__(self) -> int:
        return len(self.empty)


def contents_of(chunks: Iterable[pa.Array]) -> Contents:
    """Cut a column, chunk by chunk: what is large about it need not be in memory at once."""
    parts = [_cut(pa.array([], pa.string()))]
    for chunk in chunks:
        parts.append(_cut(chunk))
        del chunk
    found = _joined(parts)
    give_back(len(found.codes))
    return found


def _joined(parts: list[Contents]) -> Contents:
    """One after the other, codes counted on. Takes the parts apart, so that they need no memory twice."""
    texts = np.cumsum([0, *(len(part) for part in parts)]).tolist()
    pieces = np.cumsum([0, *(len(part.tokens) for part in parts)]).tolist()
    known = np.cumsum([0, *(len(part.texts) for part in parts)]).tolist()
    codes = [_counted_on(part.codes, by) for part, by in zip(parts, texts, strict=False)]
    offsets = [part.offsets[1:] + by for part, by in zip(parts, pieces, strict=False)]
    tokens = [part.tokens + np.int32(by) for part, by in zip(parts, known, strict=False)]
    rest = [(part.texts, part.empty, part.escaped) for part in parts]
    parts.clear()
    each, empty, escaped = zip(*rest, strict=True)
    return Contents(
        codes=_put_together(codes),
        offsets=np.append(np.zeros(1, np.int64), _put_together(offsets)),
        tokens=_put_together(tokens),
        texts=pa.concat_arrays(each),
        empty=np.concatenate(empty),
        escaped=np.concatenate(escaped),
    )


def _put_together(arrays: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    found = np.concatenate(arrays)
    arrays.clear()
    return found


def _cut(chunk: pa.Array) -> Contents:
    packed = chunk.dictionary_encode()  # what is encoded stays as it is
    texts = packed.dictionary
    cut = _split(texts)
    pieces = cut.values.dictionary_encode()
    return Contents(
        codes=pc.fill_null(packed.indices, NO_CODE).to_numpy(zero_copy_only=False),
        offsets=cut.offsets.to_numpy().astype(np.int64),
        tokens=pieces.indices.to_numpy(),
        texts=pieces.dictionary,
        empty=_truths(pc.equal(texts, "{}")),
        escaped=_escaped(texts),
    )


def _counted_on(codes: Codes, by: int) -> Codes:
    """Codes counted on; what has none still has none."""
    return np.where(codes < 0, NO_CODE, codes + np.int32(by)).astype(np.int32)


def _split(texts: pa.Array) -> pa.ListArray:
    """The tokens of each JSON object whose values are all text."""
    inner = pc.binary_slice(texts.cast(pa.binary()), 2, -2).cast(pa.string())
    return pc.split_pattern(inner, '","')


def _escaped(texts: pa.Array) -> Flags:
    """Hardly ever any is: all of them looked through at once takes a twentieth of one by one."""
    data = texts.buffers()[2]
    if data is None or not BACKSLASH.search(data):
        return np.zeros(len(texts), np.bool_)
    return _truths(pc.match_substring(texts, "\\"))


def _truths(found: pa.Array) -> Flags:
    flags: Flags = found.to_numpy(zero_copy_only=False)
    return flags


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

    def sums(self, contents: Contents) -> Sums:
        """The sum of each row's tokens; 0 where there is no text."""
        known = pc.index_in(contents.texts, value_set=self.texts)
        places = pc.fill_null(known, len(self.texts)).to_numpy()
        of_text = np.zeros(len(contents) + 1, np.uint64)
        for begin in range(0, len(contents), ROWS_AT_ONCE):
            offsets = contents.offsets[begin : begin + ROWS_AT_ONCE + 1]
            numbers = self.numbers[places[contents.tokens[offsets[0] : offsets[-1]]]]
            running = np.append(np.zeros(1, np.uint64), np.cumsum(numbers))
            of_text[begin : begin + len(offsets) - 1] = np.diff(running[offsets - offsets[0]])
        of_text[:-1][contents.empty] = 0
        of_text[:-1][contents.escaped] = self._never
        return picked(of_text, contents.codes)


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
