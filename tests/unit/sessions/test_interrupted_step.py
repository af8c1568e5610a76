"""A step whose reply arrived when nobody was there to read it any more."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from harness.model.records import Step
from harness.model.words import Outcome, StepKind
from harness.sessions.exchange import Exchange, Recording, Refused
from harness.sessions.request import Request, Rules, Session
from harness.sessions.store import Store
from tests.fake_clock import in_fake_time

RULES = Rules(
    idle_timeout_s=300.0,
    witnesses=True,
    guarded_writes=True,
    transactions=True,
    cluster=False,
    wait_replicas=0,
    wait_timeout_ms=100,
)
SESSION = Session(id="s1", user="u1", generation=1, shard=1, key="session:{s1}", witness_key="witnesses:{s1}")


class Interrupted:
    """A store that gets a reply, and is cancelled before it can hand it over."""

    def __init__(self, reply: object) -> None:
        self.reply = reply

    async def exchange(self, recording: Recording, exchange: Exchange, **_: Any) -> None:
        carried = recording.begin(exchange, exchange.everything, 1, 1000, handed_over=True)
        carried.attempt.done_us = 2000
        if isinstance(self.reply, Refused):
            carried.refuse(self.reply)
        else:
            carried.replies.append(self.reply)
        raise asyncio.CancelledError


def interrupted(reply: object) -> Step:
    store = cast("Store", Interrupted(reply))
    request = Request(1, "u1", SESSION, 0, {}, RULES, store, Recording())
    step = request.step(StepKind.DESTROY, "session:{s1}", deciding=True)
    with pytest.raises(asyncio.CancelledError):
        in_fake_time(request.alone(step, ("DEL", step.key)))
    return step


def test_reply_that_nobody_read_is_no_answer() -> None:
    """What it said is not known, and the user was not told: acked without its effect would say that a logout
    found nothing. A refusal is one whoever reads it."""
    assert interrupted(1).outcome is Outcome.UNKNOWN
    assert interrupted(0).outcome is Outcome.UNKNOWN
    assert (
        interrupted(Refused("READONLY You can't write against a read only replica.")).outcome
        is Outcome.REJECTED
    )
