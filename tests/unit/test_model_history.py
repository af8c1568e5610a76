"""What is made of a history is kept with it: once for all who ask, and never for another history."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest

from harness.model.history import History
from harness.model.records import Event
from lab.past import Past

THREADS = 4


def _history() -> History:
    past = Past()
    past.log_in("ann", 1.0)
    return past.history()


def test_what_is_made_of_a_history_is_made_once_for_all_threads() -> None:
    """Whoever asks while it is being made waits for it instead of making it again."""
    history, made = _history(), []
    together = Barrier(THREADS)

    def make(of: History) -> list[int]:
        made.append(of)
        return [len(of.operations)]

    def ask() -> list[int]:
        together.wait(timeout=10.0)
        return history.once(make)

    with ThreadPoolExecutor(THREADS) as threads:
        found = [one.result() for one in [threads.submit(ask) for _ in range(THREADS)]]
    assert made == [history]
    assert all(one is found[0] for one in found)


def test_what_is_made_of_a_history_may_be_made_of_something_else_that_is() -> None:
    """One thing made of a history can ask for another without waiting for itself."""

    def count(of: History) -> int:
        return len(of.operations)

    def twice(of: History) -> int:
        return 2 * of.once(count)

    assert _history().once(twice) == 2


def test_part_of_a_history_has_its_own() -> None:
    """A history with other operations is another one, whatever was made of the first."""

    def count(of: History) -> int:
        return len(of.operations)

    whole = _history()
    assert whole.once(count) == 1
    assert replace(whole, operations=()).once(count) == 0


def test_failure_is_not_kept() -> None:
    """What could not be made is tried again by the next who asks."""
    tries = []

    def make(_: History) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("not yet")
        return len(tries)

    history = _history()
    with pytest.raises(ValueError, match="not yet"):
        history.once(make)
    assert history.once(make) == 2


@pytest.mark.parametrize(
    ("name", "detail", "said"),
    [
        (
            "effect",
            "redis-1: redis-1 (run 61943e7b) cut from redis-2",
            "redis-1 (run 61943e7b) cut from redis-2",
        ),
        ("effect", "redis-1, web-2: redis-1 and web-2 are gone", "redis-1 and web-2 are gone"),
        ("effect", "redis-1, redis-2: redis-1 is gone", "redis-1, redis-2: redis-1 is gone"),
        ("effect", "redis-1: gone", "redis-1: gone"),
        ("effect", "gone", "gone"),
        ("healed", "redis-1: redis-1 answers", "redis-1: redis-1 answers"),
    ],
)
def test_event_names_a_node_once(name: str, detail: str, said: str) -> None:
    """The targets stand before the proof for whoever reads records; people read the proof."""
    assert Event(source="fault 1", name=name, t_us=1, detail=detail).said == said
