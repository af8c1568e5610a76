"""A user's own redis.conf, sentinel.conf, users.acl and haproxy.cfg, as a deployment names them.

    redis_conf: ./redis.conf
    sentinel_conf: ./sentinel.conf
    users_acl: ./users.acl
    haproxy_cfg: ./haproxy.cfg

Each line becomes a directive of the table `redis` or `sentinel`, beneath what the deployment itself says
there. What a topology has a key for (quorum, times, the service's name) goes into that key. Where the kit's
own files differ from the server's defaults, the server's default is put in, since the user's server has it.

The trap: what such a file says about places (addresses, peers, identities) is true of another machine. It is
left out without a word about the verdict, because the topology says the same about this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import UsageError
from harness.model.directive_table import OF_THE_GUARDED, PER_SERVICE
from harness.model.directives import (
    Directive,
    LeftOut,
    Lines,
    Malformed,
    for_service,
    not_carried_out,
    quoted,
)
from harness.model.proxy import ProxyFile
from harness.model.words import SERVICE
from harness.scenario import haproxy_file, tree
from harness.scenario.conf_file import ConfFile, read_conf
from harness.scenario.directives import Written
from harness.scenario.file_kind import FileKind, kind_of
from harness.scenario.problems import Problems
from harness.scenario.source import CONF_MAX, text_of
from harness.scenario.table import Field
from harness.scenario.values import TEXT

REDIS_CONF = Field(
    key="redis_conf", reader=TEXT, help="your redis.conf, for every data node; a path from here"
)
SENTINEL_CONF = Field(
    key="sentinel_conf", reader=TEXT, help="your sentinel.conf, for every sentinel; a path from here"
)
HAPROXY_CFG = Field(
    key=haproxy_file.KEY, reader=TEXT, help="your haproxy.cfg, for every proxy; a path from here"
)
USERS_ACL = Field(key="users_acl", reader=TEXT, help="your file of ACL users, for every data node")

_SERVERS_OWN: Mapping[str, Lines] = {
    "save": "3600 1 300 100 60 10000",
    "repl-diskless-sync-delay": "5",
}
"""What a server does where its file is silent, and the kit's own files say something else."""

SERVERS_OWN_KEYS: Mapping[str, Mapping[str, Any]] = {
    REDIS_CONF.key: {
        "node_timeout_s": 15.0,
        "validity_factor": 10,
        "require_full_coverage": True,
        "allow_reads_when_down": False,
    },
    SENTINEL_CONF.key: {"down_after_s": 30.0, "failover_timeout_s": 180.0, "parallel_syncs": 1},
}
"""The same of what a topology has keys for: a sentinel.conf without a time has a server's 30 s."""

_OF_A_PLACE = frozenset(
    {
        "replicaof", "sentinel monitor", "sentinel known-replica", "sentinel known-slave",
        "sentinel known-sentinel", "sentinel myid",
    }
)  # fmt: skip
_EXPECTED: Mapping[str, FileKind] = {
    REDIS_CONF.key: FileKind.REDIS_CONF,
    SENTINEL_CONF.key: FileKind.SENTINEL_CONF,
    USERS_ACL.key: FileKind.USERS_ACL,
    HAPROXY_CFG.key: FileKind.HAPROXY,
}

SERVICE_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
_ELSEWHERE = "true of the machine that the file is from; the topology says it for this one"

_KEYS: Mapping[str, tuple[str, float]] = {
    "sentinel down-after-milliseconds": ("down_after_s", 0.001),
    "sentinel failover-timeout": ("failover_timeout_s", 0.001),
    "sentinel parallel-syncs": ("parallel_syncs", 1),
    "cluster-node-timeout": ("node_timeout_s", 0.001),
    "cluster-replica-validity-factor": ("validity_factor", 1),
}
_SWITCHES: Mapping[str, str] = {
    "cluster-require-full-coverage": "require_full_coverage",
    "cluster-allow-reads-when-down": "allow_reads_when_down",
}


@dataclass(slots=True, kw_only=True)
class FromFiles:
    """What the files say, in the terms of a topology."""

    redis: dict[str, Lines] = field(default_factory=dict)
    sentinel: dict[str, Lines] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    """Settings that a topology has a key for."""
    left_out: list[LeftOut] = field(default_factory=list)
    written: list[Written] = field(default_factory=list)


def read_user_files(given: Mapping[str, str], node: tree.Node, path: str, problems: Problems) -> FromFiles:
    """`given`: the keys above that a topology has; `node`: the topology, whose file the paths start from."""
    found = FromFiles()
    folder = Path(node.start_mark.name).parent
    for key, name in given.items():
        file = folder / name
        text = _text(file, key, node, path, problems)
        if text is None:
            continue
        conf = read_conf(text, str(file))
        _note_bad_lines(conf, problems)
        if key == SENTINEL_CONF.key:
            found.keys["sentinels_as_written"] = True
            _take(conf, key, found.sentinel, found, problems)
        else:
            _take(conf, key, found.redis, found, problems)
    if USERS_ACL.key in given:
        found.left_out = [one for one in found.left_out if one.name != "aclfile"]
    if REDIS_CONF.key in given:
        found.redis = {**_SERVERS_OWN, **found.redis}
    return found


