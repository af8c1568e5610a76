"""What a health check of HAProxy sends, as commands of Redis: taken apart, written again without secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.model.haproxy_words import Word, escaped
from harness.model.proxy import Asked, FileLogin, Mark

_AUTH = re.compile(r"(?i)(?<![a-z])auth(?![a-z])")
_VARIABLE = "$"
_LEAD_OUT = frozenset({"SLAVEOF", "REPLICAOF", "MIGRATE", "CONFIG", "MODULE", "CLUSTER", "FAILOVER", "DEBUG"})
_ASK_SENTINELS = frozenset(
    {"GET-MASTER-ADDR-BY-NAME", "GET-PRIMARY-ADDR-BY-NAME", "MASTER", "MASTERS", "PRIMARY", "PRIMARIES",
     "REPLICAS", "SLAVES", "SENTINELS", "CKQUORUM"}
)  # fmt: skip


class NotCommands(ValueError):
    """It may hold a password where nobody sees it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """The commands of one `tcp-check send`; an empty one is an empty line, as HTTP has it."""

    commands: tuple[tuple[str, ...], ...]
    ended: bool
    """The last one is followed by the end of a line."""

    @classmethod
    def of(cls, word: Word) -> Commands:
        """Raises `NotCommands`."""
        *lines, last = re.split(r"\r?\n", word.means)
        ended = not last
        lines += [] if ended else [last]
        commands = tuple(_resp(lines) if lines[:1] and lines[0].startswith("*") else map(_inline, lines))
        for one in commands:
            written = " ".join(one[1:]) if _is_login(one) else " ".join(one)
            if not _is_login(one) and (_AUTH.search(written) or (word.varies and _VARIABLE in written)):
                raise NotCommands
        return cls(commands=commands, ended=ended)

    def sends(self, name: str) -> bool:
        return any(one[:1] and one[0].upper() == name for one in self.commands)

    @property
    def change_something(self) -> bool:
        """Of what a run is made of: a check only asks."""
        return any(one and _changes(one) for one in self.commands)

    def written(self, login: Callable[[FileLogin], str]) -> str:
        """As one word of HAProxy's. `login`: the mark that stands for the words of an AUTH."""
        lines = []
        for one in self.commands:
            if _is_login(one):
                _, *user, password = one
                known = "" if _VARIABLE in password else password
                lines.append(login(FileLogin(asked=Asked.DATA, user=user[0] if user else "", password=known)))
            else:
                lines.append(escaped(" ".join(_without_service(one))))
        return "\\r\\n".join([*lines, ""] if self.ended else lines)


def _changes(command: tuple[str, ...]) -> bool:
    name, *rest = (word.upper() for word in command)
    return rest[:1] != [] and rest[0] not in _ASK_SENTINELS if name == "SENTINEL" else name in _LEAD_OUT


def _is_login(command: tuple[str, ...]) -> bool:
    return 2 <= len(command) <= 3 and command[0].upper() == "AUTH"


def _without_service(command: tuple[str, ...]) -> tuple[str, ...]:
    """Sentinels of the run know the primary by the topology's name for it."""
    if command[:1] and command[0].upper() == "SENTINEL" and len(command) > 2:
        return (*command[:2], Mark.SERVICE.at(), *command[3:])
    return command


def _inline(line: str) -> tuple[str, ...]:
    return tuple(line.split(" ")) if line else ()


def _resp(lines: list[str]) -> Iterator[tuple[str, ...]]:
    """`*2`, `$4`, `PING`, …"""
    at = 0
    while at < len(lines):
        count = re.fullmatch(r"\*([0-9]{1,2})", lines[at])
        if count is None:
            raise NotCommands
        words = lines[at + 1 : at + 1 + 2 * int(count[1])]
        if len(words) != 2 * int(count[1]) or not all(re.fullmatch(r"\$[0-9]+", one) for one in words[::2]):
            raise NotCommands
        yield tuple(words[1::2])
        at += 1 + len(words)
