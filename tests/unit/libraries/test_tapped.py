"""What goes over a library's sockets is noted as the attempts that it is, whoever sends it and however it is cut."""

from __future__ import annotations

import json
import os
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from harness.libraries.notes import CURRENT, Exchange, Notes
from harness.libraries.resp import Command, packed
from harness.libraries.tapped import Line, Tap, TappedSocket

READ: Command = ("HGETALL", "session:{s}")
WRITE: Command = ("HSET", "session:{s}", "theme", "1:dark")
GROUP: tuple[Command, ...] = (("MULTI",), WRITE, ("EXEC",))
OTHER: tuple[Command, ...] = (("MULTI",), ("HSET", "session:{o}", "theme", "2:dark"), ("EXEC",))
FACTS = b"$8\r\nrun_id:a\r\n$8\r\nrole:abc\r\n"
WHO = packed("INFO", "server") + packed("INFO", "replication")


class Socket:
    """Takes what it is given, as a socket that waits or as one that does not."""

    def __init__(self, *, takes: int | None = None, waits: bool = True, broken: bool = False) -> None:
        self.sent = b""
        self._takes = takes
        self._waits = waits
        self._broken = broken

    def raw_send(self, data: bytes) -> int:
        if self._broken:
            raise BrokenPipeError
        taken = data[: self._takes]
        self.sent += taken
        return len(taken)

    def gettimeout(self) -> float:
        return 0.5 if self._waits else 0.0

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 4000


def as_socket(**how: Any) -> Any:
    return Socket(**how)


class Bench:
    def __init__(self) -> None:
        self._reads, writes = os.pipe()
        os.set_blocking(self._reads, False)
        self.notes = Notes(writes)
        self.line = Line(Tap(self.notes, sentinels=frozenset()), "127.0.0.1", 6379)
        self._number = 0

    def begin(self, *commands: Command) -> Exchange:
        self._number += 1
        exchange = Exchange(self._number, commands, "session:{s}")
        self.notes.begin(exchange)
        return exchange

    def send(self, *commands: Command, through: Any = None) -> None:
        self.line.flush(through or as_socket(), b"".join(packed(*one) for one in commands))

    def said(self) -> list[list[Any]]:
        """Everything that was noted since it was last asked, without times."""
        try:
            lines = os.read(self._reads, 1 << 16).splitlines()
        except BlockingIOError:
            return []
        return [json.loads(line)[1:] for line in lines]


@pytest.fixture
def bench() -> Iterator[Bench]:
    found = Bench()
    found.said()
    yield found
    CURRENT.set(None)


def test_node_is_asked_who_it_is_and_the_library_does_not_see_the_answer(bench: Bench) -> None:
    """The question goes out before the first command, and its answer is taken out of what comes back."""
    through = as_socket()
    bench.send(("CLIENT", "SETINFO", "LIB-NAME", "x"), through=through)
    assert through.sent.startswith(WHO)
    assert bench.line.received(FACTS[:12]) == b""
    assert bench.line.received(FACTS[12:] + b"+O") == b"+O"
    assert bench.line.received(b"K\r\n") == b"K\r\n"
    assert bench.said() == [["opened", 1, 4000, "run_id:a\r\nrole:abc"]]


def test_attempt_is_noted_before_it_is_sent_and_ends_with_its_last_reply(bench: Bench) -> None:
    """With every reply that came on the wire."""
    bench.begin(*GROUP)
    bench.send(*GROUP)
    assert bench.said() == [["sent", 1, 1, 1, [0, 1, 2], True]]
    bench.line.received(FACTS + b"+OK\r\n+QUEUED\r\n")
    assert [one[0] for one in bench.said()] == ["opened"]
    bench.line.received(b"*1\r\n:0\r\n")
    assert bench.said() == [["ended", 1, 1, "reply", ["OK", "QUEUED", [0]]]]


