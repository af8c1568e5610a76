"""The history keeps everything that was recorded, says so when it could not, and reads back the same."""

from __future__ import annotations

import gzip
import signal
import subprocess
import sys
import textwrap
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from harness import history
from harness.clock import RunClock, wait_until
from harness.costly import pa, pc, pq
from harness.errors import EnvironmentFailure, UsageError
from harness.history import closing, columns
from harness.model.records import (
    Attempt,
    AuditEntry,
    Bracket,
    ClockPair,
    Closing,
    Connection,
    Event,
    PhaseChange,
    Record,
)
from harness.model.seams import Secrets
from harness.model.words import Phase
from tests import builders_observe as a
from tests.share import examples
from tests.unit.test_table import OPERATIONS

ROOT = Path(__file__).parents[2]
SECRETS = Secrets(redis="s3cret-redis", sentinel='s3"cret\\sentinel')


def recorder(directory: Path) -> history.Recorder:
    history.write_plan(directory, a.plan())
    return history.Recorder(directory, RunClock(), secrets=SECRETS)


def lines(directory: Path, *records: Any) -> Path:
    """A history as a killed harness leaves it: not compressed."""
    history.write_plan(directory, a.plan())
    (directory / "history.jsonl").write_bytes(b"".join(msgspec.json.encode(r) + b"\n" for r in records))
    return directory / "history.jsonl"


def test_everything_recorded_is_read_back(tmp_path: Path) -> None:
    """Each kind of record comes back typed and in its order; the file is compressed at closing."""
    records = [
        a.opening(),
        PhaseChange(phase=Phase.SEED, t_us=1),
        a.operation(2),
        a.operation(1),
        Connection(id=5, web_server="web-1", node="redis-1", opened_us=3),
        a.sample("redis-1", "primary", 2000, replicas={"redis-2": 90}),
        Event(source="redis-1", name="promoted", t_us=9, error_us=4),
        ClockPair(t_us=1, wall_us=2, cpu_pressure=0.25),
        Bracket(pass_n=1, moment="before", t_us=8, nodes={"redis-1": {"offset": 3, "role": "primary"}}),
        AuditEntry(pass_n=1, session="s", node="redis-1", role="primary", sent_us=1, done_us=2, saw={}),
        Connection(id=5, web_server="web-1", node="redis-1", opened_us=3, closed_us=7, why="aborted"),
    ]
    writer = recorder(tmp_path)
    for rec in records:
        writer.record(rec)  # type: ignore[arg-type]
    writer.close(Closing(t_us=10, operations=2))

    found = history.read(tmp_path)
    assert writer.failure is None
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "attempts.parquet",
        "history.jsonl.gz",
        "operations.parquet",
        "plan.json",
        "steps.parquet",
    ]
    assert found.plan == a.plan()
    assert found.opening == records[0]
    assert found.operations == (records[3], records[2])
    assert found.connections == (records[10],)
    assert (found.samples, found.events, found.clocks) == ((records[5],), (records[6],), (records[7],))
    assert (found.phases, found.brackets, found.audit) == ((records[1],), (records[8],), (records[9],))
    assert found.closing == Closing(t_us=10, operations=2)
    assert found.complete


