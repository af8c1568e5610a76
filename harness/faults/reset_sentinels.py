"""`reset sentinels`: SENTINEL RESET, as guides say it removes a dead replica from what Sentinel knows.

A sentinel that is reset knows neither replicas nor other sentinels. It learns them again from the primary,
and from what sentinels publish there, within seconds. If the primary dies before that, there is nobody to
promote.

Effect: directly after the command it knows no replica.
"""

from __future__ import annotations

from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.moment import noted
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine
from harness.redis_wire import sentinel


class ResetSentinels:
    declaration = Declaration(
        name="reset sentinels",
        help="SENTINEL RESET: sentinels forget replicas and each other.",
        targets=("sentinel", "all sentinels"),
        least_for_s=None,
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        with noted(scene) as moment:
            said = [f"{node} knew {_reset(node, scene)}" for node in nodes]
        return moment.effect(
            nodes,
            f"SENTINEL RESET: {', '.join(said)}, and knows no replica now",
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None


def _reset(node: str, scene: FaultScene) -> str:
    service = scene.topology.service
    asked = ("SENTINEL", "MASTER", service)
    with own_nodes.connect(scene, node) as guard:
        before, _, after = guard.call_all([asked, ("SENTINEL", "RESET", service), asked])
    left = sentinel.watched(after).fields["num-slaves"]
    if left != "0":
        raise NoEffect(f"{node} still knows {left} replicas directly after SENTINEL RESET")
    known = sentinel.watched(before).fields
    return f"{known['num-slaves']} replicas and {known['num-other-sentinels']} other sentinels"
