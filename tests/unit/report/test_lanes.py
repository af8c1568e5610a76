"""The operations of a session over the nodes."""

from __future__ import annotations

from harness.report.lanes import NOWHERE, lanes
from harness.report.timeline import LABEL, WIDTH
from lab.past import Past
from tests.unit.checks.stories import zombie_reader


def test_each_operation_is_a_mark_on_the_node_that_it_went_to() -> None:
    """In the order of the nodes; the reader that stayed behind is on the old primary."""
    history = zombie_reader().history()
    (session,) = {one.session for one in history.operations}
    (drawing,) = lanes(history, {session}).values()
    marks = [bar for bar in drawing.bars if bar.style.startswith("mark ")]
    assert len(marks) == len(history.operations)
    by_lane = [[bar.title.split(" ")[0] for bar in marks if y <= bar.y < y + 18] for y in (0, 18, 36)]
    assert by_lane[0] == ["log-in", "read"]
    assert by_lane[1] == ["change-field", "cart", "touch", "logout"]
    assert by_lane[2] == []
    assert marks[0].title.startswith("log-in 1 through web-1, acked, user sees 'ok', ")
    assert all(LABEL - 2 <= bar.x <= WIDTH for bar in marks)


def test_label_says_what_the_audit_read() -> None:
    """There, or absent; who did not answer is not known."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.silent = {"redis-3"}
    past.log_in("bob", 1.5)
    past.lose(ann, 2.0)
    (drawing,) = lanes(past.history(), {ann}).values()
    assert [label.text for label in drawing.labels] == [
        "redis-1: absent",
        "redis-2: absent",
        "redis-3: not known",
    ]


def test_operation_that_reached_nobody_has_a_lane_of_its_own() -> None:
    """No connection could be had; nothing is asked about sessions that are not there."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    history = past.history()
    for operation in history.operations:
        for attempt in operation.attempts:
            attempt.connection = None
    (drawing,) = lanes(history, {ann}).values()
    assert drawing.labels[-1].text == NOWHERE
    assert lanes(history, set()) == {}
    assert lanes(history, {"nobody"}) == {}
