"""A Compose project: which of its services run Redis, Valkey or Sentinel, and with which settings.

The settings of a service are those of the file that its command names, if that is mounted from the project's
folder and can be read, then the options of the command, then lines of a sentinel.conf that a shell script in
the command writes. Values are as written: `${NAME}` stays.

The trap: a project may put a file together in ways that nobody can follow from outside. A service whose
configuration cannot be read says so (`Node.readable`), and rules find nothing in what is not known.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.errors import UsageError
from harness.lint.subjects import Group, Mount, Node, Place, Project, Service, Setting
from harness.model.directives import Malformed, of_line, parsed
from harness.scenario import tree
from harness.scenario.conf_file import read_conf
from harness.scenario.source import CONF_MAX, text_of

_SERVERS = {"redis-server", "valkey-server", "redis-sentinel", "valkey-sentinel", "keydb-server"}
_SENTINELS = {"redis-sentinel", "valkey-sentinel"}
_IMAGES = {"redis", "valkey", "redis-stack-server", "redis-cluster", "valkey-cluster", "keydb"}
_END = {"&&", "||", ";", "&", "|"}
_WRITTEN = re.compile(
    r"(?:^|[\s\"'\\n])(sentinel (?:monitor|auth-pass|auth-user|sentinel-pass|down-after-milliseconds|"
    r"failover-timeout|parallel-syncs|resolve-hostnames|announce-hostnames|announce-ip|myid) [^\"'\\;&>\n]+)"
)


@dataclass(frozen=True, slots=True)
class _Entry:
    value: tree.Node
    line: int


def read_compose(root: tree.Node, file: str) -> tuple[Project, Group]:
    """The project, and its nodes as one deployment."""
    top = _entries(root)
    services = _entries(top["services"].value) if "services" in top else {}
    configs = _entries(top["configs"].value) if "configs" in top else {}
    found = []
    for name, entry in services.items():
        reading = _ServiceReader(file, name, entry, _extended(entry.value, services), configs)
        if service := reading.service():
            found.append(service)
    project = Project(file=file, services=tuple(found), internal=_internal(top), names=frozenset(services))
    return project, Group(name=file, nodes=tuple(one.node for one in found), complete=True)


class _ServiceReader:
    def __init__(
        self, file: str, name: str, entry: _Entry, keys: dict[str, _Entry], configs: dict[str, _Entry]
    ) -> None:
        self._file, self._name, self._entry, self._keys, self._configs = file, name, entry, keys, configs

    def service(self) -> Service | None:
        words = [*self._words("entrypoint"), *self._words("command")]
        tokens = list(_tokens(words))
        started = list(_started(tokens))
        image = _base_name(self._text("image"))
        if not started and not self._by_image(image, tokens):
            return None
        sentinel = _is_sentinel(image, started)
        argv = next((one for one in started if _sentinel_argv(one) == sentinel), tokens)
        mounts = tuple(self._mounts())
        lines, readable = self._settings(argv, mounts, words)
        restarts = self._text("restart")
        policy = self._below("deploy", "restart_policy", "condition")
        node = Node(
            name=self._name,
            sentinel=sentinel,
            settings=tuple(lines),
            place=Place(self._file, self._entry.line),
            copies=self._copies(),
            replica=any(one.directive.name == "replicaof" for one in lines),
            cache="cache" in self._name.lower(),
            readable=readable,
            restarts=restarts if restarts not in {"", "no", "none"} else _unless_none(policy),
        )
        return Service(
            name=self._name,
            place=node.place,
            node=node,
            mounts=mounts,
            command=self._place("command", "entrypoint"),
            also_sentinel=not sentinel and any(_sentinel_argv(one) for one in started),
            networks=tuple(self._networks()),
        )

    def _by_image(self, image: str, tokens: Sequence[str]) -> bool:
        """Started by the image's own command, or by options alone."""
        if any(_base_name(one) == "redis-cli" for one in tokens):  # a helper that makes a cluster
            return False
        return image in _IMAGES or image.endswith("-sentinel")

    def _settings(
        self, argv: Sequence[str], mounts: Sequence[Mount], words: Sequence[str]
    ) -> tuple[list[Setting], bool]:
        place, settings, readable = self._place("command", "entrypoint"), [], True
        options = list(argv)
        file = options.pop(0) if options and not options[0].startswith("-") else ""
        if file:
            source = _source_of(file, mounts, Path(self._file).parent)
            read = _settings_of(source) if source else None
            readable = read is not None
            settings += read or []
        settings += _options(options, place)
        text = "\n".join(words)
        written = [found[1].strip() for found in _WRITTEN.finditer(text)]
        for line in written:
            with suppress(Malformed):
                settings.append(Setting(directive=of_line(line), place=place))
        return settings, readable or bool(written)

    def _mounts(self) -> Iterator[Mount]:
        for item in _items(self._keys.get("volumes")):
            place = Place(self._file, tree.line(item))
            if isinstance(item, tree.Scalar):
                parts = re.sub(r"\$\{[^}]*\}", "_", item.value).split(":")
                source, target = (item.value.split(":")[0], parts[1]) if len(parts) > 1 else ("", parts[0])
            else:
                given = {key: one.value.value for key, one in _entries(item).items()}
                source, target = str(given.get("source", "")), str(given.get("target", ""))
            volume = bool(source) and not source.startswith((".", "/", "~", "$"))
            yield Mount(
                source=source,
                target=target,
                place=place,
                one_file=not volume and bool(source) and self._is_file(source, target),
                volume=volume,
            )
        for item in _items(self._keys.get("configs")):
            yield from self._config(item)

    def _config(self, item: tree.Node) -> Iterator[Mount]:
        """Contents that Compose puts into the container: a file by itself, as a mount of one is."""
        if isinstance(item, tree.Scalar):
            name, target = item.value, f"/{item.value}"
        else:
            given = {key: str(one.value.value) for key, one in _entries(item).items()}
            name = given.get("source", "")
            target = given.get("target", f"/{name}")
        declared = self._configs.get(name)
        file = _entries(declared.value).get("file") if declared else None
        source = str(file.value.value) if file else ""
        yield Mount(
            source=source,
            target=target,
            place=Place(self._file, tree.line(item)),
            one_file=True,
            volume=False,
        )

    def _is_file(self, source: str, target: str) -> bool:
        path = Path(self._file).parent / source
        return path.is_file() or (not path.is_dir() and PurePosixPath(target).suffix in {".conf", ".acl"})

    def _networks(self) -> Iterator[str]:
        given = self._keys.get("networks")
        if given is None:
            yield "default"
        elif isinstance(given.value, tree.Mapping):
            yield from _entries(given.value)
        else:
            yield from (str(item.value) for item in _items(given))

    def _copies(self) -> int:
        written = self._text("scale") or self._below("deploy", "replicas")
        return int(written) if written.isdecimal() and len(written) < 4 else 1

    def _words(self, key: str) -> list[str]:
        given = self._keys.get(key)
        if given is None:
            return []
        if isinstance(given.value, tree.Scalar):
            return _split(given.value.value)
        return [str(item.value) for item in _items(given)]

    def _text(self, key: str) -> str:
        given = self._keys.get(key)
        return str(given.value.value) if given and isinstance(given.value, tree.Scalar) else ""

    def _below(self, *keys: str) -> str:
        found = self._keys
        for key in keys[:-1]:
            found = _entries(found[key].value) if key in found else {}
        last = found.get(keys[-1])
        return str(last.value.value) if last and isinstance(last.value, tree.Scalar) else ""

    def _place(self, *keys: str) -> Place:
        lines = [self._keys[key].line for key in keys if key in self._keys]
        return Place(self._file, lines[0] if lines else self._entry.line)


