"""When a shard certainly had no primary."""

from __future__ import annotations

import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.unserved import unserved
from lab.past import Past
from lab.records import us
from tests.builders_metrics import FAULT_S, outline

EVERY_S = 0.5


def roles(past: Past, node: str, role: str, from_s: float, to_s: float) -> None:
    """What a node says twice a second; empty: it does not answer."""
    for n in range(int((to_s - from_s) / EVERY_S)):
        past.sample(node, from_s + EVERY_S * n, role=role, run_id=node if role else "", reachable=bool(role))


def killed(*, kind: str = "kill", replicas_until_s: float = 20.0) -> Past:
    """redis-1 is killed at 10 s and stays down; the others are asked until 20 s."""
    past = outline(fault_kinds=(kind,))
    roles(past, "redis-1", "primary", 1.0, FAULT_S)
    roles(past, "redis-1", "", FAULT_S + 0.1, 20.0)
    for node in ("redis-2", "redis-3"):
        roles(past, node, "replica", 1.0, replicas_until_s)
    return past


def found(past: Past) -> list[tuple[float, float]]:
    spans = unserved(facts_of(past.history()))
    assert set(spans) <= {1}
    return [(start / 1e6, end / 1e6) for start, end in spans.get(1, [])]


def test_shard_whose_primary_is_gone_and_whose_replicas_say_so_has_none() -> None:
    """From the proved effect until they were last heard."""
    ((start, end),) = found(killed())
    assert (start, end) == (FAULT_S, pytest.approx(19.1, abs=0.01))


def test_silence_proves_nothing() -> None:
    """A replica that was not heard any more may have been promoted."""
    ((_, end),) = found(killed(replicas_until_s=14.0))
    assert end == pytest.approx(13.5, abs=0.01)
    silent = killed(replicas_until_s=14.0)
    roles(silent, "redis-2", "", 14.0, 20.0)
    roles(silent, "redis-3", "replica", 14.0, 20.0)
    ((_, end),) = found(silent)
    assert end == pytest.approx(13.5, abs=0.01)
    unheard = killed()
    unheard.samples = [one for one in unheard.samples if one.node != "redis-3"]
    assert found(unheard) == []


def test_it_ends_before_somebody_else_is_primary() -> None:
    """At the last "replica" of whoever was promoted."""
    past = killed(replicas_until_s=13.0)
    roles(past, "redis-2", "primary", 13.0, 20.0)
    roles(past, "redis-3", "replica", 13.0, 20.0)
    ((_, end),) = found(past)
    assert end == pytest.approx(12.5, abs=0.01)


def test_it_ends_before_the_primary_is_back() -> None:
    """At the last look at which it did not answer; as a replica it is none."""
    past = killed()
    past.samples = [one for one in past.samples if one.node != "redis-1" or one.done_us <= us(15.0)]
    roles(past, "redis-1", "primary", 15.1, 20.0)
    ((_, end),) = found(past)
    assert end == pytest.approx(14.6, abs=0.01)
    past.samples = [one for one in past.samples if one.node != "redis-1" or one.done_us <= us(15.0)]
    roles(past, "redis-1", "replica", 15.1, 20.0)
    ((_, end),) = found(past)
    assert end == pytest.approx(19.1, abs=0.01)


@pytest.mark.parametrize("kind", ["pause", "isolate", "restart"])
def test_only_a_process_that_is_gone_serves_nobody(kind: str) -> None:
    """One that stands still or is cut off may answer somebody; one that is started again does at once."""
    assert found(killed(kind=kind)) == []


def test_death_of_a_replica_leaves_its_primary() -> None:
    """And one that died before the primary needs not to be heard."""
    past = outline(fault_kinds=("kill", "kill"))
    past.event("effect", 8.0, source="fault 1", node="redis-3", fault=1)
    roles(past, "redis-1", "primary", 1.0, 20.0)
    roles(past, "redis-2", "replica", 1.0, 20.0)
    roles(past, "redis-3", "replica", 1.0, 8.0)
    roles(past, "redis-3", "", 8.1, 20.0)
    assert found(past) == []
    past.event("effect", FAULT_S, source="fault 2", node="redis-1", fault=2)
    past.samples = [one for one in past.samples if one.node != "redis-1" or one.done_us < us(FAULT_S)]
    roles(past, "redis-1", "", FAULT_S + 0.1, 20.0)
    ((start, end),) = found(past)
    assert (start, end) == (FAULT_S, pytest.approx(19.1, abs=0.01))
