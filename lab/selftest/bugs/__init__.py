"""The bugs, one class each. Every one does its deed once in a run, to one session of its own choice.

`names` are the findings that such a deed is; which of several is right follows from
whom it hit and from what happened afterwards. Only a proxy did it, so the cause is `not determined`
wherever the node itself left no evidence (a client's retry and an eviction do). `BUGS` is the whole list.
"""

from __future__ import annotations

from lab.selftest.bugs.guards import (
    ForgottenAttempts,
    ForgottenProfile,
    ForgottenStep,
    ForgottenUse,
    LostRevocation,
)
from lab.selftest.bugs.lifetimes import (
    ForgottenAge,
    ForgottenTimeout,
    RealEviction,
    ShortenedTimeout,
    SilentEviction,
    SlightlyStretchedTimeout,
    StretchedTimeout,
    UndoneDelete,
)
from lab.selftest.bugs.lists_and_locks import DoubledLead, DoubledLock, LostIndexMember
from lab.selftest.bugs.mistakes import (
    BurntToken,
    GuardBeforeSession,
    SlowUnderLock,
    StoredForNobody,
    UnansweredGuard,
)
from lab.selftest.bugs.reads import ForeignValue, StaleRead
from lab.selftest.bugs.tallies import (
    ForgottenEvent,
    ForgottenMove,
    ForgottenSave,
    ForgottenVisit,
    MutedMessage,
    SaveOverAnother,
)
from lab.selftest.bugs.writes import DoubledIncrement, DroppedWrite, LateDelivery, TornWrite
from lab.selftest.mischief import Bug

BUGS: tuple[type[Bug], ...] = (
    DroppedWrite,
    UndoneDelete,
    StaleRead,
    ForeignValue,
    ForgottenTimeout,
    ShortenedTimeout,
    StretchedTimeout,
    SlightlyStretchedTimeout,
    ForgottenAge,
    SilentEviction,
    RealEviction,
    DoubledLock,
    DoubledLead,
    DoubledIncrement,
    LostIndexMember,
    LateDelivery,
    TornWrite,
    LostRevocation,
    ForgottenAttempts,
    ForgottenUse,
    ForgottenProfile,
    ForgottenStep,
    ForgottenVisit,
    ForgottenEvent,
    ForgottenMove,
    ForgottenSave,
    SaveOverAnother,
    MutedMessage,
    BurntToken,
    UnansweredGuard,
    GuardBeforeSession,
    SlowUnderLock,
    StoredForNobody,
)
