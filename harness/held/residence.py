"""The process that watches the nodes of a held topology: how others start it, find it, call it and end it.

A small file beside the topology's record says where it listens. It holds the token, so only this user may
read it. Trap: without root, nodes may live in a network that nothing outside reaches. Whoever starts the
process makes the listening socket outside and hands it in: a socket stays in the network where it was made.
"""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import msgspec

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, NoEffect, UsageError
from harness.held import undo_record
from harness.kit_files import command
from harness.topology.base.processes import ProcessIdentity, alive, end, forget_child
from harness.topology.base.state_files import state_directories, write_record

_HANDED_ON = "FAILOVER_KIT_LISTENER"
"""In the environment of this very command where it begins anew in another network: its listening socket."""

_FILE = "control-"
_RESIDENT = "harness.held.resident"
_READY_WITHIN_S = 30.0
_ANSWER_S = 3600.0 + 30.0
"""A fault may wait for its start, and an event for an hour."""

_OK, _NOT_FOUND, _NO_EFFECT, _UNFIT = 200, 404, 409, 422


class Residence(msgspec.Struct, frozen=True, kw_only=True):
    """Where a resident listens."""

    process: ProcessIdentity
    url: str
    token: str

    def variables(self) -> Mapping[str, str]:
        return {"FAILOVER_CONTROL": self.url, "FAILOVER_CONTROL_TOKEN": self.token}

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """
        Raises:
            UsageError: the call is wrong.
            NoEffect: the fault had no effect.
            EnvironmentFailure: no answer, or one that says that something failed.
        """
        connection = http.client.HTTPConnection(self.url.removeprefix("http://"), timeout=_ANSWER_S)
        try:
            headers = {"Authorization": f"Bearer {self.token}"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as problem:
            raise EnvironmentFailure(
                f"{self.url}{path}: no answer from the control process: {problem}"
            ) from problem
        finally:
            connection.close()
        if answer.status == _OK:
            return cast("dict[str, Any]", said)
        error = str(said["error"])
        if answer.status in {_NOT_FOUND, _UNFIT}:
            raise UsageError(error)
        raise (NoEffect if answer.status == _NO_EFFECT else EnvironmentFailure)(error)


def file_of(record: Path) -> Path:
    return record.with_name(f"{_FILE}{record.stem}.json")


def files(run: str | None) -> list[Path]:
    """Those of residents of this user, also of some that died; `run`: a part of their topology's name."""
    found = (path for place in state_directories() for path in place.glob(f"{_FILE}*.json"))
    return [path for path in found if run is None or run in path.stem.removeprefix(_FILE)]


def of(record: Path) -> Residence | None:
    """The resident of the topology with this record; None: there is none, or it died."""
    return of_file(file_of(record))


def of_file(file: Path) -> Residence | None:
    found = _read(file)
    return found if found is not None and alive(found.process) else None


def write(record: Path, residence: Residence) -> None:
    write_record(file_of(record), residence)


def forget(record: Path, residence: Residence) -> None:
    """Remove the file, unless it is another resident's by now."""
    if _read(file_of(record)) == residence:
        file_of(record).unlink(missing_ok=True)


def new_listener() -> socket.socket:
    """The socket for a resident to come, in this machine's network, even where this command has left it."""
    handed = os.environ.pop(_HANDED_ON, "")
    if handed.isdecimal():
        try:
            listener = socket.socket(fileno=int(handed))
        except OSError:
            pass  # somebody else's variable
        else:
            listener.set_inheritable(False)
            return listener
    return socket.create_server(("127.0.0.1", 0))


@contextmanager
def handed_on(listener: socket.socket) -> Iterator[None]:
    """Within it, this very command finds the socket again where it begins anew."""
    listener.set_inheritable(True)
    os.environ[_HANDED_ON] = str(listener.fileno())
    try:
        yield
    finally:
        listener.set_inheritable(False)
        del os.environ[_HANDED_ON]


def start(
    record: Path, listener: socket.socket, beside: Callable[[Sequence[str]], list[str] | None]
) -> Residence:
    """Start the resident and wait until it answers. `beside`: the command by which another one is started
    where the nodes can be looked at; None: here is right.

    Raises:
        EnvironmentFailure: it did not start; says why.
    """
    words = command(_RESIDENT, str(record.resolve()), str(listener.fileno()))
    with subprocess.Popen(
        beside(words) or words,
        pass_fds=[listener.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    ) as process:
        try:
            wait_until(
                lambda: of(record) is not None or process.poll() is not None,
                within_s=_READY_WITHIN_S,
                waiting_for="the control process to start",
                every_s=0.02,
            )
        except WaitExpired as expired:
            process.kill()
            raise EnvironmentFailure(f"{record.stem}: {expired}") from expired
        except BaseException:
            process.kill()
            raise
        found = of(record)
        if found is None:
            assert process.stderr is not None
            said = process.stderr.read().decode(errors="replace").strip().splitlines()
            raise EnvironmentFailure(
                f"{record.stem}: the control process did not start: {said[-1] if said else 'it said nothing'}"
            )
        forget_child(process)
    return found


def finish(record: Path) -> None:
    """End the resident, if there is one. What it has done to nodes and links stays as it is."""
    found = _read(file_of(record))
    if found is not None:
        end(found.process)
    file_of(record).unlink(missing_ok=True)
    undo_record.remove(record)


def clean() -> list[str]:
    """Remove the files of residents that died after their topology went; one line each."""
    done = []
    for path in files(None):
        record = path.with_name(f"{path.stem.removeprefix(_FILE)}.json")
        found = _read(path)
        if not record.exists() and not (found and alive(found.process)):
            path.unlink(missing_ok=True)
            done.append(f"removed the address of a control process that ended, of {record.stem}")
    undo_record.clean()
    return done


def _read(path: Path) -> Residence | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Residence)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
