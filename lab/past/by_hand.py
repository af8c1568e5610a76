"""Records that a test puts there itself, each for what it says: no node made them, so they may contradict
each other."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.model.attempt_results import REPLY, TIMEOUT
from harness.model.records import (
    Attempt,
    AuditEntry,
    Connection,
    Event,
    NodeSample,
    Operation,
    Step,
)
from harness.model.words import OperationKind, Outcome, StepKind
from lab.past.frame import Frame
from lab.records import fault_step, us

DOES = {
    OperationKind.LOGIN: StepKind.CREATE,
    OperationKind.READ: StepKind.READ,
    OperationKind.TOUCH: StepKind.TOUCH,
    OperationKind.WRITE: StepKind.WRITE,
    OperationKind.LOGOUT: StepKind.DESTROY,
}
BEHAVIOURS = {OperationKind.LOGIN: "log-in", OperationKind.WRITE: "change-field"}


def effect_of(number: int, at: float, detail: str = "") -> Event:
    """That a fault took effect on redis-1."""
    return Event(
        source=f"fault {number}",
        name="effect",
        t_us=us(at),
        fault=number,
        node="redis-1",
        shard=1,
        detail=detail,
    )


@dataclass
class ByHand(Frame):
    operations: list[Operation] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    samples: list[NodeSample] = field(default_factory=list)
    """If there are any, then no others."""
    seen: list[AuditEntry] = field(default_factory=list)
    """By the audit; if there are any, then no others."""

    def event(
        self,
        name: str,
        at: float,
        *,
        error: float = 0.0,
        source: str = "harness",
        shard: int | None = 1,
        **about: Any,
    ) -> None:
        self.events.append(
            Event(source=source, name=name, t_us=us(at), error_us=us(error), shard=shard, **about)
        )

    def fault(
        self,
        at: float,
        detail: str = "redis-1: gone",
        kind: str = "kill",
        target: str = "primary",
        **options: Any,
    ) -> None:
        """One more, and its effect on redis-1."""
        number = len(self.faults) + 1
        self.faults = (*self.faults, fault_step(kind, target, at=at, number=number, options=options))
        self.events.append(effect_of(number, at, detail=detail))

    def sample(self, node: str, at: float, **what: Any) -> None:
        self.samples.append(NodeSample(node=node, sent_us=us(at) - 500, done_us=us(at), **what))

    def steady(
        self, kind: OperationKind, from_s: float, to_s: float, every_s: float = 0.1, **how: Any
    ) -> None:
        """The same operation again and again: `to_s` is left out."""
        for n in range(round((to_s - from_s) / every_s)):
            self.do(kind, from_s + n * every_s, **how)

    def do(
        self,
        kind: OperationKind,
        due_s: float,
        took_s: float = 0.002,
        *,
        outcome: Outcome = Outcome.ACKED,
        shard: int = 1,
        web: str = "web-1",
        side: str = "all",
        effective: bool | None = True,
        session: str = "",
        connection: int | None = 1,
        result: str = "",
        behaviour: str = "",
    ) -> Operation:
        """One operation with one step and one attempt, due and done at these seconds."""
        number = len(self.operations) + 1
        sent = outcome is not Outcome.NOT_SENT
        sent_us, done_us = (us(due_s), us(due_s + took_s)) if sent else (None, None)
        acked = outcome is Outcome.ACKED
        attempt = Attempt(
            n=1,
            connection=connection,
            steps=(1,),
            handed_over=outcome is not Outcome.REJECTED,
            sent_us=us(due_s),
            done_us=done_us,
            result=result or (REPLY if acked else TIMEOUT),
        )
        step = Step(
            n=1,
            attempts=(1,) if sent else (),
            does=DOES[kind],
            command=kind.upper(),
            key=f"session:{{{session}}}",
            session=session,
            deciding=True,
            outcome=outcome,
            effective=effective if acked and kind is not OperationKind.READ else None,
            sent_us=sent_us,
            done_us=done_us,
        )
        operation = Operation(
            id=number,
            actor=f"a{number}",
            web_server=web,
            client_side=side,
            behaviour=behaviour or BEHAVIOURS.get(kind, str(kind)),
            kind=kind,
            user=f"user-{number}",
            session=session or f"s{number}",
            key="",
            shard=shard,
            generation=0,
            due_us=us(due_s),
            sent_us=sent_us,
            done_us=done_us,
            outcome=outcome,
            phase=self.phase_at(due_s),
            steps=(step,),
            attempts=(attempt,) if sent else (),
        )
        self.operations.append(operation)
        return operation
