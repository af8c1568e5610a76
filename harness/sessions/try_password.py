"""Try a password that is wrong. Promise: nobody tries more often within the window than the limit allows.

`INCR attempts:{user}`, and `EXPIRE` with the first of a window, in one script, so that no counter stays for
ever. The counter is asked before the password is looked at. An INCR is not safe to repeat; sent twice it only
counts too much.

What to do when Redis does not answer is the application's choice: option `when_unreachable`. A limiter that
stands in front of every page counts those as well that come with a session: option `asked`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import sqrt

from harness.model.finding_kind import names
from harness.model.records import Step
from harness.model.scenario import Declaration, Option, OptionType, OptionValue
from harness.model.words import OperationKind, Outcome, StepKind
from harness.objects.counter import ATTEMPTS
from harness.objects.kind import LIMIT, TOTAL
from harness.sessions.commands import COUNT_WITHIN
from harness.sessions.guard import instance, told_by_guard, when_unreachable
from harness.sessions.guarded_page import BEFORE_SESSION, WITHOUT_SESSION, asked, told_with_session
from harness.sessions.request import OK, Request

ATTEMPTS_ALLOWED, WINDOW_S = 5, 300.0

WRONG_PASSWORD = "wrong password"


def _pages_are_attempts(
    options: Mapping[str, OptionValue], of_a_user: Callable[[float], float]
) -> str | None:
    if options.get("asked") != BEFORE_SESSION:
        return None
    limit, window_s = int(options["limit"]), float(options["window"])
    pages = of_a_user(window_s)
    if pages + 3 * sqrt(pages) <= limit:  # by chance one user in a thousand opens more
        return None
    refused = "will be refused" if pages > limit else "will be refused if they open more by chance"
    return (
        f"with `asked: {BEFORE_SESSION}` every page counts as an attempt, and a user opens about {pages:.0f} "
        f"of them within the window; the limit is {limit}, so users who are logged in {refused}. If "
        "that is not what is tested, write `limit: 1000000`"
    )


class TryPassword:
    declaration = Declaration(
        name="try-password",
        help="count an attempt to log in, and refuse it when there were too many",
        options=(
            Option(
                name="limit",
                type=OptionType.COUNT,
                help="attempts in a window that are let in",
                default=ATTEMPTS_ALLOWED,
            ),
            Option(
                name="window",
                type=OptionType.DURATION,
                help="from the first attempt until they count anew",
                default=WINDOW_S,
            ),
            when_unreachable(),
            asked("whoever tries a password"),
            instance(ATTEMPTS),
        ),
        traffic={"shop": 2, "bank": 5, "token-api": 5},
        surprise=_pages_are_attempts,
        leads_to=(*names(ATTEMPTS.findings), "let-in-unchecked", "refused-session"),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        told = await told_with_session(request, lambda: _told(request), session_passes=True)
        alone = request.options.get("asked", WITHOUT_SESSION) == WITHOUT_SESSION
        return WRONG_PASSWORD if told == OK and alone else told


async def _told(request: Request) -> str:
    limit = int(request.options.get("limit", ATTEMPTS_ALLOWED))
    step = request.step_on(ATTEMPTS, request.user, StepKind.COUNT, deciding=True)
    step.added, step.wrote = {TOTAL: 1}, {LIMIT: str(limit)}
    step.ttl_ms = max(1, round(float(request.options.get("window", WINDOW_S)) * 1000))
    total = await _count(request, step)
    return told_by_guard(request, step, total is not None and total > limit)


async def _count(request: Request, step: Step) -> int | None:
    command = ("EVAL", COUNT_WITHIN, "1", step.key, str(step.ttl_ms))
    answer = await request.alone(step, command, repeat_unanswered=False)
    step.command = "EVAL (INCR PEXPIRE)"
    if answer is None or step.outcome is not Outcome.ACKED:
        return None
    total = int(str(answer[0]))
    step.added_now, step.effective = {TOTAL: total}, True
    return total
