"""A running topology of server processes.

A node keeps its address, its folder and its namespace while it is dead. `hold` lets a topology live on when
the harness ends; `backend.attach` finds it again.

Layout in the run's folder: nodes/<name>/ with the configuration, log.txt and data/ (RDB, AOF,
nodes.conf), nothing anywhere else. The passwords are blotted out there when the run ends.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Protocol

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, NoEffect
from harness.model.engine import SEPARATOR
from harness.model.inventory import KEPT_SNAPSHOT_FILE, SNAPSHOT_FILE, NodePlan
from harness.model.links import LinkRule
from harness.model.plan import Plan
from harness.model.seams import Address, NodeState, Secrets, Source
from harness.model.words import BackendKind, NodeRole, Trait
from harness.redis_wire import info
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.topology.base import certificates, configuration, readiness, unsynced
from harness.topology.base.control import command
from harness.topology.base.cuts import Recorded
from harness.topology.base.keeper import Keeper
from harness.topology.base.namespaces import Namespace
from harness.topology.base.processes import end, outer_user
from harness.topology.process import own_clock, proxy_program, server_programs
from harness.topology.process.loopback import Loopback
from harness.topology.process.network import Network
from harness.topology.process.run_record import Held, RunRecord
from harness.topology.process.server import NOTHING_MORE, Server
from harness.topology.process.web_process import WebProcess

ANSWERS_WITHIN_S = 15.0
"""A start takes 20 ms; loading a large AOF answers LOADING at once."""

_EVERY_S = 0.005
_LOG_LINES = 15

_KEPT_WHEN_EMPTIED = {"nodes.conf", certificates.FOLDER}
"""A cluster node that loses its data stays the same member, and keeps its certificate."""


_FILES = {NodeRole.SENTINEL: "sentinel.conf", NodeRole.PROXY: "haproxy.cfg"}
"""The configuration file of a role; that of the others is redis.conf."""


class Wiring(Protocol):
    """What `Network` and `Loopback` have in common."""

    @property
    def loopback(self) -> bool: ...
    @property
    def addresses(self) -> Mapping[str, Address]: ...
    @property
    def web_addresses(self) -> Mapping[str, Address]: ...
    def source(self, web_server: str) -> Source: ...
    def observer(self) -> Source: ...
    def inside(self, node: str) -> Namespace | None: ...
    def descriptors(self) -> dict[str, int]: ...
    def cuts(self) -> Recorded: ...
    def apply(self, rule: LinkRule, *, by: int) -> str: ...
    def mend(self, *, by: int) -> None: ...
    def close(self) -> None: ...
    def let_go(self) -> None: ...


class ProcessTopology:
    """Running server processes; see `harness.model.seams.Topology` for what the methods promise."""

    backend = BackendKind.PROCESS

    def __init__(
        self,
        *,
        plan: Plan,
        directory: Path,
        program: Path,
        secrets: Secrets,
        wiring: Wiring,
        run_record: RunRecord,
    ) -> None:
        self.plan = plan
        self.secrets = secrets
        self.engine = ""
        self.directory = directory
        self._wiring = wiring
        self._run_record = run_record
        self._wiring_lock = threading.Lock()
        self._names = {(at.host, at.port): name for name, at in wiring.addresses.items()}
        self._servers = {node.name: self._server(node, program) for node in plan.nodes}
        self._web = {name: self._web_process(name, at) for name, at in wiring.web_addresses.items()}
        if self.held:
            self.engine = self._identified_by_any()

    @property
    def loopback(self) -> bool:
        return self._wiring.loopback

    @property
    def held(self) -> bool:
        return self._run_record.owned.held is not None

    @property
    def service(self) -> str:
        return self.plan.scenario.deployment.topology.service

    def address(self, node: str) -> Address:
        return self._wiring.addresses[node]

    def node_at(self, host: str, port: int) -> str | None:
        return self._names.get((host, port))

    def source(self, web_server: str) -> Source:
        return self._wiring.source(web_server)

    def observer(self) -> Source:
        return self._wiring.observer()

    def web_process(self, web_server: str) -> WebProcess:
        return self._web[web_server]

    def state(self, node: str) -> NodeState:
        return self._servers[node].state()

    def kill(self, node: str) -> None:
        self._servers[node].kill()

    def stop(self, node: str) -> None:
        self._servers[node].stop(self.plan.node(node).orderly_stop_s)

    def pause(self, node: str) -> None:
        self._servers[node].pause()

    def resume(self, node: str) -> None:
        self._servers[node].resume()

    def start(self, node: str, *, empty: bool = False) -> None:
        if self.state(node).running:
            raise EnvironmentFailure(
                f"{node}: expected it to be stopped before it is started, found it running"
            )
        obstructed = self._snapshot(node).is_dir()
        if obstructed:  # a full volume can be read
            self.clear(node)
        if empty:
            self._empty(node)
        self._spawn(node)
        self._await_answer(node)
        if obstructed:
            self.obstruct(node)

    def change(self, node: str, *, lines: Sequence[str] = (), engine: str | None = None) -> None:
        file = self._configuration_file(self.plan.node(node))
        if lines:
            with file.open("a", encoding="utf-8") as configuration_file:
                configuration_file.write("\n" + "".join(f"{line}\n" for line in lines))
        if engine is not None:
            program = server_programs.find(wanted=engine).path
            self._servers[node].become(_command(self.plan.node(node), program, file))

    def move(self, node: str, *, abandoned: bool) -> Address:
        if self.held or not isinstance(self._wiring, Network):
            raise NoEffect(f"{node} keeps its address: whoever finds this topology again would not know it")
        moved = self._wiring.move(node, abandoned=abandoned)
        self._names[moved.host, moved.port] = node
        self.change(node, lines=[f"bind {moved.host}"])
        return moved

    def set_clock(self, node: str, ahead_s: float) -> None:
        own_clock.set_ahead(self._clock(node), ahead_s)

    def data_files(self, node: str) -> Sequence[Path]:
        found = (
            file for suffix in ("aof", "rdb") for file in (self._folder(node) / "data").rglob(f"*.{suffix}")
        )
        return sorted(file for file in found if file.is_file())

    def why_no_power_loss(self, node: str) -> str:
        return unsynced.why_not(self._folder(node) / "data")

    def cut_power(self, node: str) -> None:
        self._servers[node].pause()

    def first_unsynced(self, file: Path) -> int | None:
        return unsynced.first_unsynced(file)

    def refuse_writes(self, node: str) -> None:
        self._servers[node].refuse_writes()

    def allow_writes(self, node: str) -> None:
        self._servers[node].allow_writes()

    def obstruct(self, node: str) -> None:
        place = self._snapshot(node)
        if place.is_file():
            place.rename(place.with_name(KEPT_SNAPSHOT_FILE))
        place.mkdir(exist_ok=True)
        (place / "full").touch()

    def clear(self, node: str) -> None:
        place = self._snapshot(node)
        if not place.is_dir():
            return
        shutil.rmtree(place)
        if (kept := place.with_name(KEPT_SNAPSHOT_FILE)).is_file():
            kept.rename(place)

    def apply(self, rule: LinkRule, *, by: int) -> str:
        with self._wiring_lock:
            try:
                return self._wiring.apply(rule, by=by)
            finally:
                self._note_cuts()

    def mend(self, *, by: int) -> None:
        with self._wiring_lock:
            self._wiring.mend(by=by)
            self._note_cuts()

    def cutting(self) -> tuple[int, ...]:
        return tuple(self._wiring.cuts())

    def logs(self, node: str, lines: int = 40) -> str:
        return configuration.redact(self._servers[node].last_lines(lines), self.secrets)

    def collect(self, into: Path) -> None:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        for node in self.plan.nodes:
            folder = self._folder(node.name)
            texts = {
                f"{node.name}.log": folder / "log.txt",
                f"{node.name}.conf": self._configuration_file(node),
                f"{node.name}.nodes.conf": folder / "data" / "nodes.conf",
            }
            for name, source in texts.items():
                if source.is_file():
                    text = source.read_text(encoding="utf-8", errors="replace")
                    (into / name).write_text(configuration.redact(text, self.secrets), encoding="utf-8")

    def prepare(self) -> None:
        """Write every node's folder and configuration, and what clients need."""
        certificates.hand_out(self.secrets, self.directory)
        for node in self.plan.nodes:
            data = self._folder(node.name) / "data"
            text = configuration.render(
                node,
                self.plan,
                addresses=self._wiring.addresses,
                secrets=self.secrets,
                directory=str(data),
            )
            try:
                for folder in (data.parent.parent, data.parent, data):
                    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._certify(data, node.role)
                if self._own_clocks:
                    self.set_clock(node.name, 0.0)
                file = self._configuration_file(node)
                file.touch(mode=0o600)
                file.write_text(text, encoding="utf-8")
                if (known := configuration.first_nodes_file(node, self.plan, self.secrets)) is not None:
                    (data / "nodes.conf").write_text(known, encoding="ascii")
            except OSError as error:
                raise EnvironmentFailure(f"{data.parent}: cannot write the node's files: {error}") from error

    def _certify(self, data: Path, role: NodeRole) -> None:
        if self.secrets.certificates is None:
            return
        folder = data / certificates.FOLDER
        folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in certificates.files(self.secrets.certificates, role).items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_text(text, encoding="ascii")

    def start_all(self) -> None:
        """Start the data nodes side by side, form the topology, wait until it is ready."""
        nodes = [node.name for node in self.plan.data_nodes()]
        for node in nodes:
            self._spawn(node)
        for node in nodes:
            self._await_answer(node)
        asked = nodes if self.plan.inventory.engines else nodes[:1]
        self.engine = SEPARATOR.join(dict.fromkeys(map(self._identified, asked)))
        readiness.assemble(self)

    def close(self) -> None:
        """Take everything down; returns once nothing is left. Results stay."""
        with ExitStack() as last_first:
            last_first.callback(self._run_record.give_up)
            last_first.callback(self._tidy)
            last_first.callback(self._wiring.close)
            if self._run_record.owned.held:
                last_first.callback(end, self._run_record.owned.held.keeper)
            for server in self._servers.values():
                last_first.callback(server.end)
            for web in self._web.values():
                last_first.callback(web.end)

    def hold(self) -> Path:
        """Let the topology live on after this process; returns the record by which `held.attach` finds it."""
        descriptors = self._wiring.descriptors()
        keeper = Keeper(tuple(descriptors.values()))
        self._run_record.owned.held = Held(
            keeper=keeper.identity,
            descriptors=descriptors,
            subnet=str(self._wiring.subnet) if isinstance(self._wiring, Network) else None,
            first_port=self._wiring.first_port if isinstance(self._wiring, Loopback) else None,
            pinned=self._wiring.pinned if isinstance(self._wiring, Loopback) else {},
            cuts=self._wiring.cuts(),
            secrets=self.secrets,
            plan=self.plan,
            in_user_namespace=outer_user() != os.getuid(),
        )
        self._run_record.save()
        keeper.stay()  # last: killed before, this leaves a record without a keeper, which `clean` removes
        return self._run_record.path

    def let_go(self) -> None:
        """Close what this process has of a held topology, and leave the topology as it is."""
        for server in self._servers.values():
            server.let_go()
        self._wiring.let_go()

    def _server(self, node: NodePlan, program: Path) -> Server:
        program = server_programs.find(wanted=node.engine).path if node.engine else program
        return Server(
            node.name,
            command=_command(node, program, self._configuration_file(node)),
            directory=self._folder(node.name),
            log=self._folder(node.name) / "log.txt",
            namespace=self._wiring.inside(node.name),
            process=self._run_record.owned.nodes.get(node.name),
            environment=own_clock.environment(self._clock(node.name)) if self._own_clocks else NOTHING_MORE,
        )

    def _web_process(self, name: str, at: Address) -> WebProcess:
        return WebProcess(
            name,
            at,
            namespace=self._wiring.inside(name),
            log=self.directory / "web" / f"{name}.log",
            note=self._run_record.note,
        )

    @property
    def _own_clocks(self) -> bool:
        return bool(self.plan.scenario.faults_with(Trait.OWN_CLOCK))

    def _clock(self, node: str) -> Path:
        return self._folder(node) / "clock"

    def _folder(self, node: str) -> Path:
        return self.directory / "nodes" / node

    def _snapshot(self, node: str) -> Path:
        return self._folder(node) / "data" / SNAPSHOT_FILE

    def _configuration_file(self, node: NodePlan) -> Path:
        return self._folder(node.name) / _FILES.get(node.role, "redis.conf")

    def _spawn(self, node: str) -> None:
        self._run_record.note(node, self._servers[node].spawn())

    def _await_answer(self, node: str) -> None:
        def answered_or_over() -> bool:
            return not self.state(node).running or readiness.answers(self, node)

        what = f"{node} to answer"
        try:
            wait_until(answered_or_over, within_s=ANSWERS_WITHIN_S, waiting_for=what, every_s=_EVERY_S)
        except WaitExpired as error:
            raise EnvironmentFailure(f"{error}\n{self.logs(node, _LOG_LINES)}") from error
        state = self.state(node)
        if not state.running:
            raise EnvironmentFailure(
                f"{node} did not start (exit status {state.exit_code}); its log ends with\n"
                f"{self.logs(node, _LOG_LINES)}"
            )
        if self.plan.node(node).role is not NodeRole.PROXY:  # what answers behind a proxy is a node
            self._identified(node)

    def _identified(self, node: str) -> str:
        """The engine that answers at a node's address, once it is proved to be the process of ours."""
        try:
            said = info.fields(command(self, node, "INFO", "server"))
        except (NoAnswer, ErrorReply) as error:
            raise EnvironmentFailure(f"{node}: does not answer INFO: {error}") from error
        pid = self.state(node).pid
        if int(said["process_id"]) != pid:
            raise EnvironmentFailure(
                f"{node}: expected process {pid} at {self.address(node)}, found {said['process_id']}"
            )
        return info.engine(said)

    def _identified_by_any(self) -> str:
        """Of a held topology any node may be down or paused by now; empty: all are."""
        answering = (
            node.name
            for node in self.plan.data_nodes()
            if self.state(node.name).running and readiness.answers(self, node.name)
        )
        asked = answering if self.plan.inventory.engines else islice(answering, 1)
        return SEPARATOR.join(dict.fromkeys(map(self._identified, asked)))

    def _empty(self, node: str) -> None:
        for path in (self._folder(node) / "data").iterdir():
            if path.name in _KEPT_WHEN_EMPTIED:
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _note_cuts(self) -> None:
        held = self._run_record.owned.held
        if held:
            held.cuts = self._wiring.cuts()
            self._run_record.save()

    def _tidy(self) -> None:
        """Leave logs and configuration without passwords, and no data."""
        certificates.take_back(self.directory)
        for node in self.plan.nodes:
            shutil.rmtree(self._folder(node.name) / "data", ignore_errors=True)
            own = self._configuration_file(node)
            # A server that is killed while it rewrites its configuration leaves `redis.conf.1-2.tmp`.
            for file in self._folder(node.name).glob(f"{own.name}*"):
                if file != own:
                    file.unlink(missing_ok=True)
            if own.is_file():
                self._blot_out(own)
        for file in (self.directory / "web").glob("*"):
            if file.suffix == ".log":
                self._blot_out(file)
            elif not file.is_dir():  # of the application itself
                file.unlink(missing_ok=True)

    def _blot_out(self, file: Path) -> None:
        text = configuration.redact(file.read_text(encoding="utf-8", errors="replace"), self.secrets)
        file.write_text(text, encoding="utf-8")


def _command(node: NodePlan, program: Path, configuration: Path) -> list[str]:
    if node.role is NodeRole.PROXY:
        found = proxy_program.path()
        assert found is not None, "`fits` has asked"
        return [str(found), "-db", "-f", str(configuration)]
    sentinel = ["--sentinel"] if node.role is NodeRole.SENTINEL else []
    return [str(program), str(configuration), *sentinel]
