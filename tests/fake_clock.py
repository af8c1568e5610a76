"""Time that passes only when nothing else can happen, so that no unit test waits for a clock.

`FakeClock` takes the place of `RunClock`; `in_fake_time` runs a coroutine on an event loop that goes by it. Whenever
every task waits, the loop steps at once to the moment at which the next timer is due. Stages under test need not
know: `asyncio.sleep`, `asyncio.timeout` and `loop.time()` are the loop's.

What happens outside the loop keeps its own time. While a thread of `asyncio.to_thread` works, the clock stands
(`FakeClock.sleep` in that thread lets time pass). Sockets of the test's own process answer within `GRACE_S`, or
not at all before the next timer.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")

LOOK_S = 1e-6
GRACE_S = 0.001
"""Real time. The kernel hands over what is sent on loopback before `send` returns; this is on top of that."""
PATIENCE_S = 20.0
"""Real time, for threads and for whatever else has no timer."""
OWN_KEYS = 1
"""The loop's own pipe, by which threads wake it."""


class FakeClock:
    """A run's clock that somebody moves. Each look takes a microsecond: what comes later is later."""

    def __init__(self, *, started_wall_us: int = 1_700_000_000_000_000) -> None:
        self.started_wall_us = started_wall_us
        self.now_s = 0.0

    def now_us(self) -> int:
        self.now_s += LOOK_S
        return round(self.now_s * 1e6)

    def wall_us(self) -> int:
        return self.started_wall_us + round(self.now_s * 1e6)

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


class NothingHappens(Exception):
    """Every task waits for something that has no timer, no thread and no socket."""


class _Selector(selectors.DefaultSelector):
    """Instead of waiting for a timer, moves the clock to it."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self._clock = clock
        self.threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if self.threads or timeout is None:
            if not (ready := super().select(PATIENCE_S)):
                raise NothingHappens(f"for {PATIENCE_S:g} s of real time, at {self._clock.now_s:g} s")
            return ready
        if len(self.get_map()) > OWN_KEYS and (ready := super().select(GRACE_S)):
            return ready
        self._clock.now_s += timeout
        return []


class FakeTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self._stepping = _Selector(clock)
        super().__init__(self._stepping)

    def time(self) -> float:
        return self.clock.now_s

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        working = super().run_in_executor(executor, func, *args)
        self._stepping.threads += 1
        working.add_done_callback(self._back)
        return working

    def _back(self, _: asyncio.Future[Any]) -> None:
        self._stepping.threads -= 1


def in_fake_time(scenario: Coroutine[Any, Any, T], clock: FakeClock | None = None) -> T:
    """What the coroutine returns; how long it took is in the clock."""
    with asyncio.Runner(loop_factory=lambda: FakeTimeLoop(clock or FakeClock())) as runner:
        return runner.run(scenario)


def the_clock() -> FakeClock:
    """The one that the running loop goes by."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, FakeTimeLoop), "not within `in_fake_time`"
    return loop.clock
