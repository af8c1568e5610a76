"""Each failover as one bar of stages: what took how long, and the setting that governs it.

The steps are measured elsewhere; here they are put one behind the other. Trap: steps come from several
observers, each with an error of its own, and some are not seen: a stage begins at the latest step before it
that is known, and a step that seems to come before that begins nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.model.deployment import ClientProfile, TopologySpec
from harness.model.judgement import FailoverStep
from harness.model.plan import Plan
from harness.model.words import Discovery
from harness.report.words import seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A part of a failover. Times in seconds after the fault's effect."""

    name: str
    begin_s: float
    end_s: float
    governed: str
    """The setting that changes how long it takes, with its value."""
    share: float
    """Of the whole failover, in percent."""

    @property
    def length_s(self) -> float:
        return self.end_s - self.begin_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    which: str
    stages: tuple[Stage, ...]
    unfinished: str
    """Where it ended before clients could write again, and why; empty: they could."""

    @property
    def length_s(self) -> float:
        return self.stages[-1].end_s if self.stages else 0.0


STAGES = (
    ("noticed", "suspected first"),
    ("agreed", "agreed"),
    ("elected", "elected"),
    ("promoted", "promoted"),
    ("followed by clients", "first write acked by the new primary"),
)
"""Name -> the step that ends it. What a topology has no step for is part of the stage after it."""


def anatomies(steps: Sequence[FailoverStep], plan: Plan) -> list[Anatomy]:
    """One for each failover of the run, in order, also for one that never came to its end."""
    found: dict[tuple[int, int], list[FailoverStep]] = {}
    for step in steps:
        found.setdefault((step.shard, step.failover), []).append(step)
    return [one for some in found.values() if (one := _anatomy(some, plan)).stages]


def _anatomy(steps: Sequence[FailoverStep], plan: Plan) -> Anatomy:
    at = {step.step: step.t_s for step in steps if step.t_s is not None}
    spans = list(_spans(at))
    whole = spans[-1][2] if spans else 0.0
    governed = _governed(plan)
    stages = tuple(
        Stage(
            name=name,
            begin_s=begin,
            end_s=end,
            governed=governed.get(name, ""),
            share=100 * (end - begin) / whole,
        )
        for name, begin, end in spans
    )
    return Anatomy(which=steps[0].which, stages=stages, unfinished=_unfinished(steps))


def _spans(at: dict[str, float]) -> Iterator[tuple[str, float, float]]:
    begin = 0.0
    for name, ends_with in STAGES:
        end = at.get(ends_with)
        if end is not None and end > begin:
            yield name, begin, end
            begin = end


def _unfinished(steps: Sequence[FailoverStep]) -> str:
    for _, ends_with in STAGES[-2:]:
        missing = next((one for one in steps if one.step == ends_with and one.t_s is None), None)
        if missing is not None:
            return f"not {missing.step}: {missing.said}" if missing.step == "promoted" else missing.said
    return ""


def _governed(plan: Plan) -> dict[str, str]:
    """Of a user's own Compose project the settings are not known as the kit's own are; then none is named."""
    deployment = plan.scenario.deployment
    if deployment.project is not None:
        return {}
    by_kind = _by_cluster if plan.inventory.clustered else _by_sentinels
    return {**by_kind(deployment.topology), "followed by clients": _by_client(deployment.client)}


def _by_sentinels(topology: TopologySpec) -> dict[str, str]:
    return {
        "noticed": f"down_after {seconds(topology.down_after_s)}",
        "agreed": f"quorum {topology.effective_quorum} of {topology.sentinels}; sentinels ask each other "
        "every second",
        "elected": f"a majority of {topology.sentinels} sentinels; after a failed election twice "
        f"failover_timeout {seconds(topology.failover_timeout_s)}",
        "promoted": "which replicas are fit (replica-priority, their link to the primary); INFO every second",
    }


def _by_cluster(topology: TopologySpec) -> dict[str, str]:
    return {
        "noticed": f"node_timeout {seconds(topology.node_timeout_s)}",
        "agreed": f"a majority of {topology.shards} primaries; gossip within half of node_timeout",
        "elected": "half a second, up to half a second more by chance, a second more for each replica "
        "that is further ahead",
        "promoted": "the votes of a majority of primaries",
    }


def _by_client(client: ClientProfile) -> str:
    if client.discovery is Discovery.THROUGH_PROXY:
        return "check_every, fall and rise of the proxy"
    return (
        f"discovery {client.discovery}, socket_timeout {seconds(client.socket_timeout_s)}, "
        f"{client.application_retries} retries"
    )
