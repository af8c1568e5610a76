"""Closed vocabularies. Every word here appears in files, output and documentation as spelled."""

from __future__ import annotations

from enum import StrEnum

SERVICE = "sessions"
"""The name under which sentinels know the primary."""


LET_IN_UNCHECKED = "let in unchecked"
"""Told of a user whom the application let in although Redis did not answer what it had to be asked."""


FROM_MEMORY = "memory"
"""In the place of a step's command: a web server looked at what it keeps itself, and asked nobody."""


FRONT_DOOR = "front door"
"""Who answers the audit where an application of somebody's own is asked for each session, by its cookie."""


class TopologyKind(StrEnum):
    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"
    SPLIT = "split"
    """Sessions and cache on separate instances."""
    SHARED = "shared"
    """Sessions and cache on one instance: the arrangement that `split` is compared with."""


class BackendKind(StrEnum):
    DOCKER = "docker"
    PROCESS = "process"
    COMPOSE = "compose"
    """Containers of a user's own Compose project."""
    MACHINES = "machines"
    """Containers of several engines, one on each host."""


class NodeRole(StrEnum):
    PRIMARY = "primary"
    REPLICA = "replica"
    SENTINEL = "sentinel"
    PROXY = "proxy"
    """Between clients and data nodes; it does not speak for itself."""
    OTHER = "other"
    """Runs along and can be struck by faults; the kit asks it nothing."""

    @property
    def holds_data(self) -> bool:
        return self in {NodeRole.PRIMARY, NodeRole.REPLICA}


class NodePurpose(StrEnum):
    """What a data node stores; sentinels guard sessions."""

    SESSIONS = "sessions"
    CACHE = "cache"


EVENTS = (
    "suspected",
    "suspected-by-quorum",
    "agreed",
    "elected",
    "promoted",
    "published",
    "demoted",
    "rebooted",
    "cleared",
    "healed",
    "recovered",
)
"""What faults may start after, as the observers call it; `harness.observe.events` says what each is."""


ANNOUNCED = {
    "+sdown": "suspected",
    "-sdown": "cleared",
    "+odown": "agreed",
    "+elected-leader": "elected",
    "+switch-master": "published",
    "+reboot": "rebooted",
    "+convert-to-slave": "demoted",
}
"""Messages of Sentinel that the observers call by a name of their own; all others keep theirs (`+tilt`)."""


class Discovery(StrEnum):
    """How a web server finds the primary."""

    FIXED_ADDRESS = "fixed-address"
    RESOLVE_ONCE = "resolve-once"
    ON_ERROR = "on-error"
    FOLLOW_EVENTS = "follow-events"
    THROUGH_PROXY = "through-proxy"
    """It knows proxies only; these know the primary."""


class TooFew(StrEnum):
    """What an application makes of a write that WAIT counted on too few replicas."""

    IGNORE = "ignore"
    TRY_AGAIN = "try-again"
    """It tells its user to try again: nothing is promised, whatever becomes of the write."""


class Arrivals(StrEnum):
    POISSON = "poisson"
    CONSTANT = "constant"


class OperationKind(StrEnum):
    """How availability groups behaviours; every behaviour has exactly one."""

    LOGIN = "login"
    READ = "read"
    TOUCH = "touch"
    WRITE = "write"
    LOGOUT = "logout"


class Outcome(StrEnum):
    ACKED = "acked"
    REJECTED = "rejected"
    """Certainly did not happen."""
    UNKNOWN = "unknown"
    """May have happened."""
    NOT_SENT = "not_sent"
    """Due while its actor was busy, never sent before its phase ended."""


class StepKind(StrEnum):
    """What one command of a behaviour does to the session model."""

    CREATE = "create"
    READ = "read"
    WRITE = "write"
    INCREMENT = "increment"
    REMOVE_FIELD = "remove-field"
    TOUCH = "touch"
    DESTROY = "destroy"
    INDEX_ADD = "index-add"
    INDEX_REMOVE = "index-remove"
    INDEX_READ = "index-read"
    INDEX_DESTROY = "index-destroy"
    ACQUIRE = "acquire"
    """Take a lease for `ttl_ms`; the token is the operation's id. Without effect: somebody holds it."""
    RENEW = "renew"
    """Let one's own lease last for `ttl_ms` from now. Without effect: it was one's own no more."""
    RELEASE = "release"
    WAIT = "wait"
    PUT = "put"
    """Make an object of `harness.objects` what `wrote` says, for `ttl_ms`. Without effect: it was there, and
    was not to be put a second time."""
    LOOK = "look"
    """Look at such an object."""
    COUNT = "count"
    """Count one more on such an object; `added_now` is what the reply said, `ttl_ms` how long it counts."""
    DROP = "drop"
    """Take such an object away."""
    FORGET = "forget"
    """The application told its user's browser to forget the session; nothing was done to the session."""


