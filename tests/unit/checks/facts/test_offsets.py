"""Replication offsets: what lies above a cut, what below, and what the samples do not tell."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks.facts.offsets import Cut, Offsets, Side, Span, side
from harness.model.records import NodeSample


def _sample(at: int, offset: int, **about: Any) -> NodeSample:
    known = {"node": "redis-1", "run_id": "life-1", "role": "primary", "replid": "old", **about}
    return NodeSample(sent_us=at, done_us=at + 2, offset=offset, **known)


def _offsets(*samples: NodeSample) -> Offsets:
    names = {one.node for one in samples}
    return Offsets({name: [one for one in samples if one.node == name] for name in names})


def test_span_lies_between_the_samples_around_it() -> None:
    """The last one answered before it was sent, the first one asked after it was done."""
    offsets = _offsets(_sample(0, 10), _sample(50, 20), _sample(100, 30), _sample(150, 40))
    assert offsets.span("redis-1", "life-1", 60, 90) == Span("old", 20, 30)
    assert offsets.span("redis-1", "life-1", 51, 101) == Span("old", 10, 40)


@pytest.mark.parametrize("about", [{"run_id": "life-2"}, {"replid": "new", "role": "replica"}])
def test_span_is_open_when_the_stream_ended(about: dict[str, object]) -> None:
    """Another process, or a demoted one, counts in another stream."""
    offsets = _offsets(_sample(0, 10), _sample(100, 5, **about))
    assert offsets.span("redis-1", "life-1", 60, 90) == Span("old", 10, None)


def test_span_is_unknown_without_a_sample_before() -> None:
    """Nobody had asked yet, or another process than the one that executed it."""
    offsets = _offsets(_sample(100, 30))
    assert offsets.span("redis-1", "life-1", 60, 90) is None
    assert offsets.span("redis-1", "life-9", 160, 190) is None
    assert offsets.span("redis-9", "life-1", 160, 190) is None


def test_replica_had_followed_what_it_last_told() -> None:
    """The newest answer before that moment, of the same process and the same stream."""
    replica = {"node": "redis-2", "role": "replica"}
    offsets = _offsets(_sample(0, 10, **replica), _sample(50, 20, **replica), _sample(100, 30, **replica))
    assert offsets.followed("redis-2", "life-1", "old", 99) == 20
    assert offsets.followed("redis-2", "life-1", "old", 102) == 30
    assert offsets.followed("redis-2", "life-1", "old", 1) is None
    assert offsets.followed("redis-2", "life-1", "new", 99) is None
    assert offsets.followed("redis-2", "life-9", "old", 99) is None
    assert offsets.followed("redis-9", "life-1", "old", 99) is None
    assert _offsets(_sample(0, 10)).followed("redis-1", "life-1", "old", 99) is None


def test_cut_is_what_the_promoted_node_says_of_the_stream() -> None:
    """Its second offset is the first one that it had not followed."""
    promoted = _sample(100, 21, node="redis-2", replid="new", replid2="old", second_repl_offset=21)
    follower = _sample(0, 20, node="redis-2", role="replica")
    offsets = _offsets(follower, promoted)
    assert offsets.cut("redis-2", 0, "old") == Cut(20, "new")
    assert offsets.cut("redis-2", 0, "another") is None
    assert offsets.cut("redis-2", 200, "old") is None


def test_sides_of_a_cut() -> None:
    """Proved only where both ends lie on one side."""
    cut = Cut(100, "new")
    assert side(Span("old", 100, 120), cut) is Side.ABOVE
    assert side(Span("old", 100, None), cut) is Side.ABOVE
    assert side(Span("old", 80, 100), cut) is Side.BELOW
    assert side(Span("old", 80, 101), cut) is Side.UNKNOWN
    assert side(Span("old", 80, None), cut) is Side.UNKNOWN
