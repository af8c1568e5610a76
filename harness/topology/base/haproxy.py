"""The haproxy.cfg of a proxy: published shapes of HAProxy before Sentinel, with a run's addresses. Pure.

A shape says what makes a node the one that clients are sent to, how often that is asked, and what happens to
connections when it is so no more. Clients connect to one address; behind it only TCP is understood, so TLS of
clients is between them and the node. Checks speak TLS themselves.

The traps. Without the `QUIT` a check of a replica waits for a text that never comes, as long as the check
may take. HAProxy before 3.0 takes servers for UP until the first check says otherwise. A vote (`use-server …
if`, `nbsrv`) decides about new connections only; just a failed check of the server itself ends old ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.model.inventory import PROXY_STATS_PORT
from harness.model.proxy import ProxyShape, ProxySpec
from harness.model.seams import Address, Login

VOTES_PORT = 9100
"""Of the votes about the first node; those about the next ones follow."""

SERVERS = "redis"
"""The backend with the data nodes; a shape with a backend for each has their names behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What the proxy stands before."""

    own: str
    """Its own host."""
    port: int
    nodes: Mapping[str, Address]
    """The data nodes, in the order in which the proxy tries them."""
    sentinels: Mapping[str, Address]
    service: str
    login: Login
    """How a check logs in at data nodes."""
    sentinel_login: Login
    tls: str = ""
    """What a server's line says where checks speak TLS; empty: they do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A shape's own, changed by what a deployment says."""

    check_every_s: float
    fall: int
    rise: int
    shutdown_sessions: bool


_USUAL: Mapping[ProxyShape, Settings] = {
    ProxyShape.ROLE: Settings(check_every_s=1.0, fall=3, rise=2, shutdown_sessions=False),
    ProxyShape.FAST: Settings(check_every_s=0.2, fall=1, rise=1, shutdown_sessions=True),
    ProxyShape.VOTES: Settings(check_every_s=1.0, fall=1, rise=1, shutdown_sessions=True),
    ProxyShape.ROLE_AND_SENTINEL: Settings(check_every_s=1.0, fall=1, rise=1, shutdown_sessions=True),
    ProxyShape.ROLE_AND_MAJORITY: Settings(check_every_s=1.0, fall=1, rise=1, shutdown_sessions=True),
}
"""`role` is as HAProxy's own blog has it."""


def settings_of(spec: ProxySpec) -> Settings:
    """What a proxy goes by: the shape's usual settings, and what the deployment says instead."""
    usual = _USUAL[spec.shape]
    given = {name: getattr(spec, name) for name in Settings.__slots__ if getattr(spec, name) is not None}
    return replace(usual, **given)


