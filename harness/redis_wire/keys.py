"""The keys of a session store, as this kit's behaviours write them, and their slots in a cluster.

A session's keys share a hash tag, so that they live in one slot; harmless where there is no cluster. A
user's index lies in a slot of its own.
"""

from __future__ import annotations

import binascii

from harness.model.inventory import SLOTS

_SESSION, _WITNESS, _USER = "session:", "witness:", "user:"

PREFIXES = (_SESSION, _WITNESS, _USER)
"""What keys of the session store begin with; whatever else is in a node is not of sessions."""


def session_key(session: str) -> str:
    """The hash (or text) of a session."""
    return f"{_SESSION}{{{session}}}"


def witness_key(session: str) -> str:
    """The list of writes to a session that were carried out."""
    return f"{_WITNESS}{{{session}}}"


def index_key(user: str) -> str:
    """The set of a user's sessions."""
    return f"{_USER}{{{user}}}:sessions"


def slot(key: str) -> int:
    """The cluster's slot of a key: CRC-16 of what stands between the first braces, if anything does."""
    start = key.find("{") + 1
    end = key.find("}", start) if start else -1
    tag = key[start:end] if end > start else key
    return binascii.crc_hqx(tag.encode(), 0) % SLOTS
