"""A fast writer of cache keys: `SET cache:<n> <value> [PX ttl]` in deep pipelines over one socket.

It has to outrun evictions and session traffic in the same process as the load engine, so a batch is
one join of the key numbers with everything between them precomputed, and replies are counted, not
parsed: a `+` is an OK, a line without one is a refusal.

Trap: with refusals the server still reads every byte; the writer ends when everything was offered.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from harness.clock import RunClock
from harness.redis_wire.protocol import NoAnswer

_BATCH_BYTES = 256 * 1024
_MOST_PER_BATCH = 2048
_RECEIVE_BYTES = 1 << 18
_BATCHES_PER_SECOND = 1000
"""With a rate: up to here each key goes alone. A server may count the bytes of a batch as memory in use: it
refuses every key of the batch while one small key of an application would still fit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What to write."""

    keys: int
    value_bytes: int
    ttl_s: float = 0.0
    rate_per_s: int = 0
    """Keys per second; 0: as fast as the server takes them."""
    first: int = 0
    """Number of the first key: a second flood adds keys instead of writing over the first one's."""
    tag: str = ""
    """What all keys have in braces, so that one node of a cluster has them all."""


@dataclass(slots=True)
class Written:
    """Replies so far."""

    offered: int = 0
    accepted: int = 0
    refused: int = 0
    first_refusal: str = ""
    _line: bytes = field(default=b"", repr=False)

    def count(self, received: bytes) -> None:
        lines = received.count(b"\n")
        accepted = received.count(b"+")
        self.accepted += accepted
        self.refused += lines - accepted
        if not self.first_refusal:
            self._look_for_refusal(received)

    def _look_for_refusal(self, received: bytes) -> None:
        whole = self._line + received
        *lines, self._line = whole.split(b"\r\n") if b"-" in whole else (b"",)
        refusal = next((line for line in lines if line.lstrip(b"\n").startswith(b"-")), b"")
        self.first_refusal = refusal.lstrip(b"\n-").decode(errors="replace")

    @property
    def answered(self) -> int:
        return self.accepted + self.refused


def fill(connected: socket.socket, load: Load, after_batch: Callable[[Written], bool]) -> Written:
    """Write the load; two batches are under way at any time. `after_batch` returning False ends it.

    Raises:
        NoAnswer: the server hung up, or took longer than the socket's timeout.
    """
    written = Written()
    clock = RunClock()
    going_on = True
    try:
        for count, batch in batches(load):
            if load.rate_per_s:
                _wait_for_turn(clock, written.offered / load.rate_per_s)
            connected.sendall(batch)
            before = written.offered
            written.offered += count
            _receive(connected, written, until=before)
            going_on = after_batch(written)
            if not going_on:
                break
        _receive(connected, written, until=written.offered)
    except OSError as error:
        why = error or type(error).__name__
        raise NoAnswer(f"the writer's connection failed after {written.answered} replies: {why}") from error
    if going_on:
        after_batch(written)
    return written


def batches(load: Load) -> Iterator[tuple[int, bytes]]:
    """How many keys, and the bytes that write them."""
    per_batch = max(1, min(_MOST_PER_BATCH, _BATCH_BYTES // (load.value_bytes + 64)))
    if load.rate_per_s:
        per_batch = max(1, min(per_batch, load.rate_per_s // _BATCHES_PER_SECOND))
    at, end = load.first, load.first + load.keys
    while at < end:
        # Keys of one length share everything around their number.
        until = min(end, at + per_batch, 10 ** len(str(at)))
        before, after = _around(load, len(str(at)))
        numbers = (after + before).join(map(str, range(at, until)))
        yield until - at, f"{before}{numbers}{after}".encode("ascii")
        at = until


def _around(load: Load, digits: int) -> tuple[str, str]:
    """What precedes and what follows the number in the bytes of one SET."""
    value = f"${load.value_bytes}\r\n{'x' * load.value_bytes}\r\n"
    words = 3
    if load.ttl_s:
        milliseconds = str(max(1, int(load.ttl_s * 1000)))
        value += f"$2\r\nPX\r\n${len(milliseconds)}\r\n{milliseconds}\r\n"
        words = 5
    name = f"cache:{load.tag}"
    return f"*{words}\r\n$3\r\nSET\r\n${digits + len(name)}\r\n{name}", f"\r\n{value}"


def _receive(connected: socket.socket, written: Written, until: int) -> None:
    while written.answered < until:
        received = connected.recv(_RECEIVE_BYTES)
        if not received:
            raise ConnectionResetError("the node closed the connection")
        written.count(received)


def _wait_for_turn(clock: RunClock, due_s: float) -> None:
    early_s = due_s - clock.now_us() / 1e6
    if early_s > 0:
        clock.sleep(early_s)
