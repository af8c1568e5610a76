"""How long ago the loop may have had what it hands over now."""

from __future__ import annotations

import asyncio

from harness.observe.loop_ticks import HEARD_WITHIN_US, TICK_S, LoopTicks
from tests.fake_clock import in_fake_time, the_clock


def test_loop_that_is_on_time_hears_at_once() -> None:
    """Within three of its ticks, whenever it is asked."""

    async def calm() -> list[int]:
        ticks, found = LoopTicks(the_clock()), []
        for _ in range(20):
            found.append(ticks.heard_within_us())
            await asyncio.sleep(0.007)
        ticks.stop()
        return found

    found = in_fake_time(calm())
    assert min(found) == HEARD_WITHIN_US
    assert max(found) <= 3 * TICK_S * 1e6 + 1000


def test_what_a_late_loop_hears_may_be_as_old_as_its_turns() -> None:
    """A message that came right after the last look waits for the rest of that turn and the one under way."""

    async def crowded() -> int:
        ticks = LoopTicks(the_clock())
        for _ in range(4):
            await asyncio.sleep(TICK_S)
            the_clock().sleep(0.3)
        found = ticks.heard_within_us()
        ticks.stop()
        return found

    assert 600_000 <= in_fake_time(crowded()) <= 1_000_000
