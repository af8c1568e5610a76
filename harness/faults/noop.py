"""`nothing`: no fault at all, and the template to copy for a new one.

A baseline run needs a point in time that counts as the fault's effect, so that the same measurements
can be taken where nothing happened. Even this fault proves its effect: it waited, and the target is
the same process before and after.

To add a fault: copy this module, say in the declaration's `traits` what kind of thing it is, put the
class into `FAULTS` in `faults/__init__.py`, and give it a test in tests/unit/faults (a test
enumerates them). CONTRIBUTING.md has the rest.
"""

from __future__ import annotations

from harness.clock import wait_until
from harness.errors import Interrupted, NoEffect
from harness.faults import own_nodes, targets
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine


class Nothing:
    declaration = Declaration(
        name="nothing",
        help="Do nothing for a moment, and prove that nothing happened: for baseline runs.",
        targets=("primary", "shard N primary", "replica", "cache", "sentinel"),
        least_for_s=None,
        options=(Option(name="wait", type=OptionType.DURATION, help="how long to do nothing", default=0.1),),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        (node,) = targets.resolve(step.target, scene)
        wait_s = float(step.options.get("wait", 0.1))
        before = own_nodes.check(scene, node)
        began_us = scene.observed.now_us()

        def waited() -> bool:
            if scene.stopping():
                raise Interrupted(f"stopped while nothing was done to {node}")
            return scene.observed.now_us() - began_us >= wait_s * 1e6

        wait_until(waited, within_s=wait_s + 1, waiting_for="the time to pass")
        over_us = scene.observed.now_us()
        after = own_nodes.check(scene, node)
        if before != after:
            raise NoEffect(f"something happened to {node} while nothing was done: {before}, then {after}")
        waited_s = (over_us - began_us) / 1e6
        proof = f"waited {waited_s:.3f} s; {after} answered before and after"
        return Effect(targets=(node,), proof=proof, at_us=over_us, error_us=over_us - began_us)

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None
