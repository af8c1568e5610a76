"""What the nodes held of a guest's sessions after recovery, where its guest file says under which keys.

Whether a key is there, and how long it is to live, is all that anybody but the application can read. A key
that is there need not hold the user: an application may have begun an empty session under the same id. So
what became of a session is for the front door to say; here the nodes are compared with each other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from harness.checks.facts.timelines import Timeline, Timelines
from harness.model.records import ObjectEntry

NO_END = -1
"""PTTL of a key that never ends."""
DIFFERS_FROM_MS = 1000
"""More than between two looks of one pass, and less than any idle timeout."""
_SOON_MS = 2 * DIFFERS_FROM_MS


@dataclass(frozen=True, slots=True)
class KeyOnNodes:
    """One session's key, as its primary and the replicas have it."""

    timeline: Timeline
    primary: ObjectEntry
    others: Sequence[ObjectEntry]

    @property
    def there(self) -> bool:
        return bool(self.primary.saw)

    @property
    def never_ends(self) -> bool:
        return self.there and self.primary.pttl_ms == NO_END


def keys_on_nodes(timelines: Timelines) -> list[KeyOnNodes]:
    """Of every session whose key the node answered for that was primary then."""
    if not timelines.of_guest:
        return []
    of_key: dict[str, list[ObjectEntry]] = defaultdict(list)
    for entry in timelines.history.valid_objects():
        of_key[entry.key].append(entry)
    found = []
    for timeline in timelines.sessions.values():
        entries = of_key.get(timeline.key, [])
        owner = None if not entries else timelines.ownership.owner_at(timeline.shard, entries[0].sent_us)
        primary = next((one for one in entries if one.node == owner and one.saw is not None), None)
        if primary is not None:
            found.append(KeyOnNodes(timeline, primary, [one for one in entries if one is not primary]))
    return found


def apart(primary: ObjectEntry, other: ObjectEntry) -> str | None:
    """How a replica's answer differs; None: it does not, or one of the two may have ended meanwhile."""
    if any(one.pttl_ms is not None and 0 <= one.pttl_ms < _SOON_MS for one in (primary, other)):
        return None
    if bool(primary.saw) != bool(other.saw):
        return "only one of them has its key"
    mine, theirs = primary.pttl_ms, other.pttl_ms
    if not primary.saw or mine is None or theirs is None:
        return None
    passed_ms = (max(other.done_us, primary.done_us) - min(other.sent_us, primary.sent_us)) / 1000
    if (mine < 0) != (theirs < 0) or abs(mine - theirs) > passed_ms + DIFFERS_FROM_MS:
        return f"time to live {mine} ms and {theirs} ms"
    return None
