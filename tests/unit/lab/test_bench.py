"""The bench: its made histories are what they claim to be, and its arithmetic."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness import history
from harness.checks.judge import judge
from harness.model.words import Verdict
from harness.objects.counter import ATTEMPTS
from harness.objects.flag import SPENT
from harness.objects.listed import FORM
from harness.running.vocabulary import shipped
from lab.bench import runs, suite
from lab.bench.application import SHOP
from lab.bench.judging import marginal_us
from lab.bench.long_run import Wanted, write
from lab.rows import exit_status


def test_made_history_is_clean_and_as_long_as_asked(tmp_path: Path) -> None:
    """The judge finds nothing in it, misses nothing of it, and its mix is the documented one."""
    write(Wanted(operations=4_000, sessions=40), tmp_path)
    past = history.read(tmp_path)
    judgement = judge(past)
    assert judgement.verdict is Verdict.PASS, judgement.reasons
    assert not judgement.findings
    assert not judgement.evidence
    assert len(past.operations) == pytest.approx(4_000, abs=2)
    assert judgement.metrics.sessions.total == pytest.approx(40, abs=2)
    done = Counter(operation.behaviour for operation in past.operations)
    assert done["read"] / 4_000 == pytest.approx(0.59, abs=0.06)
    assert done["touch"] / 4_000 == pytest.approx(0.21, abs=0.05)


def test_made_history_of_a_shop_is_clean_and_has_its_mix(tmp_path: Path) -> None:
    """As `traffic: shop` says, with objects beside sessions, and ids that are changed."""
    write(Wanted(operations=4_000, sessions=160, traffic=SHOP), tmp_path)
    past = history.read(tmp_path)
    judgement = judge(past)
    assert judgement.verdict is Verdict.PASS, judgement.reasons
    assert not judgement.findings
    assert not judgement.evidence
    done = Counter(operation.behaviour for operation in past.operations)
    for name, weight in shipped().traffic()[SHOP].items():
        assert done[name] / 4_000 == pytest.approx(weight / 100, abs=0.04), name
        assert done[name], name
    assert {one.key.partition("{")[0] for one in past.objects} == {FORM.prefix, SPENT.prefix, ATTEMPTS.prefix}


def test_broken_history_is_broken_where_it_says(tmp_path: Path) -> None:
    """Lost, lost write, revived: each broken session is found, and no other."""
    past = write(Wanted(operations=4_000, sessions=40, broken_share=0.2), tmp_path)
    findings = judge(history.read(tmp_path)).findings
    assert {finding.session for finding in findings} == past.broken
    assert {"lost-session", "lost-write", "resurrected-session"} <= {finding.name for finding in findings}
    assert len(past.broken) >= 6


def test_marginal_cost_leaves_fixed_costs_out() -> None:
    """Ten seconds that every run takes change nothing."""
    assert marginal_us(100_000, 10.2, 1_000_000, 12.0) == pytest.approx(2.0)


def _summary(wall_s: float, *each_s: float, jobs: int = 2) -> dict[str, Any]:
    scenarios = [{"wall_s": one, "run_dir": "x", "times_run": 1} for one in each_s]
    scenarios.append({"wall_s": 0.0, "run_dir": "", "times_run": 1})
    return {"wall_s": wall_s, "jobs": jobs, "backend": "process", "scenarios": scenarios}


def test_suite_is_measured_against_the_sum_of_what_ran() -> None:
    """Sixty percent is met, more is not; skipped scenarios took no time."""
    run = Path("runs/x")
    assert suite.row(_summary(60.0, *[10.0] * 10), run).measured == pytest.approx(0.6)
    assert exit_status([suite.row(_summary(60.0, *[10.0] * 10), run)]) == 0
    assert exit_status([suite.row(_summary(61.0, *[10.0] * 10), run)]) == 1


@pytest.mark.parametrize("summary", [_summary(1.0, 1.0, 1.0), _summary(60.0, *[10.0] * 10, jobs=1)])
def test_suite_of_another_kind_is_not_measured(summary: dict[str, Any]) -> None:
    """A few scenarios, or one at a time, have no bound."""
    assert suite.row(summary, Path("runs/x")).met is None


def test_newest_suite_is_found_among_other_runs(tmp_path: Path) -> None:
    """Single scenarios and interrupted suites are passed over."""
    for name, kind, interrupted in (
        ("20260101-1", "core", "false"),
        ("20260102-1", "core", "true"),
        ("20260103-1", "selected", "false"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "summary.json").write_text(f'{{"suite": "{kind}", "interrupted": {interrupted}}}')
    assert suite.newest(tmp_path) == tmp_path / "20260101-1"
    assert suite.newest(tmp_path / "20260102-1") is None


def test_share_without_traffic_is_what_lies_outside_seed_and_audit(tmp_path: Path) -> None:
    """A run whose history is gone, or that ran twice, says nothing about it; it counts for the hour."""
    write(Wanted(operations=400, sessions=40), tmp_path / "one")
    spent_s = runs.traffic_s(history.read(tmp_path / "one"))
    assert spent_s is not None
    twice = {"run_dir": "one", "wall_s": 99.0, "times_run": 2}
    scenarios = [
        {"run_dir": "one", "wall_s": spent_s / 0.8, "times_run": 1},
        twice,
        {"run_dir": "gone", "wall_s": 5.0, "times_run": 1},
        {"run_dir": "", "wall_s": 0.0, "times_run": 1},
    ]
    hourly, share = runs.measured({"wall_s": 360.0, "scenarios": scenarios}, tmp_path, ("hourly", "share"))
    assert hourly.measured == 30
    assert share.measured == pytest.approx(0.2)
    _, unknown = runs.measured({"wall_s": 360.0, "scenarios": [twice]}, tmp_path, ("hourly", "share"))
    assert unknown.measured is None


def test_suite_that_ran_nothing_has_no_rate(tmp_path: Path) -> None:
    """A backend that this machine has not is skipped, with its reason."""
    nothing = {"wall_s": 0.0, "scenarios": [{"run_dir": "", "wall_s": 0.0, "times_run": 1}]}
    assert [one.measured for one in runs.measured(nothing, tmp_path, ("hourly", "share"))] == [None, None]
