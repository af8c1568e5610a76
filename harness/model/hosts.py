"""How a host and its Docker engine are written."""

from __future__ import annotations

import re

from harness.errors import UsageError

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
ENGINE = re.compile(r"(?:ssh|tcp|unix)://\S+|context:\S+")
BACKEND = "machines"
"""The backend whose nodes are on hosts."""
NAMED = "FAILOVER_KIT_HOSTS"
"""A variable: the hosts of every scenario, `a=ssh://ops@a,b=context:b`."""
ALLOW_REMOTE = "FAILOVER_KIT_ALLOW_REMOTE"
"""A variable: `1` allows engines that may be on another machine."""


def read(text: str, where: str) -> dict[str, str]:
    """Host -> its engine. Empty: the text names none.

    Raises:
        UsageError: it cannot be read.
    """
    found: dict[str, str] = {}
    for one in (pair.strip() for pair in text.split(",") if pair.strip()):
        name, _, engine = one.partition("=")
        if not NAME.fullmatch(name) or not ENGINE.fullmatch(engine):
            raise UsageError(
                f"{where}: expected NAME=ENGINE for each host, such as a=ssh://ops@a,b=context:b, "
                f"found {one!r}"
            )
        if name in found:
            raise UsageError(f"{where}: expected a name for each host, found {name!r} twice")
        found[name] = engine
    return found
