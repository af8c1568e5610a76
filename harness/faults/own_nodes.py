"""Never somebody else's Redis: who is it that answers, before anything is destroyed.

Every fault that sends a command opens its connection with `connect`, and every fault that touches a
process asks `check` first. A node is ours when it takes this run's random password and its own
process id is the process that the topology started under that name. Where the backend cannot see
pids, its run_id must be the one that the observers see under that name.

Trap: in a container a server knows its pid in there, the topology the pid out here; the kernel lists
both in /proc/<pid>/status (NSpid).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, NoEffect
from harness.model.credentials import kit_login
from harness.model.seams import FaultScene
from harness.model.words import NodeRole
from harness.redis_wire import blocking
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import NoAnswer

REPLY_WITHIN_S = 2.0

_VIEW_CATCHES_UP_S = 10.0
"""Observers sample every 50-100 ms. On a busy machine they knew a node that was restarted just now after more
than a second. Nothing is touched meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    node: str
    run_id: str
    pid: int
    """As the server itself knows it: inside its container, if it runs in one."""

    def __str__(self) -> str:
        return f"{self.node} (run {self.run_id[:8]})"


def connect(
    scene: FaultScene, node: str, *, database: int = 0, within_s: float = REPLY_WITHIN_S
) -> Connection:
    """A connection to a node that has proved to be this run's own. `within_s` is for each step.

    Raises:
        NoAnswer: it does not answer.
        ErrorReply: it does not take this run's password.
        EnvironmentFailure: whoever answers there is not a node of this run.
    """
    connection = blocking.connect(
        scene.topology.address(node),
        scene.topology.observer(),
        who=node,
        secret=kit_login(scene.plan, node, scene.topology.secrets),
        within_s=within_s,
    )
    try:
        identify(connection, scene, node)
        if database:
            connection.call("SELECT", database)
    except BaseException:
        connection.close()
        raise
    return connection


def identify(connection: Connection, scene: FaultScene, node: str) -> Identity:
    """Compare the server at the other end with what the topology started as `node`."""
    server = connection.info("server")
    found = Identity(node=node, run_id=server["run_id"], pid=int(server["process_id"]))
    started = scene.topology.state(node).pid
    known = _pids_by_namespace(started) if started is not None else ()
    if known:
        if found.pid not in known:
            raise _stranger(scene, node, f"process {found.pid}", f"process {started}")
    elif _role(scene, node) is not NodeRole.SENTINEL:
        _compare_run_ids(scene, found)
    return found


def check(scene: FaultScene, node: str) -> str:
    """Before a process is killed, stopped or paused: it runs, and it is ours. Returns who it is.

    A node that is up but silent (paused, swamped) cannot be asked; then the topology's own handle
    on the process has to do, and the words say so.

    Raises:
        NoEffect: it is down already.
        EnvironmentFailure: another process answers at its address.
    """
    state = scene.topology.state(node)
    if not state.running:
        ended = "" if state.exit_code is None else f" (exit code {state.exit_code})"
        raise NoEffect(f"{node} is already down{ended}; the fault has nothing to act on")
    if state.paused:
        return f"{node} (paused, known by its process {state.pid})"
    if not speaks(scene, node):
        return f"{node} (process {state.pid})"
    try:
        with connect(scene, node) as connection:
            return str(identify(connection, scene, node))
    except NoAnswer:
        return f"{node} (silent, known by its process {state.pid})"


def speaks(scene: FaultScene, node: str) -> bool:
    """Whether it is Redis or Sentinel: what else a project runs is known by its container alone."""
    return scene.plan.node(node).holds_data or _role(scene, node) is NodeRole.SENTINEL


def _role(scene: FaultScene, node: str) -> NodeRole:
    return scene.plan.node(node).role


def _pids_by_namespace(pid: int) -> tuple[int, ...]:
    """The process' ids, outermost first; just its own where /proc does not say."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return (pid,)
    line = next((line for line in status.splitlines() if line.startswith("NSpid:")), f"NSpid: {pid}")
    return tuple(int(number) for number in line.split()[1:])


def _compare_run_ids(scene: FaultScene, found: Identity) -> None:
    def seen() -> str | None:
        view = scene.observed.views().get(found.node)
        return view.run_id if view is not None else None

    try:
        wait_until(lambda: seen() == found.run_id, within_s=_VIEW_CATCHES_UP_S, waiting_for="the same run_id")
    except WaitExpired as expired:
        raise _stranger(scene, found.node, f"run_id {found.run_id}", f"run_id {seen()!r}") from expired


def _stranger(scene: FaultScene, node: str, found: str, expected: str) -> EnvironmentFailure:
    address = scene.topology.address(node)
    return EnvironmentFailure(
        f"{address.host}:{address.port} should be {node} with {expected}, but {found} answers there; "
        "the kit did not touch it. Check which other program uses that address on this machine"
    )