class Trait(StrEnum):
    """What a fault is, as far as anybody but the fault must know: each says so in its `declaration`.

    Planning, observing and judging go by these, never by a fault's name.
    """

    STOPS_PROCESS = "stops a process"
    """Its proved effect is that the target's process is gone; it stays down until something starts it."""
    STARTS_PROCESS = "starts a process"
    """Its target runs as a new process afterwards; whatever process it was before is gone."""
    ENDS_UNWARNED = "ends a process without warning"
    """The target's process ends by a signal that it cannot handle: what it had not written yet is gone."""
    FREEZES_PROCESS = "freezes a process"
    """The target's process stands still, with its connections open, until it is resumed."""
    RESUMES_PROCESS = "resumes a process"
    CUTS_LINKS = "cuts links"
    """Between nodes: the observers, whom no cut applies to, may not see it in what the nodes say."""
    CUTS_REPLICATION = "cuts replication"
    """No replica of the target's shard gets anything from its primary: what is acked since is on that
    primary alone."""
    LASTS = "lasts until healed"
    """Writes are in danger until it is healed. The healing of others (a restart at the end of the run) says
    nothing about when writes stopped being lost."""
    CAUSES_FAILOVER = "may cause a failover"
    """Another node may be promoted in the place of a primary that it strikes."""
    HANDS_OVER = "hands over"
    """The promotion itself is its proved effect: it is under way from the request, not from the effect."""
    STEPS_BACK = "the old primary steps back by itself"
    """It hands over what it has and follows, before anybody has to tell it."""
    UNASKED = "no sentinel was asked"
    """Roles change behind the back of sentinels: they go on naming the old primary until they suspect it."""
    FILLS_MEMORY = "fills memory"
    """Its target gets keys up to its limit of memory, and by its policy evicts others or refuses writes."""
    NEEDS_REPLICA = "needs a replica"
    """There is nothing for it to do in a topology without any."""
    NEEDS_GUEST = "needs a guest"
    """Its target is a process of a user's own application."""
    NEEDS_OTHER_WEB_SERVER = "needs another web server"
    """Its target no longer serves, so others have to."""
    OWN_CLOCK = "needs a clock of its own"
    """Its targets must have been started with a clock that is theirs alone."""
    FORGETS_UNSYNCED = "forgets what is not on the disk"
    """What its target wrote and the disk did not have yet is gone."""
    FILLS_VOLUME = "fills a volume"
    """Its target can write nothing to its files; one that keeps none goes on as before."""
    SAVES_SNAPSHOT = "saves a snapshot"
    """The next process of its target reads it, whatever the save points of that node."""
    EMPTIES_DATABASE = "empties a database"
    """What the target held is gone at its effect, however old."""
    LEAVES_ADDRESS = "leaves an address"
    """Its target is found at another address afterwards, where nobody tells it whom to follow."""


class Phase(StrEnum):
    SEED = "seed"
    """The users log in; nothing is judged for availability."""
    BASELINE = "baseline"
    FAULT = "fault"
    """From the first fault's request until the last fault is healed (or, with nothing to heal, over)."""
    RECOVERY = "recovery"
    """From then until the topology is recovered (see observe.recovery)."""
    SETTLED = "settled"
    AUDIT = "audit"


class Verdict(StrEnum):
    PASS = "PASS"
    INCONCLUSIVE = "INCONCLUSIVE"
    FAIL = "FAIL"
    SKIPPED = "SKIPPED"
    """The scenario does not fit this machine or deployment; never counts as passed."""
    ERROR = "ERROR"
    """The environment failed before there was anything to judge."""


class Shows(StrEnum):
    PROMISE = "promise"
    WEAKNESS = "weakness"


class FindingSide(StrEnum):
    OPEN = "open"
    """Somebody gets in, or stays in, who must not: a security incident, reported first."""
    CLOSED = "closed"
    """Somebody is put out, or their data is wrong."""


class Cause(StrEnum):
    NOT_YET_REPLICATED = "not yet replicated"
    SPLIT_BRAIN = "acked by a deposed primary"
    AT_PROMOTION = "at promotion"
    RESTARTED_EMPTY = "primary restarted empty"
    OLDER_SNAPSHOT = "primary came back with an older snapshot"
    NOT_ON_DISK = "primary came back without what was not on the disk"
    NEW_PRIMARY_RESTARTED = "new primary had been restarted without it"
    EVICTED = "evicted"
    FLUSHED = "flushed"
    EXPIRED = "expired"
    CLIENT_RETRY = "client retry"
    MIXED_REPLIES = "client mixed up replies"
    ANSWER_LOST = "answer lost"
    APPLICATION_RACE = "application race"
    OUT_OF_MEMORY = "memory full"
    TOO_FEW_REPLICAS = "too few replicas"
    NO_REPLICA = "no replica"
    NO_GOOD_REPLICA = "no good replica"
    NOT_ELECTED = "no sentinel elected"
    NOT_PROMOTED_IN_TIME = "replica not promoted in time"
    COMMAND_RENAMED = "command renamed"
    CANNOT_LOG_IN = "replica cannot log in"
    TILT = "sentinels in TILT mode"
    NO_QUORUM = "quorum not reached"
    CUT_OFF_TOO_LONG = "replica cut off for too long"
    NO_MAJORITY = "no majority of voters"
    NOT_DETERMINED = "not determined"
