"""A small model of Redis nodes that writes histories, so that a test reads as a story.

`Past` is told what people and nodes did, at which second; `history()` then executes every attempt in
the order of its own moment on the store of the node that it reached, fills in the replies, lets the
audit look, and returns what a run would have recorded. Correct by construction: a broken promise is
in a history only if the story put it there (a store that missed something, a lost write, ...).

    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 2.0)          # from now on redis-2 gets nothing new
    past.logout(ann, 3.0)
    past.fail_over("redis-2", 4.0)        # ... and becomes primary: the logout is undone

Its records fit together, because nodes made them. A test that needs records that do not, such as samples
that contradict each other, puts them there one by one (`tests/builders_metrics.Sketch`).
"""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, TypedDict

import msgspec

from harness.checks.facts.step_effects import IDENTITY
from harness.model.deployment import TopologySpec
from harness.model.history import History
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.records import (
    Attempt,
    AuditEntry,
    AuditSummary,
    ClockPair,
    Closing,
    Connection,
    Event,
    NodeSample,
    ObjectEntry,
    Operation,
    PhaseChange,
    Record,
    Step,
)
from harness.model.scenario import FaultStep, Start, Workload
from harness.model.words import (
    NodeRole,
    OperationKind,
    Outcome,
    Phase,
    StepKind,
    TopologyKind,
)
from harness.objects.kind import AT, LIMIT, TOTAL, UNTIL, VALUE, ObjectKind
from harness.objects.saved import PLAIN, Document, packed
from harness.objects.tally import Online
from harness.presets import of_topology
from harness.redis_wire.keys import index_key, session_key
from lab.plans import plan_of, scenario_of
from lab.records import opening, traits_of, us

NODES = ("redis-1", "redis-2", "redis-3")
AUDIT_S = 30.0
TOOK_S = 0.001
WITNESS_LIVES_S = 1e6
QUIET, NEAR_S = 5, 1.0
"""Of the samples of a node, one of so many is recorded while nothing happens to nodes; all of them so near to
what does."""


@dataclass
class Hash:
    fields: dict[str, str]
    ends_us: float
    """When its time-out runs out; infinite: it has none."""


