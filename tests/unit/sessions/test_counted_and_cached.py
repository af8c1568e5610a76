"""Addresses, tallies, whole-session saves, visitors, messages and clean-up, command by command."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from harness.model.words import FROM_MEMORY, Outcome, StepKind
from harness.objects import object_of
from harness.objects.kind import AT, TOTAL, UNTIL, VALUE
from harness.objects.saved import SHAPES, UNREADABLE, marks_in, packed
from harness.redis_wire.scripted import Answer, ScriptedServer, array, error
from harness.sessions.hearing import CHANNEL, Hearing
from harness.sessions.listening import AGAIN_S
from harness.sessions.request import Session
from tests.unit.sessions.test_attempts import RULES, SESSION, WHOLE, Bench, run

OK, NIL, ONE, ZERO = b"+OK\r\n", b"$-1\r\n", b":1\r\n", b":0\r\n"
PTTL = b":5000\r\n"
VISIT, LEFT, LOOK = 0xFFFF, 0x00FF, 0x0000
"""Dice: a visit that is closed, one that is not, somebody who counts."""
BEFORE = Session("cd" * 16, "u1", 1, 1, "session:{y}", "witness:{y}")


class Told:
    """What one request did, and what the server was asked."""

    def __init__(
        self, behaviour: str, answers: dict[str, Answer], *, dice: int = VISIT, **options: Any
    ) -> None:
        async def scenario() -> None:
            async with ScriptedServer(lambda command: {"PTTL": PTTL, **answers}[command[0]]) as redis:
                bench = Bench(redis.port)
                self.request = await bench.carry_out(behaviour, dice=dice, **options)
                self.told = bench.told
                self.asked = [command for command in redis.received if command[0] != "PTTL"]
                await bench.server.close()

        run(scenario)

    @property
    def steps(self) -> list[tuple[StepKind, Outcome, bool]]:
        return [(step.does, step.outcome, step.deciding) for step in self.request.steps]


def bulk(text: str) -> bytes:
    return f"${len(text)}\r\n{text}\r\n".encode()


def test_move_binds_the_session() -> None:
    """To an address with the number of the operation."""
    told = Told("move-address", {"SET": OK}, dice=5)
    assert told.told == "ok"
    (asked,) = told.asked
    assert asked[:2] == ["SET", f"address:{{{SESSION.id}}}"]
    assert asked[2].startswith("7:")
    assert told.request.steps[0].wrote == {VALUE: asked[2]}


@pytest.mark.parametrize(
    ("bound", "dice", "told"),
    [(NIL, LOOK, "ok"), (bulk("3:here"), VISIT, "ok"), (bulk("3:here"), LOOK, "refused")],
)
def test_whoever_comes_from_elsewhere_is_refused(bound: bytes, dice: int, told: str) -> None:
    """Unless the session is bound to nothing yet."""
    assert Told("check-address", {"GET": bound}, dice=dice).told == told


@pytest.mark.parametrize(("bound_to", "told"), [("address", "refused"), ("network", "ok")])
def test_who_comes_from_the_same_network_is_let_in_where_that_is_bound_to(bound_to: str, told: str) -> None:
    """Whoever comes from another network is refused either way."""
    nearby, elsewhere = 4, 3
    answers: dict[str, Answer] = {"GET": bulk("3:here")}
    assert Told("check-address", answers, dice=nearby, bound_to=bound_to).told == told
    assert Told("check-address", answers, dice=elsewhere, bound_to=bound_to).told == "refused"


def test_address_that_nobody_can_look_up_refuses_or_lets_in() -> None:
    """As the application chose."""
    away: dict[str, Answer] = {"GET": error("LOADING Redis is loading")}
    assert Told("check-address", away).told == "try later"
    assert Told("check-address", away, when_unreachable="let-in").told == "let in unchecked"


def test_visit_is_entered_by_when_it_is_over_and_taken_out() -> None:
    """Its member is the operation's number."""
    told = Told("count-online", {"ZADD": ONE, "ZREM": ONE}, stay=0.1, lifetime=2.0)
    entered, left = told.request.steps
    until = entered.wrote[UNTIL]
    assert told.asked == [["ZADD", "online:{site}", until, "7"], ["ZREM", "online:{site}", "7"]]
    assert int(until) == pytest.approx((entered.sent_us or 0) + 2e6, abs=1e5)
    assert (entered.does, left.does, left.wrote) == (StepKind.PUT, StepKind.DROP, {VALUE: "7"})
    assert Told("count-online", {"ZADD": ONE}, dice=LEFT).asked[-1][0] == "ZADD"


