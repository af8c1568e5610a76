"""One web server of a user's own application, as a container: made, started, killed, frozen, looked after.

Whether it runs is asked for every request, so nobody asks the engine: a thread waits there for the
container's end. One that Docker starts again by its restart policy runs again, perhaps at another address.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker.errors
import requests.exceptions

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure
from harness.model.seams import Address, Secrets
from harness.topology.base.configuration import redact
from harness.topology.docker.daemon import translated

Make = Callable[[Sequence[str], Mapping[str, str]], Any]
"""A container with a command ([]: that of its image) and variables, not started yet."""

_GONE_WITHIN_S = 10.0
_LOOK_EVERY_S = 0.1
_WAIT_S = 600.0
"""One wait at the engine; then it is asked again."""


class WebContainer:
    """See `harness.model.seams.WebProcess`."""

    folder: Path | None = None
    """Containers share no folder of this machine."""

    def __init__(
        self,
        name: str,
        address: Address,
        *,
        find: Callable[[], Any | None],
        make: Make | None,
        moved: Callable[[str, Address], None],
        secrets: Callable[[], Secrets],
    ) -> None:
        """`find`: the container; None: not made yet. `make` None: somebody else makes it, and has started it.
        `moved`: called after a start, with where it is then. `secrets`: what its log must not show."""
        self.address = address
        self._name = name
        self._find = find
        self._make = make
        self._moved = moved
        self._secrets = secrets
        self._runs = threading.Event()
        self._life = 0
        """Counts its starts: what the watching thread saw before one says nothing about what runs since."""
        self._lock = threading.Lock()
        self._status: int | None = None
        self._watched = False
        self._closed = threading.Event()

    @property
    def running(self) -> bool:
        return self._runs.is_set()

    @property
    def exit_status(self) -> int | None:
        return None if self.running else self._status

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:  # noqa: ARG002 - a process has a folder
        container = self._find()
        if container is None:
            assert self._make is not None, "what somebody else makes is there"
            container = self._make(command, environment)
        with translated(f"starting {self._name}"):
            container.start()  # of one that runs: nothing happens
        self._note_where_it_is()
        self._begun()
        if not self._watched:
            self._watched = True
            threading.Thread(target=self._watch, name=f"watch {self._name}", daemon=True).start()

    def kill(self) -> None:
        if (container := self._find()) is None:
            return
        with translated(f"killing {self._name}"), suppress(docker.errors.APIError):
            container.kill("SIGKILL")
        try:
            wait_until(
                lambda: not self.running,
                within_s=_GONE_WITHIN_S,
                waiting_for=f"{self._name} to be gone after SIGKILL",
                every_s=0.01,
            )
        except WaitExpired as error:
            raise EnvironmentFailure(str(error)) from error

    def pause(self) -> None:
        with translated(f"pausing {self._name}"):
            self._there().pause()

    def resume(self) -> None:
        container = self._there()
        if container.attrs["State"]["Paused"]:
            with translated(f"resuming {self._name}"):
                container.unpause()

    def end(self) -> None:
        """Its topology removes it; until then it stays, with its log."""
        self._closed.set()
        if (container := self._find()) is not None and self.running:
            with suppress(docker.errors.APIError, requests.exceptions.RequestException):
                container.kill("SIGKILL")

    def last_lines(self, lines: int) -> str:
        if (container := self._find()) is None:
            return ""
        with translated(f"reading the log of {self._name}"):
            raw: bytes = container.logs(tail=lines)
        return redact(raw.decode("utf-8", errors="replace"), self._secrets()).strip()

    def _there(self) -> Any:
        if (container := self._find()) is None:
            raise EnvironmentFailure(f"{self._name}: expected its container, found none")
        return container

    def _note_where_it_is(self) -> None:
        networks = self._there().attrs["NetworkSettings"]["Networks"]
        here = [str(one["IPAddress"]) for one in networks.values() if one.get("IPAddress")]
        if here and self.address.host not in here:
            self.address = Address(here[0], self.address.port)
        self._moved(self._name, self.address)

    def _begun(self) -> None:
        with self._lock:
            self._life += 1
            self._runs.set()

    def _watch(self) -> None:
        while not self._closed.is_set():
            if (life := self._ended()) is not None:
                with self._lock:
                    if life == self._life:
                        self._runs.clear()
                self._closed.wait(_LOOK_EVERY_S)

    def _ended(self) -> int | None:
        """Wait for its end; which of its lives is over. None: the engine does not say now."""
        life = self._life
        with suppress(
            docker.errors.DockerException, requests.exceptions.RequestException, EnvironmentFailure
        ):
            container = self._there()
            if not container.attrs["State"]["Running"]:
                self._status = int(container.attrs["State"]["ExitCode"])
                return life
            if not self._runs.is_set():  # somebody started it again
                self._note_where_it_is()
                self._begun()
                life = self._life
            self._status = int(container.wait(timeout=_WAIT_S)["StatusCode"])
            return life
        self._closed.wait(_LOOK_EVERY_S)
        return None
