"""What follows the command that decides (WAIT, a look at the time to live) changes nothing about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.model.words import Outcome, TooFew
from harness.redis_wire.scripted import Answer, ScriptedServer, array, in_turn
from tests.unit.sessions.test_attempts import QUICK, RULES, SESSION, WHOLE, Bench, results, run

PATIENT = replace(QUICK, application_retries=2)
STUBBORN = replace(QUICK, application_retries=2, library_retries=2)
WAITING = replace(RULES, wait_replicas=1, wait_timeout_ms=50)
UNBLOCKED = b"-UNBLOCKED force unblock from blocking operation, instance state changed\r\n"


def array_of(*numbers: int) -> bytes:
    return b"*%d\r\n" % len(numbers) + b"".join(b":%d\r\n" % number for number in numbers)


def _told_to_wait(wait: Answer, write: Answer = b":1\r\n") -> Any:
    answers, waits = in_turn(write), in_turn(wait)
    return lambda command: waits(command) if command[0] == "WAIT" else answers(command)


@pytest.mark.parametrize("profile", [QUICK, PATIENT, STUBBORN])
@pytest.mark.parametrize(
    ("wait", "got", "result"),
    [
        (b":1\r\n", 1, "reply"),
        (b":0\r\n", 0, "reply"),
        (UNBLOCKED, None, "error:UNBLOCKED"),
        ("silence", None, "timeout"),
        ("close", None, "connection-lost"),
    ],
)
def test_write_that_was_answered_is_not_sent_again_for_its_wait(
    profile: Any, wait: Answer, got: int | None, result: str
) -> None:
    """Whatever becomes of WAIT, and whoever would try again: library or application."""

    async def scenario() -> None:
        async with ScriptedServer(_told_to_wait(wait)) as redis:
            bench = Bench(redis.port, profile=profile)
            request = await bench.carry_out("logout", rules=WAITING)
            deleted = request.steps[0]
            assert [command[0] for command in redis.received[:2]] == ["DEL", "WAIT"]
            assert sum(command[0] == "DEL" for command in redis.received) == 1
            assert (deleted.outcome, deleted.effective, deleted.attempts) == (Outcome.ACKED, True, (1,))
            assert (deleted.wait_needed, deleted.wait_got) == (1, got)
            assert bench.recording.attempts[0].result == result
            assert bench.told == "signed out"
            await bench.server.close()

    run(scenario)


@pytest.mark.parametrize(
    ("too_few", "wait", "outcome"),
    [
        (TooFew.IGNORE, b":0\r\n", Outcome.ACKED),
        (TooFew.TRY_AGAIN, b":0\r\n", Outcome.UNKNOWN),
        (TooFew.TRY_AGAIN, UNBLOCKED, Outcome.UNKNOWN),
        (TooFew.TRY_AGAIN, b":1\r\n", Outcome.ACKED),
    ],
)
def test_write_that_too_few_replicas_have_is_promised_only_where_that_is_ignored(
    too_few: TooFew, wait: Answer, outcome: Outcome
) -> None:
    """With `try-again` nobody is told that he is signed out, and nothing is sent again."""

    async def scenario() -> None:
        async with ScriptedServer(_told_to_wait(wait)) as redis:
            bench = Bench(redis.port, profile=PATIENT)
            request = await bench.carry_out("logout", rules=replace(WAITING, too_few=too_few))
            assert sum(command[0] == "DEL" for command in redis.received) == 1
            assert request.steps[0].outcome is outcome
            assert request.too_few is (outcome is Outcome.UNKNOWN)
            assert (bench.told == "signed out") is (outcome is Outcome.ACKED)
            await bench.server.close()

    run(scenario)


@pytest.mark.parametrize("profile", [PATIENT, STUBBORN])
def test_transaction_that_was_executed_is_not_sent_again_for_its_wait(profile: Any) -> None:
    """EXEC decides; what stands behind it is WAIT."""

    async def scenario() -> None:
        def script(command: list[str]) -> Answer:
            done: dict[str, Answer] = {"MULTI": b"+OK\r\n", "EXEC": array_of(7, 1, 1, 1), "WAIT": "close"}
            to_the_index = command[-1] == SESSION.id or command[1:2] == ["user:{u1}:sessions"]
            return done.get(command[0], b":1\r\n" if to_the_index else b"+QUEUED\r\n")

        async with ScriptedServer(script) as redis:
            bench = Bench(redis.port, profile=profile)
            request = await bench.carry_out("log-in", rules=WAITING)
            assert sum(command[0] == "EXEC" for command in redis.received) == 1
            assert request.steps[0].outcome is Outcome.ACKED
            assert request.steps[0].wait_got is None
            assert bench.told == "ok"
            await bench.server.close()

    run(scenario)


def test_write_that_was_refused_is_sent_again_although_its_wait_got_no_answer() -> None:
    """A refusal is no answer that decides."""

    async def scenario() -> None:
        refused = b"-READONLY You can't write against a read only replica.\r\n"
        writes, waits = in_turn(refused, b":1\r\n"), in_turn("close", b":1\r\n")

        def script(command: list[str]) -> Answer:
            return waits(command) if command[0] == "WAIT" else writes(command)

        async with ScriptedServer(script) as redis:
            bench = Bench(redis.port, profile=PATIENT)
            deleted = (await bench.carry_out("logout", rules=WAITING)).steps[0]
            assert (deleted.outcome, deleted.attempts, deleted.wait_got) == (Outcome.ACKED, (1, 2), 1)
            await bench.server.close()

    run(scenario)


def test_what_wait_got_is_what_it_said_to_the_attempt_that_decides() -> None:
    """The first attempt got no answer; the second one's WAIT counts."""

    async def scenario() -> None:
        writes, waits = in_turn("silence", b":1\r\n"), in_turn("silence", b":0\r\n")

        def script(command: list[str]) -> Answer:
            return waits(command) if command[0] == "WAIT" else writes(command)

        async with ScriptedServer(script) as redis:
            bench = Bench(redis.port, profile=PATIENT)
            deleted = (await bench.carry_out("logout", rules=WAITING)).steps[0]
            assert (deleted.outcome, deleted.attempts, deleted.wait_got) == (Outcome.ACKED, (1, 2), 0)
            await bench.server.close()

    run(scenario)


