"""What a run's page draws over time: latency and errors by kind of operation, how far replicas were behind,
memory and evictions of each node.

Only the curves are made here, from the history; `drawing` draws them. Operations are put together by slices
of time, as in the timeline above them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isnan, nan
from typing import TypeAlias

from markupsafe import Markup

from harness.costly import np
from harness.model.history import History
from harness.model.records import NodeSample
from harness.model.words import NodeRole, OperationKind, Outcome
from harness.report.drawing import COLOURS, Curve, Manner, Scale, drawn
from harness.report.timeline import KINDS, OUTCOMES, Axis, over_time
from harness.report.words import after, bytes_of, seconds

POINTS_MAX = 1000
"""Of a curve of samples: a page of a long run stays small."""

_Panel: TypeAlias = "tuple[str, Callable[[History, Axis], Iterator[Curve]], Manner]"
_TIMES = Manner(number=seconds, logarithmic=True)
_COUNTS = Manner(number="{:,.0f}".format, steps=True)
_SIZES = Manner(number=lambda value: bytes_of(int(value)), base=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    title: str
    drawing: Markup
    key: tuple[tuple[int, str], ...]
    """Number of the colour, and what the curve of this colour shows, in words."""


def charts(past: History) -> tuple[Chart, ...]:
    """Without those that would show nothing."""
    axis = Axis(past)
    slice_s = axis.slice_us / 1e6
    panels: tuple[_Panel, ...] = (
        (f"Latency: the slowest request in each {slice_s:.2g} s", _latency, _TIMES),
        (f"Requests in each {slice_s:.2g} s that were refused, or got no answer", _errors, _COUNTS),
        ("How far replicas are behind their primary", _lag, _SIZES),
        ("Memory of each data node", _memory, _SIZES),
        ("Keys evicted since a node started", _evictions, _COUNTS),
    )
    shown = [(title, curves, manner) for title, of, manner in panels if (curves := tuple(of(past, axis)))]
    scale = _scale(past, axis, _colours(past, chain.from_iterable(curves for _, curves, _ in shown)))
    return tuple(
        Chart(
            title=title,
            drawing=drawn(curves, scale, manner, prefix=f"chart-{number}"),
            key=tuple((scale.colours[curve.name], curve.said) for curve in curves),
        )
        for number, (title, curves, manner) in enumerate(shown)
    )


def _colours(past: History, curves: Iterable[Curve]) -> dict[str, int]:
    """A node, and a kind of operation, has the same colour in all charts, whichever others are there."""
    nodes = dict.fromkeys(one.name for one in past.plan.data_nodes())
    others = dict.fromkeys(one.name for one in curves if one.name not in set(OperationKind))
    named = (OperationKind, {**nodes, **others})
    return {name: number % COLOURS for some in named for number, name in enumerate(some)}


def _scale(past: History, axis: Axis, colours: dict[str, int]) -> Scale:
    healed = {one.fault: one.t_us for one in past.events if one.name == "healed"}
    lasting = {step.number for step in past.plan.scenario.faults if step.for_s is not None}
    return Scale(
        begin_s=axis.seconds(axis.begin),
        end_s=axis.seconds(axis.end),
        ticks=axis.ticks,
        colours=colours,
        faults=tuple(
            (
                axis.seconds(one.t_us),
                axis.seconds(healed.get(one.fault, axis.end if one.fault in lasting else one.t_us)),
            )
            for one in past.effects
        ),
    )


# -- Operations, by kind


def _latency(past: History, axis: Axis) -> Iterator[Curve]:
    """Of operations that were acked, at the time when they were due."""
    found = past.once(over_time)
    for kind, (took_us, due_us) in found.worst.items():
        slowest_us = found.slowest_us[KINDS.index(kind)]
        took_s = np.where(slowest_us < 0, nan, slowest_us / 1e6).tolist()
        said = f"{kind}: the slowest took {seconds(took_us / 1e6)}; its user asked at "
        yield Curve(name=kind, x=_middles(axis), y=took_s, said=said + after(axis.seconds(due_us)))


def _errors(past: History, axis: Axis) -> Iterator[Curve]:
    """At the time when they ended; of those that never did, when they were due."""
    counts = past.once(over_time).counts
    failed = counts.sum(axis=2) - counts[:, :, OUTCOMES.index(Outcome.ACKED)]
    begins = [axis.seconds(axis.begin + number * axis.slice_us) for number in range(len(failed))]
    for number in np.flatnonzero(failed.any(axis=0)).tolist():
        mine = failed[:, number]
        yield Curve(
            name=KINDS[number], x=begins, y=mine.tolist(), said=f"{KINDS[number]}: {int(mine.sum())} in all"
        )


def _middles(axis: Axis) -> list[float]:
    half = axis.slice_us // 2
    begins = range(axis.begin, axis.end + 1, axis.slice_us)
    return [axis.seconds(begin + half) for begin in begins]


# -- Nodes, by their samples


def _lag(past: History, axis: Axis) -> Iterator[Curve]:
    """By what each primary says that its replicas have; unknown while nobody is a replica's primary."""
    primaries = [one for one in past.samples if one.reachable and one.role == NodeRole.PRIMARY]
    for node in dict.fromkeys(name for one in primaries for name in one.replicas):
        behind = [(one, _behind(one, node)) for one in primaries if node in one.replicas or not one.replicas]
        yield from _of_samples(node, behind, axis, "at most {} behind", bytes_of)


def _behind(primary: NodeSample, node: str) -> float:
    return max(0, primary.offset - primary.replicas[node]) if node in primary.replicas else nan


def _memory(past: History, axis: Axis) -> Iterator[Curve]:
    for node in past.plan.data_nodes():
        mine = [one for one in past.samples if one.node == node.name]
        limit = max((one.memory_limit_bytes for one in mine), default=0)
        said = "at most {}" + (f" of {bytes_of(limit)}" if limit else "")
        used = [(one, one.memory_bytes if one.reachable else nan) for one in mine]
        yield from _of_samples(node.name, used, axis, said, bytes_of)


def _evictions(past: History, axis: Axis) -> Iterator[Curve]:
    for node in past.plan.data_nodes():
        mine = [one for one in past.samples if one.node == node.name]
        if any(one.evicted_keys for one in mine):
            counts = [(one, one.evicted_keys if one.reachable else nan) for one in mine]
            yield from _of_samples(node.name, counts, axis, "{}", "{:,}".format)


def _of_samples(
    node: str,
    values: Sequence[tuple[NodeSample, float]],
    axis: Axis,
    said: str,
    text: Callable[[int], str],
) -> Iterator[Curve]:
    """The curve of a node, by samples that may be of another; none where nothing is known. `said` takes the
    largest value."""
    shown = [(one, value) for one, value in values if axis.begin <= one.done_us <= axis.end]
    known = [value for _, value in shown if not isnan(value)]
    if known:
        thinned = _thinned([value for _, value in shown])
        yield Curve(
            name=node,
            x=[axis.seconds(shown[place][0].done_us) for place, _ in thinned],
            y=[value for _, value in thinned],
            said=f"{node}: {said.format(text(int(max(known))))}",
        )


def _thinned(values: Sequence[float]) -> list[tuple[int, float]]:
    """Places and values; of a long run the largest of several neighbours each, so that no peak is lost."""
    several = -(-len(values) // POINTS_MAX)
    groups = [range(begin, min(begin + several, len(values))) for begin in range(0, len(values), several)]
    largest = [max(group, key=lambda place: (not isnan(values[place]), values[place])) for group in groups]
    return [(place, values[place]) for place in largest]
