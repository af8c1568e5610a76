"""What recording an operation costs: CPU, bytes on disk, and memory while it goes on.

    python -m lab.bench.recording cpu FOLDER         one measurement, as a line of JSON
    python -m lab.bench.recording memory FOLDER

CPU is that of `record` and of every other thread. What a run pays while it measures (from the first
`record` to the last line written) has the bound; closing, which turns lines into columns once every node
has stopped, stands beside it. Operations are handed over in portions, as a run under load does, so that
no batch is larger than there, and made of text right before, which is not counted: what a run records has
just come in, while objects that were made long ago would first have to be fetched from memory. Of
several measurements the least counts: whatever else a machine does only adds to it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import msgspec

from harness import history
from harness.clock import RunClock
from harness.model.records import Closing, Opening, Operation
from harness.model.seams import Secrets
from lab.bench.long_run import RunMaker, Wanted, closed_bytes
from lab.rows import ROOT, Row

OPERATIONS = 200_000
PORTION = 50
"""As many as there are actors at a load engine's limit."""
PORTIONS_APART_S = 0.001

EARLY, LATE = 100_000, 500_000
AT_MOST_US = 5.0
AT_MOST_BYTES = 64.0
FLAT = 1.1

_ENCODER = msgspec.json.Encoder()


def rows(folder: Path, *, repetitions: int) -> list[Row]:
    costs = [_measured("cpu", folder / f"cpu-{number}") for number in range(repetitions)]
    memory = _measured("memory", folder / "memory")
    each_us = ", ".join(f"{one['recording_us']:.2f}" for one in costs)
    return [
        Row(
            name="recording one operation, while the run is on",
            measured=min(one["recording_us"] for one in costs),
            at_most=AT_MOST_US,
            unit="µs",
            note=f"CPU of all threads, record to written, {OPERATIONS:,} operations with "
            f"{costs[0]['steps']:.2f} steps and {costs[0]['attempts']:.2f} attempts each; least of {each_us}",
        ),
        Row(
            name="closing the history afterwards, per operation",
            measured=min(one["closing_us"] for one in costs),
            unit="µs",
            note="CPU, after the last node has stopped: lines into compressed columns",
        ),
        Row(
            name="recording one operation: on disk after closing",
            measured=costs[0]["bytes"],
            at_most=AT_MOST_BYTES,
            unit="bytes",
            note="operations, steps and attempts; one session in a hundred operations",
        ),
        Row(
            name=f"recording: memory after {LATE:,} operations / after {EARLY:,}",
            measured=memory["late_mb"] / memory["early_mb"],
            at_most=FLAT,
            note=f"resident, still recording: {memory['early_mb']:.0f} and {memory['late_mb']:.0f} MB",
        ),
    ]


def _measured(what: str, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "lab.bench.recording", what, str(folder)]
    said = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def cpu(folder: Path) -> dict[str, float]:
    made, decode = made_operations(OPERATIONS), msgspec.json.Decoder(Operation).decode_lines
    portions = [_ENCODER.encode_lines(portion) for portion in iter(lambda: list(islice(made, PORTION)), [])]
    recorder = recorder_in(folder)
    steps = attempts = 0
    recording_s = -_other_threads_s()
    for portion in portions:
        operations = decode(portion)
        began = time.thread_time()
        for operation in operations:
            recorder.record(operation)
        recording_s += time.thread_time() - began
        steps += sum(len(one.steps) for one in operations)
        attempts += sum(len(one.attempts) for one in operations)
        RunClock().sleep(PORTIONS_APART_S)
    recording_s += _other_threads_s()
    before_closing = time.process_time()
    recorder.close(Closing(t_us=operations[-1].done_us or 0, operations=OPERATIONS))
    closing_s = time.process_time() - before_closing
    if recorder.failure is not None:
        raise recorder.failure
    return {
        "recording_us": recording_s / OPERATIONS * 1e6,
        "closing_us": closing_s / OPERATIONS * 1e6,
        "bytes": closed_bytes(folder) / OPERATIONS,
        "steps": steps / OPERATIONS,
        "attempts": attempts / OPERATIONS,
    }


def _other_threads_s() -> float:
    """CPU of all threads but this one."""
    return time.process_time() - time.thread_time()


def memory(folder: Path) -> dict[str, float]:
    operations = made_operations(LATE)
    recorder = recorder_in(folder)
    resident, done = {}, 0
    while portion := list(islice(operations, PORTION)):
        for operation in portion:
            recorder.record(operation)
        done += len(portion)
        if done in {EARLY, LATE}:
            resident[done] = _resident_mb()
        RunClock().sleep(PORTIONS_APART_S)
    recorder.close(Closing(t_us=1, operations=done))
    return {"early_mb": resident[EARLY], "late_mb": resident[LATE]}


def _past(operations: int) -> RunMaker:
    return RunMaker(Wanted(operations=operations, sessions=operations // 100, audited=False))


def made_operations(count: int) -> Iterator[Operation]:
    return _past(count).operations()


def recorder_in(folder: Path) -> history.Recorder:
    folder.mkdir(parents=True)
    recorder = history.Recorder(folder, RunClock(), secrets=Secrets(redis="r" * 32, sentinel="s" * 32))
    opening = next(record for record in _past(100).records() if isinstance(record, Opening))
    recorder.record(opening)
    return recorder


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)


def main(arguments: Sequence[str]) -> None:
    measure = {"cpu": cpu, "memory": memory}[arguments[0]]
    print(json.dumps(measure(Path(arguments[1]))))


if __name__ == "__main__":
    main(sys.argv[1:])
