"""What a node calls itself and others: the protocol says master and slave, this kit primary and replica."""

from __future__ import annotations

from harness.model.words import NodeRole

PRIMARY = "master"
REPLICA = "slave"
SENTINEL = "sentinel"

_ROLES = {PRIMARY: NodeRole.PRIMARY, REPLICA: NodeRole.REPLICA, SENTINEL: NodeRole.SENTINEL}


def role(word: str) -> NodeRole | None:
    """The first word of ROLE, or `role` of INFO; None: not said, or no word of ours."""
    return _ROLES.get(word)
