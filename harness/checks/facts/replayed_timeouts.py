"""By when a node had executed what another one had acked: what a timeout counts from before Redis 7.0.

Those engines replicate EXPIRE as a number of seconds, so each replica counts from when it executes the
command itself. Where nothing was promoted since, the node that acked it answers, and its deadline is
exact. Else three proofs bound the execution, the earliest counts: a sample shows that the node had
followed past the command; it was promoted, and followed nobody from then on; it answered.

Trap: the largest lag that was sampled is no bound, the command may have waited longer than any of those
that a sample happened to meet. A replica that was started again goes on from its snapshot, and executes what
came after it once more: also what it had acked itself, or had when it was promoted.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.checks.facts.causes import Acker, acker, watcher
from harness.checks.facts.ownership import Ownership
from harness.checks.facts.promotions import Owner
from harness.checks.facts.step_effects import Sight, StepEffect
from harness.checks.facts.timelines import Timelines
from harness.model.engine import several
from harness.model.times import FOREVER


def expires_relatively(engine: str) -> bool:
    """Redis before 7.0 replicates EXPIRE as a number of seconds from then, not as a moment. Of several
    engines, any may be the one that does."""
    return any(_is_before_7(one) for one in several(engine))


def _is_before_7(engine: str) -> bool:
    name, _, version = engine.partition(" ")
    major = version.partition(".")[0]
    return name == "Redis" and major.isdigit() and int(major) < 7


def replayed_us(timelines: Timelines, effect: StepEffect, sight: Sight) -> float:
    """By when the node that answered the look, or the one that it has its data from, had executed this.

    Never later than it answered: what a look shows was executed by then, also of an attempt that is open.
    """
    last_us = min(effect.until_us, sight.done_us)
    if not expires_relatively(timelines.history.opening.engine):
        return last_us
    nodes, by, at = timelines.ownership, acker(timelines, effect), watcher(timelines, sight)
    if by.node is None or at.node is None or effect.extra:
        return sight.done_us
    heirs = [one for one in nodes.heirs(by.node, effect.sent_us) if one.from_us <= sight.done_us]
    if at.node == by.node and not heirs:
        return last_us
    span = nodes.offsets.span(by.node, by.run_id, effect.sent_us, effect.done_us)
    executed_us = last_us
    for node in {at.node, *(one.node for one in heirs)}:
        led_us = _led_us(nodes, node, last_us if node == by.node else None, heirs, at)
        until_us, run_id = (led_us, "") if led_us < sight.done_us else (sight.done_us, at.run_id)
        followed_us = FOREVER if span is None else nodes.offsets.reached_us(node, span, until_us, run_id)
        executed_us = max(executed_us, min(followed_us, led_us))
    return min(executed_us, sight.done_us)


def _led_us(nodes: Ownership, node: str, acked_us: float | None, heirs: Sequence[Owner], at: Acker) -> float:
    """By when a node had it as primary: it acked it then, or was promoted. `FOREVER`: it never had.

    Asked of the process that answered, or else that led last. Where that went on from a snapshot, it counts
    what it did itself: another process of the node had executed it, and it did so once more."""
    led_us = [one.by_us for one in heirs if one.node == node]
    run_id = at.run_id if node == at.node else nodes.offsets.process_at(node, max(led_us))
    anew_us = nodes.offsets.goes_on_us(node, run_id)
    own_us = led_us if acked_us is None else [acked_us, *led_us]
    return min((one for one in own_us if one >= anew_us), default=FOREVER)
