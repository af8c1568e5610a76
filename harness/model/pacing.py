"""How a run spends its time once its faults are over. The plan counts with what the run keeps to."""

from __future__ import annotations

from harness.model.times import FOREVER

RECOVERED_FOR_S = 1.0
"""A topology is recovered when every node and sentinel has agreed for so long."""

SETTLED_S = 3.0
"""Traffic goes on this long after recovery, so that users who were put out can come back and the last
windows can close."""

GRACE_S = 1.0
"""What is in flight when the load ends may take the client's longest wait and so much more, and is cancelled
then."""

AUDIT_WITHIN_S = 30.0
"""An audit takes a second, several where there are many sessions. The plan asks for idle timeouts that
outlast a run whose audit takes this long."""

AUDIT_LONGEST_S = 300.0
"""Where sessions have no idle timeout; as long as one that nobody changed."""


def audit_within_s(lives_s: float, elapsed_s: float) -> float:
    """The limit of an audit that begins so long after the first log-in: longer than the plan counts with only
    where no session can expire meanwhile, since then nobody could tell lost from expired. `lives_s`: how long
    a session lives that nobody uses; `FOREVER`: none expires."""
    return AUDIT_LONGEST_S if lives_s == FOREVER else max(AUDIT_WITHIN_S, lives_s - elapsed_s)
