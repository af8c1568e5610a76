"""What the connection notes, and what comes of it, against a server that follows a script."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from redis import exceptions as redis_errors

from harness.model.deployment import ClientProfile
from harness.model.seams import Address, Login, Source
from harness.model.words import Outcome
from harness.redis_wire.scripted import Answer, ScriptedServer, array, in_turn
from harness.sessions import BEHAVIOURS
from harness.sessions.connection import RecordedConnection
from harness.sessions.discovery import Surroundings
from harness.sessions.exchange import CURRENT, Exchange, Recording
from harness.sessions.request import Request, Rules, Session
from harness.sessions.web_server import WebServer
from tests.builders_sessions import Written
from tests.fake_clock import in_fake_time, the_clock

QUICK = ClientProfile(
    socket_timeout_s=0.1,
    connect_timeout_s=0.1,
    application_retries=0,
    retry_backoff_s=0.01,
    max_connections=4,
)
RULES = Rules(
    idle_timeout_s=60,
    witnesses=True,
    guarded_writes=True,
    transactions=True,
    cluster=False,
    wait_replicas=0,
    wait_timeout_ms=100,
)
SESSION = Session("ab" * 16, "u1", 1, 1, "session:{x}", "witness:{x}")
WHOLE = array("sid", SESSION.id, "user_id", "u1", "generation", "1")


class Bench:
    """One web server in front of a scripted Redis."""

    def __init__(self, port: int, *, profile: ClientProfile = QUICK, source: Source | None = None) -> None:
        self.written = Written()
        around = Surroundings(
            profile=profile,
            login=Login(password="p"),
            sentinel_login=Login(password="p"),
            service="sessions",
            primary=Address("127.0.0.1", port),
        )
        self.server = WebServer(
            "web-1",
            around,
            source or Source(),
            node_at=lambda _, __: "redis-1",
            shard_of_node=lambda _client, _node: 1,
            record=self.written,
            clock=the_clock(),
            connection_ids=itertools.count(1),
        )

    async def carry_out(
        self,
        behaviour: str,
        *,
        rules: Rules = RULES,
        dice: int = 0xFFFF,
        earlier: Sequence[Session] = (),
        replaces: Session | None = None,
        **options: Any,
    ) -> Request:
        recording = Recording()
        CURRENT.set(recording)
        self.recording = recording
        request = Request(
            7, "u1", SESSION, dice, options, rules, self.server.store, recording, earlier, replaces
        )
        self.told = await BEHAVIOURS[behaviour].carry_out(request)
        return request


def run(scenario: Callable[[], Any]) -> Any:
    return in_fake_time(asyncio.wait_for(scenario(), 10))


def results(bench: Bench) -> list[str]:
    return [attempt.result for attempt in bench.recording.attempts]


def pairs(*answers: Answer) -> Callable[[list[str]], Answer]:
    """For reads: the script answers HGETALL, PTTL is always 5000."""
    answer = in_turn(*answers)
    return lambda command: b":5000\r\n" if command[0] == "PTTL" else answer(command)


def test_read_answered_leaves_one_attempt_with_its_connection() -> None:
    """Attempt, step and connection tell the same story."""

    async def scenario() -> None:
        async with ScriptedServer(pairs(WHOLE), run_id="f" * 40) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("read")
            (attempt,) = bench.recording.attempts
            assert (attempt.n, attempt.steps, attempt.handed_over, attempt.result) == (1, (1,), True, "reply")
            assert attempt.done_us is not None
            assert attempt.sent_us < attempt.done_us
            step = request.steps[0]
            assert (step.outcome, step.pttl_ms, bench.told) == (Outcome.ACKED, 5000, "ok")
            assert step.saw == {"sid": SESSION.id, "user_id": "u1", "generation": "1"}
            (opened,) = bench.written.connections
            assert (opened.id, opened.run_id, opened.role) == (attempt.connection, "f" * 40, "primary")
            await bench.server.close()
            closed = bench.written.connections[-1]
            assert (closed.id, closed.why) == (opened.id, "closed by the application")
            assert closed.closed_us is not None

    run(scenario)


def test_reply_that_never_comes_is_timed_out_behind_one_that_came() -> None:
    """Whatever arrived counts; the attempt as a whole has no end but its time-out."""

    async def scenario() -> None:
        async with ScriptedServer(in_turn(WHOLE, "silence")) as redis:
            bench = Bench(redis.port)
            (step,) = (await bench.carry_out("read")).steps
            assert results(bench) == ["timeout"]
            assert (step.outcome, step.pttl_ms, bench.told) == (Outcome.ACKED, None, "ok")
            await bench.server.close()

    run(scenario)


def test_loading_ends_the_connection_also_behind_another_reply() -> None:
    """An error that redis-py hangs up for is noted as the reply it is, whether or not it had to be awaited."""

    async def scenario() -> None:
        loading = b"-LOADING Redis is loading the dataset in memory\r\n"
        async with ScriptedServer(in_turn(WHOLE + loading, "silence")) as redis:
            bench = Bench(redis.port)
            (step,) = (await bench.carry_out("read")).steps
            assert results(bench) == ["error:LOADING"]
            assert step.outcome is Outcome.ACKED
            assert bench.written.connections[-1].closed_us is not None
            assert bench.server.unanswered() == []
            await bench.server.close()

    run(scenario)


def test_reply_that_nobody_asked_for_is_taken_for_no_answer() -> None:
    """A connection with something left to read is not used again."""

    async def scenario() -> None:
        async with ScriptedServer(in_turn(b":1\r\n:0\r\n", b":1\r\n")) as redis:
            bench = Bench(redis.port)
            deleted, unlisted = (await bench.carry_out("logout")).steps
            assert (deleted.effective, unlisted.effective) == (True, True)
            assert len(redis.peers) == 2
            await bench.server.close()

    run(scenario)


def test_write_without_an_answer_is_unknown() -> None:
    """Bytes were handed over and nothing came back in time."""

    async def scenario() -> None:
        async with ScriptedServer(in_turn("silence")) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("change-field")
            assert results(bench) == ["timeout"]
            assert request.steps[0].outcome is Outcome.UNKNOWN
            assert bench.told == "error"
            assert "Timeout" in bench.written.connections[-1].why
            await bench.server.close()

    run(scenario)


def test_write_cut_off_is_unknown() -> None:
    """The server closed the connection instead of answering."""

    async def scenario() -> None:
        async with ScriptedServer(in_turn("close")) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("change-field")
            assert results(bench) == ["connection-lost"]
            assert request.steps[0].outcome is Outcome.UNKNOWN
            await bench.server.close()

    run(scenario)


def test_write_to_nobody_is_rejected() -> None:
    """Connection refused: nothing was handed to a socket."""

    async def scenario() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            bench = Bench(taken.getsockname()[1])
            request = await bench.carry_out("change-field")
            (attempt,) = bench.recording.attempts
            assert (attempt.result, attempt.handed_over, attempt.connection) == (
                "connect-failed",
                False,
                None,
            )
            assert request.steps[0].outcome is Outcome.REJECTED
            assert bench.told == "try later"
            await bench.server.close()

    run(scenario)


def test_write_timed_out_and_then_refused_is_unknown() -> None:
    """The trap: the last exception says connection refused, but the first attempt may have worked."""

    async def scenario() -> None:
        async with ScriptedServer(in_turn("silence")) as redis:
            profile = ClientProfile(**{**_as_dict(QUICK), "application_retries": 1})
            bench = Bench(redis.port, profile=profile)

            async def stop_soon() -> None:
                await redis.asked.wait()
                assert redis._server is not None
                redis._server.close()  # no new connections; the old one stays

            request, _ = await asyncio.gather(bench.carry_out("change-field"), stop_soon())
            assert results(bench) == ["timeout", "connect-failed"]
            assert request.steps[0].outcome is Outcome.UNKNOWN
            await bench.server.close()

    run(scenario)


def _as_dict(profile: ClientProfile) -> dict[str, Any]:
    return {name: getattr(profile, name) for name in ClientProfile.__slots__}


def test_library_retry_is_an_attempt_of_its_own() -> None:
    """redis-py's silent second try shows, and the operation is acked by it."""

    async def scenario() -> None:
        profile = ClientProfile(**{**_as_dict(QUICK), "library_retries": 1})
        async with ScriptedServer(in_turn("close", b"*3\r\n:1\r\n:0\r\n:2\r\n")) as redis:
            bench = Bench(redis.port, profile=profile)
            request = await bench.carry_out("change-field")
            assert results(bench) == ["connection-lost", "reply"]
            assert request.steps[0].outcome is Outcome.ACKED
            assert request.steps[0].attempts == (1, 2)
            assert len({attempt.connection for attempt in bench.recording.attempts}) == 2
            assert len(redis.received) == 2
            await bench.server.close()

    run(scenario)


