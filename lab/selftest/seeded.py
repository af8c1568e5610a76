"""One run against a real node behind a misbehaving proxy, judged from its folder, held against the deed.

The load engine, the recorder, the observers, the audit and the judge are those of any run. The audit
and the observers go past the proxy: a bug is in what the application is served, or in the node's data.
Nodes are kept over many runs of a worker and emptied in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis.asyncio
import uvloop
import yaml

from harness import history
from harness.clock import RunClock
from harness.model.judgement import Finding
from harness.model.plan import Plan
from harness.model.records import Closing, Opening, PhaseChange
from harness.model.seams import Address, Machine, Source, Topology
from harness.model.words import BackendKind, Phase
from harness.observe import Observers, enable_eviction_events
from harness.running import selection
from harness.running.compiling import compile_all
from harness.running.ground import Ground
from harness.saved.judging import judge_folder
from harness.sessions.engine import LoadEngine
from lab.selftest.bugs import BUGS
from lab.selftest.mischief import APART_S, Bug, Deed, Setting
from lab.selftest.proxy import FAR, Proxy

NODE = "redis-1"
RATE_PER_S = 200
LOAD_S = 1.5
WARM_S = (0.2, 0.5)
"""Of load, before the bug may take its chance."""


@dataclass(frozen=True, kw_only=True)
class Seeded:
    """What one run showed."""

    bug: str
    seed: int
    bit: bool
    found: bool = False
    named: bool = False
    caused: bool = False
    cause: str = ""
    called: tuple[str, ...] = ()
    """The findings about the victims."""
    false_alarms: tuple[str, ...] = ()
    did: tuple[str, ...] = ()

    @property
    def as_it_should_be(self) -> bool:
        return self.bit and self.found and self.named and self.caused and not self.false_alarms


def bug_named(name: str) -> type[Bug]:
    return next(bug for bug in BUGS if bug.name == name)


def scenario_of(setting: Setting, kind: str = "single", engine: str | None = None) -> dict[str, Any]:
    """A scenario file's content in which no fault happens."""
    return {
        "scenario": 1,
        "name": "selftest",
        "shows": "promise",
        "tags": [],
        "about": "The kit tried on itself.",
        "advice": "None.",
        "deployment": {
            **({"engine": engine} if engine else {}),
            "topology": {"kind": kind, **({"redis": dict(setting.redis)} if setting.redis else {})},
            "client": {
                "socket_timeout": f"{setting.socket_timeout_s}s",
                "connect_timeout": "2s",
                "application_retries": setting.retries,
            },
        },
        "workload": {
            "web_servers": 2,
            "rate": f"{RATE_PER_S}/s",
            "users": setting.users,
            "devices": setting.devices,
            **(
                {"absolute_timeout": f"{setting.absolute_timeout_s * 1000:.0f}ms"}
                if setting.absolute_timeout_s
                else {}
            ),
            "mix": {name: weight for name, weight in setting.mix.items() if weight},
            **(
                {"options": {name: dict(each) for name, each in setting.options.items()}}
                if setting.options
                else {}
            ),
        },
        "faults": [],
        "audit_expiry": bool(setting.absolute_timeout_s),
        "expect": {},
    }


def plan_of(scenario: Mapping[str, Any], *, seed: int, directory: Path) -> Plan:
    """Written down and read back, as if somebody had typed it."""
    file = directory / "scenario.yaml"
    file.write_text(yaml.safe_dump(scenario, sort_keys=False), encoding="utf-8")
    machine = Machine(backend=BackendKind.PROCESS, network_faults=False)
    ground = Ground(backend=BackendKind.PROCESS, image=None, machine=machine, said="")
    [read] = selection.load([file], suite=None, overrides=(), deployment=None)
    [plan] = compile_all([read], seed=seed, ground=ground)
    history.write_plan(directory, plan)
    return plan


def run(bug: type[Bug], seed: int, *, topology: Topology, directory: Path) -> Seeded:
    """One seeded run in `directory`, on a node that nobody else uses."""
    directory.mkdir(parents=True)
    plan = plan_of(scenario_of(bug.setting(seed)), seed=seed, directory=directory)
    clock = RunClock()
    recorder = history.Recorder(directory, clock, secrets=topology.secrets)
    committed: list[Bug] = []
    closing = Closing(t_us=0, interrupted=True, reason="the selftest failed")
    try:
        evictions = enable_eviction_events(topology)
        recorder.record(opening_of(plan, topology, clock, evictions=evictions))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            closing = runner.run(_drive(bug, plan, topology, recorder, clock, evictions, committed))
    finally:
        recorder.close(closing)
    judgement = judge_folder(directory).judgement
    assert judgement is not None
    mischief = committed[0]
    past = history.read(directory)
    explained = [one for one in judgement.findings if mischief.explains(past, one)]
    bitten = mischief.has_bitten(past)
    return held_against(
        bug.name, seed, mischief.deeds, judgement.findings, bitten=bitten, explained=explained
    )


