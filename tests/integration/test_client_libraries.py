"""A library is added in one place, and its process never outlives what it belongs to."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from harness.clock import RunClock, wait_until
from harness.libraries import LIBRARIES
from harness.libraries.library import Declaration
from harness.model.deployment import ClientProfile
from harness.model.records import Step
from harness.model.seams import Address, Login, Source
from harness.model.words import Outcome, StepKind
from harness.sessions.apart import ApartClient
from harness.sessions.discovery import Surroundings
from harness.sessions.exchange import CURRENT, Command, Exchange, Part, Recording, Shape
from harness.sessions.outcome import settle
from harness.sessions.web_server import WebServer
from tests.builders_sessions import PASSWORD, SERVER, Local, Node, Written, single

pytestmark = [pytest.mark.process, pytest.mark.skipif(not SERVER, reason="no redis-server")]

TOY = Declaration(name="toy", module=Path(__file__).parents[1] / "toy_library.py", clusters=False)
HSET: Command = ("HSET", "session:{s}", "theme", "dark")


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Local]:
    monkeypatch.setattr("harness.libraries.LIBRARIES", {**LIBRARIES, TOY.name: TOY})
    with single(tmp_path) as found:
        yield found


def web_server(node: Node) -> tuple[WebServer, Written]:
    written = Written()
    around = Surroundings(
        profile=ClientProfile(
            library=TOY.name, application_retries=0, socket_timeout_s=5, connect_timeout_s=5
        ),
        login=Login(password=PASSWORD),
        sentinel_login=Login(password=""),
        service="",
        primary=Address("127.0.0.1", node.port),
    )
    server = WebServer(
        "web-1",
        around,
        Source(),
        node_at=lambda _, __: node.name,
        shard_of_node=lambda _client, _node: 1,
        record=written,
        clock=RunClock(),
        connection_ids=itertools.count(1),
    )
    return server, written


async def sent(server: WebServer, *commands: Command) -> Step:
    step = Step(n=1, does=StepKind.WRITE, command="", key="session:{s}")
    part = Part(step, Shape.PLAIN, tuple(range(len(commands))), tuple(one[0] for one in commands))
    exchange = Exchange("session:{s}", commands, (part,))
    recording = Recording()
    CURRENT.set(recording)
    await server.store.exchange(recording, exchange)
    settle(part, exchange)
    return step


def test_library_that_is_added_in_one_place_is_seen_on_the_wire(local: Local) -> None:
    """Its connections with the process of the node, its refusals, its end: nobody else has to know it."""
    node = local.nodes["redis-1"]
    server, written = web_server(node)

    async def scenario() -> list[Step]:
        await server.start()
        first = await sent(server, HSET)
        with node.client() as client:
            client.execute_command("REPLICAOF", "127.0.0.1", 1)
        refused = await sent(server, HSET)
        node.kill()
        lost, gone = await sent(server, HSET), await sent(server, HSET)
        await server.close()
        return [first, refused, lost, gone]

    first, refused, lost, gone = asyncio.run(scenario())
    assert first.outcome is Outcome.ACKED
    assert (refused.outcome, str(refused.error).split(" ", 1)[0]) == (Outcome.REJECTED, "READONLY")
    assert lost.outcome in {Outcome.UNKNOWN, Outcome.REJECTED}  # as the node's end was noticed or not
    assert gone.outcome is Outcome.REJECTED
    opened, closed = (one for one in written.connections if one.node == "redis-1")
    assert (opened.run_id != "", opened.role, closed.why) == (True, "primary", "closed by its node")


def _gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def test_process_of_a_web_server_that_is_killed_is_gone(local: Local) -> None:
    """And of one that is closed: nothing is left running."""
    server, written = web_server(local.nodes["redis-1"])

    async def scenario() -> list[int]:
        pids = []
        for ends in (server.kill, server.close):
            await server.start()
            await sent(server, HSET)
            assert isinstance(server.client, ApartClient)
            pids.append(server.client.pid)
            await ends()
        return pids

    for pid in asyncio.run(scenario()):
        wait_until(partial(_gone, pid), within_s=10, waiting_for="its end")
    assert [one.why for one in written.connections if one.closed_us] == [
        "web-1 was killed",
        "closed by the library",
    ]
