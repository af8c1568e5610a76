"""`pause clients`: CLIENT PAUSE, as scripts for hand-overs use it. Nobody gets an error; everybody waits.

`commands: writes` stops what changes data and is undone by CLIENT UNPAUSE. `commands: all` stops every
command, the pings of sentinels and CLIENT UNPAUSE itself included: sentinels take the node for dead, and
only the end of its time heals it.

Effect: a probe of that kind is not answered within 0.15 s. It is executed when the pause ends, so it is one
that changes nothing.
"""

from __future__ import annotations

from harness.clock import wait_until
from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.moment import noted
from harness.faults.pause import answers
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine, NodeCommand
from harness.model.words import Trait
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import NoAnswer

_SILENCE_S = 0.15
_LEAST_S = 0.3
"""The proof takes most of it."""
_LONGEST_MS = 3_600_000
_ANSWERS_AGAIN_S = 10.0
_PROBE = ("PUBLISH", "failover-kit:probe", "")
"""It counts as a write, and has no key that a cluster could redirect."""


class PauseClients:
    declaration = Declaration(
        name="pause clients",
        help="CLIENT PAUSE: clients wait for replies, to their writes or to everything.",
        targets=targets.DATA_NODES,
        options=(
            Option(
                name="commands",
                type=OptionType.WORD,
                help="`writes`: what changes data waits; `all`: everything waits, pings of sentinels too",
                default="writes",
                words=("writes", "all"),
                traits={"all": (Trait.CAUSES_FAILOVER,)},
            ),
        ),
        least_for_s=_LEAST_S,
        traits=(Trait.LASTS,),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        if _everything(step) and step.for_s is None:
            return (
                "a node that answers nothing cannot be told to go on: add `for:`, or take `commands: writes`"
            )
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        known = [own_nodes.check(scene, node) for node in nodes]
        how = ("ALL",) if _everything(step) else ("WRITE",)
        lasts_ms = _LONGEST_MS if step.for_s is None else round(step.for_s * 1000)
        until_ms = lasts_ms if _everything(step) else _LONGEST_MS
        with noted(scene) as moment:
            if not _everything(step):  # else the node hears nobody, and goes on by itself
                scene.note_undo(step, [NodeCommand(node, ("CLIENT", "UNPAUSE")) for node in nodes])
            for node in nodes:
                with own_nodes.connect(scene, node) as connection:
                    connection.call("CLIENT", "PAUSE", until_ms, *how)
        if awake := [node for node in nodes if _replies(node, step, scene)]:
            self.heal(step, Effect(targets=nodes, proof="", at_us=moment.at_us), scene)
            raise NoEffect(f"{', '.join(awake)} still answering after CLIENT PAUSE {how[0]}")
        what = "any command" if _everything(step) else "writes"
        return moment.effect(
            nodes,
            f"CLIENT PAUSE {how[0]}: no answer to {what} within {_SILENCE_S} s: {', '.join(known)}",
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        up = targets.running(effect.targets, scene)
        for node in up:
            if not _everything(step):
                with own_nodes.connect(scene, node) as connection:
                    connection.call("CLIENT", "UNPAUSE")
            wait_until(
                lambda node=node: _replies(node, step, scene, within_s=1.0),  # type: ignore[misc] # bound per turn
                within_s=(step.for_s or 0.0) + _ANSWERS_AGAIN_S,
                waiting_for=f"{node} to answer its clients again",
            )
        return f"answering: {', '.join(up) or 'none'}"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return bool(targets.running(effect.targets, scene))


def _everything(step: FaultStep) -> bool:
    return step.options.get("commands") == "all"


def _replies(node: str, step: FaultStep, scene: FaultScene, within_s: float = _SILENCE_S) -> bool:
    if _everything(step):
        return answers(node, scene, within_s)
    try:
        with own_nodes.connect(scene, node) as connection:
            return _takes_a_write(connection, within_s)
    except NoAnswer:
        return False


def _takes_a_write(connection: Connection, within_s: float) -> bool:
    connection.limit(within_s)
    connection.call(*_PROBE)
    return True
