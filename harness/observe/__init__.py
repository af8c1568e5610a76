"""Watches the topology while a run happens: stage 4, beside the load and the faults.

    samples -> topology_view -> events, live_state, recovery        audit: what every node holds at the end

`observers.Observers` starts and stops all of it for `run`. Everything goes through connections of the
observers' own, from an address that no cut applies to, and ends up in the one history. Nothing
here changes a node, but for `evictions`, which switches notifications on where it is asked to.
"""

from harness.observe.audit import AuditedSession
from harness.observe.evictions import enable_eviction_events
from harness.observe.observers import Observers

__all__ = ["AuditedSession", "Observers", "enable_eviction_events"]
