"""What Redis itself was seen to lose beside a command, of whose writes nobody knows: lines for people.

By offsets, numbers of keys and counters of evictions: a lower bound, as samples show it.
"""

from __future__ import annotations

from collections.abc import Iterator

from harness.checks.facts.discarded import discarded
from harness.checks.facts.of_run import Facts
from harness.checks.facts.restarts import Restart
from harness.checks.measures.summary import evicted_keys

NONE_SEEN = (
    "no loss was seen: each new primary had all that the old one was seen to have by then, no primary came "
    "back with less, no key was evicted. What an old primary took afterwards is not known"
)


def losses(facts: Facts) -> Iterator[str]:
    """`NONE_SEEN` where there is none."""
    found = list(_found(facts))
    yield from found or [NONE_SEEN]


def _found(facts: Facts) -> Iterator[str]:
    for one in discarded(facts.history.samples):
        if one.size_bytes:
            yield (
                f"{one.heir} took over without the last {one.size_bytes} bytes (or more) of {one.node}'s "
                "stream of replication: writes in them are lost"
            )
    for back in facts.ownership.restarts:
        if back.has < back.had and _still_primary(facts, back):
            yield f"{back.why}, and no replica had been promoted"
    for purpose, keys in evicted_keys(facts.history).items():
        if keys:
            yield f"{keys} keys were evicted: {purpose}"


def _still_primary(facts: Facts, back: Restart) -> bool:
    shard = facts.shards.of(back.node, back.by_us) or 1
    return facts.ownership.settled_owner_at(shard, back.by_us) == back.node
