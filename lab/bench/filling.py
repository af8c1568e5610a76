"""The cache filler of the fault `fill cache` against redis-benchmark, same node, same value size."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from statistics import median

from harness.faults.filler import Load, fill
from harness.model.seams import Topology
from harness.redis_wire import blocking
from harness.redis_wire.blocking import Connection
from harness.topology.backends import up
from lab.bench.nodes import ONE_NODE, plan_of, redis_benchmark
from lab.rows import Row, skipped

KEYS = {64: 300_000, 1024: 300_000, 8192: 60_000}
"""Value size in bytes -> keys; the default of the fault is in the middle."""
AT_LEAST = 0.5
ANSWERED_WITHIN_S = 30.0


def rows(folder: Path, *, rounds: int) -> list[Row]:
    program = redis_benchmark()
    name = "cache filler / redis-benchmark -P 32 -t set"
    if program is None:
        return [skipped(name, "redis-benchmark is not installed")]
    plan = plan_of(ONE_NODE)
    folder.mkdir(parents=True)
    found = []
    with up(plan, run="bench", directory=folder, backend=plan.backend) as topology:
        for value_bytes, keys in KEYS.items():
            ratios, rates = [], []
            for _ in range(rounds):
                theirs = _benchmark(program, topology, keys, value_bytes)
                ours = _filled(topology, keys, value_bytes)
                ratios.append(ours / theirs)
                rates.append(f"{ours:.0f}/{theirs:.0f}")
            note = f"keys per second: {', '.join(rates)}"
            found.append(
                Row(
                    name=f"{name}, {value_bytes} bytes", measured=median(ratios), at_least=AT_LEAST, note=note
                )
            )
    return found


def _benchmark(program: str, topology: Topology, keys: int, value_bytes: int) -> float:
    _emptied(topology)
    address = topology.address("redis-1")
    command = [program, "-h", address.host, "-p", str(address.port), "-a", topology.secrets.redis]
    command += ["-P", "32", "-t", "set", "-n", str(keys), "-d", str(value_bytes), "-r", str(keys), "-q"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.findall(r"SET: ([\d.]+) requests per second", said)[-1])


def _filled(topology: Topology, keys: int, value_bytes: int) -> float:
    _emptied(topology)
    with _connected(topology) as node:
        began = time.perf_counter()
        written = fill(node.socket, Load(keys=keys, value_bytes=value_bytes), lambda _: True)
        seconds = time.perf_counter() - began
    if written.accepted != keys:
        raise RuntimeError(f"{written.accepted} of {keys} keys were accepted: {written.first_refusal}")
    return keys / seconds


def _emptied(topology: Topology) -> None:
    with _connected(topology) as node:
        node.call("FLUSHALL")


def _connected(topology: Topology) -> Connection:
    return blocking.connect(
        topology.address("redis-1"),
        topology.observer(),
        who="redis-1",
        secret=topology.secrets.redis,
        within_s=ANSWERED_WITHIN_S,
    )
