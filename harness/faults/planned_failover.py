"""`planned failover`: the hand-over that an operator asks for, with everything healthy.

Sentinel: `SENTINEL FAILOVER`, which skips the agreement and promotes without the old primary's help;
`coordinated` (Valkey 9.0 and later) has the old primary hand over.
Cluster: `CLUSTER FAILOVER` on a replica of the shard; by default the old primary stops its clients
until the replica has everything, `force` goes without the old primary, `takeover` also without votes.

Watched to completion: the new primary says so itself, and whoever publishes it does too. The effect
is the role change; the command's acceptance proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from harness.clock import WaitExpired, wait_until
from harness.errors import Interrupted, NoEffect
from harness.faults import own_nodes, targets
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import NodeRole, Trait
from harness.redis_wire import info, sentinel, words
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import NoAnswer
from harness.redis_wire.sentinel import WatchedNode

Seen = TypeVar("Seen")

_COORDINATED = "coordinated"
_OF_A_CLUSTER = ("force", "takeover")
_LOOK_EVERY_S = 0.01
_PUBLISHING_S = 2.0
_CLUSTER_WITHIN_S = 8.0
"""A manual failover of the cluster gives up by itself after 5 s (CLUSTER_MF_TIMEOUT)."""


@dataclass(frozen=True, slots=True)
class Promotion:
    node: str
    at_us: int
    error_us: int


class PlannedFailover:
    declaration = Declaration(
        name="planned failover",
        help="Ask for a failover while all is well: SENTINEL FAILOVER, or CLUSTER FAILOVER on a replica.",
        targets=targets.PRIMARIES,
        options=(
            Option(
                name="form",
                type=OptionType.WORD,
                help="in a cluster: with the old primary's help, without it, or without votes too; with "
                "sentinels of Valkey 9.0 and later: with the old primary's help (coordinated)",
                default="default",
                words=("default", "coordinated", *_OF_A_CLUSTER),
                of_a_cluster=_OF_A_CLUSTER,
                traits={_COORDINATED: (Trait.STEPS_BACK,)},
            ),
        ),
        least_for_s=None,
        traits=(Trait.HANDS_OVER, Trait.CAUSES_FAILOVER, Trait.NEEDS_REPLICA),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        if misfit := targets.fits(step, plan):
            return misfit
        shard = targets.parse(step.target).shard
        if len(targets.session_nodes(plan, shard)) < 2:
            return f"shard {shard} has no replicas to fail over to"
        form = str(step.options.get("form", "default"))
        if plan.inventory.clustered:
            return "CLUSTER FAILOVER is coordinated by default" if form == _COORDINATED else None
        if not plan.sentinels():
            return "a planned failover needs sentinels or a cluster"
        if form in _OF_A_CLUSTER:
            return f"SENTINEL FAILOVER has no such form; {form!r} is for a cluster"
        engine = plan.scenario.deployment.engine or ""
        if form == _COORDINATED and not _coordinates(engine):
            return f"SENTINEL FAILOVER is coordinated in Valkey 9.0 and later, and not in {engine}"
        return None

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        (old,) = targets.resolve(step.target, scene)
        if scene.plan.inventory.clustered:
            return _by_cluster(
                old, targets.parse(step.target).shard, str(step.options.get("form", "")), scene
            )
        return _by_sentinel(old, str(step.options.get("form", "")), scene)

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None


def _coordinates(engine: str) -> bool:
    """Whether its SENTINEL FAILOVER takes that word; without a name or a version nobody knows."""
    name, _, version = engine.partition("-")
    return name != "redis" and (not version or int(version.partition(".")[0]) >= 9)


def _by_sentinel(old: str, form: str, scene: FaultScene) -> Effect:
    how = ("COORDINATED",) if form == _COORDINATED else ()
    (asked,) = targets.resolve("sentinel", scene)
    service = scene.topology.service
    within_s = scene.plan.scenario.deployment.topology.failover_timeout_s
    candidates = [name for name in targets.members(1, scene) if name != old]
    with own_nodes.connect(scene, asked) as guard:
        before = sentinel.watched(guard.call("SENTINEL", "MASTER", service))
        if _node(before, scene) != old:
            at = f"{before.address.host}:{before.address.port}"
            raise NoEffect(f"{asked} does not call {old} the primary, but {at}")
        asked_us = scene.observed.now_us()
        guard.call("SENTINEL", "FAILOVER", service, *how)
        promotion = await_promotion(candidates, asked_us, within_s, scene)

        def published() -> WatchedNode | None:
            now = sentinel.watched(guard.call("SENTINEL", "MASTER", service))
            return now if _node(now, scene) == promotion.node else None

        # Published once the other replicas follow, for which there is a failover-timeout again.
        after = awaited(published, within_s + _PUBLISHING_S, f"{asked} to publish {promotion.node}", scene)
    took_s = (scene.observed.now_us() - asked_us) / 1e6
    return Effect(
        targets=(old,),
        proof=(
            f"{promotion.node} says master {(promotion.at_us - asked_us) / 1e6:.3f} s after "
            f"{' '.join(('SENTINEL FAILOVER', *how))} on {asked}, which published it after {took_s:.3f} s; "
            f"epoch {before.fields['config-epoch']} -> {after.fields['config-epoch']}"
        ),
        at_us=promotion.at_us,
        error_us=promotion.error_us,
    )


def _by_cluster(old: str, shard: int, form: str, scene: FaultScene) -> Effect:
    (replica,) = targets.resolve(f"shard {shard} replica", scene)
    how = {"force": ("FORCE",), "takeover": ("TAKEOVER",)}.get(form, ())
    with own_nodes.connect(scene, replica) as candidate:
        epoch = _epoch(candidate)
        asked_us = scene.observed.now_us()
        candidate.call("CLUSTER", "FAILOVER", *how)
        promotion = await_promotion([replica], asked_us, _CLUSTER_WITHIN_S, scene)
        now = awaited(
            lambda: e if (e := _epoch(candidate)) > epoch else None, 2.0, "a new configuration epoch", scene
        )
    command = " ".join(("CLUSTER FAILOVER", *how))
    return Effect(
        targets=(old,),
        proof=(
            f"{replica} says master {(promotion.at_us - asked_us) / 1e6:.3f} s after {command}; "
            f"its epoch {epoch} -> {now}"
        ),
        at_us=promotion.at_us,
        error_us=promotion.error_us,
    )


def _epoch(connection: Connection) -> int:
    return int(info.fields(str(connection.call("CLUSTER", "INFO")))["cluster_my_epoch"])


def _node(seen: WatchedNode, scene: FaultScene) -> str | None:
    return scene.topology.node_at(seen.address.host, seen.address.port)


def await_promotion(candidates: list[str], asked_us: int, within_s: float, scene: FaultScene) -> Promotion:
    """Ask the candidates for their role until one says that it is the primary now.

    Sentinel disconnects every client of the node that it promotes, this one too: it just asks again. Such a
    look says nothing, so the promotion may have been right after its last answer as a replica.
    """
    open_to: dict[str, Connection] = {}
    followed_us = dict.fromkeys(candidates, asked_us)
    """When each of them was asked that answered, last, that it is a replica."""

    def says_master(node: str) -> bool | None:
        try:
            if node not in open_to:
                open_to[node] = own_nodes.connect(scene, node)
            return words.role(str(open_to[node].call("ROLE")[0])) is NodeRole.PRIMARY
        except NoAnswer:
            if node in open_to:
                open_to.pop(node).close()
            return None

    def promoted() -> Promotion | None:
        for node in candidates:
            began_us, is_master = scene.observed.now_us(), says_master(node)
            if is_master:
                at_us = scene.observed.now_us()
                return Promotion(node, at_us, at_us - followed_us[node])
            if is_master is False:
                followed_us[node] = began_us
        return None

    try:
        return awaited(promoted, within_s, f"one of {', '.join(candidates)} to be promoted", scene)
    finally:
        for connection in open_to.values():
            connection.close()


def awaited(probe: Callable[[], Seen | None], within_s: float, what: str, scene: FaultScene) -> Seen:
    def asked() -> Seen | None:
        if scene.stopping():
            raise Interrupted(f"stopped while waiting for {what}")
        return probe()

    try:
        return wait_until(asked, within_s=within_s, waiting_for=what, every_s=_LOOK_EVERY_S)
    except WaitExpired as expired:
        raise NoEffect(f"{expired}; seen: {targets.describe(scene)}") from expired
