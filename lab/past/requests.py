"""What a run would have recorded of one operation that nodes carried out: its steps, its attempts, its
connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.model.attempt_results import REPLY, TIMEOUT, error_of
from harness.model.records import Attempt, Connection, Operation, Step
from harness.model.words import Outcome, Phase
from harness.redis_wire.keys import session_key
from lab.past.doing import Doing
from lab.past.frame import NODES
from lab.past.store import Data
from lab.records import us

GAVE_UP_S = 0.5
"""After so long a client waits no longer."""


def operation_of(doing: Doing, connection: int, forge: Callable[[Step], None] | None = None) -> Operation:
    """`forge` changes its first step: a reply that no node gives."""
    acked = doing.outcome is Outcome.ACKED
    steps = doing.replies[len(doing.attempts)] if acked else _unanswered(doing)
    sent_us, done_us = us(doing.attempts[0][0]), _done_us(doing.attempts[-1][0], doing.attempts[-1][2])
    for n, step in enumerate(steps, start=1):
        step.n = n
        step.outcome = doing.outcome
        step.attempts = tuple(range(1, len(doing.attempts) + 1))
        step.sent_us, step.done_us = sent_us, _done_us(doing.attempts[0][0], doing.attempts[-1][2])
        step.error = doing.error
    if doing.first is not None:
        _take_back(steps[0], doing.first)
    if forge is not None:
        forge(steps[0])
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
        due_us=sent_us,
        sent_us=sent_us,
        done_us=done_us,
        outcome=doing.first or doing.outcome,
        told=doing.told or ("ok" if acked else "error"),
        phase=Phase.BASELINE,
        steps=tuple(steps),
        attempts=tuple(_attempts(doing, connection, len(steps))),
    )


def connection_of(doing: Doing, node: str, run_id: str) -> Connection:
    """One per web server, node and life of the node."""
    life = int(run_id.rsplit("-", 1)[1])
    number = 1 + 100 * int(doing.web[-1]) + 10 * NODES.index(node) + life
    return Connection(id=number, web_server=doing.web, node=node, run_id=run_id, role="primary", opened_us=0)


def _attempts(doing: Doing, connection: int, steps: int) -> Iterator[Attempt]:
    refused = error_of("READONLY") if doing.outcome is Outcome.REJECTED else TIMEOUT
    for n, (sent, _, answered) in enumerate(doing.attempts, start=1):
        yield Attempt(
            n=n,
            connection=connection,
            steps=tuple(range(1, steps + 1)),
            handed_over=True,
            sent_us=us(sent),
            done_us=_done_us(sent, answered),
            result=refused if answered is None else REPLY,
            closed_us=None if answered is not None or doing.closed is None else us(doing.closed),
        )


def _done_us(sent: float, answered: float | None) -> int:
    return us(sent + GAVE_UP_S if answered is None else answered)


def _unanswered(doing: Doing) -> list[Step]:
    """Its steps without what only a reply can tell."""
    steps = doing.steps(Data(), 0.0, doing)
    for step in steps:
        _take_back(step, doing.outcome)
    return steps


def _take_back(step: Step, outcome: Outcome) -> None:
    step.outcome = outcome
    step.effective, step.saw, step.pttl_ms, step.members, step.added_now = None, None, None, None, {}
