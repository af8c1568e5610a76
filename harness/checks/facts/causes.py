"""Why something acked is gone: what the recorded evidence decides, else `not determined`.

`of_loss` compares who acked a promise, when, and at which replication offset, with who was primary then,
up to which offset the next primary had followed, and what became of the node's data. Nothing here
guesses: a loss without a change of roles, an emptied primary or a flush between the ack and the sight
stays `not determined`, and so does one that every new primary demonstrably had when it was promoted,
or that the node that acked it did not hold itself when it was read before it lost its data.

Trap: a node that was deposed does not know it. Its acks count as a deposed primary's from the moment
the other one was promoted, not from the moment somebody told it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.checks.facts.offsets import Side, Span, side
from harness.checks.facts.ownership import Standing
from harness.checks.facts.promotions import Owner
from harness.checks.facts.restarts import Restart
from harness.checks.facts.step_effects import Sight, State, StepEffect, nothing_seen
from harness.checks.facts.timelines import Timeline, Timelines
from harness.model.records import Operation
from harness.model.times import FOREVER
from harness.model.words import FROM_MEMORY, Cause, NodePurpose, NodeRole, StepKind

STALE = frozenset({Standing.DEPOSED, Standing.REPLICA, Standing.CHANGING})
"""Whoever answers as one of these may show what was there before."""
NO_NODE = "no connection was recorded for the ack"
"""And no node that may have acked it has lost anything since."""
OR_RACE = (
    "was under way in the same session: an application that stores a session whole loses one of two requests"
)
"""A node may have lost it, or the application of a guest: nobody knows which."""
_AS_ANOTHER = "when it came back as another process, and which of the two did is not recorded"


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
    """The process; empty: not known."""
    standing: Standing = Standing.UNKNOWN
    replaced: bool = False
    """The node came back as another process at that time, and nobody recorded which of them answered."""


def acker(timelines: Timelines, effect: StepEffect) -> Acker:
    connection = timelines.connection_of(effect)
    if connection is None:
        return Acker()
    return _acker(timelines, connection.node, connection.run_id, effect.sent_us, effect.done_us)


def watcher(timelines: Timelines, sight: Sight) -> Acker:
    """Who answered a look at a session."""
    if sight.entry is not None:
        return Acker(
            node=sight.entry.node, role=sight.entry.role, run_id=sight.entry.run_id, standing=Standing.PRIMARY
        )
    if sight.operation is None or sight.step is None:
        return Acker()
    connection = timelines.connection_for(sight.operation, sight.step)
    if connection is None:
        return Acker()
    return _acker(timelines, connection.node, connection.run_id, sight.sent_us, sight.done_us)


def discarded(timelines: Timelines, sight: Sight) -> bool:
    """A deposed primary answered: what it shows is thrown away at its demotion, and proves nothing
    about what survived."""
    return sight.entry is None and watcher(timelines, sight).standing is Standing.DEPOSED


def _acker(timelines: Timelines, node: str, run_id: str, sent_us: float, done_us: float) -> Acker:
    standing = timelines.ownership.standing(node, sent_us, done_us)
    role = str(NodeRole.PRIMARY) if standing is Standing.CHANGING else str(standing)
    may_be = [run_id] if run_id else timelines.ownership.answering(node, sent_us, done_us)
    process = may_be[0] if len(may_be) == 1 else ""
    return Acker(node=node, role=role, run_id=process, standing=standing, replaced=len(may_be) > 1)


def of_loss(timelines: Timelines, effect: StepEffect, seen: Sight | None, shard: int) -> Why:
    """Why an acked effect was not there when looked for. `shard`: the session's; what was acked on
    another one (a user's index, in a cluster) is judged by that one."""
    effect = _in_time(effect)
    # A replica that did not have it says nothing of when it was lost.
    behind = seen is None or watcher(timelines, seen).standing is Standing.REPLICA
    seen_us = timelines.facts.landmarks.end_us if seen is None or behind else seen.done_us
    by = acker(timelines, effect)
    shard = timelines.ownership.shards.of(by.node, effect.done_us) or shard
    for flush in timelines.ownership.flushes:
        if flush.shard == shard and effect.sent_us <= flush.by_us and flush.from_us <= seen_us:
            return Why(cause=Cause.FLUSHED, because=flush.why)
    if by.node is None:
        return _by_elimination(timelines, effect, shard, seen_us)
    return _lost_after(timelines, effect, by, shard, seen_us)


def of_lost_key(timelines: Timelines, promise: StepEffect, seen: Sight, shard: int, evicting: str) -> Why:
    """The same of what has a key of its own beside sessions, which a node may have evicted before its time:
    as it reported, or where it names none as its count tells. `evicting`: what such a report is called."""
    for event in timelines.history.events:
        within = promise.sent_us <= event.t_us and event.t_us - event.error_us <= seen.done_us
        if event.name == "evicted" and event.key == promise.step.key and within:
            return Why(cause=Cause.EVICTED, because=f"{event.node} reported {evicting}")
    why = of_loss(timelines, promise, seen, shard)
    if why.cause is not Cause.NOT_DETERMINED:
        return why
    return _counted_evictions(timelines, promise, seen) or why


def _counted_evictions(timelines: Timelines, promise: StepEffect, seen: Sight) -> Why | None:
    """Of a node whose evictions nobody hears by name, as of a cache: it evicted something in that time."""
    ownership = timelines.ownership
    node = acker(timelines, promise).node
    shard = ownership.shards.of(node, promise.done_us)
    if node is None or shard is None:
        return None
    cache = timelines.plan.node(node).purpose is NodePurpose.CACHE
    if ownership.evictions_by_key(shard) and not cache:
        return None
    _, evicted = ownership.evicted_between(shard, promise.sent_us, seen.done_us)
    if not evicted:
        return None
    because = f"{node} evicted keys that it does not name ({evicted}) at its memory limit in that time"
    return Why(cause=Cause.EVICTED, because=f"{because}, with no change of roles")


def carried_over(timelines: Timelines, effect: StepEffect, shard: int) -> bool:
    """Whether whoever took over since certainly had it, by offsets, and no primary came back with less."""
    by = acker(timelines, effect)
    if by.node is None or by.standing is not Standing.PRIMARY or by.replaced:
        return False
    for one in timelines.ownership.restarts:
        if (
            effect.sent_us <= one.by_us
            and timelines.ownership.owner_at(shard, one.by_us) == one.node
            and (one.cause is not None or not one.from_log)
        ):
            return False
    return _left_behind_by(timelines, effect, by, timelines.facts.landmarks.end_us).heir is None


def _in_time(effect: StepEffect) -> StepEffect:
    """Of what nobody acked: if it took effect, as somebody has seen, it was over by then. That is where the
    application does not confirm what too few replicas have, for one."""
    return effect if effect.done_us < FOREVER else replace(effect, done_us=effect.until_us)


def _by_elimination(timelines: Timelines, effect: StepEffect, shard: int, seen_us: float) -> Why:
    """Nobody recorded which node acked it, as behind an application of somebody's own: it was one of those
    that called themselves primary then. A node that has lost nothing since cannot have been it. Nor is
    it known what a request stores that only shows a page: many applications store the session each time, with
    all that they read of it before."""
    nodes = timelines.ownership.acting_between(shard, effect.sent_us, effect.done_us)
    ackers = [_acker(timelines, node, "", effect.sent_us, effect.done_us) for node in nodes]
    whys = [_lost_after(timelines, effect, by, shard, seen_us) for by in ackers]
    explained = [
        why
        for by, why in zip(ackers, whys, strict=True)
        if by.replaced or why.cause is not Cause.NOT_DETERMINED
    ]
    if explained:
        agreed, other = len({why.cause for why in explained}) == 1, _beside(timelines, effect)
        told = "; or ".join(why.because for why in explained[: 1 if agreed else None])
        if other is not None:
            return Why(because=f"nobody knows what took it: {told}; or operation {other.id} {OR_RACE}")
        return explained[0] if agreed else Why(because=f"nobody knows which node acked it: {told}")
    rival = _rival(timelines, effect)
    if rival is not None:
        because = (
            f"operation {rival.operation.id} wrote to the same session at the same time: an application that "
            "stores a session whole loses one of two such writes"
        )
        return Why(cause=Cause.APPLICATION_RACE, because=because)
    return Why(because=NO_NODE)


def _rival(timelines: Timelines, effect: StepEffect) -> StepEffect | None:
    """Another acked write to the session that was under way together with this one."""
    timeline = timelines.sessions.get(effect.operation.session)
    writes = () if timeline is None else timeline.writes
    return next(
        (
            one
            for one in writes
            if one.operation is not effect.operation
            and one.certain
            and one.first_us <= effect.done_us
            and one.done_us >= effect.sent_us
        ),
        None,
    )


def _beside(timelines: Timelines, effect: StepEffect) -> Operation | None:
    """Another request of a guest's session, answered, that was under way together with this one."""
    timeline = timelines.sessions.get(effect.operation.session)
    if not timelines.of_guest or timeline is None or effect is timeline.created:
        return None
    if (rival := _rival(timelines, effect)) is not None:
        return rival.operation
    return next(
        (
            one.operation
            for one in timeline.sights
            if one.operation is not None
            and one.operation is not effect.operation
            and one.sent_us <= effect.done_us
            and one.done_us >= effect.sent_us
        ),
        None,
    )


def _lost_after(timelines: Timelines, effect: StepEffect, by: Acker, shard: int, seen_us: float) -> Why:
    """Why what a node acked was gone later."""
    assert by.node is not None
    if by.replaced:
        return Why(because=f"{by.node} acked it {_AS_ANOTHER}")
    following = timelines.ownership.owner_after(by.node, effect.done_us)
    for reborn in timelines.ownership.reborn:
        until_us = seen_us if following is None else min(seen_us, following.from_us)
        if (
            reborn.shard == shard
            and reborn.since_us <= effect.done_us
            and effect.sent_us <= reborn.by_us
            and reborn.from_us <= until_us
            and not _seen_since(timelines, effect, reborn.by_us, seen_us)
        ):
            return Why(cause=reborn.cause, because=reborn.why)
    if following is None or following.from_us > seen_us:
        return Why(
            because=f"{by.node} acked it as {by.role or 'an unknown node'}, and no other node was "
            f"promoted since"
        )
    behind = _left_behind_by(timelines, effect, by, seen_us)
    heir, placed = behind.heir, behind.placed
    if heir is None:
        return Why(because=f"{by.node} acked it, and {placed}")
    lived = _last_seen_there(timelines, effect, by)
    if lived is not None and not lived.held:
        return Why(because=f"{by.node} acked it, but did not have it when it was read ({lived.moment})")
    told = [placed] if placed else []
    told += [] if lived is None else [f"{by.node} still had it when it was read ({lived.moment})"]
    if behind.forgot is not None:
        because = f"{by.node} acked it, and {heir.node} had it; then {behind.forgot.why}, and was promoted"
        why = Why(cause=Cause.NEW_PRIMARY_RESTARTED, because=because)
    elif heir is following:
        why = _by_time(effect, by, heir, never_had=bool(placed))
    elif by.standing is Standing.PRIMARY:
        why = Why(cause=Cause.NOT_YET_REPLICATED, because=f"{by.node} acked it, and {following.node} had it")
    else:
        why = Why(
            because=f"{by.node} acked it after {following.node} had been promoted, but "
            f"{following.node} had it"
        )
    return Why(cause=why.cause, because="; ".join([why.because, *told]))


@dataclass(frozen=True, slots=True)
class _Lived:
    held: bool
    moment: str


def _last_seen_there(timelines: Timelines, effect: StepEffect, by: Acker) -> _Lived | None:
    """Whether the process that acked a write still had it shortly before it lost its data; None: it was
    not read, or the write leaves no witness."""
    witness, session = effect.step.witness, effect.step.session or effect.operation.session
    if witness is None or not by.run_id:
        return None
    found = timelines.last_looks.whereabouts(session, witness, effect.done_us)
    for held, entries in ((True, found.held), (False, found.lacked)):
        theirs = [one for one in entries if one.node == by.node and one.run_id == by.run_id]
        if theirs:
            return _Lived(held, timelines.last_looks.moment(theirs[-1]))
    return None


@dataclass(frozen=True, slots=True)
class _Behind:
    """The first new primary that may have been without an effect when it was promoted."""

    heir: Owner | None
    """None: each of them had it, so no promotion explains the loss."""
    placed: str = ""
    """What the offsets say of it."""
    forgot: Restart | None = None
    """The heir had it, and came back as another process without it before it was promoted."""


def _left_behind_by(timelines: Timelines, effect: StepEffect, by: Acker, seen_us: float) -> _Behind:
    assert by.node is not None
    span = _span(timelines, effect)
    heirs = timelines.ownership.heirs(by.node, effect.done_us)
    if span is None:
        return _Behind(next(heirs, None))
    had = ""
    for heir in heirs:
        if heir.from_us > seen_us:
            break
        cut = timelines.ownership.offsets.cut(heir.node, heir.from_us, span.stream)
        where = Side.UNKNOWN if cut is None else side(span, cut)
        reached = "" if cut is None else f"{heir.node} had replicated to offset {cut.offset}"
        if cut is None or where is not Side.BELOW:
            placed = f"{reached}, and this write lies above {span.low}" if where is Side.ABOVE else ""
            return _Behind(heir, placed, _forgot(timelines, effect, span, heir))
        had = f"{reached} when it was promoted, which includes this write"
        span = replace(span, stream=cut.stream)
    return _Behind(None, had)


def _forgot(timelines: Timelines, effect: StepEffect, span: Span, heir: Owner) -> Restart | None:
    """The restart by which a replica lost what it had had, if it had not followed as far again when it was
    promoted."""
    offsets, forgot = timelines.ownership.offsets, None
    for one in timelines.ownership.restarts:
        if one.node != heir.node or one.from_us >= heir.by_us:
            continue
        if offsets.reached_us(one.node, span, one.from_us, one.was) < FOREVER:
            kept = one.from_log and (one.cause is None or effect.done_us < one.since_us)
            forgot = None if kept else one
        if offsets.reached_us(one.node, span, heir.from_us, one.run_id) <= heir.from_us:
            forgot = None
    return forgot


def _by_time(effect: StepEffect, by: Acker, heir: Owner, *, never_had: bool) -> Why:
    """Which side of the promotion it was acked on. `never_had`: the offsets prove that the new primary did
    not have it, so it was one side or the other, however long the promotion may have taken."""
    if by.standing is Standing.DEPOSED:
        ago_s = (effect.sent_us - heir.by_us) / 1e6
        because = f"{by.node} acked it {ago_s:.2f} s or more after {heir.node} had been promoted"
        return Why(cause=Cause.SPLIT_BRAIN, because=because)
    if by.standing is Standing.CHANGING:
        because = f"{by.node} acked it while {heir.node} was being promoted"
        return Why(cause=Cause.AT_PROMOTION if never_had else _at_promotion(heir), because=because)
    if by.standing is Standing.PRIMARY:
        left_s = (heir.from_us - effect.done_us) / 1e6
        because = f"{by.node} acked it {left_s:.2f} s before {heir.node}, which did not have it, was promoted"
        return Why(cause=Cause.NOT_YET_REPLICATED, because=because)
    return Why(because=f"{by.node} was not primary in any sample")


def _by_replica(timelines: Timelines, sight: Sight, by: Acker, promise: StepEffect | None) -> Why:
    """It had not followed that far; unless its own offset, told before it was asked, says that it had."""
    because = f"{by.node}, a replica, answered"
    if by.replaced:
        return Why(because=f"{because} {_AS_ANOTHER}")
    made = None if promise is None else _span(timelines, promise)
    if by.node is not None and made is not None and made.high is not None:
        reached = timelines.ownership.offsets.followed(by.node, by.run_id, made.stream, sight.sent_us)
        if reached is not None and reached >= made.high:
            return Why(
                because=f"{because}, although it had replicated to offset {reached}, which includes "
                f"this write"
            )
    return Why(cause=Cause.NOT_YET_REPLICATED, because=because)


def _span(timelines: Timelines, effect: StepEffect) -> Span | None:
    by = acker(timelines, effect)
    if by.node is None:
        return None
    return timelines.ownership.offsets.span(by.node, by.run_id, effect.sent_us, effect.done_us)


def _at_promotion(heir: Owner | None) -> Cause:
    """Of a promotion that is not known to a moment, nothing is said."""
    return Cause.AT_PROMOTION if heir is None or heir.close else Cause.NOT_DETERMINED


def of_old_answer(timelines: Timelines, sight: Sight, promise: StepEffect | None) -> Why:
    """Why somebody was shown something that was no longer so. `promise`: what had changed it."""
    if sight.step is not None and sight.step.command == FROM_MEMORY and sight.operation is not None:
        because = f"{sight.operation.web_server} looked at a copy in its own memory"
        return Why(cause=Cause.APPLICATION_RACE, because=because)
    by = watcher(timelines, sight)
    taken = None if by.node is None else timelines.ownership.owner_after(by.node, sight.done_us)
    if by.standing is Standing.DEPOSED:
        who = "another node" if taken is None else taken.node
        return Why(cause=Cause.SPLIT_BRAIN, because=f"{by.node} answered after {who} had been promoted")
    if by.standing is Standing.CHANGING:
        return Why(
            cause=_at_promotion(taken), because=f"{by.node} answered while another node was being promoted"
        )
    if by.standing is Standing.REPLICA:
        return _by_replica(timelines, sight, by, promise)
    if (
        promise is not None
        and by.standing is Standing.PRIMARY
        and by.node is not None
        and _another(timelines, by, promise)
    ):
        # It answered rightly, and did not have what another node, or the process before it, had acked.
        return of_loss(timelines, promise, sight, timelines.ownership.shards.of(by.node, sight.done_us) or 0)
    return Why(because="" if by.node is None else f"{by.node} answered as {by.role or 'an unknown node'}")


def _seen_since(timelines: Timelines, effect: StepEffect, from_us: float, to_us: float) -> bool:
    """Whether a session that somebody logged in was shown in between, by who had the right to: whatever
    happened before did not take it away."""
    timeline = timelines.sessions.get(effect.operation.session)
    if timeline is None or effect is not timeline.created:
        return False
    return any(
        from_us < one.sent_us
        and one.done_us <= to_us
        and one.state is State.PRESENT
        and watcher(timelines, one).standing is Standing.PRIMARY
        for one in timeline.sights
    )


def _another(timelines: Timelines, by: Acker, promise: StepEffect) -> bool:
    """Another node, or another process of the same one, acked it."""
    acked = acker(timelines, promise)
    if acked.node == by.node:
        return bool(acked.run_id and by.run_id) and acked.run_id != by.run_id
    return acked.node is not None


def _carried_off(timelines: Timelines, timeline: Timeline, entered: StepEffect) -> Why | None:
    """That somebody deleted the whole list since the session was entered, read without it; None: nobody did,
    or the list had lacked it when it was read."""
    for one in timeline.carried_off:
        if one.until_us >= entered.first_us and not _lacked(timelines, one.operation, entered):
            did = f"operation {one.operation.id} deleted the whole list, and had read it without this session"
            return Why(cause=Cause.APPLICATION_RACE, because=did)
    return None


def of_lost_entry(
    timelines: Timelines, timeline: Timeline, entered: StepEffect, seen: Sight | None, by_us: float
) -> Why:
    """Why a user's list lacked a session when it was looked at: the whole list went, or the entry alone."""
    gone = _list_evicted(timelines, entered, by_us) or _carried_off(timelines, timeline, entered)
    return gone or of_loss(timelines, entered, seen, timeline.shard)


def _list_evicted(timelines: Timelines, entered: StepEffect, by_us: float) -> Why | None:
    """That a node reported the eviction of the whole list, between this entry and a look; None: none did."""
    for event in timelines.history.events:
        if event.name != "evicted" or event.key != entered.step.key:
            continue
        if entered.sent_us <= event.t_us and event.t_us - event.error_us <= by_us:
            return Why(cause=Cause.EVICTED, because="the list itself was evicted")
    return None


def _lacked(timelines: Timelines, operation: Operation, entered: StepEffect) -> bool:
    """Whether a primary answered this operation, asked after the entry was acked: it was gone by then."""
    reads = (nothing_seen(operation, one) for one in operation.steps if one.does is StepKind.INDEX_READ)
    return any(
        one.sent_us > entered.done_us and watcher(timelines, one).standing is Standing.PRIMARY
        for one in reads
    )
