"""Watches the machine that the harness runs on, once a second: both clocks, and whether it is starved.

Lateness of a 10 ms timer in the event loop says what the load engine suffers from itself and from
others; that of a canary thread, and the kernel's CPU pressure, what it suffers from others. What the nodes
themselves suffer is in `node_waits`. Judging when that is too much is not done here.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from harness.clock import Clock
from harness.model.records import ClockPair
from harness.model.seams import Recorder
from harness.observe.context import every
from harness.observe.loop_ticks import TICK_S
from harness.observe.node_waits import Waited

CLOCKS_EVERY_S = 1.0
BEHIND_S = 0.02
"""A loop that is this late with a timer is behind: twice as late as it looks. Less is what one turn takes."""
PRESSURE = Path("/proc/pressure/cpu")


class Waiting(Protocol):
    """As `NodeWaits`: what the nodes waited for a CPU."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def take(self) -> Waited | None: ...


class Lag(NamedTuple):
    worst_us: int
    """The worst lateness of a single tick."""
    behind_us: int
    """That of all ticks that were late, added up."""


class LoopLag:
    """The lateness of a 10 ms timer in the running event loop.

    A tick is due 10 ms after the last one was noticed, so what two ticks are late never overlaps: the sum is
    time in which nothing else was noticed either. Trap: the worst alone hides a loop that is late with each.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._worst_s = 0.0
        self._behind_s = 0.0
        self._taken_s = 0.0
        """Of the lateness of the tick that is due now: what was taken already."""
        self._due = self._loop.time() + TICK_S
        self._timer = self._loop.call_at(self._due, self._tick)

    def take(self) -> Lag:
        """Since it was last taken, a tick that is overdue now included."""
        self._notice(overdue := self._loop.time() - self._due)
        lag = Lag(round(self._worst_s * 1e6), round(self._behind_s * 1e6))
        self._worst_s = self._behind_s = 0.0
        self._taken_s = max(self._taken_s, overdue)
        return lag

    def stop(self) -> None:
        self._timer.cancel()

    def _notice(self, late_s: float) -> None:
        self._worst_s = max(self._worst_s, late_s)
        if late_s > BEHIND_S:
            self._behind_s += late_s - self._taken_s

    def _tick(self) -> None:
        now = self._loop.time()
        self._notice(now - self._due)
        self._taken_s = 0.0
        self._due = now + TICK_S
        self._timer = self._loop.call_at(self._due, self._tick)


class CanaryLag:
    """The worst lateness of a thread that wants to run every 10 ms and does nothing."""

    def __init__(self) -> None:
        self._worst_s = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sing, name="canary", daemon=True)
        self._thread.start()

    def take_us(self) -> int:
        worst_s, self._worst_s = self._worst_s, 0.0
        return round(worst_s * 1e6)

    def stop(self) -> None:
        self._stop.set()

    def _sing(self) -> None:
        before = time.monotonic()
        while not self._stop.wait(TICK_S):
            now = time.monotonic()
            self._worst_s = max(self._worst_s, now - before - TICK_S)
            before = now


class CpuPressure:
    """Share of the time since last taken in which some task waited for a CPU."""

    def __init__(self, clock: Clock, path: Path = PRESSURE) -> None:
        self._clock = clock
        self._path = path
        self._before = self._read()

    def take(self) -> float | None:
        """0-1; None where the kernel does not tell."""
        now, before = self._read(), self._before
        self._before = now
        if now is None or before is None or now[0] <= before[0]:
            return None
        return min(1.0, max(0.0, (now[1] - before[1]) / (now[0] - before[0])))

    def _read(self) -> tuple[int, int] | None:
        """Microseconds now, and microseconds waited since the machine started."""
        try:
            text = self._path.read_text()
        except OSError:
            return None
        return self._clock.now_us(), stalled_us(text)


def stalled_us(pressure: str) -> int:
    """`total` of the line `some avg10=0.12 avg60=0.08 avg300=0.02 total=17852725`."""
    some = next(line for line in pressure.splitlines() if line.startswith("some "))
    return int(some.rpartition("total=")[2])


async def watch_host(
    record: Recorder, clock: Clock, nodes: Waiting, elsewhere: Callable[[], Lag] | None = None
) -> None:
    """Record a `ClockPair` each second until cancelled. `elsewhere`: of load engines in other processes; the
    worst of all loops counts."""
    loop_lag, canary, pressure = LoopLag(), CanaryLag(), CpuPressure(clock)
    nodes.start()

    async def once() -> None:
        lag, waited = loop_lag.take(), nodes.take()
        if elsewhere is not None:
            theirs = elsewhere()
            lag = Lag(max(lag.worst_us, theirs.worst_us), max(lag.behind_us, theirs.behind_us))
        record(
            ClockPair(
                t_us=clock.now_us(),
                wall_us=clock.wall_us(),
                loop_lag_us=max(0, lag.worst_us),
                canary_lag_us=canary.take_us(),
                cpu_pressure=pressure.take(),
                loop_behind_us=lag.behind_us,
                nodes_waited_us=None if waited is None else waited.together_us,
                node_wait_us=None if waited is None else waited.worst_us,
            )
        )

    try:
        await every(CLOCKS_EVERY_S, once)
    finally:
        loop_lag.stop()
        canary.stop()
        nodes.stop()
