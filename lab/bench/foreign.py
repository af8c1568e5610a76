"""What `judge --history` costs: the whole command, on a history that somebody else recorded.

The history is made here by one store that takes every operation at one moment between its beginning and its
end, so it is linearizable, and the command must say so before its time counts. Reads, writes and a tenth of
compare-and-sets, by many clients at once.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

from lab.rows import ROOT, Row

OPERATIONS, KEYS, CLIENTS = 100_000, 1_000, 500
AT_MOST_S = 1.2
CAS, WRITE = 0.1, 0.5
"""A draw below the first is a compare-and-set, below the second a write, else a read."""


def rows(folder: Path, *, repetitions: int) -> list[Row]:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "foreign.jsonl"
    write_history(file)
    times = [_judged(file) for _ in range(repetitions)]
    seconds, cpu_seconds = min(times)
    return [
        Row(
            name=f"judge --history, {OPERATIONS:,} operations on {KEYS:,} keys",
            measured=seconds,
            at_most=AT_MOST_S,
            unit="s",
            note=f"the whole process; best of {repetitions}, {cpu_seconds:.2f} s of CPU",
        )
    ]


def write_history(file: Path, *, operations: int = OPERATIONS, keys: int = KEYS, seed: int = 1) -> None:
    dice = random.Random(seed)
    free_s = [0.0] * CLIENTS
    executed = []
    for n in range(operations):
        client = n % CLIENTS
        sent_s = free_s[client] + dice.expovariate(100)
        executed_s = sent_s + dice.expovariate(1000)
        free_s[client] = executed_s + dice.expovariate(1000)
        executed.append((executed_s, n, client, sent_s, free_s[client]))
    values: dict[str, int | None] = {f"k{n}": None for n in range(keys)}
    lines = []
    for _, n, client, sent_s, done_s in sorted(executed):
        key, draw = f"k{dice.randrange(keys)}", dice.random()
        one: dict[str, object] = {"actor": f"c{client}", "key": key, "sent": sent_s, "done": done_s}
        if draw < CAS:
            expected = values[key] if dice.random() < WRITE else 0
            swapped = values[key] == expected
            one |= {"op": "cas", "expected": expected, "value": n, "swapped": swapped}
            values[key] = n if swapped else values[key]
        elif draw < WRITE:
            one |= {"op": "write", "value": n}
            values[key] = n
        else:
            one |= {"op": "read", "seen": values[key]}
        lines.append(json.dumps({**one, "outcome": "acked"}))
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _judged(file: Path) -> tuple[float, float]:
    """Seconds, and seconds of CPU.

    Raises:
        RuntimeError: the command did not say that all keys are linearizable.
    """
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "failover_kit", "judge", "--history", str(file)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or f"{KEYS} linearizable, 0 NOT linearizable" not in done.stdout:
        raise RuntimeError(f"expected {KEYS} linearizable keys, found {done.stdout}{done.stderr}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
