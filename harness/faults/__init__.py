"""Faults: what is done to nodes and links, each with proof that it took effect, and its healing.

One small class per fault, in a module of its own: `fits` -> `inject` -> `heal` (harness.model.seams). A new
fault starts as a copy of `noop`. What they share:

    own_nodes            makes sure that nobody else's Redis is touched
    targets              what a word like `primary` means at that moment
    peers                those whom a node talks to, by groups
    first_answer         when a started node answered for the first time
    last_answer          when a process was gone
    moment               when a command took effect that only itself tells of
    applied_link         a rule for links put in force, with its proof
    healed_link          the proof that packets pass again
    kept                 what stays open until a fault is healed
    held_thread          one thread of a process, held still
    on_each_node         a fault that is kept on each of its nodes
    filler               a fast writer of keys

The faults, the template first:

    noop                 `nothing`
    kill                 SIGKILL
    stop                 SIGTERM
    crash                the process of a container dies
    lose_power           the same, and what was not on the disk is gone
    recreate             a container is removed and made again
    lose                 a host is gone with every node on it
    restart              start what is down, or kill and start
    pause                a node freezes
    resume               what froze goes on
    isolate              a partition with a web server on the losing side
    cut                  a node loses some of its peers
    cut_replication      a primary loses its replicas only
    slow                 packets are late, lost, or few at a time
    silence_dns          names are not answered any more
    planned_failover     the hand-over that an operator asks for
    hand_over            the same by FAILOVER
    reattach             REPLICAOF behind everybody's back
    reset_sentinels      SENTINEL RESET
    reshard              slots move to another shard
    config_set           somebody changes a setting
    pause_clients        CLIENT PAUSE
    disconnect_clients   CLIENT KILL
    exhaust_connections  all connections that a node accepts
    occupy               one command that keeps a node busy
    monitor              MONITOR on a busy node
    slow_readers         clients that ask and do not read
    fill_cache           a flood of keys
    flush                FLUSHALL on the wrong instance
    save_snapshot        BGSAVE by hand
    fail_snapshots       snapshots that cannot be written
    fill_volume          nothing can be written to files
    hold_syncs           a disk that does not answer a sync
    kill_web_server      a process of the application dies
    pause_web_server     it freezes
    skew_clock           the clock of a node is wrong

Who carries them out:

    refused              which faults these nodes cannot have
    timing               when a fault's start has come
    director             a plan's faults on their timeline; heals every one of them
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
from harness.faults.fill_volume import FillVolume
from harness.faults.flush import Flush
from harness.faults.hand_over import HandOver
from harness.faults.hold_syncs import HoldSyncs
from harness.faults.isolate import Isolate
from harness.faults.kill import Kill
from harness.faults.kill_web_server import KillWebServer
from harness.faults.lose import Lose
from harness.faults.lose_power import LosePower
from harness.faults.monitor import Monitor
from harness.faults.noop import Nothing
from harness.faults.occupy import Occupy
from harness.faults.pause import Pause
from harness.faults.pause_clients import PauseClients
from harness.faults.pause_web_server import PauseWebServer
from harness.faults.planned_failover import PlannedFailover
from harness.faults.reattach import Reattach
from harness.faults.recreate import Recreate
from harness.faults.reset_sentinels import ResetSentinels
from harness.faults.reshard import Reshard
from harness.faults.restart import Restart
from harness.faults.resume import Resume
from harness.faults.save_snapshot import SaveSnapshot
from harness.faults.silence_dns import SilenceDns
from harness.faults.skew_clock import SkewClock
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
    "lose power": LosePower(),
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
    "reshard": Reshard(),
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
    "fill volume": FillVolume(),
    "hold syncs": HoldSyncs(),
    "skew clock": SkewClock(),
    "kill web server": KillWebServer(),
    "pause web server": PauseWebServer(),
    "nothing": Nothing(),
}
