"""`restart`: start what is down, or kill what runs and start it at once.

On a running node this is the restart that is faster than down-after: nobody notices in time to fail
over, and with `data: empty` (or without persistence) a primary comes back with nothing and its
replicas copy the nothing. `data: empty` wipes the node's directory first, as a lost volume does.

Effect: for a running node the kill (that is when service stopped), for one that was down the moment
at which the new process first answered. Proof in both cases: a new run_id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harness.clock import WaitExpired, wait_until
from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.first_answer import awaited
from harness.faults.last_answer import watched
from harness.faults.moment import noted
from harness.model.inventory import Inventory
from harness.model.persistence import LOG, keys_back, persistence
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Needed, Option, OptionType, OptionValue
from harness.model.seams import Changeable, Effect, FaultScene, Machine, Movable
from harness.model.words import NodeRole, Trait
from harness.redis_wire import info
from harness.redis_wire.blocking import Connection

_LOADING_S = 30.0
_SAME, _ABANDONED = "same", "abandoned"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Restarted:
    proof: str
    at_us: int
    error_us: int


def _needs(target: str, options: Mapping[str, OptionValue], inventory: Inventory) -> Needed | None:  # noqa: ARG001 - the declaration's
    """An address that is free again, where somebody is to come back at one."""
    return Needed(Trait.LEAVES_ADDRESS) if options.get("address") == _ABANDONED else None


class Restart:
    declaration = Declaration(
        name="restart",
        help="Start nodes that are down, or kill running ones and start them at once.",
        targets=(*targets.DOWN, targets.NOT_YET_RESTARTED, *targets.RUNNING),
        options=(
            Option(
                name="data",
                type=OptionType.WORD,
                help="keep the node's data directory, or wipe it before the start",
                default="keep",
                words=("keep", "empty"),
            ),
            Option(
                name="redis",
                type=OptionType.DIRECTIVES,
                help="directives that the node is started with in addition, as under redis of a deployment",
                default="",
            ),
            Option(
                name="engine",
                type=OptionType.ENGINE,
                help="the engine that it comes back as, such as valkey-9.1; the same one by default",
                default="",
            ),
            Option(
                name="address",
                type=OptionType.WORD,
                help="where it listens then: as before, at an address that nobody had, or at one that "
                "another node has given up",
                default=_SAME,
                words=(_SAME, "new", _ABANDONED),
                traits={"new": (Trait.LEAVES_ADDRESS,), _ABANDONED: (Trait.LEAVES_ADDRESS,)},
            ),
            Option(
                name="reversed",
                type=OptionType.FLAG,
                help="several nodes in the other order than they were killed",
                default=False,
            ),
        ),
        least_for_s=None,
        traits=(Trait.STARTS_PROCESS, Trait.ENDS_UNWARNED, Trait.CAUSES_FAILOVER),
        needs=_needs,
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if machine.own_containers and step.options.get("data", "keep") == "empty":
            return "the kit does not know where a Compose project keeps its data; use recreate"
        if machine.own_containers and (step.options.get("redis") or step.options.get("engine")):
            return "what a Compose project's nodes are started with is said by the project; change its files"
        if step.options.get("engine") and not machine.programs:
            return "a container comes back with its image; nodes as processes can change their engine"
        if step.options.get("redis") and _without_data(step, plan):
            return "redis: its directives are for nodes with data"
        if step.options.get("address", _SAME) != _SAME and (reason := _why_not_moved(step, plan, machine)):
            return f"address: {reason}"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        if step.options.get("reversed"):
            nodes = nodes[::-1]
        restarted = [_restart(node, step, scene) for node in nodes]
        first = min(restarted, key=lambda one: one.at_us)
        return Effect(
            targets=nodes,
            proof="; ".join(one.proof for one in restarted),
            at_us=first.at_us,
            error_us=first.error_us,
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None


def _restart(node: str, step: FaultStep, scene: FaultScene) -> _Restarted:
    if not own_nodes.speaks(scene, node):
        return _started_again(node, scene)
    empty = step.options.get("data", "keep") == "empty"
    before, engine, stopped_us, error_us = "", "", 0, 0
    if scene.topology.state(node).running:
        before, engine = _who(node, scene)
        scene.last_look([node], "before being restarted")
        with watched(scene, [node]) as departure:
            scene.topology.kill(node)
            stopped_us, error_us = departure.when([node])
    changed = _change(node, step, scene) + _moved(node, step, scene)
    with awaited(scene, node) as arrival:
        scene.topology.start(node, empty=empty)
        up_us, up_error_us = arrival.when()
    with own_nodes.connect(scene, node) as connection:
        said = connection.info("server")
        after, engine_now = said["run_id"], info.engine(said)
        data = _data(node, connection, empty=empty, scene=scene)
    if after == before:
        raise NoEffect(f"{node} still answers with run_id {before}: it was not restarted")
    down_s = (up_us - stopped_us) / 1e6
    if engine and engine_now != engine:
        changed += f", {engine_now} in the place of {engine}"
    was = f"was {before[:8]}, down for {down_s:.2f} s" if before else "was down"
    return _Restarted(
        proof=f"{node} answers with new run_id {after[:8]} ({was}), {data}{changed}",
        at_us=stopped_us if before else up_us,
        error_us=error_us if before else up_error_us,
    )


def _change(node: str, step: FaultStep, scene: FaultScene) -> str:
    """Have the next process started as the fault wants it; says with which directives."""
    lines = str(step.options.get("redis", "")).splitlines()
    engine = str(step.options.get("engine", "")) or None
    if lines or engine:
        topology = scene.topology
        assert isinstance(topology, Changeable), "asked in `fits`"
        topology.change(node, lines=lines, engine=engine)
    return f", started with {', '.join(lines)}" if lines else ""


def _why_not_moved(step: FaultStep, plan: Plan, machine: Machine) -> str | None:
    if not machine.programs:
        return "containers of a run keep theirs; `recreate` in your own Compose project shows others"
    if not machine.network_faults:
        return f"nodes need networks of their own: {machine.why_no_network_faults}"
    return "sentinels and proxies keep theirs" if _without_data(step, plan) else None


def _without_data(step: FaultStep, plan: Plan) -> bool:
    """A sentinel or a proxy may be among its targets."""
    words = set(step.target.split())
    voters = not words.isdisjoint(targets.VOTERS) and not plan.inventory.clustered
    several = {"everything", "host", "zone"} & words and (plan.sentinels() or plan.inventory.proxies)
    return bool({"sentinel", "sentinels"} & words or voters or several)


def _moved(node: str, step: FaultStep, scene: FaultScene) -> str:
    """Give it another address, as far as the fault wants that; says which."""
    wanted = step.options.get("address", _SAME)
    if wanted == _SAME:
        return ""
    topology, before = scene.topology, scene.topology.address(node).host
    assert isinstance(topology, Movable), "asked in `fits`"
    if scene.plan.node(node).role in {NodeRole.SENTINEL, NodeRole.PROXY}:
        raise NoEffect(f"{node} keeps its address: only nodes with data can move")
    return f", at {topology.move(node, abandoned=wanted == _ABANDONED).host} in the place of {before}"


def _started_again(node: str, scene: FaultScene) -> _Restarted:
    """A container that is no Redis: killed and started, as Docker says."""
    with noted(scene) as moment:
        before = scene.topology.state(node)
        if before.running:
            scene.topology.kill(node)
        scene.topology.start(node)
        after = scene.topology.state(node)
        if not after.running or after.pid == before.pid:
            raise NoEffect(f"{node} was not started again")
    return _Restarted(
        proof=f"{node} runs as process {after.pid} (was {before.pid or 'down'})",
        at_us=moment.at_us,
        error_us=moment.error_us,
    )


def _who(node: str, scene: FaultScene) -> tuple[str, str]:
    """Its process and its engine."""
    if scene.topology.state(node).paused:
        raise NoEffect(f"{node} is paused; resume or kill it instead")
    with own_nodes.connect(scene, node) as connection:
        said = connection.info("server")
        return said["run_id"], info.engine(said)


def _data(node: str, connection: Connection, *, empty: bool, scene: FaultScene) -> str:
    """What the new process came back with.

    The key count may be above zero on a node that was wiped: users log in within milliseconds, and a
    replica copies its primary. What it read from its snapshot itself tells (from Redis 7 on).
    """
    if scene.plan.node(node).role is NodeRole.SENTINEL:
        return "a sentinel"
    loading = _loaded(node, connection)
    keys = info.keys(connection.info("keyspace"))
    read = loading.get("rdb_last_load_keys_loaded")
    loaded = 0 if read is None else int(read)
    role = info.role(connection.info("replication"))
    if empty and loaded and role is NodeRole.PRIMARY:
        raise NoEffect(f"{node} had to start empty, but read {loaded} keys from disk")
    kept = "on" if loading.get("aof_enabled") == "1" else "off"
    wiped = "directory wiped, " if empty else ""
    logs = persistence(scene.plan.node(node)) == LOG
    back = keys_back(keys, None if read is None else loaded, from_log=logs)
    return f"{wiped}came back with {back} keys, append-only file {kept}"


def _loaded(node: str, connection: Connection) -> dict[str, str]:
    """INFO persistence, once the node has read its data set from disk."""

    def ready() -> dict[str, str] | None:
        persistence = connection.info("persistence")
        return persistence if persistence.get("loading") == "0" else None

    try:
        return wait_until(ready, within_s=_LOADING_S, waiting_for=f"{node} to load its data")
    except WaitExpired as expired:
        raise NoEffect(str(expired)) from expired
