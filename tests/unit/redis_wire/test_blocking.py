"""A thread's connection, against a scripted node: one process, one command at a time, never longer than said."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from harness.model.seams import Address, Source
from harness.redis_wire import blocking
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.redis_wire.scripted import (
    CLOSE,
    OK,
    SILENCE,
    Answer,
    ScriptedServer,
    bulk,
    error,
    in_thread,
    in_turn,
)

SECRET = "word"


@contextmanager
def node(*answers: Answer) -> Iterator[ScriptedServer]:
    """Answers everything, AUTH too, with these, one after the other."""
    with in_thread(ScriptedServer(in_turn(*answers), handshake={})) as server:
        yield server


def connect(
    server: ScriptedServer,
    *,
    secret: str | None = SECRET,
    source: Source | None = None,
    within_s: float = 2.0,
) -> Connection:
    address = Address("127.0.0.1", server.port)
    return blocking.connect(address, source or Source(), who="redis-1", secret=secret, within_s=within_s)


def test_password_comes_first_and_replies_are_python() -> None:
    """AUTH opens the connection; numbers, texts, nothing and lists come back as Python has them."""
    with node(OK, b"*4\r\n:1\r\n$1\r\nx\r\n$-1\r\n*0\r\n") as server, connect(server) as there:
        assert there.call("EVAL", "script", 0) == [1, "x", None, []]
        assert server.received == [["AUTH", SECRET], ["EVAL", "script", "0"]]


def test_without_a_password_nothing_is_sent_first() -> None:
    """Whoever only wants to know whether anybody answers."""
    with node(b"+PONG\r\n") as server, connect(server, secret=None) as there:
        assert there.call("PING") == "PONG"
        assert server.received == [["PING"]]


def test_info_is_read_into_fields() -> None:
    """One section, by name."""
    with node(OK, bulk("# Server\r\nrun_id:abc\r\n")) as server, connect(server) as there:
        assert there.info("server") == {"run_id": "abc"}
        assert server.received[-1] == ["INFO", "server"]


def test_an_error_reply_keeps_redis_words_and_names_the_node() -> None:
    """Who refused what, and the code apart, for whoever decides by it."""
    with (
        node(OK, error("READONLY You can't write")) as server,
        connect(server) as there,
        pytest.raises(ErrorReply, match=r"^redis-1 refused SET: READONLY You can't write$") as refused,
    ):
        there.call("SET", "a", "b")
    assert (refused.value.code, refused.value.text) == ("READONLY", "READONLY You can't write")


def test_after_a_refusal_the_replies_still_belong_together() -> None:
    """Commands behind the refused one were carried out; the next call gets its own reply."""
    with node(OK, error("ERR no"), b":1\r\n", b":2\r\n") as server, connect(server) as there:
        with pytest.raises(ErrorReply, match="redis-1 refused INCR, DEL"):
            there.call_all([("INCR", "a"), ("DEL", "b")])
        assert there.call("DEL", "c") == 2


def test_a_refused_password_is_an_answer() -> None:
    """Whoever does not take our password is none of ours, and nothing is left open."""
    with node(error("WRONGPASS invalid")) as server, pytest.raises(ErrorReply, match="WRONGPASS"):
        connect(server)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (CLOSE, "closed the connection"),
        (SILENCE, "timed out"),
        (b"HTTP/1.1 200 OK\r\n", "Protocol error"),
    ],
)
def test_a_hang_up_a_silence_and_nonsense_are_no_answer(answer: Answer, said: str) -> None:
    """It is not known whether the command was carried out; the message names node and command."""
    with (
        node(OK, answer) as server,
        connect(server, within_s=0.3) as there,
        pytest.raises(NoAnswer, match=f"redis-1 did not answer PING: .*{said}"),
    ):
        there.call("PING")


def test_replies_that_drip_in_are_cut_off_at_the_limit() -> None:
    """The limit is for the whole call, not for each piece that arrives."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        over = threading.Event()

        def drip() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(1000)
                while not over.wait(0.05):
                    peer.sendall(b"$")  # never a whole reply

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        address = Address(*listener.getsockname())
        there = blocking.connect(address, Source(), who="redis-1", secret=None, within_s=0.3)
        began_s = time.monotonic()
        with there, pytest.raises(NoAnswer):
            there.call("PING")
        over.set()
        thread.join(5)
    assert time.monotonic() - began_s < 2


def test_nobody_listens() -> None:
    """Said with the address, at once."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(NoAnswer, match=rf"redis-1 at 127.0.0.1:{port} cannot be reached"):
        blocking.connect(Address("127.0.0.1", port), Source(), who="redis-1", secret=None, within_s=1)


def test_hanging_up_wakes_the_thread_that_waits() -> None:
    """Its call ends with no answer, long before the limit."""
    ended: list[str] = []
    asked = threading.Event()

    def never(_: list[str]) -> Answer:
        asked.set()
        return SILENCE

    with in_thread(ScriptedServer(never, handshake={})) as server:
        there = connect(server, secret=None, within_s=60)

        def wait() -> None:
            with pytest.raises(NoAnswer) as nothing:
                there.call("PING")
            ended.append(str(nothing.value))

        thread = threading.Thread(target=wait)
        thread.start()
        assert asked.wait(5)
        there.hang_up()
        thread.join(5)
        there.close()
    assert "did not answer PING" in ended[0]


OWN_ADDRESS = "127.83.7.9"
"""Nobody else connects from here: its ports are taken by the test alone."""


def _free_range(length: int) -> tuple[int, int]:
    with socket.create_server(("", 0)) as found:
        first: int = found.getsockname()[1]
    return first, first + length - 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source(host="127.0.0.9"), lambda peer: peer[0] == "127.0.0.9"),
        (Source(), lambda peer: peer[0] == "127.0.0.1"),
    ],
)
def test_source_decides_where_a_connection_comes_from(
    source: Source, expected: Callable[[tuple[str, int]], bool]
) -> None:
    """A local address, or the kernel's choice."""
    with node(OK) as server, connect(server, source=source):
        assert expected(server.peers[0])


def test_taken_ports_of_a_range_are_passed_over() -> None:
    """Every connection has a port of its own; when none is left, that is said."""
    with node(OK) as server, socket.socket() as taken:
        first, last = _free_range(3)
        taken.bind((OWN_ADDRESS, first))
        source = Source(host=OWN_ADDRESS, ports=(first, last))
        with connect(server, source=source), connect(server, source=source):
            assert {port for _, port in server.peers} == {first + 1, last}
            with pytest.raises(NoAnswer, match=f"every local port from {first} to {last} is in use"):
                connect(server, source=source)