@dataclass
class Data:
    """What one node holds."""

    sessions: dict[str, Hash] = field(default_factory=dict)
    witnesses: dict[str, list[str]] = field(default_factory=dict)
    indexes: dict[str, set[str]] = field(default_factory=dict)
    objects: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Key of another object -> its value, and when its time runs out."""

    def object(self, key: str, now_us: float) -> str | None:
        value, ends_us = self.objects.get(key, ("", -1.0))
        return value if now_us < ends_us else None

    def session(self, sid: str, now_us: float) -> Hash | None:
        found = self.sessions.get(sid)
        if found is not None and now_us >= found.ends_us:
            del self.sessions[sid]
            return None
        return found


@dataclass(frozen=True, kw_only=True)
class _Nodes:
    """What became of the nodes: all that a sample of one goes by."""

    owners: tuple[tuple[float, str], ...]
    reborn: tuple[tuple[float, str, int], ...]
    evicted: tuple[tuple[float, str, int], ...]
    behind: tuple[tuple[str, float], ...]
    told_of: tuple[float, ...]
    """When something was said of them."""
    keys: int


class _Met(TypedDict):
    """What every entry of the audit says of the node that was asked."""

    pass_n: int
    node: str
    role: str
    run_id: str
    sent_us: int
    done_us: int


@dataclass(frozen=True)
class _State:
    """What a sample of a node says, between two changes."""

    run_id: str
    leads: bool
    keys: int
    evicted_keys: int


@dataclass
class Doing:
    """One operation as the story tells it."""

    behaviour: str
    kind: OperationKind
    user: str
    sid: str
    attempts: list[tuple[float, float | None, float | None]]
    """Sent, executed (None: never), answered (None: never), in seconds."""
    node: str | None
    web: str
    steps: Callable[[Data, float, Doing], list[Step]]
    outcome: Outcome = Outcome.ACKED
    error: str | None = None
    lost: bool = False
    """Acked, and nothing happened."""
    closed: float | None = None
    """When attempts without an answer were proved to be over."""
    side: str = "all"
    told: str = ""
    """By the application; empty: what goes with the outcome."""
    id: int = 0
    generation: int = 0
    operation: Operation | None = None
    replies: dict[int, list[Step]] = field(default_factory=dict)


@dataclass
class Past:
    idle_s: float = 300.0
    engine: str = "Redis 7.0.15"
    witnesses: bool = True
    guarded: bool = True
    topology: TopologyKind = TopologyKind.SENTINEL
    guarded_by_sentinels: bool = False
    """Its plan has the sentinels that such a topology has."""
    eviction_events: bool = False
    drift_ms: float = 0.0
    clocks: bool = True
    audited: bool = True
    complete: bool = True
    faults: tuple[FaultStep, ...] = ()
    not_recovered: str = ""
    interrupted: str = ""
    end_s: float = AUDIT_S
    samples_per_s: int = 10

    def __post_init__(self) -> None:
        self._first = Data()
        self.stores = dict.fromkeys(NODES, self._first)
        self.doings: list[Doing] = []
        self.acts: list[tuple[float, Callable[[], object]]] = []
        self.events: list[Event] = []
        self.owners: list[tuple[float, str]] = [(-1.0, "redis-1")]
        self.reborn: list[tuple[float, str, int]] = []
        self.silent: set[str] = set()
        self.settings: dict[str, dict[str, str]] = {}
        """Node -> the scenario's own directives."""
        self.calls_itself: dict[str, str] = {}
        """Node -> the role that it says it has when the audit asks, where that is another one."""
        self.behind: dict[str, float] = {}
        self.keys = 100
        self.evicted: list[tuple[float, str, int]] = []
        self.sids = 0
        self.users: dict[str, str] = {}
        self.kept: dict[str, ObjectKind] = {}
        self.logins: dict[str, int] = {}
        self.forged: dict[int, Callable[[Step], None]] = {}

    # What people do. Times in seconds; `at` is when the bytes were handed over.

    def log_in(self, user: str, at: float, **how: Any) -> str:
        self.sids += 1
        sid = f"{self.sids:08x}" * 4
        doing = self._do("log-in", OperationKind.LOGIN, user, sid, at, _login(self), how)
        self.users[sid] = user
        self.logins[sid] = doing.id
        doing.generation = 0
        return sid

    def read(self, sid: str, at: float, **how: Any) -> Doing:
        return self._do("read", OperationKind.READ, self.users[sid], sid, at, _read, how)

    def touch(self, sid: str, at: float, **how: Any) -> Doing:
        return self._do("touch", OperationKind.TOUCH, self.users[sid], sid, at, _touch(self.idle_s), how)

    def change(self, sid: str, at: float, *fields: str, **how: Any) -> Doing:
        steps = _change(self, fields or ("theme",))
        return self._do("change-field", OperationKind.WRITE, self.users[sid], sid, at, steps, how)

    def add(self, sid: str, at: float, amount: int = 1, item: str = "cart:1", **how: Any) -> Doing:
        steps = _add(self, item, amount)
        return self._do("cart", OperationKind.WRITE, self.users[sid], sid, at, steps, how)

    def remove(self, sid: str, at: float, item: str = "cart:1", **how: Any) -> Doing:
        return self._do("cart", OperationKind.WRITE, self.users[sid], sid, at, _remove(self, item), how)

    def logout(self, sid: str, at: float, **how: Any) -> Doing:
        return self._do("logout", OperationKind.LOGOUT, self.users[sid], sid, at, _logout, how)

    def rotate(self, sid: str, at: float, **how: Any) -> str:
        """The session gets a new id, which is returned."""
        user = self.users[sid]
        self.sids += 1
        new = f"{self.sids:08x}" * 4
        doing = self._do("rotate-session", OperationKind.LOGIN, user, new, at, _rotate(self, sid), how)
        self.users[new], self.logins[new] = user, doing.id
        doing.generation = 0
        return new

    def logout_everywhere(self, sid: str, at: float, **how: Any) -> Doing:
        user = self.users[sid]
        return self._do("logout-everywhere", OperationKind.LOGOUT, user, sid, at, _everywhere, how)

    def put(
        self, kept: ObjectKind, of: str, sid: str, at: float, *, lives: float = 900.0, **how: Any
    ) -> Doing:
        """`sid`: whose request it is. Its value is the operation's number."""
        steps = _put(kept, self._keep(kept, of), lives)
        return self._do("put", OperationKind.LOGOUT, self.users[sid], sid, at, steps, how)

    def look(self, kept: ObjectKind, of: str, sid: str, at: float, **how: Any) -> Doing:
        steps = _look_at(self._keep(kept, of))
        return self._do("look", OperationKind.READ, self.users[sid], sid, at, steps, how)

    def count(
        self,
        kept: ObjectKind,
        of: str,
        sid: str,
        at: float,
        *,
        limit: int | None = 3,
        window: float = 300.0,
        **how: Any,
    ) -> Doing:
        steps = _count(self._keep(kept, of), limit, window)
        return self._do("count", OperationKind.WRITE, self.users[sid], sid, at, steps, how)

    def enter(
        self, kept: ObjectKind, of: str, sid: str, at: float, *, lasts: float = 900.0, **how: Any
    ) -> Doing:
        """Into something that counts how many there are, by the number of the operation."""
        steps = _enter(self._keep(kept, of), lasts)
        return self._do("enter", OperationKind.WRITE, self.users[sid], sid, at, steps, how)

    def leave(self, kept: ObjectKind, of: str, entered: Doing, at: float, **how: Any) -> Doing:
        """What was entered is taken out."""
        steps = _leave(self._keep(kept, of), entered)
        return self._do("leave", OperationKind.WRITE, entered.user, entered.sid, at, steps, how)

    def tally(self, kept: ObjectKind, of: str, sid: str, at: float, **how: Any) -> Doing:
        """Somebody asks how many there are."""
        steps = _tally(self._keep(kept, of))
        return self._do("tally", OperationKind.READ, self.users[sid], sid, at, steps, how)

    def save(
        self, kept: ObjectKind, of: str, sid: str, at: float, *, read: float | None = None, **how: Any
    ) -> Doing:
        """Store the whole again, one mark more than there were at `read` (None: at the same moment)."""
        key, found = self._keep(kept, of), list[str]()

        def look() -> None:
            found.append(self.stores[self.owner(read or at)].object(key, (read or at) * 1e6) or "")

        if read is not None:
            self.act(read, look)
        return self._do("save", OperationKind.WRITE, self.users[sid], sid, at, _save(key, found), how)

    def forget(self, kept: ObjectKind, of: str, at: float) -> None:
        """An object vanishes, nobody knows why."""
        key = kept.key(of)
        self.act(at, lambda: [data.objects.pop(key, None) for data in self._all()])

    def _keep(self, kept: ObjectKind, of: str) -> str:
        key = kept.key(of)
        self.kept[key] = kept
        return key

    def _do(  # noqa: PLR0917 - one line per behaviour above
        self,
        behaviour: str,
        kind: OperationKind,
        user: str,
        sid: str,
        at: float,
        steps: Callable[[Data, float, Doing], list[Step]],
        how: dict[str, object],
    ) -> Doing:
        attempts = how.pop("attempts", None)
        took = float(how.pop("took", TOOK_S))  # type: ignore[arg-type]
        outcome = Outcome(str(how.pop("outcome", "acked")))
        executed = how.pop("executed", True)
        if attempts is None:
            when = at + took / 2 if executed is True else None if executed is False else executed
            acked = outcome is Outcome.ACKED
            attempts = [(at, when if outcome is not Outcome.REJECTED else None, at + took if acked else None)]
        doing = Doing(
            behaviour=behaviour,
            kind=kind,
            user=user,
            sid=sid,
            attempts=attempts,  # type: ignore[arg-type]
            node=how.pop("node", None),  # type: ignore[arg-type]
            web=str(how.pop("web", "web-1")),
            steps=steps,
            outcome=outcome,
            error=how.pop("error", None),  # type: ignore[arg-type]
            lost=bool(how.pop("lost", False)),
            closed=how.pop("closed", None),  # type: ignore[arg-type]
            side=str(how.pop("side", "all")),
            told=str(how.pop("told", "")),
            id=len(self.doings) + 1,
            generation=self.logins.get(sid, 0),
        )
        forge = how.pop("forge", None)
        if forge is not None:
            self.forged[doing.id] = forge  # type: ignore[assignment]
        assert not how, how
        self.doings.append(doing)
        return doing

    # What happens to nodes.

    def act(self, at: float, what: Callable[[], object]) -> None:
        self.acts.append((at, what))

    def event(
        self, name: str, at: float, *, error: float = 0.0, source: str = "harness", **about: Any
    ) -> None:
        self.events.append(Event(source=source, name=name, t_us=us(at), error_us=us(error), **about))

    def fault(self, at: float, detail: str = "redis-1: gone", kind: str = "kill", **options: Any) -> None:
        number = len(self.faults) + 1
        step = FaultStep(
            number=number,
            kind=kind,
            target=str(options.pop("target", "primary")),
            start=Start(after_s=at),
            options=options,
            traits=traits_of(kind),
        )
        self.faults = (*self.faults, step)
        self.event(
            "effect", at, source=f"fault {number}", fault=number, node="redis-1", shard=1, detail=detail
        )

    def cut_off(self, node: str, at: float) -> None:
        """From now on this node has a copy of its own that gets nothing new."""
        self.behind[node] = at
        self.act(at, lambda: self.stores.update({node: copy.deepcopy(self.stores[node])}))

    def fail_over(self, to: str, at: float, *, follow: float = 0.5) -> None:
        """`to` becomes primary; the others copy it `follow` seconds later."""
        self.owners.append((at, to))
        self.event("promoted", at, error=0.01, source=to, node=to, shard=1)
        self.act(at + follow, lambda: self.stores.update(dict.fromkeys(NODES, self.stores[to])))

    def come_back_empty(self, at: float) -> None:
        """The primary is restarted without its data; its replicas copy that."""
        node = self.owner(at)
        self.reborn.append((at, node, 0))
        self.act(at, lambda: self.stores.update(dict.fromkeys(NODES, Data())))

    def come_back_as_of(self, taken: float, at: float) -> None:
        """The primary is restarted from a snapshot of then; its replicas copy that."""
        saved: list[Data] = []
        node = self.owner(at)
        self.reborn.append((at, node, self.keys))
        self.act(taken, lambda: saved.append(copy.deepcopy(self.stores[node])))
        self.act(at, lambda: self.stores.update(dict.fromkeys(NODES, saved[0])))

    def lose(self, sid: str, at: float, *, witnesses: bool = False) -> None:
        """A session vanishes, nobody knows why."""

        def gone() -> None:
            for data in self._all():
                data.sessions.pop(sid, None)
                if witnesses:
                    data.witnesses.pop(sid, None)

        self.act(at, gone)

    def edit(self, sid: str, at: float, change: Callable[[Hash], object]) -> None:
        def changed() -> None:
            for data in self._all():
                if sid in data.sessions:
                    change(data.sessions[sid])

        self.act(at, changed)

    def owner(self, at: float) -> str:
        return _owner(self.owners, at)

    def _all(self) -> list[Data]:
        return list({id(data): data for data in self.stores.values()}.values())

    # What was recorded.

    def history(self) -> History:
        looks = self._execute()
        operations = tuple(self._operation(doing) for doing in self.doings)
        closing = Closing(
            t_us=us(self.end_s + 1),
            interrupted=bool(self.interrupted),
            reason=self.interrupted,
            not_recovered=self.not_recovered,
        )
        return History(
            plan=self.plan(),
            opening=opening("a story", engine=self.engine, eviction_events=self.eviction_events),
            operations=operations,
            connections=self._connections(),
            samples=self._samples(),
            events=tuple(sorted([*self.events, *self._recovered()], key=lambda one: one.t_us)),
            clocks=self._clocks(),
            phases=(
                PhaseChange(phase=Phase.BASELINE, t_us=0),
                PhaseChange(phase=Phase.SETTLED, t_us=us(self.end_s - 5)),
                PhaseChange(phase=Phase.AUDIT, t_us=us(self.end_s)),
            ),
            audit=looks if self.audited else (),
            objects=self._audit_objects() if self.audited else (),
            audit_summary=AuditSummary(passes=1, valid_pass=1) if self.audited else None,
            closing=closing if self.complete else None,
            incomplete="" if self.complete else "the harness died",
        )

    def _recovered(self) -> list[Event]:
        if self.not_recovered or not self.faults:
            return []
        return [Event(source="harness", name="recovered", t_us=us(self.end_s - 5))]

    def _execute(self) -> tuple[AuditEntry, ...]:
        """Run every attempt at its moment, acts first; then let the audit look. The story may have been told
        before: it begins anew, with nothing stored."""
        first = self._first
        for held in (first.sessions, first.witnesses, first.indexes, first.objects):
            held.clear()
        self.stores = dict.fromkeys(NODES, self._first)
        agenda: list[tuple[float, int, Callable[[], object]]] = [(at, -1, act) for at, act in self.acts]
        for doing in self.doings:
            for n, (_, executed, _) in enumerate(doing.attempts, start=1):
                if executed is not None:
                    agenda.append((executed, doing.id, self._attempt(doing, n, executed)))
        for _, _, what in sorted(agenda, key=lambda item: item[:2]):
            what()
        return self._audit()

    def _attempt(self, doing: Doing, n: int, at: float) -> Callable[[], None]:
        def run() -> None:
            data = self.stores[doing.node or self.owner(at)]
            if doing.lost:
                data = copy.deepcopy(data)
            doing.replies[n] = doing.steps(data, at * 1e6, doing)

        return run

    def _operation(self, doing: Doing) -> Operation:
        last = len(doing.attempts)
        blank = doing.steps(Data(), 0.0, doing)
        acked = doing.outcome is Outcome.ACKED
        steps = doing.replies[last] if acked else [_unanswered(step) for step in blank]
        sent = doing.attempts[0][0]
        done = doing.attempts[-1][2]
        attempts = []
        for n, (began, _, answered) in enumerate(doing.attempts, start=1):
            rejected = doing.outcome is Outcome.REJECTED
            connection = self._connection(doing)
            attempts.append(
                Attempt(
                    n=n,
                    connection=connection,
                    steps=tuple(range(1, len(steps) + 1)),
                    handed_over=True,
                    sent_us=us(began),
                    done_us=us(answered) if answered is not None else us(began + 0.5),
                    result="reply" if answered is not None else "error:READONLY" if rejected else "timeout",
                    closed_us=None if answered is not None or doing.closed is None else us(doing.closed),
                )
            )
        for n, step in enumerate(steps, start=1):
            step.n = n
            step.outcome = doing.outcome
            step.attempts = tuple(range(1, last + 1))
            step.sent_us = us(sent)
            step.done_us = us(done) if done is not None else us(sent + 0.5)
            step.error = doing.error
        if doing.id in self.forged:
            self.forged[doing.id](steps[0])
        return Operation(
            id=doing.id,
            actor=f"a{doing.id}",
            web_server=doing.web,
            client_side=doing.side,
            behaviour=doing.behaviour,
            kind=doing.kind,
            user=doing.user,
            session=doing.sid,
            key=session_key(doing.sid),
            shard=1,
            generation=doing.generation,
            due_us=us(sent),
            sent_us=us(sent),
            done_us=us(done) if done is not None else us(doing.attempts[-1][0] + 0.5),
            outcome=doing.outcome,
            told=doing.told or ("ok" if acked else "error"),
            phase=Phase.BASELINE,
            steps=tuple(steps),
            attempts=tuple(attempts),
        )

    def _node_of(self, doing: Doing) -> str:
        executed = doing.attempts[-1][1]
        return doing.node or self.owner(doing.attempts[-1][0] if executed is None else executed)

    def _connection(self, doing: Doing) -> int:
        """One connection per web server, node and life of the node."""
        node = self._node_of(doing)
        life = int(self._run_id(node, doing.attempts[-1][0]).rsplit("-", 1)[1])
        return 1 + 100 * int(doing.web[-1]) + 10 * NODES.index(node) + life

    def _connections(self) -> tuple[Connection, ...]:
        found = {}
        for doing in self.doings:
            node, began = self._node_of(doing), doing.attempts[-1][0]
            found[self._connection(doing)] = Connection(
                id=self._connection(doing),
                web_server=doing.web,
                node=node,
                run_id=self._run_id(node, began),
                role="primary",
                opened_us=0,
            )
        return tuple(found[number] for number in sorted(found))

    def _run_id(self, node: str, at: float) -> str:
        return _run_id(self.reborn, node, at)

    def _samples(self) -> tuple[NodeSample, ...]:
        """Copies: a test may change what was recorded."""
        nodes = _Nodes(
            owners=tuple(self.owners),
            reborn=tuple(self.reborn),
            evicted=tuple(self.evicted),
            behind=tuple(self.behind.items()),
            told_of=tuple(event.t_us / 1e6 for event in self.events),
            keys=self.keys,
        )
        return tuple(map(copy.copy, _samples_of(nodes, self.end_s, self.samples_per_s)))

    def _clocks(self) -> tuple[ClockPair, ...]:
        if not self.clocks:
            return ()
        return tuple(
            ClockPair(t_us=us(at), wall_us=us(at) + round(self.drift_ms * 1000 * at / self.end_s))
            for at in range(int(self.end_s) + 1)
        )

    def _audit(self) -> tuple[AuditEntry, ...]:
        entries = []
        for sid, user in self.users.items():
            for met in self._met():
                data = self.stores[met["node"]]
                found = data.session(sid, met["sent_us"])
                entry = AuditEntry(session=sid, **met)
                if met["node"] not in self.silent:
                    entry.saw = dict(found.fields) if found is not None else {}
                    entry.key_type = "hash" if found is not None else "none"
                    entry.pttl_ms = _pttl_ms(found, met["sent_us"])
                    entry.witnesses = tuple(data.witnesses.get(sid, ())) if self.witnesses else None
                    entry.indexed = sid in data.indexes.get(user, ())
                entries.append(entry)
        return tuple(entries)

    def _audit_objects(self) -> tuple[ObjectEntry, ...]:
        entries = []
        for key, kind in self.kept.items():
            for met in self._met() if kind.questions(key) else ():
                entry = ObjectEntry(key=key, **met)
                if met["node"] not in self.silent:
                    value = self.stores[met["node"]].object(key, met["sent_us"])
                    entry.saw, entry.pttl_ms = kind.shown(
                        (_replied(kind, value), -2 if value is None else 1000)
                    )
                entries.append(entry)
        return tuple(entries)

    def _met(self) -> Iterator[_Met]:
        """Every node as the audit meets it."""
        at, primary = self.end_s, self.owner(self.end_s)
        for node in NODES:
            yield _Met(
                pass_n=1,
                node=node,
                role=self.calls_itself.get(node, "primary" if node == primary else "replica"),
                run_id=self._run_id(node, at),
                sent_us=us(at),
                done_us=us(at + TOOK_S),
            )

    def plan(self) -> Plan:
        nodes = tuple(
            NodePlan(
                name=node,
                role=NodeRole.PRIMARY if node == "redis-1" else NodeRole.REPLICA,
                directives=self.settings.get(node, {}),
            )
            for node in NODES
        )
        topology = TopologySpec(kind=self.topology)
        scenario = scenario_of(
            topology,
            file="story.yaml",
            name="a story",
            workload=Workload(
                idle_timeout_s=self.idle_s, witnesses=self.witnesses, guarded_writes=self.guarded
            ),
            faults=self.faults,
        )
        sentinels = of_topology(topology).sentinels if self.guarded_by_sentinels else ()
        return plan_of(scenario, (*nodes, *sentinels), actors=10, expected_s=self.end_s)


