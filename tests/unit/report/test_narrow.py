"""On a narrow page each row is a block, and each cell says itself of which column it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from harness.model.directives import LeftOut
from harness.model.words import Verdict
from harness.report.page import index, page
from harness.report.words import unbroken
from tests.builders_results import result, suite
from tests.unit.report.test_timeline import history, judged


class Cells(HTMLParser):
    """Columns that tables name in their heads, beside what their cells say."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.heads: list[str] = []
        self.row: list[str] = []
        self.pairs: list[tuple[list[str], list[str]]] = []
        self._in: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.heads = []
        if tag == "tr":
            self.row = []
        if tag == "th":
            self.heads.append("")
        if tag == "td":
            self.row.append(dict(attrs).get("data-column") or "")
        self._in = tag

    def handle_data(self, data: str) -> None:
        if self._in == "th":
            self.heads[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._in = None
        if tag == "tr" and self.row:
            self.pairs.append((self.heads, self.row))


LEFT_OUT = (LeftOut(name="loadmodule", table="redis", decides=True, why="a module"),)


@pytest.mark.parametrize(
    ("made", "rows_at_least"),
    [
        (lambda: index(suite(result())), 1),
        (lambda: page(replace(judged(), left_out=LEFT_OUT), history()), 10),
        (lambda: page(result(), history()), 6),
    ],
)
def test_each_cell_names_its_column(made: Callable[[], str], rows_at_least: int) -> None:
    """Where the heads are hidden, nothing else says what a number is."""
    html = made()
    rows = Cells(html).pairs
    assert len(rows) >= rows_at_least
    for heads, cells in rows:
        assert cells == heads


def test_page_without_room_for_a_table_hides_heads_and_scrolls_no_table() -> None:
    """The suite's table has a least width only where there is room for it."""
    html = index(suite(result()))
    wide, narrow = html.split("@media screen and (max-width: 48rem)")
    assert "thead { display: none; }" in narrow
    assert ".suite { min-width: 0; }" in narrow
    assert ".suite { min-width: 48rem; }" in wide
    assert "<script" not in html


def test_a_reason_stands_on_a_page_once() -> None:
    """The table's last column has it as well; a page shows it at the top."""
    doubted = replace(
        result(Verdict.INCONCLUSIVE), reasons=("a fault found nothing",), why="a fault found nothing"
    )
    assert page(doubted, history()).count("a fault found nothing") == 1


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("10 of 300 (3 %)", "10_of_300 (3_%)"),
        ("1 (2 / 3 %)", "1 (2_/_3_%)"),
        ("web-3: ≥ 69.2 s, more is not known", "web-3: ≥_69.2_s, more is not known"),
        (
            "16.0 s to 16.4 s [1 s to 2 s] (15.8 s to 16.6 s)",
            "16.0_s to 16.4_s [1_s_to_2_s] (15.8_s_to_16.6_s)",
        ),
        ("24.0 MiB", "24.0_MiB"),
        ("3 sessions, 5 B", "3 sessions, 5_B"),
        (f"a long remark in parentheses ({'x ' * 12}y)", f"a long remark in parentheses ({'x ' * 12}y)"),
    ],
)
def test_no_line_ends_within_a_number_and_its_unit(text: str, shown: str) -> None:
    """Nor within a range; a line may end everywhere else."""
    assert unbroken(text).replace("\u00a0", "_") == shown


def test_figures_of_a_run_and_of_a_suite_are_unbroken() -> None:
    """In the tiles, and in the cells of tables."""
    one = judged()
    assert one.judgement is not None
    metrics = replace(one.judgement.metrics, lag_at_fault_bytes=2048)
    one = replace(one, judgement=replace(one.judgement, metrics=metrics))
    figure = "2.0\u00a0KiB"
    assert f"<b>{figure}</b>" in page(one, history())
    assert f">{figure}</td>" in index(suite(one))
