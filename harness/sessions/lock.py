"""Change the session under a lock. Promise: one holder at a time, so parallel requests lose no update.

`SET NX PX` with the operation's id as token, tried again a few times with growing pauses; then read
the session, work for a while, write what follows from what was read if the lease still runs, and
release (see `leases`). The release deletes the lock only if it still holds this operation's token. Two
well-known mistakes are options: to write without looking at the clock, and to release with a plain DEL, which
after the lease has run out deletes somebody else's lock. What to do when Redis grants no lock because it does
not answer is the application's choice: option `when_unreachable`; `let-in` works without one.
"""

from __future__ import annotations

import asyncio
from math import inf

from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import LET_IN_UNCHECKED, OperationKind, Outcome, StepKind
from harness.objects.lease import LOCK
from harness.sessions.exchange import Command
from harness.sessions.guard import LET_IN, REFUSE, when_unreachable
from harness.sessions.leases import acquire, milliseconds, release
from harness.sessions.read import read_back
from harness.sessions.request import OK, PLEASE_LOG_IN, TRY_LATER, Request, told_by

LEASE_S, HOLD_S, TRIES = 10.0, 0.05, 6

VISITS = "visits"
"""The field that only this behaviour writes; its payload counts the writes that built on each other."""


class Lock:
    declaration = Declaration(
        name="lock",
        help="change the session under its lock, so that parallel requests take turns",
        options=(
            Option(name="lease", type=OptionType.DURATION, help="the lock ends by itself", default=LEASE_S),
            Option(name="hold", type=OptionType.DURATION, help="the work under the lock", default=HOLD_S),
            Option(
                name="tries",
                type=OptionType.COUNT,
                help="before the user is asked to try later",
                default=TRIES,
            ),
            Option(
                name="check_lease",
                type=OptionType.FLAG,
                help="look at the clock before writing, and give up if the lease is over",
                default=True,
            ),
            Option(
                name="naive_release",
                type=OptionType.FLAG,
                help="release with a plain DEL, whoever holds the lock by then",
                default=False,
            ),
            when_unreachable(stale=False),
        ),
        traffic={"bank": 8, "admin": 4},
        leads_to=(
            LOCK.held_twice.name,
            "let-in-unchecked",
            "lease-overrun",
            "lost-write",
            "lost-update",
            "ghost-retry",
        ),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        naive = bool(request.options.get("naive_release", False))
        lock = LOCK.key(request.session.id)
        lease_ms = milliseconds(float(request.options.get("lease", LEASE_S)))
        tries = int(request.options.get("tries", TRIES))
        acquired, over_s = await acquire(request, lock, lease_ms=lease_ms, tries=tries)
        if acquired.outcome is Outcome.ACKED and not acquired.effective:
            return TRY_LATER
        if acquired.outcome is Outcome.ACKED:
            told = await _work(request, over_s if request.options.get("check_lease", True) else inf)
            await release(request, lock, naive=naive)
            return told
        if acquired.outcome is Outcome.UNKNOWN and not naive:
            await release(request, lock)
        if request.options.get("when_unreachable", REFUSE) == LET_IN:
            told = await _work(request, inf)
            return LET_IN_UNCHECKED if told == OK else told
        return told_by(acquired.outcome)


async def _work(request: Request, over_s: float) -> str:
    """Read, think, write one more than what was read, unless that has taken too long."""
    told = await read_back(request, deciding=True)
    saw = request.steps[-1].saw
    if told != OK or saw is None:
        return told
    before = saw.get(VISITS)
    counted = (before or "").rpartition(":")[2]
    visits = int(counted) if counted.isdecimal() else 0
    await asyncio.sleep(float(request.options.get("hold", HOLD_S)))
    if asyncio.get_running_loop().time() >= over_s:
        return TRY_LATER
    key, guarded = request.session.key, request.rules.guarded_writes
    step = request.step(StepKind.WRITE, key, deciding=True)
    step.wrote = {VISITS: f"{request.operation}:{visits + 1}"}
    write: Command = ("HSET", key, VISITS, step.wrote[VISITS])
    answer = await request.together(step, [write, *request.witness(step)], guarded=guarded)
    if answer is None:
        return told_by(step.outcome)
    # An unguarded HSET of a field that was not there yet answers the same with and without a session.
    step.effective = bool(answer) if guarded else before is None or answer[0] == 0
    step.reply = str(answer[0]) if answer else "no session"
    return OK if answer else PLEASE_LOG_IN
