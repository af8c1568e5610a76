"""The files of a command, each read as what it is: `Given`.

Trap: what cannot be read is a finding and no reason to stop, since the other files may be fine. Only a file
that is not there, or of a kind that nobody here knows, is bad usage.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harness.errors import UsageError
from harness.lint.acl import User, read_users
from harness.lint.compose import read_compose
from harness.lint.haproxy import read_haproxy
from harness.lint.kit_files import group_of, read_kit_file
from harness.lint.subjects import Given, Group, KitFile, Node, Place, Project, Proxy, Setting, Wrong
from harness.model.scenario import Vocabulary
from harness.scenario import tree
from harness.scenario.conf_file import ConfFile, read_conf
from harness.scenario.file_kind import LINTED, FileKind, kind_of, use_of
from harness.scenario.source import CONF_MAX, text_of

_PLACE = re.compile(r"(?P<file>.*?):(?P<line>\d+): (?P<said>.*)", re.DOTALL)


def read(paths: Sequence[Path], vocabulary: Vocabulary) -> Given:
    """Read every file.

    Raises:
        UsageError: a file cannot be opened, or is of no kind that has rules.
    """
    texts = {path: text_of(path, at_most=CONF_MAX) for path in dict.fromkeys(paths)}
    kinds = {path: kind_of(text, path.name) for path, text in texts.items()}
    for path, kind in kinds.items():
        if kind not in LINTED:
            advice = use_of(kind, str(path)) or f"expected one of: {', '.join(LINTED)}"
            raise UsageError(f"{path}: lint: no rules for {kind}; {advice}")
    read_all = _Reading(vocabulary)
    for path, kind in kinds.items():
        read_all.add(path, kind, texts[path])
    return read_all.given(tuple(texts))


class _Reading:
    """What was read so far."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._confs: list[tuple[ConfFile, FileKind]] = []
        self._users: list[User] = []
        self._projects: list[Project] = []
        self._groups: list[Group] = []
        self._proxies: list[Proxy] = []
        self._kit_files: list[KitFile] = []
        self._wrong: list[Wrong] = []

    def add(self, path: Path, kind: FileKind, text: str) -> None:
        file = str(path)
        if kind in {FileKind.REDIS_CONF, FileKind.SENTINEL_CONF}:
            self._add_conf(read_conf(text, file), kind)
        elif kind is FileKind.USERS_ACL:
            self._users += read_users(text, file)
        elif kind is FileKind.HAPROXY:
            self._proxies.append(Proxy(file=file, sections=read_haproxy(text)))
        elif kind is FileKind.COMPOSE:
            self._add_project(text, file)
        else:
            self._add_kit_file(path)

    def given(self, files: tuple[Path, ...]) -> Given:
        mounted = {
            Path(setting.place.file).resolve()
            for group in self._groups
            for node in group.nodes
            for setting in node.settings
        }
        alone = [_node(conf, kind) for conf, kind in self._confs if Path(conf.file).resolve() not in mounted]
        users = tuple(self._users)
        groups = [replace(one, users=users) for one in self._groups if not one.made_by_kit]
        groups += [one for one in self._groups if one.made_by_kit]
        if alone or (users and not groups):
            groups.append(Group(name="the files given", nodes=tuple(alone), complete=False, users=users))
        return Given(
            files=files,
            groups=tuple(groups),
            projects=tuple(self._projects),
            proxies=tuple(self._proxies),
            kit_files=tuple(self._kit_files),
            wrong=tuple(self._wrong),
        )

    def _add_conf(self, conf: ConfFile, kind: FileKind) -> None:
        self._confs.append((conf, kind))
        self._wrong += (
            Wrong(place=Place(conf.file, one.number), said=f"no server reads this line: {one.why}")
            for one in conf.bad
        )

    def _add_project(self, text: str, file: str) -> None:
        try:
            project, group = read_compose(tree.compose_text(text, file), file)
        except UsageError as problem:
            self._note(problem, file)
            return
        self._projects.append(project)
        self._groups.append(group)

    def _add_kit_file(self, path: Path) -> None:
        kit_file, problem = read_kit_file(path, self._vocabulary)
        self._kit_files.append(kit_file)
        if problem is not None:
            self._note(problem, str(path))
        if group := group_of(kit_file):
            self._groups.append(group)

    def _note(self, problem: UsageError, file: str) -> None:
        for line in str(problem).splitlines():
            found = _PLACE.fullmatch(line)
            place = Place(found["file"], int(found["line"])) if found else Place(file, 1)
            self._wrong.append(Wrong(place=place, said=found["said"] if found else line))


def _node(conf: ConfFile, kind: FileKind) -> Node:
    lines = tuple(Setting(directive=one.directive, place=Place(conf.file, one.number)) for one in conf.lines)
    names = {one.directive.name for one in conf.lines}
    return Node(
        name=conf.file,
        sentinel=kind is FileKind.SENTINEL_CONF,
        settings=lines,
        place=Place(conf.file, 1),
        replica="replicaof" in names,
    )
