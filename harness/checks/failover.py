"""A failover broken into its steps, per shard, on the run's clock: this tells which knob to turn.

From the effect that set it off (t = 0) over suspicion, agreement, election and promotion to the
last client that noticed. A step that was not seen is listed all the same, with the reason. Nothing
is judged here. Trap: who answered is told by the connection's run_id, never by a node's name: a
restarted node keeps its name, and a deposed primary keeps both until it is demoted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.checks.moments import answering_connection, by_id, effects, is_mutation, shard_of, succeeded
from harness.model.history import History
from harness.model.judgement import FailoverStep, Finding
from harness.model.records import Event, NodeSample, Operation
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
    sessions = {operation.shard for operation in history.operations}
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
    operations = [one for one in history.operations if one.shard == trigger.shard]
    effect = trigger.effect
    steps = [_step(trigger, "fault effect", effect.t_us, effect.error_us, effect.source)]
    for step, name in NOTICED:
        steps.append(_noticed(history, trigger, step, name))
    steps.append(_first_error(operations, trigger))
    steps.append(_redirected(history, trigger))
    steps.append(_first_new_write(history, operations, trigger))
    steps.append(_last_deposed_ack(history, operations, trigger))
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


def _first_error(operations: Iterable[Operation], trigger: Trigger) -> FailoverStep:
    errors = [
        (attempt.done_us, operation.web_server, attempt.result)
        for operation in operations
        for attempt in operation.attempts
        if attempt.done_us is not None
        and attempt.done_us >= trigger.earliest_us
        and attempt.result not in {"reply", "cancelled"}
    ]
    if not errors:
        return _missing(trigger, "client's first error", "no client saw an error")
    t_us, web_server, result = min(errors)
    return _step(trigger, "client's first error", t_us, 0, f"{web_server}: {result}")


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


def _first_new_write(history: History, operations: Iterable[Operation], trigger: Trigger) -> FailoverStep:
    name = "first write acked by the new primary"
    old = _primary_before(history, trigger)
    if old is None:
        return _missing(trigger, name, "which process was primary before is not known")
    for t_us, run_id, node in _acked_writes(history, operations, trigger.earliest_us):
        if run_id != old.run_id:
            return _step(trigger, name, t_us, 0, f"{node} ({run_id[:8]})")
    return _missing(trigger, name, "no write was acked by another process than before")


def _last_deposed_ack(history: History, operations: Iterable[Operation], trigger: Trigger) -> FailoverStep:
    name = "last ack by the deposed primary"
    old, promoted = _primary_before(history, trigger), trigger.promoted
    if promoted is None:
        return _missing(trigger, name, "no promotion was seen")
    if old is None:
        return _missing(trigger, name, "which process was primary before is not known")
    late = [one for one in _acked_writes(history, operations, promoted.t_us) if one[1] == old.run_id]
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
    history: History, operations: Iterable[Operation], since_us: int
) -> list[tuple[int, str, str]]:
    """(done, run_id, node) of every acked, effective change since then, in the order of their acks."""
    connections = by_id(history.connections)
    found = []
    for operation in operations:
        if operation.done_us is None or operation.done_us < since_us or not is_mutation(operation):
            continue
        answered = answering_connection(operation, connections) if succeeded(operation) else None
        if answered is not None and answered[1].run_id:
            found.append((operation.done_us, answered[1].run_id, answered[1].node))
    return sorted(found)


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
