"""The clock that unit tests of the engine and the observers go by."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.fake_clock import FakeClock, in_fake_time, the_clock


def test_time_passes_at_once_when_everybody_waits() -> None:
    """An hour of timers costs no hour, and they come in their order."""
    heard: list[tuple[int, int]] = []

    async def after(seconds: int) -> None:
        await asyncio.sleep(seconds)
        heard.append((seconds, the_clock().now_us() // 1_000_000))

    async def scenario() -> None:
        await asyncio.gather(*(after(seconds) for seconds in (3600, 1, 60)))

    began = time.process_time()
    in_fake_time(scenario())
    assert heard == [(1, 1), (60, 60), (3600, 3600)]
    assert time.process_time() - began < 1


def test_timeouts_and_sleep_of_the_clock_go_by_it() -> None:
    """What a stage measures is what it waited."""
    clock = FakeClock()

    async def scenario() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 5)
        assert 5_000_000 <= clock.now_us() < 5_001_000
        clock.sleep(2)
        assert 7_000_000 <= clock.now_us() < 7_001_000

    in_fake_time(scenario(), clock)


def test_clock_stands_while_a_thread_works() -> None:
    """A thread decides itself how long it takes; a timer does not run out meanwhile."""

    async def scenario() -> None:
        async with asyncio.timeout(5):
            await asyncio.to_thread(the_clock().sleep, 3)
        assert 3_000_000 <= the_clock().now_us() < 3_001_000

    in_fake_time(scenario())


def test_answer_over_a_socket_comes_before_the_next_timer() -> None:
    """Loopback is quicker than any time-out."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def scenario() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            for _ in range(20):
                reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
                writer.write(b"hello\n")
                async with asyncio.timeout(0.05):
                    assert await reader.readline() == b"hello\n"
                writer.close()

    in_fake_time(scenario())
