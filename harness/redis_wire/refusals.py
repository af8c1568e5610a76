"""Which error means what: what an error reply proves of the command that it answers.

The one table for everybody who asks: the clients' outcomes, what an attempt may have done when a run is
judged, who is refused a log-in, and docs/foreign-histories.md.

A listed error proves that nothing of its command was executed, because the server gives it before it calls
the command. Any other error proves nothing. The trap: an error that a script raises begins with the same
word, and what the script wrote before stays. Redis and Valkey mark such an error (`FROM_INSIDE_A_SCRIPT`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from harness.model.words import Cause

MAX_CLIENTS = "max-clients"
"""Our code for the refusal of a client too many, which the server gives the code ERR."""

IN_SCRIPT = "in-script"
"""Our code for an error from inside a script: it may have written before."""

_TOO_MANY_CLIENTS = "ERR max number of clients"
"""`... reached`, and on a cluster's node `... + cluster connections reached`."""

FROM_INSIDE_A_SCRIPT = re.compile(r"script: [0-9a-f]{40}|user_script|Error running script|call to f_")
"""How Redis 6, 7 and Valkey mark an error raised while a script was already running. Our scripts
return (not raise) the error of their first write, so that one comes without the mark."""

_TRANSACTION = "EXECABORT"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error with which a server turns a command away before it executes any of it."""

    when: str
    elsewhere: bool = False
    """Another node is, or soon will be, the right one, so asking again is worth while."""
    cannot_write: Cause | None = None
    """The primary itself refuses to write, for this cause. Those that say "not here, not yet" have none:
    they are outages, measured as such."""


REFUSALS: Mapping[str, Refusal] = {
    "READONLY": Refusal(when="a write to a replica", elsewhere=True),
    "LOADING": Refusal(when="the node is reading its data", elsewhere=True),
    "MASTERDOWN": Refusal(when="a replica without its primary that must not answer", elsewhere=True),
    "CLUSTERDOWN": Refusal(when="the cluster, or the slot, is not served", elsewhere=True),
    "MOVED": Refusal(when="the slot is another node's", elsewhere=True),
    "ASK": Refusal(when="the slot is on its way to another node", elsewhere=True),
    "TRYAGAIN": Refusal(when="only some of the keys have moved yet", elsewhere=True),
    "CROSSSLOT": Refusal(when="keys of several slots"),
    "OOM": Refusal(when="memory is full", cannot_write=Cause.OUT_OF_MEMORY),
    "NOREPLICAS": Refusal(when="fewer good replicas than demanded", cannot_write=Cause.TOO_FEW_REPLICAS),
    "MISCONF": Refusal(when="the last snapshot could not be written", cannot_write=Cause.NOT_DETERMINED),
    "NOAUTH": Refusal(when="the client has not logged in"),
    "NOPERM": Refusal(when="the user may not use this command or key"),
    "NOSCRIPT": Refusal(when="no such script is loaded"),
    "BUSY": Refusal(when="a script has been running for too long"),
    _TRANSACTION: Refusal(when="a command was refused while it was queued, or EXEC itself was"),
    MAX_CLIENTS: Refusal(when="too many clients: the connection is closed before a command is read"),
}
"""By the error's code, its first word."""


def code_of(text: str) -> str:
    """The code of an error reply, under which the table knows it."""
    return MAX_CLIENTS if text.startswith(_TOO_MANY_CLIENTS) else text.partition(" ")[0]


def may_have_run(code: str) -> bool:
    """Whether a command that was answered by this error may have been executed, wholly or in part."""
    return code not in REFUSALS


def is_elsewhere(code: str) -> bool:
    """Whether another node is, or soon will be, the right one to ask."""
    return code in REFUSALS and REFUSALS[code].elsewhere


def cannot_write(text: str) -> str | None:
    """The code with which a primary itself refuses to write; of a transaction, the one that it was
    discarded for. None: it is no such error."""
    code = code_of(text)
    words = [code] if code != _TRANSACTION else re.findall(r"\b[A-Z]+\b", text)
    return next((one for one in words if one in REFUSALS and REFUSALS[one].cannot_write), None)
