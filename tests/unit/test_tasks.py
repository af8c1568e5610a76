"""A task that was told to end ends, also where the first cancellation is lost."""

from __future__ import annotations

import asyncio

from harness.tasks import end
from tests.fake_clock import in_fake_time

ENDS_WITHIN_S = 5.0


async def _waits_for_ever() -> None:
    await asyncio.Event().wait()


def test_a_cancellation_lost_in_wait_for_is_asked_again() -> None:
    """What was awaited comes in the same turn as the cancellation: Python 3.11 drops the latter."""

    async def scene() -> None:
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def listener() -> None:
            await asyncio.wait_for(written, 60)
            await _waits_for_ever()

        task = asyncio.create_task(listener())
        await asyncio.sleep(0)
        written.set_result(None)
        await asyncio.wait_for(end([task]), ENDS_WITHIN_S)
        assert task.cancelled()

    in_fake_time(scene())


def test_a_task_that_swallows_a_cancellation_ends_too() -> None:
    """A client library may take a cancellation for a failed connection, and connect anew."""

    async def scene() -> None:
        heard = 0

        async def stubborn() -> None:
            nonlocal heard
            while True:
                try:
                    await _waits_for_ever()
                except asyncio.CancelledError:
                    heard += 1
                    if heard == 3:
                        raise

        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await asyncio.wait_for(end([task]), ENDS_WITHIN_S)
        assert (heard, task.cancelled()) == (3, True)

    in_fake_time(scene())


def test_tasks_that_have_ended_need_nothing() -> None:
    """No task, one that is done, one that failed: `end` returns, and raises nothing."""

    async def scene() -> None:
        async def fails() -> None:
            raise ValueError

        failed = asyncio.create_task(fails())
        await asyncio.sleep(0)
        await end([])
        await end([failed])
        assert isinstance(failed.exception(), ValueError)

    in_fake_time(scene())
