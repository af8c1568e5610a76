"""What a session must have held when somebody looked, for all sessions at once: the screen's arithmetic.

Every `field":"value` is a token with a number of 64 bits, made of its text with Python's keyed hash. What a
session holds is the sum of its tokens' numbers, so a write is one subtraction and one addition, and a look
is as it must be if the sum of what it saw is the running sum then. Two different contents with one sum are
as likely as a guess of 64 bits. Nobody keeps the texts, though what one part of a history writes, later ones
see.

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
    Names,
    codes_of,
    give_back,
    in_order_of,
    picked,
)
from harness.checks.facts.step_effects import IDENTITY
from harness.checks.promises.fields import is_total
from harness.checks.screen.so_far import Held, SoFar, Sums, numbers_of, together
from harness.costly import np, npt, pa, pc

BACKSLASH = re.compile(rb"\\")
NEVER = np.uint64(0xB5C05E5510551CE5)
"""Instead of the sum of a text that cannot be cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What steps did to fields, one entry each, in the order of the steps."""

    step: Integers
    """Position of the step; steps of one session stand together, in the order of time."""
    session: Codes
    field: Codes
    number: Sums
    """The token's; 0: the field was removed."""
    makes: Flags
    """By a log-in."""
    writes: Flags
    """Sets a value; otherwise it adds to a number, begins with one or removes it."""
    adds: Flags
    amount: Integers
    total: Integers
    """Additions: by how much, and the new total by the reply; of a number that a log-in wrote, as it does
    where it copies a session, 0 and that number; otherwise 0 and 0."""

    def last_of_each(self, chosen: Integers) -> Held:
        return Held(
            session=self.session[chosen],
            field=self.field[chosen],
            number=self.number[chosen],
            writes=self.writes[chosen],
            total=self.total[chosen],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A column of JSON objects, or lists of texts, cut into tokens: all that can be done beforehand."""

    codes: Codes
    """Of each row, its text; -1: none."""
    offsets: Integers
    """Where each text's tokens begin in `tokens`, and where the last one's end."""
    tokens: Codes
    """Places in `texts`."""
    texts: pa.Array
    """Tokens; each chunk of the column has its own."""
    empty: Flags
    """By text: `{}` or `[]`."""
    escaped: Flags
    """By text: has something in it that JSON writes in another way."""

    def __len__(self) -> int:
        return len(self.empty)


def contents_of(chunks: Iterable[pa.Array]) -> Contents:
    """Cut a column, chunk by chunk: what is large about it need not be in memory at once."""
    parts = []
    for chunk in chunks:
        parts.append(_cut(chunk))
        del chunk
    parts = parts or [_cut(pa.array([], pa.string()))]
    found = parts[0] if len(parts) == 1 else _joined(parts)
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
        codes=codes_of(packed),
        offsets=cut.offsets.to_numpy().astype(np.int64),
        tokens=pieces.indices.to_numpy(),
        texts=pieces.dictionary,
        empty=_truths(pc.less_equal(pc.binary_length(texts), 2)),
        escaped=_escaped(texts),
    )


def _counted_on(codes: Codes, by: int) -> Codes:
    """Codes counted on; what has none still has none."""
    return np.where(codes < 0, NO_CODE, codes + np.int32(by)).astype(np.int32)


def _split(texts: pa.Array) -> pa.ListArray:
    """The tokens of each JSON object whose values are all text, or list of texts."""
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
    """Tokens, each with its number and the number of its field."""

    def __init__(self, texts: pa.Array, fields: Names) -> None:
        self.numbers: Sums = numbers_of(texts.to_pylist())
        names = pc.list_element(pc.split_pattern(texts, '":"', max_splits=1), 0).dictionary_encode()
        self.field: Codes = fields.numbers(names.dictionary)[names.indices.to_numpy()]
        self._texts = texts

    def totals(self) -> tuple[Flags, Integers]:
        """Which of them show a number as HINCRBY writes it, and the number; of all others 0."""
        counts = _truths(pc.match_substring_regex(self._texts, '":"-?[0-9]{1,19}$')).copy()
        total = np.zeros(len(counts), np.int64)
        for n in np.flatnonzero(counts).tolist():
            text = self._texts[n].as_py().partition('":"')[2]
            counts[n] = is_total(text)
            total[n] = int(text) if counts[n] else 0
        return counts, total


def sums(contents: Contents) -> Sums:
    """The sum of each row's tokens; 0 where there is no text."""
    each = numbers_of(contents.texts.to_pylist())
    of_text = np.zeros(len(contents) + 1, np.uint64)
    for begin in range(0, len(contents), ROWS_AT_ONCE):
        offsets = contents.offsets[begin : begin + ROWS_AT_ONCE + 1]
        numbers = each[contents.tokens[offsets[0] : offsets[-1]]]
        running = np.append(np.zeros(1, np.uint64), np.cumsum(numbers))
        of_text[begin : begin + len(offsets) - 1] = np.diff(running[offsets - offsets[0]])
    of_text[:-1][contents.empty] = 0
    of_text[:-1][contents.escaped] = NEVER
    return picked(of_text, contents.codes)


def weigh(changes: Changes, steps: int, so_far: SoFar) -> tuple[Sums, Codes]:
    """What each step adds to the sum of its session; and sessions of which sums alone prove nothing.

    Those are sessions in which a field is both set and counted, unless a log-in began it with a number; in
    which one is set without a log-in having made it, or is one of a session's identity; and where a reply's
    total is not the one before and the amount together. A session that gets one value twice is such a session
    too: `SoFar.values` knows.
    """
    so_far.values.add(
        together(changes.number, changes.session)[changes.writes], changes.session[changes.writes]
    )
    before, all_of = _after_those_before(changes, so_far)
    key = all_of.session.astype(np.int64) * len(so_far.fields) + all_of.field
    order = in_order_of(key)
    key = key[order]
    follows = np.append(False, key[1:] == key[:-1])[: len(key)]
    session, number, writes = all_of.session[order], all_of.number[order], all_of.writes[order]
    total, now = all_of.total[order], order >= before
    added = np.zeros(steps, np.uint64)
    gained = number - np.where(follows, _shifted(number), np.uint64(0))
    np.add.at(added, all_of.step[order][now], gained[now])
    expected = np.where(follows, _shifted(total), 0) + all_of.amount[order]
    odd = follows & (writes != _shifted(writes))
    own = np.isin(all_of.field[order], so_far.fields.known(IDENTITY))
    odd |= writes & ~all_of.makes[order] & (~follows | own)
    odd |= all_of.adds[order] & (total != expected)
    last = np.append(key[1:] != key[:-1], True)[: len(key)]
    so_far.held = so_far.held.and_also(all_of.last_of_each(order[last]))
    return added, session[odd & now]


def _after_those_before(changes: Changes, so_far: SoFar) -> tuple[int, Changes]:
    """The changes behind the last ones of the parts before, and how many these are. They are no longer among
    those held; nor are those of sessions that are gone, which nothing may change."""
    now = np.zeros(len(so_far.suspect), np.bool_)
    now[changes.session] = True
    held = so_far.held.where(~so_far.gone[so_far.held.session])
    mine = now[held.session]
    before, so_far.held = held.where(mine), held.where(~mine)
    none = np.zeros(len(before.session), np.bool_)
    nothing = np.zeros(len(before.session), np.int64)
    return len(none), Changes(
        step=np.concatenate([nothing, changes.step]),
        session=np.concatenate([before.session, changes.session]),
        field=np.concatenate([before.field, changes.field]),
        number=np.concatenate([before.number, changes.number]),
        makes=np.concatenate([none, changes.makes]),
        writes=np.concatenate([before.writes, changes.writes]),
        adds=np.concatenate([none, changes.adds]),
        amount=np.concatenate([nothing, changes.amount]),
        total=np.concatenate([before.total, changes.total]),
    )


def _shifted(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    return np.concatenate([values[:1], values[:-1]])
