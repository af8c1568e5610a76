"""The listening socket: tokens, statuses, errors as JSON. What the calls do is scripted here."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import jsonschema
import pytest

from harness.control.live import HealFailed, Live, NotSeen, Unknown
from harness.control.openapi import description
from harness.control.server import Control
from harness.control.words import Awaited, Healed, HealedFault, Injected, NodeStatus, Status
from harness.errors import EnvironmentFailure, Interrupted, NoEffect, UsageError

SCHEMAS = description()


class ScriptedLive:
    """Answers as it is told, and notes what it was asked."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        self.fails: Exception | None = None

    async def inject(self, wanted: Mapping[str, object]) -> Injected:
        self._ask(wanted)
        return Injected(
            fault=1, kind="kill", target="primary", nodes=("redis-1",), proof="gone", asked_s=1.0, asked_at="-",
            started_s=1.0, effect_s=1.1, effect_at="-", effect_error_s=0.01,
        )  # fmt: skip

    async def heal(self, number: int | None) -> Healed:
        self._ask(number)
        return Healed(healed=(HealedFault(fault=1, kind="pause", nodes=("redis-1",), healed_s=2.0),))

    async def wait(self, event: str, *, within_s: float, fault: int | None) -> Awaited:
        self._ask((event, within_s, fault))
        return Awaited(event=event, event_s=2.0, event_at="-", since_s=1.0)

    def status(self) -> Status:
        self._ask("status")
        node = NodeStatus(name="redis-1", role="primary", host="127.0.0.1", port=1)
        return Status(
            run="abc",
            topology="single",
            engine="-",
            now_s=0.0,
            now_at="-",
            primary=None,
            nodes=(node,),
            faults=(),
        )

    def _ask(self, what: object) -> None:
        self.asked.append(what)
        if self.fails is not None:
            raise self.fails


class Caller:
    """Calls the server from another thread, as another process would."""

    def __init__(self, control: Control, live: ScriptedLive) -> None:
        self.control, self.live = control, live

    def call(
        self, method: str, path: str, body: bytes | None = None, *, token: str | None = None
    ) -> tuple[int, Any]:
        async def called() -> tuple[int, Any]:
            async with self.control.served(cast("Live", self.live)):
                return await asyncio.to_thread(self._call, method, path, body, token or self.control.token)

        return asyncio.run(called())

    def _call(self, method: str, path: str, body: bytes | None, token: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(self.control.url.removeprefix("http://"), timeout=20)
        connection.request(method, path, body, {"Authorization": f"Bearer {token}"} if token != "-" else {})
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        assert answer.headers["Content-Type"].startswith("application/json"), said
        return answer.status, json.loads(said)


@contextmanager
def served() -> Iterator[Caller]:
    with Control() as control:
        yield Caller(control, ScriptedLive())


@pytest.fixture
def caller() -> Iterator[Caller]:
    with served() as one:
        yield one


@pytest.mark.parametrize(
    ("method", "path", "body", "asked"),
    [
        ("POST", "/inject", b'{"kill": "primary"}', {"kill": "primary"}),
        ("POST", "/inject", b'"kill: primary, for: 3s"', {"kill": "primary", "for": "3s"}),
        (
            "POST",
            "/inject",
            b'"when: {replica_lag: 1MB}, kill: primary"',
            {"when": {"replica_lag": "1MB"}, "kill": "primary"},
        ),
        ("POST", "/heal", b"", None),
        ("POST", "/heal", b'{"fault": 3}', 3),
        ("GET", "/wait/promoted", None, ("promoted", 30.0, None)),
        ("GET", "/wait/promoted?within=1500ms&fault=2", None, ("promoted", 1.5, 2)),
        ("GET", "/status", None, "status"),
    ],
)
def test_call_reaches_what_it_names(
    caller: Caller, method: str, path: str, body: bytes | None, asked: object
) -> None:
    """With its arguments, and its answer is what the description says."""
    status, answer = caller.call(method, path, body)
    assert status == 200, answer
    assert caller.live.asked == [asked]
    template = "/wait/{event}" if path.startswith("/wait/") else path
    told = SCHEMAS["paths"][template][method.lower()]["responses"]["200"]["content"]["application/json"][
        "schema"
    ]
    jsonschema.validate(answer, {**told, "components": SCHEMAS["components"]})


@pytest.mark.parametrize("token", ["-", "wrong", "Bearer", "ä"])
@pytest.mark.parametrize("path", ["/status", "/nothing"])
def test_wrong_token_is_refused_before_anything_is_asked(caller: Caller, token: str, path: str) -> None:
    """401, also for a call that does not exist: nothing is learnt without the token."""
    status, answer = caller.call("GET", path, token=token.encode().decode("latin-1"))
    assert status == 401
    assert "FAILOVER_CONTROL_TOKEN" in answer["error"]
    assert caller.control.token not in answer["error"]
    assert caller.live.asked == []


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/nothing", None, 404, "expected POST /inject, POST /heal, GET /wait/{event}, GET /status"),
        ("GET", "/inject", None, 405, "expected POST /inject"),
        ("POST", "/inject", b'{"kill": ', 422, "body: expected JSON"),
        ("POST", "/inject", b"", 422, "body: expected JSON"),
        ("POST", "/inject", b"[" * 20_000, 422, "body: expected JSON"),
        ("POST", "/heal", b'{"x": ' + b"[" * 20_000, 422, "body: expected nothing"),
        ("POST", "/inject", b"\xff\xfe", 422, "body: expected JSON"),
        ("POST", "/inject", b'["kill"]', 422, "found neither object nor text"),
        ("POST", "/inject", b'"kill: [primary"', 422, "not YAML"),
        ("POST", "/inject", b'"kill\\u0000: primary"', 422, "control character"),
        ("POST", "/heal", b'{"fault": "one"}', 422, "body: expected nothing or"),
        ("POST", "/heal", b'{"faults": 1}', 422, "body: expected nothing or"),
        ("GET", "/wait/promoted?within=soon", None, 422, "within: expected a time such as 30s"),
        ("GET", "/wait/promoted?within=2h", None, 422, "at most 3600s"),
        ("GET", "/wait/promoted?fault=x", None, 422, "fault: expected the number"),
        ("GET", "/wait/promoted?whithin=3s", None, 422, "query: expected within or fault, found 'whithin'"),
        ("POST", "/inject", b"x" * 100_000, 413, "Request Entity Too Large"),
    ],
)
def test_mistaken_call_is_one_error(  # noqa: PLR0917 - one case's words
    caller: Caller, method: str, path: str, body: bytes | None, status: int, said: str
) -> None:
    """As JSON, and nothing was done."""
    answered, answer = caller.call(method, path, body)
    assert (answered, list(answer)) == (status, ["error"])
    assert said in answer["error"]
    assert caller.live.asked == []


