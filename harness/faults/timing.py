"""When a fault's start has come: a time, an event of the run, or a condition.

Events and conditions count from when the previous fault of the list took effect, or from the begin
of the baseline for the first. One that never comes is given up after a limit, with the reason; one
that follows a fault without effect is given up at once.

Trap: "acked and not replicated" is judged by the newest samples, which are some 50 ms old. Behind a
`cut replication` it is exact: what was acked since cannot have been replicated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

from harness.clock import WaitExpired, wait_until
from harness.errors import Interrupted, NoEffect
from harness.faults import targets
from harness.model.scenario import FaultStep, Start
from harness.model.seams import Effect, FaultScene
from harness.model.words import Trait

Seen = TypeVar("Seen")

LOOK_EVERY_S = 0.005

_DEFAULT_LIMIT_S = 60.0
FOREVER_S = 24 * 3600.0
"""For waits bounded elsewhere: by a time of the timeline, the previous fault's own limit, the run's end."""


@dataclass(slots=True)
class SoFar:
    """What has become of the faults so far. Written by their threads, each its own entry."""

    began_us: int
    _effects: dict[int, Effect] = field(default_factory=dict)
    _failures: dict[int, str] = field(default_factory=dict)
    _healed_us: list[int] = field(default_factory=list)
    standing: set[int] = field(default_factory=set)
    """Faults in effect and not healed."""

    def took_effect(self, number: int, effect: Effect) -> None:
        self._effects[number] = effect
        self.standing.add(number)

    def had_no_effect(self, number: int, reason: str) -> None:
        self._failures[number] = reason

    def healed(self, number: int, at_us: int) -> None:
        self.standing.discard(number)
        self._healed_us.append(at_us)

    def effect_of(self, number: int) -> Effect | None:
        """The effect of a fault; None: not yet.

        Raises:
            NoEffect: there will be none.
        """
        if number in self._failures:
            raise NoEffect(f"fault {number} had no effect, and this fault starts after it")
        return self._effects.get(number)

    def was_done(self, number: int) -> bool:
        """Whether a fault took effect or is known to have none."""
        return number in self._effects or number in self._failures

    def first_healed_us(self, since_us: int) -> int | None:
        return min((at_us for at_us in self._healed_us if at_us >= since_us), default=None)


def await_start(step: FaultStep, so_far: SoFar, scene: FaultScene, limit_s: float) -> None:
    """Return when the fault is due: its start has come, and so has its turn among those with the same start.

    Raises:
        NoEffect: its start did not come within the limit.
        Interrupted: the run is to end.
    """
    _await_moment(step, so_far, scene, limit_s)
    for other in scene.plan.scenario.faults:
        if other.number < step.number and other.start == step.start:
            _await(
                partial(so_far.was_done, other.number),
                f"fault {other.number}, first in the list",
                FOREVER_S,
                scene,
            )


def _await_moment(step: FaultStep, so_far: SoFar, scene: FaultScene, limit_s: float) -> None:
    start = step.start
    if start.after_s is not None:
        _until(so_far.began_us + int(start.after_s * 1e6), scene)
        return
    names_a_fault = (start.event or "").startswith("fault ")
    earliest_us, proved_us = (
        (so_far.began_us,) * 2 if names_a_fault else _previous_effect(step, so_far, scene)
    )
    limit_s = limit_s or _DEFAULT_LIMIT_S
    if start.event is not None:
        seen_us = _await(
            lambda: _event_us(str(start.event), earliest_us, so_far, scene),
            f"`{start.event}`",
            limit_s,
            scene,
        )
        _until(seen_us + int(start.offset_s * 1e6), scene)
    elif start.acked is not None:
        _await(lambda: _acked(step, proved_us, so_far, scene), _condition(start), limit_s, scene)
    elif start.replica_lag_bytes is not None:
        bytes_behind = start.replica_lag_bytes
        shard = targets.parse(step.target).shard
        _await(
            lambda: (_lag_bytes(shard, scene) or 0) > bytes_behind,
            f"a replica more than {bytes_behind} bytes behind",
            limit_s,
            scene,
        )


def _previous_effect(step: FaultStep, so_far: SoFar, scene: FaultScene) -> tuple[int, int]:
    """When the previous fault's effect began at the earliest, and when it was proved.

    An event that it caused may come before its proof; what was acked before it may be replicated.
    """
    if step.number == 1:
        return so_far.began_us, so_far.began_us
    effect = _await(
        lambda: so_far.effect_of(step.number - 1), f"fault {step.number - 1} to take effect", FOREVER_S, scene
    )
    return effect.at_us - effect.error_us, effect.at_us


def _event_us(event: str, since_us: int, so_far: SoFar, scene: FaultScene) -> int | None:
    if event.startswith("fault "):
        effect = so_far.effect_of(int(event.removeprefix("fault ")))
        return effect.at_us if effect is not None else None
    if event == "healed":
        return so_far.first_healed_us(since_us)
    return scene.observed.first_event_us(event, since_us)


def _acked(step: FaultStep, since_us: int, so_far: SoFar, scene: FaultScene) -> bool:
    start = step.start
    if scene.observed.acked_since(str(start.acked), since_us) < start.times:
        return False
    return not start.unreplicated or _unreplicated(step, so_far, scene)


def _unreplicated(step: FaultStep, so_far: SoFar, scene: FaultScene) -> bool:
    """Whether the shard's primary has acknowledged something that no replica of it has."""
    before = {other.number: other for other in scene.plan.scenario.faults if other.number < step.number}
    shard = targets.parse(step.target).shard
    for other in before.values():
        cuts = Trait.CUTS_REPLICATION in other.traits and targets.parse(other.target).shard == shard
        if cuts and other.number in so_far.standing:
            return True
    primary = scene.observed.views().get(scene.observed.primary_of(shard) or "")
    return primary is not None and all(has < primary.offset for has in primary.replica_offsets.values())


def _lag_bytes(shard: int, scene: FaultScene) -> int | None:
    """How far the slowest replica is behind; None: not known."""
    primary = scene.observed.views().get(scene.observed.primary_of(shard) or "")
    if primary is None or not primary.replica_offsets:
        return None
    return primary.offset - min(primary.replica_offsets.values())


def _condition(start: Start) -> str:
    unreplicated = " that no replica has" if start.unreplicated else ""
    return f"{start.times} acked `{start.acked}`{unreplicated}"


def _until(due_us: int, scene: FaultScene) -> None:
    _await(lambda: scene.observed.now_us() >= due_us, f"{due_us / 1e6:.3f} s on the clock", FOREVER_S, scene)


def _await(probe: Callable[[], Seen | None], waiting_for: str, within_s: float, scene: FaultScene) -> Seen:
    def asked() -> Seen | None:
        if scene.stopping():
            raise Interrupted(f"the run ended before the start condition was met: waiting for {waiting_for}")
        return probe()

    try:
        return wait_until(asked, within_s=within_s, waiting_for=waiting_for, every_s=LOOK_EVERY_S)
    except WaitExpired as expired:
        seen = targets.describe(scene)
        raise NoEffect(
            f"start condition not met within {within_s:g} s: waiting for {waiting_for}; last seen: {seen}"
        ) from expired
