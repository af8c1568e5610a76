"""Reads back, from every node that answers, every session that was ever made, after the load stopped.

One plain pipeline per batch of sessions and node: inside MULTI a full instance refuses even reads. It
writes nothing and touches no TTL. A bracket before and after says whether the topology, or the data
behind the audit's back, changed meanwhile; then the pass does not count and is repeated, three times at
most.

The trap: offsets move in an idle topology too (sentinels publish on it, primaries ping), so they are
recorded but not compared. What must not move is the count of writes (`rdb_changes_since_last_save`),
which neither of these nor an expiry touches (tried with 6.2 and 7.0).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Protocol, TypedDict, TypeVar

from harness.clock import Clock
from harness.model.records import (
    BACK_DOOR_UNREAD,
    AuditEntry,
    AuditSummary,
    Bracket,
    Event,
    ForensicEntry,
    ObjectEntry,
    Record,
)
from harness.model.words import NodeRole
from harness.objects.kind import KeptObject
from harness.observe.context import ObserverContext
from harness.observe.samples import NodeAnswer, NodeSampler, SentinelSampler
from harness.observe.topology_view import clustered
from harness.observe.views import ClusterView
from harness.redis_wire.asynchronous import AsyncConnection
from harness.redis_wire.ballast import without_ballast
from harness.redis_wire.keys import index_key, slot
from harness.redis_wire.protocol import Command, ErrorReply, NoAnswer, Reply

T = TypeVar("T")

PASSES = 3
AT_THE_DOOR = 1
"""The pass in which the front door of an application is asked."""
BATCH = 100
"""Sessions per round trip: about a millisecond of the node's time."""

_ANSWER_WITHIN_S = 3.0
_CATCH_UP_WITHIN_S = 1.0
_LOOK_EVERY_S = 0.05

_MUST_HOLD = ("run_id", "role", "replid", "epoch", "primary", "changes")

BracketNodes = dict[str, dict[str, str | int]]


class AuditedSession(Protocol):
    """What the audit must know of a session that was ever made, acked or not."""

    @property
    def id(self) -> str: ...
    @property
    def user(self) -> str: ...
    @property
    def shard(self) -> int: ...
    @property
    def key(self) -> str: ...
    @property
    def witness_key(self) -> str: ...


async def audit(
    context: ObserverContext,
    sessions: Sequence[AuditedSession],
    objects: Sequence[KeptObject] = (),
    *,
    within_s: float,
) -> AuditSummary:
    """Record every session and every object on every node of its shard; returns, and records, which pass is
    valid."""
    summary = await _Audit(context, sessions, objects).finished(within_s)
    context.record(summary)
    return summary


async def audit_keys(context: ObserverContext, keys: Sequence[KeptObject], *, within_s: float) -> None:
    """Record the keys of an application on every node, as a part of the audit at its front door. Only a pass
    counts during which nothing changed; without any, an event says why."""
    seen: list[Record] = []
    summary = await _Audit(replace(context, record=seen.append), (), keys).finished(within_s)
    if summary.valid_pass is None:
        context.record(
            Event(source="audit", name=BACK_DOOR_UNREAD, t_us=context.clock.now_us(), detail=summary.reason)
        )
    for entry in seen:
        if isinstance(entry, ObjectEntry) and entry.pass_n == summary.valid_pass:
            entry.pass_n = AT_THE_DOOR
            context.record(entry)


