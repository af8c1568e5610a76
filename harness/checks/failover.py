"""A failover broken into its steps, per shard, on the run's clock: this tells which knob to turn.

From the effect that set it off (t = 0) over suspicion, agreement, election and promotion to the
last client that noticed. A step that was not seen is listed all the same, with the reason. Nothing
is judged here. Trap: who answered is told by the connection's run_id, never by a node's name: a
restarted node keeps its name, and a deposed primary keeps both until it is demoted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.checks.columns import NONE, Words, integers
from harness.checks.moments import effects, shard_of
from harness.checks.traffic import answering_connections, traffic_of
from harness.model.history import History
from harness.model.judgement import FailoverStep, Finding
from harness.model.records import Connection, Event, NodeSample
from harness.model.table import rows_of
from harness.model.words import TopologyKind

NOTICED = (
    ("suspected first", "suspected"),
    ("suspected by quorum", "suspected-by-quorum"),
    ("agreed", "agreed"),
    ("elected", "elected"),
    ("promoted", "promoted"),
    ("topology published", "published"),
)
"""Step -> the event's name."""

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
    """The fault's effect that a shard's steps count from."""

    shard: int
    effect: Event
    promoted: Event | None

    @property
    def earliest_us(self) -> int:
        """The effect may have begun this early; what happened before cannot be its consequence."""
        return self.effect.t_us - self.effect.error_us


def failover_steps(history: History, findings: Iterable[Finding] = ()) -> tuple[FailoverStep, ...]:
    """Twelve steps for every shard that a fault hit or that got a new primary; none without a fault."""
    stale = [one for one in findings if one.name == "stale-read"]
    found: list[FailoverStep] = []
    for trigger in _triggers(history):
        found += _steps(history, trigger, [one for one in stale if one.shard in {None, trigger.shard}])
    return tuple(found)


def promotions(history: History, shard: int | None = None) -> int:
    """New primaries seen after the first fault. Several reporters of one promotion count once."""
    begun = effects(history)
    if not begun:
        return 0
    since_us = begun[0].t_us - begun[0].error_us
    latest: dict[int | None, str | None] = {}
    count = 0
    for event in sorted(_named(history, "promoted", since_us), key=lambda one: one.t_us):
        where = shard_of(history, event)
        if shard in {None, where} and (where not in latest or latest[where] != event.node):
            count += 1
            latest[where] = event.node
    return count


def _triggers(history: History) -> list[Trigger]:
    begun = effects(history)
    if not begun:
        return []
    promoted: dict[int, Event] = {}
    for event in _named(history, "promoted", begun[0].t_us - begun[0].error_us):
        promoted.setdefault(shard_of(history, event) or 1, event)
    sessions = set(np.flatnonzero(np.bincount(traffic_of(history).shard)).tolist())
    hit = {shard for event in begun if (shard := shard_of(history, event)) is not None} & sessions
    return [
        Trigger(shard=shard, effect=_set_off(begun, promoted.get(shard)), promoted=promoted.get(shard))
        for shard in sorted(hit | set(promoted))
    ]


def _set_off(begun: Sequence[Event], promoted: Event | None) -> Event:
    """The last effect before the promotion: with replication cut and then the primary killed, the kill."""
    if promoted is None:
        return begun[0]
    before = [event for event in begun if event.t_us - event.error_us <= promoted.t_us]
    return before[-1] if before else begun[0]


def _steps(history: History, trigger: Trigger, stale: Sequence[Finding]) -> list[FailoverStep]:
    effect = trigger.effect
    steps = [_step(trigger, "fault effect", effect.t_us, effect.error_us, effect.source)]
    for step, name in NOTICED:
        steps.append(_noticed(history, trigger, step, name))
    steps.append(_first_error(history, trigger))
    steps.append(_redirected(history, trigger))
    steps.append(_first_new_write(history, trigger))
    steps.append(_last_deposed_ack(history, trigger))
    steps.append(_last_stale_read(stale, trigger))
    return steps


def _noticed(history: History, trigger: Trigger, step: str, name: str) -> FailoverStep:
    primary = _primary_before(history, trigger)
    for event in _named(history, name, trigger.earliest_us):
        about_it = shard_of(history, event) in {None, trigger.shard}
        if step in ABOUT_THE_OLD and primary is not None and event.node not in {None, primary.node}:
            about_it = False
        if about_it:
            return _step(trigger, step, event.t_us, event.error_us + trigger.effect.error_us, event.source)
    if history.plan.scenario.deployment.topology.kind is TopologyKind.CLUSTER:
        return _missing(trigger, step, "not seen in the nodes' views or logs")
    voters = len(history.plan.sentinels())
    return _missing(trigger, step, "not reported by any sentinel" if voters else "nobody votes here")


