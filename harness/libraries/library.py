"""What a client library is to the kit: what is declared of it, and what it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from harness.libraries.resp import Command

ON_ERROR = "on-error"
FIXED_ADDRESS = "fixed-address"


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """One library, as scenarios name it."""

    name: str
    module: Path
    """The file with its `connect`."""
    package: str = ""
    """What PyPI calls it; empty: it needs no package."""
    version: str = ""
    """The one that is taken when nobody asks for another; empty: that of the kit itself."""
    tested: tuple[str, ...] = ()
    """Versions that `make client-conformance` holds to the table of outcomes."""
    discoveries: frozenset[str] = frozenset({FIXED_ADDRESS, ON_ERROR})
    """Ways to find the primary that it has: words of `Discovery`."""
    clusters: bool = True
    sentinels: bool = True
    retries: bool = True
    """An application can set how often it tries again."""
    sends_late: bool = False
    """It may send a command after it has told the application that time is up. Then a time-out proves
    nothing, even where nothing had been sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a client is configured with."""

    primary: tuple[str, int]
    seeds: tuple[tuple[str, int], ...] = ()
    """Cluster: every node."""
    sentinels: tuple[tuple[str, int], ...] = ()
    """Empty: it keeps to the address of the primary."""
    service: str = ""
    user: str | None = None
    password: str | None = None
    sentinel_password: str | None = None
    socket_timeout_s: float = 0.5
    connect_timeout_s: float = 0.5
    sentinel_timeout_s: float = 0.3
    retries: int = 0
    sentinel_retries: int = 0
    retry_backoff_s: float = 0.1
    max_connections: int | None = 50
    """None: as many as the library opens where nobody limits it."""
    deadline_s: float | None = None
    """The application cancels a call that takes longer. None: it waits for the library."""
    source_host: str | None = None
    source_ports: tuple[int, int] | None = None


class Client(Protocol):
    """A library's client. `connect(settings)` of its module makes one."""

    async def start(self) -> None: ...

    async def send(self, commands: Sequence[Command], key: str) -> list[object]:
        """Send commands together, once; what the library returns for each, an error reply as an exception.

        All of them are about `key`. Raises what the library raises.
        """
        ...

    async def close(self) -> None: ...


def settings_of(told: dict[str, Any]) -> Settings:
    """As they come in JSON, which has no tuples."""

    def address(pair: Sequence[Any]) -> tuple[str, int]:
        return str(pair[0]), int(pair[1])

    ports = told["source_ports"]
    several = {name: tuple(map(address, told[name])) for name in ("seeds", "sentinels")}
    return Settings(
        **{
            **told,
            **several,
            "primary": address(told["primary"]),
            "source_ports": None if ports is None else (int(ports[0]), int(ports[1])),
        }
    )
