"""What nodes held shortly before they lost it, by session: the proof of where a lost write lived.

From the records `forensic`, which are taken while the load goes on. So absence only means something of
a write that was acknowledged before the node was asked; and of a node that was never asked, or not in
time, nothing is known. Nothing is judged here.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.history import History
from harness.model.records import ForensicEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Whereabouts:
    """Where one write was, and was not, when nodes were about to lose their data. Oldest entry first."""

    held: tuple[ForensicEntry, ...] = ()
    lacked: tuple[ForensicEntry, ...] = ()
    """The node answered about the session, was asked after the write's acknowledgement, and did not
    have it. An absent session lacks all its writes."""

    @property
    def nodes(self) -> tuple[str, ...]:
        """Those that held it, in the order in which they were asked."""
        return tuple(dict.fromkeys(one.node for one in self.held))


class LastLooks:
    def __init__(self, history: History) -> None:
        self.readings = {one.n: one for one in history.readings}
        self._history = history
        self._by_session: dict[str, list[ForensicEntry]] | None = None

    def of(self, session: str) -> tuple[ForensicEntry, ...]:
        """Everything that nodes held of a session at such moments, in the order of `sent_us`."""
        if self._by_session is None:
            self._by_session = {}
            for entry in sorted(self._history.forensics, key=lambda one: one.sent_us):
                self._by_session.setdefault(entry.session, []).append(entry)
        return tuple(self._by_session.get(session, ()))

    def whereabouts(self, session: str, witness: str, acked_us: float) -> Whereabouts:
        """Which nodes had executed the write that leaves this witness, and which had not.

        `witness`: `Step.witness`, the operation's id as text. `acked_us`: when its reply was read.
        Empty where witnesses are off, or no node that holds the session was read.
        """
        told = [one for one in self.of(session) if one.witnesses is not None]
        return Whereabouts(
            held=tuple(one for one in told if witness in (one.witnesses or ())),
            lacked=tuple(
                one for one in told if witness not in (one.witnesses or ()) and one.sent_us >= acked_us
            ),
        )

    def moment(self, entry: ForensicEntry) -> str:
        """Why the node was read then: `before healing isolate`, `demoted`, ..."""
        reading = self.readings.get(entry.reading)
        return "" if reading is None else reading.moment
