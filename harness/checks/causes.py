"""Why something acked is gone: what the recorded evidence decides, else `not determined`.

`of_loss` compares who acked a promise, and when, with who was primary then and what became of that
node's data. Nothing here guesses: a loss without a change of roles, an emptied primary or a flush
between the ack and the sight stays `not determined`. Replication offsets are not weighed yet.

Trap: a node that was deposed does not know it. Its acks count as a deposed primary's from the moment
the other one was promoted, not from the moment somebody told it.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.checks.effects import Effect, Sight
from harness.checks.index import Index
from harness.checks.nodes import Standing
from harness.model.words import Cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    cause: Cause = Cause.NOT_DETERMINED
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acker:
    """Who acknowledged something, and what it was then."""

    node: str | None = None
    role: str = ""
    run_id: str = ""
    standing: Standing = Standing.UNKNOWN


def acker(index: Index, effect: Effect) -> Acker:
    connection = index.connection_of(effect)
    if connection is None:
        return Acker()
    return _acker(index, connection.node, connection.run_id, effect.sent_us, effect.done_us)


def watcher(index: Index, sight: Sight) -> Acker:
    """Who answered a look at a session."""
    if sight.entry is not None:
        return Acker(
            node=sight.entry.node, role=sight.entry.role, run_id=sight.entry.run_id, standing=Standing.PRIMARY
        )
    if sight.operation is None or sight.step is None:
        return Acker()
    connection = index.connection_for(sight.operation, sight.step)
    if connection is None:
        return Acker()
    return _acker(index, connection.node, connection.run_id, sight.sent_us, sight.done_us)


def discarded(index: Index, sight: Sight) -> bool:
    """A deposed primary answered: what it shows is thrown away at its demotion, and proves nothing
    about what survived."""
    return sight.entry is None and watcher(index, sight).standing is Standing.DEPOSED


def _acker(index: Index, node: str, run_id: str, sent_us: float, done_us: float) -> Acker:
    standing = index.nodes.standing(node, sent_us, done_us)
    role = "primary" if standing is Standing.CHANGING else str(standing)
    return Acker(
        node=node, role=role, run_id=run_id or index.nodes.run_id_at(node, sent_us), standing=standing
    )


def of_loss(index: Index, effect: Effect, seen: Sight | None, shard: int) -> Why:
    """Why an acked effect was not there when looked for."""
    seen_us = index.end_us if seen is None else seen.done_us
    for flush in index.nodes.flushes:
        if flush.shard == shard and effect.sent_us <= flush.by_us and flush.from_us <= seen_us:
            return Why(cause=Cause.FLUSHED, because=flush.why)
    by = acker(index, effect)
    if by.node is None:
        return Why(because="no connection was recorded for the ack")
    following = index.nodes.owner_after(by.node, effect.done_us)
    for emptied in index.nodes.emptied:
        until_us = seen_us if following is None else min(seen_us, following.from_us)
        if emptied.shard == shard and effect.sent_us <= emptied.by_us and emptied.from_us <= until_us:
            return Why(cause=Cause.RESTARTED_EMPTY, because=emptied.why)
    if following is None or following.from_us > seen_us:
        return Why(
            because=f"{by.node} acked it as {by.role or 'an unknown node'}, and no other was promoted since"
        )
    if by.standing is Standing.DEPOSED:
        ago_s = (effect.sent_us - following.by_us) / 1e6
        because = f"{by.node} acked it {ago_s:.2f} s or more after {following.node} had been promoted"
        return Why(cause=Cause.SPLIT_BRAIN, because=because)
    if by.standing is Standing.CHANGING:
        because = f"{by.node} acked it while {following.node} was being promoted"
        return Why(cause=Cause.AT_PROMOTION, because=because)
    if by.standing is Standing.PRIMARY:
        left_s = (following.from_us - effect.done_us) / 1e6
        because = (
            f"{by.node} acked it {left_s:.2f} s before {following.node} was promoted, which did not have it"
        )
        return Why(cause=Cause.NOT_YET_REPLICATED, because=because)
    return Why(because=f"{by.node} was no primary by what was sampled")


def of_old_answer(index: Index, sight: Sight) -> Why:
    """Why somebody was shown something that was no longer so."""
    by = watcher(index, sight)
    if by.standing is Standing.DEPOSED and by.node is not None:
        taken = index.nodes.owner_after(by.node, sight.done_us)
        who = "another node" if taken is None else taken.node
        return Why(cause=Cause.SPLIT_BRAIN, because=f"{by.node} answered after {who} had been promoted")
    if by.standing is Standing.CHANGING:
        return Why(cause=Cause.AT_PROMOTION, because=f"{by.node} answered while another was being promoted")
    if by.standing is Standing.REPLICA:
        return Why(cause=Cause.NOT_YET_REPLICATED, because=f"{by.node}, a replica, answered")
    return Why(because="" if by.node is None else f"{by.node} answered as {by.role or 'an unknown node'}")
