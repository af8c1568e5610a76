"""What is known now, for faults that wait for a condition: implements `model.seams.ObservedState`.

Also the place every event passes through on its way to the recorder, so that "the first `promoted`
since" can be answered. Readable from any thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.clock import Clock
from harness.model.plan import Plan
from harness.model.records import Event, Record
from harness.model.scenario import FaultStep
from harness.model.seams import NodeView, Recorder
from harness.model.words import Trait
from harness.observe.topology_view import ViewCollector, primary_of


class LiveState:
    """`acked_since` and `last_acked_us` are the load engine's."""

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        collector: ViewCollector,
        *,
        acked_since: Callable[[str, int], int],
        last_acked_us: Callable[[str], int | None],
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._collector = collector
        self._acked_since = acked_since
        self._last_acked_us = last_acked_us
        self._events: dict[str, list[int]] = {}
        self._elected: str | None = None
        self._cuts: set[int] = set()
        self._traits = {step.number: step.traits for step in plan.scenario.faults}

    def learn(self, step: FaultStep) -> None:
        """Of a fault that the plan does not have, before it acts."""
        self._traits[step.number] = step.traits

    def recording(self, record: Recorder) -> Recorder:
        """`record`, with every event noted on its way."""

        def noted(rec: Record) -> None:
            if isinstance(rec, Event):
                self._note(rec)
            record(rec)

        return noted

    def cut(self) -> bool:
        """Whether a fault that cuts links has taken effect and is not healed."""
        return bool(self._cuts)

    def last_effect_us(self) -> int | None:
        """When the latest fault's effect was proved."""
        return max(tuple(self._events.get("effect", ())), default=None)

    def last_change_us(self) -> int | None:
        """When the latest effect of a fault, or its healing, was proved."""
        changes = (*self._events.get("effect", ()), *self._events.get("healed", ()))
        return max(changes, default=None)

    def now_us(self) -> int:
        return self._clock.now_us()

    def views(self) -> Mapping[str, NodeView]:
        """Every data node that ever answered; role and offsets are those of its last answer."""
        known = self._collector.now(self.now_us())
        found = {}
        for name, answer in known.answers.items():
            newest = known.newest(name)
            found[name] = NodeView(
                name=name,
                role=answer.role,
                shard=known.shards.get(name, self._plan.node(name).shard),
                offset=answer.offset,
                replica_offsets=answer.replicas,
                reachable=newest is not None and newest.reachable,
                run_id=answer.run_id,
            )
        return found

    def primary_of(self, shard: int) -> str | None:
        return primary_of(self._collector.now(self.now_us()), self._plan, shard)

    def acked_since(self, behaviour: str, since_us: int) -> int:
        return self._acked_since(behaviour, since_us)

    def last_acked_us(self, behaviour: str) -> int | None:
        return self._last_acked_us(behaviour)

    def first_event_us(self, name: str, since_us: int) -> int | None:
        return min((t_us for t_us in tuple(self._events.get(name, ())) if t_us >= since_us), default=None)

    def elected(self) -> str | None:
        return self._elected

    def _note(self, event: Event) -> None:
        self._events.setdefault(event.name, []).append(event.t_us)
        if event.name == "elected":
            self._elected = event.source
        if event.fault is None:
            return
        if event.name == "effect" and Trait.CUTS_LINKS in self._traits[event.fault]:
            self._cuts.add(event.fault)
        elif event.name == "healed":
            self._cuts.discard(event.fault)
