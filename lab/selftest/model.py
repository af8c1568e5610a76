"""Random correct executions over a model store (`model_store`), fast enough for ten million operations.

People arrive at random; every attempt is executed at a moment of its own, between sent and answered
or, where no answer came, later or never.
Per history, drawn from the seed: timeouts that run out or do not, a clock of one microsecond or
one millisecond, a wall clock that drifts, a primary that is killed and replaced without any loss. By
construction no promise is broken, so whatever the checks find is a false alarm; except that they may say
who was put out because touches failed while the timeout ran out: the store knows who that can be.

Trap: an old attempt that lands after a later acked write is a true finding (ghost-retry). So here an
attempt without an answer lands before its operation has ended, unless that never got an answer at all.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from heapq import heappop, heappush

from harness.checks.facts.step_effects import IDENTITY
from harness.model.attempt_results import REPLY
from harness.model.history import History
from harness.model.records import Attempt, Operation, Step
from harness.model.words import OperationKind, Outcome, StepKind
from harness.redis_wire.ends import ENDS
from lab.selftest.model_objects import Begun, Crowd, ObjectStore
from lab.selftest.model_store import Known, Store, Tried
from lab.selftest.model_surroundings import Surroundings

USERS = 500
ROUGH_USERS, ROUGH_SMOOTH = 20, 0.5
"""So much overlaps that a wrong rule about repeated attempts showed once in 10,000 operations instead of
700,000."""
RATE_PER_S = 2500.0
AGED_SHARE = 1 / 2
"""Of the histories whose idle timeouts run out have an absolute timeout."""
RENEWED_SHARE = 0.02
ITEMS = tuple(f"cart:{n}" for n in range(6))
SETTLED_US = 6_000_000

ACKED, REJECTED, UNKNOWN = Outcome.ACKED, Outcome.REJECTED, Outcome.UNKNOWN


class Model:
    """One history; `tell` makes it. `rough`: few people, and every other attempt in trouble. `renews`:
    sessions get new ids."""

    def __init__(self, seed: int, *, rough: bool = False, renews: bool = False) -> None:
        self.dice = random.Random(f"model {seed}")
        self._turns = random.Random(f"ids {seed}") if renews else None
        aged = random.Random(f"age {seed}").random() < AGED_SHARE
        self.around = Surroundings(self.dice, aged=aged)
        if rough:
            self.around.smooth = ROUGH_SMOOTH
        self._users = ROUGH_USERS if rough else USERS
        self._clock_us = self.around.clock_us
        self._agenda: list[tuple[int, int, Callable[..., None], tuple[object, ...]]] = []
        self._pushed = 0
        self.store = Store(self._users, self.around.wall_ms)
        self._crowd = Crowd(
            self.dice,
            ObjectStore(self.around.wall_ms),
            self.around.clock_us,
            brief=not self.around.fails,
        )
        self._session: list[Known | None] = [None] * self._users
        self._all: list[Known] = []
        self._operations: list[Operation] = []

    def tell(self, operations: int) -> History:
        at_us, step = 1_000_000.0, self.dice.expovariate
        self.around.plan_for(at_us, operations / RATE_PER_S * 1e6)
        for number in range(1, operations + 1):
            at_us += step(RATE_PER_S) * 1e6
            now_us = int(at_us)
            self._execute(now_us)
            self._arrive(number, now_us)
        end_us = int(at_us) + SETTLED_US
        self._execute(end_us)
        kept, index = self.store.kept, self.store.index
        looks = ((one, kept.get(one.id), one.id in index[one.user]) for one in self._all)
        return self.around.history(self._operations, looks, end_us, self._crowd.store)

    # ------------------------------------------------------------ who does what

    def _arrive(self, number: int, now_us: int) -> None:
        draw, which = self.dice.random(), self.dice.random()
        user = int(self._users * which * which)
        session = self._session[user]
        if session is None or draw < 0.02:
            self._log_in(number, now_us, user)
        elif self._turns is not None and self._turns.random() < RENEWED_SHARE:
            self._rotate(number, now_us, session)
        elif draw < 0.09:
            self._beside(number, now_us, session)
        elif draw < 0.45:
            self._look(number, now_us, session)
        elif draw < 0.60:
            self._touch(number, now_us, session)
        elif draw < 0.76:
            fields = ("ip", "agent") if draw < 0.68 else ("theme",)
            self._write(number, now_us, session, "change-field", StepKind.WRITE, fields)
        elif draw < 0.90:
            self._write(number, now_us, session, "cart", StepKind.INCREMENT, ITEMS)
        elif draw < 0.94:
            self._write(number, now_us, session, "cart", StepKind.REMOVE_FIELD, ITEMS)
        elif draw < 0.98:
            self._log_out(number, now_us, session)
        else:
            self._log_out_everywhere(number, now_us, session)

    def _log_in(self, number: int, now_us: int, user: int) -> None:
        sid = f"{self.dice.getrandbits(128):032x}"
        over_us = self._clock_us(now_us) + self.around.age_ms * 1000
        session = Known(
            sid, f"session:{{{sid}}}", user, number, over_us if self.around.age_ms else float("inf")
        )
        self._all.append(session)
        create = self._step(StepKind.CREATE, session, "MULTI HSET EXPIRE RPUSH EXPIRE EXEC", number)
        version = f"{number}:"
        create.wrote = {
            "created": version + "1",
            "ip": version + "a",
            "agent": version + "a",
            "theme": version + "l",
        }
        if self.around.age_ms:
            create.wrote[ENDS] = f"{version}{over_us}"
        create.ttl_ms = self._left_ms(session, now_us)
        tried = self._try(now_us, again=True)
        operation = self._begin(number, now_us, "log-in", OperationKind.LOGIN, session, tried, create)
        operation.generation = 0
        self._push(tried, self.store.create, session, create)
        if tried.outcome is not ACKED:
            return
        create.effective = True
        self._later(tried.done_us, self._now_knows, user, session, None)
        self._enlist(operation, session)

    def _enlist(self, operation: Operation, session: Known) -> None:
        added = self._step(StepKind.INDEX_ADD, session, "SADD EXPIRE", None, deciding=False)
        added.key, added.member = f"user:{{u{session.user}}}:sessions", session.id
        self._push(self._next(operation, added), self.store.enlist, session, added)

    def _unlist(self, operation: Operation, session: Known) -> None:
        removed = self._step(StepKind.INDEX_REMOVE, session, "SREM", None, deciding=False)
        removed.key, removed.member = f"user:{{u{session.user}}}:sessions", session.id
        self._push(self._next(operation, removed), self.store.unlist, session, removed)

    def _rotate(self, number: int, now_us: int, old: Known) -> None:
        """The session under a new id: read, made again and deleted, one after the other."""
        sid = f"{self.dice.getrandbits(128):032x}"
        new = Known(sid, f"session:{{{sid}}}", old.user, number, old.ends_us)
        self._all.append(new)
        seen = self._step(StepKind.READ, old, "HGETALL PTTL", None, deciding=False)
        tried = self._try(now_us, again=True)
        operation = self._begin(number, now_us, "rotate-session", OperationKind.LOGIN, new, tried, seen)
        operation.generation = 0
        if tried.outcome is ACKED:
            self._later(tried.executed_us, self._renew, operation, old, new, seen)

    def _renew(self, at_us: int, operation: Operation, old: Known, new: Known, seen: Step) -> None:
        self._read(at_us, old, seen)
        create = self._step(StepKind.CREATE, new, "MULTI HSET EXPIRE RPUSH EXPIRE EXEC", operation.id)
        create.wrote = {name: value for name, value in (seen.saw or {}).items() if name not in IDENTITY}
        create.ttl_ms = self._left_ms(new, at_us)
        if not create.wrote or create.ttl_ms <= 0:
            seen.deciding, seen.effective, operation.told = True, False, "please log in"
            return
        destroy = self._step(StepKind.DESTROY, old, "DEL", None)
        for step, session, carries in (
            (create, new, self.store.create),
            (destroy, old, self.store.destroy),
        ):
            tried = self._next(operation, step)
            self._push(tried, carries, session, step)
            if tried.outcome is not ACKED:
                operation.outcome, operation.told = tried.outcome, "error"
                return
            create.effective = True
        self._later(tried.done_us, self._now_knows, new.user, new, old)
        self._enlist(operation, new)
        self._unlist(operation, old)

    def _look(self, number: int, now_us: int, session: Known) -> None:
        step = self._step(StepKind.READ, session, "HGETALL PTTL", None)
        tried = self._try(now_us, again=True)
        self._begin(number, now_us, "read", OperationKind.READ, session, tried, step)
        if tried.outcome is ACKED:
            self._later(tried.executed_us, self._read, session, step)

    def _left_ms(self, session: Known, now_us: int) -> int:
        """What a touch may give it."""
        return int(min(self.around.idle_ms, (session.ends_us - self._clock_us(now_us)) / 1000))

    def _touch(self, number: int, now_us: int, session: Known) -> None:
        if self._left_ms(session, now_us) <= 0:  # its user is told to log in
            self._look(number, now_us, session)
            self._now_knows(now_us, session.user, None, session)
            return
        look = self._step(StepKind.READ, session, "HGETALL PTTL", None, deciding=False)
        step = self._step(StepKind.TOUCH, session, "EXPIRE", None)
        step.ttl_ms = self._left_ms(session, now_us)
        tried = self._try(now_us, again=True)
        self._begin(number, now_us, "touch", OperationKind.TOUCH, session, tried, look, step)
        if tried.outcome is ACKED:
            self._later(tried.executed_us, self._read, session, look)
        else:
            self.store.failed_touches.add(session.id)
        self._push(tried, self.store.slide, session, step)

    def _write(  # noqa: PLR0917 - one line per behaviour above
        self,
        number: int,
        now_us: int,
        session: Known,
        behaviour: str,
        does: StepKind,
        fields: tuple[str, ...],
    ) -> None:
        step = self._step(does, session, "EVAL (EXISTS ...)", number)
        item = fields[int(self.dice.random() * len(fields))]
        if does is StepKind.WRITE:
            step.wrote = dict.fromkeys(fields, f"{number}:x")
        elif does is StepKind.INCREMENT:
            step.added = {item: 1 + number % 3}
        else:
            step.removed = (item,)
        tried = self._try(now_us, again=does is not StepKind.INCREMENT)
        self._begin(number, now_us, behaviour, OperationKind.WRITE, session, tried, step)
        self._push(tried, self.store.change, session, step)

    def _log_out(self, number: int, now_us: int, session: Known) -> None:
        step = self._step(StepKind.DESTROY, session, "DEL", None)
        tried = self._try(now_us, again=True)
        operation = self._begin(number, now_us, "logout", OperationKind.LOGOUT, session, tried, step)
        self._push(tried, self.store.destroy, session, step)
        if tried.outcome is not ACKED:
            return
        self._later(tried.done_us, self._now_knows, session.user, None, session)
        self._unlist(operation, session)

    def _log_out_everywhere(self, number: int, now_us: int, session: Known) -> None:
        step = self._step(StepKind.INDEX_READ, session, "SMEMBERS", None, deciding=False)
        step.key = f"user:{{u{session.user}}}:sessions"
        tried = self._try(now_us, again=False)
        operation = self._begin(
            number, now_us, "logout-everywhere", OperationKind.LOGOUT, session, tried, step
        )
        if tried.outcome is ACKED:
            self._later(tried.executed_us, self._members, operation, session, step)

    def _beside(self, number: int, now_us: int, session: Known) -> None:
        """A request that is about an object and no session."""
        begun = self._crowd.begins(number, now_us, session)
        tried = self._try(now_us, again=begun.again)
        operation = self._begin(number, now_us, "beside", begun.kind, session, tried, begun.step)
        if begun.carries is not None:
            self._push(tried, begun.carries, session, begun.step)
        if tried.outcome is not ACKED:
            begun.step.saw = None
            return
        if begun.looks is not None:
            self._later(tried.executed_us, begun.looks, session, begun.step)
        if begun.then is not None:
            self._later(tried.done_us, self._goes_on, begun, operation, session)

    def _goes_on(self, _at_us: int, begun: Begun, operation: Operation, session: Known) -> None:
        following = begun.then(operation, session) if begun.then else None
        if following is None:
            return
        tried = self._next(operation, following.step)
        self._push(tried, following.carries, session, following.step)
        if tried.outcome is not ACKED:
            operation.outcome, operation.told = tried.outcome, "error"

    # ------------------------------------------------------------ how it travels

    def _try(self, sent_us: int, *, again: bool) -> Tried:
        """Most are answered at once; some late, refused, without an answer, or sent again."""
        around, draw = self.around, self.dice.random()
        if draw < around.smooth and not around.near_failover(sent_us):
            executed_us = sent_us + 100 + int(draw * 400)
            done_us = executed_us + 50 + int(draw * 200)
            attempt = Attempt(
                n=1, connection=around.connection(sent_us), steps=(1,), handed_over=True,
                sent_us=self._clock_us(sent_us), done_us=self._clock_us(done_us), result=REPLY,
            )  # fmt: skip
            return Tried(ACKED, sent_us, done_us, executed_us, (), [attempt])
        return around.trouble(sent_us, again=again)

    def _next(self, operation: Operation, step: Step) -> Tried:
        """A further step of an operation whose steps so far were acked."""
        assert operation.done_us is not None
        tried = self._try(operation.done_us + self.around.coarse_us, again=False)
        base = len(operation.attempts)
        for attempt in tried.attempts:
            attempt.n += base
            attempt.steps = (len(operation.steps) + 1,)
        self._sent(step, len(operation.steps) + 1, tried)
        operation.steps = (*operation.steps, step)
        operation.attempts = (*operation.attempts, *tried.attempts)
        operation.done_us = step.done_us
        return tried

    def _begin(  # noqa: PLR0917 - the one place where an operation is made
        self,
        number: int,
        now_us: int,
        behaviour: str,
        kind: OperationKind,
        session: Known,
        tried: Tried,
        *steps: Step,
    ) -> Operation:
        for n, step in enumerate(steps, start=1):
            self._sent(step, n, tried)
        if len(steps) > 1:
            for attempt in tried.attempts:
                attempt.steps = (1, 2)
        at_us = self._clock_us(now_us)
        operation = Operation(
            id=number,
            actor=f"a{number}",
            web_server="web-1",
            behaviour=behaviour,
            kind=kind,
            user=f"u{session.user}",
            session=session.id,
            key=session.key,
            shard=1,
            generation=session.generation,
            due_us=at_us,
            sent_us=at_us,
            done_us=self._clock_us(tried.done_us),
            outcome=tried.outcome,
            told="ok" if tried.outcome is ACKED else "error",
            phase=self.around.phase(now_us),
            steps=steps,
            attempts=tuple(tried.attempts),
        )
        self._operations.append(operation)
        return operation

    def _sent(self, step: Step, n: int, tried: Tried) -> None:
        step.n, step.outcome = n, tried.outcome
        step.attempts = tuple([attempt.n for attempt in tried.attempts])
        step.sent_us, step.done_us = tried.attempts[0].sent_us, self._clock_us(tried.done_us)

    def _step(
        self, does: StepKind, session: Known, command: str, witness: int | None, *, deciding: bool = True
    ) -> Step:
        return Step(
            n=1,
            does=does,
            command=command,
            key=session.key,
            session=session.id,
            deciding=deciding,
            witness=None if witness is None else str(witness),
        )

    # ------------------------------------------------------------ when it is executed

    def _later(self, at_us: int, what: Callable[..., None], *given: object) -> None:
        self._pushed += 1
        heappush(self._agenda, (at_us, self._pushed, what, given))

    def _push(self, tried: Tried, what: Callable[..., None], session: Known, step: Step) -> None:
        """Let every execution take place; only the answered one fills in the step's reply."""
        for at_us in tried.unseen_us:
            self._later(at_us, what, session, step, False)
        if tried.outcome is ACKED:
            self._later(tried.executed_us, what, session, step, True)

    def _execute(self, until_us: int) -> None:
        agenda = self._agenda
        while agenda and agenda[0][0] <= until_us:
            at_us, _, what, given = heappop(agenda)
            what(at_us, *given)

    def _now_knows(self, _at_us: int, user: int, session: Known | None, instead_of: Known | None) -> None:
        """What the user's browser remembers, once it was told."""
        if session is not None or self._session[user] is instead_of:
            self._session[user] = session

    def _read(self, at_us: int, session: Known, step: Step) -> None:
        self.store.read(at_us, session, step)
        if not step.saw and self._session[session.user] is session:
            self._session[session.user] = None  # "please log in"

    def _members(self, _at_us: int, operation: Operation, session: Known, step: Step) -> None:
        """The list is read; what it names is deleted, one after the other, then taken out."""
        step.members = tuple(sorted(self.store.index[session.user]))
        for sid in step.members:
            member = Known(sid, f"session:{{{sid}}}", session.user, 0)
            destroy = self._step(StepKind.DESTROY, member, "DEL", None)
            tried = self._next(operation, destroy)
            self._push(tried, self.store.destroy, member, destroy)
            if tried.outcome is not ACKED:
                operation.outcome, operation.told = tried.outcome, "error"
                return
        self._session[session.user] = None
        if step.members:
            removed = self._step(StepKind.INDEX_REMOVE, session, "SREM", None, deciding=False)
            removed.key, removed.members = step.key, step.members
            self._push(self._next(operation, removed), self.store.unlist_all, session, removed)