def _entries(node: tree.Node) -> dict[str, _Entry]:
    """The keys of a mapping, with those that `<<` merges in beneath them."""
    if not isinstance(node, tree.Mapping):
        return {}
    merged: dict[str, _Entry] = {}
    own: dict[str, _Entry] = {}
    for key, value in node.value:
        if key.value == "<<":
            for one in value.value if isinstance(value, tree.Sequence) else [value]:
                merged = {**_entries(one), **merged}
        else:
            own[str(key.value)] = _Entry(value, tree.line(key))
    return {**merged, **own}


def _items(given: _Entry | None) -> list[tree.Node]:
    return list(given.value.value) if given and isinstance(given.value, tree.Sequence) else []


def _extended(service: tree.Node, services: dict[str, _Entry]) -> dict[str, _Entry]:
    """The keys of a service, with those of the service of the same file that it extends beneath them."""
    keys = _entries(service)
    extends = keys.get("extends")
    if extends is None:
        return keys
    given = _entries(extends.value)
    name = extends.value.value if isinstance(extends.value, tree.Scalar) else ""
    if "service" in given and "file" not in given:
        name = given["service"].value.value
    base = services.get(str(name))
    return {**(_entries(base.value) if base else {}), **keys}


def _internal(top: dict[str, _Entry]) -> frozenset[str]:
    networks = _entries(top["networks"].value) if "networks" in top else {}
    return frozenset(
        name
        for name, entry in networks.items()
        if (given := _entries(entry.value).get("internal")) and str(given.value.value).lower() == "true"
    )


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _tokens(words: Sequence[str]) -> Iterator[str]:
    """Single words, also of the script that a shell is given in one word."""
    for word in words:
        inner = _split(word) if re.search(r"\s", word) else [word]
        if len(inner) > 1:
            yield from _tokens(inner)
            continue
        token = inner[0] if inner else word
        for part in re.split(r"(&&|\|\||;)", token):
            if part or token == "":
                yield part


