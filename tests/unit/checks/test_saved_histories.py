"""Small saved histories, good and bad, judged as `judge RUN` would: read from files, nothing else.

`<finding>-fail.jsonl` has the finding, `-pass` has none at all, `-inconclusive` proves nothing and
rules nothing out. `python -m tests.unit.checks.test_saved_histories` writes them anew from the stories
(after a change of the format; look at the difference before keeping it).
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness import history
from harness.checks.promises.table import FINDINGS
from harness.checks.run import run_checks
from lab.past import Past, as_lines
from tests.unit.checks import stories

FOLDER = Path(__file__).resolve().parents[2] / "histories"

SAVED: dict[str, stories.Story] = {
    "resurrected-session-fail": stories.resurrected,
    "resurrected-session-pass": stories.logged_out,
    "lost-session-fail": stories.lost_session,
    "lost-session-pass": stories.kept_session,
    "lost-session-inconclusive": stories.silent_audit,
    "lost-write-fail": stories.lost_write,
    "lost-write-pass": stories.unknown_write,
    "doubled-update-fail": stories.doubled_update,
    "doubled-update-pass": stories.added_once,
    "stale-read-fail": stories.zombie_reader,
    "stale-read-pass": stories.fresh_read,
    "expired-early-fail": stories.shortened,
    "expired-early-pass": stories.retried_log_in,
    "expired-early-inconclusive": stories.shortened_by_unknown_clocks,
}


def _names() -> list[str]:
    return sorted(path.stem for path in FOLDER.glob("*.jsonl"))


def test_every_saved_history_is_known() -> None:
    """No file lies there that nobody judges, and none is missing."""
    assert _names() == sorted(SAVED)


@pytest.mark.parametrize("name", _names())
def test_saved_history_is_judged_as_it_is_named(name: str, tmp_path: Path) -> None:
    """The verdict does not change with the years."""
    shutil.copy(FOLDER / f"{name}.jsonl", tmp_path / "history.jsonl")
    history.write_plan(tmp_path, _told(SAVED[name]).plan())
    finding, _, expected = name.rpartition("-")
    assert finding in FINDINGS
    findings, counts, _, crashed = run_checks(history.read(tmp_path))
    assert crashed == ()
    names = [one.name for one in findings]
    if expected == "fail":
        assert names == [finding]
    else:
        assert names == []
        assert (counts[finding].high > 0) == (expected == "inconclusive")


def _told(story: stories.Story) -> Past:
    """Shorter than in the other tests, and sampled less often: small files."""
    past = story()
    past.end_s, past.samples_per_s = 12.0, 4
    return past


if __name__ == "__main__":
    for saved, story in SAVED.items():
        (FOLDER / f"{saved}.jsonl").write_text(as_lines(_told(story).history()))
