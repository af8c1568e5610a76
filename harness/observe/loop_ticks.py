"""How long ago the loop may have had what it hands over now: the error of whatever is heard, not asked for.

A message is read in the turn of the loop after it arrived. Where turns take 10 ms it was heard at once; where
they take a third of a second, so long ago, and what it tells is older than its moment says. Trap: the turn
that is under way says nothing. What is handed over in it arrived after the turn before had looked.
"""

from __future__ import annotations

import asyncio
from collections import deque

from harness.clock import Clock

HEARD_WITHIN_US = 20_000
"""On a loop that is on time."""
TICK_S = 0.01
"""Between two looks at whether the loop still turns."""
_TURNS = 3
"""The last tick may be of the turn under way, the one before of the turn before, after it had looked."""


class LoopTicks:
    """Notes when the running loop turned lately, at most once in 10 ms."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._ticks = deque([clock.now_us()], maxlen=_TURNS)
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def heard_within_us(self) -> int:
        """What is handed over now arrived at most so long ago."""
        return max(HEARD_WITHIN_US, self._clock.now_us() - self._ticks[0])

    def stop(self) -> None:
        self._timer.cancel()

    def _tick(self) -> None:
        self._ticks.append(self._clock.now_us())
        self._timer = self._loop.call_later(TICK_S, self._tick)
