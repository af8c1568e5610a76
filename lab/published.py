"""What a measurement publishes in docs/: its record, and the part of a document that is made of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec


def encoded(record: Any) -> bytes:
    """As JSON with a member on each line, so that a change of it can be read."""
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def today() -> str:
    """The date of a measurement, ISO 8601, in UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


@dataclass(frozen=True)
class MadePart:
    """The part of a document that a measurement makes: what lies between two marks."""

    begin: str
    end: str

    def of(self, document: str) -> str:
        """What a document has there."""
        return self._split(document)[1].strip()

    def into(self, document: str, made: str) -> str:
        """The document with something else there."""
        before, _, after = self._split(document)
        return f"{before}{self.begin}\n\n{made.strip()}\n\n{self.end}{after}"

    def _split(self, document: str) -> tuple[str, str, str]:
        """What is before the part, the part, and what follows it, all three without the marks.

        Raises:
            ValueError: it has no such marks.
        """
        before, _, rest = document.partition(self.begin)
        part, mark, after = rest.partition(self.end)
        if not mark:
            raise ValueError(f"expected {self.begin} and {self.end}, found none")
        return before, part, after
