"""When things happened in a run: its landmarks, on its own clock.

All measurements of this package stand on these: availability, latency, failover steps, metrics,
evidence, and so do the checks. Nothing is judged here. Trap: a run has several faults. Seconds in the
report count from the FIRST fault's proved effect, the steps of a failover from the effect that set it off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from operator import attrgetter

from harness.checks.columns.traffic import traffic_of
from harness.checks.facts.ownership import Ownership
from harness.model.history import History
from harness.model.records import Event
from harness.model.words import Phase, Trait

Spans = Mapping[Phase, tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Landmarks:
    """The run's landmarks, in microseconds on its clock."""

    begin_us: int
    """`History.begin_us`."""
    zero_us: int
    """`History.zero_us`: what seconds count from."""
    fault_us: int | None
    """The first fault's proved effect; None: no fault took effect."""
    fault_error_us: int = 0
    effects_us: tuple[tuple[int, int], ...] = ()
    """All proved effects: the earliest and the latest moment of each, in the order of the latter."""
    effects_of: tuple[int | None, ...] = ()
    """The number of the fault of each, in the same order."""
    taken_over_us: Mapping[int, tuple[float, ...]] = field(default_factory=dict)
    """Shard -> by when another node was its primary, in order."""
    danger_us: tuple[int, int] | None
    """From when to when acked writes were in danger; None without a fault. From the earliest at which a fault
    may have taken effect to the last effect, promotion, demotion or healing of a lasting fault."""
    recovered_us: int
    """Every node agreed on the topology, once nothing changed it any more; the workload's end where that
    never was."""
    given_up: bool
    """Whoever waited for recovery stopped waiting at its limit, or was stopped before."""
    workload_ends_us: int
    """The audit began, or the history ends."""
    end_us: int
    """The last moment that the history knows of."""
    spans: Spans
    clocks_apart_us: int = 0
    """`History.clocks_apart_us`."""

    @property
    def trouble_us(self) -> tuple[int, int]:
        """From when to when outages are to be expected; without a fault, all of the workload. Clients come
        back while the agreement is still watched, so it lasts until the settled phase at least."""
        if self.danger_us is None:
            return self.begin_us, self.workload_ends_us
        settled_us, _ = self.spans.get(Phase.SETTLED, (self.recovered_us, 0))
        return self.danger_us[0], max(settled_us, self.recovered_us)

    def phase_at(self, t_us: int) -> Phase | None:
        return next((phase for phase, (start, end) in self.spans.items() if start <= t_us < end), None)


def find_landmarks(history: History, ownership: Ownership) -> Landmarks:
    """Ask `facts_of(history).landmarks`: there is one for each history."""
    ends_us = _last_known_us(history)
    spans = _spans(history, ends_us)
    workload_ends_us = spans[Phase.AUDIT][0] if Phase.AUDIT in spans else ends_us
    first, danger_us = history.first_effect, _danger_us(history, ownership)
    effects = sorted(history.effects, key=attrgetter("t_us"))
    return Landmarks(
        begin_us=history.begin_us,
        zero_us=history.zero_us,
        fault_us=None if first is None else first.t_us,
        fault_error_us=0 if first is None else first.error_us,
        effects_us=tuple((one.t_us - one.error_us, one.t_us) for one in effects),
        effects_of=tuple(one.fault for one in effects),
        taken_over_us={
            shard: tuple(owner.by_us for before, owner in pairwise(owners) if owner.node != before.node)
            for shard, owners in ownership.owners.items()
        },
        danger_us=danger_us,
        recovered_us=_recovered_us(history, spans, danger_us, workload_ends_us),
        given_up=_given_up(history),
        workload_ends_us=workload_ends_us,
        end_us=ends_us,
        spans=spans,
        clocks_apart_us=history.clocks_apart_us,
    )


def _spans(history: History, ends_us: int) -> dict[Phase, tuple[int, int]]:
    changes = sorted(history.phases, key=lambda change: change.t_us)
    starts = [change.t_us for change in changes]
    ends = [*starts[1:], max([ends_us, *starts])]
    return {
        change.phase: (change.t_us, end) for change, end in zip(changes, ends, strict=False)
    }  # no phase, no end


def _last_known_us(history: History) -> int:
    """When the closing line was written; of a history without one, the latest of everything in it."""
    if history.closing is not None:
        return history.closing.t_us
    times = [change.t_us for change in history.phases]
    times += [event.t_us for event in history.events]
    times += [pair.t_us for pair in history.clocks]
    times += [sample.done_us for sample in history.samples]
    return max([*times, *(int(one.ended_us.max()) for one in traffic_of(history).pieces())], default=0)


def _given_up(history: History) -> bool:
    return history.closing is not None and bool(history.closing.not_recovered)


def _recovered_us(
    history: History, spans: Spans, danger_us: tuple[int, int] | None, workload_ends_us: int
) -> int:
    """What was seen before the danger was over is no end of it, nor what was undone before the limit. Where
    nobody wrote the moment down, the settled phase began once it had been seen."""
    given_up = _given_up(history)
    if danger_us is not None:
        since_us = max([danger_us[1], *(event.t_us for event in history.effects)])
        if given_up and Phase.RECOVERY in spans:
            since_us = max(since_us, spans[Phase.RECOVERY][0])
        seen = [one.t_us for one in history.events if one.name == "recovered" and one.t_us >= since_us]
        if seen:
            return min(seen)
    return spans[Phase.SETTLED][0] if Phase.SETTLED in spans and not given_up else workload_ends_us


def _danger_us(history: History, ownership: Ownership) -> tuple[int, int] | None:
    begun = history.effects
    if not begun:
        return None
    lasting = history.plan.scenario.faults_with(Trait.LASTS)

    def matters(event: Event) -> bool:
        if event.name == "healed":
            return event.fault in lasting
        return event.name in {"effect", "promoted", "demoted"}

    served_us = _first_answers(history, ownership)
    ends = (served_us(event) for event in history.events if matters(event))
    first_us = min(event.t_us for event in begun)
    return min(event.t_us - event.error_us for event in begun), max([first_us, *map(int, ends)])


def _first_answers(history: History, ownership: Ownership) -> Callable[[Event], float]:
    """Of an event, when it happened. A restart has when the new process first answered anybody: whoever
    started it may be told much later, and users are served meanwhile."""
    starting = history.plan.scenario.faults_with(Trait.STARTS_PROCESS)
    restarts = ownership.restarts if starting else ()

    def served_us(event: Event) -> float:
        if event.fault not in starting:
            return event.t_us
        begun_us = event.t_us - event.error_us
        mine = (
            one.by_us for one in restarts if one.node == event.node and begun_us <= one.by_us <= event.t_us
        )
        return max(mine, default=event.t_us)

    return served_us