def test_application_retry_repeats_what_is_safe_to_repeat() -> None:
    """A lost field write is sent again, after a pause, and acked."""

    async def scenario() -> None:
        profile = ClientProfile(**{**_as_dict(QUICK), "application_retries": 2})
        async with ScriptedServer(in_turn("close", "close", b"*3\r\n:1\r\n:0\r\n:2\r\n")) as redis:
            bench = Bench(redis.port, profile=profile)
            request = await bench.carry_out("change-field")
            assert results(bench) == ["connection-lost", "connection-lost", "reply"]
            assert (request.steps[0].outcome, bench.told) == (Outcome.ACKED, "ok")
            await bench.server.close()

    run(scenario)


@pytest.mark.parametrize(("repeat", "sent"), [(False, 1), (True, 2)])
def test_increment_without_an_answer_is_repeated_only_on_request(repeat: bool, sent: int) -> None:
    """Repeating an increment may count it twice: that is an option, not the default."""

    async def scenario() -> None:
        profile = ClientProfile(**{**_as_dict(QUICK), "application_retries": 1})
        async with ScriptedServer(in_turn("close", b"*3\r\n:1\r\n:3\r\n:2\r\n")) as redis:
            bench = Bench(redis.port, profile=profile)
            request = await bench.carry_out("cart", dice=0xFFFF, repeat=repeat)
            assert len(redis.received) == sent
            assert request.steps[0].outcome is (Outcome.ACKED if repeat else Outcome.UNKNOWN)
            await bench.server.close()

    run(scenario)


