"""The listening socket, the token, and errors as JSON. What the calls do is not here: see `routes`.

It listens on this machine's loopback address alone, on a port that the system gives. Any process of this
machine, and any page in its browser, reaches that address: who calls needs the run's token.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Self

import msgspec
from aiohttp import web

from harness.control.live import Live
from harness.control.openapi import description
from harness.control.routes import FAILED, NOT_FOUND, OK, ROUTES, STATUS_OF, UNAUTHORIZED, Request, Route
from harness.control.words import Problem
from harness.errors import KitError
from harness.output import told_of_crash

HOST = "127.0.0.1"

OPENAPI = "/openapi.json"
"""The description of the calls; needs no token."""

NOTHING = 204
_FOR_BROWSERS = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Headers": "Authorization, Content-Type",
    "Access-Control-Allow-Methods": "GET, POST",
}

_BODY_MOST_BYTES = 64 * 1024
_LAST_ANSWERS_WITHIN_S = 1.0
"""Calls that wait for a fault or an event when the run ends are answered or dropped within this time."""

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def new_listener() -> socket.socket:
    return socket.create_server((HOST, 0))


class Control:
    """An address and a token from the beginning, so that a command can be given both; served later."""

    def __init__(self, listener: socket.socket | None = None) -> None:
        """`listener`: the socket to serve, where somebody else made it."""
        self.token = secrets.token_urlsafe(24)
        self._socket = listener or new_listener()
        self._port = int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self._port}"

    def variables(self) -> Mapping[str, str]:
        """What a command learns of it."""
        return {"FAILOVER_CONTROL": self.url, "FAILOVER_CONTROL_TOKEN": self.token}

    @asynccontextmanager
    async def served(self, live: Live) -> AsyncIterator[None]:
        """Answer calls in this event loop."""
        runner = web.AppRunner(
            _application(live, self.token),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=_LAST_ANSWERS_WITHIN_S,
        )
        await runner.setup()
        try:
            await web.SockSite(runner, self._socket).start()
            yield
        finally:
            await runner.cleanup()


def _application(live: Live, token: str) -> web.Application:
    @web.middleware
    async def from_anywhere(request: web.Request, handler: _Handler) -> web.StreamResponse:
        answer = web.Response(status=NOTHING) if request.method == "OPTIONS" else await handler(request)
        answer.headers.update(_FOR_BROWSERS)
        return answer

    @web.middleware
    async def as_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
        if request.path == OPENAPI and request.method == "GET":
            return web.json_response(description())
        if not _knows(request, token):
            return _refused(
                UNAUTHORIZED,
                "expected the header 'Authorization: Bearer TOKEN' with the token of this run "
                "(FAILOVER_CONTROL_TOKEN), found another one or none",
            )
        try:
            return await handler(request)
        except KitError as problem:
            status = next((one for kind, one in STATUS_OF.items() if isinstance(problem, kind)), FAILED)
            return _refused(status, str(problem))
        except web.HTTPNotFound:
            return _refused(NOT_FOUND, f"{request.path[:60]}: expected {_calls()}")
        except web.HTTPException as problem:  # 405, 413
            return _refused(
                problem.status, f"{request.method} {request.path[:60]}: {problem.reason}; expected {_calls()}"
            )
        except asyncio.CancelledError:
            raise
        except Exception as problem:  # noqa: BLE001 - the caller gets an answer, and the run goes on
            return _refused(FAILED, told_of_crash(problem))

    application = web.Application(middlewares=[from_anywhere, as_json], client_max_size=_BODY_MOST_BYTES)
    for route in ROUTES:
        application.router.add_route(route.method, route.path, _handler(route, live))
    return application


def _handler(route: Route, live: Live) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        asked = Request(
            live=live,
            path=dict(request.match_info),
            query=dict(request.query),
            body=await request.read() if route.body else b"",
        )
        return _answered(OK, await route.call(asked))

    return handle


def _knows(request: web.Request, token: str) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return hmac.compare_digest(given.encode(errors="replace"), token.encode())


def _calls() -> str:
    return ", ".join(f"{route.method} {route.path}" for route in ROUTES)


def _refused(status: int, error: str) -> web.Response:
    return _answered(status, Problem(error=error))


def _answered(status: int, answer: msgspec.Struct) -> web.Response:
    body = msgspec.json.format(msgspec.json.encode(answer), indent=2) + b"\n"
    return web.Response(status=status, body=body, content_type="application/json")
