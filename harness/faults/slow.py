"""`slow`: packets between a node and some of its peers are late, lost in part, or few at a time.

    - {after: 5s, slow: primary, from: clients, delay: 200ms, for: 5s}
    - {after: 5s, slow: primary, from: replicas, loss: 10%, for: 5s}

Nothing is refused, and no connection ends by itself. `delay` is added each way, so a request and its reply
take twice as long.

The trap: a delay above the client's time-out looks like a dead node, and above down-after also to sentinels.
"""

from __future__ import annotations

from harness.errors import NoEffect
from harness.faults import own_nodes, peers, targets
from harness.faults.applied_link import applied
from harness.model.links import LinkRule, Quality
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait


class Slow:
    declaration = Declaration(
        name="slow",
        help="Delay packets between a node and some of its peers, lose a share of them, or limit their rate.",
        targets=targets.RUNNING,
        options=(
            peers.option(peers.CLIENTS),
            Option(name="delay", type=OptionType.DURATION, help="of each packet, each way", default=0.0),
            Option(
                name="jitter",
                type=OptionType.DURATION,
                help="by which delays differ, either way",
                default=0.0,
            ),
            Option(name="loss", type=OptionType.SHARE, help="the share of packets that is lost", default=0.0),
            Option(name="bandwidth", type=OptionType.SIZE, help="bytes a second, each way", default=0),
            Option(
                name="way",
                type=OptionType.WORD,
                help="in: what is sent to the target; out: what it sends itself",
                default="both",
                words=tuple(peers.WAYS),
            ),
        ),
        traits=(Trait.LASTS, Trait.CAUSES_FAILOVER),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if machine.why_no_slow_links or not machine.network_faults:
            return f"slow links: {machine.why_no_slow_links or machine.why_no_network_faults}"
        if quality(step) == Quality():
            return "expected a delay, jitter, loss or bandwidth, found none"
        return targets.fits(step, plan) or peers.fits(_group(step), plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        known = [own_nodes.check(scene, node) for node in nodes]
        others = peers.resolve(_group(step), nodes, scene)
        if not others:
            raise NoEffect(f"{', '.join(nodes)} has no {_group(step)}; {targets.describe(scene)}")
        rule = LinkRule(nodes, others, way=peers.way_of(step), quality=quality(step))
        link = applied(rule, scene, by=step.number)
        return Effect(
            targets=nodes,
            proof=f"{', '.join(known)} and {', '.join(others)}: {link.proof}",
            at_us=link.at_us,
            error_us=link.error_us,
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        scene.topology.mend(by=step.number)
        return "packets take their usual way"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:  # noqa: ARG002 - the protocol's
        return True


def quality(step: FaultStep) -> Quality:
    def option(name: str) -> float:
        return float(step.options.get(name, 0.0))

    return Quality(
        delay_s=option("delay"),
        jitter_s=option("jitter"),
        loss=option("loss"),
        bytes_per_s=option("bandwidth"),
    )


def _group(step: FaultStep) -> str:
    return str(step.options.get("from", peers.CLIENTS))
