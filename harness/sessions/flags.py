"""How behaviours put a flag (`harness.objects.flag`) and look at it: one command each, as applications do."""

from __future__ import annotations

from harness.model.records import Step
from harness.model.words import Outcome
from harness.objects.kind import VALUE
from harness.sessions.exchange import Command
from harness.sessions.request import Request, told_by


async def put(request: Request, step: Step, value: str, lives_s: float, *, told: str) -> str:
    """`SET ... EX`. Put twice it is put once, so it is sent again when no answer came."""
    step.wrote = {VALUE: value}
    step.ttl_ms = round(lives_s * 1000)
    await request.alone(step, set_for(step.key, value, step.ttl_ms))
    if step.outcome is not Outcome.ACKED:
        return told_by(step.outcome)
    step.effective = True
    return told


async def put_once(request: Request, step: Step, value: str, lives_s: float) -> None:
    """`SET ... NX`: with effect if it was not there. Not sent again, as it would then meet itself."""
    step.wrote = {VALUE: value}
    step.ttl_ms = round(lives_s * 1000)
    command = set_for(step.key, value, step.ttl_ms, "NX")
    answer = await request.alone(step, command, repeat_unanswered=False)
    if answer is not None and (answer[0] is not None or not request.ambiguous(step)):
        step.effective = answer[0] is not None


async def value_of(request: Request, step: Step) -> str | None:
    """GET, with the PTTL in the same round trip."""
    answer = await request.alone(step, ("GET", step.key), ("PTTL", step.key))
    if answer is None:
        return None
    step.saw = {} if answer[0] is None else {VALUE: str(answer[0])}
    if len(answer) > 1 and isinstance(answer[1], int):
        step.pttl_ms = answer[1]
    return step.saw.get(VALUE)


def set_for(key: str, value: str, lives_ms: int, *only: str) -> Command:
    return ("SET", key, value, *only, "PX", str(lives_ms))
