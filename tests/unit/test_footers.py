"""Columns are copied from file to file as they lie, and the new footer says where they lie there."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.history import columns
from harness.history.columns import check_complete, new_file, schema_of
from harness.history.files import TABLES
from harness.history.footers import Assembled, Chunk, Footer, check_histograms
from harness.history.thrift import (
    LIST,
    LONG,
    STRUCT,
    Fields,
    fields_of,
    items_of,
    list_of,
    number_of,
    signed,
    struct,
)
from tests.unit.saved.test_saved import closed_attempt

ONE_PAST_64_BITS = b"\xff" * 10


def put_together(*files: io.BytesIO) -> io.BytesIO:
    made = io.BytesIO()
    whole = Assembled(made)
    for file in files:
        for group in Footer.of(file).groups():
            whole.add(group)
    whole.finish(Footer.of(files[0]))
    return made


def column(*groups: list[int | None], name: str = "sent_us") -> io.BytesIO:
    """A file of one column, in groups."""
    file = io.BytesIO()
    schema = pa.schema([(name, pa.int64())])
    with new_file(file, schema) as writer:
        for values in groups:
            writer.write_table(pa.table([values], schema=schema), row_group_size=max(1, len(values)))
    return file


@pytest.mark.parametrize("name", TABLES)
def test_file_taken_apart_and_put_together_is_the_same_to_the_byte(name: str, tmp_path: Path) -> None:
    """So nothing of what Arrow wrote is lost: types, statistics, encodings, the schema."""
    content = (closed_attempt(tmp_path / "x") / name).read_bytes()
    assert put_together(io.BytesIO(content)).getvalue() == content


def test_groups_of_several_files_are_those_of_one() -> None:
    """Also one without a row, whose column lies nowhere."""
    first, second = column([1, 2, None], []), column([2**62, -5])
    made = put_together(first, second)
    assert pq.read_table(made)["sent_us"].to_pylist() == [1, 2, None, 2**62, -5]
    assert [pq.read_metadata(made).row_group(n).num_rows for n in range(3)] == [3, 0, 2]
    assert made.getvalue() == column([1, 2, None], [], [2**62, -5]).getvalue()


def test_more_groups_than_a_short_list_holds() -> None:
    """From fifteen on a list's size is written in another way."""
    for groups in (14, 15, 16, 200):
        made = put_together(*(column([n]) for n in range(groups)))
        assert pq.read_table(made)["sent_us"].to_pylist() == list(range(groups))


def test_chunk_takes_the_place_of_its_column_and_of_no_other() -> None:
    """By the column's path."""
    schema = pa.schema([("sent_us", pa.int64()), ("done_us", pa.int64())])
    file = io.BytesIO()
    with new_file(file, schema) as writer:
        writer.write_table(pa.table([[1, 2], [3, 4]], schema=schema), row_group_size=2)
    (group,) = Footer.of(file).groups()
    fresh = io.BytesIO()
    whole = Assembled(fresh)
    whole.add(group.with_chunks([chunk(column([70, 80], name="done_us"))]))
    whole.finish(Footer.of(file))
    assert pq.read_table(fresh).to_pydict() == {"sent_us": [1, 2], "done_us": [70, 80]}
    described = pq.read_metadata(fresh).row_group(0)
    told = [described.column(n).total_uncompressed_size for n in range(2)]
    assert described.total_byte_size == sum(told)


def test_lists_and_texts_are_copied_too(tmp_path: Path) -> None:
    """Paths of their columns have several words, and a dictionary lies before the values."""
    paths = {
        one.path
        for name in TABLES
        for group in Footer.of(io.BytesIO((closed_attempt(tmp_path / name) / name).read_bytes())).groups()
        for one in group.chunks
    }
    assert {"attempts.list.element", "steps.list.element", "session"} <= paths
    assert len(schema_of(TABLES[0])) < len(paths)


def test_column_that_is_cut_off_is_refused() -> None:
    """Its footer promises more than the file has."""
    one = chunk(column([1, 2, 3]))
    with pytest.raises(ValueError, match="column sent_us is cut off"):
        Chunk(io.BytesIO(one.file.read(one.begin + one.packed - 1)), one.fields).content()


