"""Each row of the outcome table, provoked on a real server, with a look at the keyspace afterwards."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.clock import RunClock, wait_until
from harness.libraries import INSIDE, apart
from harness.libraries.environments import missing
from harness.model.deployment import ClientProfile
from harness.model.records import Step
from harness.model.seams import Address, Login, Source
from harness.model.words import Outcome, StepKind
from harness.sessions.commands import atomically
from harness.sessions.connection import Wire
from harness.sessions.discovery import Surroundings
from harness.sessions.exchange import CURRENT, Command, Exchange, Part, Recording, Shape
from harness.sessions.outcome import settle
from harness.sessions.store import Store
from harness.sessions.web_server import client_of
from tests.builders_sessions import (
    PASSWORD,
    SERVER,
    SLOTS_PER_SHARD,
    Local,
    Node,
    clustered,
    free_cluster_port,
    single,
)

pytestmark = [pytest.mark.process, pytest.mark.skipif(not SERVER, reason="no redis-server")]

KEY, WITNESS = "session:{s}", "witness:{s}"
HSET: Command = ("HSET", KEY, "theme", "dark")
GROUP: tuple[Command, ...] = (("MULTI",), HSET, ("RPUSH", WITNESS, "7"), ("EXEC",))
GUARDED = (atomically("s", [HSET, ("RPUSH", WITNESS, "7")], guarded=True),)
REJECTED, UNKNOWN, ACKED = Outcome.REJECTED, Outcome.UNKNOWN, Outcome.ACKED


OWN = ""
"""The kit's own client."""
ASKED = [name for name in os.environ.get("CLIENTS", "").split(",") if name]
"""Client libraries that are held to the table: `NAME` or `NAME=VERSION`. `make client-conformance` asks for all."""
BY: ContextVar[tuple[str, str]] = ContextVar("the library, and its version")


