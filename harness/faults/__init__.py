"""Faults: what is done to nodes and links, each with proof that it took effect, and its healing.

One small class per fault, in a module of its own: `fits` -> `inject` -> `heal` (harness.model.seams).
`director` carries out a plan's list of them on its timeline, `targets` finds out what a word like
`primary` means at that moment, `ours` makes sure that nobody else's Redis is touched, `connection`
is how a node is talked to. A new fault starts as a copy of `noop`.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.faults.crash import Crash
from harness.faults.cut import Cut
from harness.faults.cut_replication import CutReplication
from harness.faults.fill_cache import FillCache
from harness.faults.flush import Flush
from harness.faults.isolate import Isolate
from harness.faults.kill import Kill
from harness.faults.kill_web_server import KillWebServer
from harness.faults.lose import Lose
from harness.faults.noop import Nothing
from harness.faults.pause import Pause
from harness.faults.planned_failover import PlannedFailover
from harness.faults.recreate import Recreate
from harness.faults.restart import Restart
from harness.faults.resume import Resume
from harness.faults.silence_dns import SilenceDns
from harness.faults.slow import Slow
from harness.faults.stop import Stop
from harness.model.seams import Fault

FAULTS: Mapping[str, Fault] = {
    "kill": Kill(),
    "stop": Stop(),
    "pause": Pause(),
    "resume": Resume(),
    "restart": Restart(),
    "crash": Crash(),
    "recreate": Recreate(),
    "silence dns": SilenceDns(),
    "isolate": Isolate(),
    "cut": Cut(),
    "cut replication": CutReplication(),
    "lose": Lose(),
    "slow": Slow(),
    "planned failover": PlannedFailover(),
    "fill cache": FillCache(),
    "flush": Flush(),
    "kill web server": KillWebServer(),
    "nothing": Nothing(),
}
