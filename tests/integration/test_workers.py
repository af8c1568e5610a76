"""Load from several processes: real workers, one history, whatever their clocks show."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from harness import history, kit_files
from harness.application import IDS_EACH
from harness.clock import RunClock
from harness.model.plan import Plan
from harness.model.records import Closing
from harness.model.results import Progress, ScenarioResult
from harness.model.scenario import Workload
from harness.model.seams import Address, Secrets, Source
from harness.model.words import Arrivals, Outcome, Phase, Verdict
from harness.redis_wire.scripted import HANDSHAKE, Answer, ScriptedServer, array
from harness.running.crew import Crew
from harness.running.worker_words import SKEWED
from lab.calibrate.stopped import patient
from lab.calibrate.stopped import plan_of as calibration
from tests import builders_observe as a
from tests.builders_sessions import Local, Node, plan_for

AHEAD_US = 600_000_000
"""Ten minutes: no delay at a start is as long."""
SAYS_WHO = {"CLIENT": b"+id=7 addr=192.0.2.9:40000 laddr=192.0.2.1:6379\r\n"}
LOAD = Workload(web_servers=2, users=10, rate_per_s=100, mix={"read": 1.0}, arrivals=Arrivals.CONSTANT)


class Sessions:
    """A Redis that knows who logged in, and when it was asked for that by our own clock."""

    def __init__(self, clock: RunClock) -> None:
        self._clock = clock
        self._users: dict[str, str] = {}
        self.asked_us: dict[str, list[int]] = {}

    def __call__(self, command: list[str]) -> Answer:
        name = command[0]
        if name == "HSET":
            self._users[command[1]] = dict(zip(command[2::2], command[3::2], strict=True))["user_id"]
        if name in ("MULTI", "HSET", "EXPIRE", "RPUSH"):
            return b"+QUEUED\r\n" if name != "MULTI" else b"+OK\r\n"
        if name == "EXEC":
            return b"*4\r\n:7\r\n:1\r\n:1\r\n:1\r\n"
        if name == "HGETALL":
            self.asked_us.setdefault(command[1], []).append(self._clock.now_us())
            return array("user_id", self._users[command[1]]) if command[1] in self._users else b"*0\r\n"
        return b":1\r\n"


class Reached:
    """As much of a topology as web servers need."""

    secrets = Secrets(redis="r" * 32, sentinel="s" * 32)
    service = "sessions"

    def __init__(self, port: int) -> None:
        self._port = port

    def address(self, node: str) -> Address:
        return Address("127.0.0.1", self._port)

    def source(self, web_server: str) -> Source:
        return Source()


class ElsewhereReached(Reached):
    """The same, and workers leave their parts at another place, as on hosts."""

    def __init__(self, port: int, place: Path) -> None:
        super().__init__(port)
        self._place = place

    def worker_command(self, number: int, module: str, environment: Mapping[str, str]) -> Sequence[str]:
        assert number in {1, 2}
        words = (f"{name}={value}" for name, value in environment.items())
        return ["env", f"--unset={SKEWED}", *words, *kit_files.command(module)]

    def worker_folder(self, number: int) -> str:
        return str(self._place / str(number))

    def take_part(self, number: int, into: Path) -> None:
        (self._place / str(number)).rename(into)


def plan_with_workers(port: int, hosts: tuple[str, ...]) -> Plan:
    local = Local(nodes={"redis-1": Node("redis-1", port, None)})  # type: ignore[arg-type]
    plan = plan_for(local, workload=LOAD, actors=10)
    deployment = replace(plan.scenario.deployment, workers=2, worker_hosts=hosts)
    return replace(plan, scenario=replace(plan.scenario, deployment=deployment))


async def driven(folder: Path, hosts: tuple[str, ...]) -> tuple[Sessions, list[str]]:
    """Two workers for a second; then the second's web server is killed and started again."""
    clock = RunClock()
    redis, said = Sessions(clock), []
    async with ScriptedServer(redis, handshake={**HANDSHAKE, **SAYS_WHO}) as server:
        plan = plan_with_workers(server.port, hosts)
        reached = ElsewhereReached(server.port, folder / "there") if hosts else Reached(server.port)
        history.write_plan(folder, plan)
        recorder = history.Recorder(folder, clock, secrets=reached.secrets)
        recorder.record(a.opening())
        topology: Any = reached
        crew = Crew(plan, topology, recorder.record, clock, folder)
        said.append(f"{await crew.seed()} users")
        crew.set_phase(Phase.BASELINE)
        stop = asyncio.Event()
        load = asyncio.create_task(crew.drive(stop))
        await _until(lambda: crew.acked_since("read", 0) > 60)
        said.append(await asyncio.to_thread(crew.kill_web_server, "web-2"))
        await asyncio.to_thread(crew.start_web_server, "web-2")
        await asyncio.to_thread(crew.set_sides, 1, {"web-1": "rest"})
        more = crew.acked_since("read", 0) + 20
        await _until(lambda: crew.acked_since("read", 0) > more)
        seen = await crew.seen("web-2", "redis-1")
        said.append(f"{seen.by_node} at {seen.ours and seen.ours[0]}")
        stop.set()
        await load
        await crew.close()
        said.append(f"{len(crew.sessions())} sessions")
        recorder.take_in(crew.parts())
        recorder.close(Closing(t_us=clock.now_us(), operations=crew.operations))
        assert recorder.failure is None
    return redis, said


