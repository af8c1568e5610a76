"""What a library's process says becomes what the kit would have noted of a connection of its own."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.libraries import LIBRARIES
from harness.model.deployment import ClientProfile
from harness.model.records import Connection, Step
from harness.model.seams import Address, Login, Source
from harness.model.words import Outcome, StepKind
from harness.sessions.apart import ApartClient, Pending
from harness.sessions.connection import Wire
from harness.sessions.discovery import Surroundings
from harness.sessions.exchange import CURRENT, Exchange, Part, Raised, Recording, Shape
from harness.sessions.outcome import settle
from tests.builders_sessions import Written
from tests.fake_clock import in_fake_time, the_clock

FACTS = "run_id:abc\r\nrole:master"
READ, WRITE = ("HGETALL", "k"), ("HSET", "k", "theme", "1:dark")


class Bench:
    """A client whose process is the test."""

    def __init__(self, command: tuple[str, ...] = WRITE) -> None:
        self.written = Written()
        self.wire = Wire(
            web_server="web-1",
            source=Source(),
            node_at=lambda _, __: "redis-1",
            record=self.written,
            clock=the_clock(),
            next_id=itertools.count(7),
        )
        around = Surroundings(
            profile=ClientProfile(),
            login=Login(password="p"),
            sentinel_login=Login(password="p"),
            service="sessions",
            primary=Address("127.0.0.1", 6379),
        )
        self.client = ApartClient(around, self.wire, LIBRARIES["redis-py-threads"], Path("python"))
        does = StepKind.READ if command is READ else StepKind.WRITE
        self.step = Step(n=1, does=does, command="", key="k")
        part = Part(self.step, Shape.PLAIN, (0,), (command[0],))
        self.exchange = Exchange("k", (command,), (part,))
        self.recording = Recording()
        self.pending = Pending(
            exchange=self.exchange,
            recording=self.recording,
            over=asyncio.get_running_loop().create_future(),
        )
        self.client.pending[1] = self.pending

    def says(self, *lines: tuple[Any, ...]) -> list[object] | None:
        """The reply to its step afterwards."""
        for line in lines:
            self.client.hear(*line)
        return settle(self.exchange.parts[0], self.exchange)

    @property
    def connections(self) -> list[Connection]:
        return list(self.written.connections)


def run(scenario: Callable[[], None]) -> None:
    async def whole() -> None:
        scenario()

    in_fake_time(whole())


def test_answered_attempt_is_acked_on_the_connection_that_carried_it() -> None:
    """With the process that answered, and the moments at which it was sent and answered."""

    def scenario() -> None:
        bench = Bench()
        assert bench.says(
            (10, "dialled", 1, "127.0.0.1", 6379),
            (12, "opened", 1, 4000, FACTS),
            (13, "sent", 1, 1, 1, [0], True),
            (19, "ended", 1, 1, "reply", [0]),
            (20, "over", 1, [0], ""),
        ) == [0]
        (attempt,), (connection,) = bench.recording.attempts, bench.connections
        assert (attempt.connection, attempt.sent_us, attempt.done_us) == (7, 13, 19)
        assert (connection.id, connection.run_id, connection.role, connection.local_port) == (
            7,
            "abc",
            "primary",
            4000,
        )
        assert bench.step.outcome is Outcome.ACKED
        assert bench.pending.over.result() == ""

    run(scenario)


def test_attempt_without_a_reply_is_unknown_and_its_connection_is_watched() -> None:
    """Also where the node never said who it is."""

    def scenario() -> None:
        bench = Bench()
        bench.says(
            (10, "dialled", 1, "127.0.0.1", 6379),
            (13, "sent", 1, 1, 1, [0], True),
            (500, "ended", 1, 1, "timeout", []),
            (501, "closed", 1, "closed by the library"),
            (502, "over", 1, None, "TimeoutError: Timeout reading from socket"),
        )
        assert bench.step.outcome is Outcome.UNKNOWN
        assert list(bench.wire.unanswered) == [7]
        assert bench.wire.open == {}
        assert [one.run_id for one in bench.connections] == ["", ""]

    run(scenario)


@pytest.mark.parametrize("handed_over", [False, True])
def test_attempt_that_never_left_is_rejected(*, handed_over: bool) -> None:
    """No connection, or a socket that took nothing."""

    def scenario() -> None:
        bench = Bench()
        sent = (13, "sent", 1, 1, None, [0], handed_over)
        unsent = [(13, "unsent", 1, 1)] if handed_over else []
        bench.says(sent, *unsent, (14, "ended", 1, 1, "connect-failed", []))
        assert bench.step.outcome is Outcome.REJECTED

    run(scenario)


def test_refusal_on_the_wire_decides_whatever_the_library_makes_of_it() -> None:
    """A library turns READONLY into a lost connection."""

    def scenario() -> None:
        bench = Bench()
        bench.says(
            (13, "sent", 1, 1, None, [0], True),
            (
                14,
                "ended",
                1,
                1,
                "reply",
                [{"error": "READONLY You can't write against a read only replica."}],
            ),
            (15, "over", 1, None, "ConnectionError: The previous master is now a slave"),
        )
        assert bench.step.outcome is Outcome.REJECTED
        assert str(bench.step.error).startswith("READONLY")

    run(scenario)


def test_reply_that_a_library_mixes_up_is_what_the_application_got() -> None:
    """The wire had the right one, and no user ever saw it."""

    def scenario() -> None:
        bench = Bench(READ)
        assert bench.says(
            (13, "sent", 1, 1, None, [0], True),
            (14, "ended", 1, 1, "reply", [["sid", "mine"]]),
            (15, "over", 1, [["sid", "somebody else's"]], ""),
        ) == [["sid", "somebody else's"]]

    run(scenario)


def test_what_a_library_raised_is_said_in_its_words() -> None:
    """Nobody wants to know that it was in another process."""

    def scenario() -> None:
        bench = Bench()
        bench.exchange.failure = Raised("TimeoutError: Timeout reading from socket")
        bench.says((13, "sent", 1, 1, None, [0], True), (14, "ended", 1, 1, "timeout", []))
        assert bench.step.error == "TimeoutError: Timeout reading from socket"

    run(scenario)


def test_what_comes_after_the_request_was_given_up_is_nobodys() -> None:
    """A web server that was killed hears no more."""

    def scenario() -> None:
        bench = Bench()
        del bench.client.pending[1]
        bench.says(
            (13, "sent", 1, 1, None, [0], True), (14, "ended", 1, 1, "reply", [0]), (15, "over", 1, [0], "")
        )
        assert bench.recording.attempts == []

    run(scenario)


@pytest.mark.parametrize("before", ["nothing", "no connection", "a refusal", "no answer"])
def test_call_that_the_kit_gives_up_may_be_sent_yet(before: str) -> None:
    """The library goes on with it. So "nothing was sent until then" proves nothing: the outcome is unknown."""
    said: dict[str, list[tuple[Any, ...]]] = {
        "nothing": [],
        "no connection": [
            (13, "sent", 1, 1, None, [0], False),
            (14, "ended", 1, 1, "connect-failed", []),
        ],
        "a refusal": [
            (13, "sent", 1, 1, None, [0], True),
            (
                14,
                "ended",
                1,
                1,
                "reply",
                [{"error": "READONLY You can't write against a read only replica."}],
            ),
        ],
        "no answer": [(13, "sent", 1, 1, None, [0], True)],
    }

    async def whole() -> None:
        bench = Bench()
        bench.client.pending.clear()
        process = SimpleNamespace(stdin=SimpleNamespace(write=lambda _: None), returncode=None)
        setattr(bench.client, "_process", process)  # noqa: B010 - it is no process
        CURRENT.set(bench.recording)
        asked = asyncio.create_task(bench.client.send(bench.exchange))
        await asyncio.sleep(0)
        bench.says(*said[before])
        if before in {"no connection", "a refusal"}:
            assert bench.says() is None
            assert bench.step.outcome is Outcome.REJECTED
            bench.step.attempts = ()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        bench.says()
        assert bench.step.outcome is Outcome.UNKNOWN
        assert bench.recording.attempts[-1].result == "cancelled"
        assert len(bench.recording.attempts) == (1 if before in {"nothing", "no answer"} else 2)

    in_fake_time(whole())
