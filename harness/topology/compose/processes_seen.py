"""Which Redis, Sentinel and proxy processes run in a container, and where each of them listens.

Told from the kernel: the processes that Docker lists with their pids of this machine, and the sockets that
each of them holds. The name of an image or a service says nothing reliable: a sentinel may run inside a data
node's container, a node may listen on any port.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Program(StrEnum):
    SERVER = "server"
    SENTINEL = "sentinel"
    PROXY = "proxy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """A process that may be a node."""

    pid: int
    """On this machine."""
    program: Program
    arguments: str
    """As the kernel lists them; a server rewrites its own."""
    ports: tuple[int, ...]

    @property
    def called(self) -> str:
        """The program's name, without its folder."""
        return self.arguments.split(" ", 1)[0].rpartition("/")[2].rstrip(":")


_SERVER = re.compile(r"(?:^|/)(?:redis|valkey|keydb)-server\b")
_SENTINEL = re.compile(r"(?:^|/)(?:redis|valkey)-sentinel\b|\s--sentinel\b|\[sentinel\]")
_PROXY = re.compile(r"(?:^|/)(?:haproxy|envoy|nutcracker|predixy|nginx|traefik|twemproxy)\b")
_TITLE_PORT = re.compile(r"[\d*.:\[\]a-f]:(\d+)(?:\s|$)")

_LISTENS = "0A"


def seen_in(titles: Sequence[str], processes: Iterable[Sequence[str]]) -> tuple[Listening, ...]:
    """The nodes among a container's processes, given as `docker top -eo pid,args` lists them."""
    pid_at = titles.index("PID")
    text_at = len(titles) - 1
    found = []
    for row in processes:
        pid, arguments = int(row[pid_at]), row[text_at]
        if (program := program_of(arguments)) is not None:
            found.append(
                Listening(pid=pid, program=program, arguments=arguments, ports=_ports(pid, arguments))
            )
    return tuple(found)


def program_of(arguments: str) -> Program | None:
    """What a command line is; None: neither Redis nor a proxy that is known."""
    first = arguments.split(" ", 1)[0]
    if _SERVER.search(first) or re.search(r"(?:^|/)(?:redis|valkey)-sentinel\b", first):
        return Program.SENTINEL if _SENTINEL.search(arguments) else Program.SERVER
    return Program.PROXY if _PROXY.search(first) else None


def _ports(pid: int, arguments: str) -> tuple[int, ...]:
    """Where it accepts connections: what the kernel knows, else what a server writes into its title."""
    try:
        sockets = frozenset(_socket_inodes(pid))
        tables = (Path(f"/proc/{pid}/net/{name}").read_text(encoding="ascii") for name in ("tcp", "tcp6"))
        known = sorted({port for table in tables for port in listening(table, sockets)})
    except OSError:
        known = []
    if known:
        return tuple(known)
    said = _TITLE_PORT.search(arguments)
    return (int(said[1]),) if said else ()


def listening(table: str, sockets: frozenset[int]) -> Iterator[int]:
    """Ports of the listening sockets in a table of the kernel (/proc/PID/net/tcp) that are among these."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[3] == _LISTENS and int(fields[9]) in sockets:
            yield int(fields[1].rpartition(":")[2], 16)


def _socket_inodes(pid: int) -> Iterator[int]:
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            link = str(descriptor.readlink())
        except OSError:
            continue
        if link.startswith("socket:["):
            yield int(link[len("socket:[") : -1])
