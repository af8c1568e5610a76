"""The picture of a run, as shapes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from harness.checks.judge import judge
from harness.model.directives import LeftOut
from harness.model.history import History
from harness.model.inventory import NodePlan
from harness.model.records import PROXY_SAYS, Event
from harness.model.results import ScenarioResult, Story
from harness.model.words import NodeRole
from harness.report.node_logs import LogLine
from harness.report.page import page
from harness.report.timeline import LABEL, WIDTH, timeline
from tests.builders_results import result
from tests.unit.checks.stories import zombie_reader


def history() -> History:
    return zombie_reader().history()


def judged() -> ScenarioResult:
    judgement = judge(history())
    return replace(result(), judgement=judgement, verdict=judgement.verdict)


def test_everything_lies_within_the_picture() -> None:
    """No bar leaves the axis, and none is invisible."""
    drawing = timeline(history())
    assert drawing.bars
    for bar in drawing.bars:
        assert LABEL <= bar.x <= WIDTH
        assert bar.x + bar.width <= WIDTH + 1
        assert bar.width > 0
        assert 0 <= bar.y <= drawing.height


def test_every_node_has_its_lane_and_its_roles() -> None:
    """A failover is seen as one lane that turns primary, beside one that was."""
    drawing = timeline(history())
    lanes = {label.text for label in drawing.labels}
    assert {"redis-1", "redis-2"} <= lanes
    roles = [bar.title.split(":")[1].split(",")[0].strip() for bar in drawing.bars if "redis-2:" in bar.title]
    assert roles[0] == "replica"
    assert "primary" in roles


def test_operations_are_stacked_by_outcome() -> None:
    """The chart shows how many operations ended how, and when."""
    styles = {bar.style for bar in timeline(history()).bars}
    assert "outcome-acked" in styles


def test_time_counts_from_the_first_effect() -> None:
    """Without a fault it counts from the baseline."""
    past = replace(history(), events=())
    effect = Event(source="fault 1", name="effect", t_us=2_000_000, fault=1)
    assert replace(past, events=(effect,)).zero_us == 2_000_000
    assert past.zero_us == next(one.t_us for one in past.phases if one.phase == "baseline")


def test_page_shows_verdict_expectations_and_picture() -> None:
    """The page of a run stands on its own: no script, nothing from elsewhere."""
    html = page(judged(), history())
    assert "<svg" in html
    assert "What happened when" in html
    assert html.count('<div class="wide">') == html.count("<table")
    assert html.count('<div class="drawing" tabindex="0"') == html.count("<svg")
    assert "<script" not in html
    assert "src=" not in html


def test_page_lists_what_the_nodes_were_not_given() -> None:
    """A directive that was left out stands there with its table and the reason; which can decide, too."""
    left = (
        LeftOut(table="redis", name="port", why="addresses are chosen for every run", decides=False),
        LeftOut(table="sentinel", name="sentinel <b>myid", why="the kit gives it", decides=True),
    )
    rows = (
        ("port", "redis", "", "addresses are chosen for every run"),
        ("sentinel &lt;b&gt;myid", "sentinel", "can decide the outcome", "the kit gives it"),
    )
    html = page(replace(judged(), left_out=left), history())
    assert "Directives that the nodes did not get" in html
    cells = re.sub(r' data-column="[^"]*"', "", html)
    assert ["".join(f"<td>{cell}</td>" for cell in one) in cells for one in rows] == [True, True]
    assert "Directives that the nodes did not get" not in page(judged(), history())


def test_each_proxy_has_a_lane_of_what_it_said() -> None:
    """Several nodes that are UP at once stand out; none, or no answer, is no service."""
    past = history()
    plan = replace(past.plan, nodes=(*past.plan.nodes, NodePlan(name="proxy-1", role=NodeRole.PROXY)))
    said = ("redis-1 UP, redis-2 DOWN", "redis-1 UP, redis-2 UP (2 UP)", "no answer")
    events = tuple(
        Event(source="proxy-1", name=PROXY_SAYS, t_us=n * 1_000_000, node="proxy-1", detail=one)
        for n, one in enumerate(said, start=1)
    )
    drawing = timeline(replace(past, plan=plan, events=(*past.events, *events)))
    assert "proxy-1" in {label.text for label in drawing.labels}
    mine = [bar for bar in drawing.bars if bar.title.startswith("proxy-1: ")]
    assert [bar.style for bar in mine] == ["role-primary", "fault", "role-down"]
    assert mine[1].title.startswith("proxy-1: redis-1 UP, redis-2 UP (2 UP)")


@pytest.mark.usefixtures("undrawn")
def test_lines_and_bands_are_explained_before_they_are_seen() -> None:
    """Every kind of event that has a line is named."""
    html = page(judged(), history())
    _, heading, rest = html.partition("<h2>What happened when</h2>")
    assert heading
    legend, _, drawings = rest.partition("</p>")
    assert "<svg" not in legend
    assert "<svg" in drawings
    for words in ("Red vertical line: ", "Pink band in the charts: ", "Blue vertical line: "):
        assert words in legend
    assert "promoted" in legend
    assert "web server killed" in legend


@pytest.mark.usefixtures("undrawn")
def test_page_shows_what_nodes_logged_and_where_a_session_went() -> None:
    """Both are folded or narrow: nobody who does not ask for them scrolls past them."""
    past = replace(history(), events=(Event(source="fault 1", name="effect", t_us=2_000_000, fault=1),))
    said = LogLine(t_us=2_100_000, node="redis-2", text="* MASTER <MODE> enabled")
    html = page(judged(), past, [said])
    assert "Seconds count from the effect of fault 1, around every fault." in html
    assert re.search(r"<details><summary>around fault 1: .*, at \+0\.00 s</summary>", html)
    assert "+0.100 s  redis-2     * MASTER &lt;MODE&gt; enabled" in html
    (session,) = {one.session for one in judge(past).findings if one.session}
    assert f'aria-label="operations of session {session[:8]} over the nodes"' in html
    assert "What the nodes logged" not in page(judged(), past)


@pytest.mark.usefixtures("undrawn")
def test_marks_are_explained_before_the_first_story() -> None:
    """Whoever reads from the top knows what the drawing of a session shows."""
    past = history()
    session = next(one.session for one in judge(past).findings if one.session)
    told = replace(judged(), stories=(Story(session=session, finding="stale-read", lines=("first",)),))
    html = page(told, past)
    story = html.index("The story of session")
    assert html.index("each mark is an operation of the session") < story
    assert story < html.index(f"operations of session {session[:8]}")