def _run_id(reborn: Iterable[tuple[float, str, int]], node: str, at: float) -> str:
    return f"{node}-life-{sum(one == node and since <= at for since, one, _ in reborn)}"


def _owner(owners: Iterable[tuple[float, str]], at: float) -> str:
    return [node for since, node in owners if since <= at][-1]


def _near(at: float, moments: Sequence[float]) -> bool:
    """Within a second of one of them."""
    place = bisect_right(moments, at - NEAR_S)
    return place < len(moments) and moments[place] <= at + NEAR_S


@lru_cache(maxsize=64)
def _samples_of(nodes: _Nodes, end_s: float, per_s: int) -> tuple[NodeSample, ...]:
    """Kept, as few stories are about nodes to which something else happens."""
    changed = (since for since, _, _ in (*nodes.reborn, *nodes.evicted))
    changes = sorted({*changed, *(since for since, _ in nodes.owners)})
    behind, known = dict(nodes.behind), dict[tuple[str, int], _State]()
    found = []
    moments = sorted({*changes, *behind.values(), *nodes.told_of})
    for tick in range(int(end_s * per_s)):
        at = tick / per_s
        if tick % QUIET and not _near(at, moments):
            continue
        sent_us, done_us, so_far = us(at), us(at + 0.0005), bisect_right(changes, at)
        for node in NODES:
            state = known.get((node, so_far))
            if state is None:
                state = known[node, so_far] = _state(nodes, node, at)
            found.append(
                NodeSample(
                    node=node,
                    sent_us=sent_us,
                    done_us=done_us,
                    run_id=state.run_id,
                    role="primary" if state.leads else "replica",
                    offset=sent_us if state.leads else us(min(at, behind.get(node, at))),
                    keys=state.keys,
                    evicted_keys=state.evicted_keys,
                    memory_bytes=99 if nodes.evicted else 10,
                    memory_limit_bytes=100 if nodes.evicted else 0,
                )
            )
    return tuple(found)


