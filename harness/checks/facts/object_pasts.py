"""What was done to objects that are no sessions (`harness.objects`), and what was seen of them, key by key.

Steps on objects are all over a history, and most say nothing: somebody asked for a revocation that nobody had
made. So whoever is quiet is left out at once, for all keys together: keys that nobody changed and where
everybody saw nothing. Only the operations on the others become records.

Trap: `Timelines` may hold a part of the operations. What is known of objects is made of the whole history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.checks.columns.arrays import Flags, Integers, Words
from harness.checks.columns.traffic import traffic_of
from harness.checks.facts.step_effects import Sight, State, StepEffect, effect_of, nothing_seen
from harness.checks.facts.timelines import Timeline, Timelines
from harness.costly import np
from harness.model.history import History
from harness.model.records import AuditEntry, ObjectEntry, Operation, Step
from harness.model.table import rows_of
from harness.model.times import FOREVER
from harness.model.words import NodeRole, Outcome, StepKind
from harness.objects import object_of
from harness.objects.kind import (
    CHANGES,
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
    """Of every key that is not quiet."""
    history = timelines.facts.history
    entries = _of_primaries(timelines, history)
    names = _loud(history) | {key for key, entry in entries.items() if entry.saw}
    rows = _rows_on(history, names)
    found: dict[str, ObjectPast] = {}
    for operation in history.table.take(rows).records():
        for step in operation.steps:
            if step.does in ON_OBJECTS and step.key in names:
                kind = object_of(step.key)
                if kind is not None:
                    found.setdefault(step.key, ObjectPast(kind, step.key)).take(timelines, operation, step)
    for key, entry in entries.items():
        if key in found:
            found[key].audit(entry)
    return list(found.values())


def _loud(history: History) -> set[str]:
    """The keys that somebody changed, or where somebody saw something."""
    found = set[str]()
    if not traffic_of(history).on_objects.any():
        return found
    for _, part in history.table.parts({"steps": ("does", "key", "saw")}):
        does = Words(part.steps, "does")
        on_objects = _on_objects(does)
        if on_objects.any():
            saw = Words(part.steps, "saw")
            changes = does.which({str(one) for one in CHANGES}.__contains__)
            says = on_objects & (changes | (saw.known & ~saw.equal("{}")))
            found.update(Words(part.steps, "key").at(says))
    return found


def _rows_on(history: History, names: set[str]) -> Integers:
    """The operations with a step on one of these objects."""
    found = [np.zeros(0, np.int64)]
    for these, part in history.table.parts({"steps": ("does", "key")}) if names else ():
        asked = _on_objects(Words(part.steps, "does")) & Words(part.steps, "key").which(names.__contains__)
        found.append(np.unique(rows_of(part.steps)[asked]) + these.start)
    rows: Integers = np.concatenate(found)
    return rows


def _on_objects(does: Words) -> Flags:
    return does.which({str(one) for one in ON_OBJECTS}.__contains__)


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


def _of_primaries(timelines: Timelines, history: History) -> dict[str, ObjectEntry]:
    """What the primary of each object's shard told the audit; of several that call themselves so, the one
    that was promoted last."""
    said: dict[str, list[ObjectEntry]] = defaultdict(list)
    for entry in history.valid_objects():
        if entry.role == NodeRole.PRIMARY:
            said[entry.key].append(entry)
    return {key: one for key, entries in said.items() if (one := _owners(timelines, entries)) is not None}


def _owners(timelines: Timelines, entries: Sequence[ObjectEntry]) -> ObjectEntry | None:
    if len(entries) == 1:
        return entries[0]
    for entry in entries:
        shard = timelines.ownership.shards.of(entry.node, entry.sent_us)
        if shard is not None and timelines.ownership.owner_at(shard, entry.sent_us) == entry.node:
            return entry
    return None


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
