"""The kinds of findings: every name that the kit can give to a broken promise."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.words import FindingSide

FINDINGS: Mapping[str, FindingSide] = {
    "resurrected-session": FindingSide.OPEN,
    "undone-by-own-write": FindingSide.OPEN,
    "escaped-logout": FindingSide.OPEN,
    "index-drift": FindingSide.OPEN,
    "foreign-session": FindingSide.OPEN,
    "reply-mixed-up": FindingSide.OPEN,
    "lock-held-twice": FindingSide.OPEN,
    "outlived-timeout": FindingSide.OPEN,
    "immortal-session": FindingSide.OPEN,
    "lost-session": FindingSide.CLOSED,
    "partial-session": FindingSide.CLOSED,
    "lost-write": FindingSide.CLOSED,
    "lost-update": FindingSide.CLOSED,
    "doubled-update": FindingSide.CLOSED,
    "stale-read": FindingSide.CLOSED,
    "torn-state": FindingSide.CLOSED,
    "unwritten-value": FindingSide.CLOSED,
    "ghost-retry": FindingSide.CLOSED,
    "lease-overrun": FindingSide.CLOSED,
    "expired-early": FindingSide.CLOSED,
    "evicted-session": FindingSide.CLOSED,
    "refused-login": FindingSide.CLOSED,
    "logged-out-by-outage": FindingSide.CLOSED,
    "replica-divergence": FindingSide.CLOSED,
    "no-recovery": FindingSide.CLOSED,
    "over-budget": FindingSide.CLOSED,
    "unexplained": FindingSide.CLOSED,
}
"""Every finding that the kit can make, with its side. Open ones first: they are security incidents."""

ONE_PER_SESSION = frozenset({"stale-read", "expired-early"})
"""Merged over everything that a session's readers were shown; the others by the promise broken."""

LOST_WRITES = frozenset({"lost-write", "lost-session", "lost-update"})
"""Each of them is an acked write that is gone; its promise is the first of its operations."""
