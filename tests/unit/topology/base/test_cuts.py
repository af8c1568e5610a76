"""Which links are cut, and by whom: a link is mended when the last fault that cuts it is."""

from __future__ import annotations

from harness.topology.base.cuts import Cuts

A, B, C = (frozenset(pair) for pair in (("redis-1", "web-1"), ("redis-1", "web-2"), ("redis-1", "redis-2")))


def test_cuts_of_several_faults_end_with_the_last_of_them() -> None:
    """Lifting one fault's cuts leaves what another one cuts too."""
    cuts = Cuts()
    cuts.add([A, B], by=1)
    cuts.add([B, C], by=2)
    assert cuts.of_nobody_else(1) == {A}
    cuts.lift(by=1)
    assert cuts.all() == {B, C}
    assert cuts.of_nobody_else(2) == {B, C}
    cuts.lift(by=2, pairs=[B])
    assert cuts.all() == {C}
    cuts.lift(by=2)
    assert cuts.all() == set()


def test_cuts_of_a_fault_that_cuts_nothing_are_none() -> None:
    """Lifting twice is the same as once."""
    cuts = Cuts()
    cuts.add([A], by=1)
    for _ in range(2):
        assert cuts.of_nobody_else(2) == set()
        cuts.lift(by=2)
    assert cuts.all() == {A}


def test_cuts_are_found_again_as_they_were_recorded() -> None:
    """With whose they are."""
    cuts = Cuts()
    cuts.add([C, A], by=1)
    cuts.add([A], by=2)
    assert cuts.recorded() == {1: [("redis-1", "redis-2"), ("redis-1", "web-1")], 2: [("redis-1", "web-1")]}
    again = Cuts(cuts.recorded())
    assert again.recorded() == cuts.recorded()
    assert again.of_nobody_else(1) == {C}
