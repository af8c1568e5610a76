"""What a kind of finding says of itself, and what any measure needs to have been recorded.

A kind is declared once, beside the check that finds it (`harness/checks/promises`). Planning, measuring,
judging and the documents go by what it declares and never by its name, as they do with faults.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from harness.model.words import FindingSide


class Need(StrEnum):
    """Evidence that a run may not have. The first three are settings of a scenario, so it is known
    beforehand whether they will be there; the others only a run can tell."""

    WITNESSES = "witnesses"
    GUARDED_WRITES = "guarded writes"
    PRIMARY_READS = "reads by primaries"
    AUDIT = "a valid audit"
    EVICTION_EVENTS = "the evicted keys by name"


class Part(StrEnum):
    """A part of a run that an expectation can be confined to."""

    PHASE = "phase"
    WEB_SERVER = "web server"
    SIDE = "side of a partition"
    SHARD = "shard"
    STORE = "store"
    """Sessions or cache."""


class Premise(StrEnum):
    """What a deployment must have for a finding to be possible at all."""

    REPLICA = "a replica"
    EVICTION = "a memory limit and a policy that evicts sessions"
    TIMEOUT = "an idle or an absolute timeout"
    ABSOLUTE_TIMEOUT = "an absolute timeout"


class OutOf(StrEnum):
    """What a finding is counted out of: what could have had it."""

    SESSIONS = "sessions"
    WRITES = "writes"
    READS = "reads"
    LOGOUTS = "logouts"
    LOGINS = "log-ins"


class Limit(StrEnum):
    """What a finding that comes from a delay is measured against."""

    RECOVERY = "the time to recover"
    IDLE_TIMEOUT = "the idle timeout"
    LOSS_BUDGET = "the loss budget"
    PATIENCE = "the time that a browser waits"


class FindingTrait(StrEnum):
    """What follows from a finding, or what its proof stands on."""

    LOST_WRITE = "an acked write is gone"
    """The promise is the first of its operations: it counts in the loss window and in a loss budget."""
    LOSS = "something acked is gone"
    """None of it is news only where something was there to be lost."""
    BREAKS_SESSION = "the session is not what its user was promised"
    """The others are wrong answers about a session, or are about no session."""
    ENDS_SESSION = "its user has to log in again"
    MAY_END_SESSION = "its user has to log in again if the session was not found"
    ONE_PER_SESSION = "one for everything that a session's readers were shown"
    """The others are one for each promise that was broken."""
    OF_AVAILABILITY = "only who could be reached was there to see it"
    """Where the workload never ran it says nothing about the topology."""
    TIMED = "something took too long"
    """On a machine that was late it may be the machine's doing."""
    OF_DEADLINES = "a session lived too long or too short"
    """Nothing about it is known where wall clock and monotonic clock ran apart."""
    SURE_AT_THE_END = "operations in flight cannot explain it"
    """So it holds where a history breaks off."""
    ABOUT_LOCK = "it explains nothing about the fields of a session"
    EITHER_SIDE = "open where the application accepted what it was shown"


ANY_PART = frozenset({Part.PHASE, Part.WEB_SERVER, Part.SIDE, Part.SHARD})
BY_SHARD = frozenset({Part.SHARD})
WHOLE = frozenset[Part]()
AUDITED = frozenset({Need.AUDIT})
WITNESSED = frozenset({Need.AUDIT, Need.WITNESSES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    needs: frozenset[Need] = frozenset()
    parts: frozenset[Part] = ANY_PART
    """What it can tell apart."""
    out_of: OutOf | None = None
    """What a `share` of it is a share of. None: it sums up a shard or a run, and cannot say how many
    operations or sessions it is about; or it is no finding."""
    seeded: bool = True
    """Whether the seed counts: its log-ins are promises, and no part of what is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingKind(Measure):
    name: str
    side: FindingSide
    sentence: str
    """What it means for a user; docs/findings.md has the same."""
    of_guest: bool = False
    """Only an application of somebody's own can do it."""
    needs: frozenset[Need] = AUDITED
    out_of: OutOf | None = OutOf.SESSIONS
    traits: tuple[FindingTrait, ...] = ()
    premises: frozenset[Premise] = frozenset()
    limit: Limit | None = None
    """What it is late by; None: the tightest bound of the scenario."""

    def __str__(self) -> str:
        return self.name


def names(kinds: Iterable[FindingKind]) -> tuple[str, ...]:
    return tuple(one.name for one in kinds)
