"""What `up`, `status` and `down` do.

`up` starts a topology and lets it live on; the other verbs find it again by its run's id. What a held
topology needs to be found lies in the backend's own records.
"""

from __future__ import annotations

import json
import secrets
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO, cast

from harness.errors import EnvironmentFailure, UsageError
from harness.faults.refused import refused_by
from harness.held import residence
from harness.held.forms import Form
from harness.held.ready_lines import before_lines, ready_lines
from harness.held.residence import Residence
from harness.kit_files import command as kit_command
from harness.model.credentials import client_login, kit_login, sentinel_login
from harness.model.inventory import NodePlan
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.seams import HeldTopology, Login, NodeState, Topology
from harness.model.words import NodeRole
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.running.ground import Ground
from harness.running.surroundings import variables
from harness.safe_files import make_folder
from harness.topology.backends import backend_of, every_backend
from harness.topology.base.certificates import of_clients
from harness.topology.base.control import role

_OF_REDIS_CLI = {
    "REDIS_TLS_CA_FILE": "--cacert",
    "REDIS_TLS_CERT_FILE": "--cert",
    "REDIS_TLS_KEY_FILE": "--key",
}
_OF_REDIS_PY = {
    "REDIS_TLS_CA_FILE": "ssl_ca_certs",
    "REDIS_TLS_CERT_FILE": "ssl_certfile",
    "REDIS_TLS_KEY_FILE": "ssl_keyfile",
}
"""A variable -> how the client is told of its file."""


@dataclass(frozen=True, slots=True)
class _Found:
    record: Path
    attach: Callable[[], HeldTopology]
    beside: Callable[[Sequence[str]], list[str] | None] = lambda _: None
    """The command that starts another one where this topology can be looked at; None: here is right."""
    way_in: Callable[[], str] = lambda: ""

    @property
    def name(self) -> str:
        return self.record.stem


def up(
    plan: Plan,
    ground: Ground,
    out: Path,
    stream: TextIO,
    form: Form = Form.PEOPLE,
    *,
    listener: socket.socket,
    join: str | None = None,
    pins: Pins = FREE,
) -> int:
    """Start the plan's topology and hold it. `listener`: for its control interface. `join`: what of the
    user's gets an address beside the nodes, for as long as they are there."""
    if plan.skip is not None:
        raise UsageError(f"up: {plan.scenario.name}: {plan.skip}")
    backend = backend_of(ground.backend)
    run = secrets.token_hex(3)
    directory = out / f"held-{run}"
    make_folder(directory)
    with backend.up(
        plan,
        run=run,
        directory=directory,
        image=ground.image_of(plan),
        loopback=not ground.machine.network_faults,
        to_hold=True,
        join=join,
        pins=pins,
    ) as topology:
        record = topology.hold()
        try:
            control = residence.start(record, listener, partial(backend.beside, record))
        except EnvironmentFailure as problem:
            control = None
            print(f"failover-kit: {problem}", file=sys.stderr)
        except KeyboardInterrupt:  # nobody has heard of it, so nobody would take it down
            residence.finish(record)
            topology.close()
            raise
        if form is not Form.PEOPLE:
            held = _as_data(record.stem, topology, backend.way_in(record), control)
            _write(held if form is Form.JSON else held["environment"], form, stream)
            return 0
        print(f"held as {record.stem}, {topology.engine} ({ground.said}); files in {directory}", file=stream)
        _describe(topology, stream)
        print(_snippet(topology), file=stream)
        _tell_clients(record.stem, topology, stream)
        _tell_way_in(backend.way_in(record), stream)
        _tell_control(control, stream)
    if refused := ", ".join(refused_by(ground.machine, plan)):
        print(f"  {refused} cannot be injected: {ground.machine.why_no_network_faults}", file=stream)
    print(f"next: failover-kit status | inject 'kill: primary' | heal | down {record.stem}", file=stream)
    return 0


