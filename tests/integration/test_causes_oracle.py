"""Causes against the truth, as MONITOR on every node tells it: the kit may not know, but never errs."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness import history
from harness.checks.judge import judge
from harness.model.words import Cause
from harness.topology.process import backend as process
from lab.oracle import __main__ as oracle
from lab.oracle.truth import Oracle

pytestmark = pytest.mark.process

WITHIN_S = 180

needs_network = pytest.mark.skipif(
    not process.machine().network_faults, reason=process.machine().why_no_network_faults or "-"
)


@needs_network
def test_causes_of_undone_logouts_are_those_that_the_nodes_executed(tmp_path: Path) -> None:
    """Replication cut, primary killed: every loss has its true cause, and any other would be called wrong."""
    command = [sys.executable, "-m", "lab.oracle", "sentinel/06*", "--seed", "11", "--out", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        timeout=WITHIN_S,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    (folder,) = tmp_path.glob("*-sentinel-06*")
    compared = oracle.compare(folder)
    assert compared.judged, "nothing was lost, so nothing was compared"
    assert compared.counts["wrong"] == 0, oracle.unlike([compared])
    assert compared.share_right >= 0.95, oracle.unlike([compared])
    assert _with_another_cause(folder) == {"wrong": compared.counts["right"]}


def _with_another_cause(folder: Path) -> Any:
    """What the oracle says of the same findings if each had a cause that it has not."""
    past = history.read(folder)
    truths = Oracle(past, folder)
    verdicts: Counter[str] = Counter()
    for found in judge(past).findings:
        truth = truths.truth(found)
        if truth is not None and truth.verdict(found.cause) == "right":
            lie = Cause.FLUSHED if found.cause is not Cause.FLUSHED else Cause.EVICTED
            verdicts[truth.verdict(lie)] += 1
    return verdicts
