"""The behaviour `lead-job`, command by command, against a server that follows a script."""

from __future__ import annotations

from typing import Any

import pytest

from harness.model.words import Outcome, StepKind
from harness.objects.lease import LEADER
from harness.redis_wire.scripted import CLOSE, Answer, ScriptedServer, in_turn
from harness.sessions.commands import RELEASE, RENEW
from harness.sessions.request import Request
from tests.unit.sessions.test_attempts import Bench, run

OK, NIL, ONE, ZERO = b"+OK\r\n", b"$-1\r\n", b":1\r\n", b":0\r\n"
SHORT = {"lease": 0.03, "term": 0.035, "jobs": 1}
JOB = LEADER.key("job-1")


class Told:
    """What one request did, and what the server was asked."""

    def __init__(self, got: Answer, renewals: Answer, *more: Answer, **options: Any) -> None:
        renewed = in_turn(renewals, *more)

        def answer(command: list[str]) -> Answer:
            if command[0] == "SET":
                return got
            return renewed(command) if command[1] == RENEW else ONE

        async def scenario() -> None:
            async with ScriptedServer(answer) as redis:
                bench = Bench(redis.port)
                self.request: Request = await bench.carry_out("lead-job", **{**SHORT, **options})
                self.told, self.asked = bench.told, redis.received
                await bench.server.close()

        run(scenario)
        self.steps = [(step.does, step.outcome, step.effective) for step in self.request.steps]


def test_leader_renews_its_own_lease_and_gives_it_back() -> None:
    """By its token, three times in a lease; what decides is the lead, and so the job's shard counts."""
    told = Told(OK, ONE)
    assert told.told == "ok"
    assert told.steps[0] == (StepKind.ACQUIRE, Outcome.ACKED, True)
    assert told.steps[-1] == (StepKind.RELEASE, Outcome.ACKED, True)
    assert set(told.steps[1:-1]) == {(StepKind.RENEW, Outcome.ACKED, True)}
    assert told.asked[0] == ["SET", JOB, "7", "NX", "PX", "30"]
    assert told.asked[1] == ["EVAL", RENEW, "1", JOB, "7", "30"]
    assert told.asked[-1] == ["EVAL", RELEASE, "1", JOB, "7"]
    assert told.request.about == JOB
    assert [step.ttl_ms for step in told.request.steps[:2]] == [30, 30]


def test_job_that_another_one_leads_is_left_alone() -> None:
    """Asked once, and nothing is released."""
    told = Told(NIL, ONE)
    assert (told.told, told.steps) == ("led by another", [(StepKind.ACQUIRE, Outcome.ACKED, False)])


@pytest.mark.parametrize(
    ("renewal", "outcome", "effective"),
    [(ZERO, Outcome.ACKED, False), (b"-READONLY you can't write\r\n", Outcome.REJECTED, None)],
)
def test_leader_that_cannot_renew_stops_at_once(
    renewal: bytes, outcome: Outcome, effective: bool | None
) -> None:
    """It has lost the lead, or nobody says that it has not."""
    told = Told(OK, ONE, renewal, ONE)
    assert told.told == "try later"
    assert told.steps[2:] == [
        (StepKind.RENEW, outcome, effective),
        (StepKind.RELEASE, Outcome.ACKED, True),
    ]


def test_leader_that_looks_at_nothing_leads_on() -> None:
    """The mistake: whatever became of the lease, the work goes on to the end of the term."""
    told = Told(OK, ZERO, check_lease=False)
    assert told.told == "ok"
    assert len(told.steps) > 3


def test_lead_without_an_answer_is_given_back() -> None:
    """It may be held all the same; the user sees an error."""
    told = Told(CLOSE, ONE)
    assert told.told == "error"
    assert [does for does, _, _ in told.steps] == [StepKind.ACQUIRE, StepKind.RELEASE]