@pytest.mark.parametrize(
    ("behaviour", "first", "then", "outcome"),
    [
        ("change-field", "close", b"*3\r\n:1\r\n:0\r\n:2\r\n", Outcome.UNKNOWN),
        ("log-in", "close", b"+OK\r\n", Outcome.UNKNOWN),
        ("change-field", b"-MASTERDOWN Link is down\r\n", b"*3\r\n:1\r\n:0\r\n:2\r\n", Outcome.ACKED),
        ("logout", "close", b":0\r\n", Outcome.ACKED),
        ("touch", "close", b"*0\r\n:-2\r\n:0\r\n", Outcome.ACKED),
    ],
)
def test_client_that_does_not_repeat_writes_repeats_what_changes_nothing_twice(
    behaviour: str, first: str | bytes, then: bytes, outcome: Outcome
) -> None:
    """A write whose reply was lost is not sent again: it could land after a newer one. A refused one is, and so
    are a look, a touch and a DEL."""

    async def scenario() -> None:
        profile = ClientProfile(**{**_as_dict(QUICK), "application_retries": 1, "repeat_writes": False})
        async with ScriptedServer(in_turn(first, then)) as redis:
            bench = Bench(redis.port, profile=profile)
            request = await bench.carry_out(behaviour)
            decided = next(step for step in request.steps if step.deciding)
            assert decided.outcome is outcome
            assert len(decided.attempts) == (1 if outcome is Outcome.UNKNOWN else 2)
            await bench.server.close()

    run(scenario)


