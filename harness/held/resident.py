"""The process that watches the nodes of a held topology and serves the control interface.

`harness.held.resident RECORD DESCRIPTOR`: the record of the topology, the listening socket. Started by
`residence`. It ends when the topology is taken down, or when whoever keeps it is gone.

What it says goes to control.log in the topology's folder: when each fault took effect, what nodes did.
Trap: an earlier resident may have died while faults were in effect. Nobody could heal those any more, so it
is done first: links, nodes that are paused or down, what stands in the place of a snapshot, and what a fault
did by a command (CONFIG SET, CLIENT PAUSE), which it had written down before it did so.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from harness.clock import RunClock, WaitExpired, wait_until
from harness.control.live import Live
from harness.control.scene import scene_without_load
from harness.control.server import Control
from harness.control.told import Told
from harness.errors import EnvironmentFailure, KitError
from harness.faults.director import Director
from harness.held import residence, undo_record
from harness.held.residence import Residence
from harness.held.undo_record import Noted, UndoRecord
from harness.model.seams import Backend, Fillable, HeldTopology, Machine, NodeCommand, Spoilable
from harness.observe import Observers
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.running.vocabulary import shipped
from harness.topology.backends import every_backend
from harness.topology.base.control import command
from harness.topology.base.processes import this_process

LOG = "control.log"

_LOOK_EVERY_S = 1.0
_UNDONE_WITHIN_S = 15.0
"""A node that a script keeps busy takes no command before `busy-reply-threshold` (5 s)."""


def main(arguments: list[str]) -> int:
    record, descriptor = Path(arguments[0]), int(arguments[1])
    try:
        backend = _backend_of(record)
        topology = backend.attach(record)
        _log_into(topology.directory)
        with Control(socket.socket(fileno=descriptor)) as control:
            asyncio.run(_serve(record, backend, topology, control))
    except KitError as problem:
        print(problem, file=sys.stderr, flush=True)
        return problem.exit_code
    except KeyboardInterrupt:
        pass
    return 0


def _backend_of(record: Path) -> Backend:
    for backend in every_backend():
        if record in backend.held():
            return backend
    raise EnvironmentFailure(f"{record.stem}: expected a held topology, found none")


def _log_into(directory: Path) -> None:
    """From now on nobody reads what this process says."""
    log = os.open(directory / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)


async def _serve(record: Path, backend: Backend, topology: HeldTopology, control: Control) -> None:
    clock = RunClock()
    told = Told(clock, _say)
    machine = _machine(backend, topology)
    left = undo_record.left(record)
    for line in await asyncio.to_thread(undo_what_another_left, topology, machine, left):
        told.line(line)
    undo_record.remove(record)
    undo = UndoRecord(record)
    async with Observers(topology.plan, topology, told.notice, clock) as observers:
        scene = scene_without_load(
            topology.plan, topology, observers, instead="held nodes have no web servers beside them"
        )
        scene = replace(scene, note_undo=undo.note, forget_undo=undo.forget)
        director = Director(topology.plan, scene)
        live = Live(
            topology.plan,
            topology,
            run=record.stem,
            machine=machine,
            vocabulary=shipped(),
            observers=observers,
            director=director,
            clock=clock,
        )
        attending = asyncio.create_task(asyncio.to_thread(director.attend, threading.Event()))
        async with control.served(live):
            here = Residence(process=this_process(), url=control.url, token=control.token)
            residence.write(record, here)
            told.line(f"{record.stem}: {topology.engine}; control interface at {control.url}")
            while record in backend.held() and not attending.done():  # noqa: ASYNC110  no event says it
                await asyncio.sleep(_LOOK_EVERY_S)
            residence.forget(record, here)
            told.line(f"{record.stem} is held no longer: this process ends")
            # Nothing is left to heal, and a fault that waits for its start would keep a thread for hours.
            os._exit(0)


def undo_what_another_left(
    topology: HeldTopology, machine: Machine, noted: Sequence[Noted] = ()
) -> list[str]:
    """Returns what was done, one line each. A node that does not start stays down."""
    done = []
    for fault in topology.cutting():
        topology.mend(by=fault)
        done.append(f"links that fault {fault} of an earlier control process had cut are mended")
    nodes = [one.name for one in topology.plan.nodes]
    for node in nodes:
        done += _said(node, partial(_let_go_on, node, topology, machine))
    # Before nodes start: one that was down has read its own file, and nothing of a command is left in it.
    for fault_noted in noted:
        done += _taken_back(fault_noted, topology)
    for node in nodes:
        done += _said(node, partial(_run_again, node, topology))
    return done


def _said(node: str, act: Callable[[], list[str]]) -> list[str]:
    try:
        return act()
    except EnvironmentFailure as problem:
        return [f"{node}: {problem}"]


def _let_go_on(node: str, topology: HeldTopology, machine: Machine) -> list[str]:
    resumed = topology.state(node).paused
    if resumed:
        topology.resume(node)
    if isinstance(topology, Spoilable) and not machine.own_containers and topology.plan.node(node).holds_data:
        topology.clear(node)
    if (
        isinstance(topology, Fillable)
        and not machine.why_no_full_volume
        and topology.plan.node(node).holds_data
    ):
        topology.allow_writes(node)
    return [f"{node} was paused by an earlier control process: it goes on"] if resumed else []


def _run_again(node: str, topology: HeldTopology) -> list[str]:
    if topology.state(node).running:
        return []
    topology.start(node)
    return [f"{node} was down when an earlier control process ended: it runs again"]


def _taken_back(noted: Noted, topology: HeldTopology) -> list[str]:
    """A fault without commands left nothing behind that a command takes back."""
    return [
        f"`{noted.said}` of an earlier control process: {one.node}: {' '.join(one.words)}: "
        f"{_carried_out(one, topology)}"
        for one in noted.commands
        if topology.state(one.node).running
    ]


def _carried_out(undo: NodeCommand, topology: HeldTopology) -> str:
    """What the node said; one that is kept busy is asked again for a while."""

    def replied() -> str | None:
        try:
            return str(command(topology, undo.node, *undo.words))
        except ErrorReply as refused:
            return refused.text
        except NoAnswer:
            return None

    try:
        return wait_until(replied, within_s=_UNDONE_WITHIN_S, waiting_for=f"{undo.node} to answer")
    except WaitExpired as expired:
        return str(expired)


def _machine(backend: Backend, topology: HeldTopology) -> Machine:
    machine = backend.machine(beside_command=True)
    if topology.loopback and machine.network_faults:
        return machine.on_loopback("these nodes were started on this machine's loopback address")
    return machine


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
