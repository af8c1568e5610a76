"""Directives that somebody might write who means harm, or pasted from the wrong file: by the thousand.

Made from pieces that have meaning to a server, to a shell, to Compose or to YAML, so that most come close to
something. Every value that could act acts on the given bystanders or runs the given script.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from harness.model.directive_table import LEFT_OUT, PASSED

TABLES = ("redis", "primary", "replica", "sentinel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bystanders:
    """Whom nothing may touch."""

    host: str = "127.0.0.1"
    redis: int = 6379
    sentinel: int = 26379
    script: str = "/tmp/trap.sh"


@dataclass(frozen=True, slots=True)
class Hostile:
    table: str
    name: str
    value: str | tuple[str, ...]


_ENDS = ["\n", "\r\n", "\r", "\0", "\x0b", "\x0c", "\x85", "\u2028", "\\n", "\\r\\n", "\\x0a", "\\x00",
         '"\n', "'\n", '" ', '\\"\n', "\\\n", ";", "#", " # ", "$(", "`", "${", "$$", "\\012", "\\c",
         "\x1b[2J", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "\t", " "]  # fmt: skip
_HARMLESS_VALUES = ["", "1", "yes", "no", "64mb", "allkeys-lru", '""', "''", '"yes"', "'1'", "900 1", "notice",
                    "normal 0 0 0", "${HOME}", "$0", "a b", '"a b"', "\\", '"', "'", '"unfinished', "'x'y",
                    "x" * 1100]  # fmt: skip


def hostile(seed: int, many: int, around: Bystanders) -> Iterator[Hostile]:
    chance = random.Random(seed)
    acts = _acts(around)
    names = [*sorted(PASSED), *sorted(LEFT_OUT)]
    for _ in range(many):
        name, value = _disguised(chance, *_one(chance, acts, names))
        lines: str | tuple[str, ...] = value
        if chance.random() < 0.1:
            lines = (value, chance.choice(_HARMLESS_VALUES), chance.choice(acts)[1])
        yield Hostile(chance.choice(TABLES), name, lines)


def _acts(around: Bystanders) -> list[tuple[str, str]]:
    redis, sentinel = f"{around.host} {around.redis}", f"{around.host} {around.sentinel}"
    return [
        ("replicaof", redis), ("slaveof", redis), ("SlaveOf", redis),
        ("sentinel monitor", f"victim {redis} 1"), ("sentinel known-replica", f"sessions {redis}"),
        ("sentinel known-slave", f"sessions {redis}"), ("sentinel known-sentinel", f"sessions {sentinel} {'a' * 40}"),
        ("sentinel notification-script", f"sessions {around.script}"),
        ("sentinel client-reconfig-script", f"sessions {around.script}"),
        ("sentinel deny-scripts-reconfig", "no"),
        ("loadmodule", around.script), ("include", around.script), ("dir", "/"), ("dbfilename", "../../x.rdb"),
        ("appendfilename", "../x"), ("aclfile", around.script), ("user", "default on nopass ~* &* +@all"),
        ("requirepass", ""), ("masterauth", "x"), ("logfile", "/tmp/x.log"), ("pidfile", "/tmp/x.pid"),
        ("unixsocket", "/tmp/x.sock"), ("bind", "0.0.0.0"), ("port", str(around.redis)), ("daemonize", "yes"),
        ("rename-command", 'CONFIG ""'), ("cluster-config-file", "/tmp/x"), ("cluster-announce-ip", around.host),
        ("replica-announce-ip", around.host), ("tls-port", "1"), ("syslog-enabled", "yes"),
        ("oom-score-adj", "yes"), ("enable-module-command", "yes"), ("proc-title-template", "x"),
    ]  # fmt: skip


def _one(chance: random.Random, acts: list[tuple[str, str]], names: list[str]) -> tuple[str, str]:
    """A harmful line by itself, or one hidden in the name or in the value of another one."""
    name, value = chance.choice(acts)
    end = chance.choice(_ENDS)
    other, before = chance.choice(names), chance.choice(_HARMLESS_VALUES)
    forms = (
        (name, value),
        (other, before),
        (other, f"{before}{end}{name} {value}"),
        (other, f"{before}{end}{end}{name} {value}{end}"),
        (f"{other} {before}{end}{name}", value),
        (f"{name}{end}", value),
        (name.partition(" ")[0], f"{name.partition(' ')[2]} {value}"),
        ("sentinel", f"failover-timeout sessions 1{end}sentinel {name} {value}"),
        (other, "".join(chance.choice([*_ENDS, *_HARMLESS_VALUES, name, value]) for _ in range(5))),
    )
    return chance.choice(forms)


def _disguised(chance: random.Random, name: str, value: str) -> tuple[str, str]:
    """The same to the server, or nearly: other case, quotes, hexadecimal, blanks."""
    disguise = chance.randrange(8)
    if disguise == 0:
        return name.swapcase(), value
    if disguise == 1:
        return f'"{name}"', value
    if disguise == 2:
        return "".join(f"\\x{ord(sign) % 256:02x}" for sign in name).join('""'), value
    if disguise == 3:
        return name.replace(" ", "\t \v"), f'"{value}"'
    if disguise == 4:
        return name, value.replace(" ", "\t").join("''")
    return name, value
