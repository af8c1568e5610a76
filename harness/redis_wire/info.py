"""INFO, and CLUSTER INFO, which has the same form: `name:value` lines under `# Title` lines.

The trap: a value may hold anything but a line end, a colon too, and letters at which Python's `splitlines`
would break it (a path with U+2028). So lines end where the protocol ends them. INFO takes several sections
in one command only from 7.0 on: ask for each, and join the texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from harness.model.words import NodeRole
from harness.redis_wire import words

Fields = Mapping[str, str]


class Replica(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A line of INFO replication: `slave0:ip=10.0.0.3,port=6379,state=online,offset=42,lag=0`."""

    host: str
    port: int
    offset: int
    lag_s: int
    """Age of its last acknowledgement, in whole seconds."""


def fields(text: str) -> dict[str, str]:
    """The fields of a reply, or of several that were joined; titles are left out."""
    return dict(line.split(":", 1) for line in text.split("\r\n") if line and line[0] != "#" and ":" in line)


def role(of: Fields) -> NodeRole | None:
    """Of INFO replication. None: not said."""
    return words.role(of.get("role", ""))


def replicas(of: Fields) -> Iterator[Replica]:
    """The replicas that a primary lists, whatever state they are in (INFO replication)."""
    number = 0  # by name, not by looking at each of 200 fields: this is asked twenty times a second
    while (line := of.get(f"slave{number}")) is not None:
        said = dict(part.split("=", 1) for part in line.split(",") if "=" in part)
        yield Replica(
            host=said.get("ip", ""),
            port=int(said.get("port", 0)),
            offset=int(said.get("offset", 0)),
            lag_s=int(said.get("lag", 0)),
        )
        number += 1


def keys(of: Fields, database: int | None = None) -> int:
    """Keys in one logical database, or in all (INFO keyspace): `db0:keys=12,expires=0,avg_ttl=0`."""
    counts = {
        int(name[2:]): int(value[5:].partition(",")[0])
        for name, value in of.items()
        if name.startswith("db") and value.startswith("keys=") and name[2:].isdecimal()
    }
    return sum(counts.values()) if database is None else counts.get(database, 0)


def engine(of: Fields) -> str:
    """`Redis 7.0.15` or `Valkey 8.1.0` (INFO server)."""
    if "valkey_version" in of:
        return f"Valkey {of['valkey_version']}"
    return f"Redis {of['redis_version']}"
