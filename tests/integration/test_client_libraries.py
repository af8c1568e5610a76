"""A library is added in one place, and its process never outlives what it belongs to."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from harness.clock import RunClock, wait_until
from harness.libraries import LIBRARIES, apart
from harness.libraries.environments import missing
from harness.libraries.library import Declaration
from harness.model.deployment import ClientProfile
from harness.model.records import Operation, Step
from harness.model.scenario import Workload
from harness.model.seams import Address, Login, Source
from harness.model.words import Discovery, Outcome, Phase, StepKind
from harness.sessions.apart import ApartClient
from harness.sessions.discovery import Surroundings
from harness.sessions.exchange import CURRENT, Command, Exchange, Part, Raised, Recording, Shape
from harness.sessions.outcome import settle
from harness.sessions.web_server import WebServer
from tests.builders_sessions import (
    MIX,
    PASSWORD,
    SERVER,
    Local,
    Node,
    Written,
    drive_for,
    engine_for,
    fail_over,
    plan_for,
    single,
    with_sentinel,
)

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


def asked(*, sentinels: bool) -> list[str]:
    """The libraries that `make client-conformance` asks for; all that the kit has itself otherwise."""
    names = [name for name in os.environ.get("CLIENTS", "redis-py-threads").split(",") if name]
    return [one for one in names if not sentinels or LIBRARIES[one.partition("=")[0]].sentinels]


def by(asked_for: str, **changes: Any) -> ClientProfile:
    name, _, version = asked_for.partition("=")
    library = apart(name, version)
    if library is not None and (reason := missing(library, version)):
        pytest.skip(reason)
    return ClientProfile(library=name, version=version, socket_timeout_s=2, connect_timeout_s=2, **changes)


async def under_load(local: Local, profile: ClientProfile, written: Written, *, kills: bool) -> None:
    load = Workload(web_servers=2, users=20, rate_per_s=40, mix={**MIX, "logout-everywhere": 0.3})
    engine = engine_for(local, plan_for(local, workload=load, client=profile), written)
    assert await engine.seed() == load.users
    if kills:
        await fail_over(engine, local, written)
        return
    engine.set_phase(Phase.BASELINE)
    await drive_for(engine, 2.0)
    await engine.close()


def nearly_all_acked(operations: Sequence[Operation]) -> bool:
    """The end of the load may cut off what is under way."""
    acked = [one for one in operations if one.outcome is Outcome.ACKED]
    return len(acked) > 0.95 * len(operations) > 0


@pytest.mark.parametrize("library", asked(sentinels=False))
def test_library_answers_every_behaviour_as_its_node_did(local: Local, library: str) -> None:
    """On healthy nodes they are acked: no answer looks like that of another command."""
    written = Written()
    asyncio.run(under_load(local, by(library), written, kills=False))
    assert len(written.operations) > 60
    assert nearly_all_acked(written.operations)


@pytest.mark.parametrize("library", asked(sentinels=True))
def test_library_finds_the_primary_by_its_sentinels_and_the_next_one(tmp_path: Path, library: str) -> None:
    """It gets in before the failover, and again after it."""
    written = Written()
    with with_sentinel(tmp_path) as guarded:
        profile = by(library, discovery=Discovery.ON_ERROR, application_retries=3)
        asyncio.run(under_load(guarded, profile, written, kills=True))
    begun = [one.outcome for one in written.operations if one.phase is Phase.BASELINE]
    assert begun.count(Outcome.ACKED) > len(begun) / 2  # some are under way when the primary dies
    assert nearly_all_acked([one for one in written.operations if one.phase is Phase.SETTLED])


def test_process_whose_library_makes_no_client_is_started_again(local: Local) -> None:
    """And says why each time: a second start finds no process that is not there."""
    client = web_server(local.nodes["redis-1"])[0].client
    assert isinstance(client, ApartClient)
    client._library = replace(TOY, module=Path("/nowhere/toy.py"))

    async def twice() -> list[str]:
        said = []
        for _ in range(2):
            with pytest.raises(Raised) as problem:
                await client.start()
            said.append(str(problem.value))
        return said

    first, second = asyncio.run(twice())
    assert "toy.py" in first
    assert second == first
    assert client.pid == 0
