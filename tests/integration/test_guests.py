"""Guests as processes: what is wrong with an application is found, named, and nobody else is accused."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.checks.run import run_checks
from harness.clock import RunClock
from harness.errors import EnvironmentFailure
from harness.guests.browser import Client
from harness.guests.fleet import GuestFleet
from harness.guests.walk import Walk, walk_through
from harness.guests.web_server import GuestServer
from harness.model.guest import Guest
from harness.model.seams import Address
from harness.model.words import Outcome
from harness.running.guest_servers import at_address
from harness.scenario import load_guest
from harness.topology.base.processes import ProcessIdentity, alive, identity, stopped
from harness.topology.docker import backend as docker
from harness.topology.docker.image import choose_image
from harness.topology.process.backend import unavailable
from harness.topology.process.web_process import WebProcess
from lab.guests.measured import Cell
from lab.guests.page import Table
from lab.rows import ROOT
from lab.toy_guest.driven import GUEST, history_of
from tests.builders_sessions import free_port, until

SECONDS = 2.5
PATIENCE_S = 60.0
"""Of browsers, where no request is meant to hang: how busy the machine is must decide nothing."""
FOUND = {
    "": set[str](),
    "cookie deleted": {"cookie-deleted"},
    "anonymous page": {"anonymous-page"},
    "log-in not stored": {"told-ok-then-lost"},
    "another user": {"foreign-session"},
    "new cookie not stored": {"lost-session"},
    "field not stored": {"lost-update"},
    "added twice": {"doubled-update"},
    "logout not stored": {"resurrected-session"},
    "hangs": {"hung-request"},
    "dies": {"app-died"},
    "connects without end": {"connection-storm"},
    "shut for good": {"needs-restart"},
    "error page": set[str](),
}
"""What is wrong with the toy -> the findings. An error page is an outage, and no finding."""


def process_of(folder: Path, noted: dict[str, ProcessIdentity]) -> WebProcess:
    at = Address("127.0.0.1", free_port())
    return WebProcess("web-1", at, namespace=None, log=folder / "log", note=noted.__setitem__)


WORKER = "exec sleep 60 & echo $! > worker; wait"
IN_ITS_OWN_SESSION = "setsid sh -c 'echo $$ > worker; exec sleep 60'; wait"
"""Two commands of a web server with a worker. The second one stands for a daemon."""


def worker_of(process: WebProcess, command: str, folder: Path) -> ProcessIdentity:
    """Of a web server that is started with this command."""
    process.start(["sh", "-c", command], {"PATH": os.environ["PATH"]}, folder)
    until(lambda: (folder / "worker").exists() and (folder / "worker").read_text().endswith("\n"))
    worker = identity(int((folder / "worker").read_text()))
    assert worker is not None
    (folder / "worker").unlink()
    return worker


@pytest.mark.parametrize("command", [WORKER, IN_ITS_OWN_SESSION])
def test_a_killed_web_server_takes_its_workers_along(
    command: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Whatever it started is gone when `kill` returns, and it can be started again."""
    noted: dict[str, ProcessIdentity] = {}
    process = process_of(tmp_path, noted)
    request.addfinalizer(process.end)
    for _ in range(2):
        worker = worker_of(process, command, tmp_path)
        assert alive(noted["web-1"])
        process.pause()
        assert stopped(worker.pid)
        process.resume()
        process.kill()
        assert not process.running
        assert not alive(worker)


def test_what_a_web_server_left_behind_is_gone_after_the_run(tmp_path: Path) -> None:
    """Also where the web server itself had ended before. What another web server started lives on."""
    process, other = process_of(tmp_path, {}), process_of(tmp_path, {})
    daemon = worker_of(process, f"({IN_ITS_OWN_SESSION}) & until [ -e go ]; do :; done; exit 3", tmp_path)
    others = worker_of(other, IN_ITS_OWN_SESSION, tmp_path)
    try:
        (tmp_path / "go").touch()
        until(lambda: process.exit_status == 3)
        assert alive(daemon)
        process.end()
        assert not alive(daemon)
        assert alive(others)
    finally:
        other.end()
    assert not alive(others)


