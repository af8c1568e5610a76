"""What many hosts would cost: watching the nodes of thirty, and judging a hundred million operations.

An extrapolation and no promise: each further operation, and each further node, is taken to cost what it did
between the two largest that were measured. How many hosts sent the operations makes no difference to judging.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

from harness.clock import RunClock
from harness.model.deployment import TopologySpec
from harness.model.plan import Plan
from harness.model.records import Closing
from harness.model.seams import Topology
from harness.model.words import TopologyKind
from harness.observe import Observers
from harness.topology.backends import up
from lab.bench.judging import LARGE, MIDDLE, SMALL, Judged, best, bytes_per_operation, made
from lab.bench.nodes import plan_of
from lab.bench.recording import recorder_in
from lab.rows import Row

TO = 100_000_000
HOSTS, NODES_OF_EACH = 30, 2
SHARDS = (3, 6)
"""Of the clusters that are watched, each with a replica of its primary."""
TURN_S = 8.0
_SETTLES_S = 2.0


def rows(folder: Path, *, repetitions: int) -> list[Row]:
    sizes = [size for size in (SMALL, MIDDLE, LARGE) if size < LARGE or (folder / str(LARGE)).exists()]
    known = [(size, made(folder, size)) for size in sizes[-2:]]
    measured = [(size, best(place, repetitions)) for size, place in known]
    on_disk = [(size, size * bytes_per_operation(place, size) / 1e9) for size, place in known]
    note = "from " + " and ".join(f"{size:,}: {_said(one)}" for size, one in measured)
    return [
        *_watching(),
        Row(
            name=f"{TO:,} operations, extrapolated: judging",
            measured=extrapolated([(size, one.cpu_seconds) for size, one in measured], TO),
            unit="s of CPU",
            note=note,
        ),
        Row(
            name=f"{TO:,} operations, extrapolated: memory of judging",
            measured=extrapolated([(size, one.peak_mb / 1024) for size, one in measured], TO),
            unit="GB",
            note=note,
        ),
        Row(
            name=f"{TO:,} operations, extrapolated: history on disk",
            measured=extrapolated(on_disk, TO),
            unit="GB",
            note=", ".join(f"{size:,}: {giga * 1000:.1f} MB" for size, giga in on_disk),
        ),
    ]


def _watching() -> list[Row]:
    """Of who asks nodes how they are, while nothing else happens."""
    shares, bytes_per_s = [], []
    for shards in SHARDS:
        plan = plan_of(TopologySpec(kind=TopologyKind.CLUSTER, shards=shards, replicas_per_shard=1))
        nodes = len(plan.nodes)
        with tempfile.TemporaryDirectory(prefix="failover-kit-bench-") as made:
            place = Path(made)
            with up(plan, run="bench", directory=place / "nodes", backend=plan.backend) as topology:
                share, seconds = asyncio.run(_watched(plan, topology, place / "history"))
            files = (file for file in (place / "history").rglob("*") if file.is_file())
            size = sum(file.stat().st_size for file in files) / seconds
        shares.append((nodes, share))
        bytes_per_s.append((nodes, size))
    hosts, to = f"{HOSTS} hosts with {NODES_OF_EACH} data nodes each", HOSTS * NODES_OF_EACH
    return [
        Row(
            name=f"{hosts}, extrapolated: watching them",
            measured=100 * extrapolated(shares, to),
            unit="% of one core",
            note=", ".join(f"{nodes} nodes: {100 * share:.1f} %" for nodes, share in shares),
        ),
        Row(
            name=f"{hosts}, extrapolated: what is recorded of them",
            measured=extrapolated(bytes_per_s, to) * 60 / 1e6,
            unit="MB a minute",
            note=", ".join(f"{nodes} nodes: {size / 1000:.1f} kB a second" for nodes, size in bytes_per_s),
        ),
    ]


async def _watched(plan: Plan, topology: Topology, folder: Path) -> tuple[float, float]:
    """CPU seconds for a second, and how many seconds the history has."""
    clock, recorder = RunClock(), recorder_in(folder)
    async with Observers(plan, topology, recorder.record, clock):
        await asyncio.sleep(_SETTLES_S)
        began_s, cpu_s = time.monotonic(), time.process_time()
        await asyncio.sleep(TURN_S)
        share = (time.process_time() - cpu_s) / (time.monotonic() - began_s)
    recorder.close(Closing(t_us=clock.now_us()))
    if recorder.failure is not None:
        raise recorder.failure
    return share, clock.now_us() / 1e6


def extrapolated(known: list[tuple[int, float]], to: int) -> float:
    """What is to be expected at `to`, where each further one costs what it did between the last two."""
    (fewer, less), (more, most) = known[-2:]
    return most + (most - less) / (more - fewer) * (to - more)


def _said(one: Judged) -> str:
    return f"{one.cpu_seconds:.2f} s, {one.peak_mb:.0f} MB"
