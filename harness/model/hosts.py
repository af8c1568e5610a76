"""How a host and its Docker engine are written."""

from __future__ import annotations

import re

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
ENGINE = re.compile(r"(?:ssh|tcp|unix)://\S+|context:\S+")
NAMED = "FAILOVER_KIT_HOSTS"
"""A variable: the hosts of every scenario, `a=ssh://ops@a,b=context:b`."""
ALLOW_REMOTE = "FAILOVER_KIT_ALLOW_REMOTE"
"""A variable: `1` allows engines that may be on another machine."""