def test_count_leaves_out_what_is_over() -> None:
    """And takes it out in passing."""
    told = Told("count-online", {"ZCOUNT": b":4\r\n", "ZREMRANGEBYSCORE": ZERO}, dice=LOOK)
    saw = told.request.steps[0].saw or {}
    assert saw == {TOTAL: "4", AT: saw[AT]}
    assert told.asked == [
        ["ZCOUNT", "online:{site}", f"({saw[AT]}", "+inf"],
        ["ZREMRANGEBYSCORE", "online:{site}", "-inf", saw[AT]],
    ]


def test_naive_counter_goes_up_and_down() -> None:
    """And is never sent twice: it would count twice."""
    told = Told("count-online", {"INCR": ONE, "DECR": ZERO}, naive=True, stay=0.1)
    assert told.asked == [["INCR", "online-count:{site}"], ["DECR", "online-count:{site}"]]
    assert Told("count-online", {"GET": NIL}, naive=True, dice=LOOK).request.steps[0].saw == {TOTAL: "0"}
    lost = Told("count-online", {"INCR": "close"}, naive=True)
    assert (lost.told, len(lost.asked)) == ("error", 1)


def test_event_is_counted_for_its_user() -> None:
    """And a report adds all of them up."""
    told = Told("count-event", {"HINCRBY": ONE, "PEXPIRE": ONE}, lifetime=60.0)
    assert told.asked == [
        ["HINCRBY", "stats:{today}", "u1", "1"],
        ["PEXPIRE", "stats:{today}", "60000"],
    ]
    assert told.request.steps[0].wrote == {VALUE: "7"}
    assert Told("count-event", {"HVALS": array("2", "3")}, dice=LOOK).request.steps[0].saw == {TOTAL: "5"}
    assert Told("count-event", {"HVALS": error("LOADING Redis is loading")}, dice=LOOK).told == "try later"


@pytest.mark.parametrize("form", ["plain", "compressed", "sealed", "msgpack"])
def test_whole_session_is_saved_on_top_of_what_was_read(form: str) -> None:
    """One mark more; the script compares with what was read."""
    before = packed(["3"], form)
    told = Told("save-session", {"GET": bulk(before), "EVAL": ONE}, form=form, work=0.01)
    assert told.told == "ok"
    look, saved = told.request.steps
    assert (look.saw, saved.wrote, saved.effective) == ({VALUE: "3"}, {VALUE: "3 7"}, True)
    assert told.asked[1][4] == before


def test_save_that_somebody_else_overtook_begins_anew() -> None:
    """So often, then the user is asked to try later."""
    told = Told("save-session", {"GET": NIL, "EVAL": ZERO}, tries=2, work=0.01)
    assert told.told == "try later"
    assert [deciding for _, _, deciding in told.steps] == [False, False, False, True]


def test_naive_save_does_not_compare() -> None:
    """It stores what it has made of what it had read."""
    told = Told("save-session", {"GET": NIL, "SET": OK}, compare=False, work=0.01, lifetime=9.0)
    assert (told.told, told.asked[1][2:]) == ("ok", [packed(["7"], "plain"), "PX", "9000"])
    assert told.request.steps[1].effective is True
    refused = Told(
        "save-session", {"GET": NIL, "SET": error("OOM command not allowed")}, compare=False, work=0.01
    )
    assert refused.told == "try later"


def test_session_that_cannot_be_opened_is_left_as_it_is() -> None:
    """An error for the user, and nothing is written over it."""
    told = Told("save-session", {"GET": bulk("z:broken")})
    assert (told.told, len(told.asked)) == ("error", 1)
    assert told.request.steps[0].saw == {VALUE: UNREADABLE}
    assert Told("save-session", {"GET": error("LOADING Redis is loading")}).told == "try later"


def test_visitor_leaves_nothing_unless_asked_for() -> None:
    """The mistake stores an empty session."""
    assert [one[0] for one in Told("greet-visitor", {"GET": NIL}).asked] == ["GET"]
    stored = Told("greet-visitor", {"GET": NIL, "SET": OK}, save_empty=True)
    assert [one[0] for one in stored.asked] == ["GET", "SET"]


