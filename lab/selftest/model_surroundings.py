"""What surrounds the people of the model store: clocks, nodes, a failover, the audit, the recorded history.

Trap: the failover loses nothing, as if replication were synchronous. An attempt that was on its way when
the old primary was killed was executed before that moment or never.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

from harness.model.attempt_results import CONNECT_FAILED, CONNECTION_LOST, REPLY, TIMEOUT, error_of, is_error
from harness.model.history import History
from harness.model.plan import PlannedBound
from harness.model.records import (
    Attempt,
    AuditEntry,
    AuditSummary,
    ClockPair,
    Closing,
    Connection,
    Event,
    NodeSample,
    Operation,
    PhaseChange,
)
from harness.model.scenario import Expectation, Term
from harness.model.words import Outcome, Phase
from lab.past import Past
from lab.selftest.model_objects import ObjectStore
from lab.selftest.model_store import Kept, Known, Tried

GAVE_UP_US = 200_000
PAUSE_US = 100_000
TRIES = 4
OLD, NEW = "redis-1", "redis-2"
EXPIRING_MS = 4_000
"""An idle timeout that runs out."""
SAMPLE_EVERY_US = 100_000

PUT_OUT_BY_OUTAGE = Expectation(
    text='logged-out-by-outage: ">= 0"',
    metric="logged-out-by-outage",
    comparison=">=",
    bound=(Term(factor=0.0),),
)
"""Touches fail here and timeouts run out: users who were put out by that are reported, and no promise of
Redis is broken."""


class Surroundings:
    def __init__(self, dice: random.Random, *, aged: bool = False) -> None:
        self._dice = dice
        self.coarse_us = dice.choice((1, 1, 1000))
        self.idle_ms = dice.choice((300_000, 300_000, EXPIRING_MS))
        self.age_ms = 6_000 if aged and self.idle_ms == EXPIRING_MS else 0
        """The absolute timeout; 0: none."""
        self._drift = dice.choice((0.0, 0.0, 1e-4, -1e-4))
        self.fails = dice.random() < 0.5
        self.smooth = dice.choice((0.96, 0.995, 0.999))
        """Share of attempts that are answered at once."""
        self._gone_us = self._back_us = 0
        self._began_us = 0

    def plan_for(self, began_us: float, lasts_us: float) -> None:
        self._began_us = int(began_us)
        if self.fails:
            self._gone_us = int(began_us + lasts_us * self._dice.uniform(0.2, 0.7))
            self._back_us = self._gone_us + int(self._dice.uniform(0.3e6, 2e6))

    # ------------------------------------------------------------ clocks

    def clock_us(self, true_us: int) -> int:
        """What the run's clock shows."""
        return true_us - true_us % self.coarse_us

    def wall_ms(self, true_us: int) -> int:
        """What the nodes' clock shows."""
        return int(true_us + true_us * self._drift) // 1000

    # ------------------------------------------------------------ attempts

    def connection(self, sent_us: int) -> int:
        return 2 if self.fails and sent_us >= self._back_us else 1

    def near_failover(self, sent_us: int) -> bool:
        return self.fails and self._gone_us - 1000 <= sent_us < self._back_us

    def trouble(self, sent_us: int, *, again: bool) -> Tried:
        """Attempts that are refused, late, unanswered, repeated, or meet the failover."""
        dice = self._dice
        attempts: list[Attempt] = []
        unseen: list[int] = []
        open_end = handed_over = False
        at_us = sent_us
        for n in range(1, TRIES + 1):
            executed_us = at_us + int(100 + dice.choice((1e3, 2e4, 1.5e5)) * dice.random())
            done_us = executed_us + int(50 + dice.choice((1e2, 2e4)) * dice.random())
            what = self._meets(at_us, done_us)
            refused = what == CONNECT_FAILED or is_error(what)
            gave_up_us = at_us + (1000 if refused else GAVE_UP_US)
            end_us = done_us if what == REPLY else gave_up_us
            attempts.append(
                Attempt(
                    n=n,
                    connection=None if what == CONNECT_FAILED else self.connection(at_us),
                    steps=(1,),
                    handed_over=what != CONNECT_FAILED,
                    sent_us=self.clock_us(at_us),
                    done_us=self.clock_us(end_us),
                    result=what,
                )
            )
            if what == REPLY:
                unseen_us = tuple(min(one, done_us) for one in unseen)
                return Tried(Outcome.ACKED, at_us, done_us, executed_us, unseen_us, attempts)
            if not refused:
                handed_over = True
                lands_us = self._lands(at_us, executed_us)
                unseen += [] if lands_us is None else [lands_us]
                open_end = True
            if not again and (open_end or not self.near_failover(at_us)):
                break
            if again and not self.near_failover(at_us) and dice.random() < 0.4:
                break
            at_us = end_us + PAUSE_US
        outcome = Outcome.UNKNOWN if handed_over and open_end else Outcome.REJECTED
        return Tried(outcome, at_us, end_us, end_us, tuple(unseen), attempts)

    def _meets(self, sent_us: int, done_us: int) -> str:
        """What becomes of one attempt, as the client sees it."""
        draw = self._dice.random()
        if self.fails and sent_us < self._back_us and done_us >= self._gone_us:
            if sent_us < self._gone_us:
                return TIMEOUT if draw < 0.5 else CONNECTION_LOST
            return CONNECT_FAILED if draw < 0.7 else error_of("READONLY") if draw < 0.8 else TIMEOUT
        if draw < 0.35:
            return TIMEOUT
        return error_of("READONLY") if draw < 0.45 else REPLY

    def _lands(self, sent_us: int, executed_us: int) -> int | None:
        """When an attempt without an answer is executed; None: never."""
        draw = self._dice.random()
        if draw < 0.4:
            return None
        lands_us = executed_us if draw < 0.7 else sent_us + int(3e6 * self._dice.random())
        if not self.fails or sent_us >= self._back_us:
            return lands_us
        return lands_us if lands_us < self._gone_us else None

    def phase(self, now_us: int) -> Phase:
        if not self.fails or now_us < self._gone_us:
            return Phase.BASELINE
        return Phase.FAULT if now_us < self._back_us else Phase.SETTLED

    # ------------------------------------------------------------ what was recorded

    def history(
        self,
        operations: list[Operation],
        looks: Iterable[tuple[Known, Kept | None, bool]],
        end_us: int,
        objects: ObjectStore,
    ) -> History:
        past = Past(idle_s=self.idle_ms / 1000, age_s=self.age_ms / 1000)
        if self.fails:
            past.fault(self._gone_us / 1e6, kind="kill")
        settled_us = end_us - 5_000_000
        plan = past.plan()
        plan = replace(
            plan,
            scenario=replace(plan.scenario, expect=(PUT_OUT_BY_OUTAGE,)),
            bounds=(PlannedBound(text=PUT_OUT_BY_OUTAGE.text, value=0.0),),
        )
        events = [*past.events]
        if self.fails:
            events.append(Event(source=NEW, name="promoted", t_us=self._back_us, node=NEW, shard=1))
            events.append(Event(source="harness", name="recovered", t_us=max(settled_us, self._back_us)))
        return History(
            plan=plan,
            opening=past.history().opening,
            operations=tuple(operations),
            connections=self._connections(),
            samples=tuple(self._samples(end_us)),
            events=tuple(events),
            clocks=tuple(
                ClockPair(t_us=at_us, wall_us=int(at_us + at_us * self._drift))
                for at_us in range(0, end_us, 1_000_000)
            ),
            phases=self._phases(end_us),
            audit=tuple(self._audit(looks, end_us)),
            objects=tuple(objects.entries(end_us, self._answering(), self.clock_us)),
            audit_summary=AuditSummary(passes=1, valid_pass=1),
            closing=Closing(t_us=end_us + 1_000_000, operations=len(operations)),
        )

    def _phases(self, end_us: int) -> tuple[PhaseChange, ...]:
        phases = [PhaseChange(phase=Phase.BASELINE, t_us=self._began_us)]
        if self.fails:
            phases.append(PhaseChange(phase=Phase.FAULT, t_us=self._gone_us))
            phases.append(PhaseChange(phase=Phase.SETTLED, t_us=self._back_us))
        return (*phases, PhaseChange(phase=Phase.AUDIT, t_us=end_us))

    def _connections(self) -> tuple[Connection, ...]:
        first = Connection(id=1, web_server="web-1", node=OLD, run_id="one", role="primary", opened_us=0)
        if not self.fails:
            return (first,)
        first.closed_us = self._back_us
        return (
            first,
            Connection(
                id=2, web_server="web-1", node=NEW, run_id="two", role="primary", opened_us=self._back_us
            ),
        )

    def _samples(self, end_us: int) -> Iterable[NodeSample]:
        for at_us in range(0, end_us, SAMPLE_EVERY_US):
            dead = self.fails and at_us >= self._gone_us
            over = self.fails and at_us >= self._back_us
            for node, run_id in ((OLD, "one"), (NEW, "two")):
                if node == OLD and dead:
                    yield NodeSample(node=node, sent_us=at_us, done_us=at_us + 500, reachable=False)
                    continue
                role = "primary" if (node == NEW) == over else "replica"
                yield NodeSample(
                    node=node,
                    sent_us=at_us,
                    done_us=at_us + 500,
                    run_id=run_id,
                    role=role,
                    offset=at_us,
                    keys=9,
                )

    def _answering(self) -> tuple[tuple[str, str, str], ...]:
        """Nodes that the audit reaches: name, run_id, role."""
        if self.fails:
            return ((NEW, "two", "primary"),)
        return ((OLD, "one", "primary"), (NEW, "two", "replica"))

    def _audit(self, looks: Iterable[tuple[Known, Kept | None, bool]], end_us: int) -> Iterable[AuditEntry]:
        now_ms = self.wall_ms(end_us)
        nodes = self._answering()
        for session, kept, listed in looks:
            there = kept is not None and kept.fields is not None and now_ms <= kept.until_ms
            for node, run_id, role in nodes:
                entry = AuditEntry(
                    pass_n=1,
                    session=session.id,
                    node=node,
                    role=role,
                    run_id=run_id,
                    sent_us=self.clock_us(end_us),
                    done_us=self.clock_us(end_us + 1000),
                    key_type="hash" if there else "none",
                    pttl_ms=kept.left_ms(now_ms) if there and kept is not None else -2,
                    saw=dict(kept.fields) if there and kept is not None and kept.fields is not None else {},
                    witnesses=() if kept is None else tuple(kept.traces),
                    indexed=listed,
                )
                yield entry
