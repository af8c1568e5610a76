"""The curves of a run's page, and the drawing that the page holds."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from functools import cache
from math import isnan, nan
from xml.etree import ElementTree as ET

import pytest

from harness.model.history import History
from harness.model.records import NodeSample
from harness.model.words import Outcome
from harness.report import charts as of_run
from harness.report import drawing
from harness.report.charts import POINTS_MAX, Chart, charts
from harness.report.drawing import COLOURS, Curve, Manner, Scale, drawn
from harness.report.timeline import Axis
from lab.past import Past

SCALE = Scale(begin_s=-1.0, end_s=4.0, ticks=range(5), faults=((0.0, 2.0),), colours={})
SCALE_OF_K = replace(SCALE, colours={"k": 0})
COUNTED = Manner(number="{:,.0f}".format)
COUNTS = Manner(number="{:,.0f}".format, steps=True)


@cache
def history() -> History:
    """Somebody logs in, is refused once, and waits two seconds once; a failover in between."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0)
    past.cut_off("redis-2", 2.5)
    past.fail_over("redis-2", 3.0, follow=8.0)
    past.change(ann, 4.0, attempts=[(4.0, None, None)], outcome=Outcome.UNKNOWN)
    past.read(ann, 6.0, web="web-2")
    return past.history()


@cache
def drawn_of_run() -> tuple[Chart, ...]:
    return charts(history())


def sample(node: str, at_s: float, **fields: object) -> NodeSample:
    at_us = round(at_s * 1e6)
    return NodeSample(node=node, sent_us=at_us, done_us=at_us, **fields)  # type: ignore[arg-type]


def with_samples(*samples: NodeSample) -> History:
    return replace(history(), samples=samples)


def curves(of: str, past: History) -> dict[str, Curve]:
    return {one.said: one for one in getattr(of_run, of)(past, Axis(past))}


def test_latency_is_that_of_the_slowest_by_kind() -> None:
    """At the time when it was due; slices without a request are gaps."""
    found = {said.split(":")[0]: curve for said, curve in curves("_latency", history()).items()}
    assert set(found) == {"login", "read"}
    known = [value for value in found["read"].y if not isnan(value)]
    assert known == [pytest.approx(0.001), pytest.approx(0.001)]
    assert len(found["read"].y) == len(found["read"].x)
    assert found["read"].said == "read: the slowest took 1 ms; its user asked at +2.00 s"


def test_requests_that_failed_are_counted_by_kind() -> None:
    """A change without a reply is one; a kind without any has no curve."""
    (found,) = curves("_errors", history()).values()
    assert (found.name, found.said, sum(found.y)) == ("write", "write: 1 in all", 1)


def test_lag_is_what_the_primary_says_of_its_replicas() -> None:
    """A replica that it does not name may be anywhere: a gap, and no zero."""
    past = with_samples(
        sample("redis-1", 1.0, role="primary", offset=100, replicas={"redis-2": 90, "redis-3": 100}),
        sample("redis-2", 1.1, role="replica", offset=90),
        sample("redis-1", 2.0, role="primary", offset=400),
        sample("redis-1", 3.0, role="primary", offset=500, replicas={"redis-2": 200}),
    )
    found = curves("_lag", past)
    assert list(found) == ["redis-2: at most 300 B behind", "redis-3: at most 0 B behind"]
    behind = found["redis-2: at most 300 B behind"]
    assert (behind.y[0], isnan(behind.y[1]), behind.y[2]) == (10, True, 300)


def test_memory_is_drawn_for_each_node_and_evictions_where_there_were_any() -> None:
    """A node that does not answer has a gap; the limit is said."""
    past = with_samples(
        sample("redis-1", 1.0, role="primary", memory_bytes=2048, memory_limit_bytes=4096),
        sample("redis-1", 2.0, reachable=False),
        sample("redis-1", 3.0, role="primary", memory_bytes=1024, evicted_keys=1500),
        sample("redis-2", 3.0, role="replica", memory_bytes=1024),
    )
    memory = curves("_memory", past)
    assert list(memory) == ["redis-1: at most 2.0 KiB of 4.0 KiB", "redis-2: at most 1.0 KiB"]
    assert isnan(memory["redis-1: at most 2.0 KiB of 4.0 KiB"].y[1])
    assert list(curves("_evictions", past)) == ["redis-1: 1,500"]


