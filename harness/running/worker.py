"""A load engine in a process of its own: `python -m harness.running.worker`, asked over its standard input.

It drives its share of the users through its share of the web servers, as the engine in the controller would,
and records what they did in a part of the history on its own clock. It ends when its standard input does, so
nothing is left of it, however the controller ended.

Trap: the clock is answered by the thread that reads. In the event loop an answer would wait for whatever is
under way there, and the interval would be as wide.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from pathlib import Path

import msgspec
import uvloop

from harness import history
from harness.application import Share
from harness.clock import RunClock
from harness.errors import EnvironmentFailure, KitError, NoEffect
from harness.model.credentials import kit_login
from harness.model.records import Closing
from harness.model.seams import Topology
from harness.observe.barrier import Seen, seen
from harness.observe.host import LoopLag
from harness.redis_wire.asynchronous import AsyncConnection
from harness.running import worker_words as words
from harness.sessions.engine import LoadEngine

_PIECE = 1 << 16


class WorkerClock(RunClock):
    """About the run's clock, from when it is told; where it is to be wrong, by that much."""

    def __init__(self, now_us: int, *, ahead_us: int = 0, fast_ppm: int = 0) -> None:
        super().__init__()
        self._begin_us = now_us + ahead_us
        self._fast_ppm = fast_ppm

    def now_us(self) -> int:
        gone_us = super().now_us()
        return self._begin_us + gone_us + gone_us * self._fast_ppm // 1_000_000


def _clock(begin: words.Begin) -> WorkerClock:
    whose, _, skew = os.environ.get(words.SKEWED, "").partition("=")
    if whose != str(begin.worker):
        return WorkerClock(begin.now_us)
    ahead_us, fast_ppm = map(int, skew.split(","))
    return WorkerClock(begin.now_us, ahead_us=ahead_us, fast_ppm=fast_ppm)


class _Mouth:
    """Says one line at a time, from any thread."""

    def __init__(self) -> None:
        self._to = os.dup(1)
        os.dup2(2, 1)  # what a library prints is not for the controller
        self._lock = threading.Lock()
        self._encode = msgspec.json.Encoder().encode

    def say(self, what: words.Said) -> None:
        line = self._encode(what) + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._to, line) :]


def main() -> int:
    for one in (signal.SIGINT, signal.SIGTERM):
        signal.signal(one, signal.SIG_IGN)  # the controller says when
    mouth = _Mouth()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(mouth))
    return 0


async def _serve(mouth: _Mouth) -> None:
    loop, orders = asyncio.get_running_loop(), asyncio.Queue[words.Order]()
    ears = _Ears(mouth, loop, orders)
    threading.Thread(target=ears.listen, name="orders", daemon=True).start()
    mouth.say(words.Done(n=words.AWAKE))
    begin = await orders.get()
    assert isinstance(begin, words.Begin)
    worker = _Worker(begin, mouth)
    ears.answer_with(worker.clock, worker.lag)
    mouth.say(words.Done(n=begin.n))
    await worker.until_closed(orders)


class _Ears:
    """Reads orders, and answers what the clock shows."""

    def __init__(
        self, mouth: _Mouth, loop: asyncio.AbstractEventLoop, orders: asyncio.Queue[words.Order]
    ) -> None:
        self._mouth = mouth
        self._loop = loop
        self._orders = orders
        self._clock: RunClock | None = None
        self._lag = words.Time(n=0, theirs_us=0)

    def answer_with(self, clock: RunClock, lag: words.Time) -> None:
        self._clock, self._lag = clock, lag

    def listen(self) -> None:
        decode, rest = msgspec.json.Decoder(words.Order).decode, b""
        while data := os.read(0, _PIECE):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                order = decode(line)
                if isinstance(order, words.Ask) and self._clock is not None:
                    self._time(order.n, self._clock.now_us())
                else:
                    self._loop.call_soon_threadsafe(self._orders.put_nowait, order)
        os._exit(0)  # nobody is there any more

    def _time(self, n: int, theirs_us: int) -> None:
        lag = self._lag
        self._mouth.say(
            words.Time(
                n=n,
                theirs_us=theirs_us,
                lag_us=lag.lag_us,
                behind_us=lag.behind_us,
            )
        )
        lag.lag_us = lag.behind_us = 0


