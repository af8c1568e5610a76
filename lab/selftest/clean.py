"""Real runs in which nothing happens, on every topology: the normal run path, and nothing may be found.

A topology is kept over the runs of a worker and emptied in between; everything else is what
`failover-kit run` does with a scenario that has no faults. Reads go to primaries, writes are guarded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import redis

from harness.model.seams import Topology
from harness.model.words import NodeRole, TopologyKind, Verdict
from harness.running.recording import Stop, record_on
from harness.saved.judging import judge_folder
from lab.selftest.mischief import FULL_MIX, Setting
from lab.selftest.seeded import plan_of, scenario_of

BESIDE = {
    "rotate-session": 3.0,
    "revoke-token": 2.0,
    "ban-user": 2.0,
    "token-request": 8.0,
    "try-password": 5.0,
    "remember-me": 5.0,
    "lock": 10.0,
    "lead-job": 3.0,
    "fill-form": 4.0,
    "change-profile": 3.0,
    "read-profile": 4.0,
    "list-devices": 2.0,
    "logout-in-transaction": 2.0,
    "move-address": 2.0,
    "check-address": 3.0,
    "count-online": 4.0,
    "count-event": 3.0,
    "save-session": 4.0,
    "greet-visitor": 2.0,
    "end-session": 2.0,
    "use-copy": 3.0,
    "read-cached": 5.0,
    "clean-up": 1.0,
}
"""Of every behaviour that exists some; a test looks for those that are missing."""

SETTING = Setting(
    mix={**FULL_MIX, **BESIDE},
    users=20,
    devices=2,
    retries=3,
    # A host that stalls for longer than a lease makes its holder overrun it: a true finding.
    options={"lock": {"lease": "120s"}, "lead-job": {"lease": "120s", "term": "300ms"}},
)
AGED = replace(SETTING, absolute_timeout_s=2.0)
"""The same with sessions that are over before the run is."""
KINDS = tuple(str(kind) for kind in TopologyKind)


@dataclass(frozen=True, kw_only=True)
class Clean:
    """What a run without any fault showed."""

    topology: str
    seed: int
    operations: int
    verdict: str
    findings: tuple[str, ...]
    """Those that may not be there."""
    reasons: tuple[str, ...]
    costs: int = 0
    """Findings that a fault in the run accounts for."""

    @property
    def judged(self) -> bool:
        """Whether the run says anything about false alarms."""
        return bool(self.findings) or self.verdict != Verdict.INCONCLUSIVE


def run(kind: str, seed: int, *, topology: Topology, directory: Path) -> Clean:
    """One run in `directory`."""
    directory.mkdir(parents=True)
    setting = AGED if seed % 4 == 0 else SETTING
    plan = plan_of(scenario_of(setting, kind), seed=seed, directory=directory)
    for client in primaries(topology):
        client.flushall()
        client.close()
    record_on(
        topology, plan, run="selftest", directory=directory, image=None, tell=lambda _: None, stop=Stop()
    )
    result = judge_folder(directory)
    judgement = result.judgement
    assert judgement is not None
    return Clean(
        topology=kind,
        seed=seed,
        operations=sum(judgement.metrics.operations.values()),
        verdict=str(result.verdict),
        findings=tuple(f"{one.name}: {one.sentence}" for one in judgement.findings),
        reasons=result.reasons,
    )


def primaries(topology: Topology) -> Iterator[redis.Redis]:
    """Of every shard, as it was planned: without a fault nobody changes roles."""
    for node in topology.plan.data_nodes():
        if node.role is NodeRole.PRIMARY:
            at = topology.address(node.name)
            yield redis.Redis(host=at.host, port=at.port, password=topology.secrets.redis, socket_timeout=5)
