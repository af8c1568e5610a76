"""One run of one plan, as `harness.running.one_process`, on nodes with the weakness that is named."""

from __future__ import annotations

import os
import sys
from typing import Any

from harness.model.seams import Topology
from harness.running import one_process, one_run
from harness.running.recording import record_on
from lab.weakness.engine import stand_before, switch_off
from lab.weakness.table import labelled

VARIABLE = "LAB_WEAKNESS"
"""The label of a weakness."""


def _recorded(topology: Topology, *given: Any, **named: Any) -> None:
    weakness = labelled(os.environ[VARIABLE])
    if weakness.off:
        switch_off(topology, weakness.off)
    else:
        stand_before(topology)
    record_on(topology, *given, **named)


if __name__ == "__main__":
    vars(one_run)["record_on"] = _recorded
    sys.exit(one_process.main(sys.argv[1:]))