class _Audit:
    def __init__(
        self,
        context: ObserverContext,
        sessions: Sequence[AuditedSession],
        objects: Sequence[KeptObject],
    ) -> None:
        plan = context.plan
        self._context = context
        self._sessions = sessions
        self._objects = objects
        self._cluster = clustered(plan)
        self._witnesses = plan.scenario.workload.witnesses
        self._samplers = {node.name: NodeSampler(context, node.name) for node in plan.data_nodes()}
        self._sentinels = {node.name: SentinelSampler(context, node.name) for node in plan.sentinels()}
        self._data_nodes = [node.name for node in plan.data_nodes()]
        self.passes = 0

    async def finished(self, within_s: float) -> AuditSummary:
        """The whole audit, or as much of it as there was time for."""
        try:
            async with asyncio.timeout(within_s):
                return await self.run()
        except TimeoutError:
            return AuditSummary(passes=self.passes, reason=f"it was not finished within {within_s:g} s")
        finally:
            self.close()

    async def run(self) -> AuditSummary:
        changed = ""
        for number in range(1, PASSES + 1):
            self.passes = number
            before = await self._settled_bracket(number)
            if not any("run_id" in state for state in before.values()):
                return AuditSummary(passes=number, reason="no node answers")
            indexed = await self._indexed_elsewhere() if self._cluster else {}
            await asyncio.gather(
                *(
                    self._read_node(number, name, state, indexed)
                    for name, state in before.items()
                    if name in self._samplers and "run_id" in state
                )
            )
            after = await self._bracket(number, "after")
            changed = what_changed(before, after)
            if not changed:
                return AuditSummary(passes=number, valid_pass=number)
        return AuditSummary(passes=PASSES, reason=f"the topology kept changing: {changed}")

    def close(self) -> None:
        for sampler in self._samplers.values():
            sampler.close()
        for sentinel in self._sentinels.values():
            sentinel.close()

    async def _settled_bracket(self, number: int) -> BracketNodes:
        """The bracket before a pass, once replicas have what their primary had when first asked."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _CATCH_UP_WITHIN_S
        first = await self._states()
        while True:
            nodes = await self._states()
            if _caught_up(self._shards(), first, nodes) or loop.time() > deadline:
                self._record_bracket(number, "before", nodes)
                return nodes
            await asyncio.sleep(_LOOK_EVERY_S)

    def _shards(self) -> list[list[str]]:
        """The data nodes by the shard that they belong to now."""
        found: dict[int, list[str]] = {}
        for name in self._data_nodes:
            found.setdefault(self._context.shard(name), []).append(name)
        return list(found.values())

    async def _bracket(self, number: int, moment: str) -> BracketNodes:
        nodes = await self._states()
        self._record_bracket(number, moment, nodes)
        return nodes

    def _record_bracket(self, number: int, moment: str, nodes: BracketNodes) -> None:
        t_us = self._context.clock.now_us()
        self._context.record(Bracket(pass_n=number, moment=moment, t_us=t_us, nodes=nodes))

    async def _states(self) -> BracketNodes:
        answers, views = await asyncio.gather(
            asyncio.gather(*(sampler.ask() for sampler in self._samplers.values())),
            asyncio.gather(*(sampler.ask() for sampler in self._sentinels.values())),
        )
        nodes = {seen.sample.node: _state(seen) for seen in answers}
        for view in views:
            nodes[view.observer] = (
                {"error": view.error}
                if view.error
                else {
                    "role": str(NodeRole.SENTINEL),
                    "run_id": view.run_id,
                    "epoch": view.epoch,
                    "primary": view.primary,
                }
            )
        return nodes

    async def _read_node(
        self, number: int, node: str, state: Mapping[str, str | int], indexed: Mapping[str, bool]
    ) -> None:
        """Record an entry for every session of the node's shard; without an answer, one that says so."""
        shard = self._context.shard(node)
        connection = self._context.connection(node)
        primary = state["role"] == NodeRole.PRIMARY
        met = _Met(pass_n=number, node=node, role=str(state["role"]), run_id=str(state["run_id"]))
        asked = _Asked(connection, self._context.clock)
        try:
            if self._cluster:
                await connection.ask(("READONLY",), within_s=_ANSWER_WITHIN_S)
            sessions = (one for one in self._sessions if one.shard == shard)
            async for session, when, said in asked.of(sessions, self._about_sessions):
                entry = AuditEntry(session=session.id, **met, **when)
                entry.error = said if isinstance(said, str) else fill(entry, said, witnesses=self._witnesses)
                if self._cluster:
                    entry.indexed = indexed.get(session.id) if primary else None
                self._context.record(entry)
            objects = (one for one in self._objects if one.shard == shard)
            async for kept, when, said in asked.of(objects, _about_objects):
                about = ObjectEntry(key=kept.key, **met, **when)
                show(about, kept, said)
                self._context.record(about)
        finally:
            connection.close()

    async def _about_sessions(
        self, connection: AsyncConnection, batch: Sequence[AuditedSession]
    ) -> list[list[Reply]]:
        return await ask_batch(connection, batch, indexed=not self._cluster)

    async def _indexed_elsewhere(self) -> dict[str, bool]:
        """Cluster: a user's index lies in a slot of its own; its primary is asked, whichever shard's."""
        owners = _slot_owners(
            [seen.cluster for seen in await asyncio.gather(*(s.ask() for s in self._samplers.values()))]
        )
        by_owner: dict[str, list[AuditedSession]] = {}
        for session in self._sessions:
            owner = owners.get(slot(index_key(session.user)))
            if owner is not None:
                by_owner.setdefault(owner, []).append(session)
        found: dict[str, bool] = {}
        for owner, theirs in by_owner.items():
            connection = self._context.connection(owner)
            try:
                for batch in batches(theirs):
                    asked: list[Command] = [("SISMEMBER", index_key(one.user), one.id) for one in batch]
                    replies = await connection.ask(*asked, within_s=_ANSWER_WITHIN_S)
                    answers = zip(batch, replies, strict=True)
                    found |= {one.id: reply == 1 for one, reply in answers if isinstance(reply, int)}
            except NoAnswer:
                continue  # not asked: `indexed` stays unknown
            finally:
                connection.close()
        return found


