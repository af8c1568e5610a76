"""The sections of a haproxy.cfg: who is behind their servers, what checks ask, where clients go. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import yaml

from harness.model.haproxy_words import Unclosed, Word, escaped, words_of
from harness.model.inventory import SENTINEL_PORT
from harness.model.proxy import Asked
from harness.scenario import haproxy_table as table
from harness.scenario import tree
from harness.scenario.haproxy_checks import Commands, NotCommands
from harness.scenario.problems import Problems

_SECTION_WORDS = table.SECTIONS_PASSED | table.SECTIONS_LEFT_OUT.keys()
_SERVERS_MAX = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    number: int
    words: tuple[Word, ...]

    @property
    def means(self) -> tuple[str, ...]:
        """Without a `no` before it."""
        found = tuple(word.means for word in self.words)
        return found[1:] if found[0] == "no" and len(found) > 1 else found

    @property
    def written(self) -> str:
        return " ".join(word.written for word in self.words)


@dataclass(slots=True, kw_only=True)
class Section:
    kind: str
    name: str
    head: Line
    lines: list[Line] = field(default_factory=list)
    defaults: tuple[Line, ...] = ()
    """The lines of the `defaults` before it."""

    def last(self, *words: str) -> Line | None:
        """The line that begins with these words and holds: its own before a default."""
        for lines in (self.lines, self.defaults):
            if found := [one for one in lines if one.means[: len(words)] == words]:
                return found[-1]
        return None

    @property
    def of_tcp(self) -> bool:
        mode = self.last("mode")
        return mode is None or mode.means[1:] == ("tcp",)

    @property
    def servers(self) -> Iterator[tuple[str, str, Line]]:
        """Name, address and line of each."""
        for line in self.lines:
            if line.means[0] == "server" and len(line.means) > 2:
                yield line.means[1], line.means[2], line


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A part of a health check: what is asked over one connection."""

    lines: tuple[Line, ...]
    asks_sentinel: bool
    logs_in: bool
    sends: bool

    @property
    def connect(self) -> Mapping[str, str] | None:
        """The options of its `tcp-check connect`; None: it has none."""
        first = self.lines[0].means
        return _options_of(first[2:]) if first[1:2] == ("connect",) else None


def read_sections(text: str, file: str, problems: Problems) -> list[Section]:
    sections: list[Section] = []
    defaults: tuple[Line, ...] = ()
    for number, raw in enumerate(text.splitlines(), 1):
        try:
            words = words_of(raw)
        except Unclosed as problem:
            problems.add(at(file, number), "", str(problem))
            continue
        if not words:
            continue
        line = Line(number=number, words=words)
        if words[0].means in _SECTION_WORDS:
            if sections and sections[-1].kind == "defaults":
                defaults = tuple(sections[-1].lines)
            kind = words[0].means
            sections.append(
                Section(
                    kind=kind,
                    name=words[1].means if len(words) > 1 else "",
                    head=line,
                    defaults=() if kind in {"global", "defaults"} else defaults,
                )
            )
        elif sections:
            sections[-1].lines += _each_server(line)
    return sections


def _each_server(line: Line) -> Iterator[Line]:
    """The servers that HAProxy makes of a template, each at a place of its own."""
    words = line.words
    if words[0].means != "server-template" or len(words) < 4:
        yield line
        return
    first, dash, last = words[2].means.rpartition("-")
    numbers = [int(one) if one.isdecimal() else 0 for one in ((first, last) if dash else ("1", last))]
    _, port = place_of(words[3].means)
    for number in range(numbers[0], min(numbers[1], numbers[0] + _SERVERS_MAX) + 1):
        name = f"{words[1].means}{number}"
        address = f"{name}:{port}" if port else name
        yield replace(line, words=(*map(_plain, ("server", name, address)), *words[4:]))


