"""Operations as columns: what a user would call done, what writes, and whose reply acked it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.checks.columns.arrays import NONE
from harness.checks.columns.traffic import Traffic, answering_connections, traffic_of
from harness.checks.facts.step_effects import answered
from harness.model.history import History
from harness.model.records import Attempt, Operation, Step
from harness.model.table import OperationTable
from harness.model.words import OperationKind, Outcome, Phase, StepKind
from lab.past import Past


def _step(n: int = 1, does: StepKind = StepKind.READ, **about: Any) -> Step:
    return Step(n=n, does=does, command="HGETALL", key="k", **about)


def _attempt(n: int, *steps: int, result: str = "reply", connection: int | None = None) -> Attempt:
    return Attempt(n=n, steps=steps, result=result, connection=n if connection is None else connection)


def _operation(number: int, **about: Any) -> Operation:
    return Operation(
        **{
            "id": number,
            "actor": "a",
            "web_server": "web-1",
            "behaviour": "read",
            "kind": OperationKind.READ,
            "user": "ann",
            "session": "s",
            "key": "k",
            "shard": 1,
            "generation": 0,
            "due_us": 10,
            "sent_us": 11,
            "done_us": 15,
            "outcome": Outcome.ACKED,
            "phase": Phase.BASELINE,
            **about,
        }
    )


def _history(*operations: Operation) -> History:
    return replace(Past().history(), operations=operations)


def _traffic(*operations: Operation) -> Traffic:
    return traffic_of(_history(*operations))


def test_columns_are_those_of_the_operations() -> None:
    """In their order; what an operation has not is `NONE`."""
    traffic = _traffic(
        _operation(3, kind=OperationKind.LOGIN, phase=Phase.SEED, shard=2),
        _operation(7, outcome=Outcome.NOT_SENT, sent_us=None, done_us=None, due_us=20),
        _operation(9, web_server="web-2", client_side="rest", behaviour="touch", kind=OperationKind.TOUCH),
    )
    assert len(traffic) == 3
    assert traffic.id.tolist() == [3, 7, 9]
    assert traffic.shard.tolist() == [2, 1, 1]
    assert traffic.due_us.tolist() == [10, 20, 10]
    assert traffic.sent_us.tolist() == [11, NONE, 11]
    assert traffic.done_us.tolist() == [15, NONE, 15]
    assert traffic.ended_us.tolist() == [15, 20, 15]
    assert traffic.wait_us.tolist()[::2] == [5, 5]
    assert traffic.of_kind(OperationKind.LOGIN).tolist() == [True, False, False]
    assert traffic.of_kind("nothing").tolist() == [False] * 3
    assert traffic.in_phase(Phase.SEED).tolist() == [True, False, False]
    assert traffic.in_phase(Phase.SEED, Phase.BASELINE).tolist() == [True] * 3
    assert traffic.in_phase().tolist() == [False] * 3
    assert traffic.with_outcome(Outcome.NOT_SENT).tolist() == [False, True, False]
    assert traffic.by_web_server("web-2").tolist() == [False, False, True]
    assert traffic.on_side("rest").tolist() == [False, False, True]
    assert traffic.on_side("all").tolist() == [True, True, False]
    assert traffic.of_behaviour("touch").tolist() == [False, False, True]
    assert traffic.of_behaviour("read").tolist() == [True, True, False]
    assert traffic.by_web_server("web-3").tolist() == [False] * 3
    assert (traffic.web_servers, traffic.client_sides, traffic.behaviours) == (
        ("web-1", "web-2"),
        ("all", "rest"),
        ("read", "touch"),
    )


def test_part_of_the_traffic_keeps_what_its_codes_stand_for() -> None:
    """Chosen by flags or by a slice."""
    traffic = _traffic(_operation(1), _operation(2, web_server="web-2", behaviour="touch"))
    for part in (traffic.where(np.array([False, True])), traffic.where(slice(1, 2))):
        assert part.id.tolist() == [2]
        assert part.by_web_server("web-2").tolist() == [True]
        assert part.of_behaviour("touch").tolist() == [True]
        assert part.on_side("all").tolist() == [True]


def test_part_of_a_part_has_its_own_entries() -> None:
    """Each column is picked when it is asked for, however often some were left out; pieces are the whole."""
    traffic = _traffic(*(_operation(n, due_us=n * 10, sent_us=n * 10 + 1, done_us=None) for n in range(1, 5)))
    part = (
        traffic.where(np.array([False, True, True, True]))
        .where(slice(1, None))
        .where(np.array([True, False]))
    )
    assert (len(part), part.id.tolist(), part.due_us.tolist(), part.sent_us.tolist()) == (1, [3], [30], [31])
    assert (part.done.tolist(), part.done_us.tolist(), part.ended_us.tolist()) == ([False], [NONE], [30])
    assert np.concatenate([one.id for one in traffic.pieces()]).tolist() == [1, 2, 3, 4]
    with pytest.raises(AttributeError):
        _ = part.nothing


def test_what_is_gone_was_rejected_and_did_not_succeed() -> None:
    """All else of it stays, and the others stay as they were."""
    traffic = _traffic(_operation(1, steps=(_step(does=StepKind.WRITE),)), _operation(2), _operation(3))
    gone = traffic.without(np.array([True, False, False]))
    assert gone.succeeded.tolist() == [False, True, True]
    assert gone.with_outcome(Outcome.REJECTED).tolist() == [True, False, False]
    assert (gone.writes.tolist(), gone.done_us.tolist()) == (traffic.writes.tolist(), [15, 15, 15])
    assert traffic.succeeded.tolist() == [True] * 3


@pytest.mark.parametrize("far", [(1 << 31) - 1, 1 << 31, -(1 << 31) - 1, 1 << 39])
def test_no_value_is_too_large_for_its_column(far: int) -> None:
    """An operation that took an hour, the number of the last one of billions, more shards than a byte holds."""
    traffic = _traffic(
        _operation(1), _operation(1 << 31, due_us=0, sent_us=far, done_us=far, shard=128), _operation(1 << 40)
    )
    assert (traffic.sent_us[1], traffic.done_us[1], traffic.ended_us[1]) == (far, far, far)
    assert traffic.wait_us.tolist() == [5, max(0, far), 5]
    assert (traffic.id.tolist(), traffic.shard.tolist()) == ([1, 1 << 31, 1 << 40], [1, 128, 1])


def test_wait_is_never_less_than_none() -> None:
    """An answer before the operation was due took no time."""
    assert _traffic(_operation(1, due_us=20)).wait_us.tolist() == [0]
    assert _traffic(_operation(1, due_us=14)).wait_us.tolist() == [1]


@pytest.mark.parametrize(
    ("about", "done"),
    [
        ({}, True),
        ({"outcome": Outcome.UNKNOWN}, False),
        ({"outcome": Outcome.REJECTED}, False),
        ({"done_us": None}, False),
        ({"steps": (_step(effective=False),)}, False),
        ({"steps": (_step(effective=True),)}, True),
        ({"steps": (_step(effective=None),)}, True),
        ({"steps": (_step(), _step(2, effective=False))}, False),
        ({"steps": (_step(deciding=True), _step(2, effective=False))}, True),
        ({"steps": (_step(effective=False), _step(2, deciding=True))}, True),
        ({"steps": (_step(), _step(2, deciding=True, effective=False))}, False),
        ({"steps": (_step(deciding=True), _step(2, deciding=True, effective=False))}, False),
    ],
)
def test_done_is_acked_and_effective(about: dict[str, Any], done: bool) -> None:
    """By the steps that decide; by all where none is marked so. Beside it one that is done, and one that is not."""
    idle = _operation(3, steps=(_step(deciding=True, effective=False),))
    traffic = _traffic(_operation(1), _operation(2, **about), idle)
    assert traffic.succeeded.tolist() == [True, done, False]


@pytest.mark.parametrize("kind", StepKind)
def test_kinds_of_steps_that_write_and_that_change(kind: StepKind) -> None:
    """A read that touches is no change that a user asked for."""
    traffic = _traffic(
        *(
            _operation(n, kind=of, steps=(_step(does=StepKind.READ), _step(2, does=kind)))
            for n, of in enumerate((OperationKind.WRITE, OperationKind.READ), start=1)
        ),
        _operation(9, kind=OperationKind.WRITE, steps=(_step(),)),
    )
    writes = kind in {StepKind.WRITE, StepKind.INCREMENT, StepKind.REMOVE_FIELD}
    changes = writes or kind in {StepKind.CREATE, StepKind.TOUCH, StepKind.DESTROY}
    assert traffic.writes.tolist() == [writes, writes, False]
    assert traffic.mutates.tolist() == [changes, False, False]


@pytest.mark.parametrize(
    ("results", "cancelled"),
    [
        ((), False),
        (("cancelled",), True),
        (("reply",), False),
        (("reply", "cancelled"), True),
        (("cancelled", "reply"), False),
        (("cancelled", "cancelled"), True),
    ],
)
def test_cancelled_is_what_the_client_gave_up_in_the_end(results: tuple[str, ...], cancelled: bool) -> None:
    """Not what it gave up once and then tried again; first and last of a run alike."""
    attempts = tuple(_attempt(n, result=result) for n, result in enumerate(results, start=1))
    for operations in (
        (_operation(1, attempts=attempts), _operation(2, attempts=(_attempt(1),))),
        (_operation(1, attempts=(_attempt(1, result="cancelled"),)), _operation(2, attempts=attempts)),
    ):
        traffic = _traffic(*operations)
        at = 0 if operations[0].attempts is attempts else 1
        assert traffic.cancelled.tolist()[at] is cancelled
    assert _traffic(_operation(1)).cancelled.tolist() == [False]


# ---------------------------------------------------------------- whose reply it was


def _answered(*operations: Operation, wanted: list[int] | None = None) -> list[int | None]:
    """The connection of each wanted operation's answer, None where none is known."""
    table = OperationTable.of(operations)
    rows = np.arange(len(operations)) if wanted is None else np.array(wanted, np.int64)
    connections, known = answering_connections(table, rows)
    return [one if there else None for one, there in zip(connections.tolist(), known.tolist(), strict=True)]


