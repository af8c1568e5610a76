"""`(waited)`, `in <phase>` and `on <group>` of an expectation: which operations and findings it is about.

Groups: `web-N`, `shard N`, `with-primary` and `rest` (sides of a partition), `sessions`, `cache`.
Trap: a finding whose web server or shard is not known may or may not belong to a group. It then
counts at the upper end only; that is what `Membership.UNKNOWN` is for.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from harness.checks.columns.arrays import Flags
from harness.checks.columns.traffic import Traffic
from harness.checks.facts.landmarks import Landmarks
from harness.checks.promises.table import having
from harness.costly import np
from harness.model.finding_kind import FindingTrait
from harness.model.judgement import Finding
from harness.model.measures import SIDES, WAITED
from harness.model.scenario import Expectation
from harness.model.words import NodePurpose, Phase


class Membership(Enum):
    IN = auto()
    OUT = auto()
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class Scope:
    phase: Phase | None = None
    on: str | None = None
    waited: bool | None = None
    """Findings whose promise WAIT had counted on enough replicas, or on too few; None: either."""

    @property
    def everything(self) -> bool:
        return self.phase is None and self.waited is None and self.on in {None, NodePurpose.SESSIONS}

    @property
    def shard(self) -> int | None:
        if self.on is None or not self.on.startswith("shard "):
            return None
        return int(self.on.removeprefix("shard "))

    def group_has(self, traffic: Traffic) -> Flags:
        """Which operations belong to the group, whatever their phase."""
        if self.on is None or self.on == NodePurpose.SESSIONS:
            return np.ones(len(traffic), np.bool_)
        if self.on in SIDES:
            return traffic.on_side(self.on)
        return traffic.shard == self.shard if self.shard else traffic.by_web_server(self.on)

    def has(self, traffic: Traffic) -> Flags:
        group = self.group_has(traffic)
        return group if self.phase is None else group & traffic.in_phase(self.phase)

    def finding(self, finding: Finding, landmarks: Landmarks) -> Membership:
        """A finding lies in the phase in which its promise was made. Of one that stands for several the
        first alone is known, so the others may lie elsewhere."""
        answers = {self._in_phase(finding, landmarks), self._in_group(finding), self._in_waited(finding)}
        if Membership.OUT in answers:
            several = finding.observations > 1 and finding.name in having(FindingTrait.ONE_PER_SESSION)
            return Membership.UNKNOWN if several else Membership.OUT
        return Membership.UNKNOWN if Membership.UNKNOWN in answers else Membership.IN

    def _in_phase(self, finding: Finding, landmarks: Landmarks) -> Membership:
        if self.phase is None:
            return Membership.IN
        t_us = finding.seen_us if finding.t_us is None else finding.t_us
        if t_us is None:
            return Membership.UNKNOWN
        return Membership.IN if landmarks.phase_at(t_us) is self.phase else Membership.OUT

    def _in_waited(self, finding: Finding) -> Membership:
        return Membership.IN if self.waited in {None, finding.waited} else Membership.OUT

    def _in_group(self, finding: Finding) -> Membership:
        if self.on is None or self.on == NodePurpose.SESSIONS:
            return Membership.IN
        if self.on in SIDES and finding.web_server is not None:
            return Membership.IN if finding.client_side == self.on else Membership.OUT
        known = finding.shard if self.shard else finding.web_server
        if known is None:
            return Membership.UNKNOWN
        return Membership.IN if known == (self.shard or self.on) else Membership.OUT


def scope_of(expectation: Expectation) -> Scope:
    waited = next((WAITED[one] for one in expectation.arguments if one in WAITED), None)
    return Scope(phase=expectation.phase, on=expectation.on, waited=waited)