def _plain(text: str) -> Word:
    return Word(written=escaped(text), means=text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The node that stands for a place of the file: host and port, as it writes them."""

    data: Mapping[tuple[str, str], str]
    sentinels: Mapping[tuple[str, str], str]

    def of(self, host: str, port: str, asked: Asked) -> str | None:
        known = self.data if asked is Asked.DATA else self.sentinels
        exact = known.get((host, port))
        return exact or next((name for (one, _), name in known.items() if one == host), None)


def asked_by(section: Section) -> Asked | None:
    """What the servers of a section are; None: no nodes of Redis."""
    if section.kind not in {"backend", "listen"} or not section.of_tcp:
        return None
    if any(piece.asks_sentinel and "addr" not in (piece.connect or {}) for piece in pieces(section)):
        return Asked.SENTINEL
    ports = {place_of(address)[1] for _, address, _ in section.servers}
    return Asked.SENTINEL if ports == {str(SENTINEL_PORT)} else Asked.DATA


def pieces(section: Section) -> tuple[Piece, ...]:
    """The parts of its own health check."""
    groups: list[list[Line]] = []
    for line in section.lines:
        if line.means[0] != "tcp-check":
            continue
        if line.means[1:2] == ("connect",) or not groups:
            groups.append([])
        groups[-1].append(line)
    return tuple(_piece(group) for group in groups)


def _piece(lines: list[Line]) -> Piece:
    sent = [commands_of(line) for line in lines if line.means[1:2] == ("send",)]
    known = [one for one in sent if one is not None]
    return Piece(
        lines=tuple(lines),
        asks_sentinel=any(one.sends("SENTINEL") for one in known),
        logs_in=any(one.sends("AUTH") for one in known),
        sends=bool(sent),
    )


def commands_of(line: Line) -> Commands | None:
    if len(line.words) != 3:
        return None
    try:
        return Commands.of(line.words[2])
    except NotCommands:
        return None


def place_of(address: str) -> tuple[str, str]:
    """Host and port of `redis-1:6379`, `ipv4@10.0.0.1:6379`, `[::1]:6379`."""
    host, colon, port = re.sub(r"^(ipv[46]|tcp[46]?)@", "", address).rpartition(":")
    return (host, port) if colon else (address, "")


def encrypts(section: Section, server: Line) -> bool:
    """The proxy speaks TLS with this server for a client."""
    return "ssl" in _switched_on(section, server)


def checks_encrypted(section: Section, server: Line) -> bool | None:
    """Whether the check of this server speaks TLS with it; None: nobody checks it. Only a check without a
    `connect`, or with `connect default`, goes by the server's line."""
    on = _switched_on(section, server)
    if "check" not in on:
        return None
    own = [piece for piece in pieces(section) if "addr" not in (piece.connect or {})]
    connect = own[0].connect if own else None
    if connect is None or "default" in connect:
        return bool({"ssl", "check-ssl"} & on)
    return "ssl" in connect


def shows_certificate(section: Section, server: Line) -> bool:
    return any("crt" in line.means for line in _about(section, server))


def _switched_on(section: Section, server: Line) -> set[str]:
    on: set[str] = set()
    for word in (word for line in _about(section, server) for word in line.means):
        if word in _SWITCHES:
            on.add(word)
        elif word.removeprefix("no-") in _SWITCHES:
            on.discard(word.removeprefix("no-"))
    return on


def _about(section: Section, server: Line) -> Iterator[Line]:
    """Everything that is said of a server; what comes last is stronger."""
    for line in (*section.defaults, *section.lines):
        if line.means[0] == "default-server":
            yield line
    yield server


_SWITCHES = frozenset({"ssl", "check-ssl", "check"})
_CONNECT_VALUES = frozenset({"addr", "port", "comment", "sni", "alpn", "proto"})


def _options_of(words: Iterable[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    before = ""
    for word in words:
        if before in _CONNECT_VALUES:
            found[before] = word
            before = ""
        else:
            found[word] = ""
            before = word
    return found


def clients_of(sections: list[Section]) -> Section | None:
    """Where clients connect for writes: what leads to data nodes, and does not look for replicas."""
    fronts = [
        one
        for one in sections
        if one.kind in {"frontend", "listen"} and one.of_tcp and one.last("bind") in one.lines
    ]
    ranked: list[tuple[int, int, Section]] = []
    for number, front in enumerate(fronts):
        behind = [one for one in reached(sections, front) if asked_by(one) is Asked.DATA and any(one.servers)]
        text = " ".join(line.written for one in behind for line in (*one.defaults, *one.lines))
        if behind:
            ranked.append((0 if "role:master" in text else 2 if "role:slave" in text else 1, number, front))
    return min(ranked, key=lambda one: one[:2])[2] if ranked else None


def reached(sections: list[Section], front: Section) -> Iterator[Section]:
    """Where a connection that comes in there may go."""
    lines = (*front.defaults, *front.lines)
    wanted = {line.means[1] for line in lines if line.means[0] in {"default_backend", "use_backend"}
              and len(line.means) > 1}  # fmt: skip
    for one in sections:
        if one is front or (one.kind in {"backend", "listen"} and one.name in wanted):
            yield one


def road_of(sections: list[Section], clients: Section) -> list[Section]:
    """The sections that decide where a client's connection goes: what is mentioned there, and so on."""
    road = [one for one in sections if one.kind in {"global", "defaults"}]
    waiting = [clients]
    while waiting:
        one = waiting.pop()
        road.append(one)
        text = "\n".join(line.written for line in one.lines)
        waiting += [
            other
            for other in sections
            if other not in road and other not in waiting and other.name and _mentions(text, other)
        ]
    return road


def _mentions(text: str, section: Section) -> bool:
    ports = [
        place_of(line.means[1])[1]
        for line in section.lines
        if line.means[0] == "bind" and len(line.means) > 1
    ]
    names = [section.name, *(f"port {port}" for port in ports if port)]
    return any(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text) for name in names)


def names_of(sections: list[Section], file: str, data: int, sentinels: int, problems: Problems) -> Names:
    found: dict[Asked, dict[tuple[str, str], str]] = {Asked.DATA: {}, Asked.SENTINEL: {}}
    first: dict[Asked, Line] = {}
    for section in sections:
        asked = asked_by(section)
        for name, address, line in section.servers if asked else ():
            assert asked is not None
            found[asked].setdefault(place_of(address), name)
            first.setdefault(asked, line)
        for piece in pieces(section):
            options = piece.connect or {}
            if piece.asks_sentinel and "addr" in options:
                host, port = options["addr"], options.get("port", "")
                found[Asked.SENTINEL].setdefault((host, port), host)
                first.setdefault(Asked.SENTINEL, piece.lines[0])
    counts = {Asked.DATA: (data, "redis-", "replicas"), Asked.SENTINEL: (sentinels, "sentinel-", "sentinels")}
    named = {}
    for asked, places in found.items():
        count, prefix, key = counts[asked]
        named[asked] = _in_order(places, prefix, count)
        if len(places) > count or (asked is Asked.DATA and 0 < len(places) < count):
            wanted = len(places) - (asked is Asked.DATA)
            what = "data nodes" if asked is Asked.DATA else "sentinels"
            problems.add(
                at(file, first[asked].number),
                "",
                f"it has {len(places)} {what}, and the topology has {count}: say `{key}: {wanted}` there",
            )
    return Names(data=named[Asked.DATA], sentinels=named[Asked.SENTINEL])


def _in_order(places: Mapping[tuple[str, str], str], prefix: str, count: int) -> dict[tuple[str, str], str]:
    """Who has the name of a node is that node; the others follow in the order of the file."""
    nodes = [f"{prefix}{number}" for number in range(1, count + 1)]
    own = {
        place: next((one for one in nodes if one in {place[0], name}), None) for place, name in places.items()
    }
    taken = set(own.values())
    left = iter(node for node in nodes if node not in taken)
    return {place: node or next(left, "") for place, node in own.items()}


def at(file: str, number: int) -> tree.Node:
    mark = yaml.Mark(file, 0, number - 1, 0, "", 0)
    return tree.Scalar("tag:yaml.org,2002:str", "", mark, mark)
