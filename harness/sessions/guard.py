"""What a guard does when Redis does not say whether somebody may come in.

A denylist, a ban, a limit: each has to be asked before every request, and Redis may be away. An application
must choose. Refusing puts everybody out for as long as the outage lasts; letting in lets those in, too, who
must not be. Trusting what this process last heard is in between: it refuses whom it knows, and lets in
everybody else.

Whoever is let in without an answer is told so in the records (`LET_IN_UNCHECKED`), and is counted.
"""

from __future__ import annotations

from harness.model.records import Step
from harness.model.scenario import INSTANCE, WITH_CACHE, WITH_SESSIONS, Option, OptionType
from harness.model.words import LET_IN_UNCHECKED, Outcome
from harness.objects.kind import ObjectKind
from harness.sessions.request import OK, REFUSED, Request, told_by

REFUSE, LET_IN, STALE = "refuse", "let-in", "stale"


def when_unreachable(*, stale: bool = True) -> Option:
    """The option of every behaviour that guards something."""
    return Option(
        name="when_unreachable",
        type=OptionType.WORD,
        help="what to do when Redis does not answer: `stale` trusts what this web server last heard",
        default=REFUSE,
        words=(REFUSE, LET_IN, STALE) if stale else (REFUSE, LET_IN),
    )


def instance(*kept: ObjectKind) -> Option:
    """The option of every behaviour whose guard may lie elsewhere than the sessions."""
    return Option(
        name=INSTANCE,
        type=OptionType.WORD,
        help="where it is kept: beside the sessions, or on the instance of the cache",
        default=WITH_SESSIONS,
        words=(WITH_SESSIONS, WITH_CACHE),
        shares=tuple(one.prefix for one in kept),
    )


def told_by_guard(request: Request, step: Step, forbids: bool) -> str:
    """`forbids`: what the reply said, if there was one. `OK`: come in."""
    if step.outcome is Outcome.ACKED:
        request.remembered[step.key] = forbids
        return REFUSED if forbids else OK
    choice = request.options.get("when_unreachable", REFUSE)
    if choice == REFUSE:
        return told_by(step.outcome)
    if choice == STALE and request.remembered.get(step.key, False):
        return REFUSED
    return LET_IN_UNCHECKED
