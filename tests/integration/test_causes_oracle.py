"""Causes against the truth, as MONITOR on every node tells it: the kit may not know, but never errs."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from harness import history
from harness.checks.judge import judge
from harness.model.words import Cause
from tests import oracle
from tests.truth import Oracle

pytestmark = pytest.mark.process


def test_causes_of_undone_logouts_are_those_that_the_nodes_executed(tmp_path):
    """Replication cut, primary killed: every loss has its true cause, and any other would be called wrong."""
    (plan,) = oracle.plans("sentinel/06*", "process", seed=11)
    oracle.run_monitored(plan, tmp_path / "run")
    compared = oracle.compare(tmp_path / "run")
    assert compared.judged, "nothing was lost, so nothing was compared"
    assert compared.counts["wrong"] == 0, oracle.unlike([compared])
    assert compared.share_right >= 0.95, oracle.unlike([compared])
    assert _with_another_cause(tmp_path / "run") == {"wrong": compared.counts["right"]}


def _with_another_cause(folder):
    """What the oracle says of the same findings if each had a cause that it has not."""
    past = history.read(folder)
    truths = Oracle(past, folder)
    verdicts = Counter()
    for found in judge(past).findings:
        truth = truths.truth(found)
        if truth is not None and truth.verdict(found.cause) == "right":
            lie = Cause.FLUSHED if found.cause is not Cause.FLUSHED else Cause.EVICTED
            verdicts[truth.verdict(replace(found, cause=lie).cause)] += 1
    return verdicts
