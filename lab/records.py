"""What every history made by hand needs: an opening, times, and its faults."""

from __future__ import annotations

from typing import Any

from harness.faults import FAULTS
from harness.model.records import Opening
from harness.model.scenario import FaultStep, Start
from harness.model.words import BackendKind, Trait


def us(seconds: float) -> int:
    return round(seconds * 1e6)


def traits_of(kind: str) -> tuple[Trait, ...]:
    """As the fault itself declares them; a kind that tests make up has none."""
    return FAULTS[kind].declaration.traits if kind in FAULTS else ()


def fault_step(kind: str, target: str = "primary", *, at: float = 0.0, **changes: Any) -> FaultStep:
    """The first of its scenario, after so many seconds; `changes` are fields of it."""
    fields: dict[str, Any] = {"number": 1, "start": Start(after_s=at), "traits": traits_of(kind)}
    return FaultStep(kind=kind, target=target, **(fields | changes))


def opening(scenario: str, **changes: Any) -> Opening:
    """Of a run that nobody made; `changes` are fields of it."""
    fields: dict[str, Any] = {
        "format": 1,
        "run": "test",
        "scenario": scenario,
        "seed": 1,
        "backend": BackendKind.PROCESS,
        "engine": "Redis 7.0.15",
        "client": "redis-py 8.1.0 asyncio",
        "timing": "fast",
        "started_wall_us": 0,
    }
    return Opening(**(fields | changes))
