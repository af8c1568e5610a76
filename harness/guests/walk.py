"""Through the recipes of a guest on a healthy topology, one user at a time: what does the kit understand?

An application of which the kit would understand too little must not be judged: whoever shows every page to
everybody has no log-outs, and whose `read` never names the user has nothing else. Each is one sentence here,
before there is a load, and never a finding.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.application import Session
from harness.guests import words as texts
from harness.guests.back_door import Nodes, key_in
from harness.guests.browser import Browser, Client, Heard
from harness.guests.operation import Understood, understood
from harness.guests.web_server import GuestServer
from harness.model.attempt_results import TIMEOUT
from harness.model.guest import BEHAVIOURS, CART, FIELD, LOG_IN, LOGOUT, READ, Guest, RunAs
from harness.model.told import AS_NOBODY, OK, PUT_OUT
from harness.model.words import OperationKind, Outcome

USER = "kit"
ASK_AGAIN_S = 0.5
ENDS_WITHIN_S = 2.0
"""A process whose connections broke because it died is over by then."""
_DICE = 0x10300
_SHOWN = 60
_KEPT_ELSEWHERE = (
    "expected that it leaves a key in this run's Redis, found none: the application keeps its sessions "
    "elsewhere, or in another Redis; it learns where this one is from REDIS_URL"
)
_NO_TOKEN = (400, 403, 419, 422)
"""What frameworks answer to a form without its CSRF token."""


@dataclass(frozen=True, slots=True)
class Line:
    """One request, and what was made of its answer."""

    what: str
    asked: str
    answered: str
    meant: str


@dataclass(slots=True)
class Walk:
    lines: list[Line] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """Why it cannot be judged; empty: it can."""
    notes: list[str] = field(default_factory=list)
    """What is worth knowing of it."""


class _Walker:
    def __init__(
        self,
        guest: Guest,
        server: GuestServer,
        client: Client,
        nodes: Nodes | None,
        tell: Callable[[Line], None],
    ) -> None:
        self.walk = Walk()
        self.guest = guest
        self._nodes = nodes
        self._server = server
        self._client = client
        self._tell = tell
        self._operation = 0
        self.words: dict[str, str] = {}
        """What the last request sent."""
        self.status = 0
        """Of the answer to it; 0: there was none."""
        self._answered = ""
        self._ended = ""
        """How the application ended, if it did."""

    def browser(self) -> Browser:
        return Browser(self._client, cookie=self.guest.cookie, token=self.guest.token)

    async def do(self, behaviour: str, browser: Browser, what: str = "") -> Understood:
        """Carry out one recipe, and tell of it."""
        self._operation += 1
        recipe = self.guest.recipes[behaviour]
        self.words = texts.words_of(USER, self._operation, _DICE)
        session = Session("walk", USER, 1, 1, "walk", "")
        heard = await browser.do(self._server.address, recipe, self.words)
        ends = BEHAVIOURS[behaviour] is OperationKind.LOGOUT
        meant = understood(self.guest, recipe, heard, session, ends=ends)
        answered = heard.answer.said if heard.answer is not None else "no answer"
        self.status = heard.answer.status if heard.answer is not None else 0
        self._answered = "" if heard.answer is None or meant.trouble else f" ({answered})"
        if heard.answer is None and heard.attempts[-1].result != TIMEOUT:
            self._ended = await self._server.ends(within_s=ENDS_WITHIN_S)
        forgot = "; the cookie is deleted" if heard.forgot else ""
        self._note(
            Line(what or behaviour, f"{recipe.method.upper()} {recipe.path}", answered, _said(meant) + forgot)
        )
        return meant

    async def copied(self, browser: Browser) -> Understood:
        """Read with the cookies that the browser had before it was signed out."""
        for cookies in browser.copies or ({},):
            meant, heard = await self._read_with(browser, cookies)
            if meant.told == OK:
                break
        self._note_read("read, by a copied cookie", meant, heard)
        return meant

    async def _read_with(self, browser: Browser, cookies: Mapping[str, str]) -> tuple[Understood, Heard]:
        """What the page shows to these cookies; the browser keeps its own."""
        recipe = self.guest.recipes[READ]
        heard = await browser.with_copy(self._server.address, recipe, cookies)
        return understood(self.guest, recipe, heard, Session("walk", USER, 1, 1, "walk", "")), heard

    def _note_read(self, what: str, meant: Understood, heard: Heard) -> None:
        answered = heard.answer.said if heard.answer is not None else "no answer"
        self._note(Line(what, f"GET {self.guest.recipes[READ].path}", answered, _said(meant)))

    async def cookies_of_session(self, browser: Browser) -> list[str]:
        """Those of its cookies without which the page does not show the user any more."""
        if len(browser.cookies) == 1:
            return list(browser.cookies)
        needed: list[str] = []
        for name in browser.cookies:
            others = {other: value for other, value in browser.kept.items() if other != name}
            meant, heard = await self._read_with(browser, others)
            self._note_read(f"read, without the cookie {name}", meant, heard)
            needed += [name] if meant.told != OK else []
        return needed

    async def keys(self) -> int | None:
        """How many keys Redis has; None: nobody asks."""
        return None if self._nodes is None else await asyncio.to_thread(self._nodes.keys)

    async def key_of(self, cookies: Mapping[str, str], what: str, *, expected: bool) -> None:
        """Look for the key of the session of these cookies, where the file says which it is."""
        if self._nodes is None or self.guest.back_door is None:
            return
        key = key_in(self.guest, cookies)
        left_ms = -2 if key is None else await asyncio.to_thread(self._nodes.left_ms, key)
        there = left_ms != -2
        ends = "never ends" if left_ms == -1 else f"ends in {left_ms / 1000:.0f} s"
        meant = f"there, {ends}" if there else "not there"
        self._note(Line(what, f"PTTL {key}"[:_SHOWN], str(left_ms), meant))
        if there is expected:
            return
        if not expected:
            self.walk.notes.append(f"{what}: {key} is still there")
            return
        said = f"{key} is not there" if key else "the cookie has no id that 'id' finds"
        self.walk.problems.append(
            f"{self.guest.file}: back_door: expected the key of the session after a log-in, found that {said}"
        )

    def _note(self, line: Line) -> None:
        self.walk.lines.append(line)
        self._tell(line)

    def wrong(self, where: str, expected: str, meant: Understood, hint: str = "") -> None:
        ended = f"; {self._ended}" if self._ended else ""
        self.problem(where, f"expected {expected}, found {_said(meant)}{self._answered}{hint}{ended}")

    def problem(self, where: str, what: str) -> None:
        self.walk.problems.append(f"{self.guest.file}: behaviours.{where}: {what}")


def _said(meant: Understood) -> str:
    if meant.trouble:
        return meant.trouble
    if not meant.saw:
        return meant.told
    fields = [f"{name} {value}" for name, value in meant.saw.items() if name not in {"sid", "generation"}]
    return f"{meant.told}: {', '.join(fields)}"


def _several(cookies: Sequence[str], needed: Sequence[str]) -> str:
    takes = f"takes each of {', '.join(needed)}" if needed else "can do without each of them"
    return (
        f"expected one cookie that makes the session, found {', '.join(cookies)}, and that the page of the "
        f"user {takes}; say which one it is: 'cookie'"
    )


async def begin(walker: _Walker) -> Browser | None:
    """Nobody, a log-in, and the page that names the user. None: nothing further can be tried."""
    keys = await walker.keys()
    nobody = await walker.do(READ, walker.browser(), "read, without a log-in")
    if nobody.outcome is not Outcome.ACKED:
        walker.wrong(
            READ, "that 'please_log_in' recognises the page of somebody who is not logged in", nobody
        )
    elif nobody.told not in PUT_OUT:
        walker.wrong(READ, "a page that names nobody as long as nobody has logged in", nobody)
    browser = walker.browser()
    entered = await walker.do(LOG_IN, browser)
    if entered.told != OK:
        hint = "; if it asks for a CSRF token, say where it is: 'csrf'"
        asks = walker.guest.recipes[LOG_IN].csrf is None and walker.status in _NO_TOKEN
        walker.wrong(LOG_IN, "an answer that 'done' recognises", entered, hint if asks else "")
        return None
    if not browser.has_session:
        named = f"the cookie {walker.guest.cookie!r}" if walker.guest.cookie else "a cookie"
        wanted = "a bearer token" if walker.guest.token else named
        others = f"only {', '.join(browser.cookies)}" if browser.cookies else "none"
        walker.problem(LOG_IN, f"expected {wanted} in its answer, found {others}")
        return None
    shown = await walker.do(READ, browser)
    if shown.told != OK:
        walker.wrong(READ, f"a page that names the user {USER!r} after the log-in", shown)
        return None
    if keys is not None and await walker.keys() == keys:
        walker.problem(LOG_IN, _KEPT_ELSEWHERE)
        return None
    if not walker.guest.cookie and walker.guest.token is None:
        needed = await walker.cookies_of_session(browser)
        if len(needed) != 1:
            walker.problem(LOG_IN, _several(browser.cookies, needed))
            return None
        walker.guest = replace(walker.guest, cookie=needed[0])
    await walker.key_of(browser.kept, "back door, after log-in", expected=True)
    return browser


async def walk_through(
    guest: Guest,
    server: GuestServer,
    client: Client,
    *,
    nodes: Nodes | None = None,
    tell: Callable[[Line], None] = lambda _: None,
) -> Walk:
    """Every recipe once, in an order in which each can be checked by the next. `nodes` None: where the
    sessions are kept is not asked."""
    walker = _Walker(guest, server, client, nodes, tell)
    browser = await begin(walker)
    if browser is None or walker.walk.problems:
        return walker.walk
    for name, kind in BEHAVIOURS.items():
        if name in guest.recipes and kind in {OperationKind.TOUCH, OperationKind.WRITE}:
            await _write(walker, name, browser)
    for name, kind in BEHAVIOURS.items():
        if name in guest.recipes and kind is OperationKind.LOGOUT:
            await _end(walker, name)
    missing = [name for name in BEHAVIOURS if name not in guest.recipes]
    if missing:
        walker.walk.notes.append(f"not in this file, so in no workload with this guest: {', '.join(missing)}")
    return walker.walk


async def understands(
    guest: Guest, server: GuestServer, client: Client, nodes: Nodes | None = None
) -> tuple[Guest, str]:
    """The guest with the cookie that makes its sessions; and why it cannot be judged, by its first pages
    alone; empty: it can. What its user runs may still be the application of another run, so it is asked until
    its time is over."""
    loop = asyncio.get_running_loop()
    patient = guest.run_as is RunAs.ADDRESS
    ends_at_s = loop.time() + (guest.ready.within_s if patient else 0.0)
    while True:
        walker = _Walker(guest, server, client, nodes, lambda _: None)
        await begin(walker)
        problem = next(iter(walker.walk.problems), "")
        if not problem or loop.time() >= ends_at_s:
            return walker.guest, problem
        await asyncio.sleep(ASK_AGAIN_S)


async def _write(walker: _Walker, name: str, browser: Browser) -> None:
    done = await walker.do(name, browser)
    if done.told != OK:
        walker.wrong(name, "an answer that 'done' recognises", done)
        return
    sent = walker.words
    if BEHAVIOURS[name] is OperationKind.TOUCH:
        return
    value = CART if name == CART else FIELD
    if value not in walker.guest.recipes[READ].values:
        walker.walk.notes.append(
            f"what {name} writes is not checked: behaviours.read.values has no {value!r}"
        )
        return
    shown = await walker.do(READ, browser, f"read, after {name}")
    saw = shown.saw or {}
    wanted = {texts.field_of(sent["item"]): sent["quantity"]} if name == CART else {FIELD: sent["value"]}
    if any(saw.get(key) != text for key, text in wanted.items()):
        what = ", ".join(f"{key} {text}" for key, text in wanted.items())
        walker.wrong(READ, f"{what} at 'values.{value}' after {name}", shown)


async def _end(walker: _Walker, name: str) -> None:
    """Log in, twice where all sessions are to end, log out, and look again."""
    browsers = [walker.browser()] if name == LOGOUT else [walker.browser(), walker.browser()]
    for browser in browsers:
        await walker.do(LOG_IN, browser)
    entered = dict(browsers[0].kept)
    done = await walker.do(name, browsers[0])
    if done.told not in {OK, AS_NOBODY}:  # "please log in", of a user who is logged in: `done` misses it
        walker.wrong(name, "an answer that 'done' recognises", done)
        return
    for browser in browsers:
        after = await walker.do(READ, browser, f"read, after {name}")
        if after.told not in PUT_OUT:
            walker.wrong(name, "that the user is not logged in afterwards", after)
    await walker.key_of(entered, f"back door, after {name}", expected=False)
    copied = await walker.copied(browsers[0])
    if copied.told not in PUT_OUT:
        walker.walk.notes.append(
            f"after {name} a copied cookie still works: runs will say so as resurrected-session"
        )
