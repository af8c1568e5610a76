"""Curves over a run's time as SVG that a page can hold: drawn by matplotlib, dressed by the page.

A panel has the time axis of the timeline above it, so that both can be read together. The library lays
out curves, ticks and scales; colours are CSS variables of the page, so that they are right on dark paper and
on white, and text is text. Every curve has a title, for whoever points at it or has it read aloud.

Trap: ids of several drawings meet in one page, so each drawing has a prefix of its own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from math import isnan
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from harness.costly import figure, mpl
from harness.report.timeline import LABEL, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = 7
"""Curves of one panel that are told apart by colour; the page has `--series-0` and so on."""
HEIGHT = 130.0
DOTTED_MAX = 200
"""Points of a curve that each get a dot."""
_BELOW, _ABOVE = 22.0, 6.0
_POINTS_PER_INCH = 72.0

_INK, _RULE, _FAULT = "#fb0000", "#fb0001", "#fb0002"
_VARIABLES = {_INK: "var(--dim)", _RULE: "var(--line)", _FAULT: "var(--bad)"} | {
    f"#fa000{n}": f"var(--series-{n})" for n in range(COLOURS)
}
"""Colours that the library is given, and what the page has in their place."""

_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "failover-kit",  # the same run gives the same page
    "font.size": 11.0,
    "axes.edgecolor": _RULE,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "grid.color": _RULE,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "lines.linewidth": 1.6,
    "lines.markersize": 2.5,
    "axes.unicode_minus": False,
}


_NOTHING = dict.fromkeys(("Date", "Creator", "Format", "Type"))
"""Metadata that the library would write: nothing of the kind belongs in a part of a page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    name: str
    """Decides its colour, by the scale."""
    x: Sequence[float]
    """Seconds, rising."""
    y: Sequence[float]
    """NaN: not known there, and the curve has a gap."""
    said: str
    """In words, as the title of the curve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """What all panels of a page share."""

    begin_s: float
    end_s: float
    ticks: Sequence[int]
    faults: tuple[tuple[float, float], ...]
    """From the effect of each until it was healed; to the same moment where it was over at once."""
    colours: Mapping[str, int]
    """Name of a curve -> number of its colour, below `COLOURS`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the values of a panel are to be read."""

    number: Callable[[float], str]
    """A value as the axis says it."""
    steps: bool = False
    """A value holds until the next one, and the area below it is filled."""
    logarithmic: bool = False
    base: int = 10
    """Of the numbers that count as round: sizes have powers of two."""


def drawn(curves: Sequence[Curve], scale: Scale, manner: Manner, *, prefix: str) -> Markup:
    with mpl.rc_context({**mpl.rcParamsDefault, **_STYLE}):
        paper = figure.Figure(figsize=(WIDTH / _POINTS_PER_INCH, HEIGHT / _POINTS_PER_INCH))
        axes = paper.add_axes(
            (LABEL / WIDTH, _BELOW / HEIGHT, 1 - LABEL / WIDTH, 1 - (_BELOW + _ABOVE) / HEIGHT)
        )
        _draw(axes, curves, scale.colours, steps=manner.steps)
        _scaled(axes, scale, manner)
        raw = io.StringIO()
        paper.savefig(raw, format="svg", metadata=_NOTHING)
    return _dressed(raw.getvalue(), curves, prefix)


def _draw(axes: Axes, curves: Sequence[Curve], colours: Mapping[str, int], *, steps: bool) -> None:
    for number, curve in enumerate(curves):
        colour, name = f"#fa000{colours[curve.name]}", _id(number)
        if steps:
            axes.fill_between(curve.x, curve.y, step="post", color=colour, alpha=0.25, linewidth=0)
            axes.step(curve.x, curve.y, where="post", color=colour, gid=name)
        else:
            axes.plot(curve.x, curve.y, color=colour, marker="o", markevery=_marked(curve.y), gid=name)


def _marked(values: Sequence[float]) -> list[int]:
    """The places of the points that get a dot: all of a short curve. Of a long one, whose dots would only
    hide its line and make the page several times as large, those that have no line."""
    known = [False, *(not isnan(value) for value in values), False]
    return [
        place
        for place in range(len(values))
        if len(values) <= DOTTED_MAX or not (known[place] or known[place + 2])
    ]


def _id(number: int) -> str:
    return f"curve-{number}"


def _scaled(axes: Axes, scale: Scale, manner: Manner) -> None:
    for begin_s, end_s in scale.faults:
        axes.axvspan(begin_s, max(end_s, begin_s), color=_FAULT, alpha=0.12, linewidth=0)
        axes.axvline(begin_s, color=_FAULT, linewidth=1)
    axes.set_xlim(scale.begin_s, scale.end_s)
    if manner.logarithmic:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
        axes.set_yticks(_round(axes.get_ylim()[1], manner.base))
    axes.yaxis.set_major_formatter(lambda value, _: manner.number(value))
    axes.set_xticks(scale.ticks, [f"{one} s" for one in scale.ticks])
    axes.grid(visible=True, axis="y")


def _round(top: float, base: int) -> list[float]:
    """Three to six round numbers from 0 on, without fractions."""
    within = (1, 2, 5) if base == 10 else (1,)
    steps = (factor * base**power for power in count() for factor in within)
    step = next(one for one in steps if one * 5 >= top)
    return [step * n for n in range(int(top // step) + 1)]


def _dressed(svg: str, curves: Sequence[Curve], prefix: str) -> Markup:
    """The drawing alone, in the page's colours and letters."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<!--.*?-->\s*|<style.*?</style>\s*|<metadata.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(
        r"<svg [^>]*?viewBox=\"([^\"]*)\"[^>]*>", r'<svg viewBox="\1" aria-hidden="true">', svg, count=1
    )
    svg = re.sub(r"font: [^;\"]*;? ?", "", svg)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'(\bid="|\bhref="#|url\(#)', rf"\1{prefix}-", svg)
    for colour, variable in _VARIABLES.items():
        svg = svg.replace(colour, variable)
    for number, curve in enumerate(curves):
        mine = f'<g id="{prefix}-{_id(number)}">'
        svg = svg.replace(mine, f"{mine}<title>{escape(curve.said)}</title>")
    return Markup(svg)  # noqa: S704  every text in it is escaped, by the library or above
