"""The load engine in saturating mode against a bare loop of the same client, on the same node.

Both have as many actors, in one process, on one event loop, and send the same commands: each actor of
the bare loop sends again, batch by batch, what one of the engine's was seen to send, from its first log-in
on, over and over, so that it finds sessions where that one found them. It keeps nothing and looks at nothing.
The engine records into a real history, decodes, checks versions and judges outcomes, as in every run.
They take turns of a few seconds, so that whatever else the machine does meets both.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, dropwhile
from pathlib import Path
from statistics import median

import redis.asyncio
import uvloop

from harness import history
from harness.clock import RunClock
from harness.model.records import Closing
from harness.model.seams import Address, Topology
from harness.sessions.engine import LoadEngine
from harness.sessions.exchange import Command, Exchange, Recording
from harness.sessions.web_server import WebServer
from harness.topology.backends import up
from lab.bench.nodes import CLIENT, ONE_NODE, plan_of, redis_benchmark, workload
from lab.rows import Row

ACTORS = 50
USERS = 300
MIX = {"read": 55.0, "touch": 20.0, "change-field": 12.0, "cart": 5.0, "log-in": 4.0, "logout": 4.0}
TURN_S = 3.0
CAPTURED_S = 2.0
AT_LEAST = 0.85
BENCHMARK_REQUESTS = 200_000

Batches = Sequence[tuple[Command, ...]]
"""One operation: what it sent together, in order."""
Part = Sequence[Batches]
"""What one actor does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    per_s: float
    cpu_us: float
    """Of this process, per operation."""


def rows(folder: Path, *, rounds: int) -> list[Row]:
    plan = plan_of(ONE_NODE, workload=workload(MIX, USERS), client=replace(CLIENT, max_connections=ACTORS))
    folder.mkdir(parents=True)
    with up(plan, run="bench", directory=folder, backend=plan.backend) as topology:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            engine, bare = runner.run(_compare(folder, topology, rounds))
        absolute = benchmark(topology)
    wall = [one.per_s / other.per_s for one, other in zip(engine, bare, strict=True)]
    cpu = [other.cpu_us / one.cpu_us for one, other in zip(engine, bare, strict=True)]
    each = ", ".join(f"{ratio:.2f}" for ratio in wall)
    return [
        Row(
            name="load engine / bare redis-py loop: operations per second",
            measured=median(wall),
            at_least=AT_LEAST,
            note=f"{ACTORS} actors each, one process; median of {each}",
        ),
        Row(
            name="the same by CPU time",
            measured=median(cpu),
            note=f"CPU per operation: bare {median(one.cpu_us for one in bare):.0f} µs, "
            f"engine {median(one.cpu_us for one in engine):.0f} µs, recording included",
        ),
        Row(
            name="load engine",
            measured=median(one.per_s for one in engine),
            unit="operations/s",
            note=f"bare loop {median(one.per_s for one in bare):.0f}; {absolute}",
        ),
    ]


async def _compare(folder: Path, topology: Topology, rounds: int) -> tuple[list[Pace], list[Pace]]:
    clock = RunClock()
    recorder = history.Recorder(folder, clock, secrets=topology.secrets)
    engine = LoadEngine(topology.plan, topology, recorder.record, clock)
    paces: tuple[list[Pace], list[Pace]] = ([], [])
    try:
        await engine.seed()
        sent = await _captured(engine)
        address = topology.address("redis-1")
        client = _client(address, topology.secrets.redis)
        for _ in range(rounds):
            paces[0].append(await _pace(lambda: _saturated(engine, TURN_S)))
            paces[1].append(await _pace(lambda: _bare(client, sent)))
        await client.aclose()
    finally:
        await engine.close()
        recorder.close(Closing(t_us=clock.now_us(), operations=engine.operations))
    if recorder.failure is not None:
        raise recorder.failure
    if engine.snapshot().crashes:
        raise RuntimeError("the load engine crashed: its pace means nothing")
    return paces


async def _pace(work: Callable[[], Awaitable[int]]) -> Pace:
    began, cpu = time.perf_counter(), time.process_time()
    done = await work()
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    return Pace(per_s=done / seconds, cpu_us=cpu_seconds / done * 1e6)


async def _saturated(engine: LoadEngine, seconds: float) -> int:
    before, stop = engine.operations, asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, stop.set)
    await engine.saturate(stop, ACTORS)
    return engine.operations - before


async def _captured(engine: LoadEngine) -> list[Part]:
    """What the engine's actors send, seen where they hand it to their client."""
    server = engine._fleet.serving(0)  # noqa: SLF001 - there is no other place to look from
    assert isinstance(server, WebServer)
    store = server.store
    send = store.exchange
    sent: dict[object, dict[Recording, list[tuple[Command, ...]]]] = {}

    async def noted(recording: Recording, exchange: Exchange, **how: bool) -> None:
        part = sent.setdefault(asyncio.current_task(), {})
        part.setdefault(recording, []).append(exchange.commands)
        await send(recording, exchange, **how)

    store.exchange = noted  # type: ignore[method-assign]
    try:
        await _saturated(engine, CAPTURED_S)
    finally:
        store.exchange = send  # type: ignore[method-assign]
    return [_from_log_in(list(part.values())) for part in sent.values()]


def _from_log_in(part: Part) -> Part:
    """Nothing but a log-in is a transaction in this mix."""
    return list(dropwhile(lambda operation: operation[0][0] != ("MULTI",), part)) or part


def _client(address: Address, password: str) -> redis.asyncio.Redis:
    """As an application would make it; redis-py takes hiredis by itself."""
    return redis.asyncio.Redis(
        host=address.host,
        port=address.port,
        password=password,
        decode_responses=True,
        protocol=2,
        max_connections=ACTORS,
        socket_timeout=CLIENT.socket_timeout_s,
    )


async def _bare(client: redis.asyncio.Redis, parts: Sequence[Part]) -> int:
    ends, done = time.perf_counter() + TURN_S, 0

    async def actor(part: Part) -> None:
        nonlocal done
        for operation in cycle(part):
            if time.perf_counter() >= ends:
                return
            for commands in operation:
                await _send(client, commands)
            done += 1

    await asyncio.gather(*(actor(part) for part in parts))
    return done


async def _send(client: redis.asyncio.Redis, commands: tuple[Command, ...]) -> None:
    if len(commands) == 1:
        await client.execute_command(*commands[0])  # type: ignore[no-untyped-call]
        return
    grouped = commands[0] == ("MULTI",)
    pipeline = client.pipeline(transaction=grouped)
    for command in commands[1:-1] if grouped else commands:
        pipeline.execute_command(*command)
    await pipeline.execute()


def benchmark(topology: Topology) -> str:
    """What redis-benchmark reaches on the same node with as many connections, for orientation."""
    program = redis_benchmark()
    if program is None:
        return "redis-benchmark is not installed"
    address = topology.address("redis-1")
    command = [program, "-h", address.host, "-p", str(address.port), "-a", topology.secrets.redis]
    command += ["-c", str(ACTORS), "-n", str(BENCHMARK_REQUESTS), "-t", "get,set", "-q"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.findall(r"(GET|SET): ([\d.]+) requests per second", said.replace("\r", "\n"))
    rates = ", ".join(f"{name} {float(rate):.0f}/s" for name, rate in dict(found).items())
    return f"redis-benchmark on the same node, {ACTORS} connections: {rates}"
