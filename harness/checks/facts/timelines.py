"""One pass over a history: per session, everything that was done to it and everything that was seen.

Every check reads this and nothing else; nothing here decides what is a broken promise. Sessions are
told apart by id, fields by name; audit entries come from the valid pass only, and only the shard's
primary speaks for the session after recovery.

Trap: a history without a closing line ends where the harness died. Operations in flight then were
never written down, so whatever was seen after `horizon_us` proves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.checks.facts.clock_drift import DRIFT_LIMIT_US
from harness.checks.facts.of_run import Facts, facts_of
from harness.checks.facts.step_effects import (
    Sight,
    State,
    StepEffect,
    answered,
    closed_by_sight,
    effect_of,
    entry_seen,
    found_all,
    found_the_key,
    may_make_the_key,
    nothing_seen,
    removal_of,
    seen_at,
    state_of,
)
from harness.model.history import History
from harness.model.records import (
    MIXED_UP,
    Attempt,
    AuditEntry,
    Connection,
    ForensicEntry,
    Operation,
    Step,
)
from harness.model.times import FOREVER, NEVER
from harness.model.words import FRONT_DOOR, NodeRole, OperationKind, Outcome, StepKind
from harness.objects.kind import ON_OBJECTS
from harness.objects.lease import ON_LEASES
from harness.redis_wire.ends import ends_us

WRITES = (StepKind.WRITE, StepKind.INCREMENT, StepKind.REMOVE_FIELD)

EPSILON_US = 2000
"""Redis keeps TTLs in whole milliseconds, at both ends."""
NOTICEABLE_US = 50_000
"""A deadline that is off by no more is no finding, on any engine: no user can tell, and whoever sets an
idle timeout sets seconds. Where engines before Redis 7.0 add to this, `replayed_timeouts` says."""
UNKNOWN_DRIFT_US = 1_000_000
"""Assumed where no clock was recorded: enough to excuse, far too much to judge deadlines."""
BUFFERED_US = 50_000
"""What the recorder may still have held when the harness was killed."""


@dataclass(slots=True)
class Timeline:
    """One session, by kind of event. Lists are in the order of operation ids; `sights` by `sent_us`."""

    session: str
    user: str = ""
    shard: int = 1
    key: str = ""
    creations: list[StepEffect] = field(default_factory=list)
    destroys: list[StepEffect] = field(default_factory=list)
    denied: list[tuple[Operation, Step]] = field(default_factory=list)
    """Acked destroys that found nothing to destroy."""
    setters: list[StepEffect] = field(default_factory=list)
    """What sets the TTL: log-ins and touches."""
    missed_touches: list[Operation] = field(default_factory=list)
    writes: list[StepEffect] = field(default_factory=list)
    """Field writes, increments, removals."""
    refused: list[tuple[Operation, Step]] = field(default_factory=list)
    """Mutating steps that were rejected."""
    turned_away: list[tuple[Operation, Step]] = field(default_factory=list)
    """Guarded writes of which every attempt found no session: they left nothing."""
    sights: list[Sight] = field(default_factory=list)
    indexed: list[StepEffect] = field(default_factory=list)
    unindexed: list[StepEffect] = field(default_factory=list)
    carried_off: list[StepEffect] = field(default_factory=list)
    """Deletions of its user's whole index by who had read it without this session, and so did not end it."""
    removals: list[StepEffect] = field(default_factory=list)
    """Acked steps after which it was not in its user's index, whether they found it there or not."""
    entries: list[Sight] = field(default_factory=list)
    """Who saw it in its user's index: SMEMBERS that named it, SREM that took it out."""
    unnamed: list[Sight] = field(default_factory=list)
    """Who listed its user's sessions and was not told of it."""
    mixed_up: list[tuple[Operation, Step]] = field(default_factory=list)
    audit: list[AuditEntry] = field(default_factory=list)
    """The valid pass, on every node of the session's shard."""
    primary: AuditEntry | None = None
    """Of those, the answer of the shard's primary; None: there was no answer."""
    listed: bool | None = None
    """The audit found it in (not in) its user's index; None: not asked or no answer."""

    @property
    def named(self) -> str:
        """For sentences: enough of its id to find it again with `why`."""
        return f"session {self.session[:8]} of {self.user}"

    @property
    def ends_us(self) -> float:
        """When its absolute timeout is over, by the application's clock."""
        told = (ends_us(one.step.wrote) for one in self.creations)
        return max((at for at in told if at is not None), default=FOREVER)

    @property
    def created(self) -> StepEffect | None:
        """The first acked log-in."""
        return next((one for one in self.creations if one.certain), None)

    @property
    def destroyed(self) -> StepEffect | None:
        """The acked effective destroy that was done first."""
        return min((one for one in self.destroys if one.certain), key=lambda one: one.done_us, default=None)

    def last_presence_us(self) -> float:
        """When the last look that found the session began."""
        return max((one.sent_us for one in self.sights if one.state is State.PRESENT), default=NEVER)


