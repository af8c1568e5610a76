"""What kind of file somebody gave: a scenario, a redis.conf, a Compose project, … by its content.

The one place that knows. Verbs that expect a scenario or a deployment answer with what the kit can do with
the file that they were given instead; `lint` goes by it too. Looks instead of parsing, so that a file with
a mistake in it is still recognised. Trap: the name decides only where the content says nothing.
"""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path, PurePath

from harness.errors import UsageError
from harness.model.directive_table import LEFT_OUT, PASSED, TODAYS_SPELLING
from harness.scenario.source import CONF_MAX, text_of


class FileKind(StrEnum):
    """In the words of messages."""

    SCENARIO = "a scenario"
    DEPLOYMENT = "a deployment file"
    GUEST = "a guest file"
    REDIS_CONF = "a redis.conf"
    SENTINEL_CONF = "a sentinel.conf"
    USERS_ACL = "a file of ACL users"
    COMPOSE = "a Compose project"
    HAPROXY = "an HAProxy configuration"
    HELM_VALUES = "values of a Helm chart"
    KUBERNETES = "a Kubernetes manifest"
    OTHER = "another kind of file"


LINTED = (
    FileKind.REDIS_CONF,
    FileKind.SENTINEL_CONF,
    FileKind.USERS_ACL,
    FileKind.COMPOSE,
    FileKind.HAPROXY,
    FileKind.DEPLOYMENT,
    FileKind.SCENARIO,
)
"""What `lint` reads."""

_USE: dict[FileKind, str] = {
    FileKind.REDIS_CONF: (
        "name it in the 'topology' of a deployment file, as 'redis_conf: {0}'; "
        "to check it: failover-kit lint {0}"
    ),
    FileKind.SENTINEL_CONF: (
        "name it in the 'topology' of a deployment file, as 'sentinel_conf: {0}'; "
        "to check it: failover-kit lint {0}"
    ),
    FileKind.USERS_ACL: (
        "name it in the 'topology' of a deployment file, as 'users_acl: {0}'; "
        "to check it: failover-kit lint {0}"
    ),
    FileKind.COMPOSE: (
        "to run it under faults: failover-kit run --compose {0}; to check it: failover-kit lint {0}"
    ),
    FileKind.HAPROXY: (
        "name it in the 'topology' of a deployment file, as 'haproxy_cfg: {0}'; "
        "to check it: failover-kit lint {0}"
    ),
    FileKind.GUEST: ("name it in a deployment, as 'guest: {0}'; to try it: failover-kit guest check {0}"),
    FileKind.HELM_VALUES: (
        "take the redis.conf and sentinel.conf that the chart makes of them (helm template), "
        "and check those: failover-kit lint redis.conf sentinel.conf"
    ),
    FileKind.KUBERNETES: (
        "take the redis.conf and sentinel.conf out of its ConfigMap, "
        "and check those: failover-kit lint redis.conf sentinel.conf"
    ),
}

_USE_BESIDE_A_GUEST: dict[FileKind, str] = {
    FileKind.SCENARIO: (
        "to run it: failover-kit run {0}; if its 'deployment' has a 'guest', that names the guest file"
    ),
    FileKind.DEPLOYMENT: "to try a guest file beside it: failover-kit guest check guest.yaml --beside {0}",
}
"""Where a guest file was expected."""

_FIRST_KEYS = {
    "scenario": FileKind.SCENARIO,
    "deployment": FileKind.DEPLOYMENT,
    "guest": FileKind.GUEST,
}
_COMMENTS = ("#", "---", "%", ";")
_KEY = re.compile(r"""["']?([A-Za-z_][\w.-]*)["']?\s*:(?:\s|$)""")
_JSON_KEY = re.compile(r"""["'](services|apiVersion)["']\s*:""")
_SECTION = re.compile(r"(global|defaults|(frontend|backend|listen|resolvers|userlist)\s+\S+)\s*(#.*)?$")
_USER = re.compile(r"user\s+\S+(\s|$)")
_CHART = frozenset(
    ("architecture", "auth", "replica", "sentinel", "replicaCount", "image", "redis", "haproxy",
     "metrics", "persistence", "volumePermissions", "serviceAccount", "networkPolicy", "commonConfiguration",
     "nameOverride", "fullnameOverride", "existingSecret", "resources", "podAnnotations", "nodeSelector",
     "tolerations", "affinity")
)  # fmt: skip
_DIRECTIVES = frozenset({*PASSED, *LEFT_OUT, *TODAYS_SPELLING})
_BY_NAME = {"redis.conf": FileKind.REDIS_CONF, "sentinel.conf": FileKind.SENTINEL_CONF}


def kind_of(text: str, name: str = "") -> FileKind:
    """The kind of a file with this text; `name` for one that has no telling line."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith(_COMMENTS)]
    found = _yaml(lines) or _haproxy(lines) or _configuration(lines)
    return found or _BY_NAME.get(PurePath(name).name.lower(), FileKind.OTHER)


def use_of(kind: FileKind, file: str, *, expected: FileKind = FileKind.SCENARIO) -> str:
    """What somebody can do with a file of this kind, who gave it in the place of another one; empty: nothing
    that the kit knows of."""
    uses = _USE | _USE_BESIDE_A_GUEST if expected is FileKind.GUEST else _USE
    return uses.get(kind, "").format(file)


def check_kind(path: Path, expected: FileKind) -> None:
    """A file that is something else altogether has a dozen mistakes and one cure.

    Raises:
        UsageError: what it is, and what can be done with it.
    """
    kind = kind_of(text_of(path, at_most=CONF_MAX), path.name)
    if kind is not expected and (use := use_of(kind, str(path), expected=expected)):
        raise UsageError(f"{path}:1: expected {expected}, found {kind}: {use}")


def _yaml(lines: list[str]) -> FileKind | None:
    if not lines:
        return None
    first = _KEY.match(lines[0].lstrip().removeprefix("{").lstrip())
    if first and first[1] in _FIRST_KEYS:
        return _FIRST_KEYS[first[1]]
    keys = {found[1] for line in lines if (found := _KEY.match(line))}
    if lines[0].lstrip().startswith("{"):
        keys |= {found[1] for line in lines for found in _JSON_KEY.finditer(line)}
    if "services" in keys:
        return FileKind.COMPOSE
    if "apiVersion" in keys:
        return FileKind.KUBERNETES
    return FileKind.HELM_VALUES if len(keys & _CHART) > 1 else None


def _haproxy(lines: list[str]) -> FileKind | None:
    return FileKind.HAPROXY if any(_SECTION.match(line) for line in lines) else None


def _configuration(lines: list[str]) -> FileKind | None:
    words = [line.split() for line in lines]
    if words and all(_USER.match(line) for line in lines):
        return FileKind.USERS_ACL
    if any(one[0].lower() == "sentinel" and len(one) > 1 for one in words):
        return FileKind.SENTINEL_CONF
    known = sum(one[0].lower() in _DIRECTIVES for one in words)
    return FileKind.REDIS_CONF if known and known * 2 >= len(words) else None
