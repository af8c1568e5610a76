"""Profiles, forms and lists of devices, command by command, against a server that follows a script."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.model.words import Outcome, StepKind
from harness.objects.kind import TOTAL, VALUE
from harness.redis_wire.scripted import Answer, ScriptedServer, array, error
from harness.sessions.request import Request
from tests.unit.sessions.test_attempts import RULES, SESSION, WHOLE, Bench, run

OK, NIL, ONE = b"+OK\r\n", b"$-1\r\n", b":1\r\n"
PTTL = {"PTTL": b":5000\r\n", "PEXPIRE": ONE, "EXPIRE": ONE}


class Told:
    """What one request did, and what the server was asked."""

    def __init__(self, behaviour: str, answers: dict[str, Answer], **options: Any) -> None:
        async def scenario() -> None:
            async with ScriptedServer(lambda command: {**PTTL, **answers}[command[0]]) as redis:
                bench = Bench(redis.port)
                self.request: Request = await bench.carry_out(behaviour, **options)
                self.told = bench.told
                self.asked = [command for command in redis.received if command[0] not in PTTL]
                await bench.server.close()

        run(scenario)

    @property
    def steps(self) -> list[tuple[StepKind, Outcome, bool]]:
        return [(step.does, step.outcome, step.deciding) for step in self.request.steps]


def test_profile_is_written_under_the_users_key() -> None:
    """For a week; it has the number of the operation, and the audit reads it."""
    told = Told("change-profile", {"SET": OK})
    assert told.told == "ok"
    assert told.asked == [["SET", "user_profile:{u1}", "7", "PX", "604800000"]]
    assert told.steps == [(StepKind.PUT, Outcome.ACKED, True)]
    assert [key for _, key in told.request.changed] == ["user_profile:{u1}"]


def test_other_service_reads_the_session_and_the_profile() -> None:
    """Both decide; a user may have none yet."""
    told = Told("read-profile", {"HGETALL": WHOLE, "GET": b"$1\r\n5\r\n"})
    assert told.told == "ok"
    assert told.steps == [(StepKind.READ, Outcome.ACKED, True), (StepKind.LOOK, Outcome.ACKED, True)]
    assert told.request.steps[1].saw == {VALUE: "5"}
    assert Told("read-profile", {"HGETALL": WHOLE, "GET": NIL}).request.steps[1].saw == {}


def test_profile_of_nobody_is_not_asked_for() -> None:
    """The session comes first; and a profile that cannot be read is no answer."""
    gone = Told("read-profile", {"HGETALL": b"*0\r\n"})
    assert (gone.told, len(gone.steps)) == ("please log in", 1)
    refused = Told("read-profile", {"HGETALL": WHOLE, "GET": error("LOADING Redis is loading")})
    assert refused.told == "try later"


def test_next_step_of_a_form_is_entered_behind_the_others() -> None:
    """Its number follows from what is there; the reply says how many are."""
    told = Told("fill-form", {"LRANGE": array("5:step 1"), "RPUSH": b":2\r\n"}, steps=3, lifetime=60.0)
    assert told.told == "ok"
    form = f"form:{{{SESSION.id}}}"
    assert told.asked == [["LRANGE", form, "0", "-1"], ["RPUSH", form, "7:step 2"]]
    assert told.steps == [(StepKind.LOOK, Outcome.ACKED, False), (StepKind.COUNT, Outcome.ACKED, True)]
    look, entered = told.request.steps
    assert (look.saw, entered.added_now, entered.ttl_ms) == ({TOTAL: "1"}, {TOTAL: 2}, 60_000)


def test_form_that_is_complete_is_looked_at() -> None:
    """Nothing is entered any more; a form that was never begun shows nothing."""
    told = Told("fill-form", {"LRANGE": array("1:a", "2:b")}, steps=2)
    assert (told.told, told.steps) == ("ok", [(StepKind.LOOK, Outcome.ACKED, True)])
    begun = Told("fill-form", {"LRANGE": b"*0\r\n", "RPUSH": ONE})
    assert begun.request.steps[0].saw == {}
    assert begun.request.steps[1].added_now == {TOTAL: 1}


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        ({"LRANGE": error("LOADING Redis is loading")}, "try later"),
        ({"LRANGE": b"*0\r\n", "RPUSH": error("OOM command not allowed")}, "try later"),
        ({"LRANGE": b"*0\r\n", "RPUSH": "close"}, "error"),
    ],
)
def test_step_that_was_not_entered_is_told_so(answers: dict[str, Answer], told: str) -> None:
    """And one without an answer is not sent again: it would be entered twice."""
    done = Told("fill-form", answers)
    assert done.told == told
    assert len([one for one in done.asked if one[0] == "RPUSH"]) <= 1


def test_devices_are_the_sessions_of_the_list() -> None:
    """Each is read as itself; one that has ended is no error."""
    told = Told("list-devices", {"SMEMBERS": array("b", "a"), "HGETALL": b"*0\r\n"})
    assert told.told == "ok"
    assert told.request.steps[0].members == ("a", "b")
    assert [(step.session, step.key, step.saw) for step in told.request.steps[1:]] == [
        ("a", "session:{a}", {}),
        ("b", "session:{b}", {}),
    ]
    assert [deciding for _, _, deciding in told.steps] == [True, False, False]
    assert Told("list-devices", {"SMEMBERS": error("LOADING Redis is loading")}).told == "try later"


@pytest.mark.parametrize(("options", "lasts"), [({}, None), ({"index_lifetime": 3.0}, "3")])
def test_index_lasts_as_long_as_its_option_says(options: dict[str, Any], lasts: str | None) -> None:
    """Longer than a session, unless the mistake is asked for."""
    asked: list[list[str]] = []

    def answer(command: list[str]) -> Answer:
        asked.append(command)
        simple = {"MULTI": OK, "EXEC": array_of_ones(4), "SADD": ONE, "EXPIRE": ONE}
        return simple[command[0]] if command[0] in simple and not queued(asked) else b"+QUEUED\r\n"

    async def scenario() -> None:
        async with ScriptedServer(answer) as redis:
            bench = Bench(redis.port)
            await bench.carry_out("log-in", **options)
            await bench.server.close()

    run(scenario)
    (expire,) = [one for one in asked if one[0] == "EXPIRE" and one[1] == "user:{u1}:sessions"]
    assert (expire[2] == lasts) if lasts else (int(expire[2]) > 3600)


@pytest.mark.parametrize("transactions", [True, False])
def test_session_without_an_idle_timeout_gets_no_time_to_live(transactions: bool) -> None:
    """Neither do its list of sessions and its witnesses, and no step says that it set one."""
    asked: list[list[str]] = []

    def answer(command: list[str]) -> Answer:
        asked.append(command)
        simple = {"MULTI": OK, "EXEC": array_of_ones(2), "SADD": ONE, "HSET": ONE, "RPUSH": ONE}
        return simple[command[0]] if command[0] in simple and not queued(asked) else b"+QUEUED\r\n"

    async def scenario() -> None:
        async with ScriptedServer(answer) as redis:
            bench = Bench(redis.port)
            rules = replace(RULES, idle_timeout_s=None, transactions=transactions)
            done = await bench.carry_out("log-in", rules=rules)
            await bench.server.close()
            assert bench.told == "ok"
            assert [step.ttl_ms for step in done.steps] == [None, None]

    run(scenario)
    assert {one[0] for one in asked} >= {"HSET", "SADD"}
    assert not [one for one in asked if "EXPIRE" in one[0]]


def array_of_ones(count: int) -> bytes:
    return f"*{count}\r\n".encode() + ONE * count


def queued(asked: list[list[str]]) -> bool:
    """Whether the last command is between MULTI and EXEC."""
    names = [one[0] for one in asked]
    return names[-1] not in {"MULTI", "EXEC"} and names.count("MULTI") > names.count("EXEC")
