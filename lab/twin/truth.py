"""Could a store that loses nothing have answered so? Every order is tried.

Each attempt is executed once at most, at one moment: not before it was sent, and by the time it was
answered or, without an answer, by the time it was closed, if it ever was. What was answered was
executed, and answered what it was told. That is all; so whatever this calls impossible is a broken
promise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.times import FOREVER
from lab.twin.store import EMPTY, Reply, Request, Store, carry_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    request: Request
    sent: float
    done: float = FOREVER
    """When it was answered; without an answer it never was."""
    closed: float = FOREVER
    """Without an answer: not executed after this."""
    told: Reply = None

    @property
    def answered(self) -> bool:
        return self.done < FOREVER


def possible(attempts: Sequence[Attempt]) -> bool:
    numbers = range(len(attempts))
    certain = sum(1 << n for n in numbers if attempts[n].answered)
    before = [sum(1 << m for m in numbers if attempts[m].done < attempts[n].sent) for n in numbers]
    """Of each attempt, those that were answered before it was sent."""
    too_late = [sum(1 << m for m in numbers if attempts[m].sent > attempts[n].closed) for n in numbers]
    """Of each attempt, those that were sent when it was over already."""
    seen: set[tuple[int, Store]] = set()
    waiting = [(0, EMPTY)]
    while waiting:
        executed, store = waiting.pop()
        if executed & certain == certain:
            return True
        if (executed, store) in seen:
            continue
        seen.add((executed, store))
        for n in numbers:
            if executed >> n & 1 or before[n] & ~executed or too_late[n] & executed:
                continue
            told, after = carry_out(attempts[n].request, store)
            if not attempts[n].answered or told == attempts[n].told:
                waiting.append((executed | 1 << n, after))
    return False
