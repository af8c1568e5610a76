"""Redis topologies for somebody's own tests: what the fixture `redis_failover` gives.

    topology = redis_failover("sentinel")
    with topology.fault("pause: primary") as fault:
        fault.wait("promoted")

Each topology is a `failover-kit with` of its own, in a process of its own. Its command does nothing: it
says what it learnt of the nodes, and lives until its standard input ends. That end comes for certain, when
the test is over and when the test session is gone, however it went; then the kit takes everything down.

Trap: this is loaded into test sessions that may have a package `harness` of their own, so nothing of the kit
is imported here, and nothing but the standard library.
"""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

_START = Path(__file__).resolve().parent / "start.py"

_TELL_AND_WAIT = """\
import json, os, sys
ours = ("REDIS_", "FAILOVER_CONTROL")
print(json.dumps({name: one for name, one in os.environ.items() if name.startswith(ours)}))
sys.stdout.flush()
sys.stdin.read()
"""

_TLS = {
    "ssl_ca_certs": "REDIS_TLS_CA_FILE",
    "ssl_certfile": "REDIS_TLS_CERT_FILE",
    "ssl_keyfile": "REDIS_TLS_KEY_FILE",
}

_GONE_WITHIN_S = 90.0
"""Nodes are watched for some 20 s after faults; then they are taken down."""

_ANSWER_S = 30.0
"""What a call may take beside what it waits for."""

_LAST_LINES = 12

NO_EFFECT = 3
"""The exit status of `with` where a fault had no effect."""


class FailoverError(Exception):
    """A topology did not start, a fault had no effect, or what was awaited did not happen."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """Of the call, as docs/your-tests.md lists them; None: it was no call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What all topologies of a test session have in common."""

    backend: str = "auto"
    engine: str | None = None
    seed: str | None = None
    results: Path = Path("runs")


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is in effect."""

    topology: Topology
    number: int
    nodes: tuple[str, ...]
    """Those that its target meant."""
    proof: str
    effect_s: float
    """Seconds since the topology was handed over."""

    def wait(self, event: str, within: str = "30s") -> float:
        """Wait for an event since this fault; returns how many seconds after its effect it came.

        Raises:
            FailoverError: it did not come in time.
        """
        return cast("float", self.topology.wait(event, within, fault=self.number)["event_s"]) - self.effect_s

    def heal(self) -> None:
        """Undo it; nodes that it killed or stopped run again. Once is enough."""
        self.topology.heal(fault=self.number)


