"""A matrix file as read: what is run together, and what is varied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    file: str
    name: str
    scenarios: tuple[str, ...]
    """Files, folders and globs as `run` takes them; files beside the matrix are named as seen from it."""
    deployments: tuple[str, ...] = ()
    engines: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)
    """Path -> value, for all runs."""
    vary: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Path -> values: every combination is run."""
    repeat: int = 1
    fingerprint: str = ""
    """The same for every copy of the file on other machines, however often it repeats and whatever it is
    called."""
    places: Mapping[str, str] = field(default_factory=dict)
    """`vary.deployment.timing`, `scenarios.0` -> its file and line, for what is wrong there."""