def _state(nodes: _Nodes, node: str, at: float) -> _State:
    lives = [keys for since, one, keys in nodes.reborn if one == node and since <= at]
    return _State(
        run_id=_run_id(nodes.reborn, node, at),
        leads=_owner(nodes.owners, at) == node,
        keys=lives[-1] if lives else nodes.keys,
        evicted_keys=sum(count for since, one, count in nodes.evicted if one == node and since <= at),
    )


def _pttl_ms(found: Hash | None, now_us: float) -> int:
    if found is None:
        return -2
    return -1 if found.ends_us == float("inf") else int((found.ends_us - now_us) / 1000)


def _unanswered(step: Step) -> Step:
    """Nothing that only a reply can tell."""
    step.effective, step.saw, step.pttl_ms, step.members, step.added_now = None, None, None, None, {}
    return step


def _key(doing: Doing) -> str:
    return session_key(doing.sid)


def _step(does: StepKind, doing: Doing, command: str, *, deciding: bool = True) -> Step:
    return Step(n=1, does=does, command=command, key=_key(doing), session=doing.sid, deciding=deciding)


def _login(past: Past) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        version = str(doing.id)
        wrote = {name: f"{version}:{name}" for name in ("created", "ip", "agent", "theme")}
        fields = {"sid": doing.sid, "user_id": doing.user, "generation": version, **wrote}
        data.sessions[doing.sid] = Hash(fields, now_us + past.idle_s * 1e6)
        if past.witnesses:
            data.witnesses.setdefault(doing.sid, []).append(version)
        data.indexes.setdefault(doing.user, set()).add(doing.sid)
        create = _step(StepKind.CREATE, doing, "MULTI HSET EXPIRE RPUSH EXPIRE EXEC")
        create.wrote, create.effective, create.ttl_ms = wrote, True, round(past.idle_s * 1000)
        create.witness = version if past.witnesses else None
        listed = _step(StepKind.INDEX_ADD, doing, "SADD EXPIRE", deciding=False)
        listed.member, listed.effective, listed.key = doing.sid, True, index_key(doing.user)
        return [create, listed]

    return steps


