"""`with`: somebody's own command beside a topology, faults on a timeline, everything taken down at the end.

    failover-kit with sentinel --fault 'after: 3s, kill: primary' -- pytest tests/sessions

    nodes         which nodes, from one word
    left_behind   what is left of a command whose `with` was killed
    losses        what Redis itself was seen to lose meanwhile
    command       the command as a process: its signals, its end
    running       nodes up, command and faults, nodes down; what is told of it

The kit sends no load here: the command is the application.
"""

from harness.beside.nodes import is_kind, nodes_of, without_load
from harness.beside.running import with_command

__all__ = ["is_kind", "nodes_of", "with_command", "without_load"]