@pytest.mark.parametrize(
    ("problem", "status"),
    [
        (Unknown("no such node"), 404),
        (UsageError("no such fault"), 422),
        (NoEffect("nothing seen"), 409),
        (NotSeen("not in time"), 504),
        (Interrupted("ending"), 503),
        (HealFailed("no route"), 500),
        (EnvironmentFailure("disk full"), 500),
    ],
)
def test_problem_of_a_call_has_its_status_and_its_words(
    caller: Caller, problem: Exception, status: int
) -> None:
    """Whatever a call raises that a person can act upon."""
    caller.live.fails = problem
    assert caller.call("POST", "/inject", b"{}") == (status, {"error": str(problem)})


def test_bug_is_an_answer_without_a_traceback(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run goes on, and the traceback lies in a file."""
    monkeypatch.setattr("harness.control.server.told_of_crash", lambda problem: f"crash file of {problem!r}")
    caller.live.fails = ZeroDivisionError("here")
    assert caller.call("GET", "/status") == (500, {"error": "crash file of ZeroDivisionError('here')"})


def test_only_this_machine_can_call() -> None:
    """The address is a loopback address, and each run has a token of its own."""
    with Control() as one, Control() as other:
        assert one.url.startswith("http://127.0.0.1:")
        assert one.token != other.token
        assert len(one.token) >= 32
        assert one.variables() == {"FAILOVER_CONTROL": one.url, "FAILOVER_CONTROL_TOKEN": one.token}


def test_calls_describe_themselves_to_whoever_asks(caller: Caller) -> None:
    """No token is needed to read what docs/control.openapi.json says."""
    assert caller.call("GET", "/openapi.json", token="-") == (200, json.loads(json.dumps(SCHEMAS)))
    with served() as another:
        assert another.call("POST", "/openapi.json", token="-")[0] == 401


def test_page_in_a_browser_may_call(caller: Caller) -> None:
    """Its first question has no token; what it may send, it is told. Answers may be read from anywhere."""

    def asked() -> list[tuple[int, http.client.HTTPMessage]]:
        found = []
        for method, headers in (("OPTIONS", {}), ("GET", {}), ("GET", {"Authorization": "Bearer wrong"})):
            connection = http.client.HTTPConnection(caller.control.url.removeprefix("http://"), timeout=20)
            connection.request(method, "/status", None, headers)
            answer = connection.getresponse()
            found.append((answer.status, answer.headers))
            connection.close()
        return found

    async def called() -> list[tuple[int, http.client.HTTPMessage]]:
        async with caller.control.served(cast("Live", caller.live)):
            return await asyncio.to_thread(asked)

    answers = asyncio.run(called())
    assert [status for status, _ in answers] == [204, 401, 401]
    for _, headers in answers:
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Authorization" in headers["Access-Control-Allow-Headers"]
    assert caller.live.asked == []
