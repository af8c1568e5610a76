"""The table in docs/haproxy.md is that of the runs in docs/haproxy.json, and of nothing else."""

from __future__ import annotations

from harness.model.proxy import ProxyShape
from lab.haproxy.__main__ import PAGE, RECORD
from lab.haproxy.page import MADE, Record, decoded
from lab.haproxy.table import Run, Share, table
from lab.published import encoded

RUN = Run(
    fault="primary killed",
    shape="role",
    decided=True,
    pooled=Share(lost=1, acked=10),
    per_request=Share(lost=0, acked=5),
    without_survivor_s=2.5,
)


def test_page_shows_the_runs_that_are_recorded() -> None:
    """Nobody edits the table by hand; `python -m lab.haproxy --read FOLDER --page` writes both."""
    record = decoded(RECORD.read_bytes())
    assert record.runs
    assert MADE.of(PAGE.read_text(encoding="utf-8")) == table(record.runs, tuple(ProxyShape))


def test_record_is_read_as_it_was_written() -> None:
    """As a file that a person can compare."""
    record = Record(measured_on="2026-01-02", engine="Redis 7.0.15", runs=(RUN,))
    assert decoded(encoded(record)) == record
    assert encoded(record).count(b"\n") > len(record.runs)
