"""What an object kept in Redis says of itself, and the nouns of its model. Pure; no object is known by name
here.

The model of an object is one function over what was done to one key (`Change`) and what was seen of it
(`Look`). Both carry intervals: the server did it somewhere between the bytes handed over and the reply read.

Trap: a model may call something broken only if no order of events explains it. Every change that *may* have
happened explains what it would have left; only a certain one is a promise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from harness.model.finding_kind import FindingKind
from harness.model.words import Cause, StepKind
from harness.objects.told import Calm, Told

Command = tuple[str, ...]
Reply = Any
"""Text, number, None, or a list of these."""

SOMETHING = ""
"""The value of a look that shows that the object is there, and not what it says."""

VALUE = "value"
"""The one field of an object that holds one value, in `Step.wrote`, `Step.saw` and `ObjectEntry.saw`."""
TOTAL, LIMIT = "total", "limit"
"""COUNT: the field of `Step.added` and `Step.added_now`, and that of `Step.wrote` which holds the limit."""
UNTIL, AT = "until", "at"
"""Of what ends by the application's own clock: in `Step.wrote` when that is, and in `Step.saw` for which
moment it was asked; both in microseconds of the run's clock."""

CHANGES = (StepKind.PUT, StepKind.COUNT, StepKind.DROP)
ON_OBJECTS = (*CHANGES, StepKind.LOOK)
"""Steps on objects. They neither change nor show a session."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a step did to the object (`certain`) or may have done."""

    n: int
    """What the caller knows the step by; a `Look` at what the same step saw has the same."""
    does: StepKind
    value: str | None = None
    """PUT: what it made the object say."""
    total: int | None = None
    """COUNT, acked: what the reply said."""
    limit: int | None = None
    """COUNT: how far it may count before somebody is refused."""
    ttl_us: float | None = None
    ends_us: float | None = None
    """PUT: when it ends by the application's own clock."""
    certain: bool
    first_us: float
    """Not done before this."""
    sent_us: float
    """Certain: not done before this by the attempt that was answered."""
    done_us: float
    """Certain: done by then."""
    until_us: float
    """Not done after this, by any attempt."""
    extra: int = 0
    """How many attempts may have done it besides the one that was answered."""
    told: str = ""
    """What the application told its user in the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What somebody saw of the object: None, it was not there."""

    n: int
    value: str | None
    sent_us: float
    done_us: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was done to one key, and what was seen of it."""

    changes: Sequence[Change]
    looks: Sequence[Look]
    epsilon_us: float
    """What cannot be measured of a deadline."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Many:
    """What a count contradicts: it does not say which of the promises were broken."""

    promises: Sequence[Change]
    broken: int
    """At least so many of them."""
    says: str
    """As of a breach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A promise and the looks that contradict it."""

    kind: FindingKind | None
    """None: no finding describes it."""
    promise: Change | None
    """None: nothing explains what was seen."""
    looks: Sequence[Look]
    """At least one, the first first."""
    says: str
    """What was seen, for a sentence that begins with who saw it; `{it}` stands for the object."""
    cause: Cause | None = None
    """Where the model knows it: nothing that happened to a node explains it better."""
    of_many: Callable[[Look], Many] | None = None
    """Where the promise is an example, and what is said goes for the first look: what goes for any look."""


class ObjectKind(Protocol):
    """One thing that is kept in Redis. See `flag` for the smallest."""

    @property
    def prefix(self) -> str:
        """What its keys begin with, up to the hash tag."""
        ...

    @property
    def findings(self) -> tuple[FindingKind, ...]:
        """What its model may find. The first: what it is if the audit cannot tell."""
        ...

    @property
    def once(self) -> bool:
        """Whoever puts it has seen whether it was there."""
        ...

    def named(self, key: str) -> str:
        """For sentences: `the revocation of token 0a1b2c3d`."""
        ...

    def key(self, of: str) -> str:
        """The key that belongs to a session, a user, ..."""
        ...

    def questions(self, key: str) -> tuple[Command, ...]:
        """What the audit asks a node: commands that change nothing, each of which can be refused. None of
        them: no node holds it."""
        ...

    def shown(self, replies: Sequence[Reply]) -> tuple[dict[str, str], int | None]:
        """What a node showed by its replies, as a LOOK sees it ({}: it has none), and the PTTL."""
        ...

    def looked(self, saw: Mapping[str, str]) -> str | None:
        """The value of a look."""
        ...

    def holds_until_us(self, past: Past) -> float | None:
        """Until when the last promise holds at the least; None: nothing was promised."""
        ...

    def judge(self, past: Past) -> Sequence[Breach]:
        """What was promised and not kept."""
        ...

    def calm(self, told: Told) -> Calm | None:
        """Of which of these keys `judge` finds nothing, for all of them at once; None: it says so of no key,
        and each is looked at."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OneValue:
    """What an object has in common with others that are one string under one key."""

    field: ClassVar[str]
    """Of what a look saw: where the string stands."""
    prefix: str

    def key(self, of: str) -> str:
        return keyed(self.prefix, of)

    def questions(self, key: str) -> tuple[Command, ...]:
        return (("GET", key), ("PTTL", key))

    def shown(self, replies: Sequence[Reply]) -> tuple[dict[str, str], int | None]:
        value, pttl_ms = replies
        return ({} if value is None else {self.field: str(value)}), pttl_ms

    def looked(self, saw: Mapping[str, str]) -> str | None:
        return saw.get(self.field)

    def calm(self, told: Told) -> Calm | None:  # noqa: ARG002 - the protocol's
        return None


@dataclass(frozen=True, slots=True)
class KeptObject:
    """One object of a run, for the audit."""

    kind: ObjectKind
    key: str
    shard: int


def keyed(prefix: str, of: str) -> str:
    """What belongs to one session or user lies in one slot of a cluster."""
    return f"{prefix}{{{of}}}"


def owner_of(key: str) -> str:
    """Whose object lies under a key."""
    return key.partition("{")[2].removesuffix("}")
