"""Watches the topology while a run happens: stage 4, beside the load and the faults.

    loop_ticks        how late the event loop may have heard of something
    views             what nodes and sentinels say, with names in place of addresses
    context           what every observer works with
    listening         subscriptions that stay alive
    node_waits        how long nodes waited for a CPU
    topology_view     the newest of what was seen of every node
    live_state        what is known now, for faults that wait for a condition
    samples           asks all nodes how they are, all the time
    process_states    down on purpose, or merely silent
    proxies           what proxies say of the nodes behind them
    events            from what changes, and what sentinels announce, to events
    evictions         every evicted session
    refusals_in_logs  what only the logs of nodes say
    host              this machine: its clocks, and whether it is starved
    barrier           proves that bytes without an answer cannot be executed any more
    deposed           who was deposed
    recovery          when the topology counts as recovered
    audit             every session on every node, at the end
    forensic          a node that is about to lose what it holds
    observers         starts and stops all of it

Everything goes through connections of the observers' own, from an address that no cut applies to, and ends
up in the one history. Nothing here changes a node, but for `evictions`, which switches notifications on where
it is asked to.
"""

from harness.observe.audit import AuditedSession
from harness.observe.evictions import enable_eviction_events
from harness.observe.observers import Observers

__all__ = ["AuditedSession", "Observers", "enable_eviction_events"]
