"""What guards, command by command, against a server that follows a script: revocations, bans, limits."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

import pytest

from harness.model.words import LET_IN_UNCHECKED, Outcome, StepKind
from harness.objects.flag import CUT_OFF, REVOKED
from harness.objects.kind import LIMIT, TOTAL, VALUE
from harness.redis_wire.scripted import Answer, ScriptedServer
from harness.sessions.actors import EARLIER, User
from harness.sessions.commands import COUNT_WITHIN
from harness.sessions.request import Request, Session
from tests.unit.sessions.test_attempts import QUICK, SESSION, Bench, run

NIL, OK = b"$-1\r\n", b"+OK\r\n"
OLD, OWN = 0x00, 0x0F
"""Dice that send a token from before, and the user's own."""


def bulk(text: str) -> bytes:
    return f"${len(text)}\r\n{text}\r\n".encode()


class Told:
    """What requests of one web server did, one after the other, and what the server was asked."""

    def __init__(self, behaviour: str, *answers: dict[str, Answer], dice: int = OWN, **options: Any) -> None:
        self.told: list[str] = []
        self.requests: list[Request] = []
        left = deque(answers)

        def answer(command: list[str]) -> Answer:
            if command[0] == "PTTL":
                return b":5000\r\n"
            return left[0].get(command[1].partition("{")[0], left[0].get(command[0], NIL))

        async def scenario() -> None:
            async with ScriptedServer(answer) as redis:
                bench = Bench(redis.port, profile=replace(QUICK, application_retries=0))
                while left:
                    self.requests.append(await bench.carry_out(behaviour, dice=dice, **options))
                    self.told.append(bench.told)
                    left.popleft()
                self.asked = [command for command in redis.received if command[0] != "PTTL"]
                await bench.server.close()

        run(scenario)

    @property
    def steps(self) -> list[tuple[StepKind, str, Outcome]]:
        return [(step.does, step.key, step.outcome) for step in self.requests[-1].steps]


def test_token_is_revoked_for_the_rest_of_its_life() -> None:
    """One SET with a time to live decides; the entry has the number of the operation."""
    told = Told("revoke-token", {"SET": OK}, lifetime=12.5)
    assert told.told == ["signed out"]
    assert told.asked == [["SET", f"revoked:{{{SESSION.id}}}", "7", "PX", "12500"]]
    (step,) = told.requests[0].steps
    assert (step.wrote, step.ttl_ms, step.effective, step.deciding) == ({VALUE: "7"}, 12500, True, True)
    assert told.requests[0].changed == ((REVOKED, step.key),)
    assert told.requests[0].about == step.key


def test_revocation_that_is_refused_is_told_so() -> None:
    """Nobody is signed out by a full instance."""
    told = Told("revoke-token", {"SET": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"})
    assert told.told == ["try later"]
    assert [step.effective for step in told.requests[0].steps] == [None]


def test_ban_is_a_cut_off_of_the_user() -> None:
    """Beside the single tokens, for a week."""
    told = Told("ban-user", {"SET": OK})
    assert told.asked == [["SET", "not-before:{u1}", "7", "PX", "604800000"]]
    assert told.requests[0].changed == ((CUT_OFF, "not-before:{u1}"),)


@pytest.mark.parametrize(
    ("revoked", "since", "told"),
    [
        (NIL, NIL, "ok"),
        (bulk("7"), NIL, "please log in"),
        (NIL, bulk("2"), "please log in"),
        (NIL, bulk("1"), "ok"),
    ],
)
def test_request_is_let_in_by_denylist_and_ban(revoked: bytes, since: bytes, told: str) -> None:
    """A token that was issued at the cut-off or later is let in; the session's log-in was operation 1."""
    asked = Told("token-request", {"revoked:": revoked, "not-before:": since})
    assert asked.told == [told]
    assert [step.saw for step in asked.requests[0].steps][-1] == (
        {} if told == "ok" and since == NIL else {VALUE: "7" if revoked != NIL else since.decode().split()[1]}
    )


def test_request_without_bans_asks_the_denylist_alone() -> None:
    """One question less."""
    assert len(Told("token-request", {}, bans=False).asked) == 1


def test_stolen_token_is_refused_and_its_user_stays() -> None:
    """Whoever sends a token from before is told no; the user's own session is another one."""

    def answer(command: list[str]) -> Answer:
        return b":5000\r\n" if command[0] == "PTTL" else bulk("3")

    async def scenario() -> None:
        async with ScriptedServer(answer) as redis:
            bench = Bench(redis.port)
            before = Session("cd" * 16, "u1", 1, 1, "session:{y}", "witness:{y}")
            request = await bench.carry_out("token-request", dice=OLD, earlier=(before,))
            assert bench.told == "refused"
            assert [step.key for step in request.steps] == [REVOKED.key(before.id)]
            await bench.server.close()

    run(scenario)


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("refuse", ["please log in", "error"]),
        ("let-in", ["please log in", LET_IN_UNCHECKED]),
        ("stale", ["please log in", "please log in"]),
    ],
)
def test_application_chooses_what_silence_means(choice: str, told: list[str]) -> None:
    """Refuse, let in, or trust what this web server last heard: here, that the token was revoked."""
    asked = Told("token-request", {"revoked:": bulk("7")}, {"revoked:": "silence"}, when_unreachable=choice)
    assert asked.told == told


