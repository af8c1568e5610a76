"""The model of nodes with locks: `LockPast.lock` tells one request from acquiring to releasing.

A lock is one more key of the model's stores, so that losing a store, a late replica or a failover
does to it what it does to sessions. What a story breaks, it breaks in the store or in the reply:
`lost` acks the acquisition and forgets it, `twice` grants what somebody holds, `told` only says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from harness.model.plan import Plan
from harness.model.records import Attempt, Operation, Step
from harness.model.words import OperationKind, Outcome, StepKind
from harness.objects.lease import LEADER, LOCK
from lab.past import TOOK_S, Data, Doing, Hash, Past, Steps
from lab.records import us


def lock_of(sid: str) -> str:
    return LOCK.key(sid)


@dataclass
class _Rest:
    """What follows an acquisition, each at its own time: the write or the renewals, and the release."""

    goes_on_s: tuple[float, ...]
    releases_s: float | None
    lease_s: float
    done: list[tuple[float, Step]] = field(default_factory=list)


@dataclass
class LockPast(Past):
    naive: bool = False
    """Releases are plain DELs."""
    job: str = ""
    """What is held is not the lock of a session but the lead of this job: there is nothing to write."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rests: dict[int, _Rest] = {}

    def lock(
        self,
        sid: str,
        at: float,
        hold: float = 0.05,
        lease: float = 10.0,
        *,
        release: bool = True,
        renew: tuple[float, ...] = (),
        twice: bool = False,
        told: bool = False,
        **how: Any,
    ) -> Doing:
        """Acquire at `at`; if that succeeds, write `hold` seconds after the reply (a leader renews the lease at
        the times given), and release."""
        doing = self._do(
            "lead-job" if self.job else "lock",
            OperationKind.WRITE,
            self.users[sid],
            sid,
            at,
            _acquire(self.key(sid), lease, twice=twice, told=told),
            how,
        )
        answered = doing.attempts[-1][2]
        if answered is None:
            return doing
        ends = answered + hold
        goes_on = renew if self.job else (ends,)
        rest = self.rests[doing.id] = _Rest(goes_on, ends + TOOK_S if release else None, lease)
        for when in goes_on:
            what = self._renew if self.job else self._write
            self.act(when + TOOK_S / 2, lambda when=when, what=what: self._go_on(doing, rest, when, what))  # type: ignore[misc]
        if rest.releases_s is not None:
            gives_up = rest.releases_s
            self.act(gives_up + TOOK_S / 2, lambda: self._go_on(doing, rest, gives_up, self._release))
        return doing

    def key(self, sid: str) -> str:
        return LEADER.key(self.job) if self.job else LOCK.key(sid)

    def lose_lock(self, sid: str, at: float) -> None:
        """The lock vanishes, nobody knows why."""

        def gone() -> None:
            for data in self._all():
                data.sessions.pop(self.key(sid), None)

        self.act(at, gone)

    def keep_lock(self, sid: str, at: float) -> None:
        """The lock forgets its time."""

        def forget() -> None:
            for data in self._all():
                data.sessions[self.key(sid)].ends_us = float("inf")

        self.act(at, forget)

    def _go_on(
        self, doing: Doing, rest: _Rest, at: float, what: Callable[[Data, float, Doing], Step]
    ) -> None:
        acquired = doing.replies.get(len(doing.attempts))
        if acquired is None or not acquired[0].effective:
            return
        data = self.stores[doing.node or self.owner(at)]
        rest.done.append((at, what(data, (at + TOOK_S / 2) * 1e6, doing)))

    def _execute(self) -> None:
        for rest in self.rests.values():
            rest.done.clear()
        super()._execute()

    def _write(self, data: Data, now_us: float, doing: Doing) -> Step:
        step = Step(
            n=2, does=StepKind.WRITE, command="EVAL (EXISTS HSET RPUSH)", key=f"session:{{{doing.sid}}}"
        )
        step.session, step.deciding, step.wrote = doing.sid, True, {"visits": f"{doing.id}:1"}
        found = data.session(doing.sid, now_us)
        step.effective = found is not None
        step.witness = str(doing.id) if self.witnesses else None
        if found is not None:
            found.fields.update(step.wrote)
            if self.witnesses:
                data.witnesses.setdefault(doing.sid, []).append(str(doing.id))
        return step

    def _renew(self, data: Data, now_us: float, doing: Doing) -> Step:
        rest = self.rests[doing.id]
        step = Step(
            n=2 + len(rest.done), does=StepKind.RENEW, command="EVAL (GET PEXPIRE)", key=self.key(doing.sid)
        )
        step.session, step.ttl_ms = doing.sid, round(rest.lease_s * 1000)
        held = data.session(step.key, now_us)
        step.effective = held is not None and held.fields["token"] == str(doing.id)
        if step.effective:
            assert held is not None
            held.ends_us = now_us + rest.lease_s * 1e6
        return step

    def _release(self, data: Data, now_us: float, doing: Doing) -> Step:
        step = Step(
            n=2 + len(self.rests[doing.id].done),
            does=StepKind.RELEASE,
            command="DEL" if self.naive else "EVAL (GET DEL)",
            key=self.key(doing.sid),
        )
        step.session = doing.sid
        held = data.session(step.key, now_us)
        step.effective = held is not None and (self.naive or held.fields["token"] == str(doing.id))
        if step.effective:
            del data.sessions[step.key]
        return step

    def _operation(self, doing: Doing) -> Operation:
        operation = super()._operation(doing)
        rest = self.rests.get(doing.id)
        if rest is None or not rest.done:
            return operation
        steps, attempts = [*operation.steps], [*operation.attempts]
        for at, step in rest.done:
            n = len(attempts) + 1
            step.outcome, step.attempts = Outcome.ACKED, (n,)
            step.sent_us, step.done_us = us(at), us(at + TOOK_S)
            steps.append(step)
            attempts.append(
                Attempt(
                    n=n,
                    connection=attempts[0].connection,
                    steps=(step.n,),
                    handed_over=True,
                    sent_us=us(at),
                    done_us=us(at + TOOK_S),
                    result="reply",
                )
            )
        return msgspec.structs.replace(
            operation, steps=tuple(steps), attempts=tuple(attempts), done_us=steps[-1].done_us
        )

    def plan(self) -> Plan:
        plan = super().plan()
        workload = replace(plan.scenario.workload, options={"lock": {"naive_release": self.naive}})
        return replace(plan, scenario=replace(plan.scenario, workload=workload))


def _acquire(key: str, lease_s: float, *, twice: bool, told: bool) -> Steps:
    def steps(data: Data, now_us: float, doing: Doing) -> list[Step]:
        step = Step(n=1, does=StepKind.ACQUIRE, command="SET", key=key, session=doing.sid, deciding=True)
        step.ttl_ms = round(lease_s * 1000)
        free = data.session(key, now_us) is None
        step.effective = twice or told or free
        if twice or free:
            data.sessions[key] = Hash({"token": str(doing.id)}, now_us + lease_s * 1e6)
        return [step]

    return steps
