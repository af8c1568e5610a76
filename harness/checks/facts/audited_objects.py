"""What the audit was told of each object that is no session, by the primary of its shard."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from harness.checks.facts.of_run import Facts, facts_of
from harness.model.history import History
from harness.model.records import ObjectEntry
from harness.model.words import NodeRole


def audited_objects(history: History) -> Mapping[str, ObjectEntry]:
    """By key. Of several that call themselves primary, the one that was promoted last. Made once."""
    return history.once(_audited)


def _audited(history: History) -> dict[str, ObjectEntry]:
    role = str(NodeRole.PRIMARY)
    told = [entry for entry in history.valid_objects() if entry.role == role]
    found = {entry.key: entry for entry in told}
    if len(found) == len(told):
        return found
    said: dict[str, list[ObjectEntry]] = defaultdict(list)
    for entry in told:
        said[entry.key].append(entry)
    facts = facts_of(history)
    return {key: one for key, entries in said.items() if (one := _owners(facts, entries)) is not None}


def _owners(facts: Facts, entries: Sequence[ObjectEntry]) -> ObjectEntry | None:
    if len(entries) == 1:
        return entries[0]
    for entry in entries:
        shard = facts.shards.of(entry.node, entry.sent_us)
        if shard is not None and facts.ownership.owner_at(shard, entry.sent_us) == entry.node:
            return entry
    return None
