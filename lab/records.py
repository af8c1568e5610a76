"""What every history made by hand needs: an opening, times, and what its faults are."""

from __future__ import annotations

from harness.faults import FAULTS
from harness.model.records import Opening
from harness.model.words import Trait


def us(seconds: float) -> int:
    return round(seconds * 1e6)


def traits_of(kind: str) -> tuple[Trait, ...]:
    """As the fault itself declares them; a kind that tests make up has none."""
    return FAULTS[kind].declaration.traits if kind in FAULTS else ()


def opening(scenario: str, *, engine: str = "Redis 7.0.15", eviction_events: bool = False) -> Opening:
    return Opening(
        format=1,
        run="test",
        scenario=scenario,
        seed=1,
        backend="process",
        engine=engine,
        client="redis-py 8.1.0 asyncio",
        timing="fast",
        started_wall_us=0,
        eviction_events=eviction_events,
    )