class _Worker:
    def __init__(self, begin: words.Begin, mouth: _Mouth) -> None:
        self._mouth = mouth
        self.clock = _clock(begin)
        self.lag = words.Time(n=0, theirs_us=0)
        self._plan = begin.reach.plan
        self._reach = begin.reach
        self._looks: set[asyncio.Task[None]] = set()
        folder = Path(begin.folder)
        folder.mkdir(parents=True)
        self._recorder = history.Recorder(folder, self.clock, secrets=begin.reach.secrets)
        reach: Topology = begin.reach  # type: ignore[assignment]  # as much of one as web servers need
        share = Share(number=begin.worker, of=begin.workers)
        self._engine = LoadEngine(self._plan, reach, self._recorder.record, self.clock, share=share)
        self._finish = asyncio.Event()
        self._load: asyncio.Task[None] | None = None
        self._told_us: dict[str, int] = dict.fromkeys(self._behaviours(), 0)
        self._sessions = self._objects = 0
        self._unanswered: set[int] = set()

    def _behaviours(self) -> list[str]:
        return list(self._plan.scenario.workload.mix)

    async def until_closed(self, orders: asyncio.Queue[words.Order]) -> None:
        teller = asyncio.create_task(self._tell())
        watcher = asyncio.create_task(self._watch())
        while True:
            order = await orders.get()
            if isinstance(order, words.Look):
                look = asyncio.create_task(self._look(order))
                self._looks.add(look)
                look.add_done_callback(self._looks.discard)
                continue
            done = await self._carried_out(order)
            self._news()
            self._mouth.say(done)
            if isinstance(order, words.Close):
                break
        for task in (teller, watcher, *self._looks):
            task.cancel()

    async def _look(self, order: words.Look) -> None:
        self._mouth.say(await self._carried_out(order))

    async def _carried_out(self, order: words.Order) -> words.Done:
        try:
            return words.Done(n=order.n, detail=await self._carry_out(order))
        except NoEffect as problem:
            return words.Done(n=order.n, failed=str(problem), no_effect=True)
        except KitError as problem:
            return words.Done(n=order.n, failed=str(problem))

    async def _carry_out(self, order: words.Order) -> str:
        engine = self._engine
        match order:
            case words.Seed():
                return str(await engine.seed())
            case words.Drive():
                self._load = asyncio.create_task(engine.drive(self._finish))
            case words.Finish():
                await self._finished()
            case words.EnterPhase():
                engine.set_phase(order.phase)
            case words.Sides():
                engine.set_sides(order.fault, order.sides)
            case words.WebServer():
                return await asyncio.to_thread(getattr(engine, order.does), order.name) or ""
            case words.Look():
                return msgspec.json.encode(await self._seen(order.web_server, order.node)).decode()
            case words.Close():
                await self._close()
        return ""

    async def _seen(self, web_server: str, node: str) -> Seen:
        reach = self._reach
        login = kit_login(self._plan, node, reach.secrets)
        source = reach.source(web_server)
        return await seen(AsyncConnection(lambda: reach.address(node), source, secret=login))

    async def _finished(self) -> None:
        self._finish.set()
        if self._load is not None:
            load, self._load = self._load, None
            await load

    async def _close(self) -> None:
        await self._finished()
        await self._engine.close()
        closing = Closing(t_us=self.clock.now_us(), operations=self._engine.operations)
        await asyncio.to_thread(self._recorder.close, closing)
        if self._recorder.failure is not None:
            raise EnvironmentFailure(str(self._recorder.failure))

    async def _watch(self) -> None:
        """How late the loop is, for whoever asks next."""
        loop_lag = LoopLag()
        try:
            while True:
                await asyncio.sleep(words.NEWS_EVERY_S)
                lag = loop_lag.take()
                self.lag.lag_us = max(self.lag.lag_us, lag.worst_us)
                self.lag.behind_us += lag.behind_us
        finally:
            loop_lag.stop()

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(words.NEWS_EVERY_S)
            self._news()

    def _news(self) -> None:
        engine, seen = self._engine, self._engine.snapshot()
        sessions, objects = engine.more_since(self._sessions, self._objects)
        self._sessions += len(sessions)
        self._objects += len(objects)
        unanswered = [one for one in engine.unanswered() if one.id not in self._unanswered]
        self._unanswered |= {one.id for one in unanswered}
        self._mouth.say(
            words.News(
                acked=self._acked(),
                sessions=[
                    words.Made(one.id, one.user, one.generation, one.shard, one.key, one.witness_key)
                    for one in sessions
                ],
                objects=[words.Kept(one.key, one.shard) for one in objects],
                unanswered=unanswered,
                operations=engine.operations,
                rates=(seen.acked_per_s, seen.rejected_per_s, seen.unknown_per_s),
                in_flight=seen.in_flight,
                waiting=seen.waiting,
                not_sent=seen.not_sent,
                logged_in=seen.sessions,
                crashes=seen.crashes,
                peaks=engine.peaks(),
            )
        )

    def _acked(self) -> list[words.Acked]:
        found = []
        for behaviour, after_us in self._told_us.items():
            last_us = self._engine.last_acked_us(behaviour)
            if last_us is not None and last_us > after_us:
                count = self._engine.acked_since(behaviour, after_us + 1)
                found.append(words.Acked(behaviour, count, after_us, last_us))
                self._told_us[behaviour] = last_us
        return found


if __name__ == "__main__":
    sys.exit(main())