def _look(data: Data, now_us: float, doing: Doing) -> Step:
    found = data.session(doing.sid, now_us)
    step = _step(StepKind.READ, doing, "HGETALL PTTL")
    step.saw = dict(found.fields) if found is not None else {}
    step.pttl_ms = _pttl_ms(found, now_us)
    return step


def _read(data: Data, now_us: float, doing: Doing) -> list[Step]:
    return [_look(data, now_us, doing)]


def _touch(idle_s: float) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        look = _look(data, now_us, doing)
        look.deciding = False
        touched = _step(StepKind.TOUCH, doing, "EXPIRE")
        touched.ttl_ms = round(idle_s * 1000)
        found = data.session(doing.sid, now_us)
        touched.effective = found is not None
        if found is not None:
            found.ends_us = now_us + idle_s * 1e6
        return [look, touched]

    return steps


def _guarded(past: Past, data: Data, now_us: float, doing: Doing, step: Step) -> Hash | None:
    """The session to write to; a piece of one where writes are not guarded."""
    found = data.session(doing.sid, now_us)
    step.witness = str(doing.id) if past.witnesses else None
    step.effective = found is not None
    if found is None:
        if past.guarded:
            return None
        found = data.sessions[doing.sid] = Hash({}, float("inf"))
    if past.witnesses:
        data.witnesses.setdefault(doing.sid, []).append(str(doing.id))
    return found


