"""The toy under the kit's load for a moment: what was recorded, as a history of a run without a fault.

The nodes of that history are made up, and well all the time: whatever is found, the toy has done.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.clock import RunClock
from harness.guests.fleet import GuestFleet
from harness.model.deployment import TopologySpec
from harness.model.history import History
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.records import (
    AuditEntry,
    AuditSummary,
    ClockPair,
    Closing,
    Event,
    NodeSample,
    Operation,
    PhaseChange,
    Record,
)
from harness.model.scenario import Workload
from harness.model.seams import Address, Topology
from harness.model.words import NodeRole, Outcome, Phase, TopologyKind
from harness.running.guest_servers import at_address
from harness.scenario import load_guest
from harness.sessions.engine import LoadEngine
from harness.topology.process.web_process import WebProcess
from lab.plans import plan_of, scenario_of
from lab.records import opening

GUEST = Path(__file__).parent / "guest.yaml"
NODE = "redis-1"
MIX = {"log-in": 15.0, "read": 50.0, "change-field": 15.0, "cart": 15.0, "logout": 15.0}
WEB = "web-1"
OWN = 3
"""Connections of the kit."""
AUDITED_WITHIN_S = 60.0
SHUT_FOR_S = 2.0
CHANCES, LATEST_S = 150, 60.0
"""Requests that are answered as promised, and how long is waited for them at most."""


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def history_of(
    bug: str,
    port: int,
    folder: Path,
    *,
    seconds: float,
    rate_per_s: float = 60.0,
    patience_s: float | None = None,
) -> History:
    """Start the toy with a bug ("": none), drive it, ask at its front door, end it. `patience_s`: of the
    browsers, instead of the guest file's."""
    plan = _plan(rate_per_s, patience_s)
    clock, written = RunClock(), list[Record]()
    store = Store(clock.now_us)
    process = WebProcess(
        WEB,
        Address("127.0.0.1", port),
        namespace=None,
        log=folder / "toy.log",
        note=lambda *_: None,
    )
    try:
        asyncio.run(_driven(plan, process, written, clock, store, bug, seconds))
    finally:
        process.end()
    return _history(plan, written, store, clock.now_us())


def _plan(rate_per_s: float, patience_s: float | None) -> Plan:
    workload = Workload(web_servers=1, rate_per_s=rate_per_s, users=20, mix=MIX, witnesses=False)
    scenario = scenario_of(TopologySpec(kind=TopologyKind.SINGLE), workload=workload)
    guest = load_guest(GUEST)
    guest = guest if patience_s is None else replace(guest, timeout_s=patience_s)
    deployment = replace(scenario.deployment, guest=guest)
    node = NodePlan(name=NODE, role=NodeRole.PRIMARY)
    wait_s = guest.longest_wait_s
    return plan_of(replace(scenario, deployment=deployment), (node,), actors=60, longest_client_wait_s=wait_s)


async def _driven(  # noqa: PLR0917 - all that one run is made of
    plan: Plan,
    process: WebProcess,
    written: list[Record],
    clock: RunClock,
    store: Store,
    bug: str,
    seconds: float,
) -> None:
    guest = plan.scenario.deployment.guest
    assert guest is not None
    door = await asyncio.start_server(store.serve, "127.0.0.1", 0)
    fleet = GuestFleet(
        guest,
        {WEB: process},
        environment={"BUG": bug, "STORE_PORT": str(door.sockets[0].getsockname()[1])},
        fill=at_address,
        record=written.append,
        clock=clock,
        shut_for_s=SHUT_FOR_S,
    )
    nodes: Any = None
    topology: Topology = nodes
    engine = LoadEngine(plan, topology, written.append, clock, fleet)

    def enter(phase: Phase) -> None:
        engine.set_phase(phase)
        written.append(PhaseChange(phase=phase, t_us=clock.now_us()))

    enter(Phase.SEED)
    try:
        await engine.seed()
        enter(Phase.BASELINE)
        finished = asyncio.Event()
        ending = asyncio.create_task(_end_after(seconds, written, finished, process))
        await engine.drive(finished)
        await ending
        enter(Phase.AUDIT)
        await engine.audit(within_s=AUDITED_WITHIN_S)
    finally:
        await engine.close()
        door.close()


async def _end_after(
    seconds: float, written: list[Record], finished: asyncio.Event, process: WebProcess
) -> None:
    """Not before every bug had its chances, however slow the machine is; whoever has died has no more."""
    await asyncio.sleep(seconds)
    for _ in range(round(LATEST_S / 0.1)):
        served = sum(isinstance(one, Operation) and one.outcome is Outcome.ACKED for one in written)
        if served >= CHANCES or not process.running:
            break
        await asyncio.sleep(0.1)
    finished.set()


class Store:
    """What stands for Redis: nothing is kept there, but who is connected is counted."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._open = 0
        self._counted = [(0, 0)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._change(1)
        await reader.read()
        self._change(-1)
        writer.close()

    def open_at(self, t_us: int) -> int:
        """How many connections were open then."""
        return [many for at_us, many in self._counted if at_us <= t_us][-1]

    def _change(self, by: int) -> None:
        self._open += by
        self._counted.append((self._now_us(), self._open))


def _history(plan: Plan, written: list[Record], store: Store, end_us: int) -> History:
    def of(kind: type[Any]) -> tuple[Any, ...]:
        return tuple(one for one in written if isinstance(one, kind))

    seconds = range(0, end_us + 1_000_000, 100_000)
    return History(
        plan=plan,
        opening=opening("the toy"),
        operations=tuple(sorted(of(Operation), key=lambda one: one.id)),
        events=of(Event),
        phases=of(PhaseChange),
        audit=of(AuditEntry),
        audit_summary=next(iter(of(AuditSummary)), None),
        samples=tuple(
            NodeSample(
                node=NODE,
                sent_us=at,
                done_us=at + 500,
                run_id="life",
                role=str(NodeRole.PRIMARY),
                clients=OWN + store.open_at(at),
            )
            for at in seconds
        ),
        clocks=tuple(ClockPair(t_us=at, wall_us=at) for at in seconds if at % 1_000_000 == 0),
        closing=Closing(t_us=end_us),
    )
