"""What a person may write for a backend, a suite and a seed: on the command line, and through pytest."""

from __future__ import annotations

import re

from harness.errors import UsageError
from harness.model.words import BackendKind

BACKENDS = ("auto", *sorted(kind.value for kind in BackendKind))

LIBRARY_VERSION = r"[0-9]+(\.[0-9]+)*([a-z]+[0-9]+)?"
"""Of a client library: 6.4.0, 7.0.0b1. It becomes a word of a shell command."""

SUITES = ("smoke", "core", "catalogue", "all")

SEED_MAX = 2**63 - 1
"""What every reader of a history can hold as a whole number."""

_SHOWN = 40
"""Letters of a wrong value that a message quotes."""


def seed_of(text: str) -> int:
    """A seed as it is written on a command line.

    Raises:
        UsageError: it is no whole number of 63 bits.
    """
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > SEED_MAX:
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        raise UsageError(f"seed: expected a whole number from 0 to {SEED_MAX}, found {shown!r}")
    return int(text)
