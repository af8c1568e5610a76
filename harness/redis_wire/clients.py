"""What a node says of its clients (CLIENT LIST)."""

from __future__ import annotations

from collections.abc import Mapping

OBSERVER = "failover-kit-observer"
"""What subscriptions of the kit itself call themselves, so that nobody takes them for an application's."""


def listed(text: str) -> Mapping[str, Mapping[str, str]]:
    """The clients by their ids, each with its fields: `addr`, `cmd`, `omem` (bytes that wait to be sent),
    …"""
    lines = (dict(part.partition("=")[::2] for part in line.split(" ")) for line in text.splitlines())
    return {one["id"]: one for one in lines if "id" in one}