@dataclass
class Topology:
    """Nodes that run. Made by the fixture."""

    environment: Mapping[str, str]
    """The variables that `failover-kit with` gives to a command."""
    _process: subprocess.Popen[str]
    _owner: socket.socket
    _said: Path
    _ended: bool = field(default=False)

    @property
    def host(self) -> str:
        """Of the node that was primary at the start."""
        return self.environment["REDIS_HOST"]

    @property
    def port(self) -> int:
        """Of the node that was primary at the start."""
        return int(self.environment["REDIS_PORT"])

    @property
    def password(self) -> str | None:
        """Of the Redis nodes; None: they have none."""
        return self.environment.get("REDIS_PASSWORD") or None

    @property
    def user(self) -> str | None:
        """The ACL user that clients log in as; None: the default one."""
        return self.environment.get("REDIS_USERNAME") or None

    @property
    def sentinels(self) -> list[tuple[str, int]]:
        """Host and port of each, as clients take them."""
        return _addresses(self.environment.get("REDIS_SENTINELS", ""))

    @property
    def sentinel_password(self) -> str | None:
        return self.environment.get("REDIS_SENTINEL_PASSWORD") or None

    @property
    def service(self) -> str:
        """The name under which sentinels know the primary.

        Raises:
            FailoverError: this topology has no sentinels.
        """
        if "REDIS_SERVICE" not in self.environment:
            raise FailoverError(
                "service: expected a topology with sentinels, such as redis_failover('sentinel')"
            )
        return self.environment["REDIS_SERVICE"]

    @property
    def cluster_nodes(self) -> list[tuple[str, int]]:
        """Host and port of each node of a cluster; empty: it is none."""
        return _addresses(self.environment.get("REDIS_CLUSTER_NODES", ""))

    @property
    def tls(self) -> dict[str, Any]:
        """What redis-py's clients take beside the password: `Redis(…, **topology.tls)`. Empty: plain TCP."""
        if "REDIS_TLS_CA_FILE" not in self.environment:
            return {}
        return {"ssl": True} | {name: self.environment[file] for name, file in _TLS.items()}

    def url(self, database: int = 0) -> str:
        """Leads to the node that was primary at the start."""
        return self.environment["REDIS_URL"].removesuffix("/0") + f"/{database}"

    @contextmanager
    def fault(self, fault: str) -> Iterator[Fault]:
        """Within it the fault is in effect; at its end it is healed, and nodes that it killed run again.

        Raises:
            FailoverError: there is no such fault, or it had no effect.
        """
        __tracebackhide__ = True
        one = self.inject(fault)
        try:
            yield one
        except BaseException as problem:
            try:
                one.heal()
            except FailoverError as unhealed:  # the test's own failure comes first
                problem.add_note(f"{fault}: not healed: {unhealed}")
            raise
        one.heal()

    def inject(self, fault: str) -> Fault:
        """Carry out a fault as a scenario's list has it: `kill: primary`; `after: promoted + 2s, restart:
        killed`. It lasts until it is healed.

        Raises:
            FailoverError: there is no such fault, or it had no effect.
        """
        __tracebackhide__ = True
        said = self._call("POST", "/inject", fault, within_s=3600.0)
        return Fault(self, said["fault"], tuple(said["nodes"]), said["proof"], said["effect_s"])

    def heal(self, fault: int | None = None) -> None:
        """Undo every fault that is in effect, or one, by its number."""
        self._call("POST", "/heal", {} if fault is None else {"fault": fault})

    def wait(self, event: str, within: str = "30s", fault: int | None = None) -> dict[str, Any]:
        """Wait for an event since a fault (default: the last one): agreed, elected, promoted, published,
        demoted, rebooted, healed, recovered.

        Raises:
            FailoverError: it did not come in time.
        """
        __tracebackhide__ = True
        since = "" if fault is None else f"&fault={fault}"
        return self._call("GET", f"/wait/{event}?within={within}{since}", within_s=3600.0)

    def status(self) -> dict[str, Any]:
        """Nodes with roles and addresses, the primary, what became of each fault."""
        return self._call("GET", "/status")

    def said(self) -> str:
        """What happened so far, line by line."""
        return self._said.read_text(encoding="utf-8", errors="replace")

    def close(self) -> None:
        """Take it down; returns once nothing is left. Idempotent.

        Raises:
            FailoverError: a fault that was listed at the start had no effect.
        """
        if self._ended:
            return
        self._ended = True
        self._owner.close()
        try:
            status = _await_end(self._process)
        except BaseException:
            self._process.send_signal(signal.SIGTERM)
            raise
        if status == NO_EFFECT:
            lost = [line for line in self.said().splitlines() if " had no effect: " in line]
            raise FailoverError("\n".join(lost))

    def _call(self, method: str, path: str, body: object = None, *, within_s: float = 60.0) -> dict[str, Any]:
        __tracebackhide__ = True
        address = self.environment["FAILOVER_CONTROL"].removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=within_s + _ANSWER_S)
        headers = {"Authorization": f"Bearer {self.environment['FAILOVER_CONTROL_TOKEN']}"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            said = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as problem:
            last = "\n".join(self.said().splitlines()[-_LAST_LINES:])
            raise FailoverError(
                f"{method} {path}: no answer from the kit: {problem}; it said last:\n{last}"
            ) from problem
        finally:
            connection.close()
        if answer.status != http.client.OK:
            raise FailoverError(said["error"], answer.status)
        return cast("dict[str, Any]", said)


class Topologies:
    """Starts topologies, and takes all of them down."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._started: list[Topology] = []
        self._folder = tempfile.TemporaryDirectory(prefix="failover-kit-pytest-")

    def __call__(
        self,
        target: str = "sentinel",
        *,
        faults: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
        engine: str | None = None,
    ) -> Topology:
        """Nodes that run. `target`: single, sentinel, cluster, split, shared; a deployment file; a scenario.

        `faults`: with their starts, counted from now. `settings`: such as
        `{"deployment.topology.down_after": "3s"}`.

        Raises:
            FailoverError: they could not be started; says why.
        """
        __tracebackhide__ = True
        words = [target, "--backend", self._options.backend, "--out", str(self._options.results)]
        words += [word for fault in faults for word in ("--fault", fault)]
        words += [word for name, value in (settings or {}).items() for word in ("--set", f"{name}={value}")]
        for option, value in (("--engine", engine or self._options.engine), ("--seed", self._options.seed)):
            words += [option, value] if value else []
        said = Path(self._folder.name) / f"{len(self._started)}.log"
        topology = _started(words, said)
        self._started.append(topology)
        return topology

    def close(self) -> str:
        """Take all down, the last first; returns what they said.

        Raises:
            FailoverError: a fault that was listed at the start had no effect.
        """
        said = ""
        try:
            for topology in reversed(self._started):
                try:
                    topology.close()
                finally:
                    said = f"{topology.said()}{said}"
        finally:
            for topology in self._started:
                topology._owner.close()  # noqa: SLF001 - ours; also where another one could not be closed
            self._folder.cleanup()
        return said


def _started(words: Sequence[str], said: Path) -> Topology:
    __tracebackhide__ = True  # in pytest, a failure is shown where the test asked
    command = [sys.executable, "-P", str(_START), "harness", "with", *words]
    owner, theirs = socket.socketpair()  # its end tells the kit's command that we are gone
    with theirs, said.open("wb") as errors:
        process = subprocess.Popen(
            [*command, "--", sys.executable, "-I", "-S", "-c", _TELL_AND_WAIT],
            stdin=theirs.fileno(),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # the terminal's Ctrl-C reaches us alone
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
    except BaseException:
        owner.close()
        process.send_signal(signal.SIGINT)
        process.wait(_GONE_WITHIN_S)
        raise
    if not line:
        owner.close()
        status = _await_end(process)
        last = "\n".join(said.read_text(errors="replace").strip().splitlines()[-_LAST_LINES:])
        raise FailoverError(last or f"the kit ended with status {status} and said nothing")
    return Topology(json.loads(line), process, owner, said)


def _await_end(process: subprocess.Popen[str]) -> int:
    try:
        return process.wait(_GONE_WITHIN_S)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGTERM)
        return process.wait()
    finally:
        if process.stdout is not None:
            process.stdout.close()


def _addresses(text: str) -> list[tuple[str, int]]:
    return [(host, int(port)) for host, _, port in (one.rpartition(":") for one in text.split(",") if one)]
