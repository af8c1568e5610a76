"""Hears of every evicted session key, from the node that evicted it.

Redis counts evictions and names none, unless keyspace notifications are on. They are switched on only
where memory is limited and sessions live, by adding to the flags that are set; the history says so,
because it is a change of the configuration under test. Cache keys are left to the counters: a flooded
cache evicts tens of thousands.

Traps: notifications are per node and not repeated, so a gap in hearing is recorded
(`evictions-missed`, within its error); and a restarted node has forgotten the flags.
"""

from __future__ import annotations

import asyncio
from typing import Any

from harness.clock import RunClock
from harness.model.records import Event
from harness.model.seams import Topology
from harness.model.words import NodePurpose
from harness.objects import LEASES, OBJECTS
from harness.observe.context import ObserverContext, context_of
from harness.observe.listening import NOTICED_WITHIN_S, listen
from harness.redis_wire.asynchronous import AsyncConnection
from harness.redis_wire.keys import PREFIXES
from harness.redis_wire.protocol import ErrorReply, NoAnswer

_SETTING = "notify-keyspace-events"
_CHANNEL = "__keyevent@0__:evicted"
"""Sessions live in database 0 in every topology."""

_ANSWER_WITHIN_S = 1.0


def enable_eviction_events(topology: Topology) -> bool:
    """Make every limited node that stores sessions tell which keys it evicts. False: there is none.

    Blocks; not for use inside an event loop. A node that refuses is left as it is.
    """
    return asyncio.run(_enable_everywhere(context_of(topology, lambda _: None, RunClock())))


async def _enable_everywhere(context: ObserverContext) -> bool:
    enabled = False
    for node in session_nodes(context):
        connection = context.connection(node)
        try:
            if await _is_limited(connection):
                enabled = "e" in await _switch_on(connection) or enabled
        except NoAnswer:
            continue
        finally:
            connection.close()
    return enabled


def session_nodes(context: ObserverContext) -> list[str]:
    return [node.name for node in context.plan.data_nodes() if node.purpose is NodePurpose.SESSIONS]


class EvictionWatch:
    """One node's evictions, from when it is first listened to."""

    def __init__(self, context: ObserverContext, node: str) -> None:
        self._context = context
        self._node = node
        self._control = context.connection(node)
        self._flags = ""
        self._listening = False
        self._deaf_from_us: int | None = None

    async def listen(self) -> None:
        """Until cancelled. A node without a memory limit is never listened to."""
        try:
            await listen(
                self._context.connection(self._node),
                self.hear,
                subscribe=("SUBSCRIBE", _CHANNEL),
                before=self._ready,
            )
        finally:
            self._control.close()

    def hear(self, _channel: str, key: str) -> None:
        if key.startswith((*PREFIXES, *OBJECTS, *LEASES)):
            self._tell("evicted", self._context.heard_within_us(), key=key)

    async def _ready(self) -> None:
        """Before each subscription: the flags are set, and a gap in hearing is written down."""
        if self._listening:
            self._listening = False
            self._deaf_from_us = self._context.clock.now_us() - round(NOTICED_WITHIN_S * 1e6)
        if not await _is_limited(self._control):
            raise NoAnswer("its memory is not limited")
        flags = await _switch_on(self._control)
        if flags != self._flags:
            self._flags = flags
            self._tell("configured", 0, detail=f"{_SETTING} {flags}, to hear of evictions")
        if self._deaf_from_us is not None:
            error_us = self._context.clock.now_us() - self._deaf_from_us
            self._tell("evictions-missed", error_us, detail="the kit did not receive its events for so long")
            self._deaf_from_us = None
        self._listening = True

    def _tell(self, name: str, error_us: int, *, key: str | None = None, detail: str = "") -> None:
        self._context.record(
            Event(
                source=self._node,
                name=name,
                t_us=self._context.clock.now_us(),
                error_us=error_us,
                node=self._node,
                shard=self._context.shard(self._node),
                key=key,
                detail=detail,
            )
        )


async def _is_limited(connection: AsyncConnection) -> bool:
    return await _setting(connection, "maxmemory") not in ("", "0")


async def _switch_on(connection: AsyncConnection) -> str:
    """Add what is missing; returns the flags that are set afterwards."""
    flags = await _setting(connection, _SETTING)
    wanted = ("E" if "E" not in flags else "") + ("e" if not {"A", "e"} & set(flags) else "")
    if not wanted:
        return flags
    (reply,) = await connection.ask(("CONFIG", "SET", _SETTING, flags + wanted), within_s=_ANSWER_WITHIN_S)
    return flags if isinstance(reply, ErrorReply) else flags + wanted


async def _setting(connection: AsyncConnection, name: str) -> str:
    (reply,) = await connection.ask(("CONFIG", "GET", name), within_s=_ANSWER_WITHIN_S)
    found: Any = reply
    return str(found[1]) if isinstance(found, list) and len(found) == 2 else ""
