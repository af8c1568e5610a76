"""How much is tried of what could be tried without end: a share in `make check`, the whole in `make check-all`.

Random histories, flipped bits, hostile words, starts of the real command: each test says how many of them its whole
is and how many belong to the share. The share is the same each time, so that a change is to blame when it fails.
The whole draws anew where Hypothesis draws. Mutations are tried with the whole.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings

T = TypeVar("T")

VARIABLE = "TESTS"
WHOLE = os.environ.get(VARIABLE) == "all"


def times(whole: int, share: int) -> int:
    """How often; for loops of a test's own."""
    assert share <= whole
    return whole if WHOLE else share


def some(cases: Iterable[T], share: int) -> Sequence[T]:
    """Which of these cases, in their order."""
    everything = list(cases)
    if WHOLE or share >= len(everything):
        return everything
    chosen = sorted(random.Random(share).sample(range(len(everything)), share))
    return [everything[n] for n in chosen]


def examples(whole: int, share: int, *suppress: HealthCheck) -> settings:
    """For Hypothesis: how many it draws, and always the same ones in the share."""
    how: dict[str, Any] = {} if WHOLE else {"derandomize": True, "database": None}
    return settings(
        max_examples=times(whole, share),
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, *suppress],
        **how,
    )
