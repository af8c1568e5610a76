"""What Redis was seen to lose beside a command: by offsets, keys and evictions."""

from __future__ import annotations

from harness.beside.losses import NONE_SEEN, losses
from harness.checks.facts.discarded import Discarded, discarded
from harness.checks.facts.of_run import facts_of
from lab.past import Past
from tests.builders_metrics import outline

OLD = {"role": "primary", "run_id": "a", "replid": "old", "keys": 5}
NEW = {"role": "primary", "run_id": "b", "replid": "new", "replid2": "old", "keys": 5}


def failover(*, had: int, written: int, evicted: int = 0) -> Past:
    """redis-2 is promoted with so much of what redis-1 wrote, which is then a replica."""
    past = outline()
    past.sample("redis-1", 8, offset=written - 50, **OLD)
    past.sample("redis-1", 9, offset=written, **OLD)
    past.sample("redis-2", 10, offset=had, second_repl_offset=had + 1, evicted_keys=evicted, **NEW)
    past.sample("redis-1", 11, offset=written + 3000, **OLD)
    past.sample("redis-1", 12, role="replica", run_id="a", replid="new", offset=had + 9)
    return past


def told(past: Past) -> list[str]:
    return list(losses(facts_of(past.history())))


def test_what_the_successor_never_had_is_lost() -> None:
    """What the old primary was seen to have written beyond, by then: later its stream has sentinels' messages."""
    found = discarded(failover(had=1000, written=1250).history().samples)
    assert found == (Discarded(node="redis-1", heir="redis-2", size_bytes=250),)
    (line,) = told(failover(had=1000, written=1250))
    assert line.startswith("redis-2 took over without the last 250 bytes (or more) of redis-1's stream")


def test_successor_that_had_everything_lost_nothing() -> None:
    """It may have more than the last look at the old primary saw."""
    assert told(failover(had=1000, written=1000)) == [NONE_SEEN]
    assert told(failover(had=1001, written=1000)) == [NONE_SEEN]


def test_evictions_and_a_primary_that_came_back_with_less_are_told() -> None:
    """As numbers; the stream that a restarted process left is nobody's."""
    assert told(failover(had=9, written=9, evicted=3)) == ["3 keys were evicted: sessions"]
    past = outline()
    past.sample("redis-1", 9, offset=900, **{**OLD, "keys": 118})
    past.sample("redis-1", 10, offset=0, **{**OLD, "run_id": "c", "replid": "third", "keys": 0})
    assert told(past) == ["redis-1 came back with 0 of 118 keys, and no replica had been promoted"]