def chunk(file: io.BytesIO) -> Chunk:
    ((found,),) = (group.chunks for group in Footer.of(file).groups())
    file.seek(0)
    return found


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_come_back(value: int) -> None:
    """All of 64 bits, on both sides of nothing."""
    assert number_of(signed(value)) == value


def test_fields_far_apart_come_back() -> None:
    """Fifteen apart fit into one byte, sixteen do not."""
    fields = {field: (LONG, signed(field)) for field in (1, 16, 32, 300)}
    assert fields_of(struct(fields)) == fields


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cut off"),
        (b"\x16", "cut off"),
        (b"\x18\x05abc\x00", "cut off"),
        (b"\x16" + ONE_PAST_64_BITS, "more than 64 bits"),
        (b"\x1b\x00\x00", "type 11"),
        (b"\x19\x11\x01\x00", "list of flags"),
        (b"\x1c" * 20, "nested too deeply"),
    ],
)
def test_what_is_no_struct_is_refused(content: bytes, reason: str) -> None:
    """With one clear error, and no loop."""
    with pytest.raises(ValueError, match=reason):
        fields_of(content)


def test_all_types_of_a_footer_are_passed() -> None:
    """Flag, byte, number of each size, fraction, text, list of structs, struct: what follows is still found."""
    content = {
        1: (1, b""),
        2: (3, b"\x07"),
        3: (4, b"\x02"),
        4: (5, b"\x80\x01"),
        5: (7, b"\x00" * 8),
        6: (8, b"\x03abc"),
        7: (9, list_of(12, [struct({1: (LONG, signed(-1))})] * 20)),
        8: (12, struct({2: (2, b"")})),
        9: (LONG, signed(7)),
    }
    assert fields_of(struct(content)) == content
    assert len(items_of(content[7][1])) == 20


SIZES, TEXT_BYTES, REPEATED, DEFINED = 16, 1, 2, 3


def with_sizes(change: Fields) -> io.BytesIO:
    """A column of numbers whose footer says something else of the sizes of what it holds."""
    file = column([1, None, 2])
    footer = Footer.of(file)
    ((group, (chunk,)),) = ((one, one.chunks) for one in footer.groups())
    told = fields_of(chunk.column[SIZES][1]) | change
    said = chunk.column | {SIZES: (STRUCT, struct(told))}
    made = io.BytesIO()
    whole = Assembled(made)
    whole.add(group.with_chunks([Chunk(file, chunk.fields | {3: (STRUCT, struct(said))})]))
    whole.finish(footer)
    return made


def histogram(*counts: int) -> tuple[int, bytes]:
    return LIST, list_of(LONG, map(signed, counts))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({DEFINED: histogram(1, 2, 0)}, "sent_us: expected a histogram of 2, found 3"),
        ({DEFINED: histogram(3)}, "sent_us: expected a histogram of 2, found 1"),
        ({REPEATED: histogram(3, 0)}, "sent_us: expected a histogram of 1, found 2"),
        ({TEXT_BYTES: (LONG, signed(7))}, "sent_us: its footer tells the length of texts"),
    ],
)
def test_footer_that_would_end_the_process_is_refused(change: Fields, said: str) -> None:
    """Arrow does not raise where somebody asks for such a column: it aborts."""
    made = with_sizes(change)
    schema = pq.read_metadata(made).schema
    with pytest.raises(ValueError, match=said):
        check_histograms(made, schema)


@pytest.mark.parametrize("change", [{}, {DEFINED: histogram()}, {REPEATED: histogram(3)}])
def test_footer_that_arrow_takes_is_taken(change: Fields) -> None:
    """A histogram may be left out."""
    made = with_sizes(change)
    metadata = pq.read_metadata(made)
    check_histograms(made, metadata.schema)
    assert metadata.row_group(0).column(0).num_values == 3


def test_type_that_arrow_does_not_know_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its error is neither an OSError nor a ValueError."""
    folder = closed_attempt(tmp_path / "x")

    def refuse(_file: object) -> None:
        raise pa.ArrowNotImplementedError("Integers with more than 64 bits not implemented")

    monkeypatch.setattr(columns, "pq", SimpleNamespace(read_metadata=refuse))
    with pytest.raises(ValueError, match="no type of the kit's: Integers with more than 64 bits"):
        check_complete(folder / TABLES[0], schema_of(TABLES[0]).names)
