"""One operation as the story says it, before anybody carried it out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from harness.model.records import Step
from harness.model.words import OperationKind, Outcome
from lab.past.store import Data

Steps: TypeAlias = Callable[[Data, float, "Doing"], list[Step]]
"""Carries one operation out on what a node holds, at a microsecond; answers its steps with their replies."""


@dataclass
class Doing:
    """One operation as the story tells it."""

    behaviour: str
    kind: OperationKind
    user: str
    sid: str
    attempts: list[tuple[float, float | None, float | None]]
    """Sent, executed (None: never), answered (None: never), in seconds."""
    node: str | None
    web: str
    steps: Steps
    outcome: Outcome = Outcome.ACKED
    first: Outcome | None = None
    """What became of its first step, and so of the whole, where the others went another way."""
    error: str | None = None
    lost: bool = False
    """Acked, and nothing happened."""
    closed: float | None = None
    """When attempts without an answer were proved to be over."""
    side: str = "all"
    told: str = ""
    """By the application; empty: what goes with the outcome."""
    id: int = 0
    generation: int = 0
    replies: dict[int, list[Step]] = field(default_factory=dict)