@pytest.fixture(autouse=True, params=ASKED or [OWN])
def by(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each row, for every library that is asked for; for the kit's own client if none is."""
    name, _, version = request.param.partition("=")
    library = apart(name, version) if name else None
    if library is not None and (reason := missing(library, version)):
        pytest.skip(reason)
    token = BY.set((name or INSIDE, version))
    yield
    BY.reset(token)


def store_at(node: Node, password: str, timeout_s: float) -> Store:
    """A web server's store on one node, by the client that a row is about."""
    name, version = BY.get()
    wire = Wire(
        web_server="web-1",
        source=Source(),
        node_at=lambda _, __: node.name,
        record=lambda _: None,
        clock=RunClock(),
        next_id=itertools.count(1),
    )
    profile = ClientProfile(
        library=name,
        version=version,
        socket_timeout_s=timeout_s,
        connect_timeout_s=timeout_s,
        application_retries=0,
    )
    around = Surroundings(
        profile=profile,
        login=Login(password=password),
        sentinel_login=Login(password=""),
        service="",
        primary=Address("127.0.0.1", node.port),
    )
    return Store(client_of(around, wire), profile, wire)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    with single(tmp_path) as found:
        yield found


def sent(
    node: Node,
    commands: tuple[Command, ...],
    shape: Shape,
    *,
    password: str = PASSWORD,
    timeout_s: float = 1.0,
) -> Step:
    """Send commands as one step, by the same client and connection as a web server's."""

    async def send() -> Step:
        store = store_at(node, password, timeout_s)
        await store.start()
        step = Step(n=1, does=StepKind.WRITE, command="", key=KEY)
        names = tuple(c[0] for c in commands[1:-1]) if shape is Shape.GROUP else ()
        exchange = Exchange(KEY, commands, (Part(step, shape, tuple(range(len(commands))), names),))
        recording = Recording()
        CURRENT.set(recording)
        await store.exchange(recording, exchange)
        settle(exchange.parts[0], exchange)
        await store.close()
        return step

    return asyncio.run(send())


FORMS = [
    pytest.param((HSET,), Shape.PLAIN, id="single"),
    pytest.param(GROUP, Shape.GROUP, id="group"),
    pytest.param(GUARDED, Shape.SCRIPT, id="script"),
]


def with_session(client: redis.Redis) -> dict[str, str]:
    client.hset(KEY, mapping={"sid": "s", "theme": "light"})
    return contents(client)


def contents(client: redis.Redis) -> dict[str, str]:
    return {**client.hgetall(KEY), **{f"witness {n}": w for n, w in enumerate(client.lrange(WITNESS, 0, -1))}}  # type: ignore[dict-item, misc]


def full_memory(client: redis.Redis) -> None:
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", 1)


def demoted(client: redis.Redis) -> None:
    client.execute_command("REPLICAOF", "127.0.0.1", 1)


def without_replicas(client: redis.Redis) -> None:
    client.config_set("min-replicas-to-write", 1)


def unable_to_save(client: redis.Redis) -> None:
    shutil.rmtree(client.config_get("dir")["dir"])  # type: ignore[arg-type]
    client.bgsave()
    wait_until(
        lambda: client.info("persistence")["rdb_last_bgsave_status"] == "err", within_s=10, waiting_for="err"
    )
    client.config_set("save", "1 1")  # not before: the node would begin to save by itself


PRIMARIES_ONLY = {"valkey-glide": "No primary node found"}
"""Libraries that ask a node for its role before they send anything, and what they say of a replica."""


def refused_by_itself(step: Step) -> bool:
    said = PRIMARIES_ONLY.get(BY.get()[0])
    return said is not None and said in str(step.error)


@pytest.mark.parametrize(("commands", "shape"), FORMS)
@pytest.mark.parametrize(
    ("state", "prefix"),
    [
        (full_memory, "OOM"),
        (demoted, "READONLY"),
        (without_replicas, "NOREPLICAS"),
        (unable_to_save, "MISCONF"),
    ],
    ids=["OOM", "READONLY", "NOREPLICAS", "MISCONF"],
)
def test_write_refused_for_the_servers_state_changed_nothing(
    local: Local,
    commands: tuple[Command, ...],
    shape: Shape,
    state: Callable[[redis.Redis], None],
    prefix: str,
) -> None:
    """Whether alone, in a group or in a guarded script: rejected, and the keyspace is as before."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        before = with_session(client)
        state(client)
        step = sent(node, commands, shape)
        assert step.outcome is REJECTED, step.error
        assert prefix in str(step.error) or (state is demoted and refused_by_itself(step))
        assert contents(client) == before


@pytest.mark.parametrize(
    ("commands", "shape", "expected"),
    [
        ((("DEL", KEY),), Shape.PLAIN, ACKED),
        ((("MULTI",), ("DEL", KEY), ("RPUSH", WITNESS, "7"), ("EXEC",)), Shape.GROUP, REJECTED),
        ((("MULTI",), ("DEL", KEY), ("EXEC",)), Shape.GROUP, REJECTED),
    ],
    ids=["plain", "with a write", "alone in MULTI"],
)
def test_delete_at_full_memory_works_outside_multi_only(
    local: Local, commands: tuple[Command, ...], shape: Shape, expected: Outcome
) -> None:
    """A full instance lets a plain logout through and refuses the transactional one, whole."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        with_session(client)
        full_memory(client)
        step = sent(node, commands, shape)
        assert step.outcome is expected, step.error
        assert client.exists(KEY) == (0 if expected is ACKED else 1)


def test_script_that_fails_after_its_first_write_is_unknown(local: Local) -> None:
    """The first write stays: the error proves nothing."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        with_session(client)
        client.set(WITNESS, "no list")
        step = sent(node, GUARDED, Shape.SCRIPT)
        assert step.outcome is UNKNOWN
        assert client.hget(KEY, "theme") == "dark"


def test_script_whose_guard_finds_no_session_writes_nothing(local: Local) -> None:
    """Acked, and an observation of absence; no piece of a session comes into being."""
    node = local.nodes["redis-1"]
    step = sent(node, GUARDED, Shape.SCRIPT)
    assert step.outcome is ACKED
    with node.client() as client:
        assert client.keys() == []


def test_group_with_an_error_inside_exec_is_unknown_and_the_rest_happened(local: Local) -> None:
    """Redis does not roll back."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        with_session(client)
        client.set(WITNESS, "no list")
        step = sent(node, GROUP, Shape.GROUP)
        assert step.outcome is UNKNOWN
        assert "inside EXEC" in str(step.error)
        assert client.hget(KEY, "theme") == "dark"


def test_group_with_a_queue_time_error_is_rejected(local: Local) -> None:
    """EXECABORT after it: nothing of the group was executed."""
    node = local.nodes["redis-1"]
    step = sent(node, (("MULTI",), HSET, ("NO-SUCH-COMMAND",), ("EXEC",)), Shape.GROUP)
    assert step.outcome is REJECTED
    with node.client() as client:
        assert client.keys() == []


def test_single_command_with_an_unlisted_error_is_unknown(local: Local) -> None:
    """WRONGTYPE is not on the list."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        client.set(KEY, "text")
        assert sent(node, (HSET,), Shape.PLAIN).outcome is UNKNOWN


def test_plain_pipeline_at_full_memory_has_one_outcome_per_command(local: Local) -> None:
    """DEL happened, the HSET behind it did not."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        with_session(client)
        full_memory(client)
        deleted = sent(node, (("DEL", KEY), HSET), Shape.PLAIN)
        written = sent(node, (HSET, ("DEL", KEY)), Shape.PLAIN)
        assert (deleted.outcome, written.outcome) == (ACKED, REJECTED)
        assert client.exists(KEY) == 0


def test_write_to_a_paused_server_is_unknown_and_happens_when_it_resumes(local: Local) -> None:
    """Bytes of a connection that was closed meanwhile are still executed."""
    node = local.nodes["redis-1"]
    assert node.process is not None
    client = node.client()
    with_session(client)

    async def through_one_connection() -> Step:
        store = store_at(node, PASSWORD, 0.3)
        await store.start()
        recording = Recording()
        CURRENT.set(recording)
        for paused in (False, True):
            if paused:
                os.kill(node.process.pid, signal.SIGSTOP)  # type: ignore[union-attr]
            step = Step(n=1, does=StepKind.WRITE, command="", key=KEY)
            command: Command = ("HSET", KEY, "theme", "dark" if paused else "contrast")
            exchange = Exchange(KEY, (command,), (Part(step, Shape.PLAIN, (0,), ("HSET",)),))
            await store.exchange(recording, exchange)
            settle(exchange.parts[0], exchange)
        await store.close()
        return step

    try:
        step = asyncio.run(through_one_connection())
    finally:
        os.kill(node.process.pid, signal.SIGCONT)
    assert step.outcome is UNKNOWN
    wait_until(lambda: client.hget(KEY, "theme") == "dark", within_s=5, waiting_for="the late write")
    client.close()


def test_write_to_a_dead_server_is_rejected(local: Local) -> None:
    """Connection refused: nothing was handed to a socket."""
    node = local.nodes["redis-1"]
    node.kill()
    assert sent(node, (HSET,), Shape.PLAIN).outcome is REJECTED


def test_write_at_the_client_limit_is_rejected(local: Local) -> None:
    """One client too many is turned away before it can say anything."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        client.config_set("maxclients", 1)
        step = sent(node, (HSET,), Shape.PLAIN)
        assert step.outcome is REJECTED
        assert client.exists(KEY) == 0


def test_write_with_the_wrong_rights_is_rejected(local: Local) -> None:
    """NOPERM, and a wrong password: refused before execution."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        client.execute_command("ACL", "SETUSER", "default", "-hset")
        step = sent(node, (HSET,), Shape.PLAIN)
        assert (step.outcome, str(step.error).split(" ", 1)[0]) == (REJECTED, "NOPERM")
        assert sent(node, (HSET,), Shape.PLAIN, password="wrong").outcome is REJECTED
        assert client.exists(KEY) == 0


def test_write_without_authentication_is_rejected(local: Local) -> None:
    """NOAUTH on the command itself: the password was set after the connection was made."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        step = sent(
            node,
            (("EVAL", "return redis.call('HSET', KEYS[1], 'a', 'b')", "1", KEY),),
            Shape.PLAIN,
            password="",
        )
        assert step.outcome is REJECTED
        assert client.exists(KEY) == 0


def test_script_that_is_not_known_is_rejected(local: Local) -> None:
    """NOSCRIPT."""
    step = sent(local.nodes["redis-1"], (("EVALSHA", "f" * 40, "1", KEY),), Shape.PLAIN)
    assert (step.outcome, str(step.error).split(" ", 1)[0]) == (REJECTED, "NOSCRIPT")


def test_write_while_a_script_runs_is_rejected(local: Local) -> None:
    """BUSY: refused, not queued."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        client.config_set("lua-time-limit", 50)

        def endless() -> None:
            with node.client() as other, pytest.raises(redis.exceptions.ResponseError):
                other.eval("while true do end", 0)

        running = threading.Thread(target=endless)
        running.start()
        try:
            wait_until(lambda: _busy(client), within_s=5, waiting_for="BUSY")
            step = sent(node, (HSET,), Shape.PLAIN, timeout_s=2.0)
        finally:
            client.execute_command("SCRIPT", "KILL")
            running.join(5)
        assert step.outcome is REJECTED
        assert client.exists(KEY) == 0


def _busy(client: redis.Redis) -> bool:
    try:
        client.ping()
    except redis.exceptions.ResponseError as error:
        return "BUSY" in str(error)
    return False


def test_read_from_a_cut_off_replica_is_rejected(local: Local) -> None:
    """MASTERDOWN, where stale data is not to be served."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        client.config_set("replica-serve-stale-data", "no")
        demoted(client)
        step = sent(node, (("HGETALL", KEY),), Shape.PLAIN)
        assert step.outcome is REJECTED, step.error
        assert str(step.error).startswith("MASTERDOWN ") or refused_by_itself(step)


@pytest.mark.parametrize(("commands", "shape"), FORMS)
def test_write_while_the_data_set_loads_changes_nothing(
    local: Local, commands: tuple[Command, ...], shape: Shape
) -> None:
    """LOADING; and the connection could still ask for run_id and role. redis-py drops the connection
    at the first LOADING, so a group's EXECABORT stays unread and the group's outcome unknown. What came on the
    sockets of a library's own process counts, so there it may be known."""
    node = local.nodes["redis-1"]
    with node.client() as client:
        before = with_session(client)
        if client.info("server")["redis_version"].startswith("6."):
            pytest.skip("Redis 6 answers only every 2 MB while it loads")
        client.eval("for n = 1, 20000 do redis.call('SET', 'filler:' .. n, n) end", 0)
        client.save()
    node.kill()
    node.process = subprocess.Popen(
        [
            node.server,
            "--port",
            str(node.port),
            "--dir",
            str(node.directory),
            "--requirepass",
            PASSWORD,
            "--key-load-delay",
            "2000",
            "--loading-process-events-interval-bytes",
            "1024",
            "--bind",
            "127.0.0.1",
        ],
        stdout=subprocess.DEVNULL,
    )
    with node.client() as client:
        wait_until(lambda: _loading(client), within_s=10, waiting_for="LOADING")
        step = sent(node, commands, shape)
        unread = {UNKNOWN} if BY.get() == (INSIDE, "") else {UNKNOWN, REJECTED}
        assert step.outcome in (unread if shape is Shape.GROUP else {REJECTED}), step.error
        assert "LOADING" in str(step.error)
        client.config_set("key-load-delay", 0)  # 40 s otherwise: every library has begun by then
        wait_until(node.answers, within_s=20, waiting_for="the data set")
        assert contents(client) == before


def _loading(client: redis.Redis) -> bool:
    try:
        return bool(client.info("persistence")["loading"])
    except redis.exceptions.ConnectionError:
        return False


def test_cluster_refusals_are_rejections(tmp_path: Path) -> None:
    """MOVED, ASK, TRYAGAIN, CROSSSLOT and CLUSTERDOWN change nothing anywhere."""
    with clustered(tmp_path) as local:
        nodes = [local.nodes[f"redis-{number}"] for number in (1, 2, 3)]
        clients = [node.client() for node in nodes]
        slot = clients[0].execute_command("CLUSTER", "KEYSLOT", KEY)
        owner = slot // SLOTS_PER_SHARD
        other = (owner + 1) % 3
        for form in FORMS:
            commands, shape = form.values
            assert _refusal(nodes[other], commands, shape) == "MOVED"  # type: ignore[arg-type]
        assert _refusal(nodes[owner], (("DEL", KEY, "elsewhere"),), Shape.PLAIN) == "CROSSSLOT"
        ids = [client.execute_command("CLUSTER", "MYID") for client in clients]
        clients[owner].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[other])
        clients[other].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[owner])
        assert _refusal(nodes[owner], (HSET,), Shape.PLAIN) == "ASK"
        clients[owner].execute_command("CLUSTER", "SETSLOT", slot, "STABLE")
        clients[owner].execute_command("RPUSH", WITNESS, "1")
        clients[owner].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[other])
        assert _refusal(nodes[owner], GUARDED, Shape.SCRIPT) in ("TRYAGAIN", "ASK")  # ASK: Redis 6
        assert clients[owner].keys() == [WITNESS]
        assert clients[other].keys() == []
        for client in clients:
            client.close()


