"""A topology held without a load, for reproducing by hand: `up`, `status`, `inject`, `down`.

`up` starts a scenario's topology and lets it live on; the other verbs find it again by its run's id.
What a held topology needs to be found lies in the backend's own records, not here.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Event as Flag
from typing import TextIO

from harness.clock import RunClock
from harness.errors import EnvironmentFailure, NoEffect, UsageError
from harness.faults import FAULTS
from harness.faults.director import WITHOUT_EFFECT, Director
from harness.kit_files import command as kit_command
from harness.model.credentials import client_login, kit_login, sentinel_login
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.records import Event, Record
from harness.model.scenario import FaultStep, Scenario
from harness.model.seams import FaultScene, HeldTopology, Login, Topology
from harness.model.words import Trait
from harness.observe import Observers
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.running.ground import Ground
from harness.safe_files import make_folder
from harness.topology.backends import backend_of, every_backend
from harness.topology.base.control import role


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    attach: Callable[[], HeldTopology]
    beside: Callable[[Sequence[str]], list[str] | None] = lambda _: None
    """The command that starts another one where this topology can be looked at; None: here is right."""
    way_in: Callable[[], str] = lambda: ""


def up(plan: Plan, ground: Ground, out: Path, stream: TextIO) -> int:
    """Start the plan's topology and hold it."""
    if plan.skip is not None:
        raise UsageError(f"up: {plan.scenario.name}: {plan.skip}")
    backend = backend_of(ground.backend)
    backend.enter()  # may start this command again, where nodes can be made
    run = secrets.token_hex(3)
    directory = out / f"held-{run}"
    make_folder(directory)
    started = backend.up(plan, run=run, directory=directory, image=ground.image_of(plan), to_hold=True)
    with started as topology:
        record = topology.hold()
        print(f"held as {record.stem}, {topology.engine} ({ground.said}); files in {directory}", file=stream)
        _describe(topology, stream)
        print(_snippet(topology), file=stream)
        _tell_way_in(backend.way_in(record), stream)
    print(f"next: failover-kit status | inject 'kill: primary' | down {record.stem}", file=stream)
    return 0


def status(run: str | None, stream: TextIO) -> int:
    """Nodes, roles and ready-made commands of a held topology (of each, when none is named)."""
    chosen = [_one(run)] if run is not None else _all()
    if not chosen:
        print("no topology is held; start a topology with: failover-kit up NAME", file=stream)
    worst = 0
    for found in chosen:
        asked = kit_command("harness", "status", found.name)
        if len(chosen) > 1 and (elsewhere := found.beside(asked)) is not None:
            stream.flush()
            subprocess.run(elsewhere, check=False)
            continue
        try:
            _status(found, stream)
        except EnvironmentFailure as problem:  # the others are told all the same
            print(
                f"{found.name}: {problem}; to remove what is left of it: failover-kit down {found.name}",
                file=stream,
            )
            worst = EnvironmentFailure.exit_code
    return worst


def _status(found: _Found, stream: TextIO) -> None:
    topology = found.attach()
    try:
        print(
            f"{found.name}: {topology.plan.scenario.deployment.topology.kind}, "
            f"{topology.engine or 'no node answers'}",
            file=stream,
        )
        _describe(topology, stream)
        _tell_way_in(found.way_in(), stream)
    finally:
        topology.let_go()


def down(run: str | None, stream: TextIO) -> int:
    """Stop a held topology; its folder stays."""
    found = _one(run)
    found.attach().close()
    print(f"{found.name} is down", file=stream)
    return 0


def inject(step: Callable[[Scenario], FaultStep], run: str | None, stream: TextIO) -> int:
    """Do one fault to a held topology, say what proved it, and leave it unhealed unless it has `for:`.

    Returns 3 where no effect was seen.

    Raises:
        UsageError: no such fault, or one that nothing could undo later.
    """
    found = _one(run)
    topology = found.attach()
    try:
        wanted = step(topology.plan.scenario)
        if _mended_only_by_time(wanted) and wanted.hold_s is None:
            raise UsageError(
                f"inject: {wanted.kind}: expected how long, as nothing else would heal it; found no `for:`: "
                f"write '{wanted.kind}: {wanted.target}, for: 10s'"
            )
        return asyncio.run(_inject(topology, wanted, stream))
    finally:
        topology.let_go()


def _mended_only_by_time(step: FaultStep) -> bool:
    """`resume: paused` undoes what froze a process; nothing undoes a cut."""
    return Trait.LASTS in step.traits and Trait.FREEZES_PROCESS not in step.traits