def _started(tokens: Sequence[str]) -> Iterator[list[str]]:
    """The arguments of each server that a command starts; the name of the program comes as a first word
    `--sentinel` where it is a sentinel."""
    if tokens and (tokens[0].startswith("--") or tokens[0].endswith(".conf")):
        yield list(tokens)  # an image's entrypoint puts the server's name before them
    for at, token in enumerate(tokens):
        name = _base_name(token)
        if name not in _SERVERS:
            continue
        rest = list(tokens[at + 1 :])
        ends = [number for number, one in enumerate(rest) if one in _END or _base_name(one) in _SERVERS]
        argv = rest[: ends[0]] if ends else rest
        yield [*argv, "--sentinel"] if name in _SENTINELS else argv


def _sentinel_argv(argv: Sequence[str]) -> bool:
    return "--sentinel" in argv


def _is_sentinel(image: str, started: Sequence[Sequence[str]]) -> bool:
    if started:
        return all(_sentinel_argv(one) for one in started)
    return image.endswith("sentinel")


def _options(words: Sequence[str], place: Place) -> Iterator[Setting]:
    """`--name value value`, as the server's command line has them."""
    name, values = "", []
    for word in [*words, "--"]:
        if not word.startswith("--"):
            values.append(word)
            continue
        if name and name != "sentinel":
            line = " ".join(shlex.quote(one) for one in values)
            with suppress(Malformed):
                yield Setting(directive=parsed(name, line), place=place)
        name, values = word[2:], []


def _source_of(file: str, mounts: Sequence[Mount], folder: Path) -> Path | None:
    """Where a container's file lies beside the project."""
    for mount in mounts:
        if mount.volume or not mount.source:
            continue
        if mount.target == file:
            return folder / mount.source
        base = PurePosixPath(mount.target)
        if PurePosixPath(file).is_relative_to(base):
            return folder / mount.source / PurePosixPath(file).relative_to(base)
    return None


def _settings_of(source: Path) -> list[Setting] | None:
    try:
        conf = read_conf(text_of(source, at_most=CONF_MAX), str(source))
    except UsageError:
        return None
    return [Setting(directive=line.directive, place=Place(conf.file, line.number)) for line in conf.lines]


def _base_name(word: str) -> str:
    """Of an image or a program: without registry, folder, version."""
    return word.rpartition("/")[2].partition("@")[0].partition(":")[0]


def _unless_none(policy: str) -> str:
    return policy if policy not in {"", "none"} else ""
