"""Slide the idle timeout. Promise: alive until the last acknowledged touch + timeout, gone after it.

HGETALL, PTTL and EXPIRE in one plain pipeline, each with its own outcome; EXPIRE decides. An EXPIRE
that answers 0 was acknowledged and did nothing: the session was not there.
"""

from __future__ import annotations

from harness.model.scenario import Declaration
from harness.model.words import OperationKind, Outcome, StepKind
from harness.sessions.commands import expire
from harness.sessions.read import note_seen, told_by_seen
from harness.sessions.request import PLEASE_LOG_IN, Request, told_by


class Touch:
    declaration = Declaration(
        name="touch",
        help="read the session and start its idle timeout anew",
        needs_timeout=True,
        traffic={"shop": 14, "bank": 18, "admin": 14},
    )
    kind = OperationKind.TOUCH
    needs_session = True

    async def carry_out(self, request: Request) -> str:
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
