"""valkey-glide's asyncio clients, as its documentation sets them up: one connection to a node, shared by all.

Its sockets are those of its own Rust core, so it connects through doors of this process (`relayed`). It has
no retries of its own that an application could set, and no Sentinel.

Trap: its time-out is that of a call, with the wait for a connection in it. What timed out may be sent later.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from glide import (
    AdvancedGlideClientConfiguration,
    AdvancedGlideClusterClientConfiguration,
    Batch,
    ClusterBatch,
    GlideClient,
    GlideClientConfiguration,
    GlideClusterClient,
    GlideClusterClientConfiguration,
    NodeAddress,
    RequestError,
    ServerCredentials,
    SlotKeyRoute,
    SlotType,
)
from glide import ConnectionError as LostConnection
from glide import TimeoutError as OutOfTime

from harness.libraries.library import Client, Settings
from harness.libraries.relayed import Relay
from harness.libraries.resp import Command

_OF_NO_KEY = frozenset({"WAIT", "SCAN", "KEYS", "PUBLISH"})


def connect(settings: Settings) -> Client:
    return Glide(settings)


class Glide:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._relay = Relay()
        self._client: Any = None

    async def start(self) -> None:
        settings, known = self._settings, self._known()
        connects_ms = _ms(settings.connect_timeout_s)
        if settings.seeds:
            self._client = await GlideClusterClient.create(
                GlideClusterClientConfiguration(
                    addresses=[NodeAddress(host, port) for host, port in settings.seeds],
                    advanced_config=AdvancedGlideClusterClientConfiguration(connection_timeout=connects_ms),
                    **known,
                )
            )
        else:
            self._client = await GlideClient.create(
                GlideClientConfiguration(
                    addresses=[NodeAddress(*settings.primary)],
                    advanced_config=AdvancedGlideClientConfiguration(connection_timeout=connects_ms),
                    **known,
                )
            )

    def _known(self) -> dict[str, Any]:
        settings = self._settings
        login = None
        if settings.password is not None:
            login = ServerCredentials(password=settings.password, username=settings.user)
        return {
            "credentials": login,
            "request_timeout": _ms(settings.socket_timeout_s),
            "lazy_connect": True,
            "address_resolver": self._relay.door_to,
        }

    async def send(self, commands: Sequence[Command], key: str) -> list[object]:
        try:
            if len(commands) == 1:
                return [await self._alone(commands[0], key)]
            if commands[0] != ("MULTI",):
                return await self._together(commands, key, atomic=False)
            ends_at = commands.index(("EXEC",))
            inside = await self._together(commands[1:ends_at], key, atomic=True)
            behind = [await self._alone(one, key) for one in commands[ends_at + 1 :]]
        except OutOfTime as late:
            raise TimeoutError(str(late)) from late
        except LostConnection:
            raise
        except RequestError as refused:
            return [refused]
        return ["OK", *["QUEUED"] * len(inside), inside, *behind]

    async def close(self) -> None:
        await self._client.close()
        self._relay.close()

    async def _alone(self, command: Command, key: str) -> object:
        if self._settings.seeds and command[0] in _OF_NO_KEY:
            return await self._client.custom_command([*command], SlotKeyRoute(SlotType.PRIMARY, key))
        return await self._client.custom_command([*command])

    async def _together(self, commands: Sequence[Command], key: str, *, atomic: bool) -> list[object]:
        if any(one[0] in _OF_NO_KEY for one in commands):
            return [await self._alone(one, key) for one in commands]
        batch = (ClusterBatch if self._settings.seeds else Batch)(is_atomic=atomic)
        for command in commands:
            batch.custom_command([*command])
        return list(await self._client.exec(batch, raise_on_error=False) or ())


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))