class _Met(TypedDict):
    """What every entry of a node says in a pass."""

    pass_n: int
    node: str
    role: str
    run_id: str


class _When(TypedDict):
    sent_us: int
    done_us: int


class _Asked:
    """One node, asked batch by batch. Where it did not answer once it is asked no more, and every entry from
    there on says why."""

    def __init__(self, connection: AsyncConnection, clock: Clock) -> None:
        self._connection = connection
        self._clock = clock
        self._silent = ""

    async def of(
        self, those: Iterable[T], ask: Callable[[AsyncConnection, list[T]], Awaitable[list[list[Reply]]]]
    ) -> AsyncIterator[tuple[T, _When, list[Reply] | str]]:
        """Each with its replies, or with why there are none."""
        for batch in batches(those):
            sent_us = self._clock.now_us()
            said: Sequence[list[Reply] | str] = ()
            if not self._silent:
                try:
                    said = await ask(self._connection, batch)
                except NoAnswer as silence:
                    self._silent = str(silence)
            when = _When(sent_us=sent_us, done_us=self._clock.now_us())
            for one, replies in zip(batch, said or [self._silent] * len(batch), strict=True):
                yield one, when, replies


async def _about_objects(connection: AsyncConnection, batch: Sequence[KeptObject]) -> list[list[Reply]]:
    return await _ask_each(connection, [one.kind.questions(one.key) for one in batch])


async def ask_batch(
    connection: AsyncConnection,
    batch: Sequence[AuditedSession],
    *,
    indexed: bool,
    before: tuple[Command, ...] = (),
    after: tuple[Command, ...] = (),
) -> list[list[Reply]]:
    """Per session: type, PTTL, value, witnesses, and (`indexed`) whether its user's index lists it.

    `before` and `after` go into the same write; their replies are left out.

    Raises:
        NoAnswer: not everything was answered in time.
    """
    asked = [_questions(session, indexed=indexed) for session in batch]
    replies = await _ask_each(connection, asked, before=before, after=after)
    texts = [turn for turn, answers in enumerate(replies) if answers[0] == "string"]
    if texts:
        values = await connection.ask(
            *(("GET", batch[turn].key) for turn in texts), within_s=_ANSWER_WITHIN_S
        )
        for turn, value in zip(texts, values, strict=True):
            replies[turn][2] = [] if value is None else ["", value]
    return replies


async def _ask_each(
    connection: AsyncConnection,
    asked: Sequence[Sequence[Command]],
    *,
    before: tuple[Command, ...] = (),
    after: tuple[Command, ...] = (),
) -> list[list[Reply]]:
    """The replies to each one's questions, all asked in one write."""
    questions = (words for each in asked for words in each)
    flat = iter(await connection.ask(*before, *questions, *after, within_s=_ANSWER_WITHIN_S))
    flat = islice(flat, len(before), None)
    return [list(islice(flat, len(each))) for each in asked]


