"""The load of a run, sent by several worker processes: for whoever records it is one load engine.

Each worker drives its share of the users (`harness.running.worker`). Their clocks are read every second, and
what they recorded is moved to the run's clock when it is over, within what the readings allow.

Traps. What workers tell meanwhile is up to 100 ms old, and good for conditions and for the display alone. And
a worker that ends takes the evidence with it: then nothing was learnt, whatever the nodes did.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
from bisect import bisect_left
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from harness import history
from harness.application import Session, Share
from harness.clock import Clock
from harness.errors import EnvironmentFailure, HostVanished, NoEffect
from harness.history.files import COMPRESSED
from harness.kit_files import command
from harness.model.clock_bounds import DRIFT_PPM, ClockBounds
from harness.model.plan import Plan
from harness.model.records import ClockReading, Connection
from harness.model.seams import Recorder, Topology, WorkersElsewhere
from harness.model.words import Phase
from harness.objects import object_of
from harness.objects.kind import KeptObject
from harness.observe.barrier import Seen
from harness.observe.host import Lag
from harness.redis_wire.protocol import NoAnswer
from harness.running import worker_words as words
from harness.sessions.counters import Snapshot
from harness.tasks import end

T = TypeVar("T")

CARRIED_OUT_WITHIN_S = 60.0
"""An order; seeding takes 35 s at most, and closing a long history longer than anything else."""
CLOSED_WITHIN_S = 600.0
READ_AT_ONCE = 5
"""Readings before the load and after it: of several the narrowest counts."""
_LONGEST_LINE = 1 << 26
_MODULE = "harness.running.worker"


class Crew:
    """Has the face of a `LoadEngine`."""

    def __init__(
        self,
        plan: Plan,
        topology: Topology,
        record: Recorder,
        clock: Clock,
        directory: Path,
    ) -> None:
        reach = words.Reach(
            plan=plan,
            secrets=topology.secrets,
            service=topology.service,
            addresses={node.name: topology.address(node.name) for node in plan.nodes},
            sources={name: topology.source(name) for name in plan.web_servers},
        )
        workers = plan.scenario.deployment.workers
        elsewhere: WorkersElsewhere | None = None
        if plan.scenario.deployment.worker_hosts:
            assert isinstance(topology, WorkersElsewhere), "planning has asked the machine"
            elsewhere = topology
        self._plan = plan
        self._clock = clock
        self._workers = [
            Worker(
                words.Begin(
                    reach=reach,
                    worker=number,
                    workers=workers,
                    folder=elsewhere.worker_folder(number) if elsewhere else str(_folder(directory, number)),
                    now_us=0,
                ),
                record,
                clock,
                _folder(directory, number),
                elsewhere,
            )
            for number in range(1, workers + 1)
        ]
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timing: asyncio.Task[None] | None = None
        self._closed = False

    # ---------------------------------------------------------------- driving

    async def seed(self) -> int:
        self._loop = asyncio.get_running_loop()
        await asyncio.gather(*(one.start() for one in self._workers))
        self._timing = asyncio.create_task(self._read_clocks())
        return sum(map(int, await self._all(words.Seed)))

    async def drive(self, stop: asyncio.Event) -> None:
        await self._all(words.Drive)
        await stop.wait()
        await self._all(words.Finish)

    async def close(self) -> None:
        """Let the workers close their parts of the history, and end them."""
        if self._closed:
            return
        self._closed = True
        if self._timing is not None:
            await end([self._timing])
        try:
            if self._loop is not None:
                await asyncio.gather(*(one.close() for one in self._workers))
        finally:
            for one in self._workers:
                await one.end()

    async def audit(self, *, within_s: float, recovered: bool = True) -> bool:  # noqa: ARG002 - the nodes tell
        return False

    def at_back_door(self) -> list[KeptObject]:
        return []

    async def _all(self, order: Callable[[], words.Order]) -> list[str]:
        return await asyncio.gather(*(one.told(order()) for one in self._workers))

    async def _read_clocks(self) -> None:
        while True:
            await asyncio.gather(*(one.read_clock() for one in self._workers))
            await asyncio.sleep(words.CLOCK_EVERY_S)

    # ---------------------------------------------------------------- phases and faults

    def set_phase(self, phase: Phase) -> None:
        for one in self._workers:
            one.tell(words.EnterPhase(phase=phase))

    def set_sides(self, fault: int, sides: Mapping[str, str]) -> None:
        """Call from another thread; returns once every worker knows it."""
        self._from_outside(self._all(lambda: words.Sides(fault=fault, sides=dict(sides))))

    def kill_web_server(self, name: str) -> str:
        return self._at(words.WebServer(name=name, does="kill_web_server"))

    def start_web_server(self, name: str) -> None:
        self._at(words.WebServer(name=name, does="start_web_server"))

    def pause_web_server(self, name: str) -> str:
        return self._at(words.WebServer(name=name, does="pause_web_server"))

    def resume_web_server(self, name: str) -> None:
        self._at(words.WebServer(name=name, does="resume_web_server"))

    def _at(self, order: words.WebServer) -> str:
        return self._from_outside(self._worker_of(order.name).told(order))

    def _worker_of(self, web_server: str) -> Worker:
        index = self._plan.web_servers.index(web_server)
        shares = [Share(number=n, of=len(self._workers)) for n in range(1, len(self._workers) + 1)]
        return next(one for one, share in zip(self._workers, shares, strict=True) if share.has(index))

    def _from_outside(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """
        Raises:
            NoEffect: this machine is so busy that nobody was even asked.
            HostVanished: a worker does not answer.
        """
        assert self._loop is not None, "seed() comes first"
        asked = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return asked.result(timeout=CARRIED_OUT_WITHIN_S + 5)  # longer than a worker has for its answer
        except TimeoutError as late:
            asked.cancel()
            raise NoEffect(
                f"expected load workers to be told within {CARRIED_OUT_WITHIN_S:g} s, found that nobody was: "
                "this machine is too slow for what runs on it"
            ) from late

    # ---------------------------------------------------------------- what others may ask

    @property
    def operations(self) -> int:
        return sum(one.news.operations for one in self._workers)

    def acked_since(self, behaviour: str, since_us: int) -> int:
        return sum(one.acked_since(behaviour, since_us) for one in self._workers)

    def last_acked_us(self, behaviour: str) -> int | None:
        known = (one.last_acked_us(behaviour) for one in self._workers)
        return max((one for one in known if one is not None), default=None)

    def sessions(self) -> tuple[Session, ...]:
        return tuple(itertools.chain.from_iterable(one.sessions for one in self._workers))

    def objects(self) -> tuple[KeptObject, ...]:
        found = {kept.key: kept for one in self._workers for kept in one.objects}
        return tuple(found.values())

    def unanswered(self) -> list[Connection]:
        return [connection for one in self._workers for connection in one.unanswered]

    def peaks(self) -> dict[str, int]:
        names = dict.fromkeys(name for one in self._workers for name in one.news.peaks)
        return {name: sum(one.news.peaks.get(name, 0) for one in self._workers) for name in names}

    def snapshot(self) -> Snapshot:
        news = [one.news for one in self._workers]
        acked, rejected, unknown = (sum(rates) for rates in zip(*(one.rates for one in news), strict=True))
        return Snapshot(
            acked_per_s=acked,
            rejected_per_s=rejected,
            unknown_per_s=unknown,
            in_flight=sum(one.in_flight for one in news),
            waiting=sum(one.waiting for one in news),
            not_sent=sum(one.not_sent for one in news),
            sessions=sum(one.logged_in for one in news),
            crashes=sum(one.crashes for one in news),
        )

    def heard(self) -> tuple[int, int]:
        """Messages of the workers so far, and bytes of them."""
        messages, sizes = zip(*(one.heard for one in self._workers), strict=True)
        return sum(messages), sum(sizes)

    @property
    def on_hosts(self) -> bool:
        return bool(self._plan.scenario.deployment.worker_hosts)

    async def seen(self, web_server: str, node: str) -> Seen:
        """How a node sees a connection of a web server, which its worker makes.

        Raises:
            NoAnswer: no answer.
        """
        order = words.Look(web_server=web_server, node=node)
        try:
            return msgspec.json.decode(await self._worker_of(web_server).told(order), type=Seen)
        except EnvironmentFailure as problem:
            raise NoAnswer(str(problem)) from problem

    def take_lag(self) -> Lag:
        """How late the worst of their loops was, since this was last asked."""
        lags = [one.take_lag() for one in self._workers]
        return Lag(max(one.worst_us for one in lags), max(one.behind_us for one in lags))

    def parts(self) -> list[history.Part]:
        """What they have recorded, once they are closed.

        Raises:
            HostVanished: a clock did what no clock does.
        """
        return [one.part() for one in self._workers if one.closed]


def _folder(directory: Path, number: int) -> Path:
    """Where the part of a worker is in the end."""
    return directory / f"worker-{number}"


class Worker:
    """One worker process, and what it has said."""

    def __init__(
        self,
        begin: words.Begin,
        record: Recorder,
        clock: Clock,
        folder: Path,
        elsewhere: WorkersElsewhere | None,
    ) -> None:
        """`folder`: where its part is to be in the end. `elsewhere`: where it runs; None: on this machine."""
        self.name = f"worker-{begin.worker}"
        self.news = words.News()
        self.sessions: list[Session] = []
        self.objects: list[KeptObject] = []
        self.unanswered: list[Connection] = []
        self._begin = begin
        self._folder = folder
        self._elsewhere = elsewhere
        self._record = record
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode
        self._numbers = itertools.count(1)
        self._awaited: dict[int, asyncio.Future[words.Done]] = {}
        self._asked: dict[int, tuple[int, asyncio.Future[None]]] = {}
        self._readings: list[ClockReading] = []
        self._so_far: history.Part | None = None
        """By the readings so far; None: another one has come since."""
        self._acked: dict[str, tuple[list[int], list[int]]] = {}
        """Behaviour -> when portions began, and how many were acked up to the end of each."""
        self._last_acked_us: dict[str, int] = {}
        self._lag = Lag(0, 0)
        self.heard = (0, 0)
        """Messages, and bytes of them."""
        self._process: asyncio.subprocess.Process | None = None
        self._listening: asyncio.Task[None] | None = None

    async def start(self) -> None:
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                limit=_LONGEST_LINE,
            )
        awake = self._await(words.AWAKE)
        self._listening = asyncio.create_task(self._listen())
        await self._answer(awake, CARRIED_OUT_WITHIN_S)
        self._begin.now_us = self._clock.now_us()  # not before: it begins with this when it reads it
        await self.told(self._begin)
        for _ in range(READ_AT_ONCE):
            await self.read_clock()

    def _command(self) -> Sequence[str]:
        if self._elsewhere is None:
            return command(_MODULE)
        variables = {words.SKEWED: os.environ[words.SKEWED]} if words.SKEWED in os.environ else {}
        return self._elsewhere.worker_command(self._begin.worker, _MODULE, variables)

    @property
    def _log(self) -> Path:
        return self._folder.with_suffix(".log")

    @property
    def closed(self) -> bool:
        return (self._folder / COMPRESSED).exists()

    async def told(self, order: words.Order) -> str:
        """Have an order carried out; returns what came of it.

        Raises:
            HostVanished: the worker is gone.
            NoEffect, EnvironmentFailure: it could not.
        """
        if self._listening is not None and self._listening.done():
            raise self._ended()
        within_s = CLOSED_WITHIN_S if isinstance(order, words.Close) else CARRIED_OUT_WITHIN_S
        order.n = next(self._numbers)
        awaited = self._await(order.n)
        self.tell(order)
        done = await self._answer(awaited, within_s)
        if done.failed:
            raise (NoEffect if done.no_effect else EnvironmentFailure)(f"{self.name}: {done.failed}")
        return done.detail

    def _await(self, n: int) -> asyncio.Future[words.Done]:
        awaited: asyncio.Future[words.Done] = asyncio.get_running_loop().create_future()
        self._awaited[n] = awaited
        return awaited

    async def _answer(self, awaited: asyncio.Future[words.Done], within_s: float) -> words.Done:
        try:
            return await asyncio.wait_for(awaited, within_s)
        except TimeoutError as problem:
            raise HostVanished(
                f"{self.name}: expected an answer within {within_s:g} s, found none: {self._last_words()}"
            ) from problem

    def tell(self, order: words.Order) -> None:
        """Without waiting for it."""
        if self._process is None or self._process.stdin is None:
            return  # it is not there yet, or no more: whoever waits for it is told why
        with contextlib.suppress(OSError, RuntimeError):
            self._process.stdin.write(self._encode(order) + b"\n")

    async def read_clock(self) -> None:
        loop = asyncio.get_running_loop()
        n, read = next(self._numbers), loop.create_future()
        self._asked[n] = self._clock.now_us(), read
        self.tell(words.Ask(n=n))
        with contextlib.suppress(TimeoutError):  # a late answer is a wide one, and no worse
            await asyncio.wait_for(read, words.CLOCK_EVERY_S)

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        decode = msgspec.json.Decoder(words.Said).decode
        while line := await self._process.stdout.readline():
            messages, size = self.heard
            self.heard = messages + 1, size + len(line)
            self._hear(decode(line))
        for awaited in list(self._awaited.values()):
            if not awaited.done():
                awaited.set_exception(self._ended())

    def _ended(self) -> HostVanished:
        return HostVanished(f"{self.name}: it ended: {self._last_words()}")

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return self._log.read_text(encoding="utf-8", errors="replace").strip()[-400:] or "it says nothing"
        return "it says nothing"

    def _hear(self, said: words.Said) -> None:
        match said:
            case words.Time():
                self._heard_time(said)
            case words.Done():
                awaited = self._awaited.pop(said.n, None)
                if awaited is not None and not awaited.done():
                    awaited.set_result(said)
            case words.News():
                self._heard_news(said)

    def _heard_time(self, said: words.Time) -> None:
        done_us = self._clock.now_us()
        sent_us, read = self._asked.pop(said.n)
        reading = ClockReading(clock=self.name, sent_us=sent_us, theirs_us=said.theirs_us, done_us=done_us)
        self._readings.append(reading)
        self._so_far = None
        self._record(reading)
        self._lag = Lag(max(self._lag.worst_us, said.lag_us), self._lag.behind_us + said.behind_us)
        if not read.done():
            read.set_result(None)

    def _heard_news(self, said: words.News) -> None:
        self.news = said
        self.sessions += [
            Session(one.id, one.user, one.generation, one.shard, one.key, one.witness_key)
            for one in said.sessions
        ]
        kinds = ((object_of(one.key), one) for one in said.objects)
        self.objects += [KeptObject(kind, one.key, one.shard) for kind, one in kinds if kind is not None]
        if not self._readings:
            return
        part = self._part()
        self.unanswered += map(part.moved_connection, said.unanswered)
        for one in said.acked:
            after_us, last_us = part.span(one.after_us, one.last_us)
            begun, counts = self._acked.setdefault(one.behaviour, ([], [0]))
            begun.append(after_us)
            counts.append(counts[-1] + one.count)
            self._last_acked_us[one.behaviour] = last_us

    def acked_since(self, behaviour: str, since_us: int) -> int:
        begun, counts = self._acked.get(behaviour, ([], [0]))
        return counts[-1] - counts[bisect_left(begun, since_us)]

    def last_acked_us(self, behaviour: str) -> int | None:
        return self._last_acked_us.get(behaviour)

    def take_lag(self) -> Lag:
        lag, self._lag = self._lag, Lag(0, 0)
        return lag

    def _part(self) -> history.Part:
        if self._so_far is None:
            self._so_far = history.Part(folder=self._folder, bounds=ClockBounds.of(self._readings))
        return self._so_far

    def part(self) -> history.Part:
        found = self._part()
        if found.bounds.contradictory:
            raise HostVanished(
                f"{self.name}: expected a clock that drifts by at most {DRIFT_PPM} millionths, found one "
                "that was set or stood still: the order of what happened cannot be told"
            )
        return found

    async def close(self) -> None:
        if self._listening is None:
            return  # the run was stopped before it began
        for _ in range(READ_AT_ONCE):
            await self.read_clock()
        await self.told(words.Close())
        if self._elsewhere is not None:
            await asyncio.to_thread(self._elsewhere.take_part, self._begin.worker, self._folder)

    async def end(self) -> None:
        """End the process if it has not ended by itself."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError, RuntimeError):
            assert process.stdin is not None
            process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), 5.0)
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._listening is not None:
            await end([self._listening])
        with contextlib.suppress(OSError):
            if not self._log.read_bytes():
                self._log.unlink()
