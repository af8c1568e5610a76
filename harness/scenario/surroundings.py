"""What faults and expectations may refer to: read before them, and handed to both."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from harness.model.deployment import Deployment
from harness.model.inventory import Inventory
from harness.model.measures import RunKind
from harness.model.scenario import FaultStep, Vocabulary, Workload
from harness.presets import inventory_of


@dataclass(frozen=True, kw_only=True)  # without slots, for what is kept
class Surroundings:
    vocabulary: Vocabulary
    deployment: Deployment
    workload: Workload
    faults: tuple[FaultStep, ...] = ()
    """For expectations only: they are read last."""

    @cached_property
    def inventory(self) -> Inventory:
        return inventory_of(self.deployment)

    @cached_property
    def run(self) -> RunKind:
        return RunKind(
            deployment=self.deployment, inventory=self.inventory, workload=self.workload, faults=self.faults
        )
