"""A small model of Redis nodes that writes histories, so that a test reads as a story.

`Past` is told what people and nodes did, at which second; `history()` then executes every attempt in
the order of its own moment on the store of the node that it reached, fills in the replies, lets the
audit look, and returns what a run would have recorded. Correct by construction: a broken promise is
in a history only if the story put it there (a store that missed something, a lost write, ...).

    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 2.0)          # from now on redis-2 gets nothing new
    past.logout(ann, 3.0)
    past.fail_over("redis-2", 4.0)        # ... and becomes primary: the logout is undone

Its records fit together, because nodes made them. A test that needs records that do not, such as samples
that contradict each other, puts them there one by one (`sample`, `event`, `do`).

In reading order:

    frame          the run around its records: its plan, phases, clocks, and how it ended
    by_hand        records that a test puts there itself
    store          what one node holds
    doing          one operation as the story says it
    session_steps  what is done to sessions
    object_steps   what is done to objects beside them
    requests       what is recorded of an operation
    nodes          what became of the nodes, and what samples of them say
    looks          the audit
    story          `Past`: what people do, what happens to nodes, and the history of both
    lines          a history as the lines that a run would have left
"""

from lab.past.doing import Doing, Steps
from lab.past.frame import NODES
from lab.past.lines import as_lines, records_of
from lab.past.store import Data, Hash
from lab.past.story import TOOK_S, Past

__all__ = ["NODES", "TOOK_S", "Data", "Doing", "Hash", "Past", "Steps", "as_lines", "records_of"]
