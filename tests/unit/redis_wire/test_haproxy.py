"""What a HAProxy says of its servers, read off its stats socket."""

from __future__ import annotations

import asyncio
import socket
import threading

import pytest

from harness.model.seams import Address, Source
from harness.redis_wire.haproxy import ServerState, parsed, servers, servers_soon
from harness.redis_wire.protocol import NoAnswer
from tests.fake_clock import in_fake_time

SAID = b"""# pxname,svname,status,check_status,
redis,redis-1,UP,L7OK,
redis,redis-2,DOWN 1/2,L7TOUT,
redis,redis-3,UP,INI,

"""


def test_a_table_of_servers_is_read() -> None:
    """UP in any form counts as UP; a server that was never checked says so."""
    first, second, third = parsed(SAID)
    assert first == ServerState(backend="redis", name="redis-1", status="UP", checked=True)
    assert (first.up, second.up, third.up) == (True, False, True)
    assert not third.checked


@pytest.mark.parametrize("said", [b"", b"-NOAUTH Authentication required.\r\n", b"Permission denied\n"])
def test_anything_else_is_no_answer(said: bytes) -> None:
    """A node behind the proxy's address is not asked by mistake."""
    with pytest.raises(NoAnswer, match="expected a table of servers"):
        parsed(said)


def test_asked_over_tcp_by_a_thread() -> None:
    """The answer ends with the connection."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with listening:
            asking, _ = listening.accept()
            with asking:
                assert asking.recv(100) == b"show stat -1 4 -1\n"
                asking.sendall(SAID)

    thread = threading.Thread(target=answer)
    thread.start()
    found = servers(Address("127.0.0.1", listening.getsockname()[1]), Source(), within_s=2.0)
    thread.join()
    assert found == parsed(SAID)


def test_asked_over_tcp_in_an_event_loop() -> None:
    """From the observer's own address."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readline() == b"show stat -1 4 -1\n"
        writer.write(SAID)
        await writer.drain()
        writer.close()

    async def play() -> None:
        serving = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with serving:
            port = serving.sockets[0].getsockname()[1]
            at, source = Address("127.0.0.1", port), Source(host="127.0.0.1")
            assert await servers_soon(at, source, within_s=2.0) == parsed(SAID)

    in_fake_time(play())


def test_a_proxy_that_is_gone_gives_no_answer() -> None:
    """Refused is no answer, either way."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    gone = Address("127.0.0.1", port)
    with pytest.raises(NoAnswer, match="gives no answer"):
        servers(gone, Source(), within_s=1.0)
    with pytest.raises(NoAnswer, match="gives no answer"):
        in_fake_time(servers_soon(gone, Source(), within_s=1.0))