def _change(past: Past, fields: tuple[str, ...]) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        step = _step(StepKind.WRITE, doing, "EVAL (EXISTS HSET RPUSH)")
        step.wrote = {name: f"{doing.id}:{name}" for name in fields}
        found = _guarded(past, data, now_us, doing, step)
        if found is not None:
            if not past.guarded:  # HSET then tells how many fields are new
                step.effective = not found.fields.keys().isdisjoint(step.wrote)
            found.fields.update(step.wrote)
        return [step]

    return steps


def _add(past: Past, item: str, amount: int) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        step = _step(StepKind.INCREMENT, doing, "EVAL (EXISTS HINCRBY RPUSH)")
        step.added = {item: amount}
        found = _guarded(past, data, now_us, doing, step)
        if found is not None:
            found.fields[item] = str(int(found.fields.get(item, "0")) + amount)
            step.added_now = {item: int(found.fields[item])}
        return [step]

    return steps


def _remove(past: Past, item: str) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        step = _step(StepKind.REMOVE_FIELD, doing, "EVAL (EXISTS HDEL RPUSH)")
        step.removed = (item,)
        found = _guarded(past, data, now_us, doing, step)
        if found is not None:
            removed = found.fields.pop(item, None)
            if not past.guarded:  # HDEL 0 tells nothing
                step.effective = None if removed is None else True
            if not found.fields:
                del data.sessions[doing.sid]
        return [step]

    return steps


