"""A client library in a process of its own: this end of it. The other one is `harness.libraries`.

What the process says of attempts and connections is noted here as if the connections were this process's own.
It speaks before it sends, so an attempt that it said nothing of was not handed over, however it ended.

Trap: what a reply was is taken from the wire, what the application got from the library. They differ where a
library mixes up its replies, and then the application's counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from redis.exceptions import ResponseError

from harness.errors import EnvironmentFailure
from harness.libraries.library import Declaration, Settings
from harness.model.attempt_results import CANCELLED
from harness.model.records import Connection
from harness.redis_wire import info
from harness.sessions.connection import Wire
from harness.sessions.discovery import Surroundings
from harness.sessions.exchange import CURRENT, Carried, Exchange, Raised, Recording, Refused

STARTS_WITHIN_S = 30.0
CLOSES_WITHIN_S = 2.0
LINE_MAX = 1 << 24
_START = Path(__file__).resolve().parent.parent / "libraries" / "start.py"


@dataclass(slots=True, kw_only=True)
class FarConnection:
    """A connection of the library's process."""

    host: str
    port: int
    number: int = 0
    """As the run counts; 0: it is not written yet."""
    port_here: int | None = None
    entry: Connection | None = None
    seen_as: str | None = None
    opened_us: int = 0
    at_end: ApartClient

    def far_end(self) -> tuple[str, int]:
        return self.host, self.port

    def local_port(self) -> int | None:
        return self.port_here

    def abort(self) -> None:
        self.at_end.kill()


@dataclass(slots=True, kw_only=True)
class Pending:
    """An exchange that the process carries out."""

    exchange: Exchange
    recording: Recording
    over: asyncio.Future[str]
    """What the library raised; empty: nothing."""
    attempts: dict[int, Carried] = field(default_factory=dict)


