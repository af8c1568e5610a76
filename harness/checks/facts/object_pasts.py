"""What was done to objects that are no sessions (`harness.objects`), and what was seen of them, key by key.

Steps on objects are all over a history. Only the operations on keys that the screen leaves become records.

Trap: `Timelines` may hold a part of the operations. What is known of objects is made of the whole history.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.checks.columns.arrays import Integers, Words
from harness.checks.columns.traffic import traffic_of
from harness.checks.facts.audited_objects import audited_objects
from harness.checks.facts.step_effects import Sight, State, StepEffect, effect_of, nothing_seen
from harness.checks.facts.timelines import Timeline, Timelines
from harness.costly import np
from harness.model.history import History
from harness.model.records import AuditEntry, ObjectEntry, Operation, Step
from harness.model.table import rows_of
from harness.model.times import FOREVER
from harness.model.words import Outcome, StepKind
from harness.objects import object_of
from harness.objects.kind import (
    LIMIT,
    ON_OBJECTS,
    SOMETHING,
    TOTAL,
    UNTIL,
    VALUE,
    Change,
    Look,
    ObjectKind,
    Past,
)


@dataclass(slots=True)
class ObjectPast:
    """One key: its changes and looks as the object's model takes them, and what they were made of."""

    kind: ObjectKind
    key: str
    changes: list[Change] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    effects: dict[int, StepEffect] = field(default_factory=dict)
    """By `Change.n`."""
    sights: dict[int, Sight] = field(default_factory=dict)
    """By `Look.n`, and by the `Change.n` of an acked step."""
    audited: bool = False
    """The shard's primary told the audit what it holds."""
    _n: int = 0

    def past(self, epsilon_us: float) -> Past:
        return Past(changes=self.changes, looks=self.looks, epsilon_us=epsilon_us)

    def timeline(self, operation: Operation | None) -> Timeline:
        """The object as what a finding is about: the session whose request changed it; of what nobody did
        nobody's."""
        if operation is None:
            return Timeline("", key=self.key)
        return Timeline(operation.session, operation.user, operation.shard, self.key)

    def take(self, timelines: Timelines, operation: Operation, step: Step) -> None:
        self._n += 1
        if step.outcome is Outcome.ACKED:
            self.sights[self._n] = nothing_seen(operation, step)
        if step.does is StepKind.LOOK:
            if step.outcome is Outcome.ACKED and step.saw is not None:
                self._looked(self.kind.looked(step.saw))
            return
        effect = effect_of(operation, step, timelines.gone_us)
        if effect is not None:
            self.effects[self._n] = effect
            self.changes.append(_change(self._n, effect))
        if self.kind.once and step.outcome is Outcome.ACKED and step.effective is not None:
            self._looked(None if step.effective else SOMETHING)

    def audit(self, entry: ObjectEntry) -> None:
        if entry.saw is None:
            return
        self.audited = True
        self._n += 1
        self.sights[self._n] = _audited(entry)
        self._looked(self.kind.looked(entry.saw))

    def _looked(self, value: str | None) -> None:
        sight = self.sights[self._n]
        self.looks.append(Look(n=self._n, value=value, sent_us=sight.sent_us, done_us=sight.done_us))


def object_pasts(timelines: Timelines) -> list[ObjectPast]:
    """Of every key that is to be looked at."""
    history, keys = timelines.facts.history, timelines.objects
    found: dict[str, ObjectPast] = {}
    for operation in history.table.take(_rows_on(history, keys)).records():
        for step in operation.steps:
            if step.does in ON_OBJECTS and (keys is None or step.key in keys):
                kind = object_of(step.key)
                if kind is not None:
                    found.setdefault(step.key, ObjectPast(kind, step.key)).take(timelines, operation, step)
    audited = audited_objects(history)
    for key, past in found.items():
        if key in audited:
            past.audit(audited[key])
    return list(found.values())


def _rows_on(history: History, keys: frozenset[str] | None) -> Integers:
    """The operations with a step on one of these objects; None: on any."""
    everything: Integers = np.flatnonzero(traffic_of(history).on_objects)
    if keys is None or not len(everything):
        return everything
    found = [np.zeros(0, np.int64)]
    for these, part in history.table.parts({"steps": ("does", "key")}) if keys else ():
        asked = Words(part.steps, "does").which({*map(str, ON_OBJECTS)}.__contains__)
        asked &= Words(part.steps, "key").which(keys.__contains__)
        found.append(np.unique(rows_of(part.steps)[asked]) + these.start)
    rows: Integers = np.concatenate(found)
    return rows


def _change(n: int, effect: StepEffect) -> Change:
    step = effect.step
    limit, until = step.wrote.get(LIMIT), step.wrote.get(UNTIL)
    return Change(
        n=n,
        does=step.does,
        value=step.wrote.get(VALUE),
        total=step.added_now.get(TOTAL),
        limit=int(limit) if limit is not None and limit.isdecimal() else None,
        ttl_us=None if step.ttl_ms is None else step.ttl_ms * 1000,
        ends_us=float(until) if until is not None and until.isdecimal() else None,
        certain=effect.certain,
        first_us=effect.first_us,
        sent_us=effect.sent_us,
        done_us=effect.done_us if effect.certain else FOREVER,
        until_us=effect.until_us,
        extra=effect.extra,
        told=effect.operation.told,
    )


def _audited(entry: ObjectEntry) -> Sight:
    return Sight(
        state=State.PRESENT if entry.saw else State.ABSENT,
        sent_us=entry.sent_us,
        done_us=entry.done_us,
        saw=entry.saw or {},
        pttl_ms=entry.pttl_ms,
        entry=AuditEntry(
            pass_n=entry.pass_n,
            session="",
            node=entry.node,
            role=entry.role,
            run_id=entry.run_id,
            sent_us=entry.sent_us,
            done_us=entry.done_us,
            saw=entry.saw,
            pttl_ms=entry.pttl_ms,
        ),
    )
