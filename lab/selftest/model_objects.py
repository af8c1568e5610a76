"""What the model store holds beside sessions (flags, counters, visits, whole-session saves, leases), and who
works with them.

Each method of `ObjectStore` is one execution of one attempt, as in `model_store`. By construction nothing is
lost. Trap: a token that was spent by an attempt without an answer is refused afterwards, which is a true
finding (token-burnt); so here only those come twice whose first use was confirmed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.model.records import ObjectEntry, Operation, Step
from harness.model.words import OperationKind, StepKind
from harness.objects import object_of
from harness.objects.counter import ATTEMPTS
from harness.objects.flag import CUT_OFF, PROFILE, REVOKED, SPENT
from harness.objects.kind import AT, LIMIT, TOTAL, UNTIL, VALUE
from harness.objects.lease import LEADER, LOCK
from harness.objects.saved import SAVED
from harness.objects.tally import ONLINE, STATISTICS
from lab.selftest.model_store import Known

SITE, JOBS = "site", 3


@dataclass(slots=True)
class ObjectStore:
    """`wall_ms`: what the nodes' clock shows at a moment of the run."""

    wall_ms: Callable[[int], int]
    values: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Key -> value, and when its time runs out."""
    visits: dict[str, int] = field(default_factory=dict)
    """Member -> when it is over by the application's clock."""
    events: int = 0

    def _there(self, key: str, at_us: int) -> str | None:
        value, until_ms = self.values.get(key, ("", 0.0))
        return value if self.wall_ms(at_us) <= until_ms else None

    def put(self, at_us: int, _session: Known, step: Step, answered: bool) -> None:
        there = self._there(step.key, at_us)
        once = step.command.endswith("NX")
        if there is None or not once:
            self.values[step.key] = step.wrote[VALUE], self.wall_ms(at_us) + (step.ttl_ms or 0)
        if answered:
            step.effective = there is None or not once

    def look(self, at_us: int, _session: Known, step: Step) -> None:
        there = self._there(step.key, at_us)
        step.saw = {} if there is None else {VALUE: there}

    def count(self, at_us: int, _session: Known, step: Step, answered: bool) -> None:
        there = self._there(step.key, at_us)
        total = int(there or 0) + 1
        until_ms = self.wall_ms(at_us) + (step.ttl_ms or 0) if there is None else self.values[step.key][1]
        self.values[step.key] = str(total), until_ms
        if answered:
            step.added_now, step.effective = {TOTAL: total}, True

    def enter(self, _at_us: int, _session: Known, step: Step, answered: bool) -> None:
        self.visits[step.wrote[VALUE]] = int(step.wrote[UNTIL])
        if answered:
            step.effective = True

    def leave(self, _at_us: int, _session: Known, step: Step, answered: bool) -> None:
        self.visits.pop(step.wrote[VALUE], None)
        if answered:
            step.effective = True

    def visits_at(self, _at_us: int, _session: Known, step: Step) -> None:
        """Counts what is not over at that moment, and takes out what is."""
        at_us = int((step.saw or {})[AT])
        open_ones = {visit: until_us for visit, until_us in self.visits.items() if until_us > at_us}
        self.visits = open_ones
        step.saw = {TOTAL: str(len(open_ones)), AT: str(at_us)}

    def event(self, _at_us: int, _session: Known, step: Step, answered: bool) -> None:
        self.events += 1
        if answered:
            step.effective = True

    def add_up(self, _at_us: int, _session: Known, step: Step) -> None:
        step.saw = {TOTAL: str(self.events)}

    def save(self, at_us: int, session: Known, step: Step, answered: bool) -> None:
        """Stores only if nobody has stored since: `wrote` is what was read, and one mark more."""
        before, _, _ = step.wrote[VALUE].rpartition(" ")
        if (self._there(step.key, at_us) or "") == before:
            self.put(at_us, session, step, answered)
        elif answered:
            step.effective = False

    def give_back(self, at_us: int, _session: Known, step: Step, answered: bool) -> None:
        mine = self._there(step.key, at_us) == step.reply
        if mine:
            del self.values[step.key]
        if answered:
            step.effective = mine

    def entries(
        self, at_us: int, nodes: Iterable[tuple[str, str, str]], clock_us: Callable[[int], int]
    ) -> Iterable[ObjectEntry]:
        """Every object as every node shows it to the audit."""
        shown = {key: self._shown(key, at_us) for key in self.values if object_of(key) is not None}
        shown[ONLINE.key(SITE)] = {VALUE: " ".join(map(str, self.visits.values()))} if self.visits else {}
        shown[STATISTICS.key(SITE)] = {TOTAL: str(self.events)} if self.events else {}
        for node, run_id, role in nodes:
            for key, saw in shown.items():
                yield ObjectEntry(
                    pass_n=1,
                    key=key,
                    node=node,
                    role=role,
                    run_id=run_id,
                    sent_us=clock_us(at_us),
                    done_us=clock_us(at_us + 1000),
                    saw=saw,
                )

    def _shown(self, key: str, at_us: int) -> dict[str, str]:
        there = self._there(key, at_us)
        kind = object_of(key)
        return {} if there is None or kind is None else {TOTAL if kind is ATTEMPTS else VALUE: there}


