"""What load workers cost: CPU of the protocol, and merging what they have recorded.

    python -m lab.bench.workers FOLDER OPERATIONS make     a part of so many operations
    python -m lab.bench.workers FOLDER OPERATIONS merge    one merge, as a line of JSON

CPU per operation of everybody who takes part, the controller's among it, from when all users are logged in
until the last operation is due. What each worker pays once, to start and to close, is left out, as the
engine's own start is. The protocol is what two workers cost above one process that sends as much as each of
them. What it costs to spread a load is another row: a process that sends half as much wakes up more often for
each operation, whoever tells it what to send.

Merging is measured in a fresh process, from three closed parts to one closed history. One part is made, and
taken three times: that an operation has the same number as another one is nothing that merging looks at.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import median

import psutil
import uvloop

from harness import history
from harness.clock import RunClock
from harness.model.clock_bounds import ClockBounds
from harness.model.plan import Plan
from harness.model.records import ClockReading, Closing
from harness.model.seams import Topology
from harness.running.crew import Crew
from harness.sessions.engine import LoadEngine
from harness.topology.backends import up
from lab.bench.loading import MIX, USERS
from lab.bench.nodes import CLIENT, ONE_NODE, plan_of, workload
from lab.bench.recording import made_operations, recorder_in
from lab.rows import ROOT, Row

WORKERS = 2
PARTS = 3
RATE_PER_S = 800.0
TURN_S = 6.0
AT_MOST = 1.1
MERGED_AT_MOST_US = 3.0
FLAT = 1.1
_PORTION = 20_000
_AHEAD_US, _WIDTH_US = 50_000, 300

Drives = Callable[[asyncio.Event], Awaitable[None]]


def rows(folder: Path, *, rounds: int, largest: int) -> list[Row]:
    return [*_protocol(folder / "protocol", rounds), *_merging(folder / "merging", largest)]


def _protocol(folder: Path, rounds: int) -> list[Row]:
    load = replace(workload(MIX, USERS), web_servers=WORKERS, rate_per_s=RATE_PER_S)
    alone = plan_of(ONE_NODE, workload=load, client=CLIENT)
    share = replace(load, rate_per_s=RATE_PER_S / WORKERS)
    as_much = replace(alone, scenario=replace(alone.scenario, workload=share))
    deployment = replace(alone.scenario.deployment, workers=WORKERS)
    crewed = replace(alone, scenario=replace(alone.scenario, deployment=deployment))
    folder.mkdir(parents=True)
    ours, theirs, all_of_it = [], [], []
    talk: list[tuple[float, float]] = []
    with up(alone, run="bench", directory=folder, backend=alone.backend) as topology:
        for number in range(rounds):
            theirs.append(_run(_alone(as_much, topology, folder / f"alone-{number}")))
            all_of_it.append(_run(_alone(alone, topology, folder / f"all-{number}")))
            ours.append(_run(_crewed(crewed, topology, folder / f"crew-{number}", talk)))
    return [
        Row(
            name="load workers: CPU per operation / in one process, as much from each",
            measured=_ratio(ours, theirs),
            at_most=AT_MOST,
            note=f"µs, {WORKERS} workers at {RATE_PER_S:g} operations/s and their controller, one process at "
            f"{RATE_PER_S / WORKERS:g}: {_pairs(ours, theirs)}",
        ),
        Row(
            name="load workers: CPU per operation / all from one process",
            measured=_ratio(ours, all_of_it),
            note=f"µs at {RATE_PER_S:g} operations/s: {_pairs(ours, all_of_it)}",
        ),
        Row(
            name="load workers: what they tell meanwhile",
            measured=median(size for _, size in talk),
            unit="bytes per operation",
            note=f"{median(messages for messages, _ in talk):.0f} messages a second from each worker, "
            "however many operations",
        ),
    ]


def _ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    return median(one / other for one, other in zip(ours, theirs, strict=True))


def _pairs(ours: Sequence[float], theirs: Sequence[float]) -> str:
    return ", ".join(f"{one:.0f}/{other:.0f}" for one, other in zip(ours, theirs, strict=True))


def _run(work: Awaitable[float]) -> float:
    async def awaited() -> float:
        return await work

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(awaited())


async def _alone(plan: Plan, topology: Topology, folder: Path) -> float:
    clock, recorder = RunClock(), recorder_in(folder)
    engine = LoadEngine(plan, topology, recorder.record, clock)
    await engine.seed()
    cost_us = await _cost_us(engine.drive, lambda: engine.operations)
    await engine.close()
    recorder.close(Closing(t_us=clock.now_us(), operations=engine.operations))
    return cost_us


async def _crewed(plan: Plan, topology: Topology, folder: Path, talk: list[tuple[float, float]]) -> float:
    clock, recorder = RunClock(), recorder_in(folder)
    crew = Crew(plan, topology, recorder.record, clock, folder)
    await crew.seed()
    (messages, size), operations = crew.heard(), crew.operations
    cost_us = await _cost_us(crew.drive, lambda: crew.operations)
    told = crew.heard()
    talk.append(((told[0] - messages) / TURN_S / WORKERS, (told[1] - size) / (crew.operations - operations)))
    await crew.close()
    recorder.take_in(crew.parts())
    recorder.close(Closing(t_us=clock.now_us(), operations=crew.operations))
    if recorder.failure is not None:
        raise recorder.failure
    return cost_us


async def _cost_us(drive: Drives, operations: Callable[[], int]) -> float:
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(TURN_S, stop.set)
    workers = [one for one in psutil.Process().children() if "harness.running.worker" in one.cmdline()]
    before, cpu_s = operations(), _cpu_s(workers)
    await drive(stop)
    return (_cpu_s(workers) - cpu_s) / (operations() - before) * 1e6


def _cpu_s(workers: Sequence[psutil.Process]) -> float:
    return time.process_time() + sum(sum(one.cpu_times()[:2]) for one in workers)


def _merging(folder: Path, largest: int) -> list[Row]:
    few, many = (_merged(folder, operations) for operations in (largest // 10, largest))
    return [
        Row(
            name=f"merging what {PARTS} workers recorded, per operation",
            measured=many["cpu_us"],
            at_most=MERGED_AT_MOST_US,
            unit="µs",
            note=f"CPU, {largest:,} operations; {few['cpu_us']:.2f} of a tenth as many",
        ),
        Row(
            name=f"merging: memory for {largest:,} operations / for a tenth",
            measured=many["peak_mb"] / few["peak_mb"],
            at_most=FLAT,
            note=f"largest resident size: {few['peak_mb']:.0f} and {many['peak_mb']:.0f} MB",
        ),
    ]


def _merged(folder: Path, operations: int) -> dict[str, float]:
    command = [sys.executable, "-m", __spec__.name, str(folder / str(operations)), str(operations)]
    made = subprocess.run([*command, "make"], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    said = subprocess.run([*command, "merge"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    assert not made.stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def make(folder: Path, operations: int) -> None:
    """One part, of a third of the operations."""
    recorder, made = recorder_in(folder / "part"), made_operations(operations // PARTS)
    while portion := list(islice(made, _PORTION)):
        for operation in portion:
            recorder.record(operation)
    recorder.close(Closing(t_us=1))
    if recorder.failure is not None:
        raise recorder.failure


def merge(folder: Path, operations: int) -> dict[str, float]:
    seconds = operations // PARTS // 1000 + 2  # its clock was read each second of a thousand operations
    readings = [
        ClockReading(
            clock="worker-1", sent_us=at - _AHEAD_US, theirs_us=at, done_us=at - _AHEAD_US + _WIDTH_US
        )
        for at in range(0, seconds * 1_000_000, 1_000_000)
    ]
    part = history.Part(folder=folder / "part", bounds=ClockBounds.of(readings))
    recorder, began_s = recorder_in(folder / "whole"), time.process_time()
    recorder.take_in([part] * PARTS)
    recorder.close(Closing(t_us=1))
    cpu_s = time.process_time() - began_s
    if recorder.failure is not None:
        raise recorder.failure
    peak_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"cpu_us": cpu_s / (operations // PARTS * PARTS) * 1e6, "peak_mb": peak_kb / 1024}


def main(arguments: Sequence[str]) -> None:
    folder, operations, what = Path(arguments[0]), int(arguments[1]), arguments[2]
    if what == "make":
        make(folder, operations)
    else:
        print(json.dumps(merge(folder, operations)))


if __name__ == "__main__":
    main(sys.argv[1:])
