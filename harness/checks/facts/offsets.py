"""Where in the stream of replication something lies: offsets, from samples of INFO.

An executed command lies above the offset of the last sample answered before it was sent, and at or
below that of the first sample asked after it was done, both of the same process and the same stream.
A promoted replica says up to where it had followed that stream: the *cut*. What lies above it, the new
primary never had; what lies below, it had. `causes` draws the conclusions.

Trap: offsets of different streams (replication ids) cannot be compared, and a node that was demoted or
restarted counts in another stream.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from harness.model.records import NodeSample
from harness.model.times import FOREVER, NEVER
from harness.model.words import NodeRole


class Side(Enum):
    ABOVE = auto()
    """The new primary never had it."""
    BELOW = auto()
    """The new primary had it when it was promoted."""
    UNKNOWN = auto()
    """The samples around it lie on both sides of the cut, or there is none."""


@dataclass(frozen=True, slots=True)
class Span:
    """A command's effect ends in the stream above `low`, and at `high` or below."""

    stream: str
    """The replication id."""
    low: int
    high: int | None
    """None: nobody asked this process again."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The last offset of a stream that the promoted replica had."""

    offset: int
    stream: str
    """The new primary's own, from here on; it goes on counting from the cut."""


class Offsets:
    """`samples`: each node's answers, in order."""

    def __init__(self, samples: Mapping[str, Sequence[NodeSample]]) -> None:
        self._samples = samples
        self._asked = {node: [one.sent_us for one in mine] for node, mine in samples.items()}
        self._answered = {node: [one.done_us for one in mine] for node, mine in samples.items()}

    def span(self, node: str, run_id: str, sent_us: float, done_us: float) -> Span | None:
        """Where something lies that this process executed; None: it was not sampled as a primary."""
        samples = self._samples.get(node, ())
        if not samples or not run_id:
            return None
        before = bisect_right(self._answered[node], sent_us) - 1
        after = bisect_left(self._asked[node], done_us)
        first = samples[before] if before >= 0 else None
        last = samples[after] if after < len(samples) else None
        if first is None or first.run_id != run_id or first.role != NodeRole.PRIMARY or not first.replid:
            return None
        follows = last is not None and last.run_id == run_id and last.replid == first.replid
        return Span(first.replid, first.offset, last.offset if last is not None and follows else None)

    def followed(self, node: str, run_id: str, stream: str, by_us: float) -> int | None:
        """Up to where, at least, a replica had followed a stream by then; None: it was not sampled as one."""
        last = bisect_right(self._answered.get(node, ()), by_us) - 1
        if last < 0:
            return None
        sample = self._samples[node][last]
        same = sample.run_id == run_id and sample.replid == stream and sample.role == NodeRole.REPLICA
        return sample.offset if same else None

    def reached_us(self, node: str, span: Span, by_us: float, run_id: str = "") -> float:
        """By when a replica had certainly followed the stream past this; `FOREVER`: no sample shows it.

        Asked of `run_id`, or of the process that the node was by then: one that starts from a snapshot may
        execute once more what the one before it had executed.
        """
        if span.high is None:
            return FOREVER
        run_id = run_id or self.process_at(node, by_us)
        return next(
            (
                float(one.done_us)
                for one in self._samples.get(node, ())
                if one.role == NodeRole.REPLICA
                and one.run_id == run_id
                and one.replid == span.stream
                and one.offset >= span.high
            ),
            FOREVER,
        )

    def process_at(self, node: str, t_us: float) -> str:
        """The process that had answered last by then; empty: none had."""
        last = bisect_right(self._answered.get(node, ()), t_us) - 1
        return self._samples[node][last].run_id if last >= 0 else ""

    def goes_on_us(self, node: str, run_id: str) -> float:
        """When this process was first seen, if it may have gone on from a snapshot of the one before it: that
        was somebody's replica when it was last seen. A primary that is started again follows nobody, or
        gets everything anew. `NEVER`: it did not."""
        before = None
        for sample in self._samples.get(node, ()):
            if sample.run_id == run_id:
                replica = before is not None and before.role == NodeRole.REPLICA
                return sample.done_us if replica else NEVER
            before = sample
        return NEVER

    def cut(self, heir: str, from_us: float, stream: str) -> Cut | None:
        """Where the node that was promoted then had left this stream; None: it does not say."""
        for sample in self._samples.get(heir, ())[bisect_left(self._answered.get(heir, ()), from_us) :]:
            if sample.role == NodeRole.PRIMARY and sample.replid2 == stream and sample.second_repl_offset > 0:
                return Cut(sample.second_repl_offset - 1, sample.replid)
        return None


def side(span: Span, cut: Cut) -> Side:
    if span.low >= cut.offset:
        return Side.ABOVE
    if span.high is not None and span.high <= cut.offset:
        return Side.BELOW
    return Side.UNKNOWN
