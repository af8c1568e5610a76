"""The behaviour `lock`, command by command, against a server that follows a script."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.model.words import LET_IN_UNCHECKED, Outcome, StepKind
from harness.objects import lease
from harness.redis_wire.scripted import Answer, ScriptedServer, array, in_turn
from harness.sessions.commands import RELEASE
from harness.sessions.request import Request
from tests.unit.sessions.test_attempts import QUICK, SESSION, Bench, run

OK, NIL, ONE, ZERO = b"+OK\r\n", b"$-1\r\n", b":1\r\n", b":0\r\n"
VISITED = ("sid", SESSION.id, "user_id", "u1", "generation", "1", "visits", "3:4")
LOCK = lease.LOCK.key(SESSION.id)


class Locks:
    """Answers SET as told, and everything else as a server with the session would."""

    def __init__(self, *to_set: Answer, release: bytes = ONE) -> None:
        self.to_set = in_turn(*to_set)
        self.release = release

    def __call__(self, command: list[str]) -> Answer:
        if command[0] == "SET":
            return self.to_set(command)
        if command[0] == "HGETALL":
            return array(*VISITED)
        if command[0] == "EVAL":
            return self.release if command[1] == RELEASE else b"*3\r\n:1\r\n:1\r\n:1\r\n"
        return self.release if command[0] == "DEL" else b":5000\r\n"


class Told:
    """What one request did, and what the server was asked."""

    def __init__(self, locks: Locks, *, retries: int = 0, **options: Any) -> None:
        async def scenario() -> None:
            async with ScriptedServer(locks) as redis:
                bench = Bench(redis.port, profile=replace(QUICK, application_retries=retries))
                self.request: Request = await bench.carry_out("lock", **{"hold": 0.0, **options})
                self.told = bench.told
                self.asked = [command for command in redis.received if command[0] != "PTTL"]
                await bench.server.close()

        run(scenario)

    @property
    def steps(self) -> list[tuple[StepKind, Outcome, bool | None]]:
        return [(step.does, step.outcome, step.effective) for step in self.request.steps]


def test_free_lock_is_taken_used_and_released() -> None:
    """One more than was read is written, and only this operation's token is deleted."""
    told = Told(Locks(OK), lease=2.5)
    assert told.told == "ok"
    assert told.steps == [
        (StepKind.ACQUIRE, Outcome.ACKED, True),
        (StepKind.READ, Outcome.ACKED, None),
        (StepKind.WRITE, Outcome.ACKED, True),
        (StepKind.RELEASE, Outcome.ACKED, True),
    ]
    assert told.request.steps[2].wrote == {"visits": "7:5"}
    assert told.request.steps[0].ttl_ms == 2500
    assert told.asked[0] == ["SET", LOCK, "7", "NX", "PX", "2500"]
    assert told.asked[-1] == ["EVAL", RELEASE, "1", LOCK, "7"]
    assert [step.deciding for step in told.request.steps] == [True, True, True, False]


def test_taken_lock_is_asked_for_again_and_then_left() -> None:
    """The user is told to try later; nothing was read or written, and each answer is a step."""
    told = Told(Locks(NIL), tries=3)
    assert told.told == "try later"
    assert told.steps == [(StepKind.ACQUIRE, Outcome.ACKED, False)] * 3
    assert [step.deciding for step in told.request.steps] == [False, False, True]
    assert {command[0] for command in told.asked} == {"SET"}


def test_lock_that_becomes_free_is_taken() -> None:
    """An answer of nil before it does not spoil the outcome."""
    told = Told(Locks(NIL, OK))
    assert told.told == "ok"
    assert told.steps[:2] == [
        (StepKind.ACQUIRE, Outcome.ACKED, False),
        (StepKind.ACQUIRE, Outcome.ACKED, True),
    ]
    assert [step.deciding for step in told.request.steps] == [False, True, True, True, False]


def test_work_that_took_longer_than_the_lease_is_not_written() -> None:
    """The application looks at its clock, gives up, and releases what may be left."""
    told = Told(Locks(OK, release=ZERO), lease=0.01, hold=0.02)
    assert told.told == "try later"
    assert [step.does for step in told.request.steps] == [
        StepKind.ACQUIRE,
        StepKind.READ,
        StepKind.RELEASE,
    ]


def test_work_that_took_longer_than_the_lease_is_written_by_who_does_not_look() -> None:
    """The mistake behind `lease-overrun`."""
    told = Told(Locks(OK, release=ZERO), lease=0.01, hold=0.02, check_lease=False)
    assert told.told == "ok"
    assert told.request.steps[2].does is StepKind.WRITE


def test_count_that_nobody_wrote_does_not_stop_the_application() -> None:
    """A value that cannot be read is one that the checks will name."""

    class Odd(Locks):
        def __call__(self, command: list[str]) -> Answer:
            return array(*VISITED[:-1], "odd") if command[0] == "HGETALL" else super().__call__(command)

    assert Told(Odd(OK)).request.steps[2].wrote == {"visits": "7:1"}


@pytest.mark.parametrize("naive", [False, True])
def test_unanswered_lock_is_not_asked_for_twice(naive: bool) -> None:
    """It may be one's own: the token is taken away, unless that could hit somebody else's lock."""
    told = Told(Locks("silence"), retries=2, naive_release=naive)
    assert told.told == "error"
    assert told.steps[0] == (StepKind.ACQUIRE, Outcome.UNKNOWN, None)
    assert told.request.steps[0].deciding
    assert [command[0] for command in told.asked] == (["SET"] if naive else ["SET", "EVAL"])


def test_naive_release_deletes_whatever_is_there() -> None:
    """A plain DEL, without the token."""
    told = Told(Locks(OK), naive_release=True)
    assert told.asked[-1] == ["DEL", LOCK]
    assert told.steps[-1] == (StepKind.RELEASE, Outcome.ACKED, True)


def test_release_that_finds_nothing_says_so() -> None:
    """The lock had gone: an observation, not an error; the user's request succeeded."""
    told = Told(Locks(OK, release=ZERO))
    assert told.told == "ok"
    assert told.steps[-1] == (StepKind.RELEASE, Outcome.ACKED, False)


def test_work_without_a_lock_that_nobody_granted_is_told_as_such() -> None:
    """Only where the application chose so; the session is read and written all the same."""
    refused = b"-OOM command not allowed\r\n"
    told = Told(Locks(refused), when_unreachable="let-in")
    assert told.told == LET_IN_UNCHECKED
    assert [one.does for one in told.request.steps] == [StepKind.ACQUIRE, StepKind.READ, StepKind.WRITE]
    assert Told(Locks(refused)).told == "try later"


def test_refused_lock_is_no_lock() -> None:
    """A full memory refuses SET; nothing is released, because nothing was taken."""
    told = Told(Locks(b"-OOM command not allowed\r\n"))
    assert told.told == "try later"
    assert told.steps == [(StepKind.ACQUIRE, Outcome.REJECTED, None)]


@pytest.mark.parametrize("reply", [b":1\r\n", b"+PONG\r\n", b"*0\r\n"])
def test_reply_that_set_never_gives_is_unknown(reply: bytes) -> None:
    """A swapped reply grants nothing."""
    told = Told(Locks(reply))
    assert told.steps[0] == (StepKind.ACQUIRE, Outcome.UNKNOWN, None)
    assert str(told.request.steps[0].error).startswith("reply-mixed-up")
