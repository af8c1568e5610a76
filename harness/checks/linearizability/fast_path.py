"""The exact test's fast path: registers whose every value was written once, in n log n.

Each value's write and reads form a cluster; a cluster reaches from its first end to its last
beginning. A register is linearizable iff no two clusters must each come before the other, which is
so iff one zone lies across another (Gibbons and Korach, 1997). Absence is no value written once, so
it is cut off first: all that finds or makes absence comes before the first write or after the last.

Premises: values distinct; observations that say what they saw; at most one write that can make what
is absent, if anything can make it absent or depends on its presence; deletes that tell nothing; no
ties. `judge_by_zones` answers None where they do not hold.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from harness.checks.linearizability.actions import UNSAID, Action
from harness.model.times import FOREVER, NEVER


@dataclass(slots=True)
class _Sorted:
    """The actions on one register, by what they are here."""

    writes: dict[str, Action] = field(default_factory=dict)
    reads: dict[str, list[Action]] = field(default_factory=dict)
    destroys: list[Action] = field(default_factory=list)
    absent: list[Action] = field(default_factory=list)
    """What found nothing."""
    makers: list[Action] = field(default_factory=list)
    """Writes that need not find anything."""


def judge_by_zones(actions: Iterable[Action]) -> bool | None:
    """Whether the register is linearizable; None: not a case for this path."""
    found = _sort(actions)
    if found is None or not found.reads.keys() <= found.writes.keys():
        return None
    creator: Action | None = None
    if found.destroys or len(found.makers) < len(found.writes):
        if len(found.makers) > 1:
            return None
        creator = next(iter(found.makers), None)
    alive = _alive(found, creator)
    if not alive:
        return True
    if found.makers == [] or any(one.done < creator.sent for one in alive if creator is not None):
        return False
    return _ends_hold(found, alive) and _zones_hold(found, alive, creator)


def _sort(actions: Iterable[Action]) -> _Sorted | None:
    """None: something that this path cannot judge."""
    found = _Sorted()
    for one in actions:
        if one.after:
            return None
        if isinstance(one.leaves, str):
            if one.expects is not UNSAID or isinstance(one.refuses, str) or one.leaves in found.writes:
                return None
            found.writes[one.leaves] = one
            if one.refuses is UNSAID:
                found.makers.append(one)
        elif one.leaves is None:
            if one.expects is not UNSAID or one.refuses is not UNSAID:
                return None
            found.destroys.append(one)
        elif one.optional:
            continue  # changes nothing, tells nothing
        elif one.expects is UNSAID or one.refuses is not UNSAID:
            return None
        elif one.expects is None:
            found.absent.append(one)
        else:
            found.reads.setdefault(one.expects, []).append(one)
    return found


def _alive(found: _Sorted, creator: Action | None) -> list[Action]:
    """All that certainly took place while there was a value. Optional writes that nobody saw did not
    happen; the only one that can create did, if anything else needs it."""
    alive = [one for value, one in found.writes.items() if not one.optional or value in found.reads]
    for reads in found.reads.values():
        alive += reads
    if alive and creator is not None:
        alive.append(creator)
    return alive


def _ends_hold(found: _Sorted, alive: list[Action]) -> bool:
    """Whether all that met or made absence fits before the first value or after the last."""
    first_done = min(one.done for one in alive)
    last_sent = max(one.sent for one in alive)
    made = [one for one in found.destroys if not one.optional and one.sent > first_done]
    seen = [one for one in found.absent if one.sent > first_done]
    if any(one.done < last_sent for one in (*made, *seen)):
        return False
    if not seen:
        return True
    first_seen = min(one.done for one in seen)
    return any(one.done >= last_sent and one.sent <= first_seen for one in found.destroys)


def _zones_hold(found: _Sorted, alive: list[Action], creator: Action | None) -> bool:
    kept = {one.leaves for one in alive if isinstance(one.leaves, str)}
    zones: list[tuple[float, float]] = []
    for value, write in found.writes.items():
        if value not in kept:
            continue
        reads = found.reads.get(value, [])
        if any(one.done < write.sent for one in reads):
            return False
        # The one that creates comes before everything: like a value that was there from the start.
        first = NEVER if write is creator else min(write.done, *(one.done for one in reads), FOREVER)
        last = max((one.sent for one in reads), default=NEVER)
        zones.append((first, max(last, write.sent)))
    return do_not_cross(zones)


def do_not_cross(zones: Iterable[tuple[float, float]]) -> bool:
    """Whether clusters, each from its first end to its last beginning, can stand one after the other."""
    forward: list[tuple[float, float]] = []
    backward: list[tuple[float, float]] = []
    for first, last in zones:
        (forward if first < last else backward).append((first, last))
    forward.sort()
    if any(after[0] < before[1] for before, after in pairwise(forward)):
        return False
    for first, last in backward:
        n = bisect_left(forward, (last, NEVER))
        if n and first < forward[n - 1][1]:
            return False
    return True
