"""What faults and expectations may refer to: read before them, and handed to both."""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.deployment import Deployment
from harness.model.scenario import FaultStep, Vocabulary, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    vocabulary: Vocabulary
    deployment: Deployment
    workload: Workload
    faults: tuple[FaultStep, ...] = ()
    """For expectations only: they are read last."""
