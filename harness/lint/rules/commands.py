"""What sentinels and replicas must be able to do: commands under their own names, rights of users."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from harness.lint.acl import REPLICA_NEEDS, SENTINEL_NEEDS, User, read_users
from harness.lint.rule import Hit, Proof, Rule, Severity
from harness.lint.subjects import Given, Group, Place, Setting
from harness.model.credentials import is_token
from harness.scenario.file_kind import FileKind

_NEEDED = {one.partition("|")[0] for one in (*SENTINEL_NEEDS, *REPLICA_NEEDS)} | {"replicaof", "auth"}
_OF_REPLICAS = {*REPLICA_NEEDS, "auth"}


def _renamed(given: Given) -> Iterator[Hit]:
    for group in given.groups:
        known = {
            one.arguments[-2].lower()
            for node in group.sentinels
            for one in node.all("sentinel rename-command")
            if len(one.arguments) > 1
        }
        for node in group.data:
            for line in node.all("rename-command"):
                command = line.arguments[0].lower()
                if command in _NEEDED and command not in known:
                    new = line.arguments[-1] if len(line.arguments) > 1 else ""
                    is_now = "is switched off" if not new or is_token(new) else f"is now {new}"
                    who = "replicas send it" if command in _OF_REPLICAS else "sentinels send it"
                    yield Hit(place=line.place, said=f"{node.name}: {command.upper()} {is_now}, and {who}")


def _users(group: Group) -> dict[str, User]:
    """Users of data nodes by name, of files and of `user` lines; later lines add to earlier ones. None where
    a data node has a file of users that was not given. A file that only sentinels name is about them."""
    theirs, own = _files_of(group, sentinels=False), _files_of(group, sentinels=True)
    if theirs - {Path(one.file).name for one in group.users}:
        return {}
    found: dict[str, User] = {}
    of_files = (one for one in group.users if Path(one.file).name not in own - theirs)
    for one in (*of_files, *_inline(group)):
        before = found.get(one.name)
        rules = (*before.rules, *one.rules) if before and before.file == one.file else one.rules
        found[one.name] = User(name=one.name, file=one.file, line=one.line, rules=rules)
    return found


def _files_of(group: Group, *, sentinels: bool) -> set[str]:
    """Names of the files of users that they read, without folders: they lie elsewhere than on the nodes."""
    lines = (node.last("aclfile") for node in group.nodes if node.sentinel is sentinels)
    return {PurePosixPath(line.arguments[-1]).name for line in lines if line and line.arguments}


def _inline(group: Group) -> Iterator[User]:
    for node in group.data:
        for line in node.all("user"):
            for user in read_users(f"user {line.text}", line.place.file):
                yield User(name=user.name, file=user.file, line=line.place.line, rules=user.rules)


def _logins(group: Group) -> Iterator[tuple[Setting, str, tuple[str, ...]]]:
    """Who logs in under which name, and what that needs."""
    for node in group.data:
        if line := node.last("masteruser", "primaryuser"):
            yield line, "replicas", REPLICA_NEEDS
    for node in group.sentinels:
        for line in node.all("sentinel auth-user"):
            yield line, "sentinels", SENTINEL_NEEDS


def _unknown_user(given: Given) -> Iterator[Hit]:
    for group in given.groups:
        users = _users(group)
        if not users:
            continue
        for line, who, _ in _logins(group):
            user = users.get(line.arguments[-1])
            if user is None and line.arguments[-1] != "default":
                yield Hit(
                    place=line.place, said=f"{who} log in as {line.arguments[-1]!r}, which no file defines"
                )
            elif user is not None and not user.enabled:
                yield Hit(
                    place=line.place,
                    said=f"{who} log in as {user.name!r}, which is off ({user.file}:{user.line})",
                )


def _without_rights(given: Given) -> Iterator[Hit]:
    for group in given.groups:
        users = _users(group)
        told = set()
        for line, who, needs in _logins(group):
            user = users.get(line.arguments[-1])
            if user is None or not user.enabled or (user.name, who) in told:
                continue
            told.add((user.name, who))
            if lacking := user.lacks(needs):
                yield Hit(
                    place=Place(user.file, user.line),
                    said=f"{user.name!r} may not use what {who} need: {', '.join(lacking)}",
                )


def _default_off(given: Given) -> Iterator[Hit]:
    """Replicas and sentinels without a user's name log in as the default user."""
    for group in given.groups:
        default = _users(group).get("default")
        if default is None or default.enabled:
            continue
        for node in group.nodes:
            names = ("sentinel auth-pass",) if node.sentinel else ("masterauth", "primaryauth")
            login = ("sentinel auth-user",) if node.sentinel else ("masteruser", "primaryuser")
            line = node.last(*names)
            if line is not None and node.last(*login) is None:
                yield Hit(
                    place=line.place,
                    said=f"{node.name} logs in as default, which is off ({default.file}:{default.line})",
                )


RULES = (
    Rule(
        name="renamed-command",
        severity=Severity.ERROR,
        wrong="A command that sentinels or replicas need has another name.",
        why="A failover stops half-way and is tried again for ever (-failover-abort-slave-timeout): "
        "the outage has no end. Replicas that cannot use a renamed command never synchronise.",
        cure="Add 'sentinel rename-command NAME COMMAND NEWNAME' to every sentinel, or use ACL users "
        "instead of renaming. For commands of replicas there is no such setting.",
        kinds=(FileKind.REDIS_CONF, FileKind.COMPOSE, FileKind.DEPLOYMENT, FileKind.SCENARIO),
        look=_renamed,
        proof=Proof("sentinel/20"),
    ),
    Rule(
        name="user-unknown",
        severity=Severity.ERROR,
        wrong="Replicas or sentinels log in as a user that does not exist or is off.",
        why="They are refused (WRONGPASS): replicas lose their link after the next failover, "
        "sentinels see every node down.",
        cure="Define the user with `on` and its password on every node.",
        kinds=(FileKind.USERS_ACL, FileKind.REDIS_CONF, FileKind.SENTINEL_CONF),
        look=_unknown_user,
        proof=Proof("sentinel/01", own_files=True),
    ),
    Rule(
        name="user-without-rights",
        severity=Severity.ERROR,
        wrong="The user of replicas or sentinels may not use what they need.",
        why="The command is refused (NOPERM) in the middle of a failover, which then stops half-way.",
        cure="Replicas need +psync +replconf +ping. Sentinels need allchannels +multi +slaveof +ping "
        "+exec +subscribe +config|rewrite +role +publish +info +client|setname +client|kill "
        "+script|kill.",
        kinds=(FileKind.USERS_ACL, FileKind.REDIS_CONF),
        look=_without_rights,
        proof=Proof("sentinel/01", own_files=True),
    ),
    Rule(
        name="default-user-off",
        severity=Severity.ERROR,
        wrong="The default user is off, and replicas or sentinels log in without a name.",
        why="A password without a user's name is the default user's, who is refused: links stay down "
        "after a failover.",
        cure="Set masteruser beside masterauth, and 'sentinel auth-user' beside 'sentinel auth-pass'.",
        kinds=(FileKind.USERS_ACL, FileKind.REDIS_CONF, FileKind.SENTINEL_CONF),
        look=_default_off,
        proof=Proof("sentinel/01", own_files=True),
    ),
)