def _first_error(history: History, trigger: Trigger) -> FailoverStep:
    traffic, attempts = traffic_of(history), history.table.attempts
    rows, done_us = rows_of(attempts), integers(attempts, "done_us")
    result = Words(attempts, "result")
    wrong = result.which(lambda text: text not in {"reply", "cancelled"})
    wrong &= (traffic.shard[rows] == trigger.shard) & (done_us != NONE) & (done_us >= trigger.earliest_us)
    if not wrong.any():
        return _missing(trigger, "client's first error", "no client saw an error")
    t_us = int(done_us[wrong].min())
    web_server, what = min(
        (traffic.web_servers[traffic.web_server[rows[n]]], result.names()[result.codes[n]])
        for n in np.flatnonzero(wrong & (done_us == t_us)).tolist()
    )
    return _step(trigger, "client's first error", t_us, 0, f"{web_server}: {what}")


def _redirected(history: History, trigger: Trigger) -> FailoverStep:
    """By the client's own report, else its first new connection to the promoted node."""
    for event in _named(history, "redirected", trigger.earliest_us):
        if shard_of(history, event) in {None, trigger.shard}:
            return _step(trigger, "client redirected", event.t_us, event.error_us, event.source)
    if trigger.promoted is None:
        return _missing(trigger, "client redirected", "no promotion was seen")
    opened = [
        (one.opened_us, one.web_server)
        for one in history.connections
        if one.node == trigger.promoted.node and one.opened_us >= trigger.earliest_us
    ]
    if not opened:
        return _missing(trigger, "client redirected", "no client connected to the new primary")
    t_us, web_server = min(opened)
    return _step(trigger, "client redirected", t_us, 0, web_server)


def _first_new_write(history: History, trigger: Trigger) -> FailoverStep:
    name = "first write acked by the new primary"
    old = _primary_before(history, trigger)
    if old is None:
        return _missing(trigger, name, "which process was primary before is not known")
    newer = _acked_writes(history, trigger, trigger.earliest_us, lambda one: one.run_id != old.run_id)
    if not newer:
        return _missing(trigger, name, "no write was acked by another process than before")
    t_us, run_id, node = newer[0]
    return _step(trigger, name, t_us, 0, f"{node} ({run_id[:8]})")


def _last_deposed_ack(history: History, trigger: Trigger) -> FailoverStep:
    name = "last ack by the deposed primary"
    old, promoted = _primary_before(history, trigger), trigger.promoted
    if promoted is None:
        return _missing(trigger, name, "no promotion was seen")
    if old is None:
        return _missing(trigger, name, "which process was primary before is not known")
    late = _acked_writes(history, trigger, promoted.t_us, lambda one: one.run_id == old.run_id)
    if not late:
        return _missing(trigger, name, "it acked nothing after the promotion")
    t_us, run_id, node = late[-1]
    return _step(trigger, name, t_us, 0, f"{node} ({run_id[:8]})")


def _last_stale_read(stale: Iterable[Finding], trigger: Trigger) -> FailoverStep:
    seen = [one for one in stale if one.seen_us is not None and one.seen_us >= trigger.earliest_us]
    if not seen:
        return _missing(trigger, "last stale read", "no stale read was seen")
    last = max(seen, key=lambda one: one.seen_us or 0)
    return _step(trigger, "last stale read", last.seen_us or 0, 0, last.web_server or "")


def _acked_writes(
    history: History, trigger: Trigger, since_us: int, by: Callable[[Connection], bool]
) -> list[tuple[int, str, str]]:
    """(done, run_id, node) of acked, effective changes since then, answered over such connections: the
    first and the last of them, with all of the same moments."""
    known = {one.id: one for one in history.connections if one.run_id and by(one)}
    if not known:
        return []
    traffic = traffic_of(history)
    chosen = traffic.mutates & traffic.succeeded & (traffic.shard == trigger.shard)
    rows = np.flatnonzero(chosen & (traffic.done_us >= since_us))
    connection, answered = answering_connections(history.table, rows)
    rows, connection = rows[answered], connection[answered]
    mine = np.isin(connection, np.fromiter(known, np.int64, len(known)))
    rows, connection = rows[mine], connection[mine]
    if not len(rows):
        return []
    done_us = traffic.done_us[rows]
    ends = np.flatnonzero((done_us == done_us.min()) | (done_us == done_us.max())).tolist()
    acks = ((int(done_us[n]), known[int(connection[n])]) for n in ends)
    return sorted((t_us, one.run_id, one.node) for t_us, one in acks)


def _primary_before(history: History, trigger: Trigger) -> NodeSample | None:
    """The last look at the shard's primary before the fault took effect."""
    nodes = {node.name for node in history.plan.data_nodes() if node.shard == trigger.shard}
    for sample in reversed(history.samples):
        before = sample.done_us <= trigger.earliest_us
        if before and sample.reachable and sample.role == "primary" and sample.node in nodes:
            return sample
    return None


def _named(history: History, name: str, since_us: int) -> list[Event]:
    return [event for event in history.events if event.name == name and event.t_us >= since_us]


def _step(trigger: Trigger, step: str, t_us: int, error_us: int, source: str) -> FailoverStep:
    return FailoverStep(
        step=step,
        shard=trigger.shard,
        t_s=(t_us - trigger.effect.t_us) / 1e6,
        error_s=error_us / 1e6,
        source=source,
    )


def _missing(trigger: Trigger, step: str, reason: str) -> FailoverStep:
    return FailoverStep(step=step, shard=trigger.shard, t_s=None, reason=reason)
