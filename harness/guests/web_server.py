"""One web server of a guest: a process, a container or what its user runs, at an address of its own.

Trap: a process that runs does not serve yet, and one that serves may die at any time. The balancer asks
`alive`, which is whether it runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.costly import aiohttp
from harness.errors import EnvironmentFailure
from harness.guests.browser import Client
from harness.model.guest import Guest, RunAs
from harness.model.seams import Address, WebProcess

ASK_AGAIN_S = 0.05
LAST_LINES = 12

_WHO_LISTENS = {
    RunAs.PROCESS: "does its command use {HOST} and {PORT}?",
    RunAs.CONTAINER: "does it listen at 0.0.0.0 and at the `port` of `container`?",
    RunAs.SERVICE: "does it listen at 0.0.0.0 and at the `port` of `service`?",
    RunAs.ADDRESS: "start it there, with the variables of its `environment_file`",
}

Fill = Callable[[str, Address], str]
"""A text of the guest file with what its placeholders stand for, for a web server at an address."""


class GuestServer:
    def __init__(
        self, name: str, process: WebProcess, guest: Guest, environment: Mapping[str, str], fill: Fill
    ) -> None:
        self.name = name
        self.side = "all"
        self._process = process
        self._guest = guest
        self._environment = environment
        self._fill = fill
        self._expected = False
        """Started, and not ended by the kit."""
        self._in_service = False
        """It has answered since it was started."""

    @property
    def address(self) -> Address:
        return self._process.address

    @property
    def alive(self) -> bool:
        return self._in_service and self._process.running

    def died(self) -> str:
        """How it ended by itself, told once; empty: it did not."""
        if not self._expected or self._process.running:
            return ""
        self._expected = False
        return f"its process ended with status {self._process.exit_status}; {self._last_words()}"

    async def ends(self, *, within_s: float) -> str:
        """How it ended by itself; empty: it did not within this time."""
        loop = asyncio.get_running_loop()
        ends_at_s = loop.time() + within_s
        while True:
            if (how := self.died()) or loop.time() > ends_at_s:
                return how
            await asyncio.sleep(ASK_AGAIN_S)

    async def start(self) -> None:
        """Start the process; it need not serve yet."""
        guest, at = self._guest, self.address
        own = {name: self._fill(text, at) for name, text in guest.environment.items()}
        places = {"HOST": at.host, "PORT": str(at.port), "WEB_SERVER": self.name}
        if self._process.folder is not None:
            places["GUEST_FOLDER"] = str(self._process.folder)
        environment = {**self._environment, **places, **own}
        command = [self._fill(word, at) for word in guest.command]
        self._in_service = False
        await asyncio.to_thread(self._process.start, command, environment, Path(guest.folder))
        self._expected = True

    async def serves(self, client: Client) -> None:
        """Wait until it answers.

        Raises:
            EnvironmentFailure: it ended, or does not answer within its time, or listens elsewhere.
        """
        ready = self._guest.ready
        loop = asyncio.get_running_loop()
        ends_at_s = loop.time() + ready.within_s
        while True:
            if not self._process.running:
                self._expected = False
                raise EnvironmentFailure(
                    f"{self._who}: expected its command to serve at {self.where}, found that it ended with "
                    f"status {self._process.exit_status}; {self._last_words()}"
                )
            try:
                answer, _ = await client.ask(self.address, "get", ready.get, headers={})
            except aiohttp.ClientConnectorError:
                said = f"nothing listens there; {_WHO_LISTENS[self._guest.run_as]}"
            except (aiohttp.ClientError, TimeoutError) as problem:
                said = f"no whole answer to {ready.get} ({problem or 'it takes too long'})"
            else:
                if answer.status < 500:
                    self._in_service = True
                    return
                said = f"{ready.get} answers {answer.said}"
            if loop.time() > ends_at_s:
                raise EnvironmentFailure(
                    f"{self._who}: expected an answer at {self.where} within {ready.within_s:g} s, found: "
                    f"{said}; {self._last_words()}"
                )
            await asyncio.sleep(ASK_AGAIN_S)

    async def kill(self) -> None:
        self._expected = False
        await asyncio.to_thread(self._process.kill)

    async def pause(self) -> None:
        await asyncio.to_thread(self._process.pause)

    async def resume(self) -> None:
        await asyncio.to_thread(self._process.resume)

    async def end(self) -> None:
        self._expected = False
        await asyncio.to_thread(self._process.end)

    @property
    def _who(self) -> str:
        return f"{self._guest.file}: {self.name}"

    @property
    def where(self) -> str:
        return f"{self.address.host}:{self.address.port}"

    def _last_words(self) -> str:
        text = self._process.last_lines(LAST_LINES)
        if self._guest.run_as is RunAs.ADDRESS:
            return "the kit does not see what it prints"
        return f"it printed last:\n{text}" if text else "it printed nothing"
