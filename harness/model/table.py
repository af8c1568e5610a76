"""Operations as columns: what a closed history keeps on disk and what checks run over at speed.

Three flat Arrow tables whose columns are the fields of the records: `operations`, `steps` and
`attempts`. The last two begin with `row`, the index of their operation in the first, in rising order.
Columns follow from the records' annotations, so a field added there is a column here: text and enums
are dictionary-encoded, mappings and tuples of text are JSON text (dictionary-encoded as well), tuples
of numbers are lists, flags are booleans and numbers integers. No file is touched in here.

Trap: null stands for None, and for {} or () in a field that cannot be None. So `wrote` is null when
nothing was written, while `saw` is null when nothing was seen and `{}` when the key was absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import cache
from itertools import chain, pairwise, repeat
from types import GenericAlias, NoneType
from typing import Any, TypeAlias, get_args, get_origin, get_type_hints

import msgspec

from harness.costly import np, npt, pa, pc
from harness.errors import UsageError
from harness.model.records import Attempt, Operation, Step

Rows: TypeAlias = "npt.NDArray[np.int64]"


class Holds(StrEnum):
    """What a column is of."""

    TEXT = "text"
    FLAGS = "flags"
    INTEGERS = "integers"
    LONG_INTEGERS = "long integers"
    NUMBERS = "lists of numbers"


@cache
def arrow_type(holds: Holds) -> pa.DataType:
    match holds:
        case Holds.TEXT:
            return pa.dictionary(pa.int32(), pa.string())
        case Holds.FLAGS:
            return pa.bool_()
        case Holds.INTEGERS:
            return pa.int32()
        case Holds.LONG_INTEGERS:
            return pa.int64()
        case Holds.NUMBERS:
            return pa.list_(pa.int32())


_encode = msgspec.json.Encoder().encode

_LEFT_OUT = msgspec.Raw()
"""What a raw record has where its line says nothing: None, or empty where None cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One field of a record: how it becomes a column and comes back."""

    name: str
    holds: Holds
    json: Any = None
    """The type that its JSON text stands for; None: it is no JSON."""
    optional: bool = False
    """The field may be None."""
    word: Callable[[str], Any] | None = None
    """Text to enum member; None: it is no enum."""

    @property
    def always(self) -> bool:
        """Every record has a value there, so null stands for none of them."""
        return not self.optional and self.json is None and self.holds is not Holds.NUMBERS

    def pack(self, values: Sequence[Any]) -> pa.Array:
        """The field's values, of records or of their raw forms.

        Raises:
            ValueError: a text is no Unicode, or a number does not fit (also pyarrow's ArrowInvalid).
        """
        if self.json is not None and values and type(values[0]) is msgspec.Raw:
            values = [None if value is _LEFT_OUT else bytes(value) for value in values]
        elif self.json is not None and self.optional:
            values = [None if value is None else _encode(value) for value in values]
        elif self.json is not None:
            values = [_encode(value) if value else None for value in values]
        if self.holds is Holds.TEXT:  # twice as fast as handing Arrow the type
            return pa.array(values, pa.string()).dictionary_encode()
        return pa.array(values, arrow_type(self.holds))

    def unpack(self, column: pa.ChunkedArray) -> list[Any]:
        """The values as records have them. Equal texts and mappings are one object: only for reading."""
        packed = column.combine_chunks()
        if self.holds is Holds.NUMBERS:
            return _tuples(packed)
        if self.holds is not Holds.TEXT:
            return _scalars(packed)
        if len(packed.dictionary) > len(packed):  # a few rows taken out of many
            packed = compacted(packed)
        values = packed.dictionary.to_pylist()
        nothing = None
        if self.json is not None:
            values = list(map(msgspec.json.Decoder(self.json).decode, values))
            nothing = None if self.optional else (get_origin(self.json) or self.json)()
        elif self.word is not None:
            values = list(map(self.word, values))
        codes = packed.indices
        if codes.null_count:
            codes = pc.fill_null(codes, len(values))
        return list(map([*values, nothing].__getitem__, codes.to_numpy().tolist()))


def _columns(record: type[msgspec.Struct], *, without: Sequence[str] = ()) -> tuple[Column, ...]:
    hints = get_type_hints(record)
    return tuple(_column(name, hints[name]) for name in record.__struct_fields__ if name not in without)


def _column(name: str, hint: Any) -> Column:
    optional = NoneType in get_args(hint)
    kind = next(one for one in get_args(hint) if one is not NoneType) if optional else hint
    if kind is bool:
        return Column(name=name, holds=Holds.FLAGS, optional=optional)
    if kind is int:
        wide = name.endswith(("_us", "_ms")) or name in {"id", "generation"}
        return Column(name=name, holds=Holds.LONG_INTEGERS if wide else Holds.INTEGERS, optional=optional)
    if kind is str:
        return Column(name=name, holds=Holds.TEXT, optional=optional)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return Column(name=name, holds=Holds.TEXT, optional=optional, word=kind)
    if kind == tuple[int, ...]:
        return Column(name=name, holds=Holds.NUMBERS)
    return Column(name=name, holds=Holds.TEXT, json=kind, optional=optional)


OPERATION_COLUMNS = _columns(Operation, without=("steps", "attempts"))
STEP_COLUMNS = _columns(Step)
ATTEMPT_COLUMNS = _columns(Attempt)


def _raw_form(
    record: type[msgspec.Struct], columns: Sequence[Column], **nested: type[msgspec.Struct]
) -> type[msgspec.Struct]:
    """The record with its JSON left as it stands and its enums as text: for packing lines unseen."""
    known = {one.name: one for one in columns}
    fields: list[tuple[str, Any, Any]] = []
    for one in msgspec.structs.fields(record):
        column = known.get(one.encode_name)
        kind: Any = one.type
        default = one.default
        if column is None:
            kind = GenericAlias(tuple, (nested[one.name], ...))
        elif column.json is not None:
            kind, default = msgspec.Raw, _LEFT_OUT
        elif column.word is not None:
            kind, default = str, str(default) if isinstance(default, Enum) else default
        fields.append((one.name, kind, default))
    return msgspec.defstruct(f"Raw{record.__name__}", fields, kw_only=True)


_RAW_OPERATION = _raw_form(
    Operation,
    OPERATION_COLUMNS,
    steps=_raw_form(Step, STEP_COLUMNS),
    attempts=_raw_form(Attempt, ATTEMPT_COLUMNS),
)
_raw_lines = msgspec.json.Decoder(_RAW_OPERATION).decode_lines


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OperationTable:
    """Operations with their steps and attempts, as three flat tables of one chunk each."""

    operations: pa.Table
    steps: pa.Table
    attempts: pa.Table
    _checked: set[str] = field(default_factory=set, init=False, repr=False)
    """Of tables on disk, those whose rows are known to belong to these operations."""

    @classmethod
    def of(cls, operations: Sequence[Operation]) -> OperationTable:
        """Pack records, in their order.

        Raises:
            ValueError: a text is no Unicode, or a number does not fit its column.
        """
        fields = _by_field(Operation, operations)
        return cls(
            operations=pa.table({one.name: one.pack(fields[one.name]) for one in OPERATION_COLUMNS}),
            steps=_packed(Step, STEP_COLUMNS, fields["steps"]),
            attempts=_packed(Attempt, ATTEMPT_COLUMNS, fields["attempts"]),
        )

    @classmethod
    def of_lines(cls, lines: bytes) -> OperationTable:
        """Pack operations as the recorder wrote them, one line of JSON each.

        What is JSON in a line and in the table is not looked into. Twice as fast as decoding records.

        Raises:
            ValueError: a line is not an operation (msgspec's DecodeError), or a number does not fit.
        """
        raw: Any = _raw_lines(lines)
        return cls.of(raw)

    @classmethod
    def joined(cls, tables: Sequence[OperationTable]) -> OperationTable:
        """One after the other, rows counted on."""
        if not tables:
            return _none()
        before = np.cumsum([0, *(len(table) for table in tables)]).tolist()
        return cls(
            operations=_one_chunk(pa.concat_tables([table.operations for table in tables])),
            steps=_one_chunk(
                pa.concat_tables([_moved(table.steps, by) for table, by in zip(tables, before, strict=False)])
            ),
            attempts=_one_chunk(
                pa.concat_tables(
                    [_moved(table.attempts, by) for table, by in zip(tables, before, strict=False)]
                )
            ),
        )

    def __len__(self) -> int:
        return int(self.operations.num_rows)

    def extremes(self, *names: str) -> list[int]:
        """The least and the largest number of each of these columns of operations; none where all are null.

        Raises:
            ValueError: a column is not of numbers.
        """
        found = [value for name in names for value in _extremes(self.operations, name)]
        return [int(value) for value in found if value is not None]

    def records(self) -> tuple[Operation, ...]:
        """Unpack everything, exactly as it was packed. Costs several microseconds per operation."""
        fields = {one.name: one.unpack(self.operations[one.name]) for one in OPERATION_COLUMNS}
        fields["steps"] = self._unpacked(self.steps, Step, STEP_COLUMNS)
        fields["attempts"] = self._unpacked(self.attempts, Attempt, ATTEMPT_COLUMNS)
        return tuple(_records(Operation, fields))

    def take(self, rows: Rows | Sequence[int]) -> OperationTable:
        """The operations at these rows, in this order, with their steps and attempts."""
        wanted = np.asarray(rows, dtype=np.int64)
        if not len(wanted):
            return _none()
        return OperationTable(
            operations=self.operations.take(wanted),
            steps=_taken(self.steps, wanted),
            attempts=_taken(self.attempts, wanted),
        )

    def part(self, first: int, end: int) -> OperationTable:
        """The operations of these rows, without copying them."""

        def part(table: pa.Table) -> pa.Table:
            begins, ends = np.searchsorted(rows_of(table), (first, end)).tolist()
            return _moved(table.slice(begins, ends - begins), -first)

        return OperationTable(
            operations=self.operations.slice(first, end - first),
            steps=part(self.steps),
            attempts=part(self.attempts),
        )

    def parts(self, columns: Mapping[str, Sequence[str]]) -> Iterator[tuple[slice, OperationTable]]:
        """One after the other, each in memory with these columns at least, and which operations they are;
        itself, if it is in memory. Of steps or attempts that are not asked for, a part may have no column at
        all: `row` is read to see that the tables belong together, which the first pass does for all.

        Raises:
            UsageError: files that do not belong together, or cannot be read.
        """
        on_disk = getattr(self.operations, "parts", None)
        if on_disk is None or not len(self):
            yield slice(0, len(self)), self if on_disk is None else _none()
            return
        beside = [name for name in ("steps", "attempts") if name in columns or name not in self._checked]
        told = (
            getattr(self, name).parts((always, *columns.get(name, ())))
            for name, always in (("operations", "id"), *((name, "row") for name in beside))
        )
        first = 0
        try:
            for operations, *others in zip(*told, strict=True):
                end = first + len(operations)
                found = {name: _moved(table, -first) for name, table in zip(beside, others, strict=True)}
                del others
                _all_within(len(operations), *found.values())
                part = OperationTable(
                    operations=operations, **{"steps": _unread(), "attempts": _unread(), **found}
                )
                del operations, found
                yield slice(first, end), part
                del part
                first = end
        except ValueError as problem:
            raise UsageError(
                "damaged: operations, steps and attempts are not in the same groups, as the kit writes them: "
                f"{problem}"
            ) from problem
        self._checked.update(beside)

    def sorted_by_id(self) -> OperationTable:
        """In the order of `id`; itself, if it is already."""
        ids = self.operations["id"].to_numpy()
        return self if bool((ids[1:] > ids[:-1]).all()) else self.take(np.argsort(ids, kind="stable"))

    def _unpacked(
        self, table: pa.Table, record: type[Step | Attempt], columns: Sequence[Column]
    ) -> list[tuple[Any, ...]]:
        found = _records(record, {one.name: one.unpack(table[one.name]) for one in columns})
        bounds = np.searchsorted(rows_of(table), np.arange(len(self) + 1)).tolist()
        return [tuple(found[first:end]) for first, end in pairwise(bounds)]


@cache
def _none() -> OperationTable:
    return OperationTable.of(())


@cache
def _unread() -> pa.Table:
    """Without a column: whoever looks at what it did not ask for gets an error."""
    return pa.table({})


def rows_of(table: pa.Table) -> Rows:
    """The `row` column of `steps` or `attempts`: for each, the index of its operation."""
    rows: Rows = table["row"].to_numpy()
    return rows


def compacted(packed: pa.DictionaryArray) -> pa.DictionaryArray:
    """With the texts that a row has and no others. No text is written out once per row meanwhile: a long
    one may be in all of them."""
    used = pc.unique(pc.drop_null(packed.indices))
    codes = pc.index_in(packed.indices, value_set=used)
    return pa.DictionaryArray.from_arrays(codes, packed.dictionary.take(used))


def _extremes(table: pa.Table, name: str) -> tuple[int | None, int | None]:
    if isinstance(table, pa.Table):
        both = pc.min_max(table[name])
        return both["min"].as_py(), both["max"].as_py()
    known: tuple[int | None, int | None] = table.extremes(name)  # on disk, where it need not be read for that
    return known


def _packed(
    record: type[msgspec.Struct], columns: Sequence[Column], each: Sequence[tuple[Any, ...]]
) -> pa.Table:
    fields = _by_field(record, list(chain.from_iterable(each)))
    rows = np.repeat(np.arange(len(each)), list(map(len, each)))
    return pa.table(
        {"row": pa.array(rows, pa.int64()), **{one.name: one.pack(fields[one.name]) for one in columns}}
    )


def _by_field(record: type[msgspec.Struct], records: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    """Records, or their raw forms, turned round: all values of each field."""
    names = record.__struct_fields__
    values = zip(*map(msgspec.structs.astuple, records), strict=True) if records else repeat(())
    return dict(zip(names, values, strict=False))


def _records(record: type[Any], fields: dict[str, list[Any]]) -> list[Any]:
    names = tuple(fields)
    return [record(**dict(zip(names, values, strict=True))) for values in zip(*fields.values(), strict=True)]


def _taken(table: pa.Table, wanted: Rows) -> pa.Table:
    rows = rows_of(table)
    first = np.searchsorted(rows, wanted, side="left")
    count = np.searchsorted(rows, wanted, side="right") - first
    ends = np.cumsum(count)
    within = np.arange(int(count.sum())) - np.repeat(ends - count, count)
    taken = table.take(np.repeat(first, count) + within)
    return _with_rows(taken, np.repeat(np.arange(len(wanted)), count))


def _all_within(operations: int, *tables: pa.Table) -> None:
    """Whether each row belongs to one of so many operations.

    Raises:
        ValueError: one does not.
    """
    for table in tables:
        rows = rows_of(table)
        if len(rows) and (rows[0] < 0 or rows[-1] >= operations or (rows[1:] < rows[:-1]).any()):
            raise ValueError(f"expected rows of {operations} operations, found {rows[0]} to {rows[-1]}")


def _moved(table: pa.Table, by: int) -> pa.Table:
    return _with_rows(table, rows_of(table) + by)


def _with_rows(table: pa.Table, rows: Rows) -> pa.Table:
    return table.set_column(table.schema.get_field_index("row"), "row", pa.array(rows, pa.int64()))


def _one_chunk(table: pa.Table) -> pa.Table:
    return table.unify_dictionaries().combine_chunks()


def _scalars(packed: pa.Array) -> list[Any]:
    if not packed.null_count:
        return packed.to_numpy(zero_copy_only=False).tolist()  # type: ignore[no-any-return]
    values = pc.fill_null(packed, False if pa.types.is_boolean(packed.type) else 0)
    known = packed.is_valid().to_numpy(zero_copy_only=False).tolist()
    found = values.to_numpy(zero_copy_only=False).tolist()
    return [value if is_known else None for value, is_known in zip(found, known, strict=True)]


def _tuples(packed: pa.Array) -> list[Any]:
    numbers = packed.values.to_numpy(zero_copy_only=False).tolist()
    return [tuple(numbers[first:end]) for first, end in pairwise(packed.offsets.to_numpy().tolist())]
