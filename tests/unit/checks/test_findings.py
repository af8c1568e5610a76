"""Every finding has a history that shows it and one like it that does not."""

from __future__ import annotations

import pytest

from harness.checks.promises.check import Check, Sequel
from harness.checks.promises.table import CHECKS, FINDINGS, SEQUELS
from harness.checks.run import run_checks
from harness.model.finding_kind import FindingTrait
from harness.model.history import History
from harness.model.judgement import Finding
from tests.unit.checks.stories import ALSO, BAD, GOOD, UNDECIDED, Story


def findings_of(history: History) -> list[Finding]:
    findings, counts, _, crashed = run_checks(history)
    assert crashed == ()
    for name, count in counts.items():
        assert count.low == sum(one.name == name for one in findings)
        assert count.high >= count.low
    return findings


def _each(stories: dict[str, list[Story]]) -> list[object]:
    return [
        pytest.param(name, story, id=f"{name}: {story.__name__}")
        for name, told in stories.items()
        for story in told
    ]


def test_every_finding_has_its_pair() -> None:
    """A finding without a history that has it, and one that has not, fails here."""
    assert BAD.keys() == GOOD.keys() == FINDINGS.keys()


def test_a_kind_is_declared_once() -> None:
    """Checks that make the same finding share its declaration: two that differ would be two findings."""
    checks: tuple[Check | Sequel, ...] = (*CHECKS, *SEQUELS)
    kinds = {kind for check in checks for kind in check.kinds}
    assert len(kinds) == len({kind.name for kind in kinds}) == len(FINDINGS)


@pytest.mark.parametrize(("name", "story"), _each(BAD))
def test_broken_promise_is_found_and_named(name: str, story: Story) -> None:
    """The broken promise is found once, under its own name; nothing else is claimed."""
    findings = findings_of(story().history())
    assert [one.name for one in findings].count(name) == 1
    assert {one.name for one in findings} == {name} | ALSO.get(story, set())
    found = next(one for one in findings if one.name == name)
    assert found.sentence.endswith(".")
    assert found.side == FINDINGS[name].side or FindingTrait.EITHER_SIDE in FINDINGS[name].traits


@pytest.mark.parametrize(("name", "story"), _each(GOOD))
def test_kept_promise_is_left_alone(name: str, story: Story) -> None:
    """The same circumstances with the promise kept yield no finding at all."""
    history = story().history()
    assert findings_of(history) == []
    assert run_checks(history)[1][name].high == 0


@pytest.mark.parametrize(("name", "story"), _each(UNDECIDED))
def test_missing_evidence_widens_the_count(name: str, story: Story) -> None:
    """Where evidence is missing nothing is proved, and nothing is ruled out."""
    findings, counts, _, _ = run_checks(story().history())
    assert [one for one in findings if one.name == name] == []
    assert counts[name].high > 0
