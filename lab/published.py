"""What a measurement publishes in docs/: its record, and the part of a document that is made of it. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec


def encoded(record: Any) -> bytes:
    """As JSON with a member on each line, so that a change of it can be read."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def today() -> str:
    """The date of a measurement, ISO 8601, in UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def split_at(document: str, begin: str, end: str) -> tuple[str, str, str]:
    """What is before the mark that begins a made part, the part without both marks, and what follows it.

    Raises:
        ValueError: it has no such marks.
    """
    before, _, rest = document.partition(begin)
    part, mark, after = rest.partition(end)
    if not mark:
        raise ValueError(f"expected {begin} and {end}, found none")
    return before, part, after
