"""What workers have recorded becomes part of one history, on the run's clock and never in a certain order that
is none."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from itertools import product
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness import history
from harness.application import IDS_EACH
from harness.clock import RunClock
from harness.history import columns
from harness.history.closing import close_files
from harness.history.files import COMPRESSED, HALF, PLAIN, TABLES
from harness.history.footers import Footer
from harness.history.merging import BEGINS, ENDS
from harness.model.clock_bounds import ClockBounds
from harness.model.history import History
from harness.model.records import Attempt, ClockReading, Closing, Connection, Event, Operation, Step
from harness.model.seams import Secrets
from harness.model.words import Outcome
from tests import builders_observe as a

SECRETS = Secrets(redis="r" * 32, sentinel="s" * 32)
AHEAD_US = 50_000
WIDTH_US = 300
"""Of every reading below: request and reply are so far apart."""


def recorder(directory: Path) -> history.Recorder:
    directory.mkdir(exist_ok=True)
    history.write_plan(directory, a.plan())
    return history.Recorder(directory, RunClock(), secrets=SECRETS)


def readings(number: int) -> list[ClockReading]:
    """Of a worker whose clock is 50 ms ahead, one a second; in truth each was answered at once."""
    clock = f"worker-{number}"
    return [
        ClockReading(clock=clock, sent_us=t_us, theirs_us=t_us + AHEAD_US, done_us=t_us + WIDTH_US)
        for t_us in range(0, 3_000_000, 1_000_000)
    ]


def part(folder: Path, number: int, *records: object) -> history.Part:
    writer = recorder(folder / f"worker-{number}")
    for one in records:
        writer.record(one)  # type: ignore[arg-type]
    writer.close(Closing(t_us=1))
    assert writer.failure is None
    return history.Part(folder=folder / f"worker-{number}", bounds=ClockBounds.of(readings(number)))


def merged(folder: Path, *parts: history.Part) -> History:
    writer = recorder(folder)
    writer.record(a.opening())
    for number in range(1, len(parts) + 1):
        for one in readings(number):
            writer.record(one)
    writer.take_in(parts)
    writer.close(Closing(t_us=3_000_000))
    assert writer.failure is None
    return history.read(folder)


def operation(number: int, worker: int, at_us: int) -> Operation:
    """By the worker's clock due at that moment, sent 50 µs and done 400 µs later."""
    done = a.operation(number)
    attempt = Attempt(
        n=1, connection=worker, steps=(1,), handed_over=True, sent_us=at_us + 60, done_us=at_us + 390
    )
    steps = tuple(msgspec.structs.replace(one, sent_us=at_us + 60, done_us=at_us + 390) for one in done.steps)
    return msgspec.structs.replace(
        done,
        id=worker * IDS_EACH + number,
        due_us=at_us,
        sent_us=at_us + 50,
        done_us=at_us + 400,
        steps=steps,
        attempts=(attempt,),
    )


def holds(span: Operation | Step | Attempt, from_us: int, until_us: int) -> bool:
    return (span.sent_us or 0) <= from_us and until_us <= (span.done_us or 0)


def test_each_moment_becomes_the_end_of_its_interval(tmp_path: Path) -> None:
    """What begins a span is not later than the truth, what ends it not earlier; 1,000 of theirs was 50 ms
    before on the run's clock, give or take the width."""
    found = merged(tmp_path, part(tmp_path, 1, operation(1, 1, AHEAD_US + 1_000)))
    (one,) = found.operations
    assert 0 <= 1_000 - one.due_us <= 2, "1 ms after a reading, drift adds little"
    assert holds(one, 1_050, 1_400)
    assert (one.done_us or 0) - 1_400 <= WIDTH_US + 3
    (step,), (attempt,) = one.steps, one.attempts
    for span in (step, attempt):
        assert holds(span, 1_060, 1_390)
    assert one.sent_us <= step.sent_us <= step.done_us <= one.done_us  # type: ignore[operator]
    assert found.clocks_apart_us >= WIDTH_US


