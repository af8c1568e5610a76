"""Look for sessions that never end. Promise: those without a timeout are found, and nobody waits for it.

`SCAN session:*` in small pieces, with `PTTL` of each, as a job of the night does; what has no timeout gets
one. A well-known mistake is an option: `KEYS session:*`, which goes over all keys at once while everybody
else waits.

In a cluster each shard has keys of its own, and SCAN goes over those of one node: it is asked of every shard.
"""

from __future__ import annotations

from harness.model.records import Step
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, Outcome, StepKind
from harness.objects.kind import owner_of
from harness.sessions.commands import expire
from harness.sessions.exchange import Command
from harness.sessions.request import OK, Request, told_by

PATTERN = "session:*"
PIECE, PIECES = 100, 20
NONE = -1
"""What PTTL answers for a key without a timeout."""


class CleanUp:
    declaration = Declaration(
        name="clean-up",
        help="go over the sessions in small pieces, and give those a timeout that have none",
        needs_timeout=True,
        options=(
            Option(
                name="keys",
                type=OptionType.FLAG,
                help="KEYS in the place of SCAN: all at once, while everybody else waits",
                default=False,
            ),
            Option(
                name="piece", type=OptionType.COUNT, help="how much SCAN looks at in one go", default=PIECE
            ),
            Option(
                name="pieces",
                type=OptionType.COUNT,
                help="how many pieces one request goes over",
                default=PIECES,
            ),
        ),
    )
    kind = OperationKind.READ
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        told = [await _clean(request, shard) for shard in request.rules.shards or (request.session.key,)]
        return next((one for one in told if one != OK), OK)


async def _clean(request: Request, shard: str) -> str:
    """Go over one shard, by a key of it."""
    if request.options.get("keys", False):
        step, found = await _listed(request, shard, ("KEYS", PATTERN))
        return await _mend(request, step, found)
    piece, cursor = str(request.options.get("piece", PIECE)), "0"
    for _ in range(max(1, int(request.options.get("pieces", PIECES)))):
        step, answer = await _listed(request, shard, ("SCAN", cursor, "MATCH", PATTERN, "COUNT", piece))
        found = answer[1] if len(answer) > 1 and isinstance(answer[1], list) else []
        told = await _mend(request, step, found)
        cursor = str(answer[0]) if answer else "0"
        if told != OK or cursor == "0":
            return told
    return OK


async def _listed(request: Request, shard: str, command: Command) -> tuple[Step, list[object]]:
    step = request.step(StepKind.LOOK, shard, deciding=True)
    answer = await request.alone(step, command)
    listed = answer[0] if answer else []
    return step, listed if isinstance(listed, list) else []


async def _mend(request: Request, listed: Step, keys: list[object]) -> str:
    """`PTTL` of each, in one round trip; whatever has no timeout gets one."""
    if listed.outcome is not Outcome.ACKED:
        return told_by(listed.outcome)
    asked = [("PTTL", str(key)) for key in keys]
    if asked:
        look = request.step(StepKind.LOOK, asked[0][1])
        answer = await request.alone(look, *asked)
        endless = [key for (_, key), left in zip(asked, answer or (), strict=False) if left == NONE]
        listed.reply = f"{len(endless)} of {len(asked)} without a timeout"
        for key in endless:
            await _let_end(request, key)
    return OK


async def _let_end(request: Request, key: str) -> None:
    step = request.step(StepKind.TOUCH, key)
    step.session = owner_of(key)
    timeout_s = request.rules.idle_timeout_s
    assert timeout_s is not None, "refused at planning"
    step.ttl_ms = round(timeout_s * 1000)
    answer = await request.alone(step, expire(key, timeout_s))
    if answer is not None:
        step.effective = answer[0] == 1
