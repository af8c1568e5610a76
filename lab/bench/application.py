"""Web servers and Redis in one: sessions, and what each behaviour does to them and is answered.

The operations are those that `harness.sessions` records of the same behaviours, step by step; nothing
is sent anywhere. `RunMaker` decides who does what, and when.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from harness.application import THEMES
from harness.checks.facts.step_effects import IDENTITY
from harness.model.records import Attempt, Operation, Step
from harness.model.words import OperationKind, Outcome, Phase, StepKind
from harness.objects.counter import ATTEMPTS
from harness.objects.flag import PROFILE, SPENT
from harness.objects.kind import LIMIT, TOTAL, VALUE
from harness.objects.listed import FORM
from harness.redis_wire.keys import index_key, session_key
from harness.sessions.fill_form import LIVES_S as FORM_LIVES_S
from harness.sessions.fill_form import STEPS as FORM_STEPS
from harness.sessions.remember_me import TOKEN_LIVES_S
from harness.sessions.try_password import ATTEMPTS_ALLOWED, WINDOW_S

MIX = {"read": 55.0, "touch": 20.0, "change-field": 12.0, "cart": 5.0}
SHOP = "shop"
"""The word in `workload.traffic` for the other mix that there are long runs of."""
WEB_SERVERS = ("web-1", "web-2", "web-3")
CONNECTIONS_PER_WEB_SERVER = 10
IDLE_TIMEOUT_S = 86_400
BREAKS_AFTER = 20
"""Operations on a session before it is lost or loses a write."""


@dataclass(slots=True)
class Live:
    """A session, as Redis has it."""

    sid: str
    user: str
    generation: int
    fields: dict[str, str]
    """Never changed in place: reads keep it."""
    ends_us: int
    witnesses: list[str]
    indexed: bool = True
    operations: int = 0
    breaks: str = ""
    """`lost`, `write-lost` or `revived`: what is still to go wrong with it."""


@dataclass(slots=True)
class Application:
    dice: random.Random
    apart_us: int
    broken_share: float = 0.0
    broken: set[str] = field(default_factory=set)
    """Sessions with which something went wrong so far."""
    now_us: int = 1_000
    """The first operation, too, is sent a little before it is carried out, and after the run began."""
    operations: int = 0
    mix: Mapping[str, float] = field(default_factory=lambda: MIX)
    ended: list[Live] = field(default_factory=list)
    """Sessions whose place another one took."""
    objects: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    """Key -> name and value of what a look shows, and when it runs out."""
    _sessions: int = 0

    def log_in(self, user: str, phase: Phase) -> tuple[Live, Operation]:
        number, dice = self._begin(), self.dice.getrandbits(128)
        sid = f"{dice:032x}"
        address = f"{number}:192.0.2.{dice % 256}"
        wrote = {
            "created": f"{number}:{dice % 1_000_000}",
            "ip": address,
            "agent": address,
            "theme": f"{number}:{THEMES[dice % 3]}",
        }
        live = Live(
            sid=sid,
            user=user,
            generation=number,
            fields={"sid": sid, "user_id": user, "generation": str(number), **wrote},
            ends_us=self.now_us + IDLE_TIMEOUT_S * 1_000_000,
            witnesses=[str(number)],
        )
        live.breaks = self._fate()
        create = self._step(StepKind.CREATE, "MULTI HSET EXPIRE RPUSH EXPIRE EXEC", live)
        create.effective, create.wrote = True, wrote
        create.ttl_ms, create.witness = IDLE_TIMEOUT_S * 1000, str(number)
        listed = self._step(StepKind.INDEX_ADD, "SADD EXPIRE", live, n=2, deciding=False)
        listed.key, listed.effective, listed.member = index_key(user), True, sid
        operation = self._operation(number, live, "log-in", OperationKind.LOGIN, phase, create, listed)
        operation.generation = 0
        return live, operation

    def _fate(self) -> str:
        """Every so manieth session breaks, the ways in turns."""
        number, share = self._sessions, self.broken_share
        self._sessions += 1
        if int((number + 1) * share) == int(number * share):
            return ""
        return ("lost", "write-lost", "revived")[int((number + 1) * share) % 3]

    def do_something(self, live: Live, phase: Phase) -> Operation:
        """What users do all day, in these proportions: read, touch, change a field, change the cart."""
        live.operations += 1
        if live.breaks == "lost" and live.operations > BREAKS_AFTER:
            live.breaks, live.fields = "", {}
            self.broken.add(live.sid)
        does = self.dice.choices([*self.mix], [*self.mix.values()])[0]
        return _BY_NAME[does](self, live, phase)

    def read(self, live: Live, phase: Phase) -> Operation:
        number = self._begin()
        return self._operation(number, live, "read", OperationKind.READ, phase, self._look(live))

    def touch(self, live: Live, phase: Phase) -> Operation:
        number = self._begin()
        seen = self._look(live, deciding=False)
        touched = self._step(StepKind.TOUCH, "EXPIRE", live, n=2)
        touched.effective, touched.ttl_ms = bool(live.fields), IDLE_TIMEOUT_S * 1000
        live.ends_us = self.now_us + IDLE_TIMEOUT_S * 1_000_000
        return self._operation(
            number, live, "touch", OperationKind.TOUCH, phase, seen, touched, together=True
        )

    def change(self, live: Live, phase: Phase) -> Operation:
        number, dice = self._begin(), self.dice.getrandbits(16)
        if dice & 1:
            moved = f"{number}:192.0.2.{dice >> 8}"
            wrote = {"ip": moved, "agent": moved}
        else:
            wrote = {"theme": f"{number}:{THEMES[dice % 3]}"}
        step = self._write(StepKind.WRITE, "HSET", live, number)
        step.wrote = wrote
        if live.breaks == "write-lost" and live.operations > BREAKS_AFTER:
            live.breaks = ""
            self.broken.add(live.sid)
        elif live.fields:
            live.fields = {**live.fields, **wrote}
            live.witnesses.append(step.witness or "")
        return self._operation(number, live, "change-field", OperationKind.WRITE, phase, step)

    def cart(self, live: Live, phase: Phase) -> Operation:
        number, dice = self._begin(), self.dice.getrandbits(16)
        item = f"cart:{dice % 6}"
        if dice >> 13:
            step = self._write(StepKind.INCREMENT, "HINCRBY", live, number)
            step.added = {item: 1 + dice % 3}
            if live.fields:
                total = int(live.fields.get(item, "0")) + step.added[item]
                live.fields = {**live.fields, item: str(total)}
                step.added_now, step.reply = {item: total}, str(total)
        else:
            step = self._write(StepKind.REMOVE_FIELD, "HDEL", live, number)
            step.removed = (item,)
            live.fields = {name: value for name, value in live.fields.items() if name != item}
        if live.fields:
            live.witnesses.append(step.witness or "")
        steps = [step, self._look(live, n=2, deciding=False)] if dice & 3 == 0 and live.fields else [step]
        return self._operation(number, live, "cart", OperationKind.WRITE, phase, *steps)

    def logout(self, live: Live, phase: Phase) -> Operation:
        number = self._begin()
        destroyed = self._step(StepKind.DESTROY, "DEL", live)
        destroyed.effective, destroyed.reply = bool(live.fields), "1" if live.fields else "0"
        removed = self._step(StepKind.INDEX_REMOVE, "SREM", live, n=2, deciding=False)
        removed.key, removed.member, removed.effective = index_key(live.user), live.sid, True
        live.indexed = False
        if live.breaks == "revived":
            self.broken.add(live.sid)
        else:
            live.fields = {}
        return self._operation(number, live, "logout", OperationKind.LOGOUT, phase, destroyed, removed)

    # ---------------------------------------------------------------- what a shop does besides

    def rotate(self, live: Live, phase: Phase) -> Operation:
        """The same content under a new id; the old one ends."""
        old = replace(live)
        number, seen = self._begin(), self._look(live, deciding=False)
        wrote = {name: value for name, value in live.fields.items() if name not in IDENTITY}
        live.sid, live.generation, live.witnesses = (
            f"{self.dice.getrandbits(128):032x}",
            number,
            [str(number)],
        )
        live.fields = {"sid": live.sid, "user_id": live.user, "generation": str(number), **wrote}
        live.ends_us = self.now_us + IDLE_TIMEOUT_S * 1_000_000
        create = self._step(StepKind.CREATE, "MULTI HSET EXPIRE RPUSH EXPIRE EXEC", live, n=2)
        create.effective, create.wrote = True, wrote
        create.ttl_ms, create.witness = IDLE_TIMEOUT_S * 1000, str(number)
        destroyed = self._step(StepKind.DESTROY, "DEL", old, n=3)
        destroyed.effective, destroyed.reply = True, "1"
        listed = self._step(StepKind.INDEX_ADD, "SADD EXPIRE", live, n=4, deciding=False)
        listed.key, listed.effective, listed.member = index_key(live.user), True, live.sid
        removed = self._step(StepKind.INDEX_REMOVE, "SREM", old, n=5, deciding=False)
        removed.key, removed.effective, removed.member = index_key(live.user), True, old.sid
        old.fields, old.indexed = {}, False
        self.ended.append(old)
        steps = (seen, create, destroyed, listed, removed)
        operation = self._operation(number, live, "rotate-session", OperationKind.LOGIN, phase, *steps)
        operation.generation = 0
        return operation

    def fill_form(self, live: Live, phase: Phase) -> Operation:
        number, key = self._begin(), FORM.key(live.sid)
        seen = self._look_at(key, "LRANGE PTTL")
        finished = int((seen.saw or {}).get(TOTAL, "0"))
        if finished >= FORM_STEPS:
            seen.deciding = True
            return self._operation(number, live, "fill-form", OperationKind.WRITE, phase, seen)
        count = self._count(key, "RPUSH PEXPIRE", FORM_LIVES_S, n=2, anew=True)
        return self._operation(number, live, "fill-form", OperationKind.WRITE, phase, seen, count)

    def read_profile(self, live: Live, phase: Phase) -> Operation:
        number = self._begin()
        profile = self._look_at(PROFILE.key(live.user), "GET PTTL", n=2, deciding=True)
        return self._operation(
            number, live, "read-profile", OperationKind.READ, phase, self._look(live), profile
        )

    def remember(self, live: Live, phase: Phase) -> Operation:
        """With the session's own token, which is refused when it comes again."""
        number, key = self._begin(), SPENT.key(live.sid)
        step = self._on(StepKind.PUT, key, "SET")
        step.wrote, step.ttl_ms = {VALUE: str(number)}, round(TOKEN_LIVES_S * 1000)
        step.effective = key not in self.objects
        self.objects.setdefault(key, (VALUE, str(number), self.now_us + step.ttl_ms * 1000))
        return self._operation(number, live, "remember-me", OperationKind.WRITE, phase, step)

    def try_password(self, live: Live, phase: Phase) -> Operation:
        number = self._begin()
        step = self._count(ATTEMPTS.key(live.user), "EVAL (INCR PEXPIRE)", WINDOW_S)
        step.wrote = {LIMIT: str(ATTEMPTS_ALLOWED)}
        return self._operation(number, live, "try-password", OperationKind.WRITE, phase, step)

    def _there(self, key: str) -> str | None:
        _, value, ends_us = self.objects.get(key, ("", "", 0))
        return value if ends_us > self.now_us else None

    def _look_at(self, key: str, command: str, *, n: int = 1, deciding: bool = False) -> Step:
        step = self._on(StepKind.LOOK, key, command, n=n, deciding=deciding)
        value, ends_us = self._there(key), self.objects.get(key, ("", "", 0))[2]
        step.saw = {} if value is None else {self.objects[key][0]: value}
        step.pttl_ms = -2 if value is None else (ends_us - self.now_us) // 1000
        return step

    def _count(self, key: str, command: str, lives_s: float, *, n: int = 1, anew: bool = False) -> Step:
        """`anew`: its time begins again with every count."""
        step = self._on(StepKind.COUNT, key, command, n=n)
        there = self._there(key)
        total, ttl_ms = int(there or 0) + 1, round(lives_s * 1000)
        step.added, step.added_now, step.ttl_ms = {TOTAL: 1}, {TOTAL: total}, ttl_ms
        step.effective = True
        ends_us = self.now_us + ttl_ms * 1000 if anew or there is None else self.objects[key][2]
        self.objects[key] = TOTAL, str(total), ends_us
        return step

    def _on(self, does: StepKind, key: str, command: str, *, n: int = 1, deciding: bool = True) -> Step:
        return Step(n=n, does=does, command=command, key=key, deciding=deciding, outcome=Outcome.ACKED)

    # ---------------------------------------------------------------- steps

    def _begin(self) -> int:
        self.now_us += self.apart_us
        self.operations += 1
        return self.operations

    def _look(self, live: Live, *, n: int = 1, deciding: bool = True) -> Step:
        step = self._step(StepKind.READ, "HGETALL PTTL", live, n=n, deciding=deciding)
        step.saw = live.fields
        step.pttl_ms = (live.ends_us - self.now_us) // 1000 if live.fields else -2
        return step

    def _write(self, does: StepKind, command: str, live: Live, number: int) -> Step:
        step = self._step(does, f"EVAL (EXISTS {command} RPUSH)", live)
        step.effective, step.witness = bool(live.fields), str(number)
        step.reply = "0" if live.fields else "no session"
        return step

    def _step(self, does: StepKind, command: str, live: Live, *, n: int = 1, deciding: bool = True) -> Step:
        return Step(
            n=n,
            does=does,
            command=command,
            key=session_key(live.sid),
            session=live.sid,
            deciding=deciding,
            outcome=Outcome.ACKED,
        )

    def _operation(
        self,
        number: int,
        live: Live,
        behaviour: str,
        kind: OperationKind,
        phase: Phase,
        *steps: Step,
        together: bool = False,
    ) -> Operation:
        """Sent a little before now, answered a little after; two steps take two attempts, or one."""
        noise = self.dice.getrandbits(24)
        web = noise % len(WEB_SERVERS)
        connection = 1 + web * CONNECTIONS_PER_WEB_SERVER + (noise >> 4) % CONNECTIONS_PER_WEB_SERVER
        sent_us = self.now_us - 50 - (noise >> 8) % 128
        done_us = self.now_us + 50 + (noise >> 15) % 256
        trips = [steps] if together else [(step,) for step in steps]
        attempts = []
        for n, trip in enumerate(trips, start=1):
            for step in trip:
                step.attempts, step.sent_us, step.done_us = (n,), sent_us + n, done_us + n
            attempts.append(
                Attempt(
                    n=n,
                    connection=connection,
                    steps=tuple([step.n for step in trip]),
                    handed_over=True,
                    sent_us=sent_us + n,
                    done_us=done_us + n,
                    result="reply",
                )
            )
        told = "ok" if live.fields else "please log in"
        return Operation(
            id=number,
            actor=f"a{live.user[1:]}",
            web_server=WEB_SERVERS[web],
            behaviour=behaviour,
            kind=kind,
            user=live.user,
            session=live.sid,
            key=session_key(live.sid),
            shard=1,
            generation=live.generation,
            due_us=sent_us - (noise >> 3) % 100,
            sent_us=sent_us,
            done_us=done_us + len(trips) + 20,
            outcome=Outcome.ACKED,
            told="signed out" if kind is OperationKind.LOGOUT else told,
            phase=phase,
            steps=steps,
            attempts=tuple(attempts),
        )


_BY_NAME = {
    "read": Application.read,
    "touch": Application.touch,
    "change-field": Application.change,
    "cart": Application.cart,
    "rotate-session": Application.rotate,
    "fill-form": Application.fill_form,
    "read-profile": Application.read_profile,
    "remember-me": Application.remember,
    "try-password": Application.try_password,
}
