"""Pressure: the burners end with their owner, and verdicts are counted as the summaries say them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import psutil
import pytest

from harness.clock import wait_until
from lab.pressure.burners import every_core_busy
from lab.pressure.tally import line, rows, tally
from lab.rows import ROOT, exit_status


def _scenario(verdict: str, reason: str = "because", times_run: int = 1) -> dict[str, Any]:
    file = "scenarios/sentinel/01-x.yaml"
    return {"file": file, "verdict": verdict, "reasons": [reason], "times_run": times_run}


def _summary(*scenarios: dict[str, Any]) -> dict[str, Any]:
    return {"scenarios": list(scenarios)}


def test_burners_end_when_the_work_does() -> None:
    """One per core asked for, busy, and gone even when the work ends with an error."""
    pids: list[int] = []

    def work() -> None:
        with every_core_busy(2) as burning:
            pids.extend(burning)
            assert all(psutil.pid_exists(pid) for pid in pids)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert len(pids) == 2
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_burners_end_when_their_owner_is_killed() -> None:
    """SIGKILL runs no `finally`: the burners notice by themselves."""
    code = "from lab.pressure.burners import every_core_busy\nwith every_core_busy(1) as pids:\n print(*pids, flush=True)\n input()"
    owner = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert owner.stdin is not None
    assert owner.stdout is not None
    with owner.stdin, owner.stdout:
        burner = int(owner.stdout.readline())
        assert psutil.pid_exists(burner)
        owner.kill()
        owner.wait(10)
        wait_until(lambda: _gone(burner), within_s=20, waiting_for="the burner to end")


def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_single_fail_misses_the_bound() -> None:
    """However many passed: it is named, and the exit status says so."""
    runs = [tally(_summary(*[_scenario("PASS")] * 20)), tally(_summary(_scenario("FAIL", "lost")))]
    found = {row.name: row for row in rows(runs)}
    assert found["FAIL"].met is False
    assert "lost" in found["FAIL"].note
    assert exit_status(list(found.values())) == 1


def test_inconclusive_is_counted_with_its_reasons_and_allowed() -> None:
    """The share is of what was judged; skipped scenarios are not judged."""
    run = tally(
        _summary(
            _scenario("PASS", times_run=2),
            _scenario("INCONCLUSIVE", "the host was starved", times_run=2),
            _scenario("PASS"),
            _scenario("PASS"),
            _scenario("SKIPPED"),
        )
    )
    found = {row.name: row for row in rows([run])}
    assert found["INCONCLUSIVE, share"].measured == 25
    assert "the host was starved" in found["INCONCLUSIVE, share"].note
    assert found["INCONCLUSIVE at first, share"].measured == 50
    assert exit_status(list(found.values())) == 0
    assert "1 INCONCLUSIVE" in line(1, run)


def test_nothing_judged_is_no_success() -> None:
    """A run that skipped everything proves nothing."""
    assert exit_status(rows([tally(_summary(_scenario("SKIPPED")))])) == 1


def test_burners_are_as_many_as_cores() -> None:
    """By default each core has one."""
    with every_core_busy() as pids:
        assert len(pids) == len(os.sched_getaffinity(0))