def test_increment_that_was_refused_is_repeated() -> None:
    """A refusal proves that nothing was counted, so another try is safe."""

    async def scenario() -> None:
        profile = ClientProfile(**{**_as_dict(QUICK), "application_retries": 1})
        script = in_turn(b"-MASTERDOWN Link with MASTER is down\r\n", b"*3\r\n:1\r\n:3\r\n:2\r\n")
        async with ScriptedServer(script) as redis:
            bench = Bench(redis.port, profile=profile)
            request = await bench.carry_out("cart", dice=0xFFFF)
            assert results(bench) == ["error:MASTERDOWN", "reply"]
            assert request.steps[0].added_now == {"cart:3": 3}
            await bench.server.close()

    run(scenario)


def test_delete_that_finds_nothing_after_a_lost_answer_says_nothing() -> None:
    """The first, unanswered DEL may have done it: no observation of absence."""

    async def scenario() -> None:
        profile = ClientProfile(**{**_as_dict(QUICK), "application_retries": 1})
        async with ScriptedServer(in_turn("close", b":0\r\n")) as redis:
            bench = Bench(redis.port, profile=profile)
            request = await bench.carry_out("logout")
            assert (request.steps[0].outcome, request.steps[0].effective) == (Outcome.ACKED, None)
            assert bench.told == "signed out"
            await bench.server.close()

    run(scenario)


def test_delete_that_finds_nothing_at_once_is_an_absence() -> None:
    """Acked is not effective: DEL 0 saw that the session was gone."""

    async def scenario() -> None:
        async with ScriptedServer(in_turn(b":0\r\n")) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("logout")
            assert (request.steps[0].outcome, request.steps[0].effective) == (Outcome.ACKED, False)
            await bench.server.close()

    run(scenario)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (b"*0\r\n", "please log in"),
        (array("theme", "7:dark"), "please log in"),
        (array("user_id", "u2"), "somebody else's session"),
        (WHOLE, "ok"),
    ],
)
def test_read_tells_the_user_what_the_application_made_of_it(reply: bytes, told: str) -> None:
    """No session, a piece of one, somebody else's, one's own."""

    async def scenario() -> None:
        async with ScriptedServer(pairs(reply)) as redis:
            bench = Bench(redis.port)
            await bench.carry_out("read")
            assert bench.told == told
            await bench.server.close()

    run(scenario)


def test_reply_of_an_impossible_type_is_unknown() -> None:
    """An integer for HGETALL belongs to somebody else."""

    async def scenario() -> None:
        async with ScriptedServer(pairs(b":1\r\n")) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("read")
            assert request.steps[0].outcome is Outcome.UNKNOWN
            assert str(request.steps[0].error).startswith("reply-mixed-up")
            assert request.steps[0].saw is None
            await bench.server.close()

    run(scenario)


def test_wait_is_counted_on_the_connection_of_its_write() -> None:
    """WAIT travels behind the write and never changes the write's outcome."""

    async def scenario() -> None:
        rules = Rules(**{**{n: getattr(RULES, n) for n in Rules.__slots__}, "wait_replicas": 2})
        answers = {"EVAL": b"*3\r\n:1\r\n:0\r\n:2\r\n", "WAIT": b":1\r\n"}
        async with ScriptedServer(lambda command: answers[command[0]]) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("change-field", rules=rules)
            step = request.steps[0]
            assert (step.outcome, step.wait_needed, step.wait_got) == (Outcome.ACKED, 2, 1)
            assert [command[0] for command in redis.received] == ["EVAL", "WAIT"]
            assert len(bench.recording.attempts) == 1
            await bench.server.close()

    run(scenario)