def _logout(data: Data, now_us: float, doing: Doing) -> list[Step]:
    step = _step(StepKind.DESTROY, doing, "DEL")
    step.effective = data.session(doing.sid, now_us) is not None
    if not step.effective and len(doing.attempts) > 1:
        step.effective = None  # an earlier, unanswered attempt may have been the one
    data.sessions.pop(doing.sid, None)
    removed = _step(StepKind.INDEX_REMOVE, doing, "SREM", deciding=False)
    removed.member, removed.key = doing.sid, index_key(doing.user)
    index = data.indexes.get(doing.user, set())
    removed.effective = doing.sid in index or (None if len(doing.attempts) > 1 else False)
    index.discard(doing.sid)
    return [step, removed]


def _rotate(past: Past, old: str) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        seen = _step(StepKind.READ, doing, "HGETALL PTTL", deciding=False)
        seen.session, seen.key = old, session_key(old)
        held = data.session(old, now_us)
        seen.saw, seen.pttl_ms = {} if held is None else dict(held.fields), _pttl_ms(held, now_us)
        create, listed = _login(past)(data, now_us, doing)
        kept = {name: value for name, value in seen.saw.items() if name not in IDENTITY}
        create.wrote = kept
        made = data.sessions[doing.sid].fields
        data.sessions[doing.sid].fields = {name: made[name] for name in IDENTITY} | kept
        destroy, removed = _logout(data, now_us, replace(doing, sid=old))
        return [seen, create, destroy, listed, removed]

    return steps


def _everywhere(data: Data, now_us: float, doing: Doing) -> list[Step]:
    index = data.indexes.get(doing.user, set())
    listing = _step(StepKind.INDEX_READ, doing, "SMEMBERS", deciding=False)
    listing.members = tuple(sorted(index))
    steps = [listing]
    for sid in listing.members:
        step = _step(StepKind.DESTROY, doing, "DEL")
        step.session, step.key = sid, session_key(sid)
        step.effective = data.session(sid, now_us) is not None
        data.sessions.pop(sid, None)
        steps.append(step)
    cleared = _step(StepKind.INDEX_REMOVE, doing, "SREM", deciding=False)
    cleared.members, cleared.effective = listing.members, bool(index)
    index.clear()
    return [*steps, cleared]


