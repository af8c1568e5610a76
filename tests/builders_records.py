"""What every history made by hand begins with."""

from __future__ import annotations

from harness.model.records import Opening


def us(seconds: float) -> int:
    return round(seconds * 1e6)


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