async def _until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - workers say it
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("hosts", [(), ("b", "c")], ids=["here", "on hosts"])
def test_two_clocks_make_one_history(
    hosts: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of the second worker is ten minutes ahead and 200 millionths too fast. Every read is recorded
    where the node answered it by the run's clock, and what faults do reaches the worker whose it is."""
    monkeypatch.setenv(SKEWED, f"2={AHEAD_US},200")
    redis, said = asyncio.run(driven(tmp_path, hosts))
    assert said[0] == "10 users"
    assert said[1].startswith("web-2 is gone")
    assert said[2] == "192.0.2.9:40000 at 127.0.0.1", "its worker asks, whatever else it is told"
    assert int(said[3].split()[0]) >= 10
    past = history.read(tmp_path)
    assert past.complete
    by_worker = {n: [one for one in past.operations if one.id // IDS_EACH == n] for n in (1, 2)}
    assert [{one.web_server for one in mine} for mine in by_worker.values()] == [{"web-1"}, {"web-2"}]
    assert {one.client_side for one in by_worker[1]} == {"all", "rest"}
    theirs = [one for one in past.clock_readings if one.clock == "worker-2"]
    assert all(one.theirs_us - one.sent_us > AHEAD_US // 2 for one in theirs)
    reads = [one for one in past.operations if one.behaviour == "read" and one.outcome is Outcome.ACKED]
    assert {one.id // IDS_EACH for one in reads} == {1, 2}
    for one in reads:
        assert one.sent_us is not None
        assert one.done_us is not None
        assert any(one.sent_us <= t_us <= one.done_us for t_us in redis.asked_us[one.key]), one.id
    assert past.clocks_apart_us > 0
    assert not list(tmp_path.glob("worker-*")), "their parts have become one history"


def test_a_worker_that_dies_makes_the_run_inconclusive(tmp_path: Path) -> None:
    """It took evidence with it; the reason says who, and nothing is left running."""
    plan = calibration(mix={"read": 1.0}, rate_per_s=50, client=patient((1.0,)), pauses_s=(1.0,), workers=2)
    history.write_plan(tmp_path, plan)
    words = kit_files.command("harness.running.one_process", str(tmp_path), "workers", "-")
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        for line in run.stdout:
            if msgspec.json.decode(line, type=Progress).phase == Phase.BASELINE:
                break
        found = _workers_of(run.pid)
        found[0].send_signal(signal.SIGKILL)
        run.stdout.read()
        run.wait(60)
    result = msgspec.msgpack.decode((tmp_path / "result.msgpack").read_bytes(), type=ScenarioResult)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert re.search(r"worker-[12]: it ended", " ".join(result.reasons))
    psutil.wait_procs(found, timeout=20)
    assert not [one for one in found if one.is_running()]


def _workers_of(process: int) -> list[psutil.Process]:
    below = psutil.Process(process).children(recursive=True)
    return [one for one in below if "harness.running.worker" in one.cmdline()]
