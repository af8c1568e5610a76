"""`rotate-session`, and what an absolute timeout makes of it and of `touch`, command by command, against a server
that follows a script."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.model.words import Outcome, StepKind
from harness.redis_wire.scripted import Answer, ScriptedServer, array
from harness.sessions.request import Request, Session
from tests.unit.sessions.test_attempts import RULES, SESSION, Bench, run

OLD = Session("cd" * 16, "u1", 1, 1, "session:{old}", "witness:{old}")
HELD = ("sid", OLD.id, "user_id", "u1", "generation", "1", "theme", "3:dark", "cart:1", "4")


def rotated(held: bytes, deleted: bytes = b":1\r\n") -> tuple[str, Request, list[list[str]]]:
    def answer(command: list[str]) -> Answer:
        if command[0] == "EXEC":
            return b"*4\r\n:5\r\n:1\r\n:1\r\n:1\r\n"
        if command[0] in {"HSET", "RPUSH"} or (command[0] == "EXPIRE" and "user:" not in command[1]):
            return b"+QUEUED\r\n"
        known: dict[str, Answer] = {
            "HGETALL": held,
            "PTTL": b":5000\r\n",
            "MULTI": b"+OK\r\n",
            "DEL": deleted,
        }
        return known.get(command[0], b":1\r\n")

    async def scenario() -> Any:
        async with ScriptedServer(answer) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("rotate-session", replaces=OLD)
            await bench.server.close()
            return bench.told, request, redis.received

    told, request, received = run(scenario)
    return told, request, received


def test_session_is_copied_under_a_new_id_and_the_old_one_deleted() -> None:
    """All data but the identity, which is the new session's own; both the copy and the delete decide."""
    told, request, received = rotated(array(*HELD))
    assert told == "ok"
    assert [(step.does, step.session, step.deciding, step.effective) for step in request.steps] == [
        (StepKind.READ, OLD.id, False, None),
        (StepKind.CREATE, SESSION.id, True, True),
        (StepKind.DESTROY, OLD.id, True, True),
        (StepKind.INDEX_ADD, SESSION.id, False, True),
        (StepKind.INDEX_REMOVE, OLD.id, False, True),
    ]
    assert request.steps[1].wrote == {"theme": "3:dark", "cart:1": "4"}
    (made,) = (command for command in received if command[0] == "HSET")
    assert made[1:8] == [SESSION.key, "sid", SESSION.id, "user_id", "u1", "generation", "7"]
    assert ["DEL", OLD.key] in received
    assert ["SREM", "user:{u1}:sessions", OLD.id] in received


def test_session_that_is_gone_is_not_copied() -> None:
    """The user has to log in; nothing was made, and the operation changed nothing."""
    told, request, _ = rotated(b"*0\r\n")
    assert told == "please log in"
    (seen,) = request.steps
    assert (seen.does, seen.deciding, seen.effective) == (StepKind.READ, True, False)


def test_old_id_that_was_not_deleted_is_told_as_an_error() -> None:
    """The copy is there, and nobody may rely on the old id being dead."""
    told, request, _ = rotated(array(*HELD), b"-OOM no\r\n")
    assert told == "try later"
    assert [step.outcome for step in request.steps] == [Outcome.ACKED, Outcome.ACKED, Outcome.REJECTED]


AGED = replace(RULES, absolute_timeout_s=100.0)


def touched(over_us: int, **options: Any) -> tuple[str, Request, list[list[str]]]:
    """A touch of a session that is over then, at 0 s of the run's clock."""

    def answer(command: list[str]) -> Answer:
        if command[0] == "HGETALL":
            return array("sid", SESSION.id, "user_id", "u1", "generation", "1", "ends", f"1:{over_us}")
        return b":1\r\n"

    async def scenario() -> Any:
        async with ScriptedServer(answer) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("touch", rules=AGED, **options)
            await bench.server.close()
            return bench.told, request, redis.received

    told, request, received = run(scenario)
    return told, request, received


def test_touch_gives_a_session_no_more_than_what_is_left_of_its_age() -> None:
    """The idle timeout is 60 s, and 20 s are left; of 90 s it is the whole."""
    told, request, received = touched(20_000_000)
    (sent,) = (command for command in received if command[0] == "PEXPIRE")
    assert told == "ok"
    assert 19_000 < int(sent[2]) <= 20_000
    assert request.steps[-1].ttl_ms == int(sent[2])
    assert touched(90_000_000)[1].steps[-1].ttl_ms == 60_000


def test_session_whose_age_is_over_is_not_touched() -> None:
    """Its user logs in again; with `ignore_age` it goes on."""
    told, request, received = touched(0)
    assert (told, len(request.steps)) == ("please log in", 1)
    assert not [command for command in received if "EXPIRE" in command[0]]
    told, request, _ = touched(0, ignore_age=True)
    assert (told, request.steps[-1].ttl_ms) == ("ok", 60_000)


def test_new_id_is_as_old_as_the_old_one() -> None:
    """What says when it is over is copied, and the new key lives as long."""

    def answer(command: list[str]) -> Answer:
        if command[0] == "EXEC":
            return b"*4\r\n:5\r\n:1\r\n:1\r\n:1\r\n"
        if command[0] in {"HSET", "RPUSH", "PEXPIRE"} or (
            command[0] == "EXPIRE" and "user:" not in command[1]
        ):
            return b"+QUEUED\r\n"
        known: dict[str, Answer] = {"HGETALL": array(*HELD, "ends", "3:20000000"), "MULTI": b"+OK\r\n"}
        return known.get(command[0], b":1\r\n")

    async def scenario() -> Any:
        async with ScriptedServer(answer) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("rotate-session", rules=AGED, replaces=OLD)
            await bench.server.close()
            return bench.told, request, redis.received

    told, request, received = run(scenario)
    made = request.steps[1]
    assert (told, made.wrote["ends"]) == ("ok", "3:20000000")
    assert made.ttl_ms is not None
    assert 19_000 < made.ttl_ms <= 20_000
    assert ["PEXPIRE", SESSION.key, str(made.ttl_ms)] in received