def test_a_command_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    """And one that ends at once leaves its status and its last words."""
    process = process_of(tmp_path, {})
    with pytest.raises(
        EnvironmentFailure, match=r"web-1: 'no-such-program' in .* cannot be started: No such file"
    ):
        process.start(["no-such-program"], {}, tmp_path)
    process.start(["sh", "-c", "echo no module named app; exit 3"], {"PATH": os.environ["PATH"]}, tmp_path)
    until(lambda: not process.running)
    assert (process.exit_status, process.last_lines(5)) == (3, "no module named app")


async def paused_and_resumed(process: WebProcess) -> tuple[bool, int]:
    """Whether a request to a paused web server had to wait, and the status of the answer after it was resumed."""
    fleet = GuestFleet(
        replace(load_guest(GUEST), timeout_s=60.0),
        {"web-1": process},
        environment={},
        fill=at_address,
        record=lambda _: None,
        clock=RunClock(),
    )
    try:
        await fleet.start()
        assert await fleet.pause("web-1") == "web-1 is frozen with its workers"
        asked = asyncio.create_task(fleet.client.ask(process.address, "get", "/me", headers={}))
        await asyncio.wait({asked}, timeout=0.3)
        waited = not asked.done()
        await fleet.resume("web-1")
        return waited, (await asked)[0].status
    finally:
        await fleet.close()


def test_a_paused_web_server_answers_once_it_goes_on(tmp_path: Path) -> None:
    """Its connections stay open meanwhile, and what was sent to it is not lost."""
    assert asyncio.run(paused_and_resumed(process_of(tmp_path, {}))) == (True, 200)


@pytest.mark.parametrize(("bug", "expected"), FOUND.items(), ids=lambda one: str(one) or "none")
def test_a_bug_of_the_toy_is_named(bug: str, expected: set[str], tmp_path: Path) -> None:
    """Each bug under its own name, and nothing else."""
    patience_s = None if bug == "hangs" else PATIENCE_S
    history = history_of(bug, free_port(), tmp_path, seconds=SECONDS, patience_s=patience_s)
    findings, counts, _, crashed = run_checks(history)
    assert not crashed
    told = Counter(f"{one.name}: {one.sentence}" for one in findings)
    assert {one.name for one in findings} == expected, told
    outcomes = Counter(one.outcome for one in history.operations)
    assert outcomes[Outcome.ACKED] > 20
    if bug == "error page":
        assert outcomes[Outcome.UNKNOWN] > 2
    if not bug:
        assert outcomes.keys() <= {Outcome.ACKED, Outcome.NOT_SENT}
        assert all(one.high == 0 for one in counts.values())


Cells = dict[tuple[str, str], Cell]

SMOKE = (
    "--guest",
    "flask/guest",
    "--guest",
    "django/guest",
    "--fault",
    "restarted",
    "--fault",
    "primary-killed",
)


@pytest.fixture(scope="module")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """Two applications through two faults, by the command behind `make guests`."""
    if (why := unavailable()) is not None:
        pytest.skip(why)
    install = ["make", "-s", "guest-environments", "GUESTS=flask django", "GUESTS_OF_NODE="]
    subprocess.run(install, cwd=ROOT, check=True, timeout=300)
    into = tmp_path_factory.mktemp("guests")
    command = [sys.executable, "-m", "lab.guests", *SMOKE, "--jobs", "4", "--into", str(into)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=400)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    again = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert "--- " not in again.stdout, "nothing is missing, so nothing runs again"
    table = msgspec.json.decode((into / "guests.json").read_bytes(), type=Table)
    return table.by_place


