"""Rules for links: between whom, which way, on which port, and what becomes of the packets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Way(StrEnum):
    """Which packets of a link a rule is about, seen from its left side."""

    BOTH = "both"
    TO = "to"
    """Those to the right side: what comes back passes."""
    FROM = "from"
    """Those from the right side, such as its replies."""


class LinkPort(StrEnum):
    """Which connections a rule is about, by who listens."""

    ALL = "all"
    DATA = "data"
    """Those to a data node's own port: of clients, of replicas, and of sentinels that watch it."""
    SENTINEL = "sentinel"
    """Those to a sentinel's port: of clients and of other sentinels."""
    BUS = "bus"
    """Those between the members of a cluster, by which they vote."""


BUS_ABOVE = 10_000
"""A cluster node's bus is at its own port and so many more."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How badly packets are carried that are not all dropped."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    """Each packet's delay differs by up to this, either way."""
    loss: float = 0.0
    """The share that is lost, 0 to 1."""
    bytes_per_s: float = 0.0
    """0: as many as the link carries."""
    rejects: bool = False
    """None is carried: whoever sends one is refused at once, as by a firewall."""


@dataclass(frozen=True, slots=True)
class LinkRule:
    """What becomes of packets between each of `left` and each of `right`: names of nodes and of web servers.
    Without a quality every one is dropped; nobody gets an error, as behind a broken switch."""

    left: Sequence[str]
    right: Sequence[str]
    way: Way = Way.BOTH
    port: LinkPort = LinkPort.ALL
    quality: Quality | None = None


@dataclass(frozen=True, slots=True, order=True)
class Flow:
    """What goes one way over one link. Rules are made of flows, which are set and lifted one by one."""

    source: str
    target: str
    port: LinkPort = LinkPort.ALL

    @property
    def ends(self) -> frozenset[str]:
        return frozenset({self.source, self.target})

    def __str__(self) -> str:
        port = "" if self.port is LinkPort.ALL else f" ({self.port})"
        return f"{self.source} -> {self.target}{port}"


def flows(rule: LinkRule) -> set[Flow]:
    """Each once; nobody has a link to itself."""
    found = set()
    for left in rule.left:
        for right in rule.right:
            if left == right:
                continue
            if rule.way is not Way.FROM:
                found.add(Flow(left, right, rule.port))
            if rule.way is not Way.TO:
                found.add(Flow(right, left, rule.port))
    return found


def no_such_link(rule: LinkRule) -> str:
    """Why a rule is about nothing, for people."""
    where = "" if rule.port is LinkPort.ALL else f" that listens on a {rule.port} port"
    return (
        f"cut {', '.join(rule.left)} from {', '.join(rule.right)}: expected links with a node{where} at one "
        "end, found none"
    )
