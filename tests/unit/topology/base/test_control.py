"""The harness' own words with a node, against a scripted one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from harness.model.seams import Address, Source
from harness.model.words import NodeRole
from harness.topology.base.control import Control, ErrorReply, NoAnswer, engine, pairs, parse_info, parse_role


@pytest.fixture
def scripted() -> Iterator[tuple[Address, list[bytes], list[bytes]]]:
    """A server that answers each request with the next of the given replies, then closes."""
    listener = socket.create_server(("127.0.0.1", 0))
    replies: list[bytes] = []
    requests: list[bytes] = []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            for reply in replies:
                requests.append(connection.recv(65536))
                connection.sendall(reply)

    thread = threading.Thread(target=serve)
    replies.append(b"+OK\r\n")
    thread.start()
    yield Address("127.0.0.1", listener.getsockname()[1]), replies, requests
    listener.close()
    thread.join(timeout=5)


def control(address: Address, source: Source | None = None) -> Control:
    return Control(address, secret="word", source=source or Source(), timeout_s=0.5)


def test_password_comes_first_and_replies_are_text(
    scripted: tuple[Address, list[bytes], list[bytes]],
) -> None:
    """AUTH opens every connection; numbers, texts, nothing and lists come back as Python has them."""
    address, replies, requests = scripted
    replies.append(b"*4\r\n:1\r\n$1\r\nx\r\n$-1\r\n*0\r\n")
    with control(address) as node:
        assert node.call("EVAL", "script", 0) == [1, "x", None, []]
    assert requests[0] == b"*2\r\n$4\r\nAUTH\r\n$4\r\nword\r\n"
    assert requests[1] == b"*3\r\n$4\r\nEVAL\r\n$6\r\nscript\r\n$1\r\n0\r\n"


def test_error_reply_keeps_redis_words(scripted: tuple[Address, list[bytes], list[bytes]]) -> None:
    """What Redis says is raised as it was said."""
    address, replies, _ = scripted
    replies.append(b"-READONLY You can't write\r\n")
    with control(address) as node, pytest.raises(ErrorReply, match="READONLY You can't write"):
        node.call("SET", "a", "b")


def test_silence_and_hang_up_are_no_answer(scripted: tuple[Address, list[bytes], list[bytes]]) -> None:
    """A node that says nothing in time, or closes, leaves it unknown whether the command ran."""
    address, replies, _ = scripted
    replies.append(b"")
    with control(address) as node, pytest.raises(NoAnswer):
        node.call("PING")


def test_refused_connection_is_no_answer() -> None:
    """Nobody listens: no answer, with the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NoAnswer, match=str(port)):
        control(Address("127.0.0.1", port))


def test_source_decides_where_a_connection_comes_from() -> None:
    """A local address, or the first free port of a range, taken ones passed over."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("", 0)) as taken:
        address = Address("127.0.0.1", listener.getsockname()[1])
        first = taken.getsockname()[1]
        for source, check in (
            (Source(host="127.0.0.9"), lambda peer: peer[0] == "127.0.0.9"),
            (Source(ports=(first, first + 5)), lambda peer: first < peer[1] <= first + 5),
        ):
            seen: list[tuple[str, int]] = []

            def answer(seen: list[tuple[str, int]] = seen) -> None:
                connection, peer = listener.accept()
                seen.append(peer)
                connection.sendall(b"+OK\r\n")
                connection.close()

            thread = threading.Thread(target=answer)
            thread.start()
            control(address, source).close()
            thread.join(timeout=5)
            assert check(seen[0]), (source, seen)


def test_replies_are_understood() -> None:
    """INFO, flat maps, roles and engine names."""
    info = parse_info("# Server\r\nredis_version:7.2.4\r\nexecutable:/a:b\r\n\r\n")
    assert info == {"redis_version": "7.2.4", "executable": "/a:b"}
    assert engine(info) == "Redis 7.2.4"
    assert engine(info | {"valkey_version": "8.1.1"}) == "Valkey 8.1.1"
    assert pairs(["a", "1", "b", "2"]) == {"a": "1", "b": "2"}
    assert parse_role(["master", 0, []]) is NodeRole.PRIMARY
    assert parse_role(["slave", "h", 1, "connected", 0]) is NodeRole.REPLICA
    assert parse_role(["sentinel", []]) is NodeRole.SENTINEL