def test_long_run_keeps_its_peaks() -> None:
    """Fewer points, and the largest value is among them."""
    values = [0.0] * (5 * POINTS_MAX + 3)
    values[777] = 9.0
    values[0] = nan
    thinned = of_run._thinned(values)
    assert len(thinned) <= POINTS_MAX
    assert (777, 9.0) in thinned
    assert of_run._thinned([1.0, nan])[0] == (0, 1.0)


def test_long_curve_has_dots_where_it_has_no_line() -> None:
    """A point between two gaps would not be seen without one; a short curve has all of its dots."""
    values = [1.0, nan, 2.0, nan, 3.0, 4.0]
    assert drawing._marked(values) == [*range(6)]
    long = [*values, *([5.0] * drawing.DOTTED_MAX)]
    assert drawing._marked(long) == [0, 2]
    assert drawing._marked(long[-drawing.DOTTED_MAX :]) == [*range(drawing.DOTTED_MAX)]
    sizes = [
        len(
            drawn(
                [Curve(name="k", x=[*map(float, range(len(y)))], y=y, said="")],
                SCALE_OF_K,
                COUNTED,
                prefix="x",
            )
        )
        for y in (long, long[:-7])
    ]
    assert sizes[0] < sizes[1]


def test_each_drawing_stands_on_its_own() -> None:
    """No id of one is in another, nothing is loaded, no colour and no letter is the library's."""
    found = drawn_of_run()
    assert [one.title.split(":")[0].split(" in ")[0] for one in found][:2] == ["Latency", "Requests"]
    ids = [name for one in found for name in re.findall(r'\bid="([^"]*)"', one.drawing)]
    assert len(set(ids)) == len(ids)
    for one in found:
        assert set(re.findall(r'(?:href="#|url\(#)([^")]*)', one.drawing)) <= set(ids)
        assert not re.search(
            r"https?://(?!www\.w3\.org/)|<script|<style|<image|#fa000|#fb000|font:", one.drawing
        )
        assert ET.fromstring(one.drawing).get("viewBox")


def test_each_curve_says_what_it_shows() -> None:
    """As a title in the drawing, and as a line below it in the same colour."""
    for one in drawn_of_run():
        titles = re.findall(r"<title>(.*?)</title>", one.drawing)
        assert titles == [said for _, said in one.key]
        assert all(f"var(--series-{colour})" in one.drawing for colour, _ in one.key)


def test_node_and_kind_have_one_colour_on_the_whole_page() -> None:
    """Also where a chart shows only some of them: the primary is behind nobody."""
    past = with_samples(
        sample("redis-1", 1.0, role="primary", memory_bytes=2048, replicas={"redis-2": 0, "redis-3": 0}),
        sample("redis-2", 1.0, role="replica", memory_bytes=1024),
        sample("redis-3", 1.0, role="replica", memory_bytes=1024, evicted_keys=7),
    )
    colours: dict[str, set[int]] = defaultdict(set)
    for chart in charts(past):
        for colour, said in chart.key:
            colours[said.partition(":")[0]].add(colour)
    assert {"redis-2", "redis-3", "read", "login", "write"} <= set(colours)
    assert all(len(mine) == 1 for mine in colours.values())
    nodes = [colours[f"redis-{n}"] for n in (1, 2, 3)]
    assert len(set().union(*nodes)) == len(nodes)


def test_names_cannot_leave_the_drawing() -> None:
    """A node of somebody's project may be called anything."""
    hostile = Curve(name="</svg><script>", x=[0.0, 1.0], y=[1.0, 2.0], said="<script>alert(1)</script>")
    svg = drawn([hostile] * (COLOURS + 1), replace(SCALE, colours={hostile.name: 0}), COUNTS, prefix="x")
    assert "<script" not in svg
    assert svg.count("&lt;script&gt;") == COLOURS + 1


@pytest.mark.parametrize(
    ("top", "base", "marks"),
    [(0.5, 10, [0]), (4.0, 10, [0, 1, 2, 3, 4]), (18.0, 10, [0, 5, 10, 15]), (6000, 2, [0, 2048, 4096])],
)
def test_axis_has_round_numbers(top: float, base: int, marks: list[int]) -> None:
    """Counts have no fractions, and sizes are marked at powers of two."""
    assert drawing._round(top, base) == marks


def test_run_in_which_nothing_was_sampled_still_has_a_page() -> None:
    """Its charts are left out one by one."""
    empty = replace(history(), samples=(), events=())
    titles = [one.title for one in charts(empty)]
    assert [title.partition(" ")[0].rstrip(":") for title in titles] == ["Latency", "Requests"]
