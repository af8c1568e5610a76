"""`skew clock`: the clock of a node is wrong, as after a virtual machine was moved or a time server failed.

Since Redis 7 a primary tells its replicas when a key ends, by the clock; before, how long it lasts. So a
replica whose clock is ahead is a good copy until it is promoted, and then everybody is logged out. Sentinels
whose clock jumps go into TILT.

Effect: the node itself says the wrong time. The machine's clock stays as it is. Trap: a node can only have a
clock of its own if it was started with one, so the fault must be in the scenario from the start.
"""

from __future__ import annotations

import time

from harness.clock import WaitExpired, wait_until
from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.moment import noted
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine, OwnClocks
from harness.model.words import Trait

_LEAST_S = 1.0
_WITHIN_S = 10.0
_ERROR_S = 0.4
"""A node may say a time that it took a moment ago; what the look itself took is counted besides."""


class SkewClock:
    declaration = Declaration(
        name="skew clock",
        help="Set the clock of nodes wrong, for them alone; healing sets it right.",
        targets=targets.RUNNING,
        options=(
            Option(
                name="by", type=OptionType.DURATION, help="how far it is off", default=3600.0, least=_LEAST_S
            ),
            Option(
                name="to",
                type=OptionType.WORD,
                help="ahead: it is later there; behind: it is earlier",
                default="ahead",
                words=("ahead", "behind"),
            ),
        ),
        least_for_s=_LEAST_S,
        traits=(Trait.LASTS, Trait.OWN_CLOCK),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if machine.why_no_own_clocks:
            return f"clocks of nodes: {machine.why_no_own_clocks}"
        if not plan.scenario.faults_with(Trait.OWN_CLOCK):
            return "these nodes were started with the clock of this machine; a scenario's list can have it"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        for node in nodes:
            own_nodes.check(scene, node)
        wanted_s = _ahead_s(step)
        with noted(scene) as moment:
            for node in nodes:
                _clocks(scene).set_clock(node, wanted_s)
            seen = {node: _await(node, wanted_s, scene) for node in nodes}
        return moment.effect(
            nodes,
            ", ".join(f"the clock of {node} is {ahead_s:+.1f} s off" for node, ahead_s in seen.items()),
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        for node in effect.targets:
            _clocks(scene).set_clock(node, 0.0)
        up = targets.running(effect.targets, scene)
        for node in up:
            _await(node, 0.0, scene)
        return f"right again: {', '.join(up) or 'none runs'}"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return bool(targets.running(effect.targets, scene))


def _ahead_s(step: FaultStep) -> float:
    by_s = float(step.options.get("by", 0.0))
    return -by_s if step.options.get("to") == "behind" else by_s


def _clocks(scene: FaultScene) -> OwnClocks:
    topology = scene.topology
    assert isinstance(topology, OwnClocks), "asked in `fits`"
    return topology


def _await(node: str, wanted_s: float, scene: FaultScene) -> float:
    """How far the node's clock is ahead, once it is as far as it should be."""
    found_s = 0.0

    def as_wanted() -> bool:
        nonlocal found_s
        with own_nodes.connect(scene, node) as connection:
            before_s = time.time()
            said_s = int(connection.info("server")["server_time_usec"]) / 1e6
            half_s = (time.time() - before_s) / 2
        found_s = said_s - before_s - half_s
        return abs(found_s - wanted_s) <= _ERROR_S + half_s

    try:
        wait_until(as_wanted, within_s=_WITHIN_S, waiting_for=f"the clock of {node}", every_s=0.05)
    except WaitExpired as expired:
        raise NoEffect(f"the clock of {node} is {found_s:+.1f} s off, not {wanted_s:+g} s") from expired
    return found_s
