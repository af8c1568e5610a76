"""What a deployment says of the proxies before its nodes. No addresses: those are known when it runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ProxyProgram(StrEnum):
    HAPROXY = "haproxy"


class ProxyShape(StrEnum):
    """What makes a node the one that clients are sent to."""

    ROLE = "role"
    """It says `role:master`: the check of HAProxy's own blog."""
    FAST = "fast"
    """The same asked five times a second; connections end when it is so no more."""
    VOTES = "votes"
    """Two sentinels name it, for new connections; else whoever says `role:master`."""
    ROLE_AND_SENTINEL = "role-and-sentinel"
    """It says `role:master` and the first sentinel names it."""
    ROLE_AND_MAJORITY = "role-and-majority"
    """It says `role:master` and a majority of the sentinels names it."""


class Balance(StrEnum):
    ROUND_ROBIN = "roundrobin"
    FIRST = "first"
    LEAST_CONNECTIONS = "leastconn"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxySpec:
    """Times in seconds; None: as the shape has it."""

    program: ProxyProgram = ProxyProgram.HAPROXY
    count: int = 1
    shape: ProxyShape = ProxyShape.ROLE
    check_every_s: float | None = None
    fall: int | None = None
    """Failed checks in a row after which a node is DOWN."""
    rise: int | None = None
    shutdown_sessions: bool | None = None
    """Connections to a node end when it is marked DOWN."""
    balance: Balance = Balance.ROUND_ROBIN
    order: tuple[str, ...] = ()
    """Nodes by name, first the one that `balance: first` prefers; others come after them."""
    retries: int = 3
    redispatch: bool = False
