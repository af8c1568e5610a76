"""After recovery: every session that was ever made is asked for once more at the front door, by its cookie.

This takes the place of the nodes' audit, as nobody but the application knows how it keeps a session. The
cookie is the last that the session had, also where the application told the browser to forget it; and the one
before it that worked, where the application replaced that one without a yes to its user. A session that lets
its user in by either is there. A cookie that came with a yes is the session's own: if it is lost, the user is
put out, whatever the old one does. One answer may be wrong, so a session that is not there is asked for
again. An answer that is none leaves the session undecided.

A web server that lets somebody wait in vain is not asked again while another one answers. So however many
sessions there are, one that hangs costs the patience of one browser, and all of them a few times that.

Before that each web server is asked for a log-in. `shut` says which lets nobody in although Redis is well.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Mapping, Sequence

from harness.application import Session
from harness.clock import Clock
from harness.guests.browser import Browser, Client, Heard
from harness.guests.operation import understood
from harness.guests.web_server import GuestServer
from harness.guests.words import words_of
from harness.model.attempt_results import TIMEOUT
from harness.model.guest import LOG_IN, READ, Guest, Recipe
from harness.model.records import AuditEntry, AuditSummary
from harness.model.seams import Recorder
from harness.model.told import NO_ANSWER, OK
from harness.model.words import FRONT_DOOR, NodeRole, Outcome

AT_ONCE = 16
NEWCOMER = "newcomer"
"""A user whom the load does not know."""
SHUT_FOR_S = 10.0
"""Client libraries wait two seconds at most before they connect again."""
AGAIN_S = 0.5
TRIES = 3
"""Of one session: an application may need a request or two to find its way back."""


async def shut(guest: Guest, server: GuestServer, client: Client, *, for_s: float) -> str:
    """Why a web server has let nobody in for so long; empty: it does."""
    loop = asyncio.get_running_loop()
    ends_at_s = loop.time() + for_s
    for number in itertools.count(1):
        browser = Browser(client, cookie=guest.cookie, token=guest.token)
        recipe = guest.recipes[LOG_IN]
        heard = await browser.do(server.address, recipe, words_of(NEWCOMER, number, 0))
        meant = understood(guest, recipe, heard, Session("door", NEWCOMER, number, 1, "door", ""))
        if meant.told == OK and browser.has_session:
            return ""
        if loop.time() >= ends_at_s:
            return meant.trouble or meant.told
        await asyncio.sleep(AGAIN_S)
    raise AssertionError("a count has no end")


async def ask_at_the_door(
    guest: Guest,
    sessions: Sequence[tuple[Session, Browser]],
    servers: Sequence[GuestServer],
    record: Recorder,
    clock: Clock,
    *,
    within_s: float,
) -> None:
    """Record an entry for every session that had a cookie, and whether all were asked for."""
    todo = iter([(session, browser) for session, browser in sessions if browser.kept or browser.has_session])
    doors = _Doors(servers)

    async def some() -> None:
        for session, browser in todo:
            record(await _asked(guest, session, browser, doors, clock))

    summary = AuditSummary(passes=1, valid_pass=1)
    if not servers:
        summary = AuditSummary(passes=1, reason="no web server is in service")
    else:
        try:
            async with asyncio.timeout(within_s):
                await asyncio.gather(*(some() for _ in range(AT_ONCE)))
        except TimeoutError:
            summary = AuditSummary(passes=1, reason=f"it was not finished within {within_s:g} s")
    record(summary)


class _Doors:
    """The web servers in turn, without those at which somebody waited in vain, and nobody was answered."""

    def __init__(self, servers: Sequence[GuestServer]) -> None:
        self._all = servers
        self._left = deque(servers)
        self._rounds = 1
        self._answers = Counter[str]()

    async def ask(self, browser: Browser, recipe: Recipe, cookies: Mapping[str, str]) -> Heard | None:
        """What one of them answers to copied cookies; None: none of them answers any more."""
        if not self._left and self._rounds < TRIES:
            self._rounds += 1
            self._left.extend(self._all)
        if not self._left:
            return None
        server = self._left[0]
        self._left.rotate(-1)
        before = (self._rounds, self._answers[server.name])
        heard = await browser.with_copy(server.address, recipe, cookies)
        if heard.answer is not None:
            self._answers[server.name] += 1
        elif heard.attempts[-1].result == TIMEOUT and before == (self._rounds, self._answers[server.name]):
            self._left = deque(one for one in self._left if one is not server)
        return heard


async def _asked(guest: Guest, session: Session, browser: Browser, doors: _Doors, clock: Clock) -> AuditEntry:
    entry = AuditEntry(
        pass_n=1,
        session=session.id,
        node=FRONT_DOOR,
        role=NodeRole.PRIMARY,
        sent_us=clock.now_us(),
        done_us=clock.now_us(),
    )
    copies = browser.copies or ({},)
    recipe = guest.recipes[READ]
    for cookies in copies * TRIES:
        entry.sent_us = clock.now_us()
        heard = await doors.ask(browser, recipe, cookies)
        if heard is None:
            entry.error = None if entry.saw is not None else entry.error or NO_ANSWER
            break
        meant = understood(guest, recipe, heard, session)
        entry.done_us = clock.now_us()
        if meant.outcome is Outcome.ACKED and meant.saw is not None:
            entry.saw = dict(meant.saw)
            entry.key_type = "hash" if meant.saw else "none"
            entry.error = None
            if meant.saw:
                break
        elif entry.saw is None:
            entry.error = meant.trouble[:160] or meant.told
    return entry
