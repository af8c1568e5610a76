"""What outlives a node's process, and how much came back with the next one: said the same everywhere.

The observers, the fault `restart` and the judging all tell of one restart; a number of keys that each of
them counted by itself would be another one each time, since users log in meanwhile.
"""

from __future__ import annotations

from harness.model.inventory import NodePlan

SNAPSHOT, LOG, NOTHING = "snapshot", "append-only file", "no persistence"

HELD_BACK_S = 2.0
"""With `appendfsync everysec` a server does not write to its append-only file while it syncs, and answers
all the same: for so long at most (`flushAppendOnlyFile` in its source); then it waits for its disk, and
answers nobody. A kill ends those writes."""


def setting(node: NodePlan, name: str, otherwise: str) -> str:
    return node.setting(name, otherwise).lower()


def persistence(node: NodePlan) -> str:
    """What outlives the node's process, by its settings."""
    if setting(node, "appendonly", "no") == "yes":
        return LOG
    return SNAPSHOT if setting(node, "save", "") else NOTHING


def holds_back(node: NodePlan) -> bool:
    """Whether a write may be answered before the append-only file has it (see `HELD_BACK_S`)."""
    return persistence(node) == LOG and setting(node, "appendfsync", "everysec") == "everysec"


def waits_in_memory(node: NodePlan) -> bool:
    """Whether a write may be answered although the append-only file cannot take it. With `always` the server
    ends instead."""
    return persistence(node) == LOG and setting(node, "appendfsync", "everysec") != "always"


def keys_back(keys: int, keys_read: int | None, *, from_log: bool) -> int:
    """What a process came back with: what it read from its snapshot, where it says so (from Redis 7.0 on; it
    counts nothing of an append-only file), else its keys once it had loaded."""
    return keys if keys_read is None or from_log else keys_read