def status(run: str | None, stream: TextIO, form: Form = Form.PEOPLE) -> int:
    """Nodes, roles and ready-made commands of a held topology (of each, when none is named)."""
    if form is not Form.PEOPLE:
        return _status_for_machines(run, stream, form)
    chosen = [_one(run)] if run is not None else _all()
    if not chosen:
        print("no topology is held; start a topology with: failover-kit up NAME", file=stream)
    worst = 0
    for found in chosen:
        asked = kit_command("harness", "status", found.name)
        if len(chosen) > 1 and (elsewhere := found.beside(asked)) is not None:
            stream.flush()
            subprocess.run(elsewhere, check=False)
            continue
        try:
            _status(found, stream)
        except EnvironmentFailure as problem:  # the others are told all the same
            print(
                f"{found.name}: {problem}; to remove what is left of it: failover-kit down {found.name}",
                file=stream,
            )
            worst = EnvironmentFailure.exit_code
    return worst


def _status(found: _Found, stream: TextIO) -> None:
    topology = found.attach()
    try:
        print(
            f"{found.name}: {topology.plan.scenario.deployment.topology.kind}, "
            f"{topology.engine or 'no node answers'}",
            file=stream,
        )
        _describe(topology, stream)
        _tell_way_in(found.way_in(), stream)
        _tell_control(residence.of(found.record), stream)
    finally:
        topology.let_go()


def _status_for_machines(run: str | None, stream: TextIO, form: Form) -> int:
    """JSON: a list, of all or of the named one. Lines for a shell: of one only, as variables would mix."""
    chosen = [_one(run)] if run is not None or form is Form.SHELL else _all()
    described = []
    for found in chosen:
        topology = found.attach()
        try:
            described.append(_as_data(found.name, topology, found.way_in(), residence.of(found.record)))
        finally:
            topology.let_go()
    _write(described if form is Form.JSON else described[0]["environment"], form, stream)
    return 0


def down(run: str | None, stream: TextIO, *, everything: bool = False) -> int:
    """Stop a held topology, or all; their folders stay.

    Raises:
        EnvironmentFailure: one could not be stopped; the others were.
    """
    problems = []
    for found in _all() if everything else [_one(run)]:
        elsewhere = found.beside(kit_command("harness", "down", found.name)) if everything else None
        try:
            if elsewhere is not None:
                stream.flush()
                subprocess.run(elsewhere, check=False)
                continue
            residence.finish(found.record)
            found.attach().close()
        except EnvironmentFailure as problem:
            problems.append(f"{found.name}: {problem}")
        else:
            print(f"{found.name} is down", file=stream)
    if problems:
        raise EnvironmentFailure("\n".join(problems))
    return 0


def resident_of(run: str | None) -> Residence:
    """The resident of a held topology (of the only one, when none is named); one that died is started again.

    Raises:
        UsageError: no such topology is held, or several.
        EnvironmentFailure: it does not start.
    """
    found = _one(run)
    if (known := residence.of(found.record)) is not None:
        return known
    with residence.new_listener() as listener:
        return residence.start(found.record, listener, found.beside)


def _all() -> list[_Found]:
    return [
        _Found(
            path,
            partial(backend.attach, path),
            partial(backend.beside, path),
            partial(backend.way_in, path),
        )
        for backend in every_backend()
        if backend.unavailable() is None
        for path in backend.held()
    ]


def _one(run: str | None) -> _Found:
    known = _all()
    matching = [found for found in known if run is None or run in found.name]
    if len(matching) != 1:
        names = ", ".join(found.name for found in known) or "none"
        wanted = "one held topology" if run is None else f"one held topology called {run!r}"
        advice = "name one with --run" if known else "start one with: failover-kit up NAME"
        raise UsageError(f"expected {wanted}, found {names}; {advice}")
    return matching[0]


def _as_data(name: str, topology: Topology, way_in: str, control: Residence | None) -> dict[str, Any]:
    """What is known of a held topology. Its variables are those that a command gets from `with`."""
    return {
        "held": name,
        "topology": topology.plan.inventory.called,
        "engine": topology.engine,
        "way_in": way_in,
        "nodes": [_node_as_data(topology, node) for node in topology.plan.nodes],
        "environment": {**variables(topology), **(control.variables() if control else {})},
    }


def _node_as_data(topology: Topology, node: NodePlan) -> dict[str, Any]:
    address, state = topology.address(node.name), topology.state(node.name)
    running = state.running and not state.paused
    return {
        "name": node.name,
        "state": _condition(state),
        "role": _role(topology, node) if running else "",
        "host": address.host,
        "port": address.port,
    }