def test_end_is_published_after_it_was_done() -> None:
    """With the session's id; who deleted nothing tells nobody."""
    told = Told("end-session", {"DEL": ONE, "SREM": ONE, "PUBLISH": b":3\r\n"})
    assert told.told == "signed out"
    assert told.asked[-1] == ["PUBLISH", CHANNEL, f"{SESSION.id} 7"]
    assert told.steps[-1] == (StepKind.PUT, Outcome.ACKED, False)
    assert [one[0] for one in Told("end-session", {"DEL": error("READONLY You can't write")}).asked] == [
        "DEL"
    ]


def subscribed(command: list[str]) -> Answer:
    answers: dict[str, Answer] = {
        "SUBSCRIBE": array("subscribe", CHANNEL, "1"),
        "HGETALL": WHOLE,
        "PTTL": PTTL,
        "PING": array("pong", ""),
    }
    return answers[command[0]]


@pytest.mark.parametrize(("when_deaf", "asked"), [("keep", 1), ("forget", 2)])
def test_copies_are_dropped_once_the_line_was_lost(when_deaf: str, asked: int) -> None:
    """Unless the mistake is asked for; what was told to have ended is not served in either case."""

    async def scenario() -> None:
        async with ScriptedServer(subscribed) as redis:
            bench = Bench(redis.port)
            hearing = bench.server.store.hearing
            for _ in range(2):
                await bench.carry_out("read-cached", when_deaf=when_deaf)
            assert len([one for one in redis.received if one[0] == "HGETALL"]) == 1
            hearing.line(connected=False)
            hearing.line(connected=True)
            request = await bench.carry_out("read-cached", when_deaf=when_deaf)
            assert len([one for one in redis.received if one[0] == "HGETALL"]) == asked
            hearing.heard(SESSION.id, "9")
            request = await bench.carry_out("read-cached", when_deaf=when_deaf)
            assert (bench.told, request.steps[0].saw) == ("please log in", {VALUE: "9"})
            await bench.server.close()

    run(scenario)


def test_stolen_session_is_refused_without_a_copy() -> None:
    """Redis says that it is gone."""

    async def scenario() -> None:
        gone = lambda command: b"*0\r\n" if command[0] == "HGETALL" else subscribed(command)  # noqa: E731
        async with ScriptedServer(gone) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("read-cached", dice=LOOK, earlier=[BEFORE])
            assert (bench.told, request.steps[0].session) == ("refused", BEFORE.id)
            await bench.server.close()

    run(scenario)


def test_web_server_whose_line_cannot_be_set_up_reads_and_keeps_nothing() -> None:
    """It tries again, and a kill ends it."""

    async def scenario() -> None:
        refusing = lambda command: (  # noqa: E731
            error("NOPERM no channel") if command[0] == "SUBSCRIBE" else subscribed(command)
        )
        async with ScriptedServer(refusing) as redis:
            bench = Bench(redis.port)
            for _ in range(2):
                await bench.carry_out("read-cached")
                await asyncio.sleep(AGAIN_S)
            assert len([one for one in redis.received if one[0] == "HGETALL"]) == 2
            assert bench.server.store.hearing.cached == {}
            await bench.server.kill()

    run(scenario)


def test_copy_that_was_under_way_when_its_session_ended_is_not_kept() -> None:
    """Nor one that was asked for before the line was back."""
    hearing = Hearing()
    hearing.line(connected=True)
    hearing.heard("a", "1")
    hearing.keep("a", "u1", since=1)
    hearing.keep("b", "u1", since=0)
    assert hearing.cached == {}
    hearing.keep("b", "u1", since=1)
    assert (hearing.cached, hearing.stale()) == ({"b": "u1"}, True)
    hearing.forget()
    assert (hearing.cached, hearing.stale()) == ({}, False)


