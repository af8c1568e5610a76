"""`lose power`: nodes are gone at once, and with them what was written and had not reached the disk.

A process that is killed leaves what it wrote to the kernel, which brings it to the disk; a machine without
power does not. The kernel says what of each file waits for the disk, and the files end there when the
node starts again. Settings that make no difference under `kill` do so here: `appendfsync`.

Effect: the processes are gone; the proof says how much each file lost. With `for:` the nodes start again
after that time, with what is left.

Trap: a node that is killed has its files on the disk soon after, because whoever runs it writes something
down. So what waits is asked for while the process stands still, before it is killed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from harness.clock import RunClock
from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.kill import seen_gone, start_again
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
        begun_us = scene.observed.now_us()
        for node in nodes:
            _power(scene).cut_power(node)
        at_us = scene.observed.now_us()
        ends = [one for node in nodes for one in _ends(node, synced, scene)]
        for node in nodes:
            scene.topology.kill(node)
        gone = seen_gone(nodes, scene)
        lost = [said for one in ends if (said := one.cut())]
        return Effect(
            targets=nodes,
            proof=f"power lost: {', '.join(known)}; {gone}; {', '.join(lost) or 'no file lost anything'}",
            at_us=at_us,
            error_us=max(1, at_us - begun_us),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    """Where a file ended on the disk when power was lost."""

    node: str
    file: Path
    kept: int

    def cut(self) -> str:
        """Cut it there; says what it lost, if anything."""
        size = self.file.stat().st_size
        if self.kept >= size:
            return ""
        os.truncate(self.file, self.kept)
        return f"{self.file.name} of {self.node} lost its last {size - self.kept} of {size} bytes"


def _ends(node: str, synced: dict[Path, int], scene: FaultScene) -> list[_End]:
    """Of the files that have more than the disk."""
    power = _power(scene)
    if scene.plan.node(node).setting("appendfsync", "everysec") == "always":
        return []  # nobody was told of a write that waits
    return [
        _End(node=node, file=file, kept=max(first, synced.get(file, 0)))
        for file in power.data_files(node)
        if (first := power.first_unsynced(file)) is not None
    ]
