"""A rule for links put in force: with its proof and moment, or not at all."""

from __future__ import annotations

from typing import NamedTuple

from harness.faults.moment import noted
from harness.model.links import LinkRule
from harness.model.seams import FaultScene


class AppliedLink(NamedTuple):
    proof: str
    at_us: int
    error_us: int
    """It was in force so much earlier at the most."""


def applied(rule: LinkRule, scene: FaultScene, *, by: int) -> AppliedLink:
    """Trap: what fails halfway has cut some links already, so all of the fault's are mended."""
    with noted(scene) as moment:
        try:
            proof = scene.topology.apply(rule, by=by)
        except BaseException:
            scene.topology.mend(by=by)
            raise
    return AppliedLink(proof=proof, at_us=moment.at_us, error_us=moment.error_us)
