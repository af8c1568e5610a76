"""`disconnect clients`: CLIENT KILL, as an operator types it to get rid of old connections.

Everybody finds a connection closed at the same moment, so everybody connects again at the same moment. The
kit's own observers are clients like any others.

Effect: the connections that the node listed are not in its list any more, in one write with the command.
"""

from __future__ import annotations

from contextlib import suppress

from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.moment import noted
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine
from harness.redis_wire import clients
from harness.redis_wire.protocol import ErrorReply

_TYPES = {"clients": "normal", "subscribers": "pubsub", "replicas": "replica"}


class DisconnectClients:
    declaration = Declaration(
        name="disconnect clients",
        help="CLIENT KILL: close the connections of clients, of subscribers or of replicas.",
        targets=targets.DATA_NODES,
        options=(
            Option(
                name="of",
                type=OptionType.WORD,
                help="whose connections: of clients (sentinels are clients too), subscribers or replicas",
                default="clients",
                words=tuple(_TYPES),
            ),
        ),
        least_for_s=None,
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        if step.options.get("of") == "replicas" and not plan.inventory.replicas_of_a_shard:
            return "the deployment has no replicas"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        of = str(step.options.get("of", "clients"))
        with noted(scene) as moment:
            closed = {node: _disconnect(node, _TYPES[of], scene) for node in nodes}
        if not any(closed.values()):
            raise NoEffect(f"no connection of {of} was open at {', '.join(nodes)}")
        counts = ", ".join(f"{count} at {node}" for node, count in closed.items())
        return moment.effect(
            nodes,
            f"CLIENT KILL closed connections of {of}: {counts}",
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None


def _disconnect(node: str, kind: str, scene: FaultScene) -> int:
    """How many connections were open before and are not open after; the kit's own stay.

    Raises:
        NoEffect: one of them is still open.
    """
    listing = ("CLIENT", "LIST", "TYPE", kind)
    with own_nodes.connect(scene, node) as connection:
        mine = str(connection.call("CLIENT", "ID"))
        before = clients.listed(str(connection.call(*listing)))
        watching = {number for number, one in before.items() if one.get("name") == clients.OBSERVER}
        theirs = before.keys() - {mine} - watching
        if watching:
            for number in sorted(theirs):
                with suppress(ErrorReply):  # it has gone by itself
                    connection.call("CLIENT", "KILL", "ID", number)
        else:
            connection.call("CLIENT", "KILL", "TYPE", kind)
        after = clients.listed(str(connection.call(*listing)))
    if left := theirs & after.keys():
        raise NoEffect(f"{node} still has {len(left)} of {len(theirs)} connections after CLIENT KILL")
    return len(theirs)
