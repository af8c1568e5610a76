"""A door leads to its node and nowhere else, and neither end outlives the other."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from harness.libraries.relayed import HERE, Relay

WITHIN_S = 30.0


@pytest.fixture
def relay() -> Iterator[Relay]:
    found = Relay()
    yield found
    found.close()


def node(serve: Callable[[socket.socket], None]) -> tuple[str, int]:
    """One that takes a single connection."""
    listening = socket.create_server(("127.0.0.1", 0))

    def once() -> None:
        with listening:
            line, _ = listening.accept()
            with line:
                serve(line)

    threading.Thread(target=once, daemon=True).start()
    address: tuple[str, int] = listening.getsockname()
    return address


def through(relay: Relay, address: tuple[str, int]) -> socket.socket:
    line = socket.create_connection(relay.door_to(*address), timeout=WITHIN_S)
    line.settimeout(WITHIN_S)
    return line


def test_what_is_said_arrives_and_is_answered(relay: Relay) -> None:
    """In both directions, and the node's end is the library's."""

    def echo(line: socket.socket) -> None:
        line.sendall(line.recv(100).upper())

    with through(relay, node(echo)) as line:
        line.sendall(b"ping")
        assert line.recv(100) == b"PING"
        assert line.recv(100) == b""


def test_end_of_the_library_is_the_end_at_the_node(relay: Relay) -> None:
    """A node must not keep connections that nobody has."""
    heard: list[bytes] = []
    over = threading.Event()

    def listen(line: socket.socket) -> None:
        heard.extend((line.recv(100), line.recv(100)))
        over.set()

    with through(relay, node(listen)) as line:
        line.sendall(b"last words")
    assert over.wait(WITHIN_S)
    assert heard == [b"last words", b""]


def test_node_that_is_not_there_ends_the_connection(relay: Relay) -> None:
    """The door let it in, and nothing comes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        gone = listening.getsockname()
    with through(relay, gone) as line, suppress(ConnectionResetError):
        assert line.recv(1) == b""


def test_node_has_one_door_and_a_door_has_none(relay: Relay) -> None:
    """A library may ask for the address of a door that it was given."""
    door = relay.door_to("127.0.0.1", 6379)
    assert door[0] == HERE
    assert relay.door_to("127.0.0.1", 6379) == door
    assert relay.door_to(*door) == door
    assert relay.door_to("127.0.0.1", 6380) != door
