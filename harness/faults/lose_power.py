"""`lose power`: nodes are gone at once, and with them what was written and had not reached the disk.

A process that is killed leaves what it wrote to the kernel, which brings it to the disk; a machine without
power does not. The kernel says what of each file waits for the disk, and the files end there when the
node starts again. Settings that make no difference under `kill` do so here: `appendfsync`.

Effect: the processes are gone; the proof says how much each file lost. With `for:` the nodes start again
after that time, with what is left.
"""

from __future__ import annotations

import os
from pathlib import Path

from harness.clock import RunClock
from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.kill import seen_gone, start_again
from harness.faults.last_answer import watched
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine, Powered
from harness.model.words import Trait

_WATCHED_S = 1.2
"""With `appendfsync everysec` a moment at which all is on the disk comes once a second."""
_LOOK_EVERY_S = 0.01


class LosePower:
    declaration = Declaration(
        name="lose power",
        help="SIGKILL nodes, and take away what they had written that was not on the disk yet.",
        targets=(*targets.DATA_NODES, "another replica", "the old primary", "all nodes", *targets.HOSTS),
        traits=(Trait.STOPS_PROCESS, Trait.ENDS_UNWARNED, Trait.CAUSES_FAILOVER, Trait.FORGETS_UNSYNCED),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if machine.why_no_power_loss:
            return f"what is not on the disk: {machine.why_no_power_loss}"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        known = [own_nodes.check(scene, node) for node in nodes]
        for node in nodes:  # results may lie on another file system than the one that was tried before
            if reason := _power(scene).why_no_power_loss(node):
                raise NoEffect(f"{node}: {reason}")
        synced = _synced(nodes, scene)
        with watched(scene, nodes) as departure:
            for node in nodes:
                scene.topology.kill(node)
            at_us, error_us = departure.when(nodes)
        gone = seen_gone(nodes, scene)
        lost = [said for node in nodes for said in _without_unsynced(node, synced, scene)]
        return Effect(
            targets=nodes,
            proof=f"power lost: {', '.join(known)}; {gone}; {', '.join(lost) or 'no file lost anything'}",
            at_us=at_us,
            error_us=error_us,
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        return None if step.for_s is None else start_again(effect.targets, scene)


def _power(scene: FaultScene) -> Powered:
    topology = scene.topology
    assert isinstance(topology, Powered), "asked in `fits`"
    return topology


def _synced(nodes: tuple[str, ...], scene: FaultScene) -> dict[Path, int]:
    """How much of each file was on the disk when all of it was, last. A page that is changed again counts as
    not synced, and what it held before would be lost with it."""
    clock, power = RunClock(), _power(scene)
    found: dict[Path, int] = {}
    while clock.now_us() < _WATCHED_S * 1e6 and not scene.stopping():
        for file in (file for node in nodes for file in power.data_files(node)):
            try:
                size = file.stat().st_size
                if power.first_unsynced(file) is None:
                    found[file] = size
            except FileNotFoundError:
                continue  # a rewrite put another one into its place
        clock.sleep(_LOOK_EVERY_S)
    return found


def _without_unsynced(node: str, synced: dict[Path, int], scene: FaultScene) -> list[str]:
    """Cut files of a node that is down where the disk ends; says what each lost."""
    power, said = _power(scene), []
    if scene.plan.node(node).setting("appendfsync", "everysec") == "always":
        return []  # nobody was told of a write that waits
    for file in power.data_files(node):
        first, size = power.first_unsynced(file), file.stat().st_size
        kept = size if first is None else max(first, synced.get(file, 0))
        if kept < size:
            os.truncate(file, kept)
            said.append(f"{file.name} of {node} lost its last {size - kept} of {size} bytes")
    return said
