"""What makes a session as large as an application's: one field of its hash, which says nothing.

Trap: it would be in every read of the history. Whoever reads a session leaves it out, unless it is damaged.
"""

from __future__ import annotations

BALLAST = "ballast"
_FILLING = "."
_DAMAGED_AT_MOST = 40
"""Characters that are kept of what somebody else wrote there."""


def ballast(size_bytes: int) -> str:
    return _FILLING * size_bytes


def without_ballast(fields: dict[str, str]) -> dict[str, str]:
    """The fields that say something."""
    value = fields.pop(BALLAST, None)
    if value is not None and value.strip(_FILLING):
        fields[BALLAST] = value[:_DAMAGED_AT_MOST]
    return fields