def test_stale_lets_in_whom_nobody_knows() -> None:
    """Nothing was heard of this token."""
    assert Told("token-request", {"GET": "silence"}, when_unreachable="stale").told == [LET_IN_UNCHECKED]


@pytest.mark.parametrize(("total", "told"), [(1, "wrong password"), (5, "wrong password"), (6, "refused")])
def test_attempts_are_counted_to_the_limit(total: int, told: str) -> None:
    """The attempt at the limit is the last; the script counts, and begins the window."""
    asked = Told("try-password", {"EVAL": b":%d\r\n" % total}, window=2.5)
    assert asked.told == [told]
    assert asked.asked == [["EVAL", COUNT_WITHIN, "1", "attempts:{u1}", "2500"]]
    (step,) = asked.requests[0].steps
    assert (step.added, step.added_now, step.wrote) == ({TOTAL: 1}, {TOTAL: total}, {LIMIT: "5"})
    assert (step.does, step.ttl_ms, step.command) == (StepKind.COUNT, 2500, "EVAL (INCR PEXPIRE)")


@pytest.mark.parametrize(("choice", "told"), [("refuse", "error"), ("let-in", LET_IN_UNCHECKED)])
def test_attempt_that_nobody_counted(choice: str, told: str) -> None:
    """The limiter does not answer: refused, or let in uncounted."""
    asked = Told("try-password", {"EVAL": "silence"}, when_unreachable=choice)
    assert asked.told == [told]
    assert asked.steps == [(StepKind.COUNT, "attempts:{u1}", Outcome.UNKNOWN)]


FULL = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
HERS = b"*6\r\n" + b"".join(map(bulk, ("sid", SESSION.id, "user_id", "u1", "generation", "1")))
COUNTED = (StepKind.COUNT, "attempts:{u1}")
SEEN = (StepKind.READ, SESSION.key)


@pytest.mark.parametrize(
    ("asked", "answers", "told", "steps"),
    [
        ("before-session", {"EVAL": b":1\r\n", "HGETALL": HERS}, "ok", [COUNTED, SEEN]),
        ("before-session", {"EVAL": b":9\r\n", "HGETALL": HERS}, "refused", [COUNTED]),
        ("before-session", {"EVAL": b":1\r\n", "HGETALL": b"*0\r\n"}, "please log in", [COUNTED, SEEN]),
        ("before-session", {"EVAL": FULL, "HGETALL": HERS}, "turned away", [COUNTED, SEEN]),
        ("before-session", {"EVAL": "silence", "HGETALL": "silence"}, "turned away", [COUNTED, SEEN]),
        ("after-session", {"EVAL": FULL, "HGETALL": HERS}, "ok", [SEEN]),
        ("after-session", {"EVAL": FULL, "HGETALL": b"*0\r\n"}, "try later", [SEEN, COUNTED]),
        ("after-session", {"EVAL": b":1\r\n", "HGETALL": "silence"}, "error", [SEEN]),
    ],
)
def test_limiter_in_front_of_a_session_or_behind_it(
    asked: str, answers: dict[str, Answer], told: str, steps: list[tuple[StepKind, str]]
) -> None:
    """In front it decides about everybody, and each page is a write. Behind it whoever is logged in passes."""
    page = Told("try-password", answers, asked=asked)
    assert page.told == [told]
    assert [(does, key) for does, key, _ in page.steps] == steps


