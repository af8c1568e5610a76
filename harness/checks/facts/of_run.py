"""What is known of one run: made once, and handed to promises, screen, measures and verdict.

A fact has its home in a module of this room; here each is made of a history, once. Whoever needs who was
primary when, or when recovery ended, asks here and never the records. Trap: the checks look closely at a
part of the operations only. What is known of the run is made of the whole history all the same.
"""

from __future__ import annotations

from harness.checks.columns.traffic import Traffic, traffic_of
from harness.checks.facts.clock_drift import drift_of
from harness.checks.facts.landmarks import Landmarks, find_landmarks
from harness.checks.facts.last_looks import LastLooks
from harness.checks.facts.ownership import Ownership
from harness.checks.facts.request_ends import RequestEnds
from harness.checks.facts.shards import Shards
from harness.model.history import History
from harness.model.records import Connection


class Facts:
    """Ask `facts_of(history)`: there is one for each history."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.traffic: Traffic = traffic_of(history)
        self.shards = Shards(history)
        self.ownership = Ownership(history, self.shards)
        self.settings = self.ownership.settings
        self.landmarks: Landmarks = find_landmarks(history, self.ownership)
        self.connections: dict[int, Connection] = {one.id: one for one in history.connections}
        self.request_ends = RequestEnds(history, self.ownership)
        self.last_looks = LastLooks(history)
        self.drift_us = drift_of(history.clocks)
        """Between wall and monotonic clock; None: no clock was recorded."""


def facts_of(history: History) -> Facts:
    """Made when first asked for, and kept as long as the history."""
    return history.once(Facts)
