"""How often the clients that ask sentinels try again: as the profile says, as redis-py does by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from redis.exceptions import ConnectionError as Lost

from harness.model.deployment import ClientProfile
from harness.model.seams import Address, Login
from harness.redis_wire.scripted import ScriptedServer
from harness.sessions.discovery import Surroundings, sentinel_client
from tests.unit.sessions.test_attempts import QUICK, Bench, run

AROUND = Surroundings(
    profile=QUICK,
    login=Login(password="p"),
    sentinel_login=Login(password="p"),
    service="sessions",
    primary=Address("127.0.0.1", 1),
)


@pytest.mark.parametrize("retries", [0, 2])
def test_sentinel_that_hangs_up_is_asked_as_often_as_the_profile_says(retries: int) -> None:
    """Once, and so many times more."""

    async def scenario() -> None:
        async with ScriptedServer(lambda _: "close") as sentinel:
            bench = Bench(sentinel.port)
            profile: ClientProfile = replace(QUICK, sentinel_retries=retries)
            address = Address("127.0.0.1", sentinel.port)
            client: Any = sentinel_client(address, replace(AROUND, profile=profile), bench.server.wire)
            with pytest.raises(Lost):
                await client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "sessions")
            assert len(sentinel.received) == retries + 1
            await client.aclose()
            await bench.server.close()

    run(scenario)