def test_pool_that_is_exhausted_rejects_after_the_socket_timeout() -> None:
    """A request waits for a connection no longer than for a reply, and then certainly did nothing."""

    async def scenario() -> None:
        profile = ClientProfile(**{**_as_dict(QUICK), "max_connections": 1, "socket_timeout_s": 0.2})
        async with ScriptedServer(pairs(WHOLE)) as redis:
            bench = Bench(redis.port, profile=profile)
            await bench.server.store._free.acquire()  # somebody else holds the only connection
            request = await bench.carry_out("change-field")
            (attempt,) = bench.recording.attempts
            assert (attempt.result, attempt.handed_over) == ("connect-failed", False)
            assert request.steps[0].outcome is Outcome.REJECTED
            assert "no connection was free within 0.2 s" in str(request.steps[0].error)
            assert redis.received == []
            await bench.server.close()

    run(scenario)


def test_connections_start_from_the_range_of_ports_of_their_web_server() -> None:
    """A partition can tell web servers apart by local port."""

    async def scenario() -> None:
        async with ScriptedServer(pairs(WHOLE)) as redis:
            bench = Bench(redis.port, source=Source(ports=(21_100, 21_140)))
            await asyncio.gather(*(asyncio.create_task(bench.carry_out("read")) for _ in range(4)))
            ports = [connection.local_port for connection in bench.written.connections]
            assert len(ports) == 4
            assert all(port is not None and 21_100 <= port <= 21_140 for port in ports)
            assert sorted(peer[1] for peer in redis.peers) == sorted(port or 0 for port in ports)
            await bench.server.close()

    run(scenario)


def test_port_that_is_taken_is_passed_over() -> None:
    """Two connections to one server cannot share a local port; the next one is tried."""

    async def scenario() -> None:
        async with ScriptedServer(pairs(WHOLE)) as redis:
            one, other = (Bench(redis.port, source=Source(ports=(21_150, 21_153))) for _ in range(2))
            await one.carry_out("read")
            await other.carry_out("read")
            ports = [bench.written.connections[0].local_port for bench in (one, other)]
            assert ports == [21_150, 21_151]
            await one.server.close()
            await other.server.close()

    run(scenario)


def test_connections_start_from_the_address_of_their_web_server() -> None:
    """A partition can tell web servers apart by address."""

    async def scenario() -> None:
        async with ScriptedServer(pairs(WHOLE)) as redis:
            bench = Bench(redis.port, source=Source(host="127.0.0.9"))
            await bench.carry_out("read")
            assert redis.peers[0][0] == "127.0.0.9"
            await bench.server.close()

    run(scenario)


def test_killed_web_server_leaves_what_was_in_flight_undecided() -> None:
    """Its transports are reset at once; nothing is retried; a new one can be started."""

    async def scenario() -> None:
        profile = ClientProfile(**{**_as_dict(QUICK), "application_retries": 3, "socket_timeout_s": 5.0})
        async with ScriptedServer(in_turn("silence", b"*3\r\n:1\r\n:0\r\n:2\r\n")) as redis:
            bench = Bench(redis.port, profile=profile)
            doing = asyncio.create_task(bench.carry_out("change-field"))
            await redis.asked.wait()
            assert await bench.server.kill() == 1
            request = await doing
            assert results(bench) == ["connection-lost"]
            assert request.steps[0].outcome is Outcome.UNKNOWN
            assert not bench.server.alive
            await bench.server.start()
            again = await bench.carry_out("change-field")
            assert again.steps[0].outcome is Outcome.ACKED
            await bench.server.close()

    run(scenario)


def test_write_on_a_connection_closed_meanwhile_is_rejected() -> None:
    """The transport is already closing: not one byte is handed over, and the attempt says so."""

    async def scenario() -> None:
        async with ScriptedServer(pairs(WHOLE)) as redis:
            bench = Bench(redis.port)
            await bench.carry_out("read")
            (connection,) = bench.server.wire.open.values()
            assert isinstance(connection, RecordedConnection)
            recording, exchange = Recording(), Exchange("k", (("PING",),), ())
            recording.exchange = exchange
            CURRENT.set(recording)
            connection.abort()
            with pytest.raises(redis_errors.ConnectionError):
                await connection.send_packed_command([b"PING"])
            (attempt,) = recording.attempts
            assert (attempt.result, attempt.handed_over) == ("connection-lost", False)
            await bench.server.close()

    run(scenario)


