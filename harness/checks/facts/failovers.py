"""Each failover broken into its steps, on the run's clock: this tells which knob to turn.

One list per failover, from the effect that set it off (t = 0) over suspicion, agreement, election and
promotion to the last client that noticed; also for one that was due and never came about, with the last
word of those who gave it up. A step that was not seen is listed all the same, with the reason. Nothing
is judged here. Trap: who answered is told by the connection's run_id, never by a node's name: a
restarted node keeps its name, and a deposed primary keeps both until it is demoted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.checks.columns.arrays import NONE, Words, integers
from harness.checks.columns.traffic import Traffic, answering_connections
from harness.checks.facts.no_successor import aborted, last_word
from harness.checks.facts.of_run import Facts
from harness.checks.facts.promotions import Owner
from harness.checks.facts.struck import targets_of
from harness.costly import np, pa
from harness.model.attempt_results import CANCELLED, REPLY
from harness.model.judgement import FailoverStep, Finding
from harness.model.records import Connection, Event, NodeSample
from harness.model.table import rows_of
from harness.model.words import NodeRole, Trait

NOTICED = (
    ("suspected first", "suspected"),
    ("suspected by quorum", "suspected-by-quorum"),
    ("agreed", "agreed"),
    ("elected", "elected"),
    ("promoted", "promoted"),
    ("topology published", "published"),
)
"""Step -> the event's name."""

DOUBTS = ("suspected", "agreed", "elected")

ABOUT_THE_OLD = frozenset({"suspected first", "suspected by quorum", "agreed"})
"""Steps about the old primary: a replica or sentinel that is taken for dead starts no failover."""

