"""Change the session under a lock. Promise: one holder at a time, so parallel requests lose no update.

`SET NX PX` with the operation's id as token, tried again a few times with growing pauses; then read
the session, work for a while, write what follows from what was read if the lease still runs, and
release. The release deletes the lock only if it still holds this operation's token. Two well-known
mistakes are options: to write without looking at the clock, and to release with a plain DEL, which
after the lease has run out deletes somebody else's lock.

Trap: a lock whose answer was lost may be there all the same. It is not asked for again (the second
answer would say "taken", by oneself); the application gives up and takes its own token away.
"""

from __future__ import annotations

import asyncio
from math import inf

from harness.model.records import Step
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, Outcome, StepKind
from harness.redis_wire.keys import lock_key
from harness.sessions.commands import RELEASE
from harness.sessions.exchange import Command
from harness.sessions.read import read_back
from harness.sessions.request import OK, PLEASE_LOG_IN, TRY_LATER, Request, told_by

LEASE_S, HOLD_S, TRIES = 10.0, 0.05, 6
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.32

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
        ),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        naive = bool(request.options.get("naive_release", False))
        lock = lock_key(request.session.id)
        acquired, over_s = await _acquire(request, lock)
        if acquired.outcome is Outcome.ACKED and not acquired.effective:
            return TRY_LATER
        if acquired.outcome is Outcome.ACKED:
            told = await _work(request, over_s if request.options.get("check_lease", True) else inf)
            await _release(request, lock, naive=naive)
            return told
        if acquired.outcome is Outcome.UNKNOWN and not naive:
            await _release(request, lock, naive=False)
        return told_by(acquired.outcome)


async def _acquire(request: Request, lock: str) -> tuple[Step, float]:
    """The last try (the one that got the lock, failed, or found it taken once too often), and when, on
    the loop's clock, a lease that it got may be over."""
    lease_ms = max(1, round(float(request.options.get("lease", LEASE_S)) * 1000))
    tries = max(1, int(request.options.get("tries", TRIES)))
    ask: Command = ("SET", lock, str(request.operation), "NX", "PX", str(lease_ms))
    pause_s = FIRST_PAUSE_S
    while True:
        step = request.step(StepKind.ACQUIRE, lock, deciding=True)
        step.ttl_ms = lease_ms
        over_s = asyncio.get_running_loop().time() + lease_ms / 1000
        answer = await request.together(step, [ask], repeat_unanswered=False)
        if answer is not None and (answer[0] is not None or not request.ambiguous(step)):
            step.effective = answer[0] is not None
        tries -= 1
        if answer is None or step.effective or not tries:
            return step, over_s
        step.deciding = False
        await asyncio.sleep(pause_s * (0.5 + (request.dice >> 8) % 1024 / 1024))
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


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


async def _release(request: Request, lock: str, *, naive: bool) -> None:
    step = request.step(StepKind.RELEASE, lock)
    if naive:
        answer = await request.alone(step, ("DEL", lock))
    else:
        answer = await request.alone(step, ("EVAL", RELEASE, "1", lock, str(request.operation)))
        step.command = "EVAL (GET DEL)"
    if answer is not None and (answer[0] == 1 or not request.ambiguous(step)):
        step.effective = answer[0] == 1
