"""The picture of a run: phases, faults, node roles and operations on one time axis, as shapes.

Only geometry is made here (the template draws it), so that it can be tested without a browser.
X runs in seconds from the first fault's effect, or from the baseline where there was no fault.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from operator import itemgetter
from typing import TypeAlias

from harness.costly import np, npt, pa, pc
from harness.model.history import History
from harness.model.records import PROXY_SAYS, Event
from harness.model.words import OperationKind, Outcome, Phase

WIDTH = 1000.0
LANE = 18.0
LABEL = 140.0
CHART = 120.0

KINDS, OUTCOMES = tuple(OperationKind), tuple(Outcome)

Counts: TypeAlias = "npt.NDArray[np.int64]"

_SHOWN_EVENTS = ("promoted", "demoted", "recovered", "elected", "rebooted", "flushed", "web-server-killed")

LEGEND = (
    "Red vertical line: a fault takes effect. Pink band in the charts: until the fault is healed. "
    "Blue vertical line: a node, the topology or a web server changes "
    f"({', '.join(_SHOWN_EVENTS).replace('-', ' ')})."
)
"""What lines and bands mean, in all drawings over time."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch of time in a lane; also used for the bars of the chart."""

    x: float
    y: float
    width: float
    height: float
    style: str
    title: str


@dataclass(frozen=True, slots=True)
class Label:
    x: float
    y: float
    text: str
    anchor: str = "start"


@dataclass(slots=True)
class Timeline:
    width: float = WIDTH
    height: float = 0.0
    bars: list[Bar] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)
    marks: list[Bar] = field(default_factory=list)
    """Moments: thin lines across all lanes."""


def timeline(past: History) -> Timeline:
    drawing = Timeline()
    axis = Axis(past)
    y = 14.0
    y = _phases(drawing, axis, past, y)
    y = _faults(drawing, axis, past, y)
    y = _nodes(drawing, axis, past, y)
    y = _proxies(drawing, axis, past, y)
    top_of_chart = y + 8
    y = _operations(drawing, axis, past, top_of_chart)
    _events(drawing, axis, past, y)
    _ticks(drawing, axis, y)
    drawing.height = y + 24
    return drawing


