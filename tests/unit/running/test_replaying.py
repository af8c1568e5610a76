"""A saved run, run once more: only by the same plan, and never by what lies in its own folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.errors import UsageError
from harness.model.plan import Plan
from harness.model.results import ScenarioResult
from harness.model.words import Verdict
from harness.running.replaying import saved_run
from tests.fakes import make_plan, step

FILE = "scenarios/sentinel/03-planned-failover-loses-writes.yaml"


def kept(folder: Path, plan: Plan, name: str = "one") -> Path:
    """What a run of this plan leaves, as far as it is read here."""
    place = folder / "suite" / name
    place.mkdir(parents=True)
    (place / "plan.json").write_bytes(msgspec.json.encode(plan))
    (place / "result.msgpack").write_bytes(msgspec.msgpack.encode(ScenarioResult.of(plan, Verdict.PASS)))
    return place


def planned(**changes: object) -> Plan:
    plan = make_plan()
    return replace(plan, scenario=replace(plan.scenario, file=FILE), **changes)  # type: ignore[arg-type]


def test_the_command_of_a_saved_run_is_found(tmp_path: Path) -> None:
    """File, seed, backend, and what was changed; a folder of one run says the same as that run."""
    plan = planned(seed=7, changed=("--set", "workload.rate=50/s", "--engine", "valkey-9.1"))
    place = kept(tmp_path, plan)
    words = ("--scenario", FILE, "--seed", "7", "--backend", "process", *plan.changed)
    assert saved_run(place).words == words
    assert saved_run(place.parent).words == words
    saved_run(place).check([plan])
    saved_run(place).check([replace(plan, repeated=True, variant="seed 7")])


def test_another_plan_is_refused_with_what_differs(tmp_path: Path) -> None:
    """The scenario changed, or the machine; or the command means several runs by now."""
    saved = saved_run(kept(tmp_path, planned()))
    plan = planned()
    changed = replace(plan, scenario=replace(plan.scenario, faults=(step("kill"),)))
    with pytest.raises(UsageError, match=r"another in scenario.faults: the scenario"):
        saved.check([changed])
    with pytest.raises(UsageError, match="another in nodes, seed"):
        saved.check([replace(plan, seed=8, nodes=plan.nodes[:2])])
    topology = replace(plan.scenario.deployment.topology, down_after_s=9.0)
    deeper = replace(plan.scenario, deployment=replace(plan.scenario.deployment, topology=topology))
    with pytest.raises(UsageError, match=r"another in scenario\.deployment\.topology\.down_after_s: the"):
        saved.check([replace(plan, scenario=deeper)])
    with pytest.raises(UsageError, match="its command means 2"):
        saved.check([plan, plan])


def test_what_is_no_single_run_is_refused(tmp_path: Path) -> None:
    """Nothing there, or several; and nothing that a stranger's folder could smuggle in."""
    with pytest.raises(UsageError, match="found none"):
        saved_run(tmp_path)
    place = kept(tmp_path, planned())
    kept(tmp_path, planned(), "two")
    with pytest.raises(UsageError, match="found 2: one, two"):
        saved_run(place.parent)
    with pytest.raises(UsageError, match="expected options of `run`"):
        saved_run(kept(tmp_path, planned(changed=("--out", "/")), "three"))
    own = replace(planned().scenario, file=str(place.parent / "evil.yaml"))
    with pytest.raises(UsageError, match="lies in the results themselves"):
        saved_run(kept(tmp_path, replace(planned(), scenario=own), "four"))
    (place / "plan.json").write_bytes(b"{")
    with pytest.raises(UsageError, match="cannot be read"):
        saved_run(place)