def test_connection_closed_by_another_task_is_a_lost_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """redis-py fails inside itself then; a user is told what happened to the connection, without Python."""

    async def disconnected(connection: Any, *_words: object) -> None:
        connection._writer.close()
        connection._writer = None
        connection._writer.writelines([])

    async def scenario() -> None:
        async with ScriptedServer(pairs(WHOLE)) as redis:
            bench = Bench(redis.port)
            await bench.carry_out("read")
            (connection,) = bench.server.wire.open.values()
            assert isinstance(connection, RecordedConnection)
            CURRENT.set(None)
            monkeypatch.setattr(
                "redis.asyncio.connection.AbstractConnection.send_packed_command", disconnected
            )
            with pytest.raises(redis_errors.ConnectionError) as lost:
                await connection.send_packed_command([b"PING"])
            assert str(lost.value) == "the connection was closed before the command was sent"
            assert isinstance(lost.value.__cause__, AttributeError)
            await bench.server.close()

    run(scenario)


def test_naive_write_that_created_every_field_saw_no_session() -> None:
    """HSET counting all its fields as new is an observation of absence."""

    async def scenario() -> None:
        rules = Rules(**{**{n: getattr(RULES, n) for n in Rules.__slots__}, "guarded_writes": False})
        replies = {"MULTI": b"+OK\r\n", "EXEC": b"*2\r\n:2\r\n:1\r\n"}
        async with ScriptedServer(lambda command: replies.get(command[0], b"+QUEUED\r\n")) as redis:
            bench = Bench(redis.port)
            request = await bench.carry_out("change-field", rules=rules, dice=1)
            assert (request.steps[0].outcome, request.steps[0].effective) == (Outcome.ACKED, False)
            assert request.steps[0].command == "MULTI HSET RPUSH EXEC"
            await bench.server.close()

    run(scenario)


def test_every_behaviour_is_declared_under_its_own_name() -> None:
    """The table, the declarations and the kinds agree; each module states its promise."""
    for name, behaviour in BEHAVIOURS.items():
        assert behaviour.declaration.name == name
        assert behaviour.needs_session == (name != "log-in")
        module = __import__(type(behaviour).__module__, fromlist=["x"])
        assert "Promise:" in str(module.__doc__)


@pytest.mark.parametrize("answer", ["silence", "close"])
def test_connection_without_an_answer_is_remembered(answer: str) -> None:
    """What was sent on it may still be executed, so somebody must find out; also after the web server's
    own end."""

    async def scenario() -> None:
        async with ScriptedServer(lambda _: answer) as redis:
            bench = Bench(redis.port)
            await bench.carry_out("read")
            (entry,) = bench.server.unanswered()
            (attempt,) = bench.recording.attempts
            assert attempt.handed_over
            assert entry.id == attempt.connection
            await bench.server.kill()
            await bench.server.start()
            assert [one.id for one in bench.server.unanswered()] == [entry.id]
            await bench.server.close()

    run(scenario)


def test_connection_that_answered_is_not_remembered() -> None:
    """Nothing is open on it, whether it said yes or no."""

    async def scenario() -> None:
        script = in_turn(b"-LOADING x\r\n", b"-LOADING x\r\n")
        async with ScriptedServer(script) as redis:
            bench = Bench(redis.port)
            await bench.carry_out("read")
            await bench.server.close()
            assert bench.server.unanswered() == []

    run(scenario)


def test_connection_in_flight_is_remembered_when_its_web_server_dies() -> None:
    """Killed in the middle of a request: closed, and with something on it."""

    async def scenario() -> None:
        async with ScriptedServer(lambda _: "silence") as redis:
            bench = Bench(redis.port)
            reading = asyncio.create_task(bench.carry_out("read"))
            await redis.asked.wait()
            assert bench.server.unanswered() == []
            await bench.server.kill()
            await reading
            assert len(bench.server.unanswered()) == 1

    run(scenario)