class Axis:
    """The time of a run, from its baseline to its audit."""

    def __init__(self, past: History) -> None:
        self.zero = past.zero_us
        baseline = [change.t_us for change in past.phases if change.phase is Phase.BASELINE]
        audit = [change.t_us for change in past.phases if change.phase is Phase.AUDIT]
        last_sample = past.samples[-1].done_us if past.samples else 1
        self.begin = baseline[0] if baseline else 0
        self.end = max(audit[0] if audit else last_sample, self.begin + 1)

    @property
    def slice_us(self) -> int:
        """A quarter of a second; more where that would be more than 400 slices."""
        return max(250_000, (self.end - self.begin) // 400)

    @property
    def ticks(self) -> range:
        """Seconds that are marked: not more than fit."""
        span_s = (self.end - self.begin) / 1e6
        step = next((one for one in (1, 2, 5, 10, 20, 60) if span_s / one <= 15), 120)
        first = int(self.seconds(self.begin) // step + 1) * step
        return range(first, int(self.seconds(self.end)) + 1, step)

    def x(self, t_us: int) -> float:
        share = (t_us - self.begin) / (self.end - self.begin)
        return LABEL + (WIDTH - LABEL) * min(1.0, max(0.0, share))

    def seconds(self, t_us: int) -> float:
        return (t_us - self.zero) / 1e6

    def bar(self, begin: int, end: int, lane: tuple[float, float], style: str, title: str) -> Bar:
        left, right = self.x(begin), self.x(end)
        span = f"{self.seconds(begin):z.2f} s to {self.seconds(end):z.2f} s"
        return Bar(left, lane[0], max(right - left, 1.0), lane[1], style, f"{title}, {span}")


def _phases(drawing: Timeline, axis: Axis, past: History, y: float) -> float:
    drawing.labels.append(Label(0, y + 12, "phase"))
    changes = [change for change in past.phases if change.phase is not Phase.SEED]
    for change, following in zip_longest(changes, changes[1:]):
        end = following.t_us if following else axis.end
        if change.phase is Phase.AUDIT or end <= axis.begin:
            continue
        drawing.bars.append(axis.bar(change.t_us, end, (y, LANE - 4), f"phase-{change.phase}", change.phase))
        if axis.x(end) - axis.x(change.t_us) > 50:
            drawing.labels.append(Label(axis.x(change.t_us) + 4, y + 11, change.phase))
    return y + LANE


def _faults(drawing: Timeline, axis: Axis, past: History, y: float) -> float:
    steps = {step.number: step for step in past.plan.scenario.faults}
    for number, step in steps.items():
        events = [event for event in past.events if event.fault == number]
        effect = _first(events, "effect")
        if effect is None:
            continue
        healed = _first(events, "healed")
        end = healed.t_us if healed else axis.end if step.for_s is not None else effect.t_us
        what = f"{step.kind} {effect.node or step.target}"
        drawing.labels.append(Label(0, y + 12, what[:24]))
        drawing.bars.append(axis.bar(effect.t_us, end, (y, LANE - 4), "fault", f"{what}: {effect.said}"))
        drawing.marks.append(Bar(axis.x(effect.t_us), 10, 1, 0, "fault-line", what))
        y += LANE
    return y


def _first(events: list[Event], name: str) -> Event | None:
    return next((event for event in events if event.name == name), None)


def _nodes(drawing: Timeline, axis: Axis, past: History, y: float) -> float:
    """One lane a data node."""
    for node in past.plan.data_nodes():
        drawing.labels.append(Label(0, y + 12, node.name))
        drawing.bars += roles(axis, past, node.name, y)
        y += LANE
    return y


def roles(axis: Axis, past: History, node: str, y: float) -> list[Bar]:
    """What a data node said of itself, sample by sample, equal neighbours joined."""
    bars: list[Bar] = []
    stretch: tuple[int, str] | None = None
    last_us = axis.begin
    for sample in past.samples:
        if sample.node != node or sample.done_us < axis.begin:
            continue
        style = f"role-{sample.role or 'down'}" if sample.reachable else "role-down"
        if stretch is None:
            stretch = (axis.begin, style)
        elif style != stretch[1]:
            bars.append(_lane(axis, stretch, sample.done_us, y, node))
            stretch = (sample.done_us, style)
        last_us = sample.done_us
    if stretch is not None:
        bars.append(_lane(axis, stretch, max(last_us, axis.end), y, node))
    return bars


def _proxies(drawing: Timeline, axis: Axis, past: History, y: float) -> float:
    """One lane a proxy: which nodes it had for UP. Several at once stand out, like a fault."""
    for proxy in past.plan.inventory.proxies:
        drawing.labels.append(Label(0, y + 12, proxy.name))
        said = [one for one in past.events if one.source == proxy.name and one.name == PROXY_SAYS]
        for one, following in zip_longest(said, said[1:]):
            end = following.t_us if following else axis.end
            if end > axis.begin:
                begin = max(one.t_us, axis.begin)
                title = f"{proxy.name}: {one.detail}"
                drawing.bars.append(axis.bar(begin, end, (y, LANE - 6), _view(one.detail), title))
        y += LANE
    return y


def _view(said: str) -> str:
    up = said.split(" (", maxsplit=1)[0].count(" UP")
    return "role-primary" if up == 1 else "fault" if up else "role-down"


def _lane(axis: Axis, stretch: tuple[int, str], end: int, y: float, node: str) -> Bar:
    begin, style = stretch
    return axis.bar(begin, end, (y, LANE - 6), style, f"{node}: {style.removeprefix('role-')}")


def _operations(drawing: Timeline, axis: Axis, past: History, y: float) -> float:
    """Operations by outcome, stacked, in slices of a quarter of a second (at most 400 slices)."""
    slice_us = axis.slice_us
    counts = past.once(over_time).counts.sum(axis=1)
    tallest = int(counts.sum(axis=1).max()) or 1
    for index in np.flatnonzero(counts.any(axis=1)).tolist():
        base = y + CHART
        begin = axis.begin + index * slice_us
        for outcome, count in zip(OUTCOMES, counts[index].tolist(), strict=True):
            if not count:
                continue
            height = CHART * count / tallest
            base -= height
            lane = (base, height)
            title = f"{count} {outcome}"
            drawing.bars.append(axis.bar(begin, begin + slice_us, lane, f"outcome-{outcome}", title))
    per_second = tallest * 1_000_000 / slice_us
    drawing.labels.append(Label(0, y + 12, "operations"))
    drawing.labels.append(Label(0, y + 26, f"top: {per_second:.0f}/s"))
    return y + CHART


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OverTime:
    """What became of operations in each slice of a run's time."""

    counts: Counts
    """Slice, kind, outcome: how many ended (were due, if they never did) then."""
    slowest_us: Counts
    """Kind, slice: the longest wait of an acked one that was due then; -1: none was."""
    worst: Mapping[OperationKind, tuple[int, int]]
    """The longest of all, and when it was due. Kinds in their order; without those that none was acked of."""


def over_time(past: History) -> OverTime:
    """All that drawings ask of operations, in one pass."""
    axis = Axis(past)
    slices = (axis.end - axis.begin) // axis.slice_us + 1
    counts = np.zeros((slices, len(KINDS), len(OUTCOMES)), np.int64)
    slowest_us = np.full((len(KINDS), slices), -1, np.int64)
    worst: dict[OperationKind, tuple[int, int]] = {}
    for _, part in past.table.parts({"operations": ("due_us", "done_us", "outcome", "kind")}):
        due_us = part.operations["due_us"].to_numpy()
        ended_us = pc.coalesce(part.operations["done_us"], part.operations["due_us"]).to_numpy()
        kind, outcome = _places(part.operations, "kind", KINDS), _places(part.operations, "outcome", OUTCOMES)
        within = (ended_us >= axis.begin) & (ended_us <= axis.end)
        place = ((ended_us - axis.begin) // axis.slice_us * len(KINDS) + kind) * len(OUTCOMES) + outcome
        counts += np.bincount(place[within], minlength=counts.size).reshape(counts.shape)
        acked = (outcome == OUTCOMES.index(Outcome.ACKED)) & part.operations["done_us"].is_valid().to_numpy()
        acked &= (due_us >= axis.begin) & (due_us <= axis.end)
        for number, name in enumerate(KINDS):
            mine = np.flatnonzero(acked & (kind == number))
            if len(mine):
                due, took_us = due_us[mine], np.maximum(0, ended_us[mine] - due_us[mine])
                np.maximum.at(slowest_us[number], (due - axis.begin) // axis.slice_us, took_us)
                at = int(np.argmax(took_us))
                one = int(took_us[at]), int(due[at])
                worst[name] = max(worst.get(name, one), one, key=itemgetter(0))
    return OverTime(
        counts=counts, slowest_us=slowest_us, worst={name: worst[name] for name in KINDS if name in worst}
    )


def _places(operations: pa.Table, column: str, words: Sequence[str]) -> npt.NDArray[np.int8]:
    """Of each operation, the place of its word."""
    packed = operations[column].combine_chunks()
    places = np.array([words.index(word) for word in packed.dictionary.to_pylist()], np.int8)
    found: npt.NDArray[np.int8] = places[packed.indices.to_numpy()]
    return found


def _events(drawing: Timeline, axis: Axis, past: History, bottom: float) -> None:
    seen: set[tuple[str, str | None]] = set()
    for event in past.events:
        if event.name not in _SHOWN_EVENTS or not axis.begin <= event.t_us <= axis.end:
            continue
        if (event.name, event.node) in seen:
            continue
        seen.add((event.name, event.node))
        title = f"{event.node or ''} {event.name} at {axis.seconds(event.t_us):z.2f} s {event.detail}"
        drawing.marks.append(Bar(axis.x(event.t_us), 10, 1, bottom - 10, "event-line", title.strip()))
    drawing.marks = [
        Bar(mark.x, mark.y, mark.width, mark.height or bottom - 10, mark.style, mark.title)
        for mark in drawing.marks
    ]


def _ticks(drawing: Timeline, axis: Axis, y: float) -> None:
    for second in axis.ticks:
        x = axis.x(axis.zero + second * 1_000_000)
        drawing.labels.append(Label(x, y + 16, f"{second} s", "middle"))
        drawing.marks.append(Bar(x, y, 1, 4, "tick", ""))
