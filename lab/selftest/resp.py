"""As much of Redis' wire protocol as a proxy needs: where a message ends, what it says, how to say one.

Messages that are passed on stay the bytes that they were; only what is understood or made up is parsed
or encoded. Trap: RESP3 has maps, whose length counts pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import hiredis
import msgspec

SIZED = b"$=!"
NESTED = b"*~>%"
OK = b"+OK\r\n"
QUEUED = b"+QUEUED\r\n"


def end_of(buffer: bytes, at: int = 0) -> int | None:
    """Where the message that begins at `at` ends; None: it is not all there yet."""
    line_end = buffer.find(b"\r\n", at)
    if line_end < 0:
        return None
    kind, after = buffer[at], line_end + 2
    if kind in SIZED:
        size = int(buffer[at + 1 : line_end])
        after += size + 2 if size >= 0 else 0
        return after if after <= len(buffer) else None
    if kind in NESTED:
        for _ in range(int(buffer[at + 1 : line_end]) * (2 if kind == ord("%") else 1)):
            end = end_of(buffer, after)
            if end is None:
                return None
            after = end
    return after


def messages(buffer: bytes) -> tuple[list[bytes], bytes]:
    """The whole messages at the front of a buffer, and what is left."""
    found, at = [], 0
    while at < len(buffer) and (end := end_of(buffer, at)) is not None:
        found.append(buffer[at:end])
        at = end
    return found, buffer[at:]


def parsed(message: bytes) -> object:
    reader = hiredis.Reader(encoding="utf-8")
    reader.feed(message)
    return reader.gets()


def encoded(value: object) -> bytes:
    """A reply: integers, texts, lists of them, None."""
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, str):
        text = value.encode()
        return b"$%d\r\n%s\r\n" % (len(text), text)
    if isinstance(value, list):
        return b"*%d\r\n" % len(value) + b"".join(map(encoded, value))
    return b"$-1\r\n"


@dataclass(frozen=True)
class Command:
    """One request as it came over the wire."""

    raw: bytes

    @classmethod
    def of(cls, *words: str) -> Command:
        return cls(encoded(list(words)))

    @cached_property
    def words(self) -> list[str]:
        return list(map(str, parsed(self.raw)))  # type: ignore[call-overload]

    @property
    def name(self) -> str:
        return self.words[0].upper()

    @cached_property
    def session(self) -> str | None:
        """The session whose key is the command's (first) key."""
        key = next((word for word in self.words[1:4] if word.startswith("session:{")), None)
        return None if key is None else key[len("session:{") : -1]

    @cached_property
    def inner(self) -> list[list[str]]:
        """The commands that the kit's script runs as one; [] for anything else."""
        if self.name != "EVAL" or len(self.words) < 7:
            return []
        return list(msgspec.json.decode(self.words[6]))

    def with_inner(self, commands: Iterable[Iterable[str]]) -> Command:
        text = msgspec.json.encode([list(one) for one in commands]).decode()
        return Command.of(*self.words[:6], text)


@dataclass(frozen=True, kw_only=True)
class Write:
    """A field write or a log-in, found in what a client sent at once."""

    session: str
    operation: int
    verb: str
    """HSET, HINCRBY or HDEL; `log-in` for the group that makes a session."""
    fields: tuple[str, ...]


def write_in(commands: list[Command]) -> Write | None:
    first = commands[0]
    if len(commands) == 1 and first.inner and first.session:
        verb, _, *rest = first.inner[0]
        fields = tuple(rest[::2]) if verb == "HSET" else tuple(rest[:1])
        return Write(session=first.session, operation=int(first.inner[-1][-1]), verb=verb, fields=fields)
    if len(commands) > 2 and first.name == "MULTI" and commands[1].name == "HSET" and commands[1].session:
        values = dict(pairs(commands[1].words[2:]))
        return Write(
            session=commands[1].session,
            operation=int(values["generation"]),
            verb="log-in",
            fields=tuple(values),
        )
    return None


def pairs(words: list[str]) -> Iterator[tuple[str, str]]:
    values = iter(words)
    return zip(values, values, strict=True)
