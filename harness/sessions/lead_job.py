"""Do a job that only one process may do at a time: leader election. Promise: there is at most one leader.

`SET leader:{job} <token> NX PX`, and whoever gets it leads: works, and renews the lease in time, each time
only if it is still its own. A leader whose renewal has no effect, or no answer, stops at once and gives the
lease back. A well-known mistake is an option: to lead on although the lease may be over.

The job is one of a few; whoever finds it led by another one does nothing.
"""

from __future__ import annotations

import asyncio

from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, Outcome
from harness.objects.lease import LEADER
from harness.sessions.leases import acquire, in_time, milliseconds, release, renew
from harness.sessions.request import OK, TRY_LATER, Request, told_by

LEASE_S, TERM_S, JOBS = 2.0, 3.0, 3
RENEWALS_IN_A_LEASE = 3
"""Two of them may fail before the lease is over."""

LED_BY_ANOTHER = "led by another"


class LeadJob:
    declaration = Declaration(
        name="lead-job",
        help="become the leader of a job, work while the lease is renewed, and step down",
        options=(
            Option(
                name="lease",
                type=OptionType.DURATION,
                help="the lead ends by itself after this, unless it is renewed",
                default=LEASE_S,
            ),
            Option(
                name="term", type=OptionType.DURATION, help="how long a leader works at most", default=TERM_S
            ),
            Option(name="jobs", type=OptionType.COUNT, help="how many jobs there are", default=JOBS),
            Option(
                name="check_lease",
                type=OptionType.FLAG,
                help="step down when the lease may be over or could not be renewed",
                default=True,
            ),
        ),
        traffic={"admin": 2},
        leads_to=(LEADER.held_twice.name,),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        key = request.about = LEADER.key(_job(request))
        lease_ms = milliseconds(float(request.options.get("lease", LEASE_S)))
        acquired, over_s = await acquire(request, key, lease_ms=lease_ms)
        if acquired.outcome is Outcome.ACKED and not acquired.effective:
            return LED_BY_ANOTHER
        if acquired.outcome is Outcome.REJECTED:
            return told_by(acquired.outcome)
        told = told_by(acquired.outcome)
        if acquired.outcome is Outcome.ACKED:
            told = await _lead(request, key, lease_ms, over_s)
        await release(request, key)
        return told


def _job(request: Request) -> str:
    jobs = max(1, int(request.options.get("jobs", JOBS)))
    return f"job-{1 + (request.dice >> 8) % jobs}"


async def _lead(request: Request, key: str, lease_ms: int, over_s: float) -> str:
    """Work until the term is over, or until the lease cannot be relied on."""
    now = asyncio.get_running_loop().time
    checks = bool(request.options.get("check_lease", True))
    ends_s = now() + float(request.options.get("term", TERM_S))
    while now() < ends_s:
        await asyncio.sleep(min(lease_ms / 1000 / RENEWALS_IN_A_LEASE, max(0.0, ends_s - now())))
        if now() >= ends_s:
            break
        asked_s = in_time(lease_ms)
        renewed = await renew(request, key, lease_ms=lease_ms)
        over_s = asked_s if renewed.effective else over_s
        if checks and (not renewed.effective or now() >= over_s):
            return TRY_LATER
    return OK if not checks or now() < over_s else TRY_LATER
