"""Which shard a node, and an event about it, belonged to."""

from __future__ import annotations

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.ownership import Standing
from harness.model.records import Event
from lab.past import Past
from lab.records import us
from tests.builders_metrics import outline


def _event(t_s: float, node: str | None, shard: int | None = None) -> Event:
    return Event(source="x", name="y", t_us=us(t_s), node=node, shard=shard)


def _migrated() -> Past:
    """redis-1 began in shard 1, and says from 5 s on that it belongs to shard 2."""
    past = outline()
    past.sample("redis-1", 1.0, role="primary", shard=1)
    past.sample("redis-1", 5.0, role="replica", shard=2)
    return past


def test_event_concerns_the_shard_that_its_node_belonged_to_then() -> None:
    """As the node said; what the event names counts only where it is about no data node."""
    shards = facts_of(_migrated().history()).shards
    assert shards.of_event(_event(4.0, "redis-1", shard=2)) == 1
    assert shards.of_event(_event(6.0, "redis-1", shard=1)) == 2
    assert shards.of_event(_event(6.0, "redis-1")) == 2
    assert shards.of_event(_event(6.0, None, shard=2)) == 2
    assert shards.of_event(_event(6.0, "sentinel-1")) is None
    assert shards.of_event(_event(0.0, "cache-1")) == 2


def test_node_that_names_a_shard_which_the_plan_has_not_is_of_unknown_standing() -> None:
    """Nobody knows who began there; the rest of the run is judged all the same."""
    past = outline()
    past.sample("redis-1", 1.0, role="primary")
    past.sample("redis-3", 1.0, role="replica", shard=9)
    past.sample("redis-3", 2.0, role="primary", shard=9)
    past.event("published", 3.0, source="redis-2", node="redis-3")
    nodes = facts_of(past.history()).ownership
    assert nodes.standing("redis-3", us(4.0), us(4.1)) is Standing.UNKNOWN
    assert list(nodes.heirs("redis-3", us(4.0))) == []
    assert nodes.standing("redis-1", us(4.0), us(4.1)) is Standing.PRIMARY
