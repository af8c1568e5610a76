"""Who does things: users' browsers, which own sessions, and actors, who are their tabs. Plain state.

Several actors may share a browser and so a session, as parallel requests of one browser do. An actor
has one operation in flight; the trap is its identity: after an operation of unknown outcome, which
may end at any later time, the same tab must count as somebody new.
"""

from __future__ import annotations

from collections import deque

from harness.model.words import Phase
from harness.sessions.request import Session

EARLIER = 8
"""Sessions that a user had before and that are kept in mind."""


class User:
    """A user at one browser. With several devices there are several of the same name."""

    __slots__ = ("earlier", "name", "session")

    def __init__(self, name: str) -> None:
        self.name = name
        self.session: Session | None = None
        self.earlier: deque[Session] = deque(maxlen=EARLIER)

    def has(self, session: Session | None) -> None:
        """From now on the browser sends this session's id, or none."""
        if self.session is not None:
            self.earlier.append(self.session)
        self.session = session


class Actor:
    __slots__ = ("busy", "identity", "lives", "name", "owed", "user", "waiting")

    def __init__(self, number: int, user: User) -> None:
        self.identity = self.name = f"a{number}"
        self.lives = 1
        self.user = user
        self.busy = False
        self.owed = 0
        """Turns taken out of order, to be skipped when they come up."""
        self.waiting: deque[Due] = deque()

    def reborn(self) -> None:
        self.lives += 1
        self.name = f"{self.identity}.{self.lives}"


class Due:
    __slots__ = ("at_us", "behaviour", "dice", "phase", "web_server")

    def __init__(self, at_us: int, behaviour: str, web_server: int, dice: int, phase: Phase) -> None:
        self.at_us = at_us
        self.behaviour = behaviour
        self.web_server = web_server
        self.dice = dice
        self.phase = phase
