"""The machine under the harness: clocks, lateness, pressure."""

import asyncio
import time

from harness.clock import RunClock
from harness.observe.host import CpuPressure, LoopLag, stalled_us, watch_host

PRESSURE = "some avg10=5.73 avg60=2.08 avg300=0.96 total={}\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"


def test_pressure_is_the_share_of_time_waited(tmp_path):
    """What was waited since the last look, over the time since then; never above one."""
    path = tmp_path / "cpu"
    path.write_text(PRESSURE.format(1_000_000))
    pressure = CpuPressure(path)
    time.sleep(0.05)
    path.write_text(PRESSURE.format(1_010_000))
    found = pressure.take()
    assert 0.01 < found <= 0.2
    path.write_text(PRESSURE.format(99_000_000))
    assert pressure.take() == 1.0


def test_pressure_is_unknown_where_the_kernel_does_not_tell(tmp_path):
    """Not every kernel has it; then nothing is claimed."""
    assert CpuPressure(tmp_path / "missing").take() is None


def test_pressure_reads_the_line_for_some_tasks():
    """`some`, not `full`."""
    assert stalled_us(PRESSURE.format(17852725)) == 17852725


def test_blocked_loop_shows_as_lag():
    """A loop that was held up for 80 ms says so, once."""

    async def block():
        lag = LoopLag()
        await asyncio.sleep(0.03)
        lag.take_us()
        time.sleep(0.08)  # noqa: ASYNC251  holding the loop up is the point
        blocked = lag.take_us()
        await asyncio.sleep(0.03)
        lag.take_us()
        await asyncio.sleep(0.03)
        lag.stop()
        return blocked

    assert 60_000 <= asyncio.run(block()) < 2_000_000


def test_host_is_recorded_every_second_with_both_clocks():
    """Each pair holds the run's clock and Unix time of the same moment."""
    pairs = []

    async def watch():
        task = asyncio.create_task(watch_host(pairs.append, clock))
        await asyncio.sleep(1.3)
        task.cancel()
        await asyncio.wait((task,))

    clock = RunClock()
    asyncio.run(watch())
    assert len(pairs) == 2
    for pair in pairs:
        assert abs(pair.wall_us - clock.started_wall_us - pair.t_us) < 50_000
