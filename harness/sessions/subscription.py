"""What a subscription says (`SUBSCRIBE`), for as long as its line is alive.

Trap: a frozen or cut-off node does not hang up. A line that says nothing is asked for a sign of life, and is
over if it says nothing to that either.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

from redis.asyncio.client import PubSub

SILENCE_S = 1.0
"""It is asked for a sign of life after this long without a message."""


async def messages(line: PubSub) -> AsyncIterator[Mapping[str, Any]]:
    """Each message as the client library has it, confirmations among them; ends with the line.

    Raises:
        RedisError, OSError: the line broke.
    """
    asked = False
    while True:
        message = await line.get_message(timeout=SILENCE_S)
        if message is not None:
            asked = False
            yield message
        elif asked:
            return
        else:
            asked = True
            await line.ping()