def test_every_time_that_a_library_sends_again_is_an_attempt_of_its_own(bench: Bench) -> None:
    """Also on the same connection."""
    bench.begin(WRITE)
    bench.send(WRITE)
    bench.line.received(FACTS + b"-MOVED 1 127.0.0.1:1\r\n")
    bench.send(WRITE)
    bench.line.received(b":1\r\n")
    attempts = [one for one in bench.said() if one[0] in {"sent", "ended"}]
    assert [one[:3] for one in attempts] == [["sent", 1, 1], ["ended", 1, 1], ["sent", 1, 2], ["ended", 1, 2]]
    assert attempts[1][4] == [{"error": "MOVED 1 127.0.0.1:1"}]


def test_commands_of_several_in_one_write_are_told_apart(bench: Bench) -> None:
    """By what follows: MULTI alone is everybody's."""
    bench.begin(*GROUP)
    bench.begin(*OTHER)
    bench.send(*OTHER, *GROUP)
    assert bench.said() == [["sent", 2, 1, 1, [0, 1, 2], True], ["sent", 1, 1, 1, [0, 1, 2], True]]


def test_whoever_sends_by_itself_owns_what_it_sends(bench: Bench) -> None:
    """Two requests that ask the same are not taken for each other."""
    bench.begin(READ)
    second = bench.begin(READ)
    CURRENT.set(second)
    bench.send(READ)
    assert bench.said() == [["sent", 2, 1, 1, [0], True]]


def test_what_the_library_asks_for_itself_is_nobodys_attempt(bench: Bench) -> None:
    """And its answers are taken for nothing else."""
    bench.begin(READ)
    bench.send(("CLUSTER", "SLOTS"), READ)
    bench.line.received(FACTS + b"*0\r\n*2\r\n+sid\r\n+s\r\n")
    assert bench.said()[-1] == ["ended", 1, 1, "reply", [["sid", "s"]]]


def test_piece_of_a_command_waits_for_the_rest(bench: Bench) -> None:
    """Nothing of it leaves before it is noted."""
    bench.begin(WRITE)
    through, sent = as_socket(), packed(*WRITE)
    bench.line.flush(through, sent[:7])
    assert (through.sent, bench.said()) == (WHO, [])
    bench.line.flush(through, sent[7:])
    assert through.sent == WHO + sent
    assert [one[0] for one in bench.said()] == ["sent"]


def test_what_a_full_socket_does_not_take_goes_out_later(bench: Bench) -> None:
    """In its order, and once."""
    bench.begin(WRITE)
    bench.send(WRITE, through=as_socket(takes=10, waits=False))
    later = as_socket(waits=False)
    bench.line.flush(later, b"")
    assert later.sent == (WHO + packed(*WRITE))[10:]
    assert [one[0] for one in bench.said()] == ["sent"]


def test_attempt_of_which_the_socket_took_nothing_was_not_handed_over(bench: Bench) -> None:
    """Its connection was closed meanwhile."""
    bench.begin(WRITE)
    with pytest.raises(BrokenPipeError):
        bench.send(WRITE, through=as_socket(broken=True))
    assert bench.said()[1:] == [["unsent", 1, 1], ["ended", 1, 1, "connection-lost", []]]


@pytest.mark.parametrize(("hung_up", "result"), [(False, "timeout"), (True, "connection-lost")])
def test_attempt_without_its_replies_ends_with_its_connection(
    bench: Bench, hung_up: bool, result: str
) -> None:
    """Who closed it says why: a library that no longer waits, or the node."""
    bench.begin(WRITE)
    bench.send(WRITE)
    bench.line.broken = hung_up
    bench.line.closed()
    assert ["ended", 1, 1, result, []] in bench.said()


def test_connection_that_never_came_about_is_an_attempt_that_never_left(bench: Bench) -> None:
    """A library that connects without waiting learns of it when it closes the socket."""
    CURRENT.set(bench.begin(WRITE))
    bench.line.closed()
    assert bench.said()[:2] == [
        ["sent", 1, 1, None, [0], False],
        ["ended", 1, 1, "connect-failed", []],
    ]


