"""How behaviours take, renew and release a lease (`harness.objects.lease`): by a token that is theirs alone.

Trap: a lease whose answer was lost may be there all the same. It is not asked for again (the second
answer would say "taken", by oneself); whoever asked gives up and takes the own token away.
"""

from __future__ import annotations

import asyncio

from harness.model.records import Step
from harness.model.words import StepKind
from harness.sessions.commands import RELEASE, RENEW
from harness.sessions.exchange import Command
from harness.sessions.request import Request

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.32


async def acquire(request: Request, key: str, *, lease_ms: int, tries: int = 1) -> tuple[Step, float]:
    """The last try (the one that got the lease, failed, or found it taken once too often), and when, on
    the loop's clock, a lease that it got may be over."""
    ask: Command = ("SET", key, str(request.operation), "NX", "PX", str(lease_ms))
    pause_s = FIRST_PAUSE_S
    while True:
        step = request.step(StepKind.ACQUIRE, key, deciding=True)
        step.ttl_ms = lease_ms
        over_s = in_time(lease_ms)
        answer = await request.together(step, [ask], repeat_unanswered=False)
        if answer is not None and (answer[0] is not None or not request.ambiguous(step)):
            step.effective = answer[0] is not None
        tries -= 1
        if answer is None or step.effective or tries <= 0:
            return step, over_s
        step.deciding = False
        await asyncio.sleep(pause_s * (0.5 + (request.dice >> 8) % 1024 / 1024))
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def renew(request: Request, key: str, *, lease_ms: int) -> Step:
    """With effect if the lease was still this request's own."""
    step = request.step(StepKind.RENEW, key)
    step.ttl_ms = lease_ms
    command = ("EVAL", RENEW, "1", key, str(request.operation), str(lease_ms))
    answer = await request.alone(step, command)
    step.command = "EVAL (GET PEXPIRE)"
    if answer is not None:
        step.effective = answer[0] == 1
    return step


async def release(request: Request, key: str, *, naive: bool = False) -> None:
    """`naive`: whoever holds it by then."""
    step = request.step(StepKind.RELEASE, key)
    if naive:
        answer = await request.alone(step, ("DEL", key))
    else:
        answer = await request.alone(step, ("EVAL", RELEASE, "1", key, str(request.operation)))
        step.command = "EVAL (GET DEL)"
    if answer is not None and (answer[0] == 1 or not request.ambiguous(step)):
        step.effective = answer[0] == 1


def in_time(lease_ms: int) -> float:
    """When, on the loop's clock, a lease that is asked for now may be over."""
    return asyncio.get_running_loop().time() + lease_ms / 1000


def milliseconds(duration_s: float) -> int:
    """As `PX` takes them: one at the least."""
    return max(1, round(duration_s * 1000))
