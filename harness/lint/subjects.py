"""What rules look at: nodes as files describe them, Compose services, proxies, users, deployments.

A node is a kind of process with its settings, wherever these were written: a redis.conf, the words of a
container's command, a deployment's `redis`. So a rule about settings is written once. Files that were given
together are one deployment, and so is a whole Compose project: a `Group`.

The trap: of files alone nobody knows how many nodes are started from them. `Group.complete` says whether
counts can be relied upon.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.lint.acl import User
from harness.lint.haproxy import Section
from harness.model.deployment import Deployment
from harness.model.directive_table import CREDENTIALS
from harness.model.directives import Directive
from harness.model.scenario import Scenario


@dataclass(frozen=True, slots=True, order=True)
class Place:
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    directive: Directive
    place: Place

    @property
    def arguments(self) -> tuple[str, ...]:
        return self.directive.arguments

    @property
    def text(self) -> str:
        return " ".join(self.arguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One kind of process, or several alike."""

    name: str
    sentinel: bool
    settings: tuple[Setting, ...]
    place: Place
    """Where it begins: for what is wrong because nothing was written."""
    copies: int = 1
    replica: bool = False
    cache: bool = False
    """Known to hold no sessions."""
    readable: bool = True
    """Whether all of its settings are known."""
    restarts: str = ""
    """The policy that starts it again, as written."""
    hosts: frozenset[str] = frozenset()

    def all(self, *names: str) -> Iterator[Setting]:
        return (one for one in self.settings if one.directive.name in names)

    def last(self, *names: str) -> Setting | None:
        """The line that holds: the last one wins."""
        return next(reversed(list(self.all(*names))), None)

    def value(self, name: str, otherwise: str = "") -> str:
        found = self.last(name)
        return found.text if found else otherwise

    def where(self, *names: str) -> Place:
        found = self.last(*names)
        return found.place if found else self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Nodes that belong together."""

    name: str
    nodes: tuple[Node, ...]
    complete: bool
    """Whether these are all nodes, so that they can be counted."""
    users: tuple[User, ...] = ()
    """Of the files of users that were given with them."""
    made_by_kit: bool = False
    """A deployment file: passwords, addresses and persistence are the kit's own unless it says otherwise."""

    @property
    def own_passwords(self) -> bool:
        """Whether passwords of the user's own are on its data nodes, so that they can be wrong."""
        return not self.made_by_kit or any(
            one.directive.name in CREDENTIALS for node in self.data for one in node.settings
        )

    @property
    def data(self) -> tuple[Node, ...]:
        return tuple(one for one in self.nodes if not one.sentinel)

    @property
    def sentinels(self) -> tuple[Node, ...]:
        return tuple(one for one in self.nodes if one.sentinel)

    @property
    def replicates(self) -> bool:
        """Whether anything says that one node follows another."""
        return (
            bool(self.sentinels)
            or sum(one.copies for one in self.data if not one.cache) > 1
            or any(one.last(*_OF_REPLICATION) for one in self.data)
        )

    def services(self) -> dict[str, list[tuple[Node, Setting]]]:
        """The sentinels of each guarded primary, with their `monitor` lines."""
        found: dict[str, list[tuple[Node, Setting]]] = {}
        for node in self.sentinels:
            for line in node.all("sentinel monitor"):
                found.setdefault(line.arguments[0], []).append((node, line))
        return found


_OF_REPLICATION = (
    "replicaof",
    "masterauth",
    "primaryauth",
    "min-replicas-to-write",
    "replica-priority",
    "replica-announce-ip",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """A host's file or folder, or a named volume, in a container."""

    source: str
    target: str
    place: Place
    one_file: bool
    volume: bool
    """A named volume of the project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """One service of a Compose project that runs Redis, Valkey or Sentinel."""

    name: str
    place: Place
    node: Node
    mounts: tuple[Mount, ...]
    command: Place
    also_sentinel: bool
    """Starts a sentinel in the same container as a data node."""
    networks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    file: str
    services: tuple[Service, ...]
    internal: frozenset[str]
    """Networks without a way out."""
    names: frozenset[str]
    """Of all its services: what Docker's own name service resolves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    file: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KitFile:
    """A deployment file, or a scenario."""

    file: str
    deployment: Deployment | None
    """None: it cannot be read."""
    scenario: Scenario | None = None
    lines: dict[str, int] = field(default_factory=dict)
    """The line of each key, by its path in the file: `topology.redis.maxmemory-policy`."""
    values: dict[str, str] = field(default_factory=dict)

    def at(self, *paths: str) -> Place:
        """The first of these keys that is written, or the nearest key above it."""
        for path in paths:
            if path in self.lines:
                return Place(self.file, self.lines[path])
        above = paths[0].rpartition(".")[0]
        return self.at(above) if above else Place(self.file, 1)

    def key(self, path: str) -> str:
        """A key of the deployment, as its path in this file."""
        return f"deployment.{path}" if self.scenario is not None else path


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """Part of a file that cannot be read."""

    place: Place
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Everything that was given, read."""

    files: tuple[Path, ...] = ()
    groups: tuple[Group, ...] = ()
    projects: tuple[Project, ...] = ()
    proxies: tuple[Proxy, ...] = ()
    kit_files: tuple[KitFile, ...] = ()
    wrong: tuple[Wrong, ...] = ()