async def _inject(topology: HeldTopology, step: FaultStep, stream: TextIO) -> int:
    clock = RunClock()
    plan = replace(topology.plan, scenario=replace(topology.plan.scenario, faults=(step,)))

    def tell(record: Record) -> None:
        if isinstance(record, Event) and record.fault is not None:
            print(f"{record.name}: {record.detail}", file=stream, flush=True)

    async with Observers(plan, topology, tell, clock) as observers:
        scene = FaultScene(
            plan=plan,
            topology=topology,
            observed=observers.observed,
            web_servers=NoWebServers("inject: {}: a held topology has no web servers; expected a node"),
            record=observers.record,
            resolved={0: tuple(node.name for node in plan.nodes)},  # whoever is down was `killed`
            random=random.Random().random,
        )
        if step.hold_s is None:
            return await asyncio.to_thread(_do, step, scene, stream)
        stop = Flag()
        try:
            report = await asyncio.to_thread(Director(plan, scene).run, stop)
        except asyncio.CancelledError:  # Ctrl-C: the thread heals, and the loop waits for it
            stop.set()
            raise
    return NoEffect.exit_code if report.without_effect else 0


def _do(step: FaultStep, scene: FaultScene, stream: TextIO) -> int:
    """A fault that stays: nobody waits for its end, and nobody heals it."""
    try:
        effect = FAULTS[step.kind].inject(step, scene)
    except WITHOUT_EFFECT as nothing:
        print(f"no effect: {nothing}", file=stream)
        return NoEffect.exit_code
    print(f"effect: {effect.proof}", file=stream)
    return 0


class NoWebServers:
    """For faults on nodes that the kit sends no load to. `refusal`: with {} for the name of the target."""

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal

    def kill_web_server(self, name: str) -> str:
        raise UsageError(self._refusal.format(repr(name)))

    def start_web_server(self, name: str) -> None:
        raise UsageError(self._refusal.format(repr(name)))


def _all() -> list[_Found]:
    return [
        _Found(
            path.stem,
            partial(backend.attach, path),
            partial(backend.beside, path),
            partial(backend.way_in, path),
        )
        for backend in every_backend()
        if backend.unavailable() is None
        for path in backend.held()
    ]


def _one(run: str | None) -> _Found:
    known = _all()
    matching = [found for found in known if run is None or run in found.name]
    if len(matching) != 1:
        names = ", ".join(found.name for found in known) or "none"
        wanted = "one held topology" if run is None else f"one held topology called {run!r}"
        advice = "name one with --run" if known else "start one with: failover-kit up NAME"
        raise UsageError(f"expected {wanted}, found {names}; {advice}")
    return matching[0]


def _describe(topology: Topology, stream: TextIO) -> None:
    for node in topology.plan.nodes:
        address, state = topology.address(node.name), topology.state(node.name)
        condition = "paused" if state.paused else "running" if state.running else "down"
        login = kit_login(topology.plan, node.name, topology.secrets)
        user = f" --user {login.user}" if login.user else ""
        said = _role(topology, node) if condition == "running" else ""
        print(
            f"  {node.name:<12} {condition:<8} {said:<9} "
            f"REDISCLI_AUTH={login.password} redis-cli{user} -h {address.host} -p {address.port}",
            file=stream,
        )


def _tell_way_in(command: str, stream: TextIO) -> None:
    if command:
        print(
            f"  these addresses exist only inside its network: put this command before redis-cli: {command}",
            file=stream,
        )


def _role(topology: Topology, node: NodePlan) -> str:
    """What the node says of itself now, in this kit's words."""
    try:
        return str(role(topology, node.name) or "")
    except (NoAnswer, ErrorReply):
        return "silent"


def _snippet(topology: Topology) -> str:
    """Lines of Python that connect as an application would."""
    plan = topology.plan
    known = _arguments(sentinel_login(plan, topology.secrets))
    login = _arguments(client_login(plan, topology.secrets))
    sentinels = [topology.address(node.name) for node in plan.sentinels()]
    if sentinels:
        hosts = ", ".join(f"({one.host!r}, {one.port})" for one in sentinels)
        return (
            "  from redis.sentinel import Sentinel\n"
            f"  sentinel = Sentinel([{hosts}], sentinel_kwargs=dict({known.removeprefix(', ')}))\n"
            f"  primary = sentinel.master_for({topology.service!r}{login})"
        )
    first = topology.address(plan.data_nodes()[0].name)
    client = "RedisCluster" if plan.inventory.clustered else "Redis"
    return f"  import redis; redis.{client}(host={first.host!r}, port={first.port}{login})"


def _arguments(login: Login) -> str:
    """How redis-py is told."""
    user = f", username={login.user!r}" if login.user else ""
    return f"{user}, password={login.password!r}" if login.password else user