def test_session_of_a_request_that_was_turned_away_decides_nothing() -> None:
    """It was read for the records; the page went by the guard."""
    page = Told("try-password", {"EVAL": FULL, "HGETALL": HERS}, asked="before-session")
    assert [step.deciding for step in page.requests[0].steps] == [True, False]
    assert Told(
        "try-password", {"EVAL": FULL, "HGETALL": HERS}, asked="before-session", when_unreachable="let-in"
    ).told == [LET_IN_UNCHECKED]


@pytest.mark.parametrize(
    ("asked", "answers", "told"),
    [
        ("before-session", {"GET": NIL, "HGETALL": HERS}, "ok"),
        ("before-session", {"GET": "silence", "HGETALL": HERS}, "turned away"),
        ("after-session", {"GET": NIL, "HGETALL": HERS}, "ok"),
        ("after-session", {"GET": "silence", "HGETALL": HERS}, "turned away"),
        ("after-session", {"GET": "silence", "HGETALL": b"*0\r\n"}, "please log in"),
        ("after-session", {"revoked:": bulk("7"), "HGETALL": HERS}, "please log in"),
    ],
)
def test_session_says_nothing_about_a_denylist(asked: str, answers: dict[str, Answer], told: str) -> None:
    """So its order is no cure: whoever is logged in is turned away either way."""
    assert Told("token-request", answers, asked=asked).told == [told]


def test_thief_of_a_token_has_no_session() -> None:
    """A page with a token from before comes without one, so only the denylist is asked."""

    async def scenario() -> None:
        async with ScriptedServer(lambda _command: b"-OOM\r\n") as redis:
            bench = Bench(redis.port, profile=replace(QUICK, application_retries=0))
            before = Session("cd" * 16, "u1", 1, 1, "session:{y}", "witness:{y}")
            request = await bench.carry_out(
                "token-request", dice=OLD, earlier=(before,), asked="before-session"
            )
            assert (bench.told, len(request.steps)) == ("try later", 1)
            await bench.server.close()

    run(scenario)


def test_user_keeps_a_few_sessions_in_mind() -> None:
    """What the browser had before, the oldest forgotten."""
    user = User("u1")
    each = [Session(str(n), "u1", n, 1, "k", "w") for n in range(EARLIER + 2)]
    for one in each:
        user.has(one)
    user.has(None)
    assert list(user.earlier) == each[-EARLIER:]
    assert user.session is None


@pytest.mark.parametrize(("reply", "told", "effective"), [(OK, "ok", True), (NIL, "refused", False)])
def test_one_time_token_is_spent_by_its_first_use(reply: bytes, told: str, effective: bool) -> None:
    """SET NX decides; whoever comes second is refused."""
    asked = Told("remember-me", {"SET": reply}, dice=0, lifetime=2.5)
    assert asked.told == [told]
    assert asked.asked == [["SET", f"spent:{{{SESSION.id}}}", "7", "NX", "PX", "2500"]]
    (step,) = asked.requests[0].steps
    assert (step.does, step.effective, step.wrote) == (StepKind.PUT, effective, {VALUE: "7"})


def test_use_without_an_answer_is_not_asked_for_again() -> None:
    """The second answer would say "spent", by oneself."""
    asked = Told("remember-me", {"SET": "silence"})
    assert (asked.told, len(asked.asked)) == (["error"], 1)
    assert Told("remember-me", {"SET": "silence"}, when_unreachable="let-in").told == [LET_IN_UNCHECKED]
