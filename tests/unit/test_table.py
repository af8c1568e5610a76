"""A table of operations holds exactly what the records hold, and gives it back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args, get_type_hints

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.model.history import History
from harness.model.records import Attempt, Operation, Step
from harness.model.table import OPERATION_COLUMNS, STEP_COLUMNS, OperationTable, rows_of
from tests import builders_observe as a
from tests.share import examples

WIDE = st.integers(-(2**63), 2**63 - 1)
NARROW = st.integers(-(2**31), 2**31 - 1)


def _values(name: str, hint: Any) -> st.SearchStrategy[Any]:
    """Any value that the annotation of a record's field allows, within the column's bits."""
    if type(None) in get_args(hint):
        return st.none() | _values(name, get_args(hint)[0])
    if hint is int:
        return WIDE if name.endswith(("_us", "_ms")) or name in {"id", "generation"} else NARROW
    if hint == tuple[int, ...]:
        return st.lists(NARROW, max_size=3).map(tuple)
    if hint == dict[str, int]:
        return st.dictionaries(st.text(max_size=3), WIDE, max_size=2)
    return st.from_type(hint)


def records(record: Any, **given_fields: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(record)
    fields = {
        name: _values(name, hints[name]) for name in record.__struct_fields__ if name not in given_fields
    }
    return st.builds(record, **fields, **given_fields)


OPERATIONS = st.lists(
    records(
        Operation,
        steps=st.lists(records(Step), max_size=2).map(tuple),
        attempts=st.lists(records(Attempt), max_size=2).map(tuple),
    ),
    max_size=4,
)


@examples(25, 5)
@given(OPERATIONS)
def test_lines_are_packed_as_their_records(operations: Any) -> None:
    """The short cut from lines to columns gives the same table as the records do."""
    lines = b"".join(msgspec.json.encode(one) + b"\n" for one in operations)
    short, long = OperationTable.of_lines(lines), OperationTable.of(operations)
    assert short.records() == long.records()
    for one, other in ((short.operations, long.operations), (short.steps, long.steps)):
        assert one.to_pydict() == other.to_pydict()


@examples(25, 5)
@given(OPERATIONS)
def test_any_operations_come_back_from_a_table(operations: Any) -> None:
    """Packing and unpacking changes nothing: not None, not the empty, not the order."""
    found = OperationTable.of(operations).records()
    assert found == tuple(operations)
    assert [list(map(type, msgspec.structs.astuple(one))) for one in found] == [
        list(map(type, msgspec.structs.astuple(one))) for one in operations
    ]


@examples(25, 5)
@given(OPERATIONS, st.data())
def test_rows_taken_keep_their_steps_and_attempts(operations: Any, data: Any) -> None:
    """A part of a table is the table of that part, whatever the order or the repetition."""
    rows = data.draw(
        st.lists(st.sampled_from(range(len(operations))), max_size=6) if operations else st.just([])
    )
    taken = OperationTable.of(operations).take(rows)
    assert taken.records() == tuple(operations[row] for row in rows)
    assert set(rows_of(taken.steps).tolist()) <= set(range(len(rows)))


@examples(25, 5)
@given(OPERATIONS, st.data())
def test_part_of_a_table_is_the_table_of_that_part(operations: Any, data: Any) -> None:
    """Cut anywhere, without copying, a piece counts its rows from 0 again."""
    first, end = sorted(data.draw(st.tuples(*[st.integers(0, len(operations))] * 2)))
    part = OperationTable.of(operations).part(first, end)
    assert part.records() == tuple(operations[first:end])
    assert OperationTable.joined([part, part]).records() == tuple(operations[first:end]) * 2


@examples(25, 5)
@given(st.lists(OPERATIONS, max_size=3))
def test_joined_tables_are_the_table_of_all(parts: Any) -> None:
    """One after the other, with one dictionary per column and in one chunk."""
    joined = OperationTable.joined([OperationTable.of(part) for part in parts])
    assert joined.records() == tuple(one for part in parts for one in part)
    for table in (joined.operations, joined.steps, joined.attempts):
        assert all(column.num_chunks <= 1 for column in table.columns)


def test_empty_and_nothing_differ_where_records_let_them() -> None:
    """An absent key was seen, an unread one was not: `saw` tells {} from None."""
    absent, unread = (  # type: ignore[var-annotated]
        msgspec.structs.replace(a.operation(1).steps[0], saw=saw, wrote={}) for saw in ({}, None)
    )
    table = OperationTable.of([a.operation(1, steps=(absent, unread))]).steps
    assert table["saw"].to_pylist() == ["{}", None]
    assert table["wrote"].null_count == 2


def test_sorting_by_id_keeps_what_is_sorted() -> None:
    """Operations are written down when they end; readers want them as they began."""
    late = OperationTable.of([a.operation(2), a.operation(1)])
    assert late.sorted_by_id().records() == (a.operation(1), a.operation(2))
    assert OperationTable.of([a.operation(1), a.operation(2)]).sorted_by_id().operations[
        "id"
    ].to_pylist() == [1, 2]


def test_column_for_every_field() -> None:
    """What is recorded of operations, steps and attempts is what the tables hold."""
    table = OperationTable.of([a.operation(1)])
    assert set(table.operations.column_names) | {"steps", "attempts"} == set(Operation.__struct_fields__)
    assert table.steps.column_names == ["row", *Step.__struct_fields__]
    assert table.attempts.column_names == ["row", *Attempt.__struct_fields__]
    assert len(OPERATION_COLUMNS) + 2 == len(Operation.__struct_fields__)
    assert len(STEP_COLUMNS) == len(Step.__struct_fields__)


def test_text_that_is_no_unicode_is_refused() -> None:
    """The same kind of error as from JSON, so that the recorder can report it."""
    with pytest.raises(ValueError, match="surrogates"):
        OperationTable.of([a.operation(1, told="\ud800")])
    with pytest.raises(ValueError, match=r"out of bounds|too large|not fit"):
        OperationTable.of([a.operation(1, shard=2**40)])


def test_equal_dictionaries_hold_each_text_once() -> None:
    """What repeats is kept once: a table of one session's reads is small."""
    table = OperationTable.of([a.operation(1)] * 1000)
    assert len(table.operations["session"].chunk(0).dictionary) == 1
    assert isinstance(table.operations["session"].type, pa.DictionaryType)


def test_history_takes_either_form_and_gives_both() -> None:
    """Tests write records by hand, the reader hands over columns; checks ask for what they need."""
    operations = (a.operation(1), a.operation(2))
    table = OperationTable.of(operations)
    by_hand = History(plan=a.plan(), opening=a.opening(), operations=operations)
    as_read = replace(by_hand, operations=table)
    assert History(plan=a.plan(), opening=a.opening()).operations == ()
    assert as_read.table is table
    assert as_read.operations == operations
    assert as_read.operations is as_read.operations
    assert by_hand.table.records() == operations
    assert as_read == by_hand
    assert replace(as_read, incomplete="killed").operations == operations
