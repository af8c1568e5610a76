"""Users of Redis' access lists, as far as a failover depends on them.

Only what sentinels and replicas need is decided, with the categories of those commands; a rule that names
another category leaves a decision open, and what is open is no finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SENTINEL_NEEDS = (
    "multi", "exec", "ping", "info", "role", "publish", "subscribe", "slaveof", "config|rewrite",
    "client|kill",
)  # fmt: skip
"""What a sentinel sends to the nodes that it guards."""
REPLICA_NEEDS = ("psync", "replconf", "ping")

_CATEGORIES = {
    "multi": "fast transaction",
    "exec": "slow transaction",
    "ping": "fast connection",
    "info": "slow dangerous",
    "role": "admin fast dangerous",
    "publish": "pubsub fast",
    "subscribe": "pubsub slow",
    "slaveof": "admin slow dangerous",
    "config|rewrite": "admin slow dangerous",
    "client|kill": "admin slow dangerous connection",
    "psync": "admin slow dangerous",
    "replconf": "admin slow dangerous",
}
_KNOWN = frozenset(
    ("keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog",
     "geo", "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction",
     "scripting")
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    name: str
    file: str
    line: int
    rules: tuple[str, ...]

    @property
    def enabled(self) -> bool:
        """The last of `on` and `off`; a new user is off, the default user is on."""
        words = [one.lower() for one in self.rules if one.lower() in {"on", "off", "reset"}]
        return words[-1] == "on" if words else self.name == "default"

    @property
    def passwords(self) -> frozenset[str]:
        """Those written in clear."""
        return frozenset(one[1:] for one in self.rules if one.startswith(">"))

    def lacks(self, commands: Iterable[str]) -> list[str]:
        """Those that it certainly may not use."""
        return [one for one in commands if self._may(one) is False]

    def _may(self, command: str) -> bool | None:
        """None: it depends on a category or a selector that is not known here."""
        may: bool | None = self.name == "default"
        aliases = {command, command.partition("|")[0], *(["replicaof"] if command == "slaveof" else [])}
        for rule in map(str.lower, self.rules):
            if rule in {"reset", "nocommands", "-@all"}:
                may = False
            elif rule in {"allcommands", "+@all"}:
                may = True
            elif rule.startswith(("+@", "-@")):
                given = rule.startswith("+")
                if rule[2:] in _CATEGORIES[command].split():
                    may = given
                elif rule[2:] not in _KNOWN and may is not given:
                    may = None
            elif rule.startswith(("+", "-")) and rule[1:] in aliases:
                may = rule.startswith("+")
            elif rule.startswith("("):
                may = may or None
        return may


def read_users(text: str, file: str) -> tuple[User, ...]:
    users = []
    for number, raw in enumerate(text.splitlines(), 1):
        words = raw.split()
        if len(words) > 1 and words[0].lower() == "user":
            users.append(User(name=words[1], file=file, line=number, rules=tuple(words[2:])))
    return tuple(users)
