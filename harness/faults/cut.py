"""`cut`: a node loses some of those it talks to, one way or both, on every port or on one.

    - {after: 5s, cut: primary, from: sentinels, for: 8s}
    - {after: 5s, cut: primary, from: clients, way: out, for: 2s}
    - {after: 5s, cut: primary, from: clients, by: reject, for: 2s}

`isolate` takes a node from everybody and leaves one web server with it; `cut replication` takes its replicas.
This is what lies between: who is lost is written down. Packets are dropped, so nobody gets an error; with
`by: reject` each sender is refused at once, as by a firewall, and connections that exist are reset.

The trap: TCP needs both ways. A cut of one way looks the same to whoever connects anew; on connections that
exist, `in` loses requests and `out` loses replies to requests that were carried out.
"""

from __future__ import annotations

import time

from harness.errors import NoEffect
from harness.faults import own_nodes, peers, targets
from harness.faults.applied_link import applied
from harness.faults.healed_link import caught_up, heard_again
from harness.model.links import LinkPort, LinkRule, Quality
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, LastLook, Machine
from harness.model.words import Trait

_DATA_NODES = {targets.parse(word).what for word in targets.DATA_NODES} | {
    "another replica",
    "the old primary",
    "all nodes",
}


class Cut:
    declaration = Declaration(
        name="cut",
        help="Drop packets between a node and some of its peers: one way or both, on all ports or one.",
        targets=targets.RUNNING,
        options=(
            peers.option(peers.EVERYBODY),
            Option(
                name="way",
                type=OptionType.WORD,
                help="in: what is sent to the target is lost; out: what it sends itself",
                default="both",
                words=tuple(peers.WAYS),
            ),
            Option(
                name="port",
                type=OptionType.WORD,
                help="connections to the port of data nodes, of sentinels, or to a cluster's bus",
                default="all",
                words=tuple(LinkPort),
            ),
            Option(
                name="by",
                type=OptionType.WORD,
                help="drop: nobody gets an answer; reject: senders are refused, connections are reset",
                default="drop",
                words=("drop", "reject"),
            ),
        ),
        traits=(Trait.CUTS_LINKS, Trait.LASTS, Trait.CAUSES_FAILOVER),
    )
    last_look = LastLook(moment="before healing cut")

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if not machine.network_faults:
            return f"a cut needs network faults: {machine.why_no_network_faults or 'not possible here'}"
        if _rejects(step) and machine.why_no_slow_links:
            return f"a cut that rejects: {machine.why_no_slow_links}"
        return targets.fits(step, plan) or peers.fits(_group(step), plan) or _nobody_listens(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        known = [own_nodes.check(scene, node) for node in nodes]
        others = peers.resolve(_group(step), nodes, scene)
        if not others:
            raise NoEffect(f"{', '.join(nodes)} has no {_group(step)}; {targets.describe(scene)}")
        rule = LinkRule(
            nodes,
            others,
            way=peers.way_of(step),
            port=LinkPort(str(step.options.get("port", "all"))),
            quality=Quality(rejects=True) if _rejects(step) else None,
        )
        link = applied(rule, scene, by=step.number)
        return Effect(
            targets=nodes,
            proof=f"{', '.join(known)} cut from {', '.join(others)}: {link.proof}",
            at_us=link.at_us,
            error_us=link.error_us,
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        mended_at_s = time.time()
        scene.topology.mend(by=step.number)
        node, group = effect.targets[0], _group(step)
        if scene.plan.node(node).holds_data and group == peers.REPLICAS:
            return f"cut lifted; {caught_up(scene, node, mended_at_s)}"
        if scene.plan.node(node).holds_data and group not in {peers.CLIENTS, *scene.plan.web_servers}:
            return f"cut lifted; {heard_again(scene, node, mended_at_s)}"
        return "cut lifted"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:  # noqa: ARG002 - the protocol's
        return True


def _rejects(step: FaultStep) -> bool:
    return step.options.get("by") == "reject"


def _nobody_listens(step: FaultStep, plan: Plan) -> str | None:
    """Why no link of this cut can end at such a port; None: one can. Pure."""
    port, group = LinkPort(str(step.options.get("port", "all"))), _group(step)
    if port is LinkPort.BUS and not plan.inventory.clustered:
        return "port: bus: only nodes of a cluster have one"
    if port is not LinkPort.SENTINEL:
        return None
    if not plan.sentinels():
        return "port: sentinel: the deployment has no sentinels"
    data_only = targets.parse(step.target).what in _DATA_NODES
    if data_only and group not in {peers.SENTINELS, peers.NODES, peers.EVERYBODY}:
        return f"port: sentinel: neither {step.target} nor {group} listen there"
    return None


def _group(step: FaultStep) -> str:
    return str(step.options.get("from", peers.EVERYBODY))
