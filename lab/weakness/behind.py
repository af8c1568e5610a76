"""One run of one plan, as `harness.running.one_process`, with clients behind the engine's sleeping bug."""

from __future__ import annotations

import sys
from typing import Any

from harness.model.seams import Topology
from harness.running import one_process, one_run
from harness.running.recording import record_on
from lab.weakness.engine import stand_before


def _recorded(topology: Topology, *given: Any, **named: Any) -> None:
    stand_before(topology)
    record_on(topology, *given, **named)


if __name__ == "__main__":
    vars(one_run)["record_on"] = _recorded
    sys.exit(one_process.main(sys.argv[1:]))
