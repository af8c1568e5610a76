"""What people are told while faults come and go: a line for each fault, and for each step of a failover."""

from __future__ import annotations

from collections.abc import Callable

from harness.clock import Clock
from harness.model.records import Event, Record

_BY_EACH = frozenset({"agreed", "published", "demoted"})
_TOLD = frozenset({"agreed", "elected", "promoted", "published", "demoted", "rebooted", "recovered"})


class Told:
    """Turns events into lines. `say` gets each of them."""

    def __init__(self, clock: Clock, say: Callable[[str], None]) -> None:
        self._clock = clock
        self._say = say
        self._of: dict[str, str | None] = {}
        """Event -> the node that it was told of last, since the last fault took effect."""

    def notice(self, record: Record) -> None:
        if isinstance(record, Event):
            self._notice(record)

    def line(self, text: str) -> None:
        self._say(f"[{self._clock.now_us() / 1e6:7.2f} s] {text}")

    def _notice(self, event: Event) -> None:
        if event.fault is not None:
            if event.name == "effect":
                self._of.clear()
            self.line(f"fault {event.fault} {event.name}: {event.detail}")
        elif event.name in _TOLD and self._is_new(event):
            where = f"{event.node}: " if event.node else ""
            self.line(f"{where}{event.name} ({event.source})")

    def _is_new(self, event: Event) -> bool:
        """Each sentinel says the same of a failover, one after the other: it is told once."""
        known = self._of.get(event.name) == event.node and event.name in _BY_EACH
        self._of[event.name] = event.node
        return not known
