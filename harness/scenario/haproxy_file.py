"""A haproxy.cfg of somebody's own as a proxy of the run is given it: their lines, the run's nodes.

    topology: {kind: sentinel, haproxy_cfg: ./haproxy.cfg}

Sections, checks, conditions and times stay as they are written. Addresses become marks (`model.proxy`)
that a run fills: data nodes and sentinels are taken in the order in which the file names them, so the first
server is the one that starts as primary, unless a name is a node's own. What a proxy is not given is listed
with the reason, by its name and never by its value.

The trap: a check logs in, so a line of it holds a password. What is sent is taken apart into commands and
written again without it; what cannot be taken apart is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from harness.model.directive_table import Reason
from harness.model.directives import LeftOut
from harness.model.haproxy_words import Word, escaped
from harness.model.inventory import PROXY_STATS_PORT, REDIS_PORT
from harness.model.proxy import Asked, FileLogin, FileSection, Front, Mark, ProxyFile
from harness.scenario import haproxy_table as table
from harness.scenario.haproxy_sections import (
    Line,
    Names,
    Piece,
    Section,
    asked_by,
    at,
    checks_encrypted,
    clients_of,
    commands_of,
    encrypts,
    names_of,
    pieces,
    place_of,
    reached,
    read_sections,
    road_of,
    shows_certificate,
)
from harness.scenario.problems import Problems

KEY = "haproxy_cfg"

_LOOPBACK = re.compile(r"127\.[0-9.]+|localhost|\[?::1\]?")
_HEAD = "⟦"
_REDIS_CHECK = ("option", "redis-check")


class NodesTls(Enum):
    """What is known of the nodes before the file is read."""

    NONE = auto()
    OF_THE_RUN = auto()
    """The run says whose certificates they ask for: everybody's."""
    AS_WRITTEN = auto()
    """A redis.conf of theirs says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """The topology that the file stands before."""

    data: int
    """How many data nodes it has."""
    sentinels: int
    tls: NodesTls = NodesTls.NONE


def read_proxy_file(
    text: str, file: str, around: Around, problems: Problems
) -> tuple[ProxyFile | None, tuple[LeftOut, ...]]:
    before = problems.count
    sections = read_sections(text, file, problems)
    names = names_of(sections, file, around.data, around.sentinels, problems)
    clients = clients_of(sections)
    if clients is None:
        problems.add(at(file, 1), "", "expected a frontend or listen in TCP mode that leads to servers")
    if clients is None or problems.count > before:
        return None, ()
    writing = _Writing(
        sections=sections,
        names=names,
        clients=clients,
        road=road_of(sections, clients),
        shows_certificates=around.tls is not NodesTls.AS_WRITTEN,
    )
    passed = tuple(one for section in sections if (one := writing.section(section)))
    _note_missing_certificate(writing.bind, file, problems)
    if around.tls is not NodesTls.NONE or writing.nodes_speak_tls:
        _note_plain_checks(writing, file, problems)
    proxy = ProxyFile(
        name=file.rpartition("/")[2],
        sections=passed,
        servers=writing.servers,
        logins=tuple(writing.logins),
        nodes_speak_tls=writing.nodes_speak_tls,
        front=writing.front,
    )
    return proxy, tuple(dict.fromkeys(writing.left_out))


def _note_missing_certificate(bind: Line, file: str, problems: Problems) -> None:
    """HAProxy ends at its start: `Proxy 'redis': no SSL certificate specified for bind`."""
    if "ssl" in bind.means and not {"crt", "crt-list"} & set(bind.means):
        problems.add(
            at(file, bind.number),
            "",
            "`bind … ssl` has no certificate, so HAProxy does not start: expected `crt FILE` (or `crt-list`) "
            "on this line; the run makes its own certificate in the place of the file",
        )


def _note_plain_checks(writing: _Writing, file: str, problems: Problems) -> None:
    """Nodes of a run speak TLS or not, each with everybody."""
    for section in writing.road:
        asked = asked_by(section)
        plain = [line for _, _, line in section.servers if asked and checks_encrypted(section, line) is False]
        plain += [
            piece.lines[0]
            for piece in pieces(section)
            if "addr" in (options := piece.connect or {})
            and "ssl" not in options
            and not _LOOPBACK.fullmatch(options["addr"])
        ]
        for line in plain[:1]:
            problems.add(
                at(file, line.number),
                "",
                "this check speaks plain TCP, and data nodes and sentinels of a run with TLS speak nothing "
                "else: say `ssl` (`tcp-check connect ssl`, `check-ssl`), or run without TLS",
            )


@dataclass(slots=True, kw_only=True)
class _Writing:
    """Sections as a proxy is given them; what is not passed on is noted by the way."""

    sections: list[Section]
    names: Names
    clients: Section
    road: list[Section]
    shows_certificates: bool
    """Nodes may ask the proxy for a certificate that the file has no line for."""
    servers: dict[str, str] = field(default_factory=dict)
    nodes_speak_tls: bool = False
    logins: list[FileLogin] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def section(self, section: Section) -> FileSection | None:
        on_road = section in self.road
        if reason := table.SECTIONS_LEFT_OUT.get(section.kind):
            self._note(" ".join(filter(None, (section.kind, section.name))), reason, on_road=True)
            return None
        if section.kind in {"frontend", "listen"} and not on_road:
            self._note(f"{section.kind} {section.name}", table.NOT_ON_THE_ROAD, on_road=False)
            return None
        checks = {id(line): piece for piece in pieces(section) for line in piece.lines}
        lines = list(self._ping(section))
        for line in section.lines:
            lines += self._line(section, line, checks.get(id(line)), on_road=on_road)
        return FileSection(head=section.head.written, lines=tuple(lines))

    def _ping(self, section: Section) -> Iterator[str]:
        """What `option redis-check` does, with a login before it."""
        checks = [
            line
            for line in (*section.defaults, *section.lines)
            if line.means[0] == "option" and line.means[1:2] and line.means[1].endswith(("-check", "chk"))
        ]
        if (
            asked_by(section)
            and checks
            and checks[-1].means == _REDIS_CHECK
            and checks[-1].words[0].means != "no"
        ):
            yield "option tcp-check"
            yield self._login(FileLogin(asked=Asked.DATA, written=False))
            yield from ("tcp-check send PING\\r\\n", "tcp-check expect string +PONG")

    def _line(self, section: Section, line: Line, piece: Piece | None, *, on_road: bool) -> Iterator[str]:
        name = line.means[0]
        writers: Mapping[str, Callable[[], Iterator[str]]] = {
            "bind": lambda: self._bind(section, line, on_road=on_road),
            "server": lambda: self._server(section, line, on_road=on_road),
            "default-server": lambda: self._options(line, 1, "default-server", on_road=on_road),
        }
        if name in writers and section.kind != "global":
            yield from writers[name]()
        elif piece is not None:
            yield from self._check(section, line, piece, on_road=on_road)
        elif line.means == _REDIS_CHECK:
            pass  # a section with servers has what it does instead
        elif reason := self._why_not(section, line):
            self._note(" ".join(line.means[:2]) if name == "option" else name, reason, on_road=on_road)
        else:
            yield line.written

    def _why_not(self, section: Section, line: Line) -> Reason | None:
        if any(word.varies for word in line.words) or _HEAD in line.written or line.means[0].startswith("."):
            return table.LEADS_OUT
        if line.means[0] == "http-check":
            return None if line.means[1:2] == ("expect",) else table.UNREADABLE_SEND
        if any("\n" in word for word in line.means):  # headers, in `option httpchk`
            return table.UNREADABLE_SEND
        return table.why_not(section.kind, line.means)

    def _bind(self, section: Section, line: Line, *, on_road: bool) -> Iterator[str]:
        if section is self.clients:
            if line is next(one for one in section.lines if one.means[0] == "bind"):
                yield from self._options(line, 2, f"bind {Mark.CLIENTS.at()}", on_road=on_road)
            return
        host, port = place_of(line.means[1] if len(line.means) > 1 else "")
        if not re.fullmatch("[0-9]{1,5}", port) or port in {str(REDIS_PORT), str(PROXY_STATS_PORT)}:
            self._note("bind", table.PLACE, on_road=on_road)
            return
        where = host if _LOOPBACK.fullmatch(host) or host in {"", "*", "0.0.0.0"} else Mark.OWN.at()  # noqa: S104
        yield from self._options(line, 2, f"bind {where}:{port}", on_road=on_road)

    def _server(self, section: Section, line: Line, *, on_road: bool) -> Iterator[str]:
        _, name, address, *_ = (*line.means, "", "")
        host, port = place_of(address)
        asked = asked_by(section)
        node = self.names.of(host, port, asked) if asked else None
        if node is None or _HEAD in name:
            self._note(f"server {name}", table.ELSEWHERE, on_road=on_road)
            return
        if asked is Asked.DATA and section in self._for_clients:
            self.servers[f"{section.name}/{name}"] = node
        at = f"{Mark.HOST.at(node)}:{Mark.PORT.at(node)}"
        encrypted = encrypts(section, line) or checks_encrypted(section, line) is True
        self.nodes_speak_tls |= encrypted and asked is Asked.DATA
        added = ""
        if encrypted and self.shows_certificates and not shows_certificate(section, line):
            added = f" crt {Mark.CLIENT_CERTIFICATE.at()}"
        before = f"server {line.words[1].written} {at}"
        for one in self._options(line, 3, before, port=port, on_road=on_road):
            yield one + added

    @property
    def bind(self) -> Line:
        """Where clients come in."""
        return next(line for line in self.clients.lines if line.means[0] == "bind")

    @property
    def front(self) -> Front:
        """What clients speak."""
        if "ssl" in self.bind.means:
            return Front.TLS
        behind = [(one, line) for one in self._for_clients for _, _, line in one.servers]
        return Front.PLAIN if any(encrypts(one, line) for one, line in behind) else Front.AS_NODES

    @property
    def _for_clients(self) -> list[Section]:
        return list(reached(self.sections, self.clients))

    def _options(
        self, line: Line, first: int, before: str, *, on_road: bool, port: str = ""
    ) -> Iterator[str]:
        """The line with the options that are passed on."""
        known = table.BIND_OPTIONS if line.means[0] == "bind" else table.SERVER_OPTIONS
        of_certificates = table.OF_TLS_FILES["bind" if line.means[0] == "bind" else "server"]
        kept, words = [before], list(line.words[first:])
        while words:
            word = words.pop(0)
            arity, reason = known.get(word.means, (0, table.UNKNOWN))
            values = [words.pop(0) for _ in range(min(arity, len(words)))]
            if mark := of_certificates.get(word.means):
                certified = f"{word.means.removesuffix('-list')} {mark.at()}"
                kept += [certified] if certified not in kept else []
                continue
            if word.means in table.OF_TLS_NAMES:
                kept += [word.means, _named_by(word)]
                continue
            if word.means in {"addr", "port"}:
                values = [words.pop(0)] if words else []
                reason = None if values and values[0].means == port else table.OWN_SENTINEL
                if reason is None:
                    continue
            elif reason is None and any(one.varies or _HEAD in one.written for one in (word, *values)):
                reason = table.LEADS_OUT
            if reason is None:
                kept += [one.written for one in (word, *values)]
            else:
                self._note(f"{line.means[0]} {word.means}", reason, on_road=on_road)
        yield " ".join(kept)

    def _check(self, section: Section, line: Line, piece: Piece, *, on_road: bool) -> Iterator[str]:
        """A line of a health check, with the run's places and logins."""
        asked, where, reason = self._whom(section, piece)
        if reason is not None:
            self._note("tcp-check", reason, on_road=on_road)
            return
        first = line is piece.lines[0]
        logs_in = piece.sends and not piece.logs_in
        connects = first and piece.connect is not None
        if connects:
            yield where
        if first and asked is not None and logs_in:
            yield self._login(FileLogin(asked=asked, written=False))
        if not connects:
            yield from self._asked(line, piece, asked, on_road=on_road)

    def _asked(self, line: Line, piece: Piece, asked: Asked | None, *, on_road: bool) -> Iterator[str]:
        what = line.means[1] if len(line.means) > 1 else ""
        if what == "send":
            commands = commands_of(line)
            if commands is None:
                self._note("tcp-check send", table.UNREADABLE_SEND, on_road=on_road)
            elif commands.change_something:
                self._note("tcp-check send", table.CHANGES, on_road=on_road)
            else:
                yield f"tcp-check send {commands.written(lambda login: self._number(login, asked))}"
        elif reason := self._why_not_checked(line):
            self._note(f"tcp-check {what}", reason, on_road=on_road)
        elif what == "expect":
            yield self._with_places(line.written, piece)
        else:
            yield line.written

    def _why_not_checked(self, line: Line) -> Reason | None:
        if any(word.varies for word in line.words) or _HEAD in line.written:
            return table.LEADS_OUT
        return None if (line.means[1:2]) in _CHECKS_PASSED else table.UNREADABLE_SEND

    def _whom(self, section: Section, piece: Piece) -> tuple[Asked | None, str, Reason | None]:
        """Who is asked, the `connect` that says so, and why the part is left out."""
        own = asked_by(section) if section.kind != "defaults" else Asked.DATA
        options = piece.connect
        if options is None:
            return own, "", None
        host, port = options.get("addr", ""), options.get("port", "")
        if options.keys() - {"addr", "port", "default", "linger", "comment", "ssl", "sni", "alpn"}:
            return None, "", table.UNKNOWN
        connect = f"tcp-check connect{''.join(f' {one}' for one in ('default', 'linger') if one in options)}"
        secured = " ssl" if "ssl" in options else ""
        secured += f" sni {Mark.CERTIFIED.at()}" if "sni" in options else ""
        secured += f" alpn {escaped(options['alpn'])}" if "alpn" in options else ""
        if not host and not port:
            return own, f"{connect}{secured}", None
        if not host:
            same = all(place_of(address)[1] == port for _, address, _ in section.servers)
            return own, f"{connect}{secured}", None if same else table.OWN_SENTINEL
        asked = Asked.SENTINEL if piece.asks_sentinel else Asked.DATA
        if node := self.names.of(host, port, asked):
            return asked, f"{connect} addr {Mark.HOST.at(node)} port {Mark.PORT.at(node)}{secured}", None
        if _LOOPBACK.fullmatch(host):
            return None, f"{connect} addr {host} port {port}{secured}", None
        return None, "", table.ELSEWHERE

    def _with_places(self, text: str, piece: Piece) -> str:
        """The run's addresses of data nodes in what a sentinel is expected to say."""
        if not piece.asks_sentinel:
            return text
        whole = " ".join(line.written for line in piece.lines)
        places = sorted(self.names.data.items(), key=lambda one: not _named(one[0][1], whole))
        for (host, port), node in places:
            if not (_named(host, text) or _named(host.replace(".", r"\."), text)):
                continue
            for spelt, mark in ((host, Mark.HOST), (host.replace(".", r"\."), Mark.ESCAPED_HOST)):
                text = re.sub(
                    rf"(\$)[0-9]+((?:\\r)?\\n){re.escape(spelt)}(?![\w-])",
                    lambda hit, node=node, mark=mark: (  # type: ignore[misc] # bound per turn
                        f"{hit[1]}{Mark.HOST_LENGTH.at(node)}{hit[2]}{mark.at(node)}"
                    ),
                    text,
                )
                text = re.sub(_whole(spelt), mark.at(node).replace("\\", r"\\"), text)
            return re.sub(_whole(port), Mark.PORT.at(node), text) if port else text
        for (_, port), node in places:
            if port and port != str(REDIS_PORT) and _named(port, text):
                return re.sub(_whole(port), Mark.PORT.at(node), text)
        return text

    def _number(self, login: FileLogin, asked: Asked | None) -> str:
        return self._login(replace(login, asked=asked or Asked.DATA))

    def _login(self, login: FileLogin) -> str:
        if login not in self.logins:
            self.logins.append(login)
        return Mark.LOGIN.at(self.logins.index(login))

    def _note(self, name: str, reason: Reason, *, on_road: bool) -> None:
        decides = reason.decides and on_road
        self.left_out.append(LeftOut(table=KEY, name=name, why=reason.why, decides=decides))


_CHECKS_PASSED = (("connect",), ("send",), ("expect",), ("comment",))


def _named_by(word: Word) -> str:
    """`sni` takes an expression, the others a name."""
    return f"str({Mark.CERTIFIED.at()})" if word.means == "sni" else Mark.CERTIFIED.at()


def _whole(text: str) -> str:
    r"""It, and not a part of a longer name, address or number; also right after `\n`."""
    return rf"(?:(?<=\\[rnt])|(?<![\w.\\-])){re.escape(text)}(?![\w-]|\.\w)"


def _named(text: str, within: str) -> bool:
    return bool(text) and re.search(_whole(text), within) is not None
