"""A client behind a proxy: which node answered, and what happens when a proxy does not."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import Callable
from typing import Any

from harness.model.deployment import ClientProfile
from harness.model.seams import Address, Login, Source
from harness.model.words import Discovery
from harness.redis_wire.scripted import HANDSHAKE, OK, Answer, ScriptedServer, array, bulk
from harness.sessions import BEHAVIOURS
from harness.sessions.discovery import Surroundings
from harness.sessions.exchange import CURRENT, Recording
from harness.sessions.request import Request, Rules, Session
from harness.sessions.web_server import WebServer
from tests.builders_sessions import Written
from tests.fake_clock import in_fake_time, the_clock

PROFILE = ClientProfile(
    discovery=Discovery.THROUGH_PROXY, socket_timeout_s=0.5, connect_timeout_s=0.5, application_retries=0
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
BEHIND = "id=7 addr=198.18.0.9:40123 laddr=198.18.0.2:6379 fd=8 name= age=0"
NODES = {("198.18.0.2", 6379): "redis-2"}


def node(client_info: bytes) -> Callable[[list[str]], Answer]:
    """What answers at the other end; it sees the proxy, and not the web server."""

    def answer(command: list[str]) -> Answer:
        match command:
            case ["CLIENT", "INFO"]:
                return client_info
            case ["CLIENT", *_]:
                return OK
            case ["PTTL", *_]:
                return b":5000\r\n"
        return array("sid", SESSION.id, "user_id", "u1", "generation", "1")

    return answer


def server(client_info: bytes = b"") -> ScriptedServer:
    handshake = {name: said for name, said in HANDSHAKE.items() if name != "CLIENT"}
    return ScriptedServer(node(client_info or bulk(BEHIND)), run_id="f" * 40, handshake=handshake)


async def read(ports: tuple[int, ...], *, pools: bool = True) -> tuple[Written, list[str]]:
    """One read through the proxies at these ports, in this order; what was written down, and its attempts."""
    written = Written()
    around = Surroundings(
        profile=PROFILE,
        login=Login(password="p"),
        sentinel_login=Login(password="p"),
        service="sessions",
        primary=Address("198.18.0.1", 6379),
        proxies=tuple(Address("127.0.0.1", port) for port in ports),
        pools=pools,
    )
    web = WebServer(
        "web-1",
        around,
        Source(),
        node_at=lambda host, port: NODES.get((host, port)),
        shard_of_node=lambda _client, _node: 1,
        record=written,
        clock=the_clock(),
        connection_ids=itertools.count(1),
    )
    recording = Recording()
    CURRENT.set(recording)
    request = Request(7, "u1", SESSION, 0xFFFF, {}, RULES, web.store, recording)
    await BEHAVIOURS["read"].carry_out(request)
    await recording.over()
    await web.close()
    return written, [attempt.result for attempt in recording.attempts]


def run(scenario: Callable[[], Any]) -> Any:
    return in_fake_time(asyncio.wait_for(scenario(), 10))


def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def test_node_behind_the_proxy_is_known_by_its_own_word() -> None:
    """Which node it is, its process, and the address by which it lists the connection."""

    async def scenario() -> None:
        async with server() as redis:
            written, results = await read((redis.port,))
        opened = written.connections[0]
        assert (opened.node, opened.run_id, opened.role) == ("redis-2", "f" * 40, "primary")
        assert opened.seen_as == "198.18.0.9:40123"
        assert results == ["reply"]

    run(scenario)


def test_node_that_does_not_say_is_not_known() -> None:
    """CLIENT INFO came with 6.2, and an access list may forbid it: no guess."""

    async def scenario() -> None:
        async with server(b"-NOPERM no permission\r\n") as redis:
            written, results = await read((redis.port,))
        assert (written.connections[0].node, written.connections[0].seen_as) == ("?", None)
        assert results == ["reply"]

    run(scenario)


def test_next_proxy_is_dialled_where_the_first_is_gone() -> None:
    """Within the same attempt: the user notices nothing."""

    async def scenario() -> None:
        async with server() as redis:
            written, results = await read((closed_port(), redis.port))
        assert written.connections[0].node == "redis-2"
        assert results == ["reply"]

    run(scenario)


def test_without_any_proxy_nothing_was_sent() -> None:
    """The request did not happen, and its attempt says why."""

    async def scenario() -> None:
        written, results = await read((closed_port(), closed_port()))
        assert not written.connections
        assert results == ["connect-failed"]

    run(scenario)


def test_request_without_a_pool_leaves_no_connection() -> None:
    """Closed by the application, once the request is over."""

    async def scenario() -> None:
        async with server() as redis:
            written, _ = await read((redis.port,), pools=False)
        assert [one.why for one in written.connections] == ["", "closed by the application"]

    run(scenario)