def test_attempt_that_the_library_no_longer_waits_for_is_over(bench: Bench) -> None:
    """Though its connection stays open; what comes later is nobody's."""
    exchange = bench.begin(WRITE)
    bench.send(WRITE)
    bench.notes.over(exchange, None, "TimeoutError")
    bench.line.received(FACTS + b":1\r\n")
    said = [one for one in bench.said() if one[0] in {"ended", "over"}]
    assert said == [["ended", 1, 1, "timeout", []], ["over", 1, None, "TimeoutError"]]


def test_task_that_sends_for_everybody_does_not_keep_the_first_exchange(bench: Bench) -> None:
    """A library's writer began during an exchange that is long over; the same command is another one's now."""
    first = bench.begin(READ)
    token = CURRENT.set(first)
    bench.send(READ)
    bench.line.received(b"*0\r\n")
    bench.notes.over(first, [{}])
    bench.said()
    second = bench.begin(READ)
    bench.send(READ)
    CURRENT.reset(token)
    assert bench.said() == [["sent", second.number, 1, 1, [0], True]]


def test_answer_that_belongs_to_somebody_else_is_what_the_application_has(bench: Bench) -> None:
    """The library returned it before the node had answered."""
    exchange = bench.begin(READ)
    bench.send(READ)
    bench.said()
    bench.notes.over(exchange, [{"sid": "another"}])
    assert bench.said() == [
        ["ended", 1, 1, "reply", [["sid", "another"]]],
        ["over", 1, [["sid", "another"]], ""],
    ]
    bench.line.received(b"*2\r\n$3\r\nsid\r\n$3\r\nown\r\n")
    assert bench.said() == []


@pytest.mark.parametrize("results", [None, [ValueError("lost")], [1, 2]])
def test_call_without_one_answer_for_each_command_has_none(
    bench: Bench, results: list[object] | None
) -> None:
    """It raised, or returned an error of its own making."""
    exchange = bench.begin(READ)
    bench.send(READ)
    bench.said()
    bench.notes.over(exchange, results, "as it was")
    assert bench.said()[0] == ["ended", 1, 1, "timeout", []]


def test_command_that_may_be_sent_late_may_have_been_executed(bench: Bench) -> None:
    """On a connection that nobody knows."""
    exchange = bench.begin(WRITE)
    bench.notes.may_be_sent(exchange)
    bench.notes.over(exchange, None, "TimeoutError")
    assert bench.said() == [
        ["sent", 1, 1, None, [0], True],
        ["ended", 1, 1, "timeout", []],
        ["over", 1, None, "TimeoutError"],
    ]


def _below_the_kernels_own(count: int) -> tuple[int, int]:
    first = random.randrange(12_000, 30_000)
    return first, first + count - 1


def _tapped(bench: Bench, ports: tuple[int, int]) -> type[TappedSocket]:
    class Tapped(TappedSocket):
        tap = Tap(bench.notes, sentinels=frozenset(), source_host="127.0.0.1", source_ports=ports)

    return Tapped


def test_as_many_connections_as_there_are_ports(bench: Bench) -> None:
    ports = _below_the_kernels_own(40)
    tapped = _tapped(bench, ports)
    with ExitStack() as opened:
        node = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        taken = set()
        for _ in range(40):
            one = opened.enter_context(tapped())
            one.connect(node.getsockname())
            taken.add(one.getsockname()[1])
        assert taken == {*range(ports[0], ports[1] + 1)}
        with pytest.raises(OSError, match="Cannot assign requested address"):
            opened.enter_context(tapped()).connect(node.getsockname())


def test_port_of_another_connection_is_passed_over_and_settings_stay(bench: Bench) -> None:
    ports = _below_the_kernels_own(2)
    with ExitStack() as opened:
        node = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=100))
        somebody = opened.enter_context(socket.socket())
        somebody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        somebody.bind(("127.0.0.1", ports[0]))
        somebody.connect(node.getsockname())
        mine = opened.enter_context(_tapped(bench, ports)())
        mine.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        mine.settimeout(1.5)
        mine.connect(node.getsockname())
        assert mine.getsockname() == ("127.0.0.1", ports[1])
        assert mine.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert (mine.gettimeout(), mine.getblocking(), os.get_blocking(mine.fileno())) == (1.5, True, False)
