"""`slow readers`: clients ask for much and read nothing, so their replies pile up in the node's memory.

Such buffers count towards `maxmemory`: a node evicts sessions for the sake of replies that nobody reads.
`client-output-buffer-limit` for normal clients has no limit by default.

Effect: the node lists the bytes that wait for these connections.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from harness.clock import WaitExpired, wait_until
from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.kept import keeping, let_go
from harness.faults.moment import noted
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait
from harness.redis_wire import clients
from harness.redis_wire.blocking import Connection

READERS_MOST = 100
_MOST_BYTES = 1_000_000_000
"""Buffers know no limit, `maxmemory` neither: more could take all the memory of the machine."""
_ONE_REPLY_BYTES = 256 * 1024
_WITHIN_S = 10.0
_KERNEL_BYTES = 4 * 1024 * 1024
"""So much may lie in the kernel's own buffers of a connection, where the node does not count it."""
_LEAST_S = 0.2


class SlowReaders:
    declaration = Declaration(
        name="slow readers",
        help="Clients that ask for much and read no reply: output buffers fill the node's memory.",
        targets=targets.DATA_NODES,
        options=(
            Option(name="readers", type=OptionType.COUNT, help="how many clients", default=5),
            Option(name="bytes", type=OptionType.SIZE, help="that wait for each of them", default=10_000_000),
        ),
        least_for_s=_LEAST_S,
        traits=(Trait.LASTS,),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        readers, wanted = int(step.options.get("readers", 5)), int(step.options.get("bytes", 10_000_000))
        if not 1 <= readers <= READERS_MOST:
            return f"readers: expected 1 to {READERS_MOST}, found {readers}"
        if readers * wanted > _MOST_BYTES:
            most, found = (f"{many / 1e6:.0f} MB" for many in (_MOST_BYTES, readers * wanted))
            return f"bytes: expected at most {most} for all readers together, found {found}"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        (node,) = targets.resolve(step.target, scene)
        readers, wanted = int(step.options.get("readers", 5)), int(step.options.get("bytes", 10_000_000))
        with keeping(step, scene) as kept, own_nodes.connect(scene, node, within_s=_WITHIN_S) as asking:
            before = int(asking.info("memory")["used_memory"])
            hoarding = [
                kept.enter_context(own_nodes.connect(scene, node, within_s=_WITHIN_S)) for _ in range(readers)
            ]
            ids = {str(one.call("CLIENT", "ID")) for one in hoarding}
            with noted(scene) as moment:
                for one in hoarding:
                    _ask_for(one, wanted + _KERNEL_BYTES)
                waiting = _await_buffers(asking, ids, wanted * readers)
            after = int(asking.info("memory")["used_memory"])
        return moment.effect(
            (node,),
            f"{waiting / 1e6:.1f} MB wait at {node} for {readers} clients that do not read; "
            f"memory {before / 1e6:.1f} -> {after / 1e6:.1f} MB",
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        let_go(step, scene)
        up = targets.running(effect.targets, scene)
        return f"clients gone; {', '.join(_used(node, scene) for node in up) or 'the node is down'}"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return bool(targets.running(effect.targets, scene))


def _ask_for(client: Connection, total_bytes: int) -> None:
    """Have the node say something back that many times; a small window leaves it in the node's memory."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    what = "x" * _ONE_REPLY_BYTES
    for _ in range(total_bytes // _ONE_REPLY_BYTES + 1):
        client.send("ECHO", what)


def _await_buffers(asking: Connection, ids: set[str], wanted_bytes: int) -> int:
    def waiting() -> int | None:
        listed = clients.listed(str(asking.call("CLIENT", "LIST")))
        found = sum(bytes_kept(one) for number, one in listed.items() if number in ids)
        return found if found >= wanted_bytes else None

    try:
        return wait_until(
            waiting,
            within_s=_WITHIN_S,
            waiting_for=f"{wanted_bytes} bytes to wait for clients that do not read",
        )
    except WaitExpired as expired:
        raise NoEffect(str(expired)) from expired


def bytes_kept(listed: Mapping[str, str]) -> int:
    """What waits for a client, by its line of CLIENT LIST. `omem` leaves out a reply that Valkey 9 keeps as a
    reference to the bytes of the request: these came in, were executed and did not go out."""
    came_in, went_out = int(listed.get("tot-net-in", 0)), int(listed.get("tot-net-out", 0))
    return max(int(listed["omem"]), came_in - int(listed.get("qbuf", 0)) - went_out)


def _used(node: str, scene: FaultScene) -> str:
    with own_nodes.connect(scene, node) as connection:
        return f"{node} uses {int(connection.info('memory')['used_memory']) / 1e6:.1f} MB"