def test_two_workers_are_in_order_only_where_that_is_certain(tmp_path: Path) -> None:
    """Ends 1 ms before the other begins: before. Ends 100 µs before, by clocks that are known to 300 µs:
    concurrent."""
    first = part(tmp_path, 1, operation(1, 1, AHEAD_US), operation(2, 1, AHEAD_US + 10_000))
    # 400 µs after their beginning these ended; the other worker's begin 1,000 and 100 µs after that
    second = part(tmp_path, 2, operation(1, 2, AHEAD_US + 1_400), operation(2, 2, AHEAD_US + 10_500))
    ops = {one.id: one for one in merged(tmp_path, first, second).operations}
    assert list(ops) == [IDS_EACH + 1, IDS_EACH + 2, 2 * IDS_EACH + 1, 2 * IDS_EACH + 2]
    assert [len(one.steps) for one in ops.values()] == [1, 1, 1, 1]
    done_us = [ops[IDS_EACH + n].done_us or 0 for n in (1, 2)]
    sent_us = [ops[2 * IDS_EACH + n].sent_us or 0 for n in (1, 2)]
    assert done_us[0] < sent_us[0]
    assert done_us[1] > sent_us[1]


def test_connections_and_events_come_with_them(tmp_path: Path) -> None:
    """An event happened within its error, which has grown by what is not known."""
    connection = Connection(
        id=2, web_server="web-2", node="redis-1", opened_us=AHEAD_US + 10, closed_us=AHEAD_US + 900
    )
    still_open = Connection(id=4, web_server="web-2", node="redis-1", opened_us=AHEAD_US + 10)
    event = Event(source="web-2", name="redirected", t_us=AHEAD_US + 500, error_us=7)
    found = merged(tmp_path, part(tmp_path, 1, connection, still_open, event))
    closed, other = found.connections
    assert (closed.opened_us, closed.closed_us) == (10 - 1, 900 + WIDTH_US + 1)
    assert other.closed_us is None
    (told,) = found.events
    assert told.t_us - told.error_us <= 500 - 7 <= 500 <= told.t_us
    assert told.error_us >= 7 + WIDTH_US


@pytest.mark.parametrize("group", [2, 1000])
def test_own_operations_stay_before_those_of_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    """Whatever the groups: everything is there once, with its own steps, and what was never done stays so."""
    monkeypatch.setattr(columns, "GROUP_OPERATIONS", group)
    monkeypatch.setattr(columns, "OVERLAP_OPERATIONS", 1)
    unknown = msgspec.structs.replace(operation(3, 1, AHEAD_US), done_us=None, outcome=Outcome.UNKNOWN)
    never = msgspec.structs.replace(
        operation(4, 1, AHEAD_US), sent_us=None, done_us=None, steps=(), attempts=(), outcome=Outcome.NOT_SENT
    )
    own = [*(a.operation(n) for n in range(1, 5)), msgspec.structs.replace(never, id=5)]
    theirs = part(tmp_path, 1, operation(1, 1, AHEAD_US), operation(2, 1, AHEAD_US + 9_000), unknown, never)
    idle = part(tmp_path, 2, msgspec.structs.replace(never, id=2 * IDS_EACH))
    writer = recorder(tmp_path)
    for one in (a.opening(), *own, *readings(1)):
        writer.record(one)  # type: ignore[arg-type]
    writer.take_in([theirs, idle])
    writer.close(Closing(t_us=3_000_000))
    assert writer.failure is None
    found = history.read(tmp_path).operations
    assert [one.id for one in found[:5]] == [1, 2, 3, 4, 5]
    assert found[:4] == tuple(own[:4])
    assert [one.id - IDS_EACH for one in found[5:]] == [1, 2, 3, 4, IDS_EACH]
    assert [len(one.steps) for one in found[4:]] == [0, 1, 1, 1, 0, 0]
    assert (found[7].done_us, found[8].sent_us) == (None, None)
    assert not theirs.folder.exists(), "what was taken in is kept once"


@pytest.mark.parametrize("name", TABLES)
def test_a_part_that_was_changed_leaves_no_history_that_looks_whole(tmp_path: Path, name: str) -> None:
    """One bit, in a column that is copied unread. The reason names the folder and the file."""
    theirs = part(tmp_path, 1, operation(1, 1, AHEAD_US))
    content = bytearray((theirs.folder / name).read_bytes())
    content[20] ^= 1
    (theirs.folder / name).write_bytes(content)
    writer = recorder(tmp_path)
    writer.record(a.opening())
    writer.take_in([theirs])
    writer.close(Closing(t_us=1))
    assert f"{theirs.folder}: " in str(writer.failure)
    assert f"{name} is damaged: its checksum" in str(writer.failure)
    assert theirs.folder.exists()
    assert {one.name for one in tmp_path.iterdir()} == {"plan.json", PLAIN, "worker-1"}


