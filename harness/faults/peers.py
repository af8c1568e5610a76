"""Those whom a node talks to, by groups: `from: clients`, `from: sentinels`.

`fits` asks at planning whether there are any; `resolve` says who they are when the fault begins, because who
replicates from whom changes.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.faults import targets
from harness.model.links import Way
from harness.model.plan import Plan
from harness.model.scenario import FaultStep, Option, OptionType
from harness.model.seams import FaultScene

CLIENTS, REPLICAS, SENTINELS, NODES, EVERYBODY = "clients", "replicas", "sentinels", "nodes", "everybody"
GROUPS = (CLIENTS, REPLICAS, SENTINELS, NODES, EVERYBODY)

WAYS = {"both": Way.BOTH, "in": Way.FROM, "out": Way.TO}
"""The words of `way:`, as seen from the target."""


def option(default: str) -> Option:
    """`from:`, for a fault's declaration."""
    return Option(
        name="from",
        type=OptionType.PEERS,
        help="clients, a web server, replicas, sentinels, nodes, or everybody",
        default=default,
        words=GROUPS,
    )


def way_of(step: FaultStep) -> Way:
    return WAYS[str(step.options.get("way", "both"))]


def fits(group: str, plan: Plan) -> str | None:
    """Why a plan has nobody of a group; None: it has. Pure."""
    if group == SENTINELS and not plan.sentinels():
        return "the deployment has no sentinels"
    if group == REPLICAS and not plan.inventory.replicas_of_a_shard:
        return "the deployment has no replicas"
    if group == NODES and len(plan.nodes) < 2:
        return "the deployment has one node only"
    if group not in GROUPS and group not in plan.web_servers:
        return f"there is no {group}, only {', '.join(plan.web_servers)}"
    return None


def resolve(group: str, nodes: Sequence[str], scene: FaultScene) -> tuple[str, ...]:
    """The members of a group as seen from these nodes, without themselves. `replicas`: every other data node
    of their shards, also one that is down now and may come back."""
    plan = scene.plan
    everyone = {
        CLIENTS: plan.web_servers,
        REPLICAS: _in_their_shards(nodes, scene),
        SENTINELS: tuple(node.name for node in plan.sentinels()),
        NODES: tuple(node.name for node in plan.nodes),
        EVERYBODY: (*(node.name for node in plan.nodes), *plan.web_servers),
    }.get(group, (group,))
    return tuple(name for name in everyone if name not in nodes)


def _in_their_shards(nodes: Sequence[str], scene: FaultScene) -> tuple[str, ...]:
    views = scene.observed.views()
    shards = dict.fromkeys(
        views[node].shard if node in views else scene.plan.node(node).shard for node in nodes
    )
    return tuple(name for shard in shards for name in targets.members(shard, scene))