def opening_of(plan: Plan, topology: Topology, clock: RunClock, *, evictions: bool) -> Opening:
    return Opening(
        format=history.FORMAT,
        run="selftest",
        scenario=plan.scenario.name,
        seed=plan.seed,
        backend=plan.backend,
        engine=topology.engine,
        client="redis-py asyncio",
        timing=plan.scenario.deployment.timing,
        started_wall_us=clock.started_wall_us,
        loopback=topology.loopback,
        eviction_events=evictions,
    )


def held_against(
    name: str,
    seed: int,
    deeds: Sequence[Deed],
    findings: Sequence[Finding],
    *,
    bitten: bool,
    explained: Sequence[Finding] = (),
) -> Seeded:
    """What the kit said, beside what was done. `explained`: what others met without any bug."""
    victims = {deed.session for deed in deeds}
    about = {session: [one for one in findings if one.session == session] for session in victims}
    right = [one for deed in deeds for one in about[deed.session] if one.name in deed.names]
    return Seeded(
        bug=name,
        seed=seed,
        bit=bitten,
        found=all(about[deed.session] or not deed.names for deed in deeds),
        named=all(_rightly_named(deed, about[deed.session]) for deed in deeds),
        caused=all(_right_cause(deed, about[deed.session]) for deed in deeds),
        cause=", ".join(sorted({str(one.cause) for one in right})),
        called=tuple(
            f"{one.name} ({one.cause}): {one.sentence}" for found in about.values() for one in found
        ),
        false_alarms=tuple(
            f"{one.name}: {one.sentence}"
            for one in findings
            if one.session not in victims and one not in explained
        ),
        did=tuple(f"session {deed.session[:8]}: {deed.did}" for deed in deeds),
    )


def _rightly_named(deed: Deed, about: Sequence[Finding]) -> bool:
    right = [one for one in about if one.name in deed.names]
    told = deed.operation is None or any(deed.operation in one.operations for one in right)
    return bool(right or not deed.names) and told and all(one.name in deed.names | deed.also for one in about)


def _right_cause(deed: Deed, about: Sequence[Finding]) -> bool:
    return all(one.cause is deed.cause for one in about)


async def _drive(  # noqa: PLR0917 - what one run is made of
    bug: type[Bug],
    plan: Plan,
    topology: Topology,
    recorder: history.Recorder,
    clock: RunClock,
    evictions: bool,
    committed: list[Bug],
) -> Closing:
    at = topology.address(NODE)
    node = redis.asyncio.Redis(
        host=at.host, port=at.port, password=topology.secrets.redis, decode_responses=True
    )
    await node.flushall()
    await node.config_resetstat()
    mischief = bug(plan.seed, node, clock.now_us)
    committed.append(mischief)
    async with Proxy(at, mischief) as proxy:
        engine = LoadEngine(plan, Behind(topology, proxy), recorder.record, clock)

        def enter(phase: Phase) -> None:
            engine.set_phase(phase)
            recorder.record(PhaseChange(phase=phase, t_us=clock.now_us()))

        async with Observers(
            plan,
            Beyond(topology),
            recorder.record,
            clock,
            acked_since=engine.acked_since,
            last_acked_us=engine.last_acked_us,
            sessions=engine.sessions,
            unanswered=engine.unanswered,
            eviction_events=evictions,
        ) as observers:
            try:
                enter(Phase.SEED)
                await engine.seed()
                enter(Phase.BASELINE)
                await _load(engine, mischief)
                enter(Phase.AUDIT)
                await engine.close()
                await observers.settle()
                await observers.audit(engine.sessions(), engine.objects())
            finally:
                await engine.close()
    await node.aclose()
    return Closing(t_us=clock.now_us(), operations=engine.operations, peaks=engine.peaks())


async def _load(engine: LoadEngine, mischief: Bug) -> None:
    finished = asyncio.Event()
    load = asyncio.create_task(engine.drive(finished))
    warm_s = mischief.dice.uniform(*WARM_S)
    try:
        await asyncio.sleep(warm_s)
        mischief.armed = True
        await asyncio.sleep(LOAD_S - warm_s)
        for _ in range(round(mischief.more_s / APART_S)):
            if not mischief.waiting:
                break
            await asyncio.sleep(APART_S)
    finally:
        finished.set()
        await load
        await mischief.finish()


@dataclass(frozen=True)
class Behind:
    """A topology whose one node is reached through the proxy; anything else is asked of itself."""

    topology: Topology
    proxy: Proxy

    def __getattr__(self, name: str) -> Any:
        return getattr(self.topology, name)

    def address(self, node: str) -> Address:
        return self.proxy.address if node == NODE else self.topology.address(node)

    def node_at(self, host: str, port: int) -> str | None:
        return NODE if Address(host, port) == self.proxy.address else self.topology.node_at(host, port)


@dataclass(frozen=True)
class Beyond:
    """The same for the observers, who go past the proxy: to the node, web servers are where it stands."""

    topology: Topology

    def __getattr__(self, name: str) -> Any:
        return getattr(self.topology, name)

    def source(self, web_server: str) -> Source:
        return Source(host=FAR)
