"""A finding says so where WAIT had told the application that too few replicas have it."""

from __future__ import annotations

import pytest

from harness.checks.run import run_checks
from harness.model.words import StepKind
from tests.unit.checks import stories


@pytest.mark.parametrize(
    ("needed", "got", "says"),
    [
        (None, None, ""),
        (1, 1, ""),
        (1, 0, " WAIT had counted 0 of 1 replicas by then."),
        (2, 1, " WAIT had counted 1 of 2 replicas by then."),
        (1, None, " WAIT had counted 0 of 1 replicas by then."),
    ],
)
def test_logout_that_came_undone_says_how_many_replicas_had_it(
    needed: int | None, got: int | None, says: str
) -> None:
    """WAIT undoes nothing: it decides what a user may be told."""
    history = stories.resurrected().history()
    for operation in history.operations:
        for step in operation.steps:
            if step.does is StepKind.DESTROY:
                step.wait_needed, step.wait_got = needed, got
    findings = run_checks(history)[0]
    (found,) = [one for one in findings if one.name == "resurrected-session"]
    assert found.sentence.partition(" WAIT")[2] == says.removeprefix(" WAIT")
    assert found.waited is (None if needed is None else not says)