class ApartClient:
    """See `harness.sessions.discovery.Client`."""

    def __init__(self, around: Surroundings, wire: Wire, library: Declaration, python: Path) -> None:
        self._around = around
        self._wire = wire
        self._library = library
        self._python = python
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[str] | None = None
        self.pending: dict[int, Pending] = {}
        self._connections: dict[int, FarConnection] = {}
        self._asked = 0
        self._ahead_us = 0
        """What its clock shows more than the run's."""
        self.version = ""
        """Of the library, as the process says."""

    @property
    def pid(self) -> int:
        """Of its process; 0: there is none."""
        return self._process.pid if self._process is not None else 0

    async def start(self) -> None:
        """Raises:
        EnvironmentFailure: it does not start.
        Raised: its library cannot make a client.
        """
        if self._process is not None:
            return
        loop = asyncio.get_running_loop()
        self._ahead_us = time.monotonic_ns() // 1000 - self._wire.now_us()
        self._process = await asyncio.create_subprocess_exec(
            self._python,
            "-I",
            _START,
            json.dumps(self._told()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_MAX,
        )
        self._ready = loop.create_future()
        self._reading = asyncio.create_task(self._read(self._process))
        try:
            async with asyncio.timeout(STARTS_WITHIN_S):
                self.version = await self._ready
        except TimeoutError:
            self.kill()
            raise EnvironmentFailure(
                f"{self._who}: expected its process to be ready within {STARTS_WITHIN_S:g} s, found nothing"
            ) from None
        except Raised:
            await self.close()
            self._process = None  # whoever starts it again gets a new one, and its reason
            raise

    async def send(self, exchange: Exchange) -> None:
        recording = CURRENT.get()
        process = self._process
        if recording is None or process is None or process.stdin is None or process.returncode is not None:
            raise Raised(f"{self._who} is not there")
        self._asked += 1
        number = self._asked
        over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        pending = Pending(exchange=exchange, recording=recording, over=over)
        self.pending[number] = pending
        process.stdin.write(json.dumps([number, exchange.key, exchange.commands]).encode() + b"\n")
        try:
            raised = await over
        except asyncio.CancelledError:
            self._abandon(pending)
            raise
        finally:
            self.pending.pop(number, None)
        if raised and not (exchange.carried and exchange.carried[-1].settled(exchange)):
            raise Raised(raised)

    def kill(self) -> None:
        """End the process at once, and with it its connections."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        process, reading = self._process, self._reading
        if process is None:
            return
        if self._wire.alive and process.stdin is not None and process.returncode is None:
            with contextlib.suppress(OSError):
                process.stdin.write(b"[]\n")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSES_WITHIN_S):
                    await process.wait()
        self.kill()
        await process.wait()
        if reading is not None:
            await reading

    @property
    def _who(self) -> str:
        return f"{self._wire.web_server}: the process of {self._library.name}"

    def _told(self) -> Mapping[str, object]:
        around = self._around
        profile, source = around.profile, self._wire.source
        settings = Settings(
            primary=(around.primary.host, around.primary.port),
            seeds=tuple((one.host, one.port) for one in around.seeds),
            sentinels=tuple((one.host, one.port) for one in around.sentinels) if around.asks else (),
            service=around.service,
            user=around.login.user,
            password=around.login.password or None,
            sentinel_password=around.sentinel_login.password or None,
            socket_timeout_s=profile.socket_timeout_s,
            connect_timeout_s=profile.connect_timeout_s,
            sentinel_timeout_s=profile.sentinel_timeout_s,
            retries=profile.library_retries,
            sentinel_retries=profile.sentinel_retries,
            retry_backoff_s=profile.retry_backoff_s,
            max_connections=profile.max_connections if profile.bounded else None,
            deadline_s=profile.request_deadline_s,
            source_host=source.host,
            source_ports=source.ports,
        )
        return {
            "module": str(self._library.module),
            "package": self._library.package,
            "sends_late": self._library.sends_late,
            "addresses": [[self._wire.numeric(one.host, one.port), one.port] for one in around.sentinels],
            "settings": asdict(settings),
        }

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        """All that the process says, to its end; then what was under way has no answer."""
        assert process.stdout is not None
        assert process.stderr is not None
        complaints = asyncio.create_task(process.stderr.read())
        while line := await process.stdout.readline():
            t_us, what, *of = json.loads(line)
            self.hear(t_us - self._ahead_us, what, *of)
        await process.wait()
        last_words = (await complaints).decode("utf-8", "replace").strip().rpartition("\n")[2]
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(
                EnvironmentFailure(f"{self._who} did not start: {last_words or 'it said nothing'}")
            )
        for pending in tuple(self.pending.values()):
            self._give_up(pending, "connection-lost")
            if not pending.over.done():
                pending.over.set_result(f"{self._who} has ended")
        for number in tuple(self._connections):
            self._on_closed(self._wire.now_us(), number, self._why_closed())

    def hear(self, t_us: int, what: str, *of: Any) -> None:
        """One line of the process, with the run's time."""
        getattr(self, f"_on_{what}")(t_us, *of)

    def _why_closed(self) -> str:
        return f"{self._wire.web_server} was killed" if not self._wire.alive else "its process has ended"

    def _give_up(self, pending: Pending, result: str) -> None:
        for carried in pending.attempts.values():
            if carried.attempt.done_us is None:
                carried.fail(result, self._wire.now_us())
                self._leave_unanswered(carried)

    def _abandon(self, pending: Pending) -> None:
        """Nobody waits any more, but the library goes on: where it waits for no answer now, it may send yet,
        or has said so in a line that is not read. That is an attempt of which nobody sees more."""
        waiting = any(one.attempt.done_us is None for one in pending.attempts.values())
        self._give_up(pending, CANCELLED)
        if not waiting and pending.over.cancelled():  # it had not said that it was over
            exchange, now_us = pending.exchange, self._wire.now_us()
            carried = pending.recording.begin(exchange, exchange.everything, 0, now_us, handed_over=True)
            carried.attempt.connection = None
            carried.fail(CANCELLED, now_us)

    def _on_ready(self, _: int, version: str) -> None:
        assert self._ready is not None
        self._ready.set_result(version)

    def _on_failed(self, _: int, said: str) -> None:
        assert self._ready is not None
        self._ready.set_exception(Raised(said))

    def _on_dialled(self, t_us: int, number: int, host: str, port: int) -> None:
        self._connections[number] = FarConnection(host=host, port=port, opened_us=t_us, at_end=self)

    def _on_opened(self, _: int, number: int, port: int | None, facts: str) -> None:
        connection = self._connections[number]
        connection.port_here = port
        self._write(connection, info.fields(facts))

    def _write(self, connection: FarConnection, facts: Mapping[str, str]) -> None:
        connection.number = connection.number or self._wire.number()
        if connection.entry is None:
            self._wire.opened(connection, connection.opened_us, facts, connection.number)

    def _on_closed(self, _: int, number: int, why: str) -> None:
        connection = self._connections.get(number)
        if connection is None:
            return
        if connection.number:  # it was used, though its node may never have said who it is
            self._write(connection, {})
        if connection.entry is not None:
            self._wire.closed(connection.entry, why)
        del self._connections[number]

    def _on_sent(self, t_us: int, number: int, n: int, *how: Any) -> None:
        pending = self.pending.get(number)
        if pending is None:
            return
        line, positions, handed_over = how
        connection = self._connections.get(line or 0)
        if connection is not None:
            connection.number = connection.number or self._wire.number()
        exchange = pending.exchange
        carries = tuple(positions)
        carried = pending.recording.begin(
            exchange,
            exchange.everything if carries == exchange.everything else carries,
            0 if connection is None else connection.number,
            t_us,
            handed_over,
        )
        if connection is None:
            carried.attempt.connection = None
        pending.attempts[n] = carried

    def _on_unsent(self, _: int, number: int, n: int) -> None:
        pending = self.pending.get(number)
        if pending is not None:
            pending.attempts[n].attempt.handed_over = False

    def _on_ended(self, t_us: int, number: int, n: int, result: str, replies: list[object]) -> None:
        pending = self.pending.get(number)
        if pending is None:
            return
        carried = pending.attempts[n]
        for reply in replies:
            if isinstance(reply, dict):
                carried.refuse(Refused(str(reply["error"])))
            else:
                carried.replies.append(_inside(reply))
        if result == "reply":
            carried.attempt.done_us = t_us
        else:
            carried.fail(result, t_us)
            self._leave_unanswered(carried)

    def _on_over(self, _: int, number: int, results: list[object] | None, raised: str) -> None:
        pending = self.pending.get(number)
        if pending is None or pending.over.done():
            return
        if results is not None and pending.exchange.carried:
            _as_the_library_has_it(pending.exchange.carried[-1], results)
        pending.over.set_result(raised)

    def _leave_unanswered(self, carried: Carried) -> None:
        number = carried.attempt.connection
        connection = next((one for one in self._connections.values() if one.number == number), None)
        if carried.attempt.handed_over and number and connection is not None:
            self._write(connection, {})
            assert connection.entry is not None
            self._wire.unanswered[number] = connection.entry


def _as_the_library_has_it(carried: Carried, results: list[object]) -> None:
    """Texts, lists and gaps as the library returned them. Numbers and errors it makes something else of."""
    if len(results) != len(carried.replies):
        return
    for at, (on_the_wire, returned) in enumerate(zip(carried.replies, results, strict=True)):
        if type(on_the_wire) in _COMPARED and (returned is None or type(returned) in _COMPARED):
            carried.replies[at] = returned if _inside(returned) == returned else on_the_wire


_COMPARED = (str, list)


def _inside(reply: object) -> object:
    """A reply with the errors inside EXEC's as exceptions, as the outcome table knows them."""
    if not isinstance(reply, list):
        return reply
    return [ResponseError(one["error"]) if isinstance(one, dict) else _inside(one) for one in reply]