def test_a_part_without_checksums_leaves_no_history_that_looks_whole(tmp_path: Path) -> None:
    """Columns are copied unread, so nothing else would show that they are not the worker's."""
    theirs = part(tmp_path, 1, operation(1, 1, AHEAD_US))
    lines = gzip.decompress((theirs.folder / COMPRESSED).read_bytes()).splitlines(keepends=True)
    (theirs.folder / COMPRESSED).write_bytes(gzip.compress(b"".join(lines[:-1])))
    writer = recorder(tmp_path)
    writer.record(a.opening())
    writer.take_in([theirs])
    writer.close(Closing(t_us=1))
    assert f"{theirs.folder}: " in str(writer.failure)
    assert f"{COMPRESSED} lacks its last line" in str(writer.failure)
    assert {one.name for one in tmp_path.iterdir()} == {"plan.json", PLAIN, "worker-1"}


def test_a_part_that_breaks_while_it_is_copied_leaves_the_lines(tmp_path: Path) -> None:
    """No file has a name that makes it look whole."""
    theirs = part(tmp_path, 1, operation(1, 1, AHEAD_US))
    writer = recorder(tmp_path)
    writer.record(a.opening())
    writer.take_in([theirs])
    (theirs.folder / TABLES[1]).write_bytes(b"PAR1 something else")
    writer.close(Closing(t_us=1))
    assert writer.failure is not None
    assert theirs.folder.exists()
    left = {one.name for one in tmp_path.iterdir()}
    assert PLAIN in left
    assert not any(one == COMPRESSED or one.endswith(HALF) for one in left)


@pytest.mark.parametrize(
    ("otherwise", "says"),
    [
        (lambda table: table.append_column("more", table["n"]), "expected the columns that this version"),
        (lambda table: table.select(table.column_names[::-1]), "expected the columns that this version"),
        (lambda table: table.drop_columns("n"), "it lacks n: use the kit's version"),
    ],
    ids=["one more", "another order", "one less"],
)
def test_a_part_with_other_columns_is_refused(
    tmp_path: Path, otherwise: Callable[[pa.Table], pa.Table], says: str
) -> None:
    """They would lie where the whole has others."""
    theirs = part(tmp_path, 1, operation(1, 1, AHEAD_US))
    written_anew(theirs, TABLES[2], otherwise)
    with pytest.raises(ValueError, match=f"worker-1/{TABLES[2]}: {says}"):
        close_files(nothing_yet(tmp_path), [theirs])
    assert [one.name for one in (tmp_path / "whole").iterdir() if one.name.endswith(HALF)] == []


def written_anew(one: history.Part, name: str, otherwise: Callable[[pa.Table], pa.Table]) -> None:
    """A table of a part, as the kit would not pack it."""
    changed = otherwise(pq.read_table(one.folder / name))
    pq.write_table(changed, one.folder / name, compression="zstd", compression_level=9)


def nothing_yet(folder: Path) -> Path:
    """A run that recorded nothing of its own."""
    (folder / "whole").mkdir()
    (folder / "whole" / PLAIN).write_bytes(b"")
    return folder / "whole"


def test_what_does_not_move_is_copied_as_it_lies(tmp_path: Path) -> None:
    """Every column but moments and `row`, to the byte; and of several groups and parts each has its own."""
    parts = [part(tmp_path, n, *(operation(k, n, AHEAD_US + 9_000 * k) for k in range(1, 6))) for n in (1, 2)]
    for one, name in product(parts, TABLES):
        written_anew(one, name, lambda table: table)
    theirs = [content for one in parts for content in columns_of(one.folder)]
    whole = nothing_yet(tmp_path)
    close_files(whole, parts)
    kept = columns_of(whole)
    assert [(path, packed) for path, packed in kept if not moves(path)] == sorted(
        (path, packed) for path, packed in theirs if not moves(path)
    )
    assert [path for path, _ in kept if moves(path)] == sorted(path for path, _ in theirs if moves(path))


def columns_of(folder: Path) -> list[tuple[str, bytes]]:
    """Table and path, and what lies there."""
    found = []
    for name in TABLES:
        with (folder / name).open("rb") as file:
            found += [
                (f"{name} {chunk.path}", chunk.content())
                for group in Footer.of(file).groups()
                for chunk in group.chunks
            ]
    return sorted(found)


def moves(path: str) -> bool:
    return path.split()[1] in {*BEGINS, *ENDS, "row"}


def test_every_moment_of_an_operation_is_moved() -> None:
    """A field that is added later must say which end of a span it is."""
    fields = {
        name
        for record in (Operation, Step, Attempt)
        for name in record.__struct_fields__
        if name.endswith("_us")
    }
    assert fields <= BEGINS | ENDS
    assert not BEGINS & ENDS