def show(entry: ObjectEntry, kept: KeptObject, said: list[Reply] | str) -> None:
    """Enter what one node said of one object, or why it said nothing."""
    if not isinstance(said, list):
        entry.error = said
        return
    refused = next((reply for reply in said if isinstance(reply, ErrorReply)), None)
    if refused is not None:
        entry.error = refused.text[:160]
    else:
        entry.saw, entry.pttl_ms = kept.kind.shown(said)


def _questions(session: AuditedSession, *, indexed: bool) -> list[Command]:
    asked: list[Command] = [
        ("TYPE", session.key),
        ("PTTL", session.key),
        ("HGETALL", session.key),
        ("LRANGE", session.witness_key, 0, -1),
    ]
    if indexed:
        asked.append(("SISMEMBER", index_key(session.user), session.id))
    return asked


def what_changed(before: BracketNodes, after: BracketNodes) -> str:
    """The first thing that makes two brackets different; empty: a valid audit lies between them."""
    for node, state in before.items():
        now = after.get(node, {})
        if ("error" in state) != ("error" in now):
            return f"{node} {'answers again' if 'error' in state else 'stopped answering'}"
        for name in _MUST_HOLD:
            if name == "changes" and state.get("role") != NodeRole.PRIMARY:
                continue  # a replica counts what it is sent, deletions of expired keys too
            if state.get(name) != now.get(name):
                return f"{name} of {node} went from {state.get(name)!r} to {now.get(name)!r}"
    return ""


def _state(seen: NodeAnswer) -> dict[str, str | int]:
    sample = seen.sample
    if not sample.reachable:
        return {"error": sample.error or "no answer"}
    state: dict[str, str | int] = {
        "run_id": sample.run_id,
        "role": sample.role,
        "replid": sample.replid,
        "offset": sample.offset,
        "changes": seen.changes,
    }
    return state if sample.epoch is None else state | {"epoch": sample.epoch}


def _caught_up(shards: Iterable[Iterable[str]], first: BracketNodes, now: BracketNodes) -> bool:
    for nodes in shards:
        reached = _offsets((first[name] for name in nodes), NodeRole.PRIMARY)
        replicas = _offsets((now[name] for name in nodes), NodeRole.REPLICA)
        if reached and replicas and min(replicas) < max(reached):
            return False
    return True


def _offsets(states: Iterable[dict[str, str | int]], role: NodeRole) -> list[int]:
    return [int(state["offset"]) for state in states if state.get("role") == role]


def _slot_owners(views: Iterable[ClusterView | None]) -> dict[int, str]:
    """Slot -> the node that every view which tells calls its owner; a disputed slot has none."""
    owners: dict[int, str] = {}
    disputed: set[int] = set()
    for view in views:
        for node in view.nodes.values() if view is not None else ():
            for first, last in node.ranges:
                for number in range(first, last + 1):
                    if owners.setdefault(number, node.name) != node.name:
                        disputed.add(number)
    return {number: name for number, name in owners.items() if number not in disputed}


def batches(each: Iterable[T], size: int = BATCH) -> Iterable[list[T]]:
    """Sessions or objects by the round trip."""
    left = iter(each)
    while batch := list(islice(left, size)):
        yield batch


def fill(entry: AuditEntry | ForensicEntry, replies: list[Reply], *, witnesses: bool) -> str | None:
    """Enter what one node said of one session; returns why it did not tell (an error in the first
    three replies), None where it did."""
    refused = next((reply for reply in replies[:3] if isinstance(reply, ErrorReply)), None)
    if refused is not None and refused.code != "WRONGTYPE":
        return refused.text[:160]
    kind, pttl_ms, value, witnessed, *indexed = replies
    entry.key_type = str(kind)
    entry.pttl_ms = pttl_ms
    read = dict(zip(value[::2], value[1::2], strict=True)) if isinstance(value, list) else {}
    entry.saw = without_ballast(read)
    if witnesses and isinstance(witnessed, list):
        entry.witnesses = tuple(witnessed)
    if indexed and isinstance(indexed[0], int):
        entry.indexed = indexed[0] == 1
    return None