def _write(what: object, form: Form, stream: TextIO) -> None:
    if form is Form.JSON:
        print(json.dumps(what, indent=2), file=stream)
        return
    for name, value in sorted(cast("dict[str, str]", what).items()):
        print(f"export {name}={shlex.quote(value)}", file=stream)


def _tell_clients(name: str, topology: Topology, stream: TextIO) -> None:
    """Variables first, so that no password is typed."""
    print(f'  for clients: eval "$(failover-kit status --env {name})", then', file=stream)
    known = variables(topology)
    before = before_lines(known)
    for client, line in ready_lines(known, proxied=bool(topology.plan.inventory.proxies)).items():
        first = before.get(client, "")
        space = " " if first and not first.endswith("\n") else ""
        print(f"    {client}: {first}{space}{line}".replace("\n", "\n      "), file=stream)


def _condition(state: NodeState) -> str:
    return "paused" if state.paused else "running" if state.running else "down"


def _describe(topology: Topology, stream: TextIO) -> None:
    files = of_clients(topology.secrets, topology.directory)
    flags = [f"{flag} {shlex.quote(files[name])}" for name, flag in _OF_REDIS_CLI.items() if files]
    with_tls = "".join(f" {flag}" for flag in ("--tls", *flags))
    for node in topology.plan.nodes:
        address, state = topology.address(node.name), topology.state(node.name)
        condition = _condition(state)
        login = kit_login(topology.plan, node.name, topology.secrets)
        user = f" --user {login.user}" if login.user else ""
        secret = f"REDISCLI_AUTH={shlex.quote(login.password)} " if login.password else ""
        said = _role(topology, node) if condition == "running" else ""
        encrypted = with_tls if _speaks_tls(topology, node) else ""
        print(
            f"  {node.name:<12} {condition:<8} {said:<9} "
            f"{secret}redis-cli{user}{encrypted} -h {address.host} -p {address.port}",
            file=stream,
        )


def _speaks_tls(topology: Topology, node: NodePlan) -> bool:
    spec = topology.plan.scenario.deployment.topology
    return spec.clients_speak_tls if node.role is NodeRole.PROXY else spec.tls


def _tell_way_in(command: str, stream: TextIO) -> None:
    if command:
        print(
            f"  these addresses exist only inside its network: put this command before redis-cli: {command}",
            file=stream,
        )


def _tell_control(control: Residence | None, stream: TextIO) -> None:
    if control is not None:
        print(f"  control interface: {control.url}; `status --env` has its token", file=stream)


def _role(topology: Topology, node: NodePlan) -> str:
    """What the node says of itself now, in this kit's words."""
    try:
        return str(role(topology, node.name) or "")
    except (NoAnswer, ErrorReply):
        return "silent"


def _snippet(topology: Topology) -> str:
    """Lines of Python that connect as an application would."""
    plan = topology.plan
    entry = next(iter((*plan.inventory.proxies, *plan.data_nodes())))
    files = of_clients(topology.secrets, topology.directory)
    tls = "".join(f", {_OF_REDIS_PY[name]}={file!r}" for name, file in files.items())
    tls = f", ssl=True{tls}" if _speaks_tls(topology, entry) else ""
    known = _arguments(sentinel_login(plan, topology.secrets)) + tls
    login = _arguments(client_login(plan, topology.secrets)) + tls
    sentinels = [topology.address(node.name) for node in plan.sentinels()]
    if sentinels and not plan.inventory.proxies:
        hosts = ", ".join(f"({one.host!r}, {one.port})" for one in sentinels)
        return (
            "  from redis.sentinel import Sentinel\n"
            f"  sentinel = Sentinel([{hosts}], sentinel_kwargs=dict({known.removeprefix(', ')}))\n"
            f"  primary = sentinel.master_for({topology.service!r}{login})"
        )
    first = topology.address(entry.name)
    client = "RedisCluster" if plan.inventory.clustered else "Redis"
    return f"  import redis; redis.{client}(host={first.host!r}, port={first.port}{login})"


def _arguments(login: Login) -> str:
    """How redis-py is told."""
    user = f", username={login.user!r}" if login.user else ""
    return f"{user}, password={login.password!r}" if login.password else user
