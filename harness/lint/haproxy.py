"""An HAProxy configuration: sections, their lines as words, and what holds for each server.

Only the shape is read. Whether HAProxy would start with it is HAProxy's own question (`haproxy -c`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from harness.model.haproxy_words import Unclosed, words_of

_SECTIONS = ("global", "defaults", "frontend", "backend", "listen", "resolvers", "peers", "userlist", "cache")
_UNITS_S = {"us": 1e-6, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "": 0.001}
_INTER_S, _FALL = 2.0, 3
"""HAProxy's own defaults."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    number: int
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    name: str
    address: str
    number: int
    options: tuple[str, ...]
    """Its own after those of `default-server`, so that the last one of a name holds."""

    def after(self, name: str) -> str | None:
        """The word after the last option of this name."""
        found = [at for at, word in enumerate(self.options[:-1]) if word == name]
        return self.options[found[-1] + 1] if found else None

    @property
    def backup(self) -> bool:
        return "backup" in self.options

    @property
    def checked(self) -> bool:
        return "check" in self.options

    @property
    def down_after_s(self) -> float:
        """How long it is still UP after it has changed: interval times failed checks."""
        inter, fall = self.after("inter"), self.after("fall") or ""
        between_s = seconds(inter) if inter else None
        counted = re.fullmatch(r"\d{1,15}", fall)
        return (_INTER_S if between_s is None else between_s) * (int(fall) if counted else _FALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    kind: str
    name: str
    number: int
    lines: tuple[Line, ...]
    defaults: tuple[Line, ...] = ()
    """Lines of the `defaults` before it."""

    def last(self, *words: str) -> Line | None:
        """The line that holds and begins with these words: its own before a default."""
        for lines in (self.lines, self.defaults):
            found = [one for one in lines if one.words[: len(words)] == words]
            if found:
                return found[-1]
        return None

    @property
    def servers(self) -> tuple[Server, ...]:
        given: tuple[str, ...] = ()
        found = []
        for line in (*self.defaults, *self.lines):
            if line.words[0] == "default-server":
                given += line.words[1:]
        for line in self.lines:
            if line.words[0] in {"server", "server-template"} and len(line.words) > 2:
                _, name, address, *own = line.words
                found.append(Server(name=name, address=address, number=line.number, options=(*given, *own)))
        return tuple(found)

    @property
    def checks(self) -> str:
        """What its health checks send and expect, in one text."""
        return "\n".join(
            " ".join(line.words) for line in (*self.defaults, *self.lines) if "tcp-check" in line.words
        )

    @property
    def of_redis(self) -> bool:
        """Whether its servers are data nodes of Redis."""
        if not self.servers:
            return False
        redis = re.search(r"(?i)role:|redis_version|\binfo\b.*replication", self.checks)
        asks = self.last("option", "redis-check") is not None
        ports = any(server.address.endswith(":6379") for server in self.servers)
        return bool(redis) or asks or ports


def read_haproxy(text: str) -> tuple[Section, ...]:
    sections: list[Section] = []
    defaults: tuple[Line, ...] = ()
    head: tuple[str, str, int] | None = None
    lines: list[Line] = []

    def close() -> None:
        nonlocal defaults
        if head is None:
            return
        if head[0] == "defaults":
            defaults = tuple(lines)
        sections.append(
            Section(
                kind=head[0],
                name=head[1],
                number=head[2],
                lines=tuple(lines),
                defaults=defaults if head[0] in {"backend", "listen", "frontend"} else (),
            )
        )

    for number, raw in enumerate(text.splitlines(), 1):
        words = _words(raw)
        if not words:
            continue
        if words[0] in _SECTIONS:
            close()
            head, lines = (words[0], words[1] if len(words) > 1 else "", number), []
        else:
            lines.append(Line(number=number, words=tuple(words)))
    close()
    return tuple(sections)


def seconds(text: str) -> float | None:
    """A time as HAProxy writes it: milliseconds where no unit is given. None: a variable, or no time."""
    found = re.fullmatch(r"(\d{1,15})(us|ms|s|m|h|d|)", text)
    return int(found[1]) * _UNITS_S[found[2]] if found else None


def _words(raw: str) -> list[str]:
    try:
        return [word.means for word in words_of(raw)]
    except Unclosed:  # HAProxy's problem, not this one's
        return raw.split("#", maxsplit=1)[0].split()
