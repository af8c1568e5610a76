"""The machine under the harness: clocks, lateness, pressure."""

from __future__ import annotations

import asyncio
from pathlib import Path

from harness.model.records import ClockPair, Record
from harness.observe.host import CpuPressure, Lag, LoopLag, stalled_us, watch_host
from harness.observe.node_waits import Waited
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
        lag.take()
        the_clock().sleep(0.08)
        blocked = lag.take().worst_us
        await asyncio.sleep(0.03)
        assert lag.take().worst_us >= 60_000, "the tick that was late"
        await asyncio.sleep(0.03)
        assert lag.take().worst_us < 1000
        lag.stop()
        return blocked

    assert 70_000 <= in_fake_time(block()) <= 80_000


def test_loop_that_is_late_with_everything_was_behind_for_all_that_time() -> None:
    """Four turns of 80 ms each: no tick was later than 80 ms, and nothing was on time for 0.3 s. What is
    taken while a tick is overdue is not counted again when it comes."""

    async def crowded() -> list[Lag]:
        lag = LoopLag()
        await asyncio.sleep(0.011)
        lag.take()
        found = []
        for _ in range(4):
            the_clock().sleep(0.08)
            found.append(lag.take())
            await asyncio.sleep(0.011)
        found.append(lag.take())
        lag.stop()
        return found

    found = in_fake_time(crowded())
    assert max(one.worst_us for one in found) <= 81_000
    assert 270_000 <= sum(one.behind_us for one in found) <= 330_000


def test_loop_that_is_a_little_late_is_not_behind() -> None:
    """Turns of 15 ms are what a load takes; of 35 ms they are late."""

    async def turns(length_s: float) -> Lag:
        lag = LoopLag()
        for _ in range(5):
            await asyncio.sleep(0)
            the_clock().sleep(length_s)
        await asyncio.sleep(0.011)
        found = lag.take()
        lag.stop()
        return found

    assert in_fake_time(turns(0.015)).behind_us == 0
    late = in_fake_time(turns(0.035))
    assert late.behind_us >= 5 * 25_000 - 1000


class Nodes:
    """What nodes waited, as somebody else says."""

    def __init__(self, *found: Waited | None) -> None:
        self.found = list(found)
        self.running = False

    def start(self) -> None:
        self.running = True

    def stop(self) -> None:
        self.running = False

    def take(self) -> Waited | None:
        assert self.running
        return self.found.pop(0)


def test_host_is_recorded_every_second_with_both_clocks() -> None:
    """Each pair holds the run's clock and Unix time of the same moment, and what the nodes waited."""
    pairs: list[Record] = []
    clock = FakeClock()
    nodes = Nodes(None, Waited(300_000, 60_000))

    async def watch() -> None:
        task = asyncio.create_task(watch_host(pairs.append, clock, nodes))
        await asyncio.sleep(1.0)
        clock.sleep(0.3)
        await asyncio.sleep(0.1)
        task.cancel()
        await asyncio.wait((task,))

    in_fake_time(watch(), clock)
    assert len(pairs) == 2
    for pair in pairs:
        assert isinstance(pair, ClockPair)
        assert pair.wall_us - clock.started_wall_us == pair.t_us
    first, second = pairs
    assert isinstance(first, ClockPair)
    assert isinstance(second, ClockPair)
    assert (first.nodes_waited_us, first.node_wait_us, first.loop_behind_us) == (None, None, 0)
    assert (second.nodes_waited_us, second.node_wait_us) == (300_000, 60_000)
    assert not nodes.running
