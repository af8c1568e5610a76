"""The published matrix: what is kept of its suites, and the page that is made of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.errors import UsageError
from harness.many.summary import CellSummary, Seen
from harness.model.judgement import Judgement, Metrics
from harness.model.words import Shows, Verdict
from harness.report.summary import summary_text
from harness.running.given_files import choice_of_matrix
from harness.running.selection import choose
from harness.scenario.matrix import load_matrix
from lab.survival.__main__ import MATRICES, PUBLISHED, dressed, records
from lab.survival.page import CANNOT, FAULTS, TOPOLOGIES, WANTED, page
from lab.survival.record import Record
from tests.builders_results import result, suite


def record(**figures: object) -> Record:
    """One cell: Sentinel under `kill`, twice kept and once not."""
    cell = {
        "name": "primary killed",
        "file": "matrices/survival/faults/kill.yaml",
        "shows": "promise",
        "deployment_file": "matrices/survival/topologies/sentinel.yaml",
        "engine_asked": "redis-7.0",
        "varied": [],
        "verdict": "FAIL",
        "seeds": [1, 2, 3],
        "kept": {"seen": 2, "runs": 3},
        "findings": {},
        "figures": figures,
    }
    other = {**cell, "file": "matrices/survival/faults/cache-filled.yaml", "verdict": "SKIPPED"}
    left_out = other | {"kept": {"seen": 0, "runs": 0}}
    return Record(
        kit="1.2.3",
        backend="process",
        engine="Redis 7.0.15",
        timing="fast",
        suite="matrix",
        run="abc",
        jobs=2,
        cells=msgspec.convert([cell, left_out], type=list[CellSummary]),
        measured_on="2026-01-02",
        cores=2,
        memory_gib=8,
        judged=3,
        slow=1,
    )


def enough() -> CellSummary:
    return msgspec.structs.replace(record().cells[0], kept=Seen(seen=5, runs=5))


def test_matrices_have_every_fault_on_every_topology() -> None:
    """And the page knows a sentence for each of them."""
    engines: list[str] = []
    for file in MATRICES.values():
        matrix = load_matrix(file)
        chosen = choose(choice_of_matrix(matrix, None))
        assert len(chosen) == len(FAULTS) * len(TOPOLOGIES) * len(matrix.engines)
        assert {Path(one.scenario.file).stem for one in chosen} == set(FAULTS)
        assert {Path(one.scenario.deployment.file).stem for one in chosen} == set(TOPOLOGIES)
        assert matrix.repeat >= WANTED
        places = {
            (Path(one.file).stem, Path(one.deployment.file).stem)
            for one in (each.scenario for each in chosen)
            if one.deployment.topology.kind not in one.fits
        }
        assert places == CANNOT
        engines += matrix.engines
    assert sorted(engines) == ["redis-6.2", "redis-7.0", "redis-8.0", "valkey-8.1", "valkey-9.1"]


def test_page_is_that_of_the_results_beside_it() -> None:
    """Nobody edits it, and no figure is older than its page."""
    assert (PUBLISHED / "README.md").read_text() == page(records())


def test_page_says_each_figure_with_its_n_and_what_is_missing() -> None:
    """An open end stays open; a cell whose fault the topology cannot have is no cell."""
    outages = {"unit": "s", "values": [[1.0, 1.5], [2.0, 2.0], [3.0, None]]}
    text = page([record(**{"nobody could log in": outages})])
    assert "| sentinel | redis-7.0 | 2 of 3 | – | – | 2.0 s (≥ 1.0 s) | – | – | – |" in text
    assert "| [kill](#kill) | not run yet | 2 of 3: too few | not run yet |" in text
    assert "| [cache-filled](#cache-filled) | cannot have it | cannot have it | cannot have it |" in text
    assert "25 of 25 cells have fewer than 5 decided runs" in text
    assert "- Redis 7.0.15, backend process: 2026-01-02, 2 cores, 8 GiB, 2 runs side by side" in text
    assert "In 1 of 3 runs the machine was late" in text.partition("`make survival` makes this page")[0]
    seldom = {"unit": "s", "values": [[2.0, 2.0]]}
    assert "| – | 2.0 s, n = 1 | – | – | – |" in page([record(**{"nobody could log in": seldom})])
    whole = msgspec.structs.replace(record(), slow=0, cells=[enough() for _ in range(25)])
    assert "5 of 5: at least 54.9 %" in page([msgspec.structs.replace(record(), cells=[enough()])])
    assert "the machine was late by too much for the time-outs (" not in page([whole])
    assert "Every cell has at least 5 decided runs." in page([whole])


def test_times_of_late_runs_are_in_no_figure() -> None:
    """What was lost does not depend on the machine, and stays."""
    late = Judgement(
        verdict=Verdict.PASS, reasons=(), shows=Shows.PROMISE, metrics=Metrics(starved="late by 2 s")
    )
    slow = suite(replace(result(), judgement=late))
    [cell] = Record.of(slow, summary_text(slow).encode(), "summary.json", "2026-01-02").cells
    assert {one.unit for one in cell.figures.values()}.isdisjoint({"s", "ms", "%"})
    assert "acked writes lost" in cell.figures


def test_what_is_kept_is_a_baseline_for_compare(tmp_path: Path) -> None:
    """With the date and the machine; something else is refused."""
    late = Judgement(
        verdict=Verdict.PASS, reasons=(), shows=Shows.PROMISE, metrics=Metrics(starved="late by 2 s")
    )
    slow = suite(replace(result(), judgement=late))
    kept = Record.of(slow, summary_text(slow).encode(), "summary.json", "2026-01-02")
    assert (kept.measured_on, kept.cores > 0) == ("2026-01-02", True)
    assert (kept.slow, kept.judged) == (1, 1)
    assert len(kept.cells) == 1
    with pytest.raises(UsageError, match="with cells"):
        Record.of(slow, b"{}", "summary.json", "2026-01-02")


def test_page_without_its_runs_gets_the_style_of_today_and_keeps_its_words() -> None:
    """Once more changes nothing, and what is in the style is taken as it is."""
    old = r"<head><style>\n.old { content: '\\1' }\n</style></head><body><p>62 of 125 kept</p></body>"
    new = dressed(old)
    assert ".old" not in new
    assert "@media print" in new
    assert new.endswith("</style></head><body><p>62 of 125 kept</p></body>")
    assert dressed(new) == new
    cell = '<td data-column="longest outage"><a href="#cell-1">16.0 s (15.8 s to 16.6 s)</a></td>'
    kept = "<p>62 of 125 kept</p></body>"
    assert dressed(old.replace(kept, cell)).endswith(
        cell.replace("0 s", "0\u00a0s").replace("15.8 s to 16.6 s", "15.8\u00a0s\u00a0to\u00a016.6\u00a0s")
    )