def test_django_puts_users_out_where_flask_shows_an_error_page(smoke: Cells) -> None:
    """While its only Redis is away Django takes everybody for nobody, and deletes the cookie. Nothing is lost."""
    flask, django = (smoke[f"{name}/guest.yaml", "restarted-with-data"] for name in ("flask", "django"))
    assert not flask.why_not + django.why_not
    assert django.put_out >= django.cookies_deleted > 0
    assert (flask.put_out, flask.cookies_deleted, flask.pages_for_nobody, flask.hung) == (0, 0, 0, 0)
    assert flask.errors_s > 1


@pytest.mark.parametrize("name", ["flask", "django"])
def test_a_failover_is_a_time_of_error_pages(smoke: Cells, name: str) -> None:
    """Both follow Sentinel to the new primary, and nobody waits for an answer in vain."""
    cell = smoke[f"{name}/guest.yaml", "primary-killed"]
    assert not cell.why_not
    assert cell.errors_s > 0
    assert cell.hung == 0


MISFITS = {
    "does not start": "it ended with status 1; it printed last:\nno module named shop",
    "listens elsewhere": "nothing listens there; does its command use {HOST} and {PORT}?",
    "dies": "behaviours.log-in: .* the answer broke off: .*; its process ended with status 7",
    "sends no cookie": "behaviours.log-in: expected the cookie 'sid' in its answer, found none",
    "shows everybody the same": "expected a page that names nobody as long as nobody has logged in, found ok",
    "never names the user": "behaviours.read: expected a page that names the user 'kit' after the log-in",
    "needs a token": "found answered 403; if it asks for a CSRF token, say where it is: 'csrf'",
    "redirects in circles": "expected a page that names the user 'kit' after the log-in, found .* (302 to /me)",
    "streams for ever": "its answer began, and did not end in time",
}
"""Why an application cannot be judged -> what the kit says of it."""


def misfit(folder: Path, why: str, csrf: str = "") -> Guest:
    """An application that is wrong in one way. Only what must run into a limit has a short one."""
    waits = "timeout: 2s" if why == "streams for ever" else ""
    within = "2s" if why == "listens elsewhere" else "60s"
    form = 'user: "{user}"' + (', csrf: "{csrf}"' if csrf else "")
    (folder / "guest.yaml").write_text(
        f"guest: 1\nname: a misfit\nstart: [{sys.executable}, {ROOT / 'lab/toy_guest/misfit.py'}]\n"
        f'environment: {{MISFIT: {why}, PORT: "{{PORT}}"}}\n'
        f"ready: {{get: /health, within: {within}}}\n{waits}\ncookie: sid\n"
        f"behaviours:\n  log-in: {{post: /login, form: {{{form}}}{csrf}}}\n"
        "  read: {get: /me, user: {json: user}}\n"
    )
    return load_guest(folder / "guest.yaml")


async def understood(guest: Guest, folder: Path) -> Walk:
    process = process_of(folder, {})
    client = Client(RunClock(), timeout_s=guest.timeout_s)
    server = GuestServer("web-1", process, guest, {"PATH": os.environ["PATH"]}, at_address)
    try:
        await server.start()
        await server.serves(client)
        return await walk_through(guest, server, client)
    finally:
        await server.end()
        await client.close()


@pytest.mark.parametrize(("why", "said"), MISFITS.items())
def test_what_cannot_be_judged_is_one_clear_sentence(why: str, said: str, tmp_path: Path) -> None:
    """Whatever is wrong with an application, it is refused before there is a load, and never a finding."""
    guest = misfit(tmp_path, why)
    try:
        problems = "\n".join(asyncio.run(understood(guest, tmp_path)).problems)
    except EnvironmentFailure as failure:
        problems = str(failure)
    assert re.search(said.replace("?", r"\?").replace("(", r"\(").replace(")", r"\)"), problems), problems