@pytest.mark.parametrize("shared", [False, True])
def test_copy_is_kept_for_later_requests_only_by_mistake(shared: bool) -> None:
    """Each request looks at Redis itself; with the mistake at what an earlier one saw, with what that wrote."""

    async def scenario() -> None:
        answers: dict[str, Answer] = {"HGETALL": WHOLE, "PTTL": PTTL, "EVAL": b"*3\r\n:1\r\n:0\r\n:2\r\n"}
        async with ScriptedServer(lambda command: answers[command[0]]) as redis:
            bench = Bench(redis.port)
            first = await bench.carry_out("use-copy", dice=0, shared=shared, work=0.0)
            assert bench.told == "ok"
            assert [one.does for one in first.steps] == [StepKind.READ, StepKind.WRITE]
            assert (first.steps[0].saw or {}).get("theme") != first.steps[1].wrote["theme"]
            again = await bench.carry_out("use-copy", dice=0xF, shared=shared, work=0.0)
            (looked,) = again.steps
            assert looked.outcome is Outcome.ACKED
            assert (looked.command == FROM_MEMORY) is shared
            assert ((looked.saw or {}).get("theme") == first.steps[1].wrote["theme"]) is shared
            assert len([one for one in redis.received if one[0] == "HGETALL"]) == 2 - shared
            await bench.server.close()

    run(scenario)


def test_copy_of_a_session_that_is_gone_is_dropped() -> None:
    """The guard found none: the user is asked to log in, and nobody is served from the copy any more."""

    async def scenario() -> None:
        answers: dict[str, Answer] = {"HGETALL": WHOLE, "PTTL": PTTL, "EVAL": b"*1\r\n:0\r\n"}
        async with ScriptedServer(lambda command: answers[command[0]]) as redis:
            bench = Bench(redis.port)
            await bench.carry_out("use-copy", dice=0, shared=True, work=0.0)
            assert (bench.told, bench.server.store.hearing.copies) == ("please log in", {})
            await bench.server.close()

    run(scenario)


def scan(cursor: str, *keys: str) -> bytes:
    return b"*2\r\n" + bulk(cursor) + array(*keys)


def test_clean_up_goes_on_until_the_cursor_is_back() -> None:
    """In pieces; whatever has no timeout gets one."""
    cursors = iter(["5", "0"])
    answers: dict[str, Answer] = {"PTTL": b":-1\r\n", "EXPIRE": ONE}

    def answer(command: list[str]) -> Answer:
        return scan(next(cursors), "session:{a}") if command[0] == "SCAN" else answers[command[0]]

    async def scenario() -> None:
        async with ScriptedServer(answer) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("clean-up", piece=10, pieces=9)
            scans = [one for one in redis.received if one[0] == "SCAN"]
            assert scans == [
                ["SCAN", "0", "MATCH", "session:*", "COUNT", "10"],
                ["SCAN", "5", "MATCH", "session:*", "COUNT", "10"],
            ]
            touched = [one for one in request.steps if one.does is StepKind.TOUCH]
            assert [(one.session, one.effective, one.ttl_ms) for one in touched] == [("a", True, 60_000)] * 2
            assert request.steps[0].reply == "1 of 1 without a timeout"
            await bench.server.close()

    run(scenario)


@pytest.mark.parametrize("shape", SHAPES)
def test_saved_session_lies_under_the_keys_of_a_framework(shape: str) -> None:
    """As that framework would name it; the audit knows each of them."""
    told = Told("save-session", {"GET": bulk(packed(["1"], "plain")), "EVAL": ONE}, keys=shape)
    key = SHAPES[shape].key(SESSION.id)
    assert told.asked[0] == ["GET", key]
    assert object_of(key) is SHAPES[shape]


def test_saved_session_is_as_large_as_asked() -> None:
    """At the least, before it is compressed."""
    told = Told("save-session", {"GET": NIL, "EVAL": ONE}, payload=5000, work=0.0)
    value = told.asked[-1][5]
    assert 5000 <= len(value) < 5200
    assert marks_in(value) == ["7"]


def test_clean_up_of_a_cluster_asks_every_shard() -> None:
    """Each by a key of its own: SCAN goes over the keys of one node."""

    async def scenario() -> None:
        async with ScriptedServer(lambda _: scan("0")) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out(
                "clean-up", rules=replace(RULES, shards=("shard:{1}", "shard:{5}"))
            )
            assert [one.key for one in request.steps] == ["shard:{1}", "shard:{5}"]
            assert all(one.does is StepKind.LOOK and one.deciding for one in request.steps)
            assert bench.told == "ok"
            await bench.server.close()

    run(scenario)


def test_clean_up_with_keys_asks_for_all_at_once() -> None:
    """The mistake; what nobody listed is not looked at."""
    told = Told("clean-up", {"KEYS": array("session:{a}", "session:{b}")}, keys=True)
    assert (told.told, told.asked) == ("ok", [["KEYS", "session:*"]])
    assert Told("clean-up", {"SCAN": error("LOADING Redis is loading")}).told == "try later"