class Crowd:
    """Who works with them, and how each request goes on."""

    def __init__(
        self, dice: random.Random, store: ObjectStore, clock_us: Callable[[int], int], *, brief: bool
    ) -> None:
        """`brief`: some of what they put runs out. After a failover nobody could tell that from a loss."""
        self._dice = dice
        self._lives_ms = (2_000, 900_000) if brief else (900_000,)
        self._stays_us = (300_000, 900_000_000) if brief else (900_000_000,)
        self._window_ms = 5_000 if brief else 900_000
        self._clock_us = clock_us
        self.store = store
        self._used: list[str] = []
        self._tokens = 0

    def begins(self, number: int, now_us: int, session: Known) -> Begun:
        """One request: its first step, how it is carried out, and what follows once it is answered."""
        store, dice = self.store, self._dice
        user = f"u{session.user}"
        draw = int(dice.random() * 13)
        match draw:
            case 0 | 1:
                kept, of = (REVOKED, session.id) if draw else (CUT_OFF, user)
                return Begun(
                    _put(kept.key(of), str(number), dice.choice(self._lives_ms)), store.put, again=True
                )
            case 2 | 3:
                kept, of = (REVOKED, session.id) if draw == 2 else (CUT_OFF, user)
                return Begun(_look(kept.key(of)), None, looks=store.look, again=True)
            case 4:
                step = _put(SPENT.key(self._token()), str(number), 900_000)
                step.command = "SET NX"
                return Begun(step, store.put, then=self._spent)
            case 5:
                step = _step(StepKind.COUNT, ATTEMPTS.key(user), "EVAL (INCR PEXPIRE)")
                step.added, step.wrote, step.ttl_ms = {TOTAL: 1}, {LIMIT: "1000000"}, self._window_ms
                return Begun(step, store.count)
            case 6:
                return Begun(_put(PROFILE.key(user), str(number), 900_000), store.put, again=True)
            case 7:
                return Begun(_look(PROFILE.key(user)), None, looks=store.look, again=True)
            case 8:
                step = _step(StepKind.PUT, ONLINE.key(SITE), "ZADD")
                until_us = self._clock_us(now_us) + dice.choice(self._stays_us)
                step.wrote = {VALUE: str(number), UNTIL: str(until_us)}
                return Begun(step, store.enter, again=True, then=self._leaves)
            case 9:
                step = _look(ONLINE.key(SITE))
                step.saw = {AT: str(self._clock_us(now_us))}
                return Begun(step, None, looks=store.visits_at, again=True)
            case 10:
                step = _step(StepKind.PUT, STATISTICS.key(SITE), "HINCRBY")
                step.wrote, step.ttl_ms = {VALUE: str(number)}, 900_000
                return Begun(step, store.event)
            case 11:
                if dice.random() < 0.3:
                    return Begun(_look(STATISTICS.key(SITE)), None, looks=store.add_up, again=True)
                return Begun(_look(SAVED.key(session.id)), None, looks=store.look, then=self._saves)
            case _:
                lease = LOCK.key(session.id) if dice.random() < 0.5 else LEADER.key(f"job-{number % JOBS}")
                step = _put(lease, str(number), dice.choice((300, 60_000)))
                step.does, step.command, step.session = StepKind.ACQUIRE, "SET NX", session.id
                return Begun(step, store.put, then=self._gives_back)

    def _token(self) -> str:
        if self._used and self._dice.random() < 0.4:
            return self._dice.choice(self._used)
        self._tokens += 1
        return f"token{self._tokens}"

    def _spent(self, operation: Operation, _session: Known) -> Next | None:
        step = operation.steps[0]
        if step.effective and len(self._used) < 1000:
            self._used.append(step.key.partition("{")[2].rstrip("}"))
        return None

    def _leaves(self, operation: Operation, _session: Known) -> Next | None:
        if self._dice.random() < 0.3:
            return None
        step = _step(StepKind.DROP, ONLINE.key(SITE), "ZREM")
        step.wrote = {VALUE: str(operation.id)}
        return Next(step, self.store.leave)

    def _saves(self, operation: Operation, session: Known) -> Next | None:
        before = (operation.steps[0].saw or {}).get(VALUE, "")
        step = _put(SAVED.key(session.id), f"{before} {operation.id}".strip(), 900_000)
        return Next(step, self.store.save)

    def _gives_back(self, operation: Operation, session: Known) -> Next | None:
        acquired = operation.steps[0]
        if acquired.effective is not True:
            return None
        step = _step(StepKind.RELEASE, acquired.key, "EVAL (GET DEL)")
        step.session, step.reply = session.id, str(operation.id)
        return Next(step, self.store.give_back)


Carries = Callable[[int, Known, Step, bool], None]


@dataclass(frozen=True, slots=True)
class Begun:
    step: Step
    carries: Carries | None
    """None: it only looks."""
    looks: Callable[[int, Known, Step], None] | None = None
    again: bool = False
    """Sent again where no answer came."""
    then: Callable[[Operation, Known], Next | None] | None = None

    @property
    def kind(self) -> OperationKind:
        return OperationKind.READ if self.carries is None else OperationKind.WRITE


@dataclass(frozen=True, slots=True)
class Next:
    step: Step
    carries: Carries


def _step(does: StepKind, key: str, command: str) -> Step:
    return Step(n=1, does=does, command=command, key=key, deciding=True)


def _put(key: str, value: str, ttl_ms: int) -> Step:
    step = _step(StepKind.PUT, key, "SET")
    step.wrote, step.ttl_ms = {VALUE: value}, ttl_ms
    return step


def _look(key: str) -> Step:
    return _step(StepKind.LOOK, key, "GET PTTL")
