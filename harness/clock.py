"""Time: the run's one clock, and the only place that sleeps.

Measurements use the monotonic clock. The wall clock is recorded beside it once a second so that
TTLs, which Redis keeps in wall time, can be judged. Never `time.sleep` elsewhere: await a condition
with `wait_until`, which says what it last saw when time runs out.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Clock(Protocol):
    """What the stages know of time. On the event loop `asyncio.sleep` and `loop.time()` belong to it too."""

    def now_us(self) -> int: ...
    def wall_us(self) -> int: ...
    def sleep(self, seconds: float) -> None: ...


class RunClock:
    """Whole microseconds since the run began, monotonic. Threads and the event loop share one."""

    __slots__ = ("_zero_ns", "started_wall_us")

    def __init__(self) -> None:
        self._zero_ns = time.monotonic_ns()
        self.started_wall_us = time.time_ns() // 1000

    def now_us(self) -> int:
        return (time.monotonic_ns() - self._zero_ns) // 1000

    def wall_us(self) -> int:
        return time.time_ns() // 1000

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class WaitExpired(Exception):
    """`wait_until` ran out of time; the message says what was awaited and what was seen last."""

    def __init__(self, waiting_for: str, within_s: float, last: object) -> None:
        super().__init__(f"waited {within_s:g} s for {waiting_for}; last seen: {last!r}")
        self.waiting_for = waiting_for
        self.last = last


def wait_until(
    probe: Callable[[], T | None],
    *,
    within_s: float,
    waiting_for: str,
    every_s: float = 0.05,
    clock: Clock | None = None,
    describe: Callable[[], object] | None = None,
) -> T:
    """Call `probe` until it returns something truthy, and return that.

    Never sleeps after success, probes once more at the deadline, lets every exception through.
    `describe` says what to show when time runs out (default: the probe's last result).

    Raises:
        WaitExpired: nothing truthy within `within_s` seconds.
    """
    clock = clock or RunClock()
    deadline_us = clock.now_us() + int(within_s * 1e6)
    while True:
        seen = probe()
        if seen:
            return seen
        left_s = (deadline_us - clock.now_us()) / 1e6
        if left_s <= 0:
            raise WaitExpired(waiting_for, within_s, describe() if describe else seen)
        clock.sleep(min(every_s, left_s))
