"""What is written down while a run happens: one line of JSON each, tagged by `type`.

Times named `*_us` are whole microseconds on the run's one clock (`harness.clock.RunClock`,
monotonic, zero at the run's start). A record is written once, when what it describes is over;
what never ends is written when the run closes, with its end missing (None).

Operations, steps and attempts can be part of no cycle, so Python's collector need not look at them
(`gc=False`): there are thousands a second.
"""

from __future__ import annotations

import msgspec

from harness.model.words import OperationKind, Outcome, Phase, StepKind

MIXED_UP = "reply-mixed-up"
"""First word of the error of a step whose reply has a type that its command never answers with."""


class Attempt(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """Bytes handed (or not) to one connection for one or more steps of an operation.

    The recorder hooks the connection, so the client library's own retries are attempts too.
    """

    n: int
    """1-based within the operation, in the order they were begun."""
    connection: int | None = None
    """`Connection.id`; None when no connection could be had."""
    steps: tuple[int, ...] = ()
    """Numbers of the steps that it carried."""
    handed_over: bool = False
    """At least one byte was given to the socket."""
    sent_us: int = 0
    done_us: int | None = None
    result: str = ""
    """`reply`, `error:<CODE>`, `timeout`, `connection-lost`, `connect-failed`, `cancelled`, or a
    `resolve-failed` when no primary could be found. What a code means: `harness.redis_wire.refusals`."""
    closed_us: int | None = None
    """When an attempt without a reply was proved unable to take effect any more. A run leaves this
    empty, as operations are written before it is known: see `Unanswered`."""
    closed_by: str | None = None


class Step(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """One command (or atomic group) of a behaviour, with its own outcome and reply."""

    n: int
    does: StepKind
    command: str
    """As people would type it, without values: `HGETALL`, `MULTI HSET EXPIRE RPUSH EXEC`."""
    key: str
    session: str | None = None
    """The session id concerned; a logout-everywhere has one destroy step per session."""
    deciding: bool = False
    """The promise hangs on this step."""
    outcome: Outcome = Outcome.UNKNOWN
    effective: bool | None = None
    """Whether it changed anything, by its reply: EXPIRE 0, DEL 0, a guard that found no session,
    are False and each is an observation of absence. None: no reply, or says nothing (reads)."""
    wrote: dict[str, str] = {}
    """CREATE, WRITE and PUT: field -> value (every value carries its version, `<operation id>:<payload>`)."""
    added: dict[str, int] = {}
    """INCREMENT: field -> amount."""
    added_now: dict[str, int] = {}
    """INCREMENT and COUNT, acked: field -> the new total the reply showed."""
    removed: tuple[str, ...] = ()
    """REMOVE_FIELD: the fields."""
    saw: dict[str, str] | None = None
    """READ and LOOK, acked: field -> value; {} when the key is absent. None: nothing was seen."""
    members: tuple[str, ...] | None = None
    """INDEX_READ, acked: the session ids."""
    member: str | None = None
    """INDEX_ADD and INDEX_REMOVE."""
    pttl_ms: int | None = None
    """PTTL in the same round trip as a read: -1 without TTL, -2 absent (Redis' own numbers)."""
    ttl_ms: int | None = None
    """CREATE, TOUCH, ACQUIRE, PUT and COUNT: the TTL it sets."""
    witness: str | None = None
    """The witness it leaves in the same atomic group (RPUSH on the session's witness list)."""
    reply: str = ""
    """Short text of the reply, for people."""
    error: str | None = None
    """The server's or client's error, at most 160 characters; its prefix is the first word."""
    attempts: tuple[int, ...] = ()
    """All that carried it; the one that was acked stands last, even if another was sent after it."""
    sent_us: int | None = None
    done_us: int | None = None
    wait_needed: int | None = None
    wait_got: int | None = None
    """What WAIT said to the attempt that was acked; None: it said nothing."""


class Operation(
    msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="operation", gc=False
):
    """One behaviour carried out once by one actor through one web server."""

    id: int
    actor: str
    """`a17`, and `a17.2` after an unknown outcome: an actor comes back under a new identity."""
    web_server: str
    client_side: str = "all"
    """Which side of a partition the web server was on when this was sent: `all`, `with-primary`, `rest`."""
    behaviour: str
    kind: OperationKind
    user: str
    session: str
    """The session id it is mainly about; key is made from it."""
    key: str
    shard: int
    generation: int
    """The id of the log-in operation that made the session; 0 when it is that log-in itself."""
    due_us: int
    sent_us: int | None = None
    done_us: int | None = None
    outcome: Outcome
    told: str = ""
    """What the application told the user: `ok`, `signed out`, `please log in`, `error`, `try later`,
    `refused`, `let in unchecked`; of a guest also `as nobody`, `somebody else's session`, `no answer`."""
    phase: Phase
    steps: tuple[Step, ...] = ()
    attempts: tuple[Attempt, ...] = ()


class Connection(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="connection"):
    """A TCP connection of a web server, written when opened and again, complete, when closed."""

    id: int
    web_server: str
    node: str
    """Node name by address; `?` for an address that is no node of this run."""
    local_port: int | None = None
    seen_as: str | None = None
    """The address by which the node lists it, where it comes through a proxy; None: the web server's own."""
    run_id: str = ""
    role: str = ""
    """The node's role when the connection was opened."""
    opened_us: int
    closed_us: int | None = None
    why: str = ""


class Unanswered(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="unanswered"):
    """A closed connection whose last attempt got no reply, and since when that attempt is harmless.

    Written once it is known, else at the end of the run. Closing a socket proves nothing: the node may
    still have its bytes to execute. What the history itself proves otherwise (the process was gone, it
    followed another primary from then on) is not repeated here.
    """

    connection: int
    """`Connection.id`."""
    closed_us: int | None = None
    """By then the node had no such client any more, or its process was gone; None: that was never seen."""
    closed_by: str = ""
    """What proves it; with `closed_us` None, why nothing does."""


MEMORY_FULL_SHARE = 0.9
"""Of maxmemory: from there on memory counts as full. Eviction keeps used_memory a little below the limit, and
replication buffers, which are in used_memory, do not count towards it."""


class NodeSample(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="sample"):
    """INFO of one data node, bracketed by when it was asked and answered."""

    node: str
    sent_us: int
    done_us: int
    reachable: bool = True
    run_id: str = ""
    role: str = ""
    """primary or replica."""
    replid: str = ""
    replid2: str = ""
    second_repl_offset: int = -1
    offset: int = 0
    """master_repl_offset."""
    replicas: dict[str, int] = {}
    """Primary: node name -> offset that replica acknowledged."""
    link_up: bool | None = None
    """Replica: master_link_status."""
    primary: str = ""
    """Replica: the node it replicates from."""
    shard: int | None = None
    """Cluster: the shard whose slots it has, or whose owner it follows, as it says itself; None: it has
    none and follows nobody who has."""
    evicted_keys: int = 0
    expired_keys: int = 0
    memory_bytes: int = 0
    memory_limit_bytes: int = 0
    epoch: int | None = None
    keys: int = 0
    clients: int | None = None
    """Connections of clients, those of the kit too; None: not asked, as the kit's client counts its own."""
    keys_read: int | None = None
    """Keys that this process read from a snapshot when it started; None: it does not say (before 7.0)."""
    cluster_ok: bool | None = None
    """Cluster: whether it says `cluster_state:ok`, and so serves its slots; None: it did not say."""
    error: str | None = None


WEB_SERVER_STUCK = "web-server-stuck"
"""The event that a web server let nobody in after recovery, and did once it was started anew."""
BACK_DOOR_UNREAD = "back-door-unread"
"""The event that says why the keys of an application were not audited on the nodes."""
PROXY_SAYS = "proxy-says"
"""The event in which a proxy has other nodes for UP than before."""


class Event(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="event"):
    """Something that happened, from whoever noticed it.

    Names used by the kit: fault `requested`, `effect` (proved), `no-effect`, `healed`,
    `heal-failed`; topology `promoted`, `demoted`, `recovered`, `suspected`, `suspected-by-quorum`,
    `agreed`, `elected`, `published`, `rebooted`, `cleared` (no longer suspected); eviction `evicted`
    (per key), `evictions-missed` (nobody listened within its error), `flushed`, `configured` (a
    setting that the kit changed); `cannot-fail-over` (a cluster's replica, in its log, where nobody took
    over); `cannot-log-in` (a replica, in its log, whose primary refuses it); Sentinel's other messages as it
    spells them (`+tilt`);
    web server `web-server-killed`, `redirected`, of a guest `web-server-died`, `web-server-out` (it runs
    and does not serve); proxy `proxy-says` (which nodes are UP for it); `ready`;
    `interrupted`.
    """

    source: str
    """`harness`, `fault 1`, a node's name, `docker`, `web-1`."""
    name: str
    t_us: int
    error_us: int = 0
    """The event happened within [t - error, t]."""
    node: str | None = None
    shard: int | None = None
    key: str | None = None
    detail: str = ""
    """For people; for a fault's `effect`, its targets and the proof that was observed."""
    fault: int | None = None

    @property
    def said(self) -> str:
        """The detail for people: without the targets in front where the proof names them as well."""
        targets, _, proof = self.detail.partition(": ")
        told = self.name == "effect" and all(one in proof for one in targets.split(", "))
        return proof if told and proof else self.detail


class ClockPair(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="clock"):
    """Once a second: both clocks, and how this machine is doing."""

    t_us: int
    wall_us: int
    """Unix time."""
    loop_lag_us: int = 0
    """The worst lateness of a 10 ms timer in the load engine's loop during the last second."""
    canary_lag_us: int = 0
    """The same of a canary thread: shows a machine starved by others."""
    cpu_pressure: float | None = None
    """Share (0-1) of the last second in which some task waited for a CPU, from /proc/pressure/cpu."""
    loop_behind_us: int | None = None
    """For how much of the last second the load engine's loop was behind: the lateness of all its timers that
    were more than 20 ms late, added up. None: recorded by an older version."""
    nodes_waited_us: int | None = None
    """How long the processes of all nodes together waited for a CPU in the last second, from
    /proc/PID/schedstat. None: they are not to be seen from here."""
    node_wait_us: int | None = None
    """The most that a single one of them waited within a tenth of the second."""


class ClockReading(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="clock-reading"):
    """What the clock of a load engine elsewhere showed when it was asked (`harness.model.clock_bounds`)."""

    clock: str
    """`worker-1`: whose."""
    sent_us: int
    """Asked then, and answered at `done_us`, on the run's clock."""
    theirs_us: int
    done_us: int


class PhaseChange(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="phase"):
    phase: Phase
    t_us: int


class Bracket(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="bracket"):
    """The state of every node before and after an audit pass; equal states make a valid audit."""

    pass_n: int
    moment: str
    """`before` or `after`."""
    t_us: int
    nodes: dict[str, dict[str, str | int]] = {}
    """node -> run_id, role, replid, offset, epoch."""


class AuditEntry(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, tag_field="type", tag="audit"):
    """One session as one node holds it after recovery."""

    pass_n: int
    session: str
    node: str
    role: str
    run_id: str = ""
    sent_us: int
    done_us: int
    key_type: str | None = None
    """`hash`, `string`, `none`; None: the node did not answer."""
    pttl_ms: int | None = None
    saw: dict[str, str] | None = None
    """The fields; {} absent; None: no answer."""
    witnesses: tuple[str, ...] | None = None
    """The session's witness list, in execution order; None: no answer or witnesses are off."""
    indexed: bool | None = None
    """Whether the user's set of sessions lists it; None: not asked on this node."""
    error: str | None = None


class ObjectEntry(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, tag_field="type", tag="object"):
    """What one node holds after recovery of an object that is no session (`harness.objects`)."""

    pass_n: int
    key: str
    node: str
    role: str
    run_id: str = ""
    sent_us: int
    done_us: int
    saw: dict[str, str] | None = None
    """As a LOOK sees it; {} absent; None: no answer."""
    pttl_ms: int | None = None
    error: str | None = None


class AuditSummary(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="audit-summary"):
    passes: int
    valid_pass: int | None = None
    """The pass whose brackets agree; None: the topology kept changing."""
    reason: str = ""


class ForensicReading(
    msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="forensic-reading"
):
    """A node was read, or could not be, because it was about to lose what it held. Its entries, a
    `forensic` record each, precede it."""

    n: int
    """Number of the reading in the run; `ForensicEntry.reading`."""
    node: str
    moment: str
    """`before healing isolate`, `after being resumed`, `demoted`, ...: why then."""
    run_id: str = ""
    role: str = ""
    """What the node took itself for when the reading began. A replica had not taken over its primary's
    data yet: entries are always the node's own."""
    sent_us: int
    done_us: int
    sessions: int = 0
    """How many it answered about."""
    of: int = 0
    """How many its shard was known to have; more than `sessions`: the reading is partial."""
    why_partial: str = ""


class ForensicEntry(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="forensic"):
    """One session as a node held it shortly before it lost its data. Never part of an audit: the load
    goes on meanwhile, and what is written after `sent_us` may be missing."""

    reading: int
    session: str
    node: str
    run_id: str = ""
    sent_us: int
    done_us: int
    key_type: str | None = None
    pttl_ms: int | None = None
    saw: dict[str, str] | None = None
    """The fields; {} absent."""
    witnesses: tuple[str, ...] | None = None
    indexed: bool | None = None


class Opening(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="opening"):
    """First line of a history. The plan itself lies beside it in plan.json."""

    format: int
    run: str
    scenario: str
    seed: int
    backend: str
    engine: str
    """`Redis 8.0.2`, `Valkey 8.1.1`: the name and version the nodes themselves report."""
    client: str
    """`redis-py 8.1.0 asyncio`."""
    timing: str
    started_wall_us: int
    loopback: bool = False
    """True: plain processes on 127.0.0.1, no network faults possible."""
    eviction_events: bool = False
    """notify-keyspace-events was switched on to record evictions per key."""
    plan_digest: str = ""
    """Checksum of plan.json as this run found it; empty in histories from before format 3."""


class Closing(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="closing"):
    """Last line of a complete history; its absence means that the harness died."""

    t_us: int
    interrupted: bool = False
    reason: str = ""
    operations: int = 0
    not_recovered: str = ""
    """Why the topology was not seen recovered within the limit; empty: it was."""
    unseen: tuple[str, ...] = ()
    """Nodes that were not observed in time then, so nobody knows whether the topology had recovered."""
    peaks: dict[str, int] = {}
    """Bounds watched by the harness: connections_open, actors_busy, not_sent."""


class Seal(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="type", tag="seal"):
    """Last line of a closed history: the checksums of all lines before it (as `history.jsonl`) and of the
    files beside it. No record of the run: closing adds it, reading takes it off."""

    files: dict[str, str]


Record = (
    Opening
    | PhaseChange
    | Operation
    | Connection
    | Unanswered
    | NodeSample
    | Event
    | ClockPair
    | ClockReading
    | Bracket
    | AuditEntry
    | ObjectEntry
    | AuditSummary
    | ForensicReading
    | ForensicEntry
    | Closing
)
