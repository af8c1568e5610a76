"""What `explain` says of shipped scenarios: who notices when, who is promoted, and why nobody is."""

from __future__ import annotations

import re

import pytest

from harness.checks.promises.table import FINDINGS
from harness.faults import FAULTS
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.plan import compile as compile_plan
from harness.plan import explain
from harness.running.selection import scenario_files
from harness.running.vocabulary import shipped
from harness.scenario import load


def said(name: str, *overrides: str) -> str:
    """As one line of words."""
    (path,) = scenario_files(name)
    machine = Machine(backend=BackendKind.PROCESS, network_faults=True, cpus=2)
    fits = {kind: fault.fits for kind, fault in FAULTS.items()}
    scenario = load(path, shipped(), overrides=overrides)
    plan = compile_plan(
        scenario, seed=1, backend=BackendKind.PROCESS, machine=machine, fits=fits, findings=FINDINGS
    )
    return re.sub(r"\s+", " ", explain(plan, shipped()))


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("sentinel/01", "~ 5.2 s sentinels suspect the primary because down_after is 1.2 s"),
        ("sentinel/01", "a replica is promoted because 2 of 3 sentinels agree"),
        ("sentinel/01", "clients find the new primary because they ask the sentinels again after an error"),
        ("sentinel/03", "an operator asked for it, so no time-out has to expire"),
        ("sentinel/03", "what it confirmed since the promotion is discarded"),
        ("sentinel/05", "the primary refuses writes because min-replicas-max-lag is 1 s"),
        ("sentinel/04", "the primary goes on confirming writes because min-replicas-to-write is 0"),
        ("sentinel/07", "the node comes back with nothing because it keeps nothing on disk"),
        ("sentinel/09", "clients do not find the new primary because their discovery is resolve-once"),
        ("sentinel/10", "clients find the new primary because sentinels announce it"),
        ("sentinel/12", "nobody is promoted because every replica has replica-priority 0"),
        ("sentinel/13", "nobody is promoted because 1 of 2 voters are left, and a majority is 2"),
        ("sentinel/20", "nobody is promoted because CONFIG has another name"),
        ("sentinel/39", "nobody is promoted because sentinels that stood still for longer than 2 s"),
        ("sentinel/59", "nobody is promoted because all sentinels have one id"),
        ("cluster/34", "nobody is promoted because the others take its replica for a primary"),
        ("cluster/36", "nobody is promoted because every replica that it had is down"),
        ("sentinel/58", "~ 14.0 s fault 1 is healed because it lasts 10 s"),
        ("cluster/33", "Move slots to another shard while clients use them"),
        ("cluster/33", "fault 1: reshard shard 1 primary, to 2, slots 40, until moved"),
        ("sentinel/62", "fault 2: restart killed, data empty, address new"),
        ("sentinel/58", "sentinels suspect the primary because down_after is"),
        ("single/04", "the node comes back with its last snapshot because it has save points"),
        ("single/03", "compare single/02"),
        ("cluster/01", "the other nodes suspect the primary because node_timeout is 2 s"),
        ("cluster/01", "a replica is promoted because the majority of primaries votes for it"),
    ],
)
def test_course_of_a_run_has_its_reason(scenario: str, expected: str) -> None:
    """From the plan and the detectors' settings alone."""
    assert expected in said(scenario)


def test_settings_move_the_course() -> None:
    """A detector that waits longer notices later."""
    assert "~ 7.0 s sentinels suspect the primary because down_after is 3 s" in said(
        "sentinel/01", "deployment.topology.down_after=3s"
    )


def test_pause_shorter_than_its_detection_has_no_failover() -> None:
    """Nobody is suspected who is back in time."""
    assert "suspect" not in said("sentinel/02", "faults.0.for=1s")


def test_explanation_is_in_order() -> None:
    """Line by line, the clock goes on."""
    times = [float(one) for one in re.findall(r"~ *([0-9.]+) s", said("sentinel/06"))]
    assert times == sorted(times)
    assert len(times) > 4


@pytest.mark.parametrize(
    ("redis", "expected"),
    [
        ("{appendonly: 'no'}", "the node answers as before because it keeps no data on disk"),
        ("{appendonly: 'yes'}", "the node refuses writes, and no replica takes its place"),
        ("{appendonly: 'yes', appendfsync: always}", "a replica is promoted because the majority"),
    ],
)
def test_full_volume_replaces_who_is_missed(redis: str, expected: str) -> None:
    """A node without files loses nothing by it, and one of a cluster still answers the others."""
    fault = "faults=[{after: 3s, fill volume: primary, for: 10s}]"
    assert expected in said("cluster/01", f"deployment.topology.redis={redis}", fault, "expect={}")
