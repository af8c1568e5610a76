"""The machine under the harness: clocks, lateness, pressure."""

from __future__ import annotations

import asyncio
from pathlib import Path

from harness.model.records import ClockPair, Record
from harness.observe.host import CpuPressure, LoopLag, stalled_us, watch_host
from tests.fake_clock import FakeClock, in_fake_time, the_clock

PRESSURE = "some avg10=5.73 avg60=2.08 avg300=0.96 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"


def test_pressure_is_the_share_of_time_waited(tmp_path: Path) -> None:
    """What was waited since the last look, over the time since then; never above one."""
    path = tmp_path / "cpu"
    path.write_text(PRESSURE.format(1_000_000))
    clock = FakeClock()
    pressure = CpuPressure(clock, path)
    clock.sleep(0.05)
    path.write_text(PRESSURE.format(1_010_000))
    found = pressure.take()
    assert found is not None
    assert 0.199 < found < 0.201
    path.write_text(PRESSURE.format(99_000_000))
    assert pressure.take() == 1.0


def test_pressure_is_unknown_where_the_kernel_does_not_tell(tmp_path: Path) -> None:
    """Not every kernel has it; then nothing is claimed."""
    assert CpuPressure(FakeClock(), tmp_path / "missing").take() is None


def test_pressure_reads_the_line_for_some_tasks() -> None:
    """`some`, not `full`."""
    assert stalled_us(PRESSURE.format(17852725)) == 17852725


def test_blocked_loop_shows_as_lag() -> None:
    """A loop that was held up for 80 ms says so, once."""

    async def block() -> int:
        lag = LoopLag()
        await asyncio.sleep(0.03)
        lag.take_us()
        the_clock().sleep(0.08)
        blocked = lag.take_us()
        await asyncio.sleep(0.03)
        assert lag.take_us() >= 60_000, "the tick that was late"
        await asyncio.sleep(0.03)
        assert lag.take_us() < 1000
        lag.stop()
        return blocked

    assert 70_000 <= in_fake_time(block()) <= 80_000


def test_host_is_recorded_every_second_with_both_clocks() -> None:
    """Each pair holds the run's clock and Unix time of the same moment."""
    pairs: list[Record] = []
    clock = FakeClock()

    async def watch() -> None:
        task = asyncio.create_task(watch_host(pairs.append, clock))
        await asyncio.sleep(1.3)
        task.cancel()
        await asyncio.wait((task,))

    in_fake_time(watch(), clock)
    assert len(pairs) == 2
    for pair in pairs:
        assert isinstance(pair, ClockPair)
        assert pair.wall_us - clock.started_wall_us == pair.t_us
