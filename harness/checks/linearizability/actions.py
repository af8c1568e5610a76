"""What one operation demands of a register and does to it: the alphabet of the exact test.

A register holds a value (text) or None: absent, as every register begins. Whatever the source calls
an operation, here it is one condition on what it finds and one change:

    read v             expects v
    write v            leaves v
    cas e -> v, done   expects e, leaves v        (e None: had to be absent; v None: a delete)
    cas e -> v, failed refuses e                  (expects what it saw, where it says)
    delete             leaves None                (expects what it found, where it says)

Trap: an operation whose outcome is unknown has no end. It may have taken effect at any time after
it was sent, however late, or never; so it is `optional` and comes before nothing.
"""

from __future__ import annotations

from enum import Enum, StrEnum, auto

import msgspec

Value = str | None
"""None: absent."""


class Unsaid(Enum):
    UNSAID = auto()


UNSAID = Unsaid.UNSAID
"""No condition, or no change. Not None, which is a value."""


class Answer(StrEnum):
    LINEARIZABLE = "linearizable"
    NOT = "NOT linearizable"
    UNDECIDED = "undecided"
    """Time or memory ran out: says nothing either way."""


class Action(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One operation on one register. It took place at one moment within [sent, done]; it precedes
    whatever was sent after `done`, and at equal times only those that name it in `after`."""

    id: int = 0
    """Whoever judges several numbers them."""
    sent: float
    done: float
    """`FOREVER` where it is optional."""
    expects: Value | Unsaid = UNSAID
    refuses: Value | Unsaid = UNSAID
    leaves: Value | Unsaid = UNSAID
    optional: bool = False
    after: frozenset[int] = frozenset()
    """Ids of those that precede it although they ended at the moment it was sent."""

    @property
    def changes(self) -> bool:
        return self.leaves is not UNSAID
