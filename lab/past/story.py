"""A small model of Redis nodes that writes histories, so that a test reads as a story."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.model.history import History
from harness.model.records import AuditEntry, Connection, Event, NodeSample, ObjectEntry, Operation, Step
from harness.model.told import TURNED_AWAY
from harness.model.words import OperationKind, Outcome
from harness.objects.kind import ObjectKind
from lab.past import object_steps, session_steps
from lab.past.by_hand import ByHand, effect_of
from lab.past.doing import Doing, Steps
from lab.past.frame import NODES, SETTLES_S
from lab.past.looks import Met, Object, Session, looked
from lab.past.nodes import Nodes, owner_at, run_id_of, samples_of
from lab.past.requests import connection_of, operation_of
from lab.past.store import Data, Hash
from lab.records import us

TOOK_S = 0.001
ASKED_ONCE = NodeSample(node="redis-1", sent_us=us(1), done_us=us(1), role="primary", run_id="old", offset=10)


@dataclass
class Past(ByHand):
    effect_s: float | None = None
    """When the first fault took effect, unless an event says what became of it."""
    recovers: bool = True
    """It says when everybody had recovered from its faults."""
    samples_per_s: int = 10
    """0: one node was asked once, so that somebody was."""

    def __post_init__(self) -> None:
        self._first = Data()
        self.stores = dict.fromkeys(NODES, self._first)
        self.doings: list[Doing] = []
        self.acts: list[tuple[float, Callable[[], object]]] = []
        self.owners: list[tuple[float, str]] = [(-1.0, "redis-1")]
        self.reborn: list[tuple[float, str, int]] = []
        self.silent: set[str] = set()
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
        doing = self._do("log-in", OperationKind.LOGIN, user, sid, at, session_steps.log_in(self), how)
        self.users[sid] = user
        self.logins[sid] = doing.id
        doing.generation = 0
        return sid

    def read(self, sid: str, at: float, **how: Any) -> Doing:
        return self._do("read", OperationKind.READ, self.users[sid], sid, at, session_steps.read, how)

    def touch(self, sid: str, at: float, *, whole: bool = False, **how: Any) -> Doing:
        """`whole`: without a look at the session's age."""
        steps = session_steps.touch(self.idle_s, whole=whole)
        return self._do("touch", OperationKind.TOUCH, self.users[sid], sid, at, steps, how)

    def change(self, sid: str, at: float, *fields: str, **how: Any) -> Doing:
        steps = session_steps.change(self, fields or ("theme",))
        return self._do("change-field", OperationKind.WRITE, self.users[sid], sid, at, steps, how)

    def add(self, sid: str, at: float, amount: int = 1, item: str = "cart:1", **how: Any) -> Doing:
        steps = session_steps.add(self, item, amount)
        return self._do("cart", OperationKind.WRITE, self.users[sid], sid, at, steps, how)

    def remove(self, sid: str, at: float, item: str = "cart:1", **how: Any) -> Doing:
        return self._do(
            "cart", OperationKind.WRITE, self.users[sid], sid, at, session_steps.remove(self, item), how
        )

    def logout(self, sid: str, at: float, **how: Any) -> Doing:
        return self._do("logout", OperationKind.LOGOUT, self.users[sid], sid, at, session_steps.logout, how)

    def rotate(self, sid: str, at: float, **how: Any) -> str:
        """The session gets a new id, which is returned."""
        user = self.users[sid]
        self.sids += 1
        new = f"{self.sids:08x}" * 4
        doing = self._do(
            "rotate-session", OperationKind.LOGIN, user, new, at, session_steps.rotate(self, sid), how
        )
        self.users[new], self.logins[new] = user, doing.id
        doing.generation = 0
        return new

    def logout_everywhere(self, sid: str, at: float, *, late: str | None = None, **how: Any) -> Doing:
        """`late`: a session that is entered in the list after it was read, and before it is deleted whole."""
        steps = session_steps.logout_everywhere(late)
        return self._do("logout-everywhere", OperationKind.LOGOUT, self.users[sid], sid, at, steps, how)

    def put(
        self, kept: ObjectKind, of: str, sid: str, at: float, *, lives: float = 900.0, **how: Any
    ) -> Doing:
        """`sid`: whose request it is. Its value is the operation's number."""
        steps = object_steps.put(kept, self._keep(kept, of), lives)
        return self._do("put", OperationKind.LOGOUT, self.users[sid], sid, at, steps, how)

    def look(self, kept: ObjectKind, of: str, sid: str, at: float, **how: Any) -> Doing:
        steps = object_steps.look_at(kept, self._keep(kept, of))
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
        steps = object_steps.count(self._keep(kept, of), limit, window)
        return self._do("count", OperationKind.WRITE, self.users[sid], sid, at, steps, how)

    def turned_away(self, kept: ObjectKind, of: str, sid: str, at: float, **how: Any) -> Doing:
        """A guard in front of the session refuses without an answer. The session is read all the same;
        `outcome` and `executed` are about that."""
        steps = object_steps.count_in_vain(self._keep(kept, of))
        asked = {"told": TURNED_AWAY, "first": "rejected", **how}
        return self._do("try-password", OperationKind.WRITE, self.users[sid], sid, at, steps, asked)

    def enter(
        self, kept: ObjectKind, of: str, sid: str, at: float, *, lasts: float = 900.0, **how: Any
    ) -> Doing:
        """Into something that counts how many there are, by the number of the operation."""
        steps = object_steps.enter(self._keep(kept, of), lasts)
        return self._do("enter", OperationKind.WRITE, self.users[sid], sid, at, steps, how)

    def leave(self, kept: ObjectKind, of: str, entered: Doing, at: float, **how: Any) -> Doing:
        """What was entered is taken out."""
        steps = object_steps.leave(self._keep(kept, of), entered)
        return self._do("leave", OperationKind.WRITE, entered.user, entered.sid, at, steps, how)

    def tally(self, kept: ObjectKind, of: str, sid: str, at: float, **how: Any) -> Doing:
        """Somebody asks how many there are."""
        steps = object_steps.tally(self._keep(kept, of))
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
        return self._do(
            "save", OperationKind.WRITE, self.users[sid], sid, at, object_steps.save(key, found), how
        )

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
        steps: Steps,
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
            first=Outcome(str(first)) if (first := how.pop("first", None)) else None,
            error=how.pop("error", None),  # type: ignore[arg-type]
            lost=bool(how.pop("lost", False)),
            closed=how.pop("closed", None),  # type: ignore[arg-type]
            side=str(how.pop("side", "all")),
            told=str(how.pop("told", "")),
            id=len(self.operations) + len(self.doings) + 1,
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
        return owner_at(self.owners, at)

    def _all(self) -> list[Data]:
        return list({id(data): data for data in self.stores.values()}.values())

    # What was recorded.

    def history(self) -> History:
        self._execute()
        operations = (*self.operations, *map(self._operation, self.doings))
        sessions, objects = (self._audit(), self._audit_objects()) if self.audited else ((), ())
        return History(
            plan=self.plan(),
            opening=self.opening(),
            operations=operations,
            connections=self._connections(),
            samples=self._samples(),
            events=self._events(),
            clocks=self.clock_pairs(),
            phases=self.phases(),
            audit=sessions,
            objects=objects,
            audit_summary=self.audit_summary(),
            closing=self.closing(len(operations)),
            incomplete="" if self.complete else "the harness died",
        )

    def _execute(self) -> None:
        """Run every attempt at its moment, acts first. The story may have been told before: it begins
        anew, with nothing stored."""
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

    def _attempt(self, doing: Doing, n: int, at: float) -> Callable[[], None]:
        def run() -> None:
            data = self.stores[doing.node or self.owner(at)]
            if doing.lost:
                data = copy.deepcopy(data)
            doing.replies[n] = doing.steps(data, at * 1e6, doing)

        return run

    def _operation(self, doing: Doing) -> Operation:
        return operation_of(doing, self._connection(doing).id, self.forged.get(doing.id))

    def _connection(self, doing: Doing) -> Connection:
        sent, executed, _ = doing.attempts[-1]
        node = doing.node or self.owner(sent if executed is None else executed)
        return connection_of(doing, node, run_id_of(self.reborn, node, sent))

    def _connections(self) -> tuple[Connection, ...]:
        made = {one.id: one for one in map(self._connection, self.doings)}
        return (*self.connections, *(made[number] for number in sorted(made)))

    def _samples(self) -> tuple[NodeSample, ...]:
        """Copies of those that the nodes gave: a test may change what was recorded."""
        if self.samples:
            return tuple(sorted(self.samples, key=lambda one: one.done_us))
        if not self.samples_per_s:
            return (
                NodeSample(
                    node="redis-1", sent_us=us(1), done_us=us(1), role="primary", run_id="old", offset=10
                ),
            )
        nodes = Nodes(
            owners=tuple(self.owners),
            reborn=tuple(self.reborn),
            evicted=tuple(self.evicted),
            behind=tuple(self.behind.items()),
            told_of=tuple(event.t_us / 1e6 for event in self.events),
            keys=self.keys,
        )
        return tuple(map(copy.copy, samples_of(nodes, self.end_s, self.samples_per_s)))

    def _events(self) -> tuple[Event, ...]:
        events = [*self.events, *self._effect(), *self._recovered()]
        return tuple(sorted(events, key=lambda one: one.t_us))

    def _effect(self) -> Iterator[Event]:
        known = any(event.name in {"effect", "no-effect"} for event in self.events)
        if self.faults and self.effect_s is not None and not known:
            yield effect_of(1, self.effect_s)

    def _recovered(self) -> Iterator[Event]:
        if self.faults and self.recovers and not self.not_recovered:
            yield Event(source="harness", name="recovered", t_us=us(self.end_s - SETTLES_S))

    def _audit(self) -> tuple[AuditEntry, ...]:
        sessions = (Session(sid, user, self.witnesses) for sid, user in self.users.items())
        return tuple(self.seen) or tuple(looked(sessions, self._met(), self.stores, self.silent))

    def _audit_objects(self) -> tuple[ObjectEntry, ...]:
        objects = (Object(key, kind) for key, kind in self.kept.items() if kind.questions(key))
        return tuple(looked(objects, self._met(), self.stores, self.silent))

    def _met(self) -> Iterator[Met]:
        """Every node as the audit meets it."""
        at, primary = self.end_s, self.owner(self.end_s)
        for node in NODES:
            yield Met(
                pass_n=1,
                node=node,
                role=self.calls_itself.get(node, "primary" if node == primary else "replica"),
                run_id=run_id_of(self.reborn, node, at),
                sent_us=us(at),
                done_us=us(at + TOOK_S),
            )
