"""Ends tasks of the event loop for certain.

The trap: one `cancel()` can be lost. `asyncio.wait_for` of Python 3.11 returns the result of what it
waited for, and drops the cancellation, when both come in the same turn of the loop; a client library that
awaits a write that way goes on as if nobody had asked. The busier the machine, the more often. So a
task is asked again until it has ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

ASK_AGAIN_S = 0.2


async def end(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel tasks until each has ended, whatever it ended with."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=ASK_AGAIN_S)