@pytest.mark.parametrize("profile", [PATIENT, STUBBORN])
@pytest.mark.parametrize("cut", ["silence", "close"])
def test_every_attempt_that_carried_a_step_is_recorded_with_it(profile: Any, cut: str) -> None:
    """A touch reads and touches. The look was answered, the touch was not, both are sent again: the first
    answer decides the look and stands last."""

    async def scenario() -> None:
        touches = in_turn(cut, b":1\r\n")

        def script(command: list[str]) -> Answer:
            if command[0] == "EXPIRE":
                return touches(command)
            return b":5000\r\n" if command[0] == "PTTL" else WHOLE

        async with ScriptedServer(script) as redis:
            bench = Bench(redis.port, profile=profile)
            seen, touched = (await bench.carry_out("touch")).steps
            assert [attempt.steps for attempt in bench.recording.attempts] == [(1, 2), (1, 2)]
            assert (seen.outcome, seen.attempts) == (Outcome.ACKED, (2, 1))
            assert seen.sent_us == bench.recording.attempts[0].sent_us
            assert seen.done_us == bench.recording.attempts[0].done_us
            assert (touched.outcome, touched.attempts) == (Outcome.ACKED, (1, 2))
            assert touched.sent_us == bench.recording.attempts[0].sent_us
            await bench.server.close()

    run(scenario)


@pytest.mark.parametrize("profile", [PATIENT, STUBBORN])
def test_look_is_not_repeated_for_its_time_to_live(profile: Any) -> None:
    """The session was read; how long it has to live is not known, and nobody is asked again."""

    async def scenario() -> None:
        def script(command: list[str]) -> Answer:
            return "close" if command[0] == "PTTL" else array("sid", SESSION.id)

        async with ScriptedServer(script) as redis:
            bench = Bench(redis.port, profile=profile)
            (step,) = (await bench.carry_out("read")).steps
            assert (step.outcome, step.pttl_ms, step.attempts) == (Outcome.ACKED, None, (1,))
            assert results(bench) == ["connection-lost"]
            await bench.server.close()

    run(scenario)


def test_connection_that_failed_behind_an_answer_is_used_no_more() -> None:
    """The next operation gets a new one, and its own replies."""

    async def scenario() -> None:
        waits = in_turn("silence", b":1\r\n")

        def script(command: list[str]) -> Answer:
            return waits(command) if command[0] == "WAIT" else b":1\r\n"

        async with ScriptedServer(script) as redis:
            bench = Bench(redis.port, profile=PATIENT)
            await bench.carry_out("logout", rules=WAITING)
            again = (await bench.carry_out("logout", rules=WAITING)).steps[0]
            assert len(redis.peers) == 2
            assert (again.outcome, again.wait_got) == (Outcome.ACKED, 1)
            await bench.server.close()

    run(scenario)
