"""What a deployment says of the proxies before its nodes. No addresses: those are known when it runs."""

from __future__ import annotations

from collections.abc import Mapping
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


class Mark(StrEnum):
    """What a file of somebody's own has in the place of what is known only when it runs: `⟦host redis-1⟧`."""

    OWN = "own"
    """The proxy's own host."""
    CLIENTS = "clients"
    """The address that clients connect to."""
    HOST = "host"
    """Of a node, by name."""
    PORT = "port"
    ESCAPED_HOST = "escaped-host"
    """The same in a regular expression."""
    HOST_LENGTH = "host-length"
    """In a reply of Redis the length comes before the text."""
    SERVICE = "service"
    """The name by which sentinels know the primary."""
    LOGIN = "login"
    """The words of AUTH, of the login with this number."""
    AUTHORITY = "authority"
    """The file of the run's certificates by which the proxy knows others."""
    OWN_CERTIFICATE = "own-certificate"
    """The file with what it shows to its clients."""
    CLIENT_CERTIFICATE = "client-certificate"
    """The file with what it shows to nodes."""
    CERTIFIED = "certified"
    """The name in the certificate of every node and proxy."""

    def at(self, what: object = "") -> str:
        return f"⟦{self} {what}⟧" if what != "" else f"⟦{self}⟧"


class Asked(StrEnum):
    """Whom a check asks."""

    DATA = "data"
    SENTINEL = "sentinel"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileLogin:
    """How a check of somebody's own file logs in."""

    asked: Asked
    user: str = ""
    password: str = ""
    """A token once the deployment is read; empty: the file has it from elsewhere, or it logs in nowhere and
    its nodes ask for nothing."""
    written: bool = True
    """False: the file has no AUTH there. Only the run's own passwords need one then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSection:
    """As much of a section as the proxy is given."""

    head: str
    lines: tuple[str, ...]


class Front(StrEnum):
    """What clients speak with a proxy."""

    AS_NODES = "as-nodes"
    """It passes on what it does not read."""
    PLAIN = "plain"
    TLS = "tls"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFile:
    """A haproxy.cfg of somebody's own, without addresses and passwords."""

    name: str
    sections: tuple[FileSection, ...]
    servers: Mapping[str, str]
    """`backend/server` of those that clients may get -> the node that is behind it here."""
    logins: tuple[FileLogin, ...] = ()
    nodes_speak_tls: bool = False
    """It speaks TLS with data nodes, be it in checks only."""
    front: Front = Front.AS_NODES


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
    file: ProxyFile | None = None
    """Instead of a shape and its settings."""

    @property
    def called(self) -> str:
        return f"file {self.file.name}" if self.file else f"shape {self.shape}"

    def node_of(self, backend: str, server: str) -> str:
        """The node that a server of the proxy stands for; a shape calls it by the node's name."""
        return self.file.servers.get(f"{backend}/{server}", "") if self.file else server
