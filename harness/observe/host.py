"""Watches the machine that the harness runs on, once a second: both clocks, and whether it is starved.

Lateness of a 10 ms timer in the event loop says what the load engine suffers from itself and from
others; that of a canary thread, and the kernel's CPU pressure, what it suffers from others. Judging
when that is too much is not done here.
"""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

from harness.clock import Clock
from harness.model.records import ClockPair
from harness.model.seams import Recorder
from harness.observe.context import every

CLOCKS_EVERY_S = 1.0
TICK_S = 0.01
PRESSURE = Path("/proc/pressure/cpu")


class LoopLag:
    """The worst lateness of a 10 ms timer in the running event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._worst_s = 0.0
        self._due = self._loop.time() + TICK_S
        self._timer = self._loop.call_at(self._due, self._tick)

    def take_us(self) -> int:
        """Since it was last taken, a tick that is overdue now included."""
        worst_s = max(self._worst_s, self._loop.time() - self._due)
        self._worst_s = 0.0
        return round(max(0.0, worst_s) * 1e6)

    def stop(self) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        now = self._loop.time()
        self._worst_s = max(self._worst_s, now - self._due)
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


async def watch_host(record: Recorder, clock: Clock) -> None:
    """Record a `ClockPair` each second until cancelled."""
    loop_lag, canary, pressure = LoopLag(), CanaryLag(), CpuPressure(clock)

    async def once() -> None:
        record(
            ClockPair(
                t_us=clock.now_us(),
                wall_us=clock.wall_us(),
                loop_lag_us=loop_lag.take_us(),
                canary_lag_us=canary.take_us(),
                cpu_pressure=pressure.take(),
            )
        )

    try:
        await every(CLOCKS_EVERY_S, once)
    finally:
        loop_lag.stop()
        canary.stop()
