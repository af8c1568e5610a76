"""What became of the nodes, and what samples of them say."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from harness.model.records import NodeSample
from lab.past.frame import NODES
from lab.records import us

QUIET, NEAR_S = 5, 1.0
"""Of the samples of a node, one of so many is recorded while nothing happens to nodes; all of them so near to
what does."""


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """What became of the nodes: all that a sample of one goes by."""

    owners: tuple[tuple[float, str], ...]
    reborn: tuple[tuple[float, str, int], ...]
    evicted: tuple[tuple[float, str, int], ...]
    behind: tuple[tuple[str, float], ...]
    told_of: tuple[float, ...]
    """When something was said of them."""
    keys: int


@dataclass(frozen=True)
class _State:
    """What a sample of a node says, between two changes."""

    run_id: str
    leads: bool
    keys: int
    evicted_keys: int


def run_id_of(reborn: Iterable[tuple[float, str, int]], node: str, at: float) -> str:
    return f"{node}-life-{sum(one == node and since <= at for since, one, _ in reborn)}"


def owner_at(owners: Iterable[tuple[float, str]], at: float) -> str:
    return [node for since, node in owners if since <= at][-1]


def _near(at: float, moments: Sequence[float]) -> bool:
    """Within a second of one of them."""
    place = bisect_right(moments, at - NEAR_S)
    return place < len(moments) and moments[place] <= at + NEAR_S


@lru_cache(maxsize=64)
def samples_of(nodes: Nodes, end_s: float, per_s: int) -> tuple[NodeSample, ...]:
    """Kept, as few stories are about nodes to which something else happens."""
    changed = (since for since, _, _ in (*nodes.reborn, *nodes.evicted))
    changes = sorted({*changed, *(since for since, _ in nodes.owners)})
    behind, known = dict(nodes.behind), dict[tuple[str, int], _State]()
    found = []
    moments = sorted({*changes, *behind.values(), *nodes.told_of})
    for tick in range(int(end_s * per_s)):
        at = tick / per_s
        if tick % QUIET and not _near(at, moments):
            continue
        sent_us, done_us, so_far = us(at), us(at + 0.0005), bisect_right(changes, at)
        for node in NODES:
            state = known.get((node, so_far))
            if state is None:
                state = known[node, so_far] = _state(nodes, node, at)
            found.append(
                NodeSample(
                    node=node,
                    sent_us=sent_us,
                    done_us=done_us,
                    run_id=state.run_id,
                    role="primary" if state.leads else "replica",
                    offset=sent_us if state.leads else us(min(at, behind.get(node, at))),
                    keys=state.keys,
                    evicted_keys=state.evicted_keys,
                    memory_bytes=99 if nodes.evicted else 10,
                    memory_limit_bytes=100 if nodes.evicted else 0,
                )
            )
    return tuple(found)


def _state(nodes: Nodes, node: str, at: float) -> _State:
    lives = [keys for since, one, keys in nodes.reborn if one == node and since <= at]
    return _State(
        run_id=run_id_of(nodes.reborn, node, at),
        leads=owner_at(nodes.owners, at) == node,
        keys=lives[-1] if lives else nodes.keys,
        evicted_keys=sum(count for since, one, count in nodes.evicted if one == node and since <= at),
    )
