"""A suite at one glance: fault against topology."""

from __future__ import annotations

from dataclasses import replace

from harness.model.results import ScenarioResult
from harness.model.words import Shows, Verdict
from harness.report.changes import changes
from harness.report.grid import NO_FAULT, grid
from harness.report.page import index
from tests.builders_results import result, suite


def run(topology: str, *faults: str, verdict: Verdict = Verdict.PASS) -> ScenarioResult:
    folder = f"{topology}-{'-'.join(faults)}" if verdict is not Verdict.SKIPPED else ""
    return replace(result(verdict), topology=topology, faults=faults, run_dir=folder)


def test_rows_are_faults_and_columns_topologies() -> None:
    """Runs with the same kinds of faults on the same topology share a place."""
    kill, again = run("sentinel", "kill"), replace(run("sentinel", "kill"), name="another")
    both, none = run("cluster", "cut replication", "kill"), run("single")
    topologies, rows = grid([kill, both, again, none])
    assert topologies == ("sentinel", "cluster", "single")
    assert [(row.fault, row.cells) for row in rows] == [
        ("kill", ((kill, again), (), ())),
        ("cut replication + kill", ((), (both,), ())),
        (NO_FAULT, ((), (), (none,))),
    ]


def test_what_was_not_run_has_no_place() -> None:
    """Nor has a run of which nobody kept its faults."""
    old = replace(result(Verdict.PASS), faults=None)
    assert grid([run("sentinel", "kill", verdict=Verdict.SKIPPED), old]) == ((), ())


def test_the_page_links_each_run_from_its_place() -> None:
    """By its word, with the scenario's name for whoever holds the pointer over it."""
    broken = replace(run("sentinel", "kill", verdict=Verdict.FAIL), name="a <b>")
    html = index(suite(broken, replace(run("cluster", "kill"), shows=Shows.WEAKNESS)))
    assert '<a class="FAIL" href="./sentinel-kill/index.html" title="a &lt;b&gt;">BROKEN</a>' in html
    assert '<td data-column="cluster"><div><a class="PASS"' in html
    assert "Fault and topology" not in index(suite(replace(broken, faults=None)))


def test_a_place_says_what_its_scenario_was_in_the_suite_before() -> None:
    """Once for all runs of a scenario; nothing where it is as it was, or was not run then."""
    kept, broken = run("sentinel", "kill"), run("sentinel", "kill", verdict=Verdict.FAIL)
    same, new = replace(kept, file="same"), replace(broken, file="new")
    now = suite(broken, replace(broken, seed=8), same, new)
    html = index(now, changes(suite(kept, replace(kept, seed=8), same), now))
    assert html.count("(before ") == 1
    assert 'BROKEN</a> <span class="dim">(before kept 2 of 2)</span>' in html
