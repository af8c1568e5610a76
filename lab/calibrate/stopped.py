"""A normal run against a single node that is stopped from outside, at known times, for known times.

The run is the kit's own (`harness.running.one_process`, as the suite starts it) and is not told of the
pauses; its plan's fault does nothing, and is there because it ends the baseline. The truth is taken by this
process: SIGSTOP, /proc says that every thread stopped, SIGCONT, with the time before and after each.
So the truth is an interval too, a fraction of a millisecond wide on an idle machine.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import psutil

from harness import history
from harness.checks.promises.table import FINDINGS
from harness.clock import RunClock, wait_until
from harness.faults import FAULTS
from harness.model.deployment import ClientProfile, TopologySpec
from harness.model.history import History
from harness.model.judgement import Metrics
from harness.model.plan import Plan
from harness.model.results import Progress, ScenarioResult
from harness.model.scenario import Workload
from harness.model.words import Arrivals, BackendKind, Discovery, Phase, TopologyKind
from harness.plan import compile as compile_plan
from harness.topology.base.processes import stopped
from harness.topology.process import backend as process
from lab.plans import scenario_of
from lab.records import fault_step

FIRST_AFTER_S = 1.0
"""Of quiet traffic, so that the last success before the first pause is a normal one."""
BETWEEN_S = 2.5
"""Longer than the longest back-off of any profile: one pause's aftermath ends before the next."""
BASELINE_S = 1.0
UNTIL_SETTLED_S = 5.0
"""From the baseline until the topology counts as recovered, with room for a busy machine."""
USERS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """When the node was stopped, in wall time. `stopped_us` and `continued_us` enclose the time in
    which it was proved stopped, `before_us` and `after_us` the time in which it can have been."""

    wanted_s: float
    before_us: int
    stopped_us: int
    continued_us: int
    after_us: int

    @property
    def at_least_s(self) -> float:
        return (self.continued_us - self.stopped_us) / 1e6

    @property
    def at_most_s(self) -> float:
        return (self.after_us - self.before_us) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What happened, and what the kit made of it."""

    plan: Plan
    pauses: tuple[Pause, ...]
    history: History
    result: ScenarioResult

    @property
    def metrics(self) -> Metrics:
        if self.result.judgement is None:
            raise RuntimeError(f"{self.plan.scenario.name}: not judged; {self.result.reasons}")
        return self.result.judgement.metrics


def plan_of(
    *,
    mix: Mapping[str, float],
    rate_per_s: float,
    client: ClientProfile,
    pauses_s: Sequence[float],
    duration_s: float | None = None,
    seed: int = 1,
    workers: int = 0,
) -> Plan:
    """One node, constant arrivals, no fault, long enough for the pauses."""
    needed_s = UNTIL_SETTLED_S + FIRST_AFTER_S + sum(pauses_s) + BETWEEN_S * len(pauses_s)
    scenario = scenario_of(
        TopologySpec(kind=TopologyKind.SINGLE, sentinels=0),
        client=client,
        file="calibration.yaml",
        name=f"calibration, {', '.join(mix)} at {rate_per_s:g}/s",
        workload=Workload(
            web_servers=max(1, workers),
            rate_per_s=rate_per_s,
            arrivals=Arrivals.CONSTANT,
            users=USERS,
            mix=mix,
            options={},
        ),
        faults=(fault_step("nothing", at=BASELINE_S),),
        duration_s=max(duration_s or 0.0, needed_s),
    )
    return compile_plan(
        replace(scenario, deployment=replace(scenario.deployment, workers=workers)),
        seed=seed,
        backend=BackendKind.PROCESS,
        machine=process.machine(),
        fits={"nothing": FAULTS["nothing"].fits},
        findings=FINDINGS,
    )


def patient(pauses_s: Sequence[float]) -> ClientProfile:
    """A client that outwaits every pause, with a connection for everything that comes due meanwhile."""
    longest_s = 2 * max(pauses_s)
    return ClientProfile(
        discovery=Discovery.FIXED_ADDRESS,
        socket_timeout_s=longest_s,
        connect_timeout_s=longest_s,
        application_retries=0,
        max_connections=2000,
    )


def run(
    plan: Plan, pauses_s: Sequence[float], directory: Path, environment: Mapping[str, str] | None = None
) -> Measured:
    """Run the plan in `directory`; stop its node once the run has settled, once for each pause.
    `environment`: variables of the run besides this process's own."""
    directory.mkdir(parents=True)
    history.write_plan(directory, plan)
    pauses: list[Pause] = []
    with _attempt(directory, environment or {}) as attempt:
        stopper = threading.Thread(
            target=_stop_again_and_again, args=(attempt.pid, directory, pauses_s, pauses), daemon=True
        )
        assert attempt.stdout is not None
        for line in attempt.stdout:
            progress = msgspec.json.decode(line, type=Progress)
            if progress.phase == Phase.SETTLED and stopper.ident is None:
                stopper.start()
        attempt.wait(60)
    result = msgspec.msgpack.decode((directory / "result.msgpack").read_bytes(), type=ScenarioResult)
    if len(pauses) < len(pauses_s):
        raise RuntimeError(f"{directory}: {len(pauses)} of {len(pauses_s)} pauses; {result.reasons}")
    return Measured(plan=plan, pauses=tuple(pauses), history=history.read(directory), result=result)


@contextlib.contextmanager
def _attempt(directory: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "harness.running.one_process", str(directory), "calibrate", "-"]
    with (directory / "run.log").open("wb") as log:
        attempt = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **environment},
        )
    try:
        yield attempt
    finally:
        assert attempt.stdin is not None
        attempt.stdin.close()  # it heals, tears down and ends when whoever started it is gone
        try:
            attempt.wait(60)
        except subprocess.TimeoutExpired:
            attempt.kill()
            attempt.wait()


def _stop_again_and_again(
    attempt: int, directory: Path, pauses_s: Sequence[float], into: list[Pause]
) -> None:
    server, clock = _server_of(attempt, directory), RunClock()
    clock.sleep(FIRST_AFTER_S)
    for wanted_s in pauses_s:
        into.append(_stop(server, wanted_s, clock))
        clock.sleep(BETWEEN_S)


def _server_of(attempt: int, directory: Path) -> int:
    """The pid of the run's node: the descendant of the attempt that works in the node's folder."""
    folder = directory.resolve() / "nodes" / "redis-1"
    for child in psutil.Process(attempt).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if Path(child.cwd()) in {folder, folder / "data"}:
                return int(child.pid)
    raise RuntimeError(f"{folder}: no process of the run works here")


def _stop(server: int, wanted_s: float, clock: RunClock) -> Pause:
    before_us = _wall_us()
    os.kill(server, signal.SIGSTOP)
    try:
        wait_until(
            lambda: stopped(server), within_s=5.0, waiting_for="the node to stop", every_s=0.0005, clock=clock
        )
        stopped_us = _wall_us()
        clock.sleep(wanted_s)
        still = stopped(server)
        continued_us = _wall_us()
    finally:
        os.kill(server, signal.SIGCONT)
    after_us = _wall_us()
    if not still:
        raise RuntimeError(f"process {server} was continued by somebody else")
    return Pause(
        wanted_s=wanted_s,
        before_us=before_us,
        stopped_us=stopped_us,
        continued_us=continued_us,
        after_us=after_us,
    )


def _wall_us() -> int:
    return time.time_ns() // 1000
