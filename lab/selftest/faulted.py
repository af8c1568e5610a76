"""Real runs through a kill and through a planned failover: only what the fault is known to cost may be found.

Nobody misbehaves but the fault. Whatever the kit finds must therefore have a cause that this fault can
have on this topology; a finding with another cause, or with none, is a false alarm. Each run has nodes
of its own, as a failover leaves them changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.model.judgement import Finding
from harness.model.words import Cause, Verdict
from harness.running.recording import Stop, record_on
from harness.saved.judging import judge_folder
from harness.topology.process import backend as process
from lab.selftest.clean import SETTING, Clean
from lab.selftest.seeded import plan_of, scenario_of

DURING_THE_OUTAGE = frozenset({"refused-login"})
"""What an outage costs whoever comes meanwhile; nothing that was promised is broken."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One fault on one topology, and what it may cost there."""

    name: str
    topology: Mapping[str, str | int]
    faults: Sequence[Mapping[str, str]]
    causes: frozenset[Cause]
    outage: bool
    """Whether there may be an outage that log-ins run into."""

    def may_cost(self, finding: Finding) -> bool:
        return finding.cause in self.causes or (self.outage and finding.name in DURING_THE_OUTAGE)


FAULTS = (
    Fault(
        name="sentinel, primary killed",
        topology={"kind": "sentinel", "down_after": "1200ms", "failover_timeout": "6s"},
        faults=({"after": "1s", "kill": "primary"}, {"after": "promoted + 1s", "restart": "killed"}),
        causes=frozenset({Cause.NOT_YET_REPLICATED}),
        outage=True,
    ),
    # The old primary goes on taking writes until it is told; those that reach the new one first are lost too.
    Fault(
        name="sentinel, planned failover",
        topology={"kind": "sentinel", "down_after": "1200ms", "failover_timeout": "6s"},
        faults=({"after": "1s", "planned failover": "primary"},),
        causes=frozenset({Cause.NOT_YET_REPLICATED, Cause.SPLIT_BRAIN, Cause.AT_PROMOTION}),
        outage=True,
    ),
    Fault(
        name="cluster, primary killed",
        topology={"kind": "cluster", "node_timeout": "2s"},
        faults=({"after": "1s", "kill": "shard 1 primary"}, {"after": "promoted + 1s", "restart": "killed"}),
        causes=frozenset({Cause.NOT_YET_REPLICATED}),
        outage=True,
    ),
    # CLUSTER FAILOVER stops clients until the replica has everything.
    Fault(
        name="cluster, planned failover",
        topology={"kind": "cluster", "node_timeout": "2s"},
        faults=({"after": "1s", "planned failover": "shard 1 primary"},),
        causes=frozenset(),
        outage=False,
    ),
)


def fault_named(name: str) -> Fault:
    return next(one for one in FAULTS if one.name == name)


def scenario(fault: Fault, engine: str | None) -> dict[str, Any]:
    """The clean run's scenario, with the fault in it."""
    found = scenario_of(SETTING, str(fault.topology["kind"]), engine)
    found["deployment"]["topology"].update(fault.topology)
    found["deployment"]["client"]["socket_timeout"] = "500ms"
    found["faults"] = [dict(step) for step in fault.faults]
    return found


def run(fault: Fault, seed: int, *, engine: str | None, directory: Path) -> Clean:
    """One run in `directory`, on nodes of its own."""
    directory.mkdir(parents=True)
    plan = plan_of(scenario(fault, engine), seed=seed, directory=directory)
    with process.up(plan, run=f"selftest-{seed}", directory=directory, loopback=True) as topology:
        record_on(
            topology, plan, run="selftest", directory=directory, image=None, tell=lambda _: None, stop=Stop()
        )
    result = judge_folder(directory)
    judgement = result.judgement
    assert judgement is not None
    wrong = [one for one in judgement.findings if not fault.may_cost(one)]
    happened = result.verdict is not Verdict.INCONCLUSIVE and judgement.metrics.failovers > 0
    return Clean(
        topology=fault.name,
        seed=seed,
        operations=sum(judgement.metrics.operations.values()),
        verdict=str(result.verdict if happened else Verdict.INCONCLUSIVE),
        findings=tuple(f"{one.name} ({one.cause}): {one.sentence}" for one in wrong),
        reasons=result.reasons or ("no failover was seen",),
        costs=len(judgement.findings) - len(wrong),
    )
