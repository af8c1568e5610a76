"""What only the log of a server says: that its primary lets it in no more."""

from __future__ import annotations

import re

_REFUSED = re.compile(r"-(?:NOAUTH|WRONGPASS|NOPERM)\b.*")
_FOLLOWS = re.compile(r"sync: Finished with success|Successful partial resynchronization")


def refused_login(log: str) -> str:
    """What the primary answered to a replica that has not got in since; empty: it did, or was never refused.

    The trap: a replica that got in after all has such lines too, further up.
    """
    said = ""
    for line in log.splitlines():
        if _FOLLOWS.search(line):
            said = ""
        elif found := _REFUSED.search(line):
            said = found[0].removeprefix("-").strip()
    return said
