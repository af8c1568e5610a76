"""Log in. Promise: an acknowledged log-in stays readable until logout or expiry.

Step 1 (deciding) makes the session under a fresh random id, with its idle timeout if it has one, all or none.
Step 2 enters it in the user's index, which lives in another slot of a cluster; if only that fails,
the user is in all the same. Without transactions the timeout is a command of its own: when just
that one is lost, the session never ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.application import THEMES
from harness.model.records import Step
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.times import FOREVER
from harness.model.words import OperationKind, Outcome, StepKind
from harness.redis_wire.ballast import BALLAST, ballast
from harness.redis_wire.ends import ENDS, ends_us
from harness.redis_wire.keys import index_key
from harness.sessions.commands import WITNESS_OUTLIVES_S, expire
from harness.sessions.exchange import Command
from harness.sessions.request import OK, Request, told_by


class LogIn:
    declaration = Declaration(
        name="log-in",
        help="a fresh session hash with its idle timeout, and an entry in the user's index",
        options=(
            Option(
                name="index_lifetime",
                type=OptionType.DURATION,
                help="lifetime of the index, however long sessions slide on: a known mistake",
                default=0.0,
            ),
        ),
        traffic={"shop": 4, "bank": 6, "token-api": 5, "admin": 5},
    )
    kind = OperationKind.LOGIN
    needs_session = False

    async def carry_out(self, request: Request) -> str:
        created = request.step(StepKind.CREATE, request.session.key, deciding=True)
        created.wrote = registers(request)
        await create(request, created)
        if created.outcome is not Outcome.ACKED:
            return told_by(created.outcome)
        created.effective = True
        await enter_in_index(request)
        return OK


async def create(request: Request, created: Step) -> None:
    """Make the session, all or none, with its identity and what the step wrote."""
    session, rules = request.session, request.rules
    fields = {**identity(request), **created.wrote}
    if rules.session_sizes:
        fields[BALLAST] = ballast(chosen_size(rules.session_sizes, request.dice))
    make: Command = ("HSET", session.key, *(text for pair in fields.items() for text in pair))
    lives_s = left_s(request, fields)
    witness = request.witness(created)
    if lives_s == FOREVER:
        await request.together(created, [make, *witness])
        return
    timeout = expire(session.key, lives_s)
    if witness:
        witness.append(expire(session.witness_key, lives_s + WITNESS_OUTLIVES_S))
    if rules.transactions:
        created.ttl_ms = round(lives_s * 1000)
        await request.together(created, [make, timeout, *witness])
        return
    limited = request.step(StepKind.TOUCH, session.key)
    limited.ttl_ms = round(lives_s * 1000)
    _, answer = await request.apart((created, (make,)), (limited, (timeout,)), before=witness)
    limited.effective = None if answer is None else answer[0] == 1


async def enter_in_index(request: Request) -> None:
    index = index_key(request.user)
    entered = request.step(StepKind.INDEX_ADD, index)
    entered.member = request.session.id
    fixed_s = float(request.options.get("index_lifetime", 0.0))
    idle_s = request.rules.idle_timeout_s
    lasts_s = fixed_s or (None if idle_s is None else idle_s + WITNESS_OUTLIVES_S)
    lasting = () if lasts_s is None else (expire(index, lasts_s),)
    answer = await request.alone(entered, ("SADD", index, request.session.id), *lasting)
    if answer is not None and not request.ambiguous(entered):
        entered.effective = answer[0] == 1


def left_s(request: Request, fields: Mapping[str, str]) -> float:
    """How long a session with these fields may live from now on unless it is used again; `FOREVER`: nothing
    ends it."""
    idle_s, over_us = request.rules.idle_timeout_s, ends_us(fields)
    lives_s = FOREVER if idle_s is None else idle_s
    return lives_s if over_us is None else min(lives_s, (over_us - request.now_us()) / 1e6)


def identity(request: Request) -> dict[str, str]:
    """Written by log-in only; a key without these is no session."""
    return {"sid": request.session.id, "user_id": request.user, "generation": str(request.operation)}


def registers(request: Request) -> dict[str, str]:
    """The first value of every register; each carries its version."""
    dice, version = request.dice, request.operation
    age_s = request.rules.absolute_timeout_s
    over = {ENDS: f"{version}:{request.now_us() + round(age_s * 1e6)}"} if age_s else {}
    return over | {
        "created": f"{version}:{dice % 1_000_000}",
        "ip": f"{version}:{address(dice)}",
        "agent": f"{version}:{address(dice)}",
        "theme": f"{version}:{THEMES[dice % len(THEMES)]}",
    }


def chosen_size(sizes: Sequence[tuple[int, float]], dice: int) -> int:
    """One of them by its weight."""
    share = ((dice >> 96) & 0xFFFF) / 0x10000 * sum(weight for _, weight in sizes)
    for size_bytes, weight in sizes:
        share -= weight
        if share < 0:
            return size_bytes
    return sizes[-1][0]


def address(dice: int) -> str:
    """An address of the documentation range, from random bits."""
    return f"192.0.2.{(dice >> 40) & 0xFF}"
