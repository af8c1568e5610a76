"""What changed since the suite before."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.model.results import ScenarioResult, SuiteResult
from harness.model.words import Verdict
from harness.report.changes import changes
from harness.report.write import SUITE, suite_before, write_suite
from tests.builders_results import result, suite


def run(file: str, verdict: Verdict, seed: int = 7) -> ScenarioResult:
    return replace(result(verdict), file=file, name=file, seed=seed)


def written(folder: Path, *results: ScenarioResult) -> SuiteResult:
    folder.mkdir()
    made = replace(suite(*results), directory=str(folder))
    write_suite(made)
    return made


def test_a_scenario_with_another_word_changed() -> None:
    """What was skipped, or what only one of the two has run, did not; nor did another seed."""
    before = suite(
        run("a", Verdict.PASS), run("b", Verdict.PASS, 1), run("c", Verdict.SKIPPED), run("d", Verdict.FAIL)
    )
    now = suite(
        run("a", Verdict.FAIL), run("b", Verdict.PASS, 2), run("c", Verdict.FAIL), run("e", Verdict.FAIL)
    )
    found = changes(before, now)
    assert [(one.cell.label, one.before, one.now) for one in found.changed] == [("a", "kept", "BROKEN")]
    assert (found.same, found.elsewhere, found.since) == (1, "", "20260101-000000-core-abc123")


def test_another_machine_or_engine_is_said() -> None:
    """A difference may come from there."""
    before = suite(run("a", Verdict.PASS))
    now = replace(before, engine="Valkey 9.1.2", backend="docker")
    assert changes(before, now).elsewhere == "process, now docker; Redis 7.0.15, now Valkey 9.1.2"


def test_repeated_runs_are_one_scenario() -> None:
    """Broken once among several is a change, with how often."""
    before = suite(run("a", Verdict.PASS, 1), run("a", Verdict.PASS, 2))
    now = suite(run("a", Verdict.PASS, 3), run("a", Verdict.FAIL, 4))
    (found,) = changes(before, now).changed
    assert (found.before, found.now) == ("kept 2 of 2", "BROKEN in 1 of 2")


def test_the_suite_before_is_the_last_one_of_its_name(tmp_path: Path) -> None:
    """In the same folder, made earlier; never a link, a damaged one, or one of another name."""
    written(tmp_path / "20260101-000000-core-aaaaaa", run("a", Verdict.PASS))
    written(tmp_path / "20260102-000000-core-bbbbbb", run("a", Verdict.PASS))
    written(tmp_path / "20260103-000000-smoke-cccccc", run("a", Verdict.PASS))
    (tmp_path / "20260104-000000-core-dddddd").symlink_to("20260101-000000-core-aaaaaa")
    mine = written(tmp_path / "20260105-000000-core-eeeeee", run("a", Verdict.FAIL))
    written(tmp_path / "20260106-000000-core-ffffff", run("a", Verdict.PASS))
    found = suite_before(Path(mine.directory), "core")
    assert found is not None
    assert Path(found.directory).name == "20260102-000000-core-bbbbbb"
    html = (Path(mine.directory) / "index.html").read_text(encoding="utf-8")
    assert '<a href="../20260102-000000-core-bbbbbb/index.html">' in html
    assert '<span class="verdict FAIL">BROKEN</span>, before kept: sentinel: a' in html
    (tmp_path / "20260102-000000-core-bbbbbb" / SUITE).write_bytes(b"damaged")
    assert suite_before(Path(mine.directory), "core") is None


def test_without_a_suite_before_the_page_says_nothing(tmp_path: Path) -> None:
    """Neither has a folder that somebody renamed."""
    first = written(tmp_path / "20260101-000000-core-aaaaaa", run("a", Verdict.PASS))
    assert suite_before(Path(first.directory), "core") is None
    assert "Since" not in (Path(first.directory) / "index.html").read_text(encoding="utf-8")
    renamed = written(tmp_path / "z", run("a", Verdict.PASS))
    assert suite_before(Path(renamed.directory), "core") is None


def test_suites_that_have_nothing_in_common_are_not_compared(tmp_path: Path) -> None:
    """One scenario after another one of somebody who tries things."""
    written(tmp_path / "20260101-000000-core-aaaaaa", run("a", Verdict.PASS))
    other = written(tmp_path / "20260102-000000-core-bbbbbb", run("b", Verdict.PASS))
    assert "Since" not in (Path(other.directory) / "index.html").read_text(encoding="utf-8")
    same = written(tmp_path / "20260103-000000-core-cccccc", run("b", Verdict.PASS))
    html = (Path(same.directory) / "index.html").read_text(encoding="utf-8")
    assert "nothing changed in what both ran (1 scenario)." in html
