"""What docs/haproxy.md has of a measurement: its table, made of docs/haproxy.json. Pure."""

from __future__ import annotations

import msgspec

from lab.haproxy.table import Run
from lab.published import MadePart

MADE = MadePart("<!-- made by make haproxy: begin -->", "<!-- made by make haproxy: end -->")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What docs/haproxy.json holds."""

    measured_on: str
    """The days, from the first to the last."""
    engine: str
    runs: tuple[Run, ...]


def decoded(text: bytes) -> Record:
    return msgspec.json.decode(text, type=Record)
