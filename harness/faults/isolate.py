"""`isolate`: a partition that leaves a web server on the losing side.

Cuts {target, and the web server named by `with`} from every other node and every other web server.
The harness itself is never cut: it sees both sides. The load engine is told which side each web
server is on, so that what happens behind a deposed primary does not hide in an average.

With `proxies: reach` the proxies are on both sides: a network between nodes failed, and not the one that
clients use.

Healed after `for:`, or at the end of the run.
"""

from __future__ import annotations

import time

from harness.faults import own_nodes, targets
from harness.faults.healed_link import heard_again
from harness.faults.moment import noted
from harness.model.links import LinkRule
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, LastLook, Machine
from harness.model.words import NodeRole, Trait


class Isolate:
    declaration = Declaration(
        name="isolate",
        help="Cut a node, if wanted together with a web server, from all other nodes and web servers.",
        targets=targets.APART,
        options=(
            Option(
                name="with",
                type=OptionType.WEB_SERVER,
                help="the web server that stays on the node's side; none by default",
                default="",
            ),
            Option(
                name="proxies",
                type=OptionType.WORD,
                help="`cut`: proxies are on the other side; `reach`: they still reach both sides",
                default="cut",
                words=("cut", "reach"),
            ),
        ),
        traits=(Trait.CUTS_LINKS, Trait.LASTS, Trait.CAUSES_FAILOVER),
    )
    last_look = LastLook(moment="before healing isolate")

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if not machine.network_faults:
            return f"a partition needs network faults: {machine.why_no_network_faults or 'not possible here'}"
        companion = str(step.options.get("with", ""))
        if companion and companion not in plan.web_servers:
            return f"there is no {companion}, only {', '.join(plan.web_servers)}"
        if step.options.get("proxies") == "reach" and not plan.inventory.proxies:
            return "the deployment has no proxy that could reach it"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        known = ", ".join(own_nodes.check(scene, node) for node in nodes)
        inside, outside = _sides(step, nodes, scene.plan)
        with noted(scene) as moment:
            try:
                scene.set_sides(step.number, _client_sides(inside, nodes, scene))
                proof = scene.topology.apply(LinkRule(inside, outside), by=step.number)
            except BaseException:
                _mend(step, scene)
                raise
        return moment.effect(
            nodes,
            f"{known} with {', '.join(inside[len(nodes) :]) or 'nobody'} cut from the rest: {proof}",
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        mended_at_s = time.time()
        _mend(step, scene)
        return f"cuts lifted; {heard_again(scene, effect.targets[0], mended_at_s)}"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:  # noqa: ARG002 - the protocol's
        return True


def _sides(step: FaultStep, nodes: tuple[str, ...], plan: Plan) -> tuple[list[str], list[str]]:
    companion = str(step.options.get("with", ""))
    inside = [*nodes, *([companion] if companion else [])]
    everybody = [*(node.name for node in plan.nodes), *plan.web_servers]
    between = [node.name for node in plan.inventory.proxies] if step.options.get("proxies") == "reach" else []
    return inside, [name for name in everybody if name not in {*inside, *between}]


def _client_sides(inside: list[str], nodes: tuple[str, ...], scene: FaultScene) -> dict[str, str]:
    views = scene.observed.views()
    roles = [views[node].role for node in nodes if node in views]
    if not roles:  # sentinels alone: web servers beside them are no side of the data
        return {}
    a_replica = bool(roles) and NodeRole.PRIMARY not in roles
    return {
        name: "with-primary" if (name in inside) is not a_replica else "rest"
        for name in scene.plan.web_servers
    }


def _mend(step: FaultStep, scene: FaultScene) -> None:
    try:
        scene.topology.mend(by=step.number)
    finally:
        scene.set_sides(step.number, {})
