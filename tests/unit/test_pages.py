"""What a Parquet file unpacks to is read from its pages, whatever its footer says."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.history.pages import unpacked_bytes
from tests.unit.saved.test_saved import closed_attempt

NAMES = ("operations", "steps", "attempts")


@pytest.mark.parametrize("name", NAMES)
def test_pages_of_a_run_are_as_long_as_its_footer_says(name: str, tmp_path: Path) -> None:
    """The footer of a file of the kit's does not lie: it counts the headers as well, which are short."""
    content = (closed_attempt(tmp_path / "x") / f"{name}.parquet").read_bytes()
    metadata = pq.read_metadata(io.BytesIO(content))
    told = metadata.row_group(0).total_byte_size
    counted = unpacked_bytes(io.BytesIO(content), len(content), metadata, values_at_most=1000)
    assert told - 200 * metadata.num_columns < counted < told


def test_run_without_attempts_has_a_file_without_pages() -> None:
    """Its columns say that they lie at the file's very beginning, where no page is."""
    file = io.BytesIO()
    schema = pa.schema([("row", pa.int64()), ("does", pa.dictionary(pa.int32(), pa.string()))])
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        writer.write_table(schema.empty_table(), row_group_size=1)
    metadata = pq.read_metadata(file)
    assert metadata.num_row_groups == 1
    assert unpacked_bytes(file, len(file.getvalue()), metadata, values_at_most=0) == 0


def test_values_have_a_limit(tmp_path: Path) -> None:
    """As many as there are may be there, and not one more."""
    content = (closed_attempt(tmp_path / "x") / "operations.parquet").read_bytes()
    metadata = pq.read_metadata(io.BytesIO(content))
    rows = metadata.num_rows
    assert unpacked_bytes(io.BytesIO(content), len(content), metadata, values_at_most=rows)
    with pytest.raises(ValueError, match=f"{rows} values in {len(content)} bytes"):
        unpacked_bytes(io.BytesIO(content), len(content), metadata, values_at_most=rows - 1)


@pytest.mark.parametrize("name", NAMES)
def test_page_that_is_damaged_is_refused_or_counted(name: str, tmp_path: Path) -> None:
    """Whatever stands in place of a header: a `ValueError`, or numbers; nothing else, and no loop."""
    whole = (closed_attempt(tmp_path / "x") / f"{name}.parquet").read_bytes()
    metadata = pq.read_metadata(io.BytesIO(whole))
    dice = random.Random(name)
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(dice.randint(1, 40)):
            content[dice.randrange(len(content))] = dice.randrange(256)
        try:
            unpacked_bytes(io.BytesIO(content), len(content), metadata, values_at_most=10**6)
        except ValueError:
            refused += 1
    assert refused > 100
