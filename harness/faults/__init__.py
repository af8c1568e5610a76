"""Faults: what is done to nodes and links, each with proof that it took effect, and its healing.

One small class per fault, in a module of its own: `fits` -> `inject` -> `heal` (harness.model.seams).
`director` carries out a plan's list of them on its timeline, `targets` finds out what a word like `primary`
means at that moment, `own_nodes` makes sure that nobody else's Redis is touched, `kept` has what stays open
until it is healed. A new fault starts as a copy of `noop`.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.faults.config_set import ConfigSet
from harness.faults.crash import Crash
from harness.faults.cut import Cut
from harness.faults.cut_replication import CutReplication
from harness.faults.disconnect_clients import DisconnectClients
from harness.faults.exhaust_connections import ExhaustConnections
from harness.faults.fail_snapshots import FailSnapshots
from harness.faults.fill_cache import Fill, FillCache
from harness.faults.flush import Flush
from harness.faults.hand_over import HandOver
from harness.faults.isolate import Isolate
from harness.faults.kill import Kill
from harness.faults.kill_web_server import KillWebServer
from harness.faults.lose import Lose
from harness.faults.monitor import Monitor
from harness.faults.noop import Nothing
from harness.faults.occupy import Occupy
from harness.faults.pause import Pause
from harness.faults.pause_clients import PauseClients
from harness.faults.planned_failover import PlannedFailover
from harness.faults.reattach import Reattach
from harness.faults.recreate import Recreate
from harness.faults.reset_sentinels import ResetSentinels
from harness.faults.restart import Restart
from harness.faults.resume import Resume
from harness.faults.save_snapshot import SaveSnapshot
from harness.faults.silence_dns import SilenceDns
from harness.faults.slow import Slow
from harness.faults.slow_readers import SlowReaders
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
    "hand over": HandOver(),
    "reattach": Reattach(),
    "reset sentinels": ResetSentinels(),
    "config set": ConfigSet(),
    "disconnect clients": DisconnectClients(),
    "pause clients": PauseClients(),
    "exhaust connections": ExhaustConnections(),
    "occupy": Occupy(),
    "monitor": Monitor(),
    "slow readers": SlowReaders(),
    "fill": Fill(),
    "fill cache": FillCache(),
    "flush": Flush(),
    "save snapshot": SaveSnapshot(),
    "fail snapshots": FailSnapshots(),
    "kill web server": KillWebServer(),
    "nothing": Nothing(),
}
