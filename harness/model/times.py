"""Moments that are none: what has no end, and what never was. Microseconds, as all moments of a history."""

from __future__ import annotations

FOREVER = float("inf")
NEVER = float("-inf")
