"""`config set`: somebody changes a setting of a node that runs, as operators and scripts do.

Only settings that a deployment may have too: none that starts a program, loads a module or names a file, and
no password either: the proof says what was there before, which may be the password of somebody's project. The
configuration file stays as it is, so a restart undoes it (unless a sentinel made the node write its file
anew).

Effect: CONFIG GET says the new value. Healing writes the old one back.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.kept import keeping, let_go
from harness.faults.moment import noted
from harness.model.directive_table import CREDENTIALS, SECRET
from harness.model.directive_values import why_no_value
from harness.model.directives import Directive, Malformed, not_carried_out, parsed
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType, OptionValue
from harness.model.seams import Effect, FaultScene, Machine, NodeCommand
from harness.model.words import Trait
from harness.redis_wire.protocol import ErrorReply, NoAnswer, as_map


def why_wrong(options: Mapping[str, OptionValue]) -> str | None:
    """Why no node of the kit gets this setting; None: one may."""
    try:
        directive = _directive(options)
    except Malformed as problem:
        return f"{options.get('directive')}: {problem}"
    if directive.name in CREDENTIALS | SECRET:
        return (
            f"{directive.name}: reports would say the password that was there, "
            "and the kit could no longer log in to undo it"
        )
    reason = not_carried_out(directive)
    wrong = why_no_value(directive, None) if reason is None else reason.why
    return None if wrong is None else f"{options.get('directive')}: {wrong}"


class ConfigSet:
    declaration = Declaration(
        name="config set",
        help="CONFIG SET on nodes that run; healing sets the old value again.",
        targets=targets.DATA_NODES,
        options=(
            Option(
                name="directive",
                type=OptionType.WORD,
                help="its name, such as maxmemory",
                example="maxmemory",
            ),
            Option(
                name="value",
                type=OptionType.WORD,
                help="as in a configuration file, such as 10mb",
                example="50mb",
            ),
        ),
        traits=(Trait.LASTS,),
        wrong=why_wrong,
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes, directive = targets.resolve(step.target, scene), _directive(step.options)
        with noted(scene) as moment:
            said = []
            with keeping(step, scene) as kept:
                for node in nodes:
                    before, after = _set(node, directive, step, scene)
                    kept.callback(partial(_set_again, node, directive.name, before, scene))
                    said.append(f"{node} {before!r} -> {after!r}")
        return moment.effect(
            nodes,
            f"CONFIG SET {directive.name}: {', '.join(said)}",
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        let_go(step, scene)
        name = _directive(step.options).name
        return f"{name} now: " + ", ".join(f"{node} {_now(node, name, scene)}" for node in effect.targets)

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return bool(targets.running(effect.targets, scene))


def _directive(options: Mapping[str, OptionValue]) -> Directive:
    return parsed(str(options.get("directive", "")), str(options.get("value", "")))


def _set(node: str, directive: Directive, step: FaultStep, scene: FaultScene) -> tuple[str, str]:
    """The value before and after.

    Raises:
        NoEffect: it is as it was.
    """
    asked, name = ("CONFIG", "GET", directive.name), directive.name
    with own_nodes.connect(scene, node) as connection:
        before = as_map(connection.call(*asked)).get(name, "")
        undone = NodeCommand(node, ("CONFIG", "SET", name, before))
        scene.note_undo(step, [undone])
        _, replied = connection.call_all([("CONFIG", "SET", name, " ".join(directive.arguments)), asked])
    after = as_map(replied).get(name, "")
    if before == after:
        raise NoEffect(f"{node} has {name} {after!r}, as it had before CONFIG SET")
    return before, after


def _set_again(node: str, name: str, value: str, scene: FaultScene) -> None:
    """Of a node that is down there is nothing to undo: it reads its file when it starts."""
    try:
        with own_nodes.connect(scene, node) as connection:
            connection.call("CONFIG", "SET", name, value)
    except NoAnswer:
        return


def _now(node: str, name: str, scene: FaultScene) -> str:
    try:
        with own_nodes.connect(scene, node) as connection:
            return repr(as_map(connection.call("CONFIG", "GET", name)).get(name))
    except (NoAnswer, ErrorReply):
        return "(does not answer)"
