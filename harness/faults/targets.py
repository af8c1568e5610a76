"""Symbolic targets: what `primary`, `replica[lag=max]` or `killed` mean at the moment of injection.

`fits` asks at planning whether the plan has such a thing at all (pure); `resolve` finds the node or
web server then and there, from what the observers know. One word means one thing everywhere: on a
cluster `primary` is the primary of shard 1, on one node it is that node, and `cache` is whatever
instance holds the cache.

Trap: who led a failover is known only from its announcement, so `sentinel leader` is nobody before the first
election that the observers heard.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.errors import NoEffect
from harness.model.fit import LEFT_BY, missing_host
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.scenario import FaultStep
from harness.model.seams import FaultScene, NodeView
from harness.model.words import NodeRole, Trait

PRIMARIES = ("primary", "shard N primary")
REPLICAS = ("replica", "replica[lag=max]", "shard N replica")
SESSION_NODES = (*PRIMARIES, *REPLICAS, "all replicas", "random")
VOTERS = ("minority", "majority")
"""Of those who decide on a failover: sentinels, in a cluster the primaries."""
DATA_NODES = (*SESSION_NODES, "cache")
"""Whatever takes the commands of clients."""
SERVICE = "service NAME"
HOSTS = (
    "host of primary",
    "host of shard N primary",
    "host of replica",
    "host of sentinel",
    "host A",
    "zone A",
)
RUNNING = (
    *DATA_NODES,
    "another replica",
    "the old primary",
    "all nodes",
    "sentinel",
    "all sentinels",
    "sentinel leader",
    *VOTERS,
    "everything",
    SERVICE,
    *HOSTS,
)
"""Everything that runs from the start and can be killed, stopped or paused, but for proxies."""
APART = (
    *SESSION_NODES,
    "another replica",
    "the old primary",
    "sentinel",
    "all sentinels",
    "sentinel leader",
    *VOTERS,
    *HOSTS,
)
"""Whoever can be on one side of a partition while somebody is left on the other."""
PROXIES = ("proxy", "all proxies")
DOWN = ("killed", "one of killed")
"""What earlier faults took down."""
NOT_YET_RESTARTED = "not yet restarted"
"""The next node of a rolling restart."""


_OF_A_SERVICE = SERVICE.removesuffix("NAME")


@dataclass(frozen=True, slots=True)
class Target:
    """A target word, read. `what` is the word without its shard and its host."""

    what: str
    shard: int = 1
    host: str | None = None
    """Everybody on the host of that name, or, where it is empty, on that of `what`."""


def parse(word: str) -> Target:
    if word.startswith("host of "):
        return replace(parse(word.removeprefix("host of ")), host="")
    if found := re.fullmatch(r"(?:host|zone) (\S+)", word):
        return Target("host", host=found[1])
    if found := re.fullmatch(r"shard (\d+) (primary|replica)", word):
        return Target(found[2], int(found[1]))
    if re.fullmatch(r"web-\d+", word):
        return Target("web server")
    if word.startswith(_OF_A_SERVICE):
        return Target("service")
    return Target(word)


def session_nodes(plan: Plan, shard: int | None = None) -> tuple[NodePlan, ...]:
    """The data nodes that hold sessions; of one shard, or all."""
    return plan.inventory.session_nodes(shard)


def cache_node(plan: Plan) -> str | None:
    """The instance that holds the cache: one of its own, or in `shared` the only one."""
    holder = plan.inventory.cache
    return holder.name if holder else None


def fits(step: FaultStep, plan: Plan) -> str | None:
    """Why the plan has no such target; None: it has. Pure."""
    target = parse(step.target)
    if reason := missing_host(step.target, plan.inventory):
        return reason
    nodes = session_nodes(plan, target.shard)
    if not nodes:
        last = max(node.shard for node in session_nodes(plan))
        return f"there is no shard {target.shard}: sessions live on shard 1 to {last}"
    match target.what:
        case "replica" | "replica[lag=max]" | "all replicas" | "another replica":
            return None if len(nodes) > 1 else f"shard {target.shard} has no replicas"
        case "sentinel" | "all sentinels":
            return None if plan.sentinels() else "the deployment has no sentinels"
        case "sentinel leader" if not plan.sentinels():
            return "the deployment has no sentinels"
        case "minority" | "majority" as share:
            enough = len(_voters(plan)) >= (3 if share == "minority" else 1)
            return None if enough else f"there is no {share} of {len(_voters(plan))} voters"
        case "proxy" | "all proxies":
            return None if plan.inventory.proxies else "the deployment has no proxy"
        case "cache":
            return None if cache_node(plan) else "the deployment has no cache"
        case "web server":
            known = step.target in plan.web_servers
            return None if known else f"there is no {step.target}, only {', '.join(plan.web_servers)}"
        case "service":
            if plan.scenario.deployment.project is None:
                return f"{step.target}: only a Compose project has services"
            known = bool(_of_service(step.target, plan))
            return None if known else f"there is no {step.target}, only {', '.join(_names(plan))}"
        case word if word in LEFT_BY:
            left_by = LEFT_BY[word]
            return None if _earlier(step, plan, left_by) else f"no earlier fault {left_by}"
    return None


def _voters(plan: Plan) -> list[NodePlan]:
    """As many as vote; in a cluster each shard has one vote, whoever is its primary."""
    if plan.inventory.clustered:
        return [node for node in session_nodes(plan) if node.role is NodeRole.PRIMARY]
    return list(plan.sentinels())


def resolve(word: str, scene: FaultScene) -> tuple[str, ...]:
    """The nodes or the web server meant by `word` now, never empty.

    Raises:
        NoEffect: no node matches target that word now; says what was seen.
    """
    target = parse(word)
    if target.host is not None:
        return _on_host(target, word, scene)
    match target.what:
        case "primary":
            found: Sequence[str] = [_primary(target.shard, scene)]
        case "replica":
            found = _replicas(target.shard, scene)[:1]
        case "all replicas":
            found = _replicas(target.shard, scene)
        case "replica[lag=max]":
            found = _furthest_behind(target.shard, scene)
        case "sentinel":
            found = running([node.name for node in scene.plan.sentinels()], scene)[:1]
        case "all sentinels":
            found = running([node.name for node in scene.plan.sentinels()], scene)
        case "sentinel leader":
            found = running([name for name in (scene.observed.elected(),) if name], scene)
        case "minority" | "majority" as share:
            found = _share_of_voters(share, scene)
        case "another replica":
            found = [name for name in _replicas(target.shard, scene) if name not in _acted_on(scene)][:1]
        case "the old primary":
            found = _deposed(scene)[-1:]
        case "all nodes":
            found = running([node.name for node in session_nodes(scene.plan)], scene)
        case "everything":
            found = running([node.name for node in scene.plan.nodes], scene)
        case "not yet restarted":
            found = _next_to_restart(scene)
        case "proxy":
            found = running([node.name for node in scene.plan.inventory.proxies], scene)[:1]
        case "all proxies":
            found = running([node.name for node in scene.plan.inventory.proxies], scene)
        case "random":
            found = _random(scene)
        case "cache":
            found = [name for name in (cache_node(scene.plan),) if name]
        case "sessions":
            shards = sorted({node.shard for node in session_nodes(scene.plan)})
            found = [_primary(shard, scene) for shard in shards]
        case "service":
            found = running(_of_service(word, scene.plan), scene)
        case "killed":
            found = [name for name in _acted_on(scene) if not scene.topology.state(name).running]
        case "one of killed":
            found = [name for name in _acted_on(scene) if not scene.topology.state(name).running][:1]
        case "paused":
            found = [name for name in _acted_on(scene) if scene.topology.state(name).paused]
        case "web server":
            found = [name for name in scene.plan.web_servers if name == word]
        case _:  # a node by its name: only where a fault is asked for while nodes run
            found = [node.name for node in scene.plan.nodes if node.name == word]
    if not found:
        raise NoEffect(f"no node matches target `{word}`; last seen: {describe(scene)}")
    return tuple(found)


def _on_host(target: Target, word: str, scene: FaultScene) -> tuple[str, ...]:
    """Those that run on a host now, data nodes first: it is lost, or cut off, with all of them."""
    inventory = scene.plan.inventory
    if target.host:
        nodes = inventory.on(target.host)
    else:
        (struck, *_) = resolve(word.removeprefix("host of "), scene)
        nodes = inventory.beside(struck)
    found = running([node.name for node in nodes], scene)
    if not found:
        raise NoEffect(f"no node runs on `{word}`; last seen: {describe(scene)}")
    return tuple(found)


def describe(scene: FaultScene) -> str:
    """The data nodes as the observers know them now, one clause each."""
    views = scene.observed.views()
    seen = [
        f"{name} {view.role}{'' if view.reachable else ' (unreachable)'} at offset {view.offset}"
        for name, view in sorted(views.items())
    ]
    return ", ".join(seen) or "no node has been observed yet"


def members(shard: int, scene: FaultScene) -> list[str]:
    """The nodes that belong to a shard now, up or down; of those never seen the plan is believed."""
    views = scene.observed.views()
    return [
        node.name
        for node in session_nodes(scene.plan)
        if (views[node.name].shard if node.name in views else node.shard) == shard
    ]


def replicas_of(shard: int, scene: FaultScene) -> tuple[str, ...]:
    """Replicas of a shard as observed now, by name. Empty: none."""
    return tuple(view.name for view in _replica_views(shard, scene))


def _of_service(word: str, plan: Plan) -> list[str]:
    """The containers of a service: the one with its name, or those that are numbered."""
    numbered = re.compile(rf"{re.escape(word.removeprefix(_OF_A_SERVICE))}(-\d+)?")
    return [name for name in _names(plan) if numbered.fullmatch(name)]


def _names(plan: Plan) -> list[str]:
    return [node.name for node in plan.nodes]


def _earlier(step: FaultStep, plan: Plan, trait: Trait) -> bool:
    return any(trait in other.traits and other.number < step.number for other in plan.scenario.faults)


def _primary(shard: int, scene: FaultScene) -> str:
    nodes = session_nodes(scene.plan, shard)
    if len(nodes) == 1:
        return nodes[0].name
    primary = scene.observed.primary_of(shard)
    if primary is None:
        raise NoEffect(
            f"the nodes do not agree on the primary of shard {shard}; last seen: {describe(scene)}"
        )
    return primary


def _replica_views(shard: int, scene: FaultScene) -> list[NodeView]:
    primary = scene.observed.primary_of(shard)
    members = {node.name for node in session_nodes(scene.plan)}
    views = sorted(scene.observed.views().values(), key=lambda view: view.name)
    return [
        view
        for view in views
        if view.name in members
        and view.shard == shard
        and view.role == NodeRole.REPLICA
        and view.reachable
        and view.name != primary
    ]


def _replicas(shard: int, scene: FaultScene) -> list[str]:
    return running([view.name for view in _replica_views(shard, scene)], scene)


def _furthest_behind(shard: int, scene: FaultScene) -> list[str]:
    primary = scene.observed.views().get(_primary(shard, scene))
    acknowledged = primary.replica_offsets if primary is not None else {}
    views = _replica_views(shard, scene)
    views.sort(key=lambda view: (acknowledged.get(view.name, view.offset), view.name))
    return [view.name for view in views[:1]]


def _random(scene: FaultScene) -> list[str]:
    up = running([node.name for node in session_nodes(scene.plan)], scene)
    return [up[int(scene.random() * len(up))]] if up else []


def running(names: Sequence[str], scene: FaultScene) -> list[str]:
    return [name for name in names if scene.topology.state(name).running]


def _share_of_voters(share: str, scene: FaultScene) -> list[str]:
    count = len(_voters(scene.plan))
    wanted = count // 2 + 1 if share == "majority" else (count - 1) // 2
    if scene.plan.inventory.clustered:
        shards = sorted({node.shard for node in session_nodes(scene.plan)})
        return [_primary(shard, scene) for shard in shards[:wanted]]
    return running([node.name for node in scene.plan.sentinels()], scene)[:wanted]


def _deposed(scene: FaultScene) -> list[str]:
    """Data nodes that faults which may cause a failover acted on, and that are no primaries now, in order."""
    causing = scene.plan.scenario.faults_with(Trait.CAUSES_FAILOVER)
    primaries = {scene.observed.primary_of(shard) for shard in {n.shard for n in session_nodes(scene.plan)}}
    data_nodes = {node.name for node in session_nodes(scene.plan)}
    struck = [name for number, names in sorted(scene.resolved.items()) if number in causing for name in names]
    return [name for name in struck if name in data_nodes - primaries]


def _next_to_restart(scene: FaultScene) -> list[str]:
    """One that no fault has started again, replicas before primaries: the usual order of an upgrade."""
    starting = scene.plan.scenario.faults_with(Trait.STARTS_PROCESS)
    done = {name for number, names in scene.resolved.items() if number in starting for name in names}
    views = scene.observed.views()
    waiting = running([n.name for n in session_nodes(scene.plan) if n.name not in done], scene)
    return sorted(waiting, key=lambda name: name in views and views[name].role == NodeRole.PRIMARY)[:1]


def _acted_on(scene: FaultScene) -> list[str]:
    """Nodes that earlier faults of this run acted on, each once, in that order."""
    nodes = {node.name for node in scene.plan.nodes}
    named = (name for names in scene.resolved.values() for name in names if name in nodes)
    return list(dict.fromkeys(named))
