"""`hand over`: FAILOVER on the primary, which waits for a replica and then follows it.

The command of Redis 6.2 and later for deployments that nobody watches. Behind Sentinel's back it is a trap:
sentinels go on naming the old primary, which is a replica now, until they take it for dead (down-after and
20 s later).

Effect: the replica says that it is the primary, and the old primary that it follows.
"""

from __future__ import annotations

from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.planned_failover import await_promotion, awaited
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import NodeRole, Trait
from harness.redis_wire import words

_SLACK_S = 5.0
_FORCED_WITHIN_S = 1.0
"""FORCE needs a limit; without `within` it is this."""


class HandOver:
    declaration = Declaration(
        name="hand over",
        help="FAILOVER: the primary hands over to a replica that has everything, and follows it.",
        targets=targets.PRIMARIES,
        options=(
            Option(
                name="to",
                type=OptionType.WORD,
                help="the first replica by name, or the first that has everything",
                default="any",
                words=("any", "replica"),
            ),
            Option(
                name="within",
                type=OptionType.DURATION,
                help="how long clients wait for the replica to have everything; 0: without a limit",
                default=0.0,
            ),
            Option(
                name="force",
                type=OptionType.FLAG,
                help="after that time hand over all the same (needs `to: replica`)",
                default=False,
            ),
        ),
        least_for_s=None,
        traits=(
            Trait.HANDS_OVER,
            Trait.CAUSES_FAILOVER,
            Trait.NEEDS_REPLICA,
            Trait.STEPS_BACK,
            Trait.UNASKED,
        ),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        if plan.inventory.clustered:
            return "FAILOVER is refused in a cluster; use planned failover"
        if step.options.get("force") and step.options.get("to", "any") != "replica":
            return "FAILOVER needs to know to whom where it is to be forced: add `to: replica`"
        if not targets.session_nodes(plan, targets.parse(step.target).shard)[1:]:
            return "there is no replica to hand over to"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        (old,) = targets.resolve(step.target, scene)
        command, candidates, limit_s = _command(step, old, scene)
        with own_nodes.connect(scene, old) as primary:
            asked_us = scene.observed.now_us()
            primary.call(*command)
            promotion = await_promotion(candidates, asked_us, limit_s + _SLACK_S, scene)

            def follows() -> bool | None:
                return words.role(str(primary.call("ROLE")[0])) is NodeRole.REPLICA or None

            awaited(follows, _SLACK_S, f"{old} to follow", scene)
        return Effect(
            targets=(old,),
            proof=(
                f"{promotion.node} says master {(promotion.at_us - asked_us) / 1e6:.3f} s after "
                f"{' '.join(map(str, command))} on {old}, which follows it now"
            ),
            at_us=promotion.at_us,
            error_us=promotion.error_us,
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None


def _command(step: FaultStep, old: str, scene: FaultScene) -> tuple[list[str | int], list[str], float]:
    """The words of the command, whom it may promote, and how long it may wait."""
    candidates = [
        name for name in targets.replicas_of(targets.parse(step.target).shard, scene) if name != old
    ]
    if not candidates:
        raise NoEffect(f"{old} has no replica to hand over to; last seen: {targets.describe(scene)}")
    forced = bool(step.options.get("force", False))
    limit_s = float(step.options.get("within", 0.0)) or (_FORCED_WITHIN_S if forced else 0.0)
    command: list[str | int] = ["FAILOVER"]
    if step.options.get("to", "any") == "replica":
        candidates = candidates[:1]
        address = scene.topology.address(candidates[0])
        command += ["TO", address.host, address.port]
    command += ["FORCE"] if forced else []
    command += ["TIMEOUT", round(limit_s * 1000)] if limit_s else []
    return command, candidates, limit_s