def read_proxy(
    name: str, node: tree.Node, path: str, around: haproxy_file.Around, problems: Problems
) -> tuple[ProxyFile | None, tuple[LeftOut, ...]]:
    """A haproxy.cfg."""
    file = Path(node.start_mark.name).parent / name
    text = _text(file, HAPROXY_CFG.key, node, path, problems)
    if text is None:
        return None, ()
    return haproxy_file.read_proxy_file(text, str(file), around, problems)


def _text(file: Path, key: str, node: tree.Node, path: str, problems: Problems) -> str | None:
    """None: it cannot be read, or is another kind of file."""
    try:
        text = text_of(file, at_most=CONF_MAX)
    except UsageError as problem:
        problems.add(node, f"{path}.{key}", str(problem))
        return None
    kind = kind_of(text, file.name)
    if kind not in {_EXPECTED[key], FileKind.OTHER}:
        problems.add(node, f"{path}.{key}", f"expected {_EXPECTED[key]}, found {kind}: {file}")
        return None
    return text


def _note_bad_lines(conf: ConfFile, problems: Problems) -> None:
    for one in conf.bad:
        problems.add(_at(conf.file, one.number), "", one.why)


def _take(conf: ConfFile, table: str, into: dict[str, Lines], found: FromFiles, problems: Problems) -> None:
    services = {
        line.directive.arguments[0] for line in conf.lines if line.directive.name == "sentinel monitor"
    }
    lines: dict[str, list[str]] = {}
    for line in conf.lines:
        directive, at = line.directive, _at(conf.file, line.number)
        if directive.name == "sentinel monitor":
            _take_monitor(directive, at, found, problems)
        if directive.name in _OF_A_PLACE:
            found.left_out.append(LeftOut(table=table, name=directive.name, why=_ELSEWHERE, decides=False))
            continue
        directive = _of_service(directive, services)
        if _take_key(directive, found):
            continue
        found.written.append(Written(directive=directive, node=at, path=directive.name))
        try:
            for_service(directive, found.keys.get("service", SERVICE))
        except Malformed as problem:
            problems.add(at, directive.name, str(problem))
        if reason := not_carried_out(directive):
            found.left_out.append(
                LeftOut(table=table, name=directive.name, why=reason.why, decides=reason.decides)
            )
        else:
            lines.setdefault(directive.name, []).append(" ".join(map(quoted, directive.arguments)))
    for name, several in _as_server_reads(lines):
        into[name] = several[0] if len(several) == 1 else tuple(several)
    found.left_out = list(dict.fromkeys(found.left_out))


def _as_server_reads(lines: Mapping[str, list[str]]) -> Iterator[tuple[str, list[str]]]:
    """A later line takes the place of earlier ones, unless the server adds them up."""
    for name, several in lines.items():
        yield name, several if name in _ADDED_UP else several[-1:]


_ADDED_UP = frozenset(
    {"save", "user", "rename-command", "client-output-buffer-limit", "sentinel rename-command"}
)


def _take_monitor(directive: Directive, at: tree.Node, found: FromFiles, problems: Problems) -> None:
    service, *where = directive.arguments
    if len(where) != 3 or not re.fullmatch(r"[0-9]{1,4}", where[-1]):
        problems.add(at, "sentinel monitor", "expected NAME ADDRESS PORT QUORUM")
    elif found.keys.setdefault("service", service) != service:
        problems.add(
            at,
            "sentinel monitor",
            f"expected one guarded primary, found {service!r} besides {found.keys['service']!r}",
        )
    elif not SERVICE_NAME.fullmatch(service):
        problems.add(at, "sentinel monitor", "expected a name of letters, digits, '.', '-' and '_'")
    else:
        found.keys["quorum"] = int(where[-1])


def _of_service(directive: Directive, services: Iterable[str]) -> Directive:
    """Without the name of the service, which the topology puts in again."""
    first, *rest = directive.arguments
    if directive.name in PER_SERVICE | OF_THE_GUARDED.keys() and first in services and rest:
        return Directive(name=directive.name, arguments=tuple(rest))
    return directive


def _take_key(directive: Directive, found: FromFiles) -> bool:
    """Whether a topology has a key for it."""
    text = directive.arguments[-1]
    if directive.name in _KEYS and re.fullmatch(r"[0-9]{1,12}", text):
        key, unit = _KEYS[directive.name]
        found.keys[key] = int(text) if unit == 1 else int(text) * unit
        return True
    if directive.name in _SWITCHES and text.lower() in {"yes", "no"}:
        found.keys[_SWITCHES[directive.name]] = text.lower() == "yes"
        return True
    return False


def _at(file: str, number: int) -> tree.Node:
    """A place in a file that is no YAML."""
    mark = yaml.Mark(file, 0, number - 1, 0, "", 0)
    return tree.Scalar("tag:yaml.org,2002:str", "", mark, mark)
