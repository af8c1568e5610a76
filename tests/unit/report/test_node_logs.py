"""Which lines of the nodes' logs a page shows, and where they lie on the run's clock."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.model.history import History
from harness.model.records import ClockPair, Event
from harness.report.node_logs import LETTERS_MAX, LINES_MAX, LogLine, around_faults, counted_from
from harness.saved.node_logs import node_logs
from tests.unit.checks.stories import zombie_reader

WALL_US = 1_795_901_594_000_000
"""2026-11-28 21:33:14 UTC: when this run's clock said 0."""


def history(*effects_s: float) -> History:
    effects = tuple(
        Event(source=f"fault {n}", name="effect", t_us=round(at_s * 1e6), fault=n, detail="redis-1: gone")
        for n, at_s in enumerate(effects_s, 1)
    )
    clock = ClockPair(t_us=500_000, wall_us=WALL_US + 500_000)
    return replace(zombie_reader().history(), events=effects, clocks=(clock,))


def line(at_s: float, node: str = "redis-1", text: str = "* said") -> LogLine:
    return LogLine(t_us=round(at_s * 1e6), node=node, text=text)


def test_lines_around_a_fault_are_merged_by_time() -> None:
    """From half a second before until ten seconds after, or until the next fault's."""
    lines = [line(1.4), line(1.5, "redis-2"), line(2.0), line(5.49), line(5.5, "redis-2"), line(16.1)]
    first, second = around_faults(lines, history(2.0, 6.0))
    assert first.fault == "fault 1: redis-1: gone"
    assert [text.split()[:3] for text in first.lines] == [
        ["-0.500", "s", "redis-2"],
        ["+0.000", "s", "redis-1"],
        ["+3.490", "s", "redis-1"],
    ]
    assert [text.split()[0] for text in second.lines] == ["+3.500"]
    assert (first.at_s, second.at_s) == (0.0, 4.0)


def test_seconds_say_what_they_count_from() -> None:
    """Around the second fault too they count from the first effect."""
    assert counted_from(history(2.0, 6.0)) == "the effect of fault 1"
    assert counted_from(history(6.0, 2.0)) == "the effect of fault 2"
    assert counted_from(history()) == "the beginning of the baseline"


def test_lines_of_one_millisecond_keep_the_order_of_the_log() -> None:
    """Their letters say nothing about which came first."""
    said = ("* Z comes first", "# A comes second", "* B comes third")
    (found,) = around_faults([*(line(2.0, text=one) for one in said), line(1.9, "redis-2")], history(2.0))
    assert [text.split("  ")[-1].strip() for text in found.lines] == ["* said", *said]


@pytest.mark.parametrize("letters", [LETTERS_MAX, LETTERS_MAX + 1])
def test_line_that_is_cut_says_so(letters: int) -> None:
    """A line that just fits is whole."""
    (found,) = around_faults([line(2.0, text="x" * letters)], history(2.0))
    (shown,) = found.lines
    assert shown.endswith("x" if letters == LETTERS_MAX else "…")
    assert len(shown.split()[-1]) == LETTERS_MAX


def test_what_is_left_out_is_counted() -> None:
    """A fault around which nobody logged anything is not there."""
    lines = [line(2.0 + n / 100) for n in range(LINES_MAX + 7)]
    (found,) = around_faults(lines, history(2.0, 20.0))
    assert (len(found.lines), found.more) == (LINES_MAX, 7)
    assert around_faults([], history(2.0)) == ()


@pytest.mark.parametrize("hour", [21, 22, 3])
def test_log_is_read_in_whatever_time_zone_it_was_written(tmp_path: Path, hour: int) -> None:
    """The first line is from about the beginning of the run, so the rest follows."""
    folder = tmp_path / "nodes"
    folder.mkdir()
    day = 29 if hour == 3 else 28
    (folder / "redis-2.log").write_text(
        f"1:C {day} Nov 2026 {hour:02}:33:12.900 * starting\n"
        "no line of Redis\n"
        f"1:M {day} Nov 2026 {hour:02}:33:16.250 # MASTER MODE enabled\n"
        f"1:M 31 Feb 2026 {hour:02}:33:16.250 # no such day\n"
        f"1:M {day} Now 2026 {hour:02}:33:16.250 # no such month\n"
    )
    (folder / "redis-3.log").symlink_to("/etc/passwd")
    found = node_logs(tmp_path, history(2.0))
    assert [(one.t_us, one.node, one.text) for one in found] == [
        (-1_100_000, "redis-2", "* starting"),
        (2_250_000, "redis-2", "# MASTER MODE enabled"),
    ]


def test_logs_of_one_millisecond_are_read_in_their_own_order(tmp_path: Path) -> None:
    """A node says first that it changes, then what became of it."""
    folder = tmp_path / "nodes"
    folder.mkdir()
    said = ["# MASTER MODE enabled", "* Connecting", "# A last word"]
    stamp = "1:M 28 Nov 2026 21:33:16.250"
    (folder / "redis-2.log").write_text("".join(f"{stamp} {one}\n" for one in said))
    assert [one.text for one in node_logs(tmp_path, history(2.0))] == said


def test_run_without_logs_or_without_a_clock_shows_none(tmp_path: Path) -> None:
    """An older run, or a part of one."""
    assert node_logs(tmp_path, history(2.0)) == ()
    assert node_logs(tmp_path, replace(history(2.0), clocks=())) == ()
