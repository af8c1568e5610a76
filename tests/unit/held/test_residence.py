"""Where the process that watches held nodes is found, and what it answers; no such process here."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from harness.errors import EnvironmentFailure, NoEffect, UsageError
from harness.held import residence
from harness.held.residence import Residence
from harness.topology.base.processes import ProcessIdentity, this_process

HERE = Residence(process=this_process(), url="http://127.0.0.1:1", token="secret")
GONE = ProcessIdentity(this_process().pid, "another start")


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a topology that is held, in a state folder of its own."""
    monkeypatch.setenv("FAILOVER_KIT_STATE", str(tmp_path))
    folder = tmp_path / f"redis-failover-kit-{os.getuid()}"
    folder.mkdir(mode=0o700)
    path = folder / "process-7-ab.json"
    path.touch()
    return path


def test_resident_is_found_while_it_lives(record: Path) -> None:
    """A file that nobody wrote, or a process that is gone, is none; only this user may read the token."""
    assert residence.of(record) is None
    residence.write(record, HERE)
    assert residence.of(record) == HERE
    assert residence.file_of(record).stat().st_mode & 0o777 == 0o600
    residence.write(record, msgspec.structs.replace(HERE, process=GONE))
    assert residence.of(record) is None


def test_end_of_a_resident_leaves_no_file(record: Path) -> None:
    """Also where it died before, and where there was none."""
    residence.write(record, msgspec.structs.replace(HERE, process=GONE))
    residence.finish(record)
    assert not residence.file_of(record).exists()
    residence.finish(record)


def test_resident_forgets_its_own_address_alone(record: Path) -> None:
    """Another one may have been started in its place."""
    residence.write(record, HERE)
    residence.forget(record, msgspec.structs.replace(HERE, token="another"))
    assert residence.of(record) == HERE
    residence.forget(record, HERE)
    assert residence.of(record) is None


@pytest.mark.parametrize(
    ("held", "process", "removed"), [(False, GONE, 1), (True, GONE, 0), (False, None, 0)]
)
def test_clean_removes_addresses_of_nobody(
    record: Path, held: bool, process: ProcessIdentity | None, removed: int
) -> None:
    """What belongs to a held topology stays, and what a process that lives listens at."""
    residence.write(record, msgspec.structs.replace(HERE, process=process or HERE.process))
    if not held:
        record.unlink()
    assert len(residence.clean()) == removed
    assert residence.file_of(record).exists() is not bool(removed)


def test_listener_is_found_again_where_a_command_begins_anew() -> None:
    """The same socket, by its descriptor; a variable of somebody else leads nowhere."""
    with residence.new_listener() as made:
        with residence.handed_on(made):
            assert made.get_inheritable()
            again = residence.new_listener()
            assert again.getsockname() == made.getsockname()
            again.detach()
            os.environ["FAILOVER_KIT_LISTENER"] = "taken out"
        assert not made.get_inheritable()
    os.environ["FAILOVER_KIT_LISTENER"] = "99999"
    with residence.new_listener() as other:
        assert other.getsockname()[0] == "127.0.0.1"
    assert "FAILOVER_KIT_LISTENER" not in os.environ


@dataclass
class Scripted:
    """Answers every call with one status and one object."""

    status: int = 200
    body: bytes = b"{}"
    asked: list[tuple[str, str, str, bytes]] = field(default_factory=list)
    residence: Residence = HERE


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.asked.append((self.command, self.path, self.headers["Authorization"], body))
            self.send_response(script.status)
            self.end_headers()
            self.wfile.write(script.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.001})
        thread.start()
        script.residence = msgspec.structs.replace(HERE, url=f"http://127.0.0.1:{server.server_port}")
        yield script
        server.shutdown()
        thread.join()


def test_call_carries_token_and_body(scripted: Scripted) -> None:
    """The answer is what the resident said."""
    scripted.body = b'{"fault": 1}'
    assert scripted.residence.call("POST", "/inject", "kill: primary") == {"fault": 1}
    assert scripted.asked == [("POST", "/inject", "Bearer secret", b'"kill: primary"')]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, UsageError),
        (422, UsageError),
        (409, NoEffect),
        (401, EnvironmentFailure),
        (500, EnvironmentFailure),
        (503, EnvironmentFailure),
        (504, EnvironmentFailure),
    ],
)
def test_answer_that_is_no_success_is_an_error_of_its_kind(
    scripted: Scripted, status: int, error: type[Exception]
) -> None:
    """With the resident's own words: the exit status follows from the kind."""
    scripted.status, scripted.body = status, json.dumps({"error": "because"}).encode()
    with pytest.raises(error, match=r"^because$"):
        scripted.residence.call("POST", "/inject", "kill: primary")


def test_no_answer_is_the_machines_failure(scripted: Scripted) -> None:
    """Somebody else's page, or nobody at that port."""
    scripted.body = b"<html>"
    with pytest.raises(EnvironmentFailure, match="no answer from the control process"):
        scripted.residence.call("POST", "/heal", {})
    with pytest.raises(EnvironmentFailure, match="no answer from the control process"):
        HERE.call("POST", "/heal", {})
