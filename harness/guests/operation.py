"""One behaviour of a guest: a request to one web server, and the steps that came of its answer.

    as promised                              acked
    "please log in", a page for nobody       acked: it saw that there is no session
    another user's page                      acked: it saw another identity
    another answer, none, a broken one       unknown: the application may have done it
    no connection                            rejected: it certainly did not

Nobody but the application knows what it did with Redis meanwhile. So no step names a node, and what a write
met is known from later pages alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.application import Asked, Session
from harness.guests import words as texts
from harness.guests.answers import Answer, as_text, found_in, is_so
from harness.guests.back_door import key_in
from harness.guests.browser import Browser, Heard
from harness.guests.web_server import GuestServer
from harness.model.attempt_results import CONNECT_FAILED, TIMEOUT
from harness.model.guest import CART, FIELD, LOGOUT, Guest, Recipe
from harness.model.records import Attempt, Step
from harness.model.told import (
    AS_NOBODY,
    ERROR,
    NO_ANSWER,
    OK,
    PLEASE_LOG_IN,
    PUT_OUT,
    SIGNED_OUT,
    TRY_LATER,
    WRONG_USER,
)
from harness.model.words import OperationKind, Outcome, StepKind
from harness.objects.kind import ObjectKind

_ERROR_SHOWN = 160


@dataclass(frozen=True, slots=True)
class Understood:
    """What an answer means."""

    told: str
    outcome: Outcome
    saw: Mapping[str, str] | None = None
    """The session as the page shows it; {}: it shows that there is none. None: it shows nothing."""
    trouble: str = ""


def understood(
    guest: Guest, recipe: Recipe, heard: Heard, session: Session, *, ends: bool = False
) -> Understood:
    """What the last answer of a recipe means for the session's user.

    `ends`: it is a logout. Many applications lead to the log-in page after one: that says that it is done,
    and not that the session had been lost before.
    """
    answer = heard.answer
    if answer is None:
        last = heard.attempts[-1] if heard.attempts else None
        if last is None or last.result == CONNECT_FAILED:
            return Understood(TRY_LATER, Outcome.REJECTED, trouble=heard.trouble)
        told = NO_ANSWER if last.result == TIMEOUT else ERROR
        return Understood(told, Outcome.UNKNOWN, trouble=heard.trouble)
    out = ends and not heard.trouble and is_so(answer, recipe.done)
    if not out and is_so(answer, recipe.please_log_in or guest.please_log_in):
        return Understood(PLEASE_LOG_IN, Outcome.ACKED, saw={})
    if heard.trouble:
        return Understood(ERROR, Outcome.UNKNOWN, trouble=heard.trouble)
    if not is_so(answer, recipe.done):
        return Understood(ERROR, Outcome.UNKNOWN, trouble=f"answered {answer.said}")
    if recipe.user is None:
        return Understood(OK, Outcome.ACKED)
    named = found_in(answer, recipe.user)
    if named is None or named in {"", False}:
        return Understood(AS_NOBODY, Outcome.ACKED, saw={})
    if as_text(named) != session.user:
        return Understood(WRONG_USER, Outcome.ACKED, saw={"user_id": as_text(named)})
    return Understood(OK, Outcome.ACKED, saw=shown(recipe, answer, session))


def shown(recipe: Recipe, answer: Answer, session: Session) -> dict[str, str]:
    """The session's fields as its user's page shows them."""
    saw = {"sid": session.id, "user_id": session.user, "generation": str(session.generation)}
    if FIELD in recipe.values:
        value = texts.written(found_in(answer, recipe.values[FIELD]))
        saw |= {} if value is None else {FIELD: value}
    if CART in recipe.values:
        saw |= texts.quantities(found_in(answer, recipe.values[CART]))
    return saw


class GuestOperation:
    """See `harness.application.Carried`."""

    def __init__(
        self, guest: Guest, kind: OperationKind, asked: Asked, server: GuestServer, browser: Browser
    ) -> None:
        self.steps: Sequence[Step] = ()
        self.changed: Sequence[tuple[ObjectKind, str]] = ()
        self.shard = asked.session.shard
        self._guest = guest
        self._kind = kind
        self._asked = asked
        self._server = server
        self._browser = browser
        self._worked = browser.has_what_worked
        self._heard = Heard()

    @property
    def attempts(self) -> Sequence[Attempt]:
        return self._heard.attempts

    async def carry_out(self) -> str:
        asked, recipe = self._asked, self._guest.recipes[self._asked.behaviour]
        words = texts.words_of(asked.user, asked.operation, asked.dice)
        self.steps = self._planned(recipe, words)
        try:
            await self._browser.do(self._server.address, recipe, words, self._heard)
        finally:
            self._note_attempt()
        return self._settle(self._meant(recipe), recipe)

    def shard_of(self, key: str) -> int:  # noqa: ARG002 - a guest's keys are its own business
        return self.shard

    async def over(self) -> None:
        """Nothing is left of a request once it was answered."""

    def _planned(self, recipe: Recipe, words: Mapping[str, str]) -> list[Step]:
        """The steps of the behaviour, as far as they are known before it is answered."""
        session = self._asked.session
        command = f"{recipe.method.upper()} {recipe.path}"

        def step(n: int, does: StepKind, of: Session = session, *, deciding: bool = True) -> Step:
            return Step(n=n, does=does, command=command, key=of.key, session=of.id, deciding=deciding)

        match self._kind:
            case OperationKind.LOGIN:
                return [step(1, StepKind.CREATE)]
            case OperationKind.READ:
                return [step(1, StepKind.READ)]
            case OperationKind.TOUCH:
                return [step(1, StepKind.READ, deciding=False), step(2, StepKind.TOUCH)]
            case OperationKind.LOGOUT:
                others = () if self._asked.behaviour == LOGOUT else self._asked.earlier
                ended = {one.id: one for one in (session, *others)}
                return [step(n, StepKind.DESTROY, one) for n, one in enumerate(ended.values(), 1)]
        if self._asked.behaviour == CART:
            added = step(1, StepKind.INCREMENT)
            added.added = {texts.field_of(words["item"]): int(words["quantity"])}
            return [added]
        write = step(1, StepKind.WRITE)
        write.wrote = {FIELD: words["value"]}
        return [write]

    def _note_attempt(self) -> None:
        """The last request is the one that the steps are about; a page with a token went before it."""
        if not self._heard.attempts:
            return
        last = self._heard.attempts[-1]
        last.steps = tuple(one.n for one in self.steps)
        for step in self.steps:
            step.attempts = (last.n,)
            step.sent_us, step.done_us = last.sent_us, last.done_us

    def _meant(self, recipe: Recipe) -> Understood:
        ends = self._kind is OperationKind.LOGOUT
        meant = understood(self._guest, recipe, self._heard, self._asked.session, ends=ends)
        if self._kind is not OperationKind.LOGIN or meant.outcome is not Outcome.ACKED:
            return meant
        if meant.told in PUT_OUT:
            return Understood(ERROR, Outcome.UNKNOWN, trouble="the log-in was answered with a log-in page")
        if not self._browser.has_session:
            return Understood(ERROR, Outcome.UNKNOWN, trouble="the answer to the log-in has no session")
        return meant

    def _settle(self, meant: Understood, recipe: Recipe) -> str:
        answer = self._heard.answer
        if answer is not None and meant.outcome is Outcome.UNKNOWN:
            # What the application still does after such an answer, nobody can tell.
            self._heard.attempts[-1].result = f"status-{answer.status}"
        for step in self.steps:
            step.outcome = meant.outcome
            step.error = meant.trouble[:_ERROR_SHOWN] or None
            step.reply = answer.said if answer is not None else ""
            if meant.outcome is not Outcome.ACKED:
                continue
            if step.does is StepKind.READ:
                step.saw = None if meant.saw is None else dict(meant.saw)
            elif meant.told in PUT_OUT:
                step.effective = False
        if meant.outcome is Outcome.ACKED and answer is not None:
            self._note_total(recipe, answer)
        if self._kind is OperationKind.LOGIN and meant.outcome is Outcome.ACKED:
            self._note_key()
        if meant.told == OK and (self._kind is OperationKind.READ or self._renewed):
            self._browser.proved = self._browser.kept
        replaced = self._heard.replaced and meant.told in PUT_OUT
        if (self._heard.forgot or replaced) and self._kind is not OperationKind.LOGOUT:
            self._note_forgotten()
        signed_out = self._kind is OperationKind.LOGOUT and meant.told == OK
        return SIGNED_OUT if signed_out else meant.told

    @property
    def _renewed(self) -> bool:
        """Whether it put another cookie in the place of the one that worked. With a yes to a request of
        its user that is the session's new cookie, and the old one proves nothing any more."""
        return self._worked and self._heard.replaced and self._kind is not OperationKind.LOGOUT

    def _note_key(self) -> None:
        """The key that the application gave the session, known by its cookie alone."""
        if (key := key_in(self._guest, self._browser.kept)) is not None:
            self._asked.session.key = key
            for step in self.steps:
                step.key = key

    def _note_total(self, recipe: Recipe, answer: Answer) -> None:
        step = self.steps[0]
        if step.added and CART in recipe.values:
            totals = texts.quantities(found_in(answer, recipe.values[CART]))
            step.added_now = {name: int(totals[name]) for name in step.added if name in totals}

    def _note_forgotten(self) -> None:
        forgotten = Step(
            n=len(self.steps) + 1,
            does=StepKind.FORGET,
            command="Set-Cookie",
            key=self._asked.session.key,
            session=self._asked.session.id,
            outcome=Outcome.ACKED,
        )
        self.steps = [*self.steps, forgotten]
        self._note_attempt()
