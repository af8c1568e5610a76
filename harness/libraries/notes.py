"""What is noted of exchanges while a library carries them out, and said to the kit line by line.

A line is said before the bytes that it is about are given to a socket. So an attempt of which the kit has
read nothing was not handed over, even where this process was killed.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

from harness.libraries.resp import Command, ErrorReply

TIMEOUT = "timeout"
LOST = "connection-lost"
REPLY = "reply"


class Exchange:
    """Commands that the kit wants sent together."""

    def __init__(self, number: int, commands: tuple[Command, ...], key: str) -> None:
        self.number = number
        self.commands = commands
        self.key = key
        self.attempts = 0
        self.open: list[Attempt] = []
        """Attempts that have not all their replies."""


class Attempt:
    """Commands of an exchange on one connection."""

    def __init__(self, exchange: Exchange, connection: int | None) -> None:
        exchange.attempts += 1
        self.exchange = exchange
        self.n = exchange.attempts
        self.connection = connection
        self.positions: list[int] = []
        self.replies: list[object] = []


CURRENT: ContextVar[Exchange | None] = ContextVar("current exchange", default=None)


class Run(NamedTuple):
    """Commands of an exchange, one after the other."""

    exchange: Exchange
    position: int
    length: int


class Notes:
    def __init__(self, to: int) -> None:
        self._to = to
        self._lock = threading.RLock()
        self._exchanges: dict[int, Exchange] = {}

    def begin(self, exchange: Exchange) -> None:
        with self._lock:
            self._exchanges[exchange.number] = exchange

    def whose(self, commands: Sequence[Command]) -> Run | None:
        """Whose commands the first of these are that go out; None: the first one is the library's own.

        A library may leave sending to a task of its own, which still has the exchange that began it long
        after that is over. So the exchange of the task that sends is only preferred, while it is under way.
        Of several that have the command it is the one that has most of what follows as well.
        """
        current = CURRENT.get()
        with self._lock:
            exchanges = list(self._exchanges.values())
            if current is not None and current.number in self._exchanges:
                exchanges.insert(0, current)
        best: Run | None = None
        for exchange in exchanges:
            for position, command in enumerate(exchange.commands):
                if command != commands[0] or any(position in one.positions for one in exchange.open):
                    continue
                length = _alike(exchange.commands[position:], commands)
                if best is None or length > best.length:
                    best = Run(exchange, position, length)
        return best

    def sent(self, attempt: Attempt, *, handed_over: bool = True) -> None:
        """About to be sent."""
        with self._lock:
            attempt.exchange.open.append(attempt)
            self._say(
                "sent",
                attempt.exchange.number,
                attempt.n,
                attempt.connection,
                attempt.positions,
                handed_over,
            )

    def not_connected(self, result: str) -> None:
        """The exchange that is being carried out found no connection."""
        exchange = CURRENT.get()
        if exchange is not None:
            attempt = Attempt(exchange, None)
            attempt.positions = list(range(len(exchange.commands)))
            self.sent(attempt, handed_over=False)
            self.failed(attempt, result)

    def may_be_sent(self, exchange: Exchange) -> None:
        """Whenever the library likes: an attempt that nobody sees, and that has no answer."""
        attempt = Attempt(exchange, None)
        attempt.positions = list(range(len(exchange.commands)))
        self.sent(attempt)

    def answered(self, attempt: Attempt, reply: object) -> None:
        with self._lock:
            if attempt not in attempt.exchange.open:
                return  # nobody waits for it any more
            attempt.replies.append(reply)
            if len(attempt.replies) == len(attempt.positions):
                self._end(attempt, REPLY)

    def unsent(self, attempt: Attempt) -> None:
        """The socket took none of it."""
        self._say("unsent", attempt.exchange.number, attempt.n)
        self.failed(attempt, LOST)

    def failed(self, attempt: Attempt, result: str) -> None:
        """No further reply comes."""
        with self._lock:
            if attempt in attempt.exchange.open:
                self._end(attempt, result)

    def _end(self, attempt: Attempt, result: str) -> None:
        attempt.exchange.open.remove(attempt)
        replies = [_plain(reply) for reply in attempt.replies]
        self._say("ended", attempt.exchange.number, attempt.n, result, replies)

    def over(self, exchange: Exchange, results: Sequence[object] | None, failure: str = "") -> None:
        """The library has returned, or raised. Where it returned what nobody had answered yet, it took the
        answer to something else, and that is what the application has."""
        with self._lock:
            answered = results is not None and not any(isinstance(one, BaseException) for one in results)
            for attempt in tuple(exchange.open):
                if answered and results is not None and len(results) == len(attempt.positions):
                    attempt.replies = list(results)
                    self._end(attempt, REPLY)
                else:
                    self._end(attempt, TIMEOUT)
            self._exchanges.pop(exchange.number, None)
            self._say(
                "over", exchange.number, None if results is None else list(map(_plain, results)), failure
            )

    def dialled(self, connection: int, host: str, port: int) -> None:
        self._say("dialled", connection, host, port)

    def opened(self, connection: int, local_port: int | None, facts: str) -> None:
        self._say("opened", connection, local_port, facts)

    def closed(self, connection: int, why: str) -> None:
        self._say("closed", connection, why)

    def say(self, what: str, *of: Any) -> None:
        self._say(what, *of)

    def _say(self, *words: Any) -> None:
        """With the moment at which it is said."""
        line = json.dumps([time.monotonic_ns() // 1000, *words]).encode() + b"\n"
        with self._lock:
            while line:
                line = line[os.write(self._to, line) :]


def _alike(some: Sequence[Command], others: Sequence[Command]) -> int:
    """How many of them are the same, from the first on."""
    pairs = zip(some, others, strict=False)
    return next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(some), len(others)))


def _plain(reply: object) -> object:
    """A reply, or what a library made of it, as JSON has it. An error reply is an object with its text.

    A library may make "yes" of a 1; no command of the kit's is answered by anything but the number.
    """
    if isinstance(reply, bool):
        return int(reply)
    if reply is None or isinstance(reply, (int, str)):
        return reply
    if isinstance(reply, bytes):
        return reply.decode("utf-8", "replace")
    if isinstance(reply, ErrorReply):
        return {"error": reply.text}
    if isinstance(reply, BaseException):
        return {"error": "", "raised": said(reply)}
    if isinstance(reply, dict):
        return [_plain(one) for pair in reply.items() for one in pair]
    if isinstance(reply, (list, tuple, set, frozenset)):
        return [_plain(one) for one in reply]
    return str(reply)


def said(error: BaseException) -> str:
    """What an application gets instead of a reply."""
    name = type(error).__name__
    if isinstance(error, _OF_CODE) and type(error).__module__ == "builtins":
        return f"the client library failed inside itself ({name})"
    return f"{name}: {error}"[:160] if str(error) else name


_OF_CODE = (ArithmeticError, AssertionError, AttributeError, LookupError, NameError, RuntimeError, TypeError)
