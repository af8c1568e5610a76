"""What of an old primary's writes its successor never had, by offsets alone, without a load of the kit's.

A promoted replica says up to where it had followed the old stream. Whatever the old primary was seen to have
written beyond that, by then, is gone as soon as it follows the new one. Samples see a lower bound: what came
after the last look is not in it.

The trap: messages that sentinels publish at a primary are in the stream, some 3 KB in ten seconds. So what an
old primary wrote later, while sentinels left it alone, is not counted: it may be nothing else.
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
    """`samples`: in the order of time. For each stream that was left, also where nothing was discarded."""
    written: dict[str, tuple[str, int]] = {}
    found: dict[str, Discarded] = {}
    for one in samples:
        if not one.reachable or one.role != NodeRole.PRIMARY:
            continue
        _, before = written.get(one.replid, ("", -1))
        written[one.replid] = (one.node, max(before, one.offset))
        left = written.get(one.replid2)
        if left is None or one.second_repl_offset <= 0 or one.replid2 in found:
            continue
        node, offset = left
        if node != one.node:
            size = max(0, offset - (one.second_repl_offset - 1))
            found[one.replid2] = Discarded(node=node, heir=one.node, size_bytes=size)
    return tuple(found.values())
