"""When a shard had no primary at all, by what nodes said and by what faults proved: whoever asked then, and
however late, got nothing from a primary.

A late machine lengthens an outage, so an outage alone proves little there. What nodes say of themselves is
true at that moment, however late it is read: the process is gone, and the others say "replica". Trap: silence
proves nothing. A node counts only as long as it says so, or is known to be down.
"""

from __future__ import annotations

from collections import defaultdict

from harness.checks.facts.of_run import Facts
from harness.checks.facts.struck import targets_of
from harness.model.records import NodeSample
from harness.model.words import Trait

Span = tuple[int, int]
"""From, to, in microseconds on the run's clock."""


def unserved(facts: Facts) -> dict[int, list[Span]]:
    """Shard -> stretches in which none of its nodes was primary."""
    ending = facts.history.plan.scenario.faults_with(Trait.STOPS_PROCESS)
    samples: dict[str, list[NodeSample]] = defaultdict(list)
    for sample in facts.history.samples:
        samples[sample.node].append(sample)
    down: set[str] = set()
    found: dict[int, list[Span]] = defaultdict(list)
    for event in facts.history.effects:
        if event.fault not in ending:
            continue
        for node in targets_of(event, facts.history):
            down.add(node)
            shard = facts.shards.of(node, event.t_us)
            if shard is None or facts.ownership.owner_at(shard, event.t_us) != node:
                continue
            until_us = min(
                _no_primary_until(samples[one], event.t_us, down=one in down)
                for one in facts.shards.members(shard, event.t_us)
            )
            if until_us > event.t_us:
                found[shard].append((event.t_us, until_us))
    return found


def _no_primary_until(samples: list[NodeSample], since_us: int, *, down: bool) -> int:
    """The last moment at which it was certainly no primary, before it was or may have been one."""
    until_us = since_us
    for sample in samples:
        if sample.sent_us < since_us:
            continue
        if sample.reachable and sample.role != "replica":
            break
        if sample.reachable or down:
            until_us = sample.sent_us
    return until_us