def test_records_of_many_threads_are_all_kept(tmp_path: Path) -> None:
    """No record is lost or doubled when several threads record at once."""
    writer = recorder(tmp_path)
    writer.record(a.opening())

    def record(first: int) -> None:
        for number in range(first, first + 2000):
            writer.record(a.operation(number))

    threads = [threading.Thread(target=record, args=(n * 2000,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close(Closing(t_us=1))
    assert [op.id for op in history.read(tmp_path).operations] == list(range(8000))


def test_record_reaches_the_disk_without_closing(tmp_path: Path) -> None:
    """A record is on its way within 50 ms, so a reader sees it while the run goes on."""
    writer = recorder(tmp_path)
    writer.record(a.opening())
    wait_until(
        lambda: (tmp_path / "history.jsonl").stat().st_size,
        within_s=2,
        every_s=0.01,
        waiting_for="the record",
    )
    assert history.read(tmp_path).opening == a.opening()
    writer.close(Closing(t_us=1))


def test_killed_harness_loses_at_most_one_flush(tmp_path: Path) -> None:
    """After SIGKILL everything is readable but at most the last 50 ms or 256 records."""
    history.write_plan(tmp_path, a.plan())
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(WRITER), str(tmp_path)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    said = [0]
    assert child.stdout is not None
    for line in child.stdout:
        said.append(int(line))
        if said[-1] >= 5_000:
            child.send_signal(signal.SIGKILL)
            break
    said += [int(line) for line in child.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    child.wait(10)
    child.stdout.close()
    found = history.read(tmp_path)
    assert not found.complete
    assert "killed" in found.incomplete
    ids = [op.id for op in found.operations]
    assert ids == list(range(1, len(ids) + 1))
    # The child says a number once that record was handed in 250 ms ago: five flushes.
    assert len(ids) >= said[-1] >= 5_000


WRITER = """
    import sys, time
    from collections import deque
    from pathlib import Path
    from harness import history
    from harness.clock import RunClock, wait_until
    from harness.model.seams import Secrets
    from tests import builders_observe as a

    writer = history.Recorder(Path(sys.argv[1]), RunClock(), secrets=Secrets(redis="x" * 20, sentinel="y" * 20))
    writer.record(a.opening())
    number, handed_in = 0, deque()
    while True:
        for _ in range(200):
            number += 1
            writer.record(a.operation(number))
        handed_in.append((time.monotonic(), number))
        time.sleep(0.005)
        while handed_in and time.monotonic() - handed_in[0][0] > 0.25:
            print(handed_in.popleft()[1], flush=True)
"""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_is_a_failure_that_counts_what_is_missing(tmp_path: Path) -> None:
    """A full disk never raises in the middle of a run and is never silent afterwards."""
    (tmp_path / "history.jsonl").symlink_to("/dev/full")
    writer = history.Recorder(tmp_path, RunClock(), secrets=SECRETS)
    for number in range(5):
        writer.record(a.operation(number))
    writer.close(Closing(t_us=1))
    assert isinstance(writer.failure, EnvironmentFailure)
    assert "No space left on device" in str(writer.failure)
    assert "6 records are missing" in str(writer.failure)
    assert "OUT=" in str(writer.failure)


def test_folder_not_writable_is_said_at_once(tmp_path: Path) -> None:
    """A folder that does not take the history fails before the run starts."""
    (tmp_path / "history.jsonl").mkdir()
    with pytest.raises(EnvironmentFailure, match=r"history\.jsonl: the history cannot be written"):
        history.Recorder(tmp_path, RunClock(), secrets=SECRETS)


@pytest.mark.parametrize("blocked", ["history.jsonl.gz.part", "steps.parquet.part"])
def test_compression_that_fails_keeps_the_plain_history(tmp_path: Path, blocked: Any) -> None:
    """When a file of the closed form cannot be written, the lines stay readable and the failure shows."""
    writer = recorder(tmp_path)
    (tmp_path / blocked).mkdir()
    writer.record(a.opening())
    writer.record(a.operation(1))
    writer.close(Closing(t_us=1))
    assert "history.jsonl.gz" in str(writer.failure)
    assert history.read(tmp_path).complete
    assert history.read(tmp_path).operations == (a.operation(1),)
    (tmp_path / blocked).rmdir()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["history.jsonl", "plan.json"]


def test_record_that_cannot_be_encoded_is_a_failure(tmp_path: Path) -> None:
    """A text that is no Unicode is reported, not swallowed with its neighbours."""
    writer = recorder(tmp_path)
    writer.record(Event(source="x", name="y", t_us=1, detail="\ud800"))
    writer.close(Closing(t_us=1))
    assert "a record of the kit cannot be written" in str(writer.failure)
    assert "2 records are missing" in str(writer.failure)


def test_secrets_are_redacted_as_they_are_written(tmp_path: Path) -> None:
    """Neither password is ever on the disk, also when JSON writes it with escapes."""
    writer = recorder(tmp_path)
    writer.record(a.opening())
    for secret in (SECRETS.redis, SECRETS.sentinel):
        writer.record(Event(source="x", name="y", t_us=1, detail=f"AUTH {secret}!"))
        step = msgspec.structs.replace(a.operation(1).steps[0], saw={"said": secret})
        writer.record(a.operation(1, told=f"error: {secret}", steps=(step,)))
    writer.close(Closing(t_us=1))
    text = gzip.decompress((tmp_path / "history.jsonl.gz").read_bytes())
    assert text.count(b"[redacted]") == 2
    assert b"s3" not in text
    assert {e.detail for e in history.read(tmp_path).events} == {"AUTH [redacted]!"}
    table = history.read(tmp_path).table
    assert "s3" not in str([one.to_pydict() for one in (table.operations, table.steps, table.attempts)])
    assert [one.told for one in history.read(tmp_path).operations] == ["error: [redacted]"] * 2
    assert [one.steps[0].saw for one in history.read(tmp_path).operations] == [{"said": "[redacted]"}] * 2


def test_closing_twice_changes_nothing(tmp_path: Path) -> None:
    """Closing is idempotent, whichever way a run ends."""
    writer = recorder(tmp_path)
    writer.record(a.opening())
    writer.close(Closing(t_us=1))
    writer.close(Closing(t_us=2))
    assert history.read(tmp_path).closing == Closing(t_us=1)
    assert writer.failure is None


def test_last_line_cut_off_is_dropped_and_reported(tmp_path: Path) -> None:
    """Half a last line costs that line only, and the history is marked incomplete."""
    path = lines(tmp_path, a.opening(), a.operation(1), a.operation(2))
    path.write_bytes(path.read_bytes()[:-20])
    found = history.read(tmp_path)
    assert [op.id for op in found.operations] == [1]
    assert "cut off" in found.incomplete


def test_missing_closing_line_is_reported(tmp_path: Path) -> None:
    """A history that just ends belongs to a harness that was killed."""
    lines(tmp_path, a.opening(), a.operation(1))
    assert "no closing line" in history.read(tmp_path).incomplete


@pytest.mark.parametrize(
    ("damage", "complaint"),
    [
        (b'{"type":"operation","id":1}', r"line 2: Object missing required field"),
        (b'{"type":"event"', r"line 2: Input data was truncated"),
        (b'{"type":"witchcraft"}', r"line 2: Invalid value 'witchcraft'"),
        (b'{"type":"event","source":1,"name":"x","t_us":1}', r"line 2: Expected `str`, got `int`"),
    ],
)
def test_damage_inside_is_an_error_with_its_line(tmp_path: Path, damage: Any, complaint: str) -> None:
    """Only the last line may be broken; anything else is refused, with its number."""
    path = lines(tmp_path, a.opening())
    path.write_bytes(path.read_bytes() + damage + b"\n" + msgspec.json.encode(Closing(t_us=1)) + b"\n")
    with pytest.raises(UsageError, match=complaint):
        history.read(tmp_path)


@pytest.mark.parametrize(
    ("records", "complaint"),
    [
        ((), "line 1 should be the opening"),
        ((Event(source="x", name="y", t_us=1),), "line 1 should be the opening"),
        ((a.opening(format=99),), "format 5 expected, found 99"),
        ((a.opening(), a.opening()), "line 2: a second opening"),
        ((a.opening(), Closing(t_us=1), a.operation(1)), "line 3: something follows the closing line"),
    ],
)
def test_history_out_of_order_is_refused(tmp_path: Path, records: Any, complaint: str) -> None:
    """A history is one opening, records, one closing, of this format."""
    lines(tmp_path, *records)
    with pytest.raises(UsageError, match=complaint):
        history.read(tmp_path)


def test_folder_without_a_history_is_said(tmp_path: Path) -> None:
    """Pointing at a wrong folder names what was expected there."""
    with pytest.raises(UsageError, match=r"plan\.json: No such file"):
        history.read(tmp_path)
    history.write_plan(tmp_path, a.plan())
    with pytest.raises(UsageError, match=r"no history here: expected history\.jsonl\.gz"):
        history.read(tmp_path)


def test_damaged_compressed_history_is_an_error(tmp_path: Path) -> None:
    """A compressed history is written whole or not at all, so half of one is damage."""
    history.write_plan(tmp_path, a.plan())
    whole = gzip.compress(msgspec.json.encode(a.opening()) + b"\n")
    (tmp_path / "history.jsonl.gz").write_bytes(whole[:-10])
    with pytest.raises(UsageError, match="cannot be read"):
        history.read(tmp_path)


@given(
    detail=st.text(st.characters(exclude_categories=["Cs"])),
    t_us=st.integers(-(2**53), 2**63 - 1),
    key=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
)
def test_any_event_survives_its_line(detail: str, t_us: int, key: Any) -> None:
    """Line breaks, quotes and control characters in a record never break the lines."""
    event = Event(source="x", name="y", t_us=t_us, key=key, detail=detail)
    line = msgspec.json.encode(event)
    assert b"\n" not in line
    assert msgspec.json.decode(line, type=Record) == event


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="no /proc on this system")
def test_recording_leaves_no_open_file(tmp_path: Path) -> None:
    """Closing gives the file back."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    recorder(tmp_path).close(Closing(t_us=1))
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_recording_keeps_nothing(tmp_path: Path) -> None:
    """What is written is forgotten: a long run takes no more memory than a short one."""
    writer, path = recorder(tmp_path), tmp_path / "history.jsonl"

    def held_bytes_after(first: int, end: int) -> Any:
        for number in range(first, end):
            writer.record(a.operation(number))
        wait_until(lambda: path.read_bytes().count(b"\n") == end, within_s=10, waiting_for="the lines")
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = held_bytes_after(0, 1000)
        kept = held_bytes_after(1000, 6000) - before
    finally:
        tracemalloc.stop()
    writer.close(Closing(t_us=1))
    assert kept < 5000 * 10


@pytest.mark.parametrize("group", [1, 7, 1000])
def test_closed_history_is_the_same_in_any_number_of_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: int
) -> None:
    """Operations come back sorted by id with their own steps and attempts, wherever a group ends."""
    monkeypatch.setattr(columns, "GROUP_OPERATIONS", group)
    monkeypatch.setattr(columns, "OVERLAP_OPERATIONS", 3)
    monkeypatch.setattr(closing, "BLOCK_BYTES", 5000)
    attempt = Attempt(n=1, connection=7, steps=(1,), handed_over=True, sent_us=5, done_us=9, result="reply")
    operations = [a.operation(n, attempts=(attempt,) * (n % 3)) for n in range(1, 40)]
    writer = recorder(tmp_path)
    writer.record(a.opening())
    for first in range(0, len(operations), 20):
        for operation in reversed(operations[first : first + 20]):
            writer.record(operation)
    writer.close(Closing(t_us=1, operations=len(operations)))
    assert writer.failure is None
    found = history.read(tmp_path)
    assert found.complete
    assert found.operations == tuple(operations)


@examples(15, 3, HealthCheck.function_scoped_fixture)
@given(operations=OPERATIONS)
def test_any_operations_survive_their_files(
    tmp_path_factory: pytest.TempPathFactory, operations: Any
) -> None:
    """Lines, columns and lines again: nothing that was recorded changes on its way."""
    folder = tmp_path_factory.mktemp("history")
    given_ids = tuple(msgspec.structs.replace(one, id=n) for n, one in enumerate(operations))
    writer = recorder(folder)
    for record in (a.opening(), *given_ids):
        writer.record(record)
    writer.close(Closing(t_us=1, operations=len(given_ids)))
    assert writer.failure is None
    found = history.read(folder)
    assert found.operations == given_ids
    shown = b"".join(line + b"\n" for line in history.lines(found))
    again = folder / "again"
    again.mkdir()
    history.write_plan(again, a.plan())
    (again / "history.jsonl").write_bytes(shown)
    assert history.read(again) == replace(found, unchecked="")


def test_closing_that_was_killed_leaves_the_lines_to_be_read(tmp_path: Path) -> None:
    """Files of a closing that did not end count for nothing: the lines are whole."""
    lines(tmp_path, a.opening(), a.operation(1), Closing(t_us=1, operations=1))
    for name in ("operations.parquet", "steps.parquet.part", "history.jsonl.gz.part"):
        (tmp_path / name).write_bytes(b"half of it")
    found = history.read(tmp_path)
    assert found.complete
    assert found.operations == (a.operation(1),)


@pytest.mark.parametrize("damage", [None, b"", b"PAR1 and no more"])
@pytest.mark.parametrize("name", ["operations.parquet", "steps.parquet", "attempts.parquet"])
def test_columns_missing_or_damaged_are_an_error(tmp_path: Path, name: str, damage: Any) -> None:
    """A closed history has its operations, or it is said that they cannot be read."""
    writer = recorder(tmp_path)
    writer.record(a.opening())
    writer.record(a.operation(1))
    writer.close(Closing(t_us=1))
    (tmp_path / name).unlink()
    if damage is not None:
        (tmp_path / name).write_bytes(damage)
    with pytest.raises(
        UsageError, match=rf"{name}: (damaged|.*cannot be read: No such file)|cannot be read: No such file"
    ):
        history.read(tmp_path)


@pytest.mark.parametrize(("small_bytes", "in_memory"), [(columns.SMALL_BYTES, True), (0, True), (0, False)])
@pytest.mark.parametrize("told", ["operations.session", "steps.key", "steps.row", "attempts.n"])
def test_row_that_lacks_what_every_record_has_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str, small_bytes: int, in_memory: bool
) -> None:
    """Somebody changed a history from before there were checksums. It says which column of which row."""
    monkeypatch.setattr(columns, "GROUP_OPERATIONS", 2)
    monkeypatch.setattr(columns, "OVERLAP_OPERATIONS", 0)
    monkeypatch.setattr(columns, "SMALL_BYTES", small_bytes)
    attempt = Attempt(n=1, connection=7, steps=(1,), handed_over=True, sent_us=5, done_us=9, result="reply")
    writer = recorder(tmp_path)
    writer.record(a.opening())
    for number in range(1, 5):
        writer.record(a.operation(number, attempts=(attempt,)))
    writer.close(Closing(t_us=1, operations=4))
    name, _, column = told.partition(".")
    file = tmp_path / f"{name}.parquet"
    old = pq.read_table(file)
    assert len(old) == 4
    place = old.schema.get_field_index(column)
    gap = pa.array([n == 2 for n in range(4)])
    changed = pc.if_else(gap, pa.scalar(None, old.schema.field(place).type), old[column])
    with pq.ParquetWriter(file, old.schema) as anew:
        anew.write_table(old.set_column(place, old.schema.field(place), changed), row_group_size=2)
    packed = tmp_path / "history.jsonl.gz"
    opening, *others, _seal = gzip.decompress(packed.read_bytes()).splitlines()
    unsealed = msgspec.json.encode({**msgspec.json.decode(opening), "format": 2, "plan_digest": ""})
    packed.write_bytes(gzip.compress(b"\n".join([unsealed, *others, b""])))
    with pytest.raises(UsageError, match=rf"{name}.*column {column}: row 2, counted from 0, is null"):
        history.read(tmp_path, in_memory=in_memory).table.take([0, 2]).records()


def test_operations_fewer_than_the_closing_counts_are_reported(tmp_path: Path) -> None:
    """Evidence taken away makes a history incomplete, never cleaner."""
    lines(tmp_path, a.opening(), a.operation(1), Closing(t_us=1, operations=2))
    assert history.read(tmp_path).incomplete == "it has 1 of 2 operations"


def test_history_of_format_1_is_still_read(tmp_path: Path) -> None:
    """What earlier versions of the kit left, all of it in one compressed file, can be judged again."""
    records = (a.opening(format=1), a.operation(1), Closing(t_us=1, operations=1))
    plain = lines(tmp_path, *records)
    (tmp_path / "history.jsonl.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert history.read(tmp_path).operations == (a.operation(1),)


def test_how_long_faults_last_is_read_from_plans_of_earlier_runs() -> None:
    """They called it `hold_s`."""
    (step,) = history.read(ROOT / "tests/histories/runs/cluster-03").plan.scenario.faults
    assert step.for_s == 8.0


def test_lines_are_in_the_order_of_time(tmp_path: Path) -> None:
    """People read a history from its beginning: opening first, closing last, the rest as it began."""
    lines(
        tmp_path,
        a.opening(),
        a.operation(2, due_us=50),
        Event(source="x", name="y", t_us=40),
        a.operation(1, due_us=30),
        PhaseChange(phase=Phase.SEED, t_us=45),
        Closing(t_us=99),
    )
    shown = [msgspec.json.decode(line) for line in history.lines(history.read(tmp_path))]
    assert [one["type"] for one in shown] == [
        "opening",
        "operation",
        "event",
        "phase",
        "operation",
        "closing",
    ]