def test_a_token_is_taken_from_a_page(tmp_path: Path) -> None:
    """The same application, once the guest file says where the token is."""
    guest = misfit(tmp_path, "needs a token", ", csrf: {get: /form, json: token}")
    walk = asyncio.run(understood(guest, tmp_path))
    assert not walk.problems


PERL = ROOT / "lab" / "toy_guest" / "anywhere.pl"
"""An application that needs perl and nothing else, so that it runs anywhere."""


def anywhere(folder: Path, way: str) -> Path:
    file = folder / "guest.yaml"
    file.write_text(
        f"guest: 1\nname: anywhere\n{way}\nready: {{get: /health, within: 60s}}\ncookie: sid\n"
        'back_door: {key: "sess:{id}"}\n'
        "behaviours:\n"
        '  log-in: {post: /login, form: {user: "{user}"}, done: {status: 200}}\n'
        "  read: {get: /me, user: {json: user}, done: {status: 200}, values: {theme: {json: theme}}}\n"
        '  change-field: {post: /theme, form: {theme: "{value}"}, done: {status: 200}}\n'
        "  logout: {post: /logout, done: {status: 200}}\n"
    )
    return file


def checked(file: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "failover_kit", "guest", "check", str(file), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)


@pytest.mark.docker
@pytest.mark.skipif(docker.unavailable() is not None, reason="no Docker")
def test_a_guest_can_be_a_container(tmp_path: Path) -> None:
    """In the network of the nodes, with their variables; its sessions are found under their keys."""
    image = choose_image("redis-8.0").name
    command = json.dumps(["perl", "-e", PERL.read_text(encoding="utf-8")])
    file = anywhere(tmp_path, f"container: {{image: {image}, command: {command}}}")
    said, _ = checked(file).communicate(timeout=300)
    assert "it can be judged" in said, said
    assert re.search(r"back door, after log-in +PTTL sess:\w+ +-1 +there, never ends", said), said


@pytest.mark.docker
@pytest.mark.skipif(docker.unavailable() is not None, reason="no Docker")
def test_a_guest_can_be_a_service_of_a_project(tmp_path: Path) -> None:
    """Which sets its variables itself, and has its Redis beside it."""
    image = choose_image("redis-8.0").name
    shop = ["perl", "-e", PERL.read_text(encoding="utf-8").replace("$", "$$")]
    services = {
        "redis": {"image": image, "command": ["redis-server"]},
        "shop": {"image": image, "command": shop, "environment": {"REDIS_HOST": "redis"}},
    }
    (tmp_path / "docker-compose.yml").write_text(json.dumps({"services": services}))
    (tmp_path / "ours.yaml").write_text("deployment: 1\nname: ours\ncompose: ./docker-compose.yml\n")
    file = anywhere(tmp_path, "service: {name: shop, port: 8000}")
    said, _ = checked(file, "--beside", str(tmp_path / "ours.yaml")).communicate(timeout=300)
    assert "it can be judged" in said, said
    assert re.search(r"back door, after log-in +PTTL sess:\w+ +-1 +there, never ends", said), said


@pytest.mark.skipif(shutil.which("perl") is None, reason="no perl")
def test_a_guest_can_be_what_its_user_runs(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """It is waited for, with the variables of this run; they are gone afterwards."""
    port, file = free_port(), tmp_path / "redis.env"
    check = checked(anywhere(tmp_path, f"address: 127.0.0.1:{port}\nenvironment_file: {file.name}"))
    request.addfinalizer(check.kill)
    until(file.exists, within_s=120)
    start = f"set -a; . {file}; HOST=127.0.0.1 PORT={port} exec perl {PERL}"
    theirs = subprocess.Popen(["sh", "-c", start], env={"PATH": os.environ["PATH"]})
    request.addfinalizer(theirs.wait)
    request.addfinalizer(theirs.kill)
    said, _ = check.communicate(timeout=300)
    assert "it can be judged" in said, said
    assert not file.exists()
    assert theirs.poll() is None, "the kit does nothing to it"
