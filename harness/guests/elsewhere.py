"""A web server that its user runs, at an address of this machine.

The kit can neither end nor freeze it. It writes down for it where this run's nodes are, waits until it
answers there, and takes the file away at the end, since it has passwords in it. Trap: an application that
still talks to the Redis of yesterday answers just as well; whether it uses this run's nodes is asked of them
(`walk`).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from harness.errors import EnvironmentFailure
from harness.model.seams import Address

_NOT_OURS = "is run by you: the kit can neither end nor freeze it"


class Elsewhere:
    """See `harness.model.seams.WebProcess`."""

    folder: Path | None = None
    running = True
    """As far as anybody knows: whoever gets no answer there finds out."""
    exit_status: int | None = None

    def __init__(self, name: str, address: Address, *, environment_file: Path | None) -> None:
        self.address = address
        self._name = name
        self._file = environment_file

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:  # noqa: ARG002 - its user starts it
        if self._file is None:
            return
        lines = "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(environment.items()))
        try:
            # Whole or not at all: a script may wait for it.
            written = self._file.with_name(f".{self._file.name}.new")
            written.unlink(missing_ok=True)
            with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(lines)
            written.replace(self._file)
        except OSError as error:
            raise EnvironmentFailure(
                f"{self._file}: expected to write the variables of the application there, found: "
                f"{error.strerror or error}"
            ) from error

    def kill(self) -> None:
        raise EnvironmentFailure(f"{self._name} {_NOT_OURS}")

    def pause(self) -> None:
        raise EnvironmentFailure(f"{self._name} {_NOT_OURS}")

    def resume(self) -> None:
        raise EnvironmentFailure(f"{self._name} {_NOT_OURS}")

    def end(self) -> None:
        if self._file is not None:
            with suppress(OSError):
                self._file.unlink(missing_ok=True)

    def last_lines(self, lines: int) -> str:  # noqa: ARG002 - the protocol's
        return ""
