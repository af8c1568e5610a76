"""Guests as processes: what is wrong with an application is found, named, and nobody else is accused."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from harness.checks.run import run_checks
from harness.errors import EnvironmentFailure
from harness.model.seams import Address
from harness.model.words import Outcome
from harness.topology.base.processes import ProcessIdentity, alive, identity, stopped
from harness.topology.process.web_process import WebProcess
from lab.toy_guest.driven import history_of
from tests.builders_sessions import free_port, until

SECONDS = 2.5
FOUND = {
    "": set[str](),
    "cookie deleted": {"cookie-deleted"},
    "anonymous page": {"anonymous-page"},
    "log-in not stored": {"told-ok-then-lost"},
    "another user": {"foreign-session"},
    "field not stored": {"lost-update"},
    "logout not stored": {"resurrected-session"},
    "hangs": {"hung-request"},
    "dies": {"app-died"},
    "error page": set[str](),
}
"""What is wrong with the toy -> the findings. An error page is an outage, and no finding."""


def process_of(folder: Path, noted: dict[str, ProcessIdentity]) -> WebProcess:
    at = Address("127.0.0.1", free_port())
    return WebProcess("web-1", at, namespace=None, log=folder / "log", note=noted.__setitem__)


def test_a_killed_web_server_takes_its_workers_along(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Whatever it started is gone when `kill` returns, and it can be started again."""
    noted: dict[str, ProcessIdentity] = {}
    process = process_of(tmp_path, noted)
    request.addfinalizer(process.end)
    for _ in range(2):
        process.start(
            ["sh", "-c", "sleep 60 & echo $! > worker; wait"], {"PATH": os.environ["PATH"]}, tmp_path
        )
        until(lambda: (tmp_path / "worker").exists() and (tmp_path / "worker").read_text())
        worker = identity(int((tmp_path / "worker").read_text()))
        assert worker is not None
        assert alive(noted["web-1"])
        process.pause()
        assert stopped(worker.pid)
        process.resume()
        process.kill()
        assert not process.running
        assert not alive(worker)
        (tmp_path / "worker").unlink()


def test_a_command_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    """And one that ends at once leaves its status and its last words."""
    process = process_of(tmp_path, {})
    with pytest.raises(
        EnvironmentFailure, match=r"web-1: 'no-such-program' in .* cannot be started: No such file"
    ):
        process.start(["no-such-program"], {}, tmp_path)
    process.start(["sh", "-c", "echo no module named app; exit 3"], {"PATH": os.environ["PATH"]}, tmp_path)
    until(lambda: not process.running)
    assert (process.exit_status, process.last_lines(5)) == (3, "no module named app")


@pytest.mark.parametrize(("bug", "expected"), FOUND.items(), ids=lambda one: str(one) or "none")
def test_a_bug_of_the_toy_is_named(bug: str, expected: set[str], tmp_path: Path) -> None:
    """Each bug under its own name, and nothing else."""
    history = history_of(bug, free_port(), tmp_path, seconds=SECONDS)
    findings, counts, _, crashed = run_checks(history)
    assert not crashed
    told = Counter(f"{one.name}: {one.sentence}" for one in findings)
    assert {one.name for one in findings} == expected, told
    outcomes = Counter(one.outcome for one in history.operations)
    assert outcomes[Outcome.ACKED] > 20
    if bug == "error page":
        assert outcomes[Outcome.UNKNOWN] > 2
    if not bug:
        assert outcomes.keys() == {Outcome.ACKED}
        assert all(one.high == 0 for one in counts.values())
