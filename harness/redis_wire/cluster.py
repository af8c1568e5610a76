"""CLUSTER NODES: how one node of a cluster sees every node of it."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from harness.model.words import NodeRole
from harness.redis_wire import words

_NO_TROUBLE = {words.PRIMARY, words.REPLICA, "myself", "noflags"}
MEETING = "handshake"


class ClusterRow(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One line. (A struct: made hundreds of times a second, it costs a third of a data class.)"""

    identity: str
    host: str
    """Empty: it does not know its own address yet."""
    port: int
    """0: not known."""
    itself: bool
    """The node that was asked."""
    role: NodeRole | None
    flags: frozenset[str]
    """Without role and `myself`: `fail?`, `fail`, `handshake`, `noaddr`, …; empty: nothing is wrong."""
    primary: str
    """Identity of the node that it replicates; empty: none."""
    pong_ms: int
    """When it last answered a ping, Unix time; 0: it is the node that was asked, or it never did."""
    epoch: int
    connected: bool
    slots: tuple[tuple[int, int], ...]
    """Ranges, first and last inclusive."""
    moving: frozenset[int] = frozenset()
    """Slots on their way from or to the node that was asked, which alone says so."""


def rows(text: str) -> Iterator[ClusterRow]:
    """The lines of the reply, in its order."""
    for line in text.splitlines():
        if line:
            yield _row(*line.split(" "))


def _row(  # noqa: PLR0917  the columns of the line
    identity: str,
    endpoint: str,
    flags_text: str,
    primary: str,
    _ping_ms: str,
    pong_ms: str,
    epoch: str,
    link: str,
    *slots: str,
) -> ClusterRow:
    # `10.0.0.2:6379@16379,host-name`; the host may hold colons.
    host, _, port = endpoint.partition("@")[0].rpartition(":")
    flags = frozenset(flags_text.split(","))
    return ClusterRow(
        identity=identity,
        host=host,
        port=int(port) if port.isdecimal() else 0,
        itself="myself" in flags,
        role=_role(flags),
        flags=flags - _NO_TROUBLE,
        primary="" if primary == "-" else primary,
        pong_ms=int(pong_ms),
        epoch=int(epoch),
        connected=link == "connected",
        slots=tuple(_range(slot) for slot in slots if not slot.startswith("[")),
        moving=frozenset(_moving(slot) for slot in slots if slot.startswith("[")),
    )


def _role(flags: frozenset[str]) -> NodeRole | None:
    if words.PRIMARY in flags:
        return NodeRole.PRIMARY
    return NodeRole.REPLICA if words.REPLICA in flags else None


def _range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _moving(text: str) -> int:
    """`[93-<-identity]` comes in, `[93->-identity]` goes out."""
    return int(text[1:].partition("-")[0])
