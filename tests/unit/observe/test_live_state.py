"""What faults can ask: the newest views, first events, and what the load engine counts."""

from __future__ import annotations

from typing import Any

from harness.model.records import Event, Record
from harness.observe.live_state import LiveState
from harness.observe.topology_view import ViewCollector
from tests import builders_observe as a
from tests.unit.observe.test_events import StoppedClock


def observed(now_us: int = 1_000_000) -> tuple[LiveState, ViewCollector]:
    collector = ViewCollector()
    found = LiveState(
        a.plan(),
        StoppedClock(now_us),
        collector,
        acked_since=lambda behaviour, since_us: len(behaviour) + since_us,
        last_acked_us=lambda behaviour: 5 if behaviour == "logout" else None,
    )
    return found, collector


def event(name: str, t_us: int, **given: Any) -> Event:
    return Event(source="harness", name=name, t_us=t_us, **given)


def test_silent_node_keeps_its_last_known_role() -> None:
    """A node that stopped answering is unreachable, and still the primary it was."""
    found, collector = observed()
    collector.saw_sample(a.sample("redis-1", "primary", 800_000, replicas={"redis-2": 90}))
    assert found.views()["redis-1"].reachable
    collector.saw_sample(a.sample("redis-1", "", 900_000, reachable=False))
    seen = found.views()["redis-1"]
    assert (seen.role, seen.reachable, seen.offset) == ("primary", False, 100)
    assert seen.replica_offsets == {"redis-2": 90}


def test_node_not_sampled_for_a_second_is_not_reachable() -> None:
    """An old answer does not count as being there now."""
    found, collector = observed(now_us=3_000_000)
    collector.saw_sample(a.sample("redis-1", "primary", 1_900_000))
    assert not found.views()["redis-1"].reachable


def test_first_event_is_the_earliest_since() -> None:
    """By the event's own time, not by when it was written; everything is passed on."""
    found, _ = observed()
    written: list[Record] = []
    record = found.recording(written.append)
    for t_us in (500, 900, 700):
        record(event("promoted", t_us))
    record(a.operation(1))
    assert found.first_event_us("promoted", 0) == 500
    assert found.first_event_us("promoted", 501) == 700
    assert found.first_event_us("promoted", 901) is None
    assert found.first_event_us("demoted", 0) is None
    assert len(written) == 4


def test_load_questions_go_to_the_load_engine() -> None:
    """The observers do not count operations themselves."""
    found, _ = observed()
    assert found.acked_since("cart", 10) == 14
    assert (found.last_acked_us("logout"), found.last_acked_us("cart")) == (5, None)


def test_cut_stands_from_its_effect_until_it_is_healed() -> None:
    """Only faults that cut links count, and only those in force."""
    found, _ = observed()
    record = found.recording(lambda _: None)
    assert not found.cut()
    record(event("effect", 10, fault=1))  # the plan's fault 1 is a kill
    assert not found.cut()
    assert (found.last_effect_us(), found.last_change_us()) == (10, 10)


def test_healing_is_a_change_that_recovery_has_to_follow() -> None:
    """A killed node that was left out comes back empty: what was agreed on before says nothing of it."""
    found, _ = observed()
    record = found.recording(lambda _: None)
    record(event("effect", 10, fault=1))
    record(event("healed", 30, fault=1))
    assert (found.last_effect_us(), found.last_change_us()) == (10, 30)