def _acked(n: int, *attempts: int, **about: Any) -> Step:
    """A step that these attempts carried, and that the last of them brought an answer for."""
    return _step(n, attempts=attempts, outcome=Outcome.ACKED, **about)


@pytest.mark.parametrize(
    ("steps", "attempts", "connection"),
    [
        ((_acked(1, 1),), (_attempt(1, 1, connection=5),), 5),
        ((_acked(1),), (_attempt(1, 1, connection=5),), None),
        ((_acked(1, 1),), (), None),
        ((_step(attempts=(1,), outcome=Outcome.UNKNOWN),), (_attempt(1, 1, connection=5),), None),
        ((_acked(1, 1),), (Attempt(n=1, steps=(1,), result="reply"),), None),
        (
            (_acked(1, 1, 2),),
            (_attempt(1, 1, result="timeout", connection=5), _attempt(2, 1, connection=6)),
            6,
        ),
        # The connection was lost behind the step's reply.
        ((_acked(1, 1),), (_attempt(1, 1, result="connection-lost", connection=5),), 5),
        # The answer of the first of two that were under way at once came last.
        ((_acked(1, 2, 1),), (_attempt(1, 1, connection=5), _attempt(2, 1, connection=6)), 5),
        (
            (_acked(1, 1), _acked(2, 2, deciding=True)),
            (_attempt(1, 1, connection=5), _attempt(2, 2, connection=6)),
            6,
        ),
        (
            (_acked(1, 1, deciding=True), _acked(2, 2)),
            (_attempt(1, 1, connection=5), _attempt(2, 2, connection=6)),
            5,
        ),
        ((_acked(1, 1), _acked(2, 2)), (_attempt(1, 1, connection=5), _attempt(2, 2, connection=6)), 6),
    ],
)
def test_answer_is_of_the_attempt_that_the_deciding_step_names(
    steps: tuple[Step, ...], attempts: tuple[Attempt, ...], connection: int | None
) -> None:
    """As in the timelines of sessions. The operations beside it change nothing."""
    before = _operation(1, steps=(_acked(1, 1),), attempts=(_attempt(1, 1, connection=7),))
    after = _operation(3, steps=(_acked(1, 1),), attempts=(_attempt(1, 1, connection=8),))
    asked = _operation(2, steps=steps, attempts=attempts)
    assert _answered(before, asked, after) == [7, connection, 8]
    assert _answered(asked) == [connection]
    decides = next((one for one in steps if one.deciding), steps[-1])
    reply = answered(asked, decides)
    assert (None if reply is None else reply.connection) == connection


def test_answers_come_in_the_order_that_was_asked_for() -> None:
    """Of the operations wanted alone; a step's number in one is none in another."""
    operations = [
        _operation(
            n,
            steps=(_acked(1, 1), _acked(2, 2, deciding=n == 1)),
            attempts=(_attempt(1, 1, connection=10 * n), _attempt(2, 2, connection=10 * n + 1)),
        )
        for n in range(3)
    ]
    operations[2].steps[0].deciding = True
    assert _answered(*operations, wanted=[2, 0]) == [20, 1]
    assert _answered(*operations, wanted=[1]) == [11]
    assert _answered(*operations, wanted=[]) == []