def _refusal(node: Node, commands: tuple[Command, ...], shape: Shape) -> str:
    step = sent(node, commands, shape)
    assert step.outcome is REJECTED, step.error
    return str(step.error).split(" ", 1)[0]


def test_write_to_a_cluster_that_is_down_is_rejected(tmp_path: Path) -> None:
    """CLUSTERDOWN: no slot is served."""
    node = Node("redis-1", free_cluster_port(), tmp_path / "redis-1", ("--cluster-enabled", "yes"))
    try:
        node.start()
        for form in FORMS:
            commands, shape = form.values
            assert _refusal(node, commands, shape) == "CLUSTERDOWN"  # type: ignore[arg-type]
    finally:
        node.kill()


def test_reply_types_seen_here_are_the_ones_the_judgement_expects(local: Local) -> None:
    """Every command that behaviours send, answered by a real server, has a possible type."""
    node = local.nodes["redis-1"]
    commands: list[Any] = [
        HSET,
        ("HINCRBY", KEY, "cart:1", "2"),
        ("HGETALL", KEY),
        ("PTTL", KEY),
        ("EXPIRE", KEY, "60"),
        ("PEXPIRE", KEY, "60500"),
        ("HDEL", KEY, "theme"),
        ("RPUSH", WITNESS, "1"),
        ("SADD", "user:{u}:sessions", "s"),
        ("SMEMBERS", "user:{u}:sessions"),
        ("SREM", "user:{u}:sessions", "s"),
        ("DEL", KEY),
    ]
    for command in commands:
        step = sent(node, (command,), Shape.PLAIN)
        assert step.outcome is ACKED, (command, step.error)
