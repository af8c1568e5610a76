"""Planned turns: who does what, when, through which web server. Pure; the same seed gives the same turns.

Everything random about a turn is drawn here, before anything runs, so that what happens in a run
never changes what is due later.
"""

from __future__ import annotations

import itertools
import random
from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from harness.model.scenario import Workload
from harness.model.words import Arrivals


class Turn(NamedTuple):
    offset_us: int
    """After the load began."""
    behaviour: str
    actor: int
    """Index among the active actors."""
    web_server: int
    dice: int
    """128 random bits: session ids, payloads and choices of the behaviour."""


def turns(
    workload: Workload, *, actors: int, web_servers: int, seed: int, browsers: int = 0
) -> Iterator[Turn]:
    """An endless, reproducible sequence of turns in order of time.

    `browsers`: how many the actors are tabs of; the first one's are 0, `browsers`, ... Only a think time
    needs it.
    """
    stream = random.Random(f"load {seed}")
    uniform, bits, gap = stream.random, stream.getrandbits, stream.expovariate
    names, weights = mix(workload)
    poisson = workload.arrivals is Arrivals.POISSON
    rate, interval_s = workload.rate_per_s, 1.0 / workload.rate_per_s
    thinking = _Thinking(browsers or actors, workload.think_time_s) if workload.think_time_s else None
    at_s = 0.0
    while True:
        at_s += gap(rate) if poisson else interval_s
        yield Turn(
            int(at_s * 1e6),
            names[bisect(weights, uniform())],
            int(uniform() * actors) if thinking is None else thinking.tab(at_s, uniform, actors),
            int(uniform() * web_servers),
            bits(128),
        )


class _Thinking:
    """Whose turn it can be, where a browser waits between two of its requests. Where a burst finds all of
    them waiting, the one that has waited longest comes first."""

    def __init__(self, browsers: int, think_time_s: float) -> None:
        self._browsers = browsers
        self._think_time_s = think_time_s
        self._ready = list(range(browsers))
        self._waiting: list[tuple[float, int]] = []

    def tab(self, at_s: float, uniform: Callable[[], float], actors: int) -> int:
        while self._waiting and (self._waiting[0][0] <= at_s or not self._ready):
            self._ready.append(heappop(self._waiting)[1])
        place = int(uniform() * len(self._ready))
        browser, self._ready[place] = self._ready[place], self._ready[-1]
        self._ready.pop()
        heappush(self._waiting, (at_s + self._think_time_s, browser))
        tabs = range(browser, actors, self._browsers)
        return tabs[int(uniform() * len(tabs))]


def log_in_dice(seed: int | str) -> Iterator[int]:
    """Random bits for the log-ins that nobody planned: seeding, and users who were put out."""
    stream = random.Random(f"log-ins {seed}")
    while True:
        yield stream.getrandbits(128)


def mix(workload: Workload) -> tuple[Sequence[str], Sequence[float]]:
    """Behaviour names, and the upper bound of each one's share of [0, 1) but for the last's."""
    names = [name for name, weight in workload.mix.items() if weight > 0]
    total = sum(workload.mix[name] for name in names)
    bounds = list(itertools.accumulate(workload.mix[name] / total for name in names))
    return names, bounds[:-1]
