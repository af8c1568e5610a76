"""Who answers at a node's address: known by its process, or by what observers see where none can be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import pytest

from harness.errors import EnvironmentFailure
from harness.faults import own_nodes
from harness.model.seams import NodeState, NodeView
from tests.fakes import FakeWorld, fake_world, make_plan


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeWorld]:
    """The processes of its nodes cannot be seen, as on other machines."""
    made = fake_world(make_plan())
    state: Callable[[str], NodeState] = made.topology.state
    monkeypatch.setattr(made.topology, "state", lambda node: replace(state(node), pid=None))
    yield made
    made.topology.close()


def seen(world: FakeWorld, monkeypatch: pytest.MonkeyPatch, *run_ids: str | None) -> list[str | None]:
    """What observers know of redis-1, one look after the other, the last for good; what was looked at."""
    views: Callable[[], Mapping[str, NodeView]] = world.observed.views
    looks: list[str | None] = []

    def known() -> Mapping[str, NodeView]:
        looks.append(run_ids[min(len(looks), len(run_ids) - 1)])
        found = dict(views())
        if (run_id := looks[-1]) is None:
            del found["redis-1"]
        else:
            found["redis-1"] = replace(found["redis-1"], run_id=run_id)
        return found

    monkeypatch.setattr(world.observed, "views", known)
    return looks


def test_a_node_that_was_started_anew_is_known_once_observers_see_it(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until then they know nothing of it, or what ran there before. Nothing is done to it meanwhile."""
    node = world.topology.nodes["redis-1"]
    before = node.run_id
    node.generation += 1
    looks = seen(world, monkeypatch, before, None, node.run_id)
    assert own_nodes.check(world.scene, "redis-1") == f"redis-1 (run {node.run_id[:8]})"
    assert looks[:3] == [before, None, node.run_id]
    assert {words[0] for words in node.received} <= {"AUTH", "INFO"}


@pytest.mark.parametrize("known", ["b" * 40, None])
def test_who_is_not_seen_in_time_is_a_stranger(
    world: FakeWorld, monkeypatch: pytest.MonkeyPatch, known: str | None
) -> None:
    """Observers go on seeing another one, or none: the run ends, and what answers there is left alone."""
    monkeypatch.setattr(own_nodes, "_VIEW_CATCHES_UP_S", 0.1)
    looks = seen(world, monkeypatch, known)
    node = world.topology.nodes["redis-1"]
    with pytest.raises(EnvironmentFailure) as refused:
        own_nodes.connect(world.scene, "redis-1")
    for part in (f"redis-1 with run_id {known!r}", f"run_id {node.run_id} answers", "did not touch it"):
        assert part in str(refused.value)
    assert len(looks) > 2, "it was waited for"
    assert {words[0] for words in node.received} <= {"AUTH", "INFO"}


def test_a_sentinel_has_no_view_to_wait_for(world: FakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Observers of nodes with data do not see it: this run's password has to do."""
    looks = seen(world, monkeypatch, None)
    own_nodes.connect(world.scene, "sentinel-1").close()
    assert looks == []


def test_a_process_that_is_seen_is_known_without_observers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that was started under that name answers, or another one does."""
    world = fake_world(make_plan())
    try:
        looks = seen(world, monkeypatch, None)
        own_nodes.connect(world.scene, "redis-1").close()
        world.topology.nodes["redis-1"].pid += 1
        with pytest.raises(EnvironmentFailure, match="the kit did not touch it"):
            own_nodes.connect(world.scene, "redis-1")
        assert looks == []
    finally:
        world.topology.close()
