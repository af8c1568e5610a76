"""Slide the idle timeout. Promise: alive until the last acknowledged touch + timeout, gone after it.

HGETALL, PTTL and EXPIRE in one plain pipeline, each with its own outcome; EXPIRE decides. An EXPIRE
that answers 0 was acknowledged and did nothing: the session was not there.

With an absolute timeout the session must be read first, as it says itself when it is over: EXPIRE gives it
no more than what is left. To slide on all the same is a well-known mistake, and an option.
"""

from __future__ import annotations

from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, Outcome, StepKind
from harness.sessions.commands import expire
from harness.sessions.log_in import left_s
from harness.sessions.read import note_seen, told_by_seen
from harness.sessions.request import OK, PLEASE_LOG_IN, Request, told_by


class Touch:
    declaration = Declaration(
        name="touch",
        help="read the session and start its idle timeout anew",
        needs_timeout=True,
        options=(
            Option(
                name="ignore_age",
                type=OptionType.FLAG,
                help="the whole idle timeout each time, also beyond the absolute timeout",
                default=False,
                of_age=True,
            ),
        ),
        traffic={"shop": 14, "bank": 18, "admin": 14},
    )
    kind = OperationKind.TOUCH
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        if request.rules.absolute_timeout_s and not request.options.get("ignore_age", False):
            return await _within_age(request)
        key, timeout_s = request.session.key, request.rules.idle_timeout_s
        assert timeout_s is not None, "refused at planning"
        seen = request.step(StepKind.READ, key)
        touched = request.step(StepKind.TOUCH, key, deciding=True)
        touched.ttl_ms = round(timeout_s * 1000)
        read, expired = await request.apart(
            (seen, (("HGETALL", key), ("PTTL", key))), (touched, (expire(key, timeout_s),))
        )
        note_seen(seen, read)
        if expired is not None:
            touched.effective = expired[0] == 1
        if touched.outcome is not Outcome.ACKED:
            return told_by(touched.outcome)
        return told_by_seen(seen, request.user) if touched.effective else PLEASE_LOG_IN


async def _within_age(request: Request) -> str:
    key = request.session.key
    seen = request.step(StepKind.READ, key)
    note_seen(seen, await request.alone(seen, ("HGETALL", key), ("PTTL", key)))
    told = told_by_seen(seen, request.user)
    lives_ms = 0 if seen.saw is None else int(left_s(request, seen.saw) * 1000)
    if told != OK or lives_ms <= 0:
        seen.deciding = True
        return PLEASE_LOG_IN if told == OK else told
    touched = request.step(StepKind.TOUCH, key, deciding=True)
    touched.ttl_ms = lives_ms
    expired = await request.alone(touched, expire(key, lives_ms / 1000))
    if expired is not None:
        touched.effective = expired[0] == 1
    if touched.outcome is not Outcome.ACKED:
        return told_by(touched.outcome)
    return OK if touched.effective else PLEASE_LOG_IN
