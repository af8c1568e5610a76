"""An attempt that does what its scenario's name says, for the scheduler's tests.

As a module it is the process of a run. `Scripted.start` makes of it what the scheduler sees of a process, in the
process of the test: most tests are about the scheduler, and a process takes a hundred times as long.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from harness.model.judgement import Judgement
from harness.model.plan import Plan
from harness.model.results import WAITING, Progress, ScenarioResult
from harness.model.words import Phase, Verdict

READY = "ready"
"""The file that says: from now on an interrupt is heard, or not, as the scenario's name has it."""
PLACE_OF_FOLDER = -4
"""In the command that starts a run, which ends with the folder, the run, the image and that it waits for its turn."""
TURNS = 20
"""Of the event loop while an attempt runs: whoever may run meanwhile begins in one of them."""


def main() -> None:
    directory = Path(sys.argv[1])
    plan = _plan(directory)
    name = plan.scenario.name
    if "dawdles" in name and ("unsure once" not in name or directory.name.endswith("second-run")):
        (directory / READY).touch()
        time.sleep(60)
    print(_progress(plan).decode(), flush=True)
    if "quotes" in name:
        print(
            "Traceback\n  requirepass hunter2\nValueError: redis://:hunter2@192.0.2.1",
            file=sys.stderr,
            flush=True,
        )
        print("cannot go on: masterauth hunter2", flush=True)
    if "killed" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "waits" in name:
        heard: list[int] = []
        signal.signal(signal.SIGINT, lambda *_: heard.append(1))
        (directory / READY).touch()
        while not heard:
            time.sleep(0.05)
    elif "deaf" in name:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        (directory / READY).touch()
        while True:
            signal.pause()
    _leave(plan, directory)


def _plan(directory: Path) -> Plan:
    return msgspec.json.decode((directory / "plan.json").read_bytes(), type=Plan)


def _progress(plan: Plan, phase: str = Phase.BASELINE) -> bytes:
    return msgspec.json.encode(Progress(scenario=plan.label, phase=phase))


def _leave(plan: Plan, directory: Path) -> None:
    """The result that the name asks for."""
    name, verdict = plan.scenario.name, Verdict.PASS
    if "waits" in name or ("unsure once" in name and not directory.name.endswith("second-run")):
        verdict = Verdict.INCONCLUSIVE
    elif "fails" in name:
        verdict = Verdict.FAIL
    result = ScenarioResult.of(plan, verdict, "scripted")
    if "in vain" in name:
        result = replace(result, verdict=Verdict.INCONCLUSIVE, start_that_never_came="fault 2 waited")
    if "judged" in name:
        result = replace(result, judgement=Judgement(verdict=verdict, reasons=(), shows=plan.scenario.shows))
    (directory / "result.msgpack").write_bytes(msgspec.msgpack.encode(result))


@dataclass
class Scripted:
    """Attempts without a process. One that is killed leaves no result, and says nothing."""

    running: list[str] = field(default_factory=list)
    beside: dict[str, set[str]] = field(default_factory=dict)
    """Name of an attempt -> those that ran at the same time."""
    phases: tuple[str, ...] = ()
    """Each attempt goes through these, and waits for its turn where one says so."""
    seen: list[dict[str, str]] = field(default_factory=list)
    """Name -> phase of all attempts, whenever one entered a phase."""
    now: dict[str, str] = field(default_factory=dict)

    async def start(self, command: Sequence[str], log: Path) -> _Unreal:
        return _Unreal(Path(command[PLACE_OF_FOLDER]), self)


class _GivesItsTurn:
    def __init__(self) -> None:
        self.given = asyncio.Event()

    def write(self, line: bytes, /) -> None:
        self.given.set()


class _Unreal:
    def __init__(self, directory: Path, all_of: Scripted) -> None:
        self.stdin = _GivesItsTurn()
        self.stdout = asyncio.StreamReader()
        self.returncode: int | None = None
        self._directory = directory
        self._all = all_of
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        plan = _plan(self._directory)
        name, running, beside = plan.scenario.name, self._all.running, self._all.beside
        running.append(name)
        self.stdout.feed_data(_progress(plan) + b"\n")
        for phase in self._all.phases:
            await self._enter(plan, phase)
        for _ in range(TURNS):
            for one in running:
                beside.setdefault(one, set()).update(set(running) - {one})
            await asyncio.sleep(0)
        running.remove(name)
        self._all.now.pop(name, None)
        self.returncode = 0
        if "killed" in name:
            self.returncode = -signal.SIGKILL
        else:
            _leave(plan, self._directory)
        self.stdout.feed_eof()

    async def _enter(self, plan: Plan, phase: str) -> None:
        self._all.now[plan.scenario.name] = phase
        self._all.seen.append(dict(self._all.now))
        self.stdout.feed_data(_progress(plan, phase) + b"\n")
        if phase == WAITING:
            await self.stdin.given.wait()
        for _ in range(TURNS):
            await asyncio.sleep(0)

    async def wait(self) -> int:
        await self._running
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, signal: int, /) -> None:
        raise AssertionError(f"an attempt without a process gets signal {signal}")

    def kill(self) -> None:
        raise AssertionError("an attempt without a process is killed")


if __name__ == "__main__":
    main()
