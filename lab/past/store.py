"""What one node holds: sessions and what goes with them, and other objects by their keys."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Hash:
    fields: dict[str, str]
    ends_us: float
    """When its time-out runs out; infinite: it has none."""


@dataclass
class Data:
    """What one node holds."""

    sessions: dict[str, Hash] = field(default_factory=dict)
    witnesses: dict[str, list[str]] = field(default_factory=dict)
    indexes: dict[str, set[str]] = field(default_factory=dict)
    objects: dict[str, tuple[str, float]] = field(default_factory=dict)
    """Key of another object -> its value, and when its time runs out."""

    def object(self, key: str, now_us: float) -> str | None:
        value, ends_us = self.objects.get(key, ("", -1.0))
        return value if now_us < ends_us else None

    def session(self, sid: str, now_us: float) -> Hash | None:
        found = self.sessions.get(sid)
        if found is not None and now_us >= found.ends_us:
            del self.sessions[sid]
            return None
        return found
