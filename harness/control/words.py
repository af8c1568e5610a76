"""What is asked and answered, as types. Names of fields are the names in JSON.

Times ending in `_s` count from the start of the run, as its lines on standard error do; those ending in
`_at` are the same moments by the calendar, in UTC.
"""

from __future__ import annotations

import msgspec

WAIT_MAX_S = 3600.0
"""The longest time that `GET /wait/…` waits."""


class Injected(msgspec.Struct, kw_only=True):
    """A fault that took effect."""

    fault: int
    """Its number in this run, for `heal` and `wait`."""
    kind: str
    target: str
    nodes: tuple[str, ...]
    """What the target meant at that moment."""
    proof: str
    """What was observed."""
    asked_s: float
    asked_at: str
    started_s: float
    """When its start had come: the moment of the call, unless it waits for an event or a condition."""
    effect_s: float
    """The earliest moment at which the effect is proved."""
    effect_at: str
    effect_error_s: float
    """The effect began within this time before `effect_s`."""
    for_s: float | None = None
    """It is healed so long after; null: when somebody asks for it."""


class HealRequest(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which fault to undo."""

    fault: int | None = None
    """Its number; left out: every fault that is in effect, the last first."""


class HealedFault(msgspec.Struct, kw_only=True):
    fault: int
    kind: str
    nodes: tuple[str, ...]
    healed_s: float


class Healed(msgspec.Struct, kw_only=True):
    """What was undone. Nodes that were killed or stopped run again; what stood between nodes is lifted."""

    healed: tuple[HealedFault, ...]


class Awaited(msgspec.Struct, kw_only=True):
    """The first such event since the fault named, or since the last fault that took effect."""

    event: str
    event_s: float
    event_at: str
    since_s: float


class NodeStatus(msgspec.Struct, kw_only=True):
    name: str
    role: str
    """primary, replica or sentinel, as observed last; else down, paused or silent."""
    host: str
    port: int
    offset: int | None = None
    """Its replication offset; data nodes only."""


class FaultStatus(msgspec.Struct, kw_only=True):
    fault: int
    kind: str
    target: str
    nodes: tuple[str, ...]
    state: str
    """waiting, effect, healed, no-effect."""
    reason: str = ""
    """Why it had no effect, or was not healed."""
    healed: str = ""
    """What was observed when it was healed."""


class Status(msgspec.Struct, kw_only=True):
    run: str
    topology: str
    engine: str
    now_s: float
    now_at: str
    primary: str | None
    """The primary of the first shard, as the majority says; null: they do not agree."""
    nodes: tuple[NodeStatus, ...]
    faults: tuple[FaultStatus, ...]


class Problem(msgspec.Struct, kw_only=True):
    """Every answer that is not 200."""

    error: str
