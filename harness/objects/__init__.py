"""What a web application keeps in Redis beside its sessions: the objects that behaviours work on.

    told      what was done to many keys at once: what is beyond doubt goes by that
    kind      what every object says of itself, and the nouns that its model is told in
    flag      a value that holds for a while: a revocation, a ban, a profile
    counter   counts to a limit within a window: failed log-ins
    listed    a list that grows: the finished steps of a form
    tally     how many there are: who is online, how often something happened
    saved     a session as one value that is saved whole
    message   what all web servers are told: a session has ended
    unused    a session that is stored for nobody
    guest_session  the key of a session of somebody's own application; it is only audited
    lease     one at a time may hold it, for a while: a lock, the lead of a job

An object brings everything that the kit must know of it: its key, how the audit reads it, what may be seen
when (its model), the findings that follow, and what is beyond doubt without a closer look. A behaviour
(`harness.sessions`) is a recipe over objects. Nothing here talks to Redis: loading, auditing and judging all
ask the same declaration.

A further object is one line in the table below; a further kind of object is one module as well.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.objects.counter import ATTEMPTS
from harness.objects.flag import ADDRESS, CUT_OFF, PROFILE, REVOKED, SPENT
from harness.objects.kind import ObjectKind
from harness.objects.lease import LEADER, LOCK, Lease
from harness.objects.listed import FORM
from harness.objects.message import ENDED
from harness.objects.saved import OF_DJANGO, OF_LARAVEL, SAVED
from harness.objects.tally import ONLINE, ONLINE_NAIVE, STATISTICS
from harness.objects.unused import UNUSED

OBJECTS: Mapping[str, ObjectKind] = {
    one.prefix: one
    for one in (
        REVOKED,
        CUT_OFF,
        SPENT,
        ATTEMPTS,
        PROFILE,
        FORM,
        ADDRESS,
        SAVED,
        OF_LARAVEL,
        OF_DJANGO,
        ONLINE,
        ONLINE_NAIVE,
        STATISTICS,
        ENDED,
        UNUSED,
    )
}
"""By what their keys begin with."""

LEASES: Mapping[str, Lease] = {one.prefix: one for one in (LOCK, LEADER)}
"""The same of leases, which the audit does not read: each is over before, or has no holder any more."""


def object_of(key: str) -> ObjectKind | None:
    """The object that lies under a key; None: that is the key of no object."""
    return OBJECTS.get(key.partition("{")[0])


def lease_of(key: str) -> Lease | None:
    """The lease that lies under a key."""
    return LEASES.get(key.partition("{")[0])