class Timelines:
    def __init__(
        self, history: History, facts: Facts | None = None, objects: frozenset[str] | None = None
    ) -> None:
        """`facts`: of the whole run, where the history holds a part of its operations. `objects`: the keys of
        those that are to be looked at; None: all."""
        self.history = history
        self.objects = objects
        self.facts = facts_of(history) if facts is None else facts
        self.plan = history.plan
        self.ownership = self.facts.ownership
        self.last_looks = self.facts.last_looks
        self.operations: dict[int, Operation] = {one.id: one for one in history.operations}
        self.sessions: dict[str, Timeline] = {}
        self.by_user: dict[str, list[Timeline]] = defaultdict(list)
        self.everywhere: dict[str, list[Operation]] = defaultdict(list)
        """User -> acked logouts of all sessions that the user's list named."""
        self.logins: dict[str, list[StepEffect]] = defaultdict(list)
        self.locking: list[tuple[Operation, Step]] = []
        """Steps on leases; what they meet says nothing about the session."""
        self._emptied_indexes: list[tuple[str, StepEffect | None, StepEffect | None]] = []
        self._listings: list[tuple[Operation, Step]] = []
        self._still_open: list[tuple[Timeline, StepEffect]] = []
        self.of_guest = history.plan.scenario.deployment.guest is not None
        """An application of somebody's own answered: what its pages do not show may be there all the same."""
        self.guarded = history.plan.scenario.workload.guarded_writes
        self.epsilon_us, self.clocks_known = epsilon_of(self.facts)
        self.tolerance_us = max(NOTICEABLE_US, self.epsilon_us)
        """How far off a deadline must be before it is a finding: proved, and not too small to matter."""
        wait_us = int(history.plan.longest_client_wait_s * 1e6)
        end_us = self.facts.landmarks.end_us
        self.horizon_us = FOREVER if history.complete else end_us - wait_us - BUFFERED_US
        self._read_operations()
        if not self.guarded:
            self._tell_pieces_apart()
        self._read_audit()
        for timeline in self.sessions.values():
            timeline.sights.sort(key=lambda one: one.sent_us)
        self._close_by_sight()

    @property
    def audited(self) -> bool:
        return self.history.valid_pass is not None

    def connection_of(self, effect: StepEffect) -> Connection | None:
        """The connection whose reply acked the effect."""
        return self.connection_for(effect.operation, effect.step)

    def connection_for(self, operation: Operation, step: Step) -> Connection | None:
        reply = answered(operation, step)
        if reply is None:
            numbers = [one for one in operation.attempts if one.n in step.attempts and one.connection]
            reply = numbers[-1] if numbers else None
        return (
            None
            if reply is None or reply.connection is None
            else self.facts.connections.get(reply.connection)
        )

    def forensics(self, session: str) -> tuple[ForensicEntry, ...]:
        """What nodes held of a session shortly before they lost their data (healed after a partition,
        demoted, restarted), oldest first. `last_looks.whereabouts` tells who had a certain write.

        Entries are no sights: other nodes were primary by then, and the load went on.
        """
        return self.last_looks.of(session)

    def _timeline(self, session: str, operation: Operation) -> Timeline:
        found = self.sessions.get(session)
        if found is None:
            found = self.sessions[session] = Timeline(session)
        if not found.user:
            found.user = operation.user
            self.by_user[operation.user].append(found)
        if not found.key and operation.session == session:
            found.key, found.shard = operation.key, operation.shard
        return found

    def gone_us(self, attempt: Attempt) -> float:
        """Since when an unanswered attempt certainly could not be executed any more."""
        return self.facts.request_ends.over_us(attempt.connection, attempt.sent_us)

    def _read_operations(self) -> None:
        for operation in self.history.operations:
            if (
                operation.kind is OperationKind.TOUCH
                and operation.outcome is not Outcome.ACKED
                and operation.session
            ):
                self._timeline(operation.session, operation).missed_touches.append(operation)
            if operation.outcome is Outcome.ACKED and _ends_all(operation):
                self.everywhere[operation.user].append(operation)
            for step in operation.steps:
                if step.does in ON_OBJECTS:  # they say nothing about a session: see `object_pasts`
                    self._read_mixed_up(operation, step)
                    continue
                if step.does is StepKind.INDEX_READ and step.outcome is Outcome.ACKED:
                    self._listings.append((operation, step))
                if step.does in {StepKind.INDEX_REMOVE, StepKind.INDEX_DESTROY}:
                    self._read_unindexing(operation, step)
                elif step.does in ON_LEASES:
                    self._read_locking(operation, step)
                elif session := step.member or step.session or operation.session:
                    self._read_step(self._timeline(session, operation), operation, step)
        for user, effect, removal in self._emptied_indexes:
            for timeline in self.by_user[user]:
                if effect is not None:
                    read = effect.step.members
                    meant = read is None or timeline.session in read
                    (timeline.unindexed if meant else timeline.carried_off).append(effect)
                timeline.removals += [removal] if removal else []
        for operation, step in self._listings:
            for session in step.members or ():
                listed = self.sessions.get(session)
                if listed is not None and listed.user == operation.user:
                    listed.entries.append(entry_seen(operation, step))
            if step.members is not None:
                for timeline in self.by_user[operation.user]:
                    if timeline.session not in step.members:
                        timeline.unnamed.append(nothing_seen(operation, step))

    def _read_locking(self, operation: Operation, step: Step) -> None:
        self.locking.append((operation, step))
        self._read_mixed_up(operation, step)

    def _read_mixed_up(self, operation: Operation, step: Step) -> None:
        if step.error is not None and step.error.startswith(MIXED_UP):
            self._timeline(operation.session, operation).mixed_up.append((operation, step))

    def _read_step(self, timeline: Timeline, operation: Operation, step: Step) -> None:
        if step.error is not None and step.error.startswith(MIXED_UP):
            timeline.mixed_up.append((operation, step))
        does = step.does
        if does is StepKind.CREATE:
            timeline.key, timeline.shard, timeline.user = step.key, operation.shard, operation.user
        self._read_sight(timeline, operation, step)
        if does in {StepKind.READ, StepKind.INDEX_READ, StepKind.WAIT, StepKind.FORGET}:
            return
        if step.outcome is Outcome.REJECTED:
            timeline.refused.append((operation, step))
            return
        if does is StepKind.DESTROY and step.outcome is Outcome.ACKED and step.effective is False:
            timeline.denied.append((operation, step))
        effect = effect_of(operation, step, self.gone_us, creates=does in WRITES and not self.guarded)
        if effect is None:
            if does in WRITES:
                timeline.turned_away.append((operation, step))
            return
        if does is StepKind.CREATE:
            timeline.creations.append(effect)
            self.logins[operation.user].append(effect)
        elif does is StepKind.DESTROY:
            timeline.destroys.append(effect)
        elif does is StepKind.INDEX_ADD:
            timeline.indexed.append(effect)
        elif does in WRITES:
            timeline.writes.append(effect)
        if effect.until_us == FOREVER and step.wrote:
            self._still_open.append((timeline, effect))
        if step.ttl_ms is not None and does in {StepKind.CREATE, StepKind.TOUCH}:
            timeline.setters.append(effect)

    def _read_sight(self, timeline: Timeline, operation: Operation, step: Step) -> None:
        if step.outcome is not Outcome.ACKED or step.does is StepKind.INDEX_ADD:
            return
        saw, found = step.saw, False
        if saw is None:
            found = found_the_key(step, guarded=self.guarded)
            if not found and step.effective is not False:
                return
            saw = {}
        sent_us, done_us = seen_at(operation, step)
        timeline.sights.append(
            Sight(
                state=State.PRESENT if found else state_of(saw, timeline.session, timeline.user),
                sent_us=sent_us,
                done_us=done_us,
                saw=saw,
                pttl_ms=step.pttl_ms,
                operation=operation,
                step=step,
                shows=not found,
            )
        )

    def _tell_pieces_apart(self) -> None:
        """Where an unguarded write may have made the key, DEL 1 and EXPIRE 1 may have met a piece: they are
        no sight of the session, and what they set is no promise about it."""
        for timeline in self.sessions.values():
            made_us = min((one.first_us for one in timeline.writes if may_make_the_key(one)), default=FOREVER)
            if made_us == FOREVER:
                continue
            timeline.sights[:] = [one for one in timeline.sights if one.shows or one.done_us < made_us]
            whole = {
                one.operation.id
                for one in timeline.sights
                if one.shows and one.state is State.PRESENT and one.operation is not None
            }
            timeline.setters[:] = [
                one if one.done_us < made_us or one.operation.id in whole else _perhaps(one)
                for one in timeline.setters
            ]

    def _read_unindexing(self, operation: Operation, step: Step) -> None:
        """Taken out of the index: one session, those listed, or (index deleted) all of the user's."""
        effect = effect_of(operation, step, self.gone_us)
        removal = removal_of(operation, step) if step.outcome is Outcome.ACKED else None
        if step.does is StepKind.INDEX_DESTROY:
            self._emptied_indexes.append((operation.user, effect, removal))
            return
        one = step.member or step.session or operation.session
        sessions = step.members if step.members is not None else (one,)
        for session in sessions:
            timeline = self._timeline(session, operation)
            timeline.unindexed += [effect] if effect else []
            timeline.removals += [removal] if removal else []
            if removal and found_all(step, len(sessions)):
                timeline.entries.append(entry_seen(operation, step))

    def _close_by_sight(self) -> None:
        """An unanswered attempt whose value was seen will not be executed a second time."""
        for timeline, effect in self._still_open:
            closed = closed_by_sight(effect, timeline.sights)
            if closed is effect:
                continue
            for effects in (
                timeline.creations,
                timeline.writes,
                timeline.setters,
                self.logins[timeline.user],
            ):
                effects[:] = [closed if one is effect else one for one in effects]

    def _read_audit(self) -> None:
        lists: dict[str, list[AuditEntry]] = defaultdict(list)
        for entry in self.history.valid_audit_about(self.sessions):
            timeline = self.sessions[entry.session]
            if entry.indexed is not None and entry.role == NodeRole.PRIMARY:
                lists[entry.session].append(entry)
            shard = self.ownership.shards.of(entry.node, entry.sent_us)
            if shard == timeline.shard or entry.node == FRONT_DOOR:
                timeline.audit.append(entry)
        for session, entries in lists.items():
            self._take_list(self.sessions[session], entries)
        for timeline in self.sessions.values():
            self._take_primary(timeline)

    def _take_list(self, timeline: Timeline, entries: Sequence[AuditEntry]) -> None:
        """What the user's list says of the session, on the primary that has the list; its shard may be
        another one than the session's. Of several that call themselves so, the one promoted last."""
        if len(entries) > 1:
            entries = [one for one in entries if self._owns(one)]
        if entries:
            timeline.listed = entries[-1].indexed

    def _owns(self, entry: AuditEntry) -> bool:
        shard = self.ownership.shards.of(entry.node, entry.sent_us)
        return shard is not None and self.ownership.owner_at(shard, entry.sent_us) == entry.node

    def _take_primary(self, timeline: Timeline) -> None:
        """The primary's answer; of several that call themselves so, the one promoted last."""
        said = [one for one in timeline.audit if one.role == NodeRole.PRIMARY]
        if len(said) > 1:
            owner = self.ownership.owner_at(timeline.shard, said[0].sent_us)
            said = [one for one in said if one.node == owner]
        if not said or said[0].saw is None:
            return
        entry = timeline.primary = said[0]
        saw = said[0].saw
        timeline.sights.append(
            Sight(
                state=_audited_state(entry, saw, timeline),
                sent_us=entry.sent_us,
                done_us=entry.done_us,
                saw=saw,
                pttl_ms=entry.pttl_ms,
                entry=entry,
            )
        )


def epsilon_of(facts: Facts) -> tuple[float, bool]:
    """What cannot be measured of a deadline, and whether the clocks allow judging deadlines at all."""
    drift_us = UNKNOWN_DRIFT_US if facts.drift_us is None else facts.drift_us
    return EPSILON_US + drift_us, drift_us <= DRIFT_LIMIT_US


def _ends_all(operation: Operation) -> bool:
    """Whether it is a logout that asked for the user's list of sessions, to end every one of them."""
    listed = any(one.does is StepKind.INDEX_READ for one in operation.steps)
    return listed and operation.kind is OperationKind.LOGOUT


def _perhaps(setter: StepEffect) -> StepEffect:
    """The same, of which nobody knows whether the session had anything of it."""
    if not setter.certain or setter.step.does is StepKind.CREATE:
        return setter
    return replace(
        setter, certain=False, sent_us=setter.first_us, done_us=FOREVER, extra=max(1, setter.extra)
    )


def _audited_state(entry: AuditEntry, saw: Mapping[str, str], timeline: Timeline) -> State:
    """A key of another type shows no fields, and yet is there."""
    if not saw and entry.key_type not in {None, "hash", "none"}:
        return State.PARTIAL
    return state_of(saw, timeline.session, timeline.user)
