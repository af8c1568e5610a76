"""What of an old primary's writes its successor never had, by offsets alone, without a load of the kit's.

A promoted replica says up to where it had followed the old stream. Whatever the old primary was seen to have
written beyond that is gone as soon as it follows the new one. Samples see a lower bound: what came after the
last look at the old primary is not in it. The stream also holds the pings of the primary, 14 bytes each.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.model.records import NodeSample
from harness.model.words import NodeRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """At least so many bytes of its stream were `node`'s alone when `heir` took over."""

    node: str
    heir: str
    size_bytes: int


def discarded(samples: Iterable[NodeSample]) -> tuple[Discarded, ...]:
    """For each stream that was left, in the order of the promotions; also where nothing was discarded."""
    written: dict[str, tuple[str, int]] = {}
    left: dict[str, tuple[str, int]] = {}
    for one in samples:
        if not one.reachable or one.role != NodeRole.PRIMARY:
            continue
        _, before = written.get(one.replid, ("", -1))
        written[one.replid] = (one.node, max(before, one.offset))
        if one.replid2 and one.second_repl_offset > 0:
            left.setdefault(one.replid2, (one.node, one.second_repl_offset - 1))
    return tuple(
        Discarded(node=written[stream][0], heir=heir, size_bytes=max(0, written[stream][1] - had))
        for stream, (heir, had) in left.items()
        if stream in written and written[stream][0] != heir
    )
