"""Which engine an expectation is about."""

from __future__ import annotations

import pytest

from harness.model.engine import applies, is_condition


@pytest.mark.parametrize(
    ("condition", "engine", "expected"),
    [
        (None, "Redis 7.0.15", True),
        ("Redis < 7.2", "Redis 7.0.15", True),
        ("Redis < 7.2", "Redis 6.2.14", True),
        ("Redis < 7.2", "Redis 7.2.0", False),
        ("Redis < 7.2", "Redis 8.0.2", False),
        ("Redis >= 7.2", "Redis 8.0.2", True),
        ("Redis <= 7", "Redis 7.0.15", True),
        ("Valkey", "Valkey 8.1.1", True),
        ("Valkey", "Redis 8.0.2", False),
        ("Redis < 7.2", "Valkey 8.1.1", False),
        ("Redis < 7.2", "", False),
        ("Redis", "Redis 7.0.15, Redis 8.0.2", True),
        ("Redis < 7.2", "Redis 7.0.15, Redis 8.0.2", False),
        ("Valkey", "Redis 7.0.15, Valkey 8.1.1", False),
    ],
)
def test_condition_is_true_of_the_engines_it_names(
    condition: str | None, engine: str, *, expected: bool
) -> None:
    """Versions compare by number as far as the condition states them; names must agree."""
    assert applies(condition, engine) is expected


@pytest.mark.parametrize("text", ["redis < 7", "Redis < seven", "Redis 7.2", "KeyDB"])
def test_condition_that_says_nothing_is_none(text: str) -> None:
    """What the reader would misunderstand it refuses."""
    assert not is_condition(text)