STEPS = (
    "fault effect",
    *(step for step, _ in NOTICED),
    "client's first error",
    "client redirected",
    "first write acked by the new primary",
    "last ack by the deposed primary",
    "last stale read",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One failover of a shard, or one that never came about, and the effect that its steps count from."""

    shard: int
    number: int
    effect: Event
    old: Owner
    """Who was primary before."""
    taken: Owner | None
    """Who took over; None: nobody."""
    begin_us: float
    """What happened before cannot be a step of it."""
    until_us: float = float("inf")
    """What happened from here on belongs to the next one."""

    def covers(self, t_us: float) -> bool:
        return self.begin_us <= t_us < self.until_us


def failover_steps(facts: Facts, stale_reads: Sequence[Finding] = ()) -> tuple[FailoverStep, ...]:
    """Twelve steps for every failover, also for one that was due and never came; none without a fault, and
    none where there is nobody to fail over to."""
    found: list[FailoverStep] = []
    for trigger in triggers(facts):
        if trigger.taken is None and not _has_replica(facts, trigger):
            continue
        found += _steps(facts, trigger, [one for one in stale_reads if one.shard in {None, trigger.shard}])
    return tuple(found)


def _has_replica(facts: Facts, trigger: Trigger) -> bool:
    of = facts.shards.of
    return any(
        node.name != trigger.old.node and of(node.name, trigger.begin_us) == trigger.shard
        for node in facts.history.plan.data_nodes()
    )


def promotions(facts: Facts, shard: int | None = None) -> int:
    """New primaries since the first fault (in a run without one, since the baseline began), whoever told of
    them."""
    landmarks = facts.landmarks
    since_us = landmarks.begin_us if landmarks.danger_us is None else landmarks.danger_us[0]
    return len(facts.ownership.failovers(since_us, shard))


def triggers(facts: Facts) -> list[Trigger]:
    """Per shard, in order: each failover, then what struck a primary and led to none."""
    begun = facts.history.effects
    if not begun:
        return []
    sessions = set(np.flatnonzero(np.bincount(facts.traffic.shard)).tolist())
    hit = {shard for event in begun if (shard := facts.shards.of_event(event)) is not None} & sessions
    found: list[Trigger] = []
    for shard, owners in sorted(facts.ownership.owners.items()):
        mine = _taken(facts, shard, owners, begun)
        last_us = mine[-1].begin_us if mine else float("-inf")
        pending = _pending(facts, owners, begun, last_us)
        if pending is None and not mine and shard in hit:
            first = next(event for event in begun if facts.shards.of_event(event) == shard)
            pending = first, owners[0]
        if pending is not None:
            effect, old = pending
            begin_us = max(_earliest_us(effect), old.by_us)
            mine.append(
                Trigger(
                    shard=shard, number=len(mine) + 1, effect=effect, old=old, taken=None, begin_us=begin_us
                )
            )
        found += [replace(one, until_us=following.begin_us) for one, following in pairwise(mine)] + mine[-1:]
    return found


def _taken(facts: Facts, shard: int, owners: Sequence[Owner], begun: Sequence[Event]) -> list[Trigger]:
    since_us = _earliest_us(begun[0])
    found: list[Trigger] = []
    for old, taken in pairwise(owners):
        if old.node == taken.node or taken.by_us < since_us:
            continue
        before = [event for event in begun if _earliest_us(event) <= taken.by_us]
        struck = [event for event in before if _strikes(facts, event, old)]
        effect = (struck or before)[-1]
        begin_us: float = _earliest_us(effect)
        if begin_us < old.by_us:
            begin_us = _first_doubt_us(facts, old, taken)
        found.append(
            Trigger(
                shard=shard, number=len(found) + 1, effect=effect, old=old, taken=taken, begin_us=begin_us
            )
        )
    return found


def _first_doubt_us(facts: Facts, old: Owner, taken: Owner) -> float:
    """When one began that no fault caused: somebody took the primary for dead, else it was replaced."""
    doubts = (
        event.t_us
        for event in facts.history.events
        if event.name in DOUBTS and event.node == old.node and old.by_us < event.t_us < taken.from_us
    )
    return min(doubts, default=taken.from_us)


def _pending(
    facts: Facts, owners: Sequence[Owner], begun: Sequence[Event], after_us: float
) -> tuple[Event, Owner] | None:
    """The last effect that struck the shard's last primary, if that had none of the failovers for effect."""
    old = owners[-1]
    struck = [
        event
        for event in begun
        if _strikes(facts, event, old) and old.from_us <= event.t_us and _earliest_us(event) > after_us
    ]
    return (struck[-1], old) if struck else None


def _strikes(facts: Facts, event: Event, owner: Owner) -> bool:
    causing = facts.history.plan.scenario.faults_with(Trait.CAUSES_FAILOVER)
    return event.fault in causing and owner.node in targets_of(event, facts.history)


def _earliest_us(effect: Event) -> int:
    return effect.t_us - effect.error_us


def _steps(facts: Facts, trigger: Trigger, stale: Sequence[Finding]) -> list[FailoverStep]:
    effect = trigger.effect
    steps = [_step(trigger, "fault effect", effect.t_us, effect.error_us, effect.source)]
    for step, name in NOTICED:
        if name == "elected":
            steps.append(_elected(facts, trigger))
        elif name == "promoted":
            steps.append(_promoted(facts, trigger))
        else:
            steps.append(_noticed(facts, trigger, step, name))
    steps.append(_first_error(facts, trigger))
    steps.append(_redirected(facts, trigger))
    steps.append(_first_new_write(facts, trigger))
    steps.append(_last_deposed_ack(facts, trigger))
    steps.append(_last_stale_read(stale, trigger))
    return steps


def _noticed(facts: Facts, trigger: Trigger, step: str, name: str) -> FailoverStep:
    for event in _named(facts, name, trigger):
        if step not in ABOUT_THE_OLD or event.node in {None, trigger.old.node}:
            return _told(trigger, step, event)
    return _missing(trigger, step, _nobody_said(facts))


def _nobody_said(facts: Facts) -> str:
    if facts.history.plan.inventory.clustered:
        return "not seen in the nodes' views or logs"
    return "not reported by any sentinel" if facts.history.plan.sentinels() else "this topology has no votes"


def _elected(facts: Facts, trigger: Trigger) -> FailoverStep:
    """The election that led to the promotion; else the last one, and why nothing came of it."""
    by_us = trigger.until_us if trigger.taken is None else trigger.taken.by_us
    elected = [event for event in _named(facts, "elected", trigger) if event.t_us <= by_us]
    given_up = _given_up(facts, trigger, by_us)
    if not elected:
        return _missing(trigger, "elected", given_up or _nobody_said(facts))
    return replace(_told(trigger, "elected", elected[-1]), reason=given_up)


def _given_up(facts: Facts, trigger: Trigger, by_us: float) -> str:
    """The last attempt that was given up before this moment; empty: none was."""
    heard = [
        event
        for event in facts.history.events
        if trigger.covers(event.t_us) and event.t_us <= by_us and _concerns(facts, event, trigger)
    ]
    word = aborted(heard, facts)
    if word is None:
        return ""
    return f"aborted: {word.text}" if trigger.taken is None else f"aborted before: {word.text}"


def _promoted(facts: Facts, trigger: Trigger) -> FailoverStep:
    taken = trigger.taken
    if taken is None:
        word = last_word(facts, trigger.shard, trigger.begin_us, trigger.until_us)
        return _missing(trigger, "promoted", _given_up(facts, trigger, trigger.until_us) or word.text)
    for event in _named(facts, "promoted", trigger):
        if event.node == taken.node:
            return _told(trigger, "promoted", event)
    error_us = round(taken.by_us - max(taken.from_us, trigger.begin_us)) + trigger.effect.error_us
    return _step(trigger, "promoted", round(taken.by_us), error_us, taken.node)


def _told(trigger: Trigger, step: str, event: Event) -> FailoverStep:
    return _step(trigger, step, event.t_us, event.error_us + trigger.effect.error_us, event.source)


def _first_error(facts: Facts, trigger: Trigger) -> FailoverStep:
    first = min(
        (
            error
            for these, part in facts.history.table.parts({"attempts": ("done_us", "result")})
            if (error := _first_error_of(part.attempts, facts.traffic.where(these), trigger)) is not None
        ),
        default=None,
    )
    if first is None:
        return _missing(trigger, "client's first error", "no client saw an error")
    t_us, web_server, what = first
    return _step(trigger, "client's first error", t_us, 0, f"{web_server}: {what}")


def _first_error_of(attempts: pa.Table, traffic: Traffic, trigger: Trigger) -> tuple[int, str, str] | None:
    """When, at which web server, and what."""
    rows, done_us = rows_of(attempts), integers(attempts, "done_us")
    result = Words(attempts, "result")
    wrong = result.which(lambda text: text not in {REPLY, CANCELLED})
    wrong &= (traffic.shard[rows] == trigger.shard) & (done_us != NONE) & (done_us >= trigger.begin_us)
    wrong &= done_us < trigger.until_us
    if not wrong.any():
        return None
    t_us = int(done_us[wrong].min())
    return min(
        (t_us, traffic.web_servers[traffic.web_server[rows[n]]], result.names()[result.codes[n]])
        for n in np.flatnonzero(wrong & (done_us == t_us)).tolist()
    )


def _redirected(facts: Facts, trigger: Trigger) -> FailoverStep:
    """By the client's own report, else its first new connection to the promoted node."""
    for event in _named(facts, "redirected", trigger):
        return _step(trigger, "client redirected", event.t_us, event.error_us, event.source)
    taken = trigger.taken
    if taken is None:
        return _missing(trigger, "client redirected", "no promotion was seen")
    opened = [
        (one.opened_us, one.web_server)
        for one in facts.history.connections
        if one.node == taken.node and trigger.covers(one.opened_us)
    ]
    if not opened:
        return _missing(trigger, "client redirected", "no client connected to the new primary")
    t_us, web_server = min(opened)
    return _step(trigger, "client redirected", t_us, 0, web_server)


def _first_new_write(facts: Facts, trigger: Trigger) -> FailoverStep:
    name = "first write acked by the new primary"
    old = _primary_before(facts, trigger)
    if old is None:
        return _missing(trigger, name, "which process was primary before is not known")
    newer = _acked_writes(facts, trigger, trigger.begin_us, lambda one: one.run_id != old.run_id)
    if not newer:
        return _missing(trigger, name, "no write was acked by another process than before")
    t_us, run_id, node = newer[0]
    return _step(trigger, name, t_us, 0, f"{node} ({run_id[:8]})")


def _last_deposed_ack(facts: Facts, trigger: Trigger) -> FailoverStep:
    name = "last ack by the deposed primary"
    old, taken = _primary_before(facts, trigger), trigger.taken
    if taken is None:
        return _missing(trigger, name, "no promotion was seen")
    if old is None:
        return _missing(trigger, name, "which process was primary before is not known")
    late = _acked_writes(facts, trigger, taken.by_us, lambda one: one.run_id == old.run_id)
    if not late:
        return _missing(trigger, name, "it acked nothing after the promotion")
    t_us, run_id, node = late[-1]
    return _step(trigger, name, t_us, 0, f"{node} ({run_id[:8]})")


def _last_stale_read(stale: Iterable[Finding], trigger: Trigger) -> FailoverStep:
    seen = [
        (one.seen_us, one.web_server or "")
        for one in stale
        if one.seen_us is not None and trigger.covers(one.seen_us)
    ]
    if not seen:
        return _missing(trigger, "last stale read", "no stale read was seen")
    t_us, web_server = max(seen)
    return _step(trigger, "last stale read", t_us, 0, web_server)


def _acked_writes(
    facts: Facts, trigger: Trigger, since_us: float, by: Callable[[Connection], bool]
) -> list[tuple[int, str, str]]:
    """(done, run_id, node) of acked, effective changes since then, answered over such connections: the
    first and the last of them, with all of the same moments."""
    known = {one.id: one for one in facts.history.connections if one.run_id and by(one)}
    if not known:
        return []
    traffic = facts.traffic
    chosen = traffic.mutates & traffic.succeeded & (traffic.shard == trigger.shard)
    rows = np.flatnonzero(chosen)
    rows = rows[traffic.where(chosen).ended_us >= since_us]
    connection, answered = answering_connections(facts.history.table, rows)
    rows, connection = rows[answered], connection[answered]
    mine = np.isin(connection, np.fromiter(known, np.int64, len(known)))
    rows, connection = rows[mine], connection[mine]
    if not len(rows):
        return []
    done_us = traffic.ended_us[rows]
    ends = np.flatnonzero((done_us == done_us.min()) | (done_us == done_us.max())).tolist()
    acks = ((int(done_us[n]), known[int(connection[n])]) for n in ends)
    return sorted((t_us, one.run_id, one.node) for t_us, one in acks)


def _primary_before(facts: Facts, trigger: Trigger) -> NodeSample | None:
    """The last look at the shard's primary before the fault took effect."""
    for sample in reversed(facts.history.samples):
        if sample.done_us <= trigger.begin_us and sample.reachable and sample.node == trigger.old.node:
            return sample if sample.role == NodeRole.PRIMARY else None
    return None


def _named(facts: Facts, name: str, trigger: Trigger) -> list[Event]:
    """What was told so while the failover lasted, about its shard."""
    return [
        event
        for event in facts.history.events
        if event.name == name and trigger.covers(event.t_us) and _concerns(facts, event, trigger)
    ]


def _concerns(facts: Facts, event: Event, trigger: Trigger) -> bool:
    return facts.shards.of_event(event) in {None, trigger.shard}


def _step(trigger: Trigger, step: str, t_us: int, error_us: int, source: str) -> FailoverStep:
    return FailoverStep(
        step=step,
        shard=trigger.shard,
        failover=trigger.number,
        fault=trigger.effect.fault,
        t_s=(t_us - trigger.effect.t_us) / 1e6,
        error_s=error_us / 1e6,
        source=source,
    )


def _missing(trigger: Trigger, step: str, reason: str) -> FailoverStep:
    return FailoverStep(
        step=step,
        shard=trigger.shard,
        failover=trigger.number,
        fault=trigger.effect.fault,
        t_s=None,
        reason=reason,
    )
