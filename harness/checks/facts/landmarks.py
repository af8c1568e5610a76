"""When things happened in a run: its landmarks, on its own clock.

All measurements of this package stand on these: availability, latency, failover steps, metrics,
evidence. Nothing is judged here. Trap: a run has several faults. Seconds in the report count from
the FIRST fault's proved effect, the steps of a failover from the effect that set it off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.checks.columns.traffic import traffic_of
from harness.checks.facts.ownership import Nodes
from harness.checks.facts.shards import Shards
from harness.model.history import History
from harness.model.records import Event
from harness.model.words import Phase, Trait


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """The run's landmarks, in microseconds on its clock."""

    begin_us: int
    """The baseline began; the seed before it is not judged."""
    fault_us: int | None
    """The first fault's proved effect; None: no fault took effect."""
    fault_error_us: int = 0
    danger_ends_us: int | None = None
    """After this no acked write is in particular danger any more: the last effect, promotion,
    demotion or healing of a lasting fault. None exactly when `fault_us` is."""
    recovered_us: int
    """The topology was seen recovered; the workload's end where it never was."""
    workload_ends_us: int
    """The audit began, or the history ends."""
    spans: Mapping[Phase, tuple[int, int]]

    @property
    def zero_us(self) -> int:
        """What `seconds after the fault` counts from; without a fault, the baseline's beginning."""
        return self.begin_us if self.fault_us is None else self.fault_us

    @property
    def danger_us(self) -> tuple[int, int] | None:
        """From when to when acked writes were in danger; None without a fault."""
        if self.fault_us is None or self.danger_ends_us is None:
            return None
        return self.fault_us - self.fault_error_us, self.danger_ends_us

    @property
    def trouble_us(self) -> tuple[int, int]:
        """From when to when outages are to be expected; without a fault, all of the workload."""
        if self.fault_us is None:
            return self.begin_us, self.workload_ends_us
        return self.fault_us - self.fault_error_us, self.recovered_us

    def phase_at(self, t_us: int) -> Phase | None:
        return next((phase for phase, (start, end) in self.spans.items() if start <= t_us < end), None)


def moments_of(history: History) -> Moments:
    ends_us = _last_known_us(history)
    spans = _spans(history, ends_us)
    begin_us = spans[Phase.BASELINE][0] if Phase.BASELINE in spans else 0
    workload_ends_us = spans[Phase.AUDIT][0] if Phase.AUDIT in spans else ends_us
    first = min(fault_effects(history), key=lambda event: event.t_us, default=None)
    return Moments(
        begin_us=begin_us,
        fault_us=None if first is None else first.t_us,
        fault_error_us=0 if first is None else first.error_us,
        danger_ends_us=None if first is None else _danger_ends_us(history, first.t_us),
        recovered_us=_recovered_us(history, spans, workload_ends_us),
        workload_ends_us=workload_ends_us,
        spans=spans,
    )


def fault_effects(history: History) -> list[Event]:
    """The proved effects of the run's faults, in their order."""
    return [event for event in history.events if event.name == "effect"]


def shard_of(history: History, event: Event) -> int | None:
    """The shard that an event concerns: as recorded, or by its node."""
    if event.shard is not None:
        return event.shard
    return history.once(Shards).of(event.node, event.t_us)


def targets_of(event: Event, history: History) -> list[str]:
    """The nodes that an effect names; the record's `node` is the first of them."""
    named = event.detail.partition(":")[0].split(", ")
    known = {node.name for node in history.plan.nodes}
    return [name for name in named if name in known] or [one for one in (event.node,) if one in known]


def _spans(history: History, ends_us: int) -> dict[Phase, tuple[int, int]]:
    changes = sorted(history.phases, key=lambda change: change.t_us)
    starts = [change.t_us for change in changes]
    ends = [*starts[1:], max([ends_us, *starts])]
    return {
        change.phase: (change.t_us, end) for change, end in zip(changes, ends, strict=False)
    }  # no phase, no end


def _last_known_us(history: History) -> int:
    if history.closing is not None:
        return history.closing.t_us
    times = [change.t_us for change in history.phases]
    times += [event.t_us for event in history.events]
    times += [pair.t_us for pair in history.clocks]
    return max([*times, int(traffic_of(history).ended_us.max(initial=0))])


def _recovered_us(history: History, spans: Mapping[Phase, tuple[int, int]], otherwise_us: int) -> int:
    if Phase.SETTLED in spans:
        return spans[Phase.SETTLED][0]
    return max((event.t_us for event in history.events if event.name == "recovered"), default=otherwise_us)


def _danger_ends_us(history: History, first_us: int) -> int:
    lasting = history.plan.scenario.faults_with(Trait.LASTS)

    def matters(event: Event) -> bool:
        if event.name == "healed":
            return event.fault in lasting
        return event.name in {"effect", "promoted", "demoted"}

    served_us = _first_answers(history)
    ends = (served_us(event) for event in history.events if matters(event))
    return max([first_us, *map(int, ends)])


def _first_answers(history: History) -> Callable[[Event], float]:
    """Of an event, when it happened. A restart has when the new process first answered anybody: whoever
    started it may be told much later, and users are served meanwhile."""
    starting = history.plan.scenario.faults_with(Trait.STARTS_PROCESS)
    restarts = history.once(Nodes).restarts if starting else ()

    def served_us(event: Event) -> float:
        if event.fault not in starting:
            return event.t_us
        begun_us = event.t_us - event.error_us
        mine = (
            one.by_us for one in restarts if one.node == event.node and begun_us <= one.by_us <= event.t_us
        )
        return max(mine, default=event.t_us)

    return served_us