def _on(does: StepKind, key: str, command: str) -> Step:
    return Step(n=1, does=does, command=command, key=key, deciding=True)


def _put(kept: ObjectKind, key: str, lives_s: float) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        step = _on(StepKind.PUT, key, "SET")
        step.wrote, step.ttl_ms = {VALUE: str(doing.id)}, round(lives_s * 1000)
        there = kept.once and data.object(key, now_us) is not None
        step.effective = not there or (None if len(doing.attempts) > 1 else False)
        if not there:
            data.objects[key] = str(doing.id), now_us + lives_s * 1e6
        return [step]

    return steps


def _look_at(key: str) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, now_us: float, _doing: Doing) -> list[Step]:
        step = _on(StepKind.LOOK, key, "GET PTTL")
        value = data.object(key, now_us)
        step.saw = {} if value is None else {VALUE: value}
        return [step]

    return steps


def _enter(key: str, lasts_s: float) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, _now_us: float, doing: Doing) -> list[Step]:
        step = _on(StepKind.PUT, key, "ZADD")
        until_us = round(doing.attempts[0][0] * 1e6 + lasts_s * 1e6)
        step.wrote, step.effective = {VALUE: str(doing.id), UNTIL: str(until_us)}, True
        data.objects[key] = " ".join([*_members(data, key), f"{doing.id}={until_us}"]), float("inf")
        return [step]

    return steps


def _leave(key: str, entered: Doing) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, _now_us: float, _doing: Doing) -> list[Step]:
        step = _on(StepKind.DROP, key, "ZREM")
        step.wrote, step.effective = {VALUE: str(entered.id)}, True
        left = [one for one in _members(data, key) if not one.startswith(f"{entered.id}=")]
        data.objects[key] = " ".join(left), float("inf")
        return [step]

    return steps


def _tally(key: str) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, _now_us: float, doing: Doing) -> list[Step]:
        step = _on(StepKind.LOOK, key, "ZCOUNT")
        at_us = doing.attempts[0][0] * 1e6
        ends = [float(one.partition("=")[2]) for one in _members(data, key)]
        step.saw = {TOTAL: str(sum(one > at_us for one in ends)), AT: str(round(at_us))}
        return [step]

    return steps


def _members(data: Data, key: str) -> list[str]:
    return data.objects.get(key, ("", 0.0))[0].split()


def _save(key: str, found: list[str]) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        before = found[-1] if found else data.object(key, now_us) or ""
        step = _on(StepKind.PUT, key, "SET")
        step.wrote, step.effective = {VALUE: f"{before} {doing.id}".strip()}, True
        step.ttl_ms = 1_800_000
        data.objects[key] = step.wrote[VALUE], now_us + step.ttl_ms * 1e3
        return [step]

    return steps


def _replied(kind: ObjectKind, value: str | None) -> object:
    """What a node answers to the first question about an object that holds this."""
    if isinstance(kind, Online):
        return [part for one in (value or "").split() for part in one.split("=")]
    if isinstance(kind, Document) and value is not None:
        return packed(value.split(), PLAIN)
    return value


def _count(key: str, limit: int | None, window_s: float) -> Callable[[Data, float, Doing], list[Step]]:
    def steps(data: Data, now_us: float, _doing: Doing) -> list[Step]:
        step = _on(StepKind.COUNT, key, "EVAL (INCR PEXPIRE)")
        step.added, step.ttl_ms = {TOTAL: 1}, round(window_s * 1000)
        step.wrote = {} if limit is None else {LIMIT: str(limit)}
        value = data.object(key, now_us)
        total = int(value or 0) + 1
        ends_us = now_us + window_s * 1e6 if value is None else data.objects[key][1]
        data.objects[key] = str(total), ends_us
        step.added_now, step.effective = {TOTAL: total}, True
        return [step]

    return steps


def records_of(history: History) -> list[Record]:
    """The history's records, as a run writes them down."""
    return [
        history.opening,
        *history.phases,
        *history.connections,
        *history.operations,
        *history.events,
        *history.samples,
        *history.clocks,
        *history.audit,
        *history.objects,
        *([history.audit_summary] if history.audit_summary else []),
        *([history.closing] if history.closing else []),
    ]


def as_lines(history: History) -> str:
    """The same as JSON lines, as a run would have left them."""
    return "".join(msgspec.json.encode(record).decode() + "\n" for record in records_of(history))
