"""Count who is online. Promise: the number is that of the visits that are open.

A visit is a page that is open in a browser, or the connection that it holds. It enters itself in a sorted
set, by when it is over unless somebody says so before (`ZADD`), and is taken out when it is closed (`ZREM`).
Some are never closed: a telephone loses its network. Whoever counts leaves out what has ended (`ZCOUNT`), and
takes it out in passing.

A well-known mistake is an option: one number, `INCR` at the beginning and `DECR` at the end. What is never
closed is counted for ever.
"""

from __future__ import annotations

import asyncio

from harness.model.finding_kind import names
from harness.model.records import Step
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, Outcome, StepKind
from harness.objects.kind import AT, TOTAL, UNTIL, VALUE
from harness.objects.tally import ONLINE, ONLINE_NAIVE, Tally
from harness.sessions.exchange import Command
from harness.sessions.request import Request, told_by

SITE = "site"
LASTS_S, STAYS_S = 30.0, 0.2
LOOKS_OF_16, GONE_OF_16 = 5, 2
"""Turns of sixteen that count, and visits of sixteen that nobody closes."""


class CountOnline:
    declaration = Declaration(
        name="count-online",
        help="enter a visit and take it out again, or count the visits that are open",
        options=(
            Option(
                name="naive",
                type=OptionType.FLAG,
                help="one number that goes up and down, which what is never closed leaves too high",
                default=False,
            ),
            Option(
                name="lifetime",
                type=OptionType.DURATION,
                help="a visit that nobody closes is over after this",
                default=LASTS_S,
            ),
            Option(name="stay", type=OptionType.DURATION, help="how long a visit is open", default=STAYS_S),
        ),
        leads_to=names(ONLINE.findings),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        if request.dice % 16 < LOOKS_OF_16:
            return told_by((await _count(request)).outcome)
        entered = await _enter(request)
        if entered.outcome is Outcome.ACKED and (request.dice >> 8) % 16 >= GONE_OF_16:
            await asyncio.sleep(float(request.options.get("stay", STAYS_S)))
            await _leave(request)
        return told_by(entered.outcome)


def _naive(request: Request) -> bool:
    return bool(request.options.get("naive", False))


async def _enter(request: Request) -> Step:
    lasts_us = round(float(request.options.get("lifetime", LASTS_S)) * 1e6)
    until, visit = str(request.now_us() + lasts_us), str(request.operation)
    step = request.step_on(_kept(request), SITE, StepKind.PUT, deciding=True)
    step.wrote = {VALUE: visit, UNTIL: until}
    command: Command = ("INCR", step.key) if _naive(request) else ("ZADD", step.key, until, visit)
    answer = await request.alone(step, command, repeat_unanswered=not _naive(request))
    if answer is not None:
        step.effective = True
    return step


async def _leave(request: Request) -> None:
    step = request.step_on(_kept(request), SITE, StepKind.DROP)
    step.wrote = {VALUE: str(request.operation)}
    naive = _naive(request)
    command: Command = ("DECR", step.key) if naive else ("ZREM", step.key, str(request.operation))
    if await request.alone(step, command, repeat_unanswered=not naive) is not None:
        step.effective = True


async def _count(request: Request) -> Step:
    step = request.step_on(_kept(request), SITE, StepKind.LOOK, deciding=True)
    if _naive(request):
        answer = await request.alone(step, ("GET", step.key))
        if answer is not None:
            step.saw = {TOTAL: str(answer[0] or 0)}
        return step
    now_us = str(request.now_us())
    answer = await request.alone(
        step, ("ZCOUNT", step.key, f"({now_us}", "+inf"), ("ZREMRANGEBYSCORE", step.key, "-inf", now_us)
    )
    if answer is not None:
        step.saw = {TOTAL: str(answer[0]), AT: now_us}
    return step


def _kept(request: Request) -> Tally:
    return ONLINE_NAIVE if _naive(request) else ONLINE
