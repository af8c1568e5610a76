"""From a session's cookie to its key in Redis, where the guest file says how. Pure.

A cookie is often more than the id: signed (`s:<id>.<signature>`), or encoded for headers. So it is decoded,
and the file says which part of it is the id. Some applications keep a session under a hash of its id.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from harness.model.guest import Guest


@dataclass(frozen=True, slots=True)
class Nodes:
    """What the walk and the load may ask of this run's Redis. Both block.

    Raise, when called:
        EnvironmentFailure: it does not answer.
    """

    keys: Callable[[], int]
    """How many it has."""
    left_ms: Callable[[str], int]
    """PTTL of a key: -2 there is none, -1 it never ends."""


def key_in(guest: Guest, cookies: Mapping[str, str]) -> str | None:
    """The key of the session that these cookies belong to; None: the file does not say, or there is none."""
    door = guest.back_door
    if door is None:
        return None
    values = [cookies[guest.cookie]] if guest.cookie in cookies else list(cookies.values())[:1]
    if not values or not values[0]:
        return None
    match = re.search(door.id, unquote(values[0])) if door.id else None
    if door.id and match is None:
        return None
    sid = unquote(values[0]) if match is None else match[1] if match.re.groups else match[0]
    hashed = hashlib.sha256(sid.encode()).hexdigest()
    return door.key.replace("{id}", sid).replace("{id_sha256}", hashed)
