"""Planned turns: who does what, when, through which web server. Pure; the same seed gives the same turns.

Everything random about a turn is drawn here, before anything runs, so that what happens in a run
never changes what is due later.
"""

from __future__ import annotations

import itertools
import random
from bisect import bisect
from collections.abc import Iterator, Sequence
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


def turns(workload: Workload, *, actors: int, web_servers: int, seed: int) -> Iterator[Turn]:
    """An endless, reproducible sequence of turns in order of time."""
    stream = random.Random(f"load {seed}")
    uniform, bits, gap = stream.random, stream.getrandbits, stream.expovariate
    names, weights = mix(workload)
    poisson = workload.arrivals is Arrivals.POISSON
    rate, interval_s = workload.rate_per_s, 1.0 / workload.rate_per_s
    at_s = 0.0
    while True:
        at_s += gap(rate) if poisson else interval_s
        yield Turn(
            int(at_s * 1e6),
            names[bisect(weights, uniform())],
            int(uniform() * actors),
            int(uniform() * web_servers),
            bits(128),
        )


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
