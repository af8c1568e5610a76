"""A lease: a key that one request at a time may hold (`SET ... NX PX`), and that ends by itself.

Promise: from the answer until the lease ends nobody else gets it. Its holder can renew it, and gives it back;
both only if the key still has the holder's own token.

The model. A lease is *certain* from the reply to whoever took it until its holder gave it back or, counted
from when it was last asked for, its time ran out. Two certain leases of one key at one time break the
promise. A holder that does not find its own token while the lease is certain has lost it. And whoever is
told that somebody has it must be able to name somebody: a lease that may have been taken and may not be over.

Trap: an acquisition without an answer is no lease, and yet it may hold the key; so may a renewal prolong it.
Who worked under a lease only its holder's operation tells: `harness.checks.promises.leases` reads that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from harness.model.finding_kind import FindingKind, FindingTrait
from harness.model.words import FindingSide, StepKind
from harness.objects.kind import keyed

ON_LEASES = (StepKind.ACQUIRE, StepKind.RENEW, StepKind.RELEASE)
"""Steps on leases. They neither change nor show a session."""

LOCK_HELD_TWICE = FindingKind(
    name="lock-held-twice",
    side=FindingSide.OPEN,
    sentence="two requests held the same lock at the same time",
    traits=(FindingTrait.ABOUT_LOCK,),
)

TWO_LEADERS = FindingKind(
    name="two-leaders",
    side=FindingSide.OPEN,
    sentence="two processes led the same job at the same time",
    traits=(FindingTrait.ABOUT_LOCK,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    prefix: str
    what: str
    """`the lock of`: for sentences, with whose it is behind it."""
    held_twice: FindingKind

    def key(self, of: str) -> str:
        return keyed(self.prefix, of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A lease that was acked, as certain as it can be."""

    n: int
    """What the caller knows it by."""
    from_us: float
    until_us: float
    """Certain within [from, until): at the latest until its holder gave it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MayHold:
    """A lease that was taken or may have been, acked or not."""

    from_us: float
    """Not taken before this."""
    until_us: float
    """Over by then, by its time or because it was given back."""


def held_at_once(leases: Iterable[Held]) -> dict[int, list[Held]]:
    """By `Held.n`: the leases that began while this one was certain, in their order."""
    broken: dict[int, list[Held]] = defaultdict(list)
    held: list[Held] = []
    for lease in sorted(leases, key=lambda one: one.from_us):
        held = [one for one in held if one.until_us > lease.from_us]
        if lease.until_us > lease.from_us:
            for one in held:
                broken[one.n].append(lease)
            held.append(lease)
    return broken


class Holders:
    """Who may hold a lease when."""

    def __init__(self, holders: Sequence[MayHold]) -> None:
        """In the order of `from_us`."""
        self._begun = [one.from_us for one in holders]
        self._until = list(accumulate((one.until_us for one in holders), max))

    def begun_by(self, us: float) -> int:
        """How many of them may have begun by then: the first so many."""
        return bisect_right(self._begun, us)

    def any_within(self, sent_us: float, done_us: float) -> bool:
        """Whether somebody can have held it while it was asked for."""
        count = self.begun_by(done_us)
        return count > 0 and self._until[count - 1] >= sent_us


LOCK = Lease(prefix="lock:session:", what="the lock of", held_twice=LOCK_HELD_TWICE)
"""Of one session: its requests take turns."""

LEADER = Lease(prefix="leader:", what="the lead of", held_twice=TWO_LEADERS)
"""Of one job: one process at a time does it."""