def render(spec: ProxySpec, around: Surroundings) -> str:
    """The whole file."""
    settings = settings_of(spec)
    parts = [process(around.own), _defaults(spec), *_SHAPES[spec.shape](spec, settings, around)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


_LOGS = ("    log global", "    option log-health-checks")
"""Backends only: a frontend would write a line for each connection."""


def process(own: str) -> tuple[str, ...]:
    """What every proxy has, whatever its shape: where its log goes, and where it answers observers."""
    return (
        "global",
        "    log stdout format raw local0",
        f"    stats socket ipv4@{own}:{PROXY_STATS_PORT} level user",
        "    maxconn 4000",
        "    nbthread 1",
    )


def _defaults(spec: ProxySpec) -> list[str]:
    return [
        "defaults",
        "    mode tcp",
        "    timeout connect 1s",
        "    timeout check 1s",
        "    timeout client 50s",
        "    timeout server 50s",
        f"    retries {spec.retries}",
        *(["    option redispatch 1"] if spec.redispatch else []),
    ]


def _frontend(around: Surroundings, *rules: str) -> list[str]:
    return [
        "frontend clients",
        f"    bind {around.own}:{around.port}",
        *(f"    {rule}" for rule in rules),
    ]


def _by_role(spec: ProxySpec, settings: Settings, around: Surroundings) -> Iterator[list[str]]:
    """Who says `role:master`: one backend, and every node that passes gets connections."""
    yield _frontend(around, f"default_backend {SERVERS}")
    yield [
        f"backend {SERVERS}",
        f"    balance {spec.balance}",
        *_LOGS,
        *_asks_role(around, quits=spec.shape is not ProxyShape.ROLE),
        *(_server(name, at, settings, around) for name, at in around.nodes.items()),
    ]


def _by_votes(spec: ProxySpec, settings: Settings, around: Surroundings) -> Iterator[list[str]]:
    """Whom two sentinels name; where they name nobody, whoever says `role:master`."""
    majority = len(around.sentinels) // 2 + 1
    chosen = [
        f"    use-server {name} if {{ srv_is_up({name}) }} {{ nbsrv({_votes(name)}) ge {majority} }}"
        for name in around.nodes
    ]
    yield _frontend(around, f"default_backend {SERVERS}")
    yield [
        f"backend {SERVERS}",
        f"    balance {spec.balance}",
        *_LOGS,
        *_asks_role(around, quits=True),
        *chosen,
        *(_server(name, at, settings, around) for name, at in around.nodes.items()),
    ]
    yield from _vote_backends(settings, around)


def _by_role_and_sentinel(_: ProxySpec, settings: Settings, around: Surroundings) -> Iterator[list[str]]:
    """Who says `role:master` and is named by the first sentinel, in one check."""
    first = next(iter(around.sentinels.values()))
    yield from _one_backend_each(
        settings, around, lambda name: _asks_sentinel(around, first, around.nodes[name])
    )


def _by_role_and_majority(_: ProxySpec, settings: Settings, around: Surroundings) -> Iterator[list[str]]:
    """The same with a majority of the sentinels: the proxy asks itself how its votes stand."""
    majority = len(around.sentinels) // 2 + 1
    ports = {name: VOTES_PORT + number for number, name in enumerate(around.nodes)}

    def asks_votes(name: str) -> list[str]:
        return [
            f"    tcp-check connect addr {around.own} port {ports[name]}",
            "    tcp-check send GET\\ /named\\ HTTP/1.0\\r\\n\\r\\n",
            "    tcp-check expect string 200\\ OK",
        ]

    yield from _one_backend_each(settings, around, asks_votes)
    for name, port in ports.items():
        yield [
            f"frontend named-{name}",
            "    mode http",
            f"    bind {around.own}:{port}",
            "    monitor-uri /named",
            f"    monitor fail if {{ nbsrv({_votes(name)}) lt {majority} }}",
        ]
    yield from _vote_backends(settings, around)


def _one_backend_each(
    settings: Settings, around: Surroundings, asks: Callable[[str], list[str]]
) -> Iterator[list[str]]:
    """A backend for each node, so that a check may ask for that node by name; clients get the first that is
    UP."""
    yield _frontend(
        around,
        *(f"use_backend {SERVERS}-{name} if {{ nbsrv({SERVERS}-{name}) ge 1 }}" for name in around.nodes),
    )
    for name, at in around.nodes.items():
        yield [
            f"backend {SERVERS}-{name}",
            *_LOGS,
            *_asks_role(around, quits=True),
            *asks(name),
            _server(name, at, settings, around),
        ]


def _vote_backends(settings: Settings, around: Surroundings) -> Iterator[list[str]]:
    """For each node, which sentinels name it."""
    every = _milliseconds(settings.check_every_s)
    for name, at in around.nodes.items():
        yield [
            f"backend {_votes(name)}",
            "    option tcp-check",
            *_asks_sentinel(around, None, at),
            *(
                f"    server {sentinel} {where.host}:{where.port} check inter {every} fall 1 rise 1"
                f"{_tls(around)}"
                for sentinel, where in around.sentinels.items()
            ),
        ]


def _votes(name: str) -> str:
    return f"named-{name}-by"


def voted_on(backend: str) -> str | None:
    """The node that the servers of such a backend vote for; None: it is another backend."""
    found = re.fullmatch(r"named-(.+)-by", backend)
    return found[1] if found else None


def _asks_role(around: Surroundings, *, quits: bool) -> list[str]:
    asked = [_sent(around.login.renamed.get("INFO", "info"), "replication")]
    quit_ = [_sent("QUIT")]
    expects = ["    tcp-check expect string role:master"]
    ended = ["    tcp-check expect string +OK"]
    return [
        "    option tcp-check",
        f"    tcp-check connect{_ssl(around)}",
        *_logs_in(around.login),
        _sent("PING"),
        "    tcp-check expect string +PONG",
        *([*asked, *quit_, *expects] if quits else [*asked, *expects, *quit_, *ended]),
    ]


def _asks_sentinel(around: Surroundings, sentinel: Address | None, node: Address) -> list[str]:
    """Whether it names the node; without an address, whoever the server of the backend is."""
    where = f" addr {sentinel.host} port {sentinel.port}" if sentinel else ""
    return [
        f"    tcp-check connect{where}{_ssl(around)}",
        *_logs_in(around.sentinel_login),
        _sent("SENTINEL", "get-master-addr-by-name", around.service),
        _sent("QUIT"),
        f"    tcp-check expect rstring \\r\\n{node.host}\\r\\n.[0-9]+\\r\\n{node.port}\\r\\n",
    ]


def _logs_in(login: Login) -> list[str]:
    return [_sent(*login.auth()), "    tcp-check expect string +OK"] if login.password else []


def _sent(*words: str) -> str:
    """A command as a line of words, as haproxy.cfg spells it."""
    return "    tcp-check send " + "\\ ".join(words) + "\\r\\n"


def _ssl(around: Surroundings) -> str:
    """Of a check's own connection. Those of clients are passed on as they are, encrypted or not."""
    return " ssl" if around.tls else ""


def _tls(around: Surroundings) -> str:
    return f" {around.tls}" if around.tls else ""


def _server(name: str, at: Address, settings: Settings, around: Surroundings) -> str:
    every = _milliseconds(settings.check_every_s)
    ends = " on-marked-down shutdown-sessions" if settings.shutdown_sessions else ""
    return (
        f"    server {name} {at.host}:{at.port} check inter {every}"
        f" fall {settings.fall} rise {settings.rise}{ends}{_tls(around)}"
    )


def _milliseconds(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms"


_SHAPES: Mapping[ProxyShape, Callable[[ProxySpec, Settings, Surroundings], Iterator[list[str]]]] = {
    ProxyShape.ROLE: _by_role,
    ProxyShape.FAST: _by_role,
    ProxyShape.VOTES: _by_votes,
    ProxyShape.ROLE_AND_SENTINEL: _by_role_and_sentinel,
    ProxyShape.ROLE_AND_MAJORITY: _by_role_and_majority,
}


def in_order(nodes: Mapping[str, Address], order: Sequence[str]) -> dict[str, Address]:
    """The nodes in the order in which the proxy has them; those not named come last."""
    named = {name: nodes[name] for name in order if name in nodes}
    return named | {name: at for name, at in nodes.items() if name not in named}
