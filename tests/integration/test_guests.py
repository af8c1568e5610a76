"""Guests as processes: what is wrong with an application is found, named, and nobody else is accused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from harness.checks.run import run_checks
from harness.model.words import Outcome
from lab.toy_guest.driven import history_of
from tests.builders_sessions import free_port

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
