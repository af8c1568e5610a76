"""A guest file: how an application is started, and what each behaviour is there in HTTP.

Strict as scenario files are. Paths in it start from its own folder. Trap: a word in braces that nobody fills
in would be sent to the application as it stands, so an unknown one is a mistake.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import UsageError
from harness.model.guest import (
    BEHAVIOURS,
    LOG_IN,
    METHODS,
    READ,
    VALUES,
    BackDoor,
    Container,
    Csrf,
    Guest,
    Place,
    Ready,
    Recipe,
    RunAs,
    Service,
    Sign,
)
from harness.model.nearest import did_you_mean
from harness.scenario import tree
from harness.scenario.file_kind import FileKind, check_kind
from harness.scenario.hosts import HOST
from harness.scenario.problems import Problems, check_first_key
from harness.scenario.table import Field, read_table, table_schema
from harness.scenario.values import (
    INVALID,
    POSITIVE_DURATION,
    TEXT,
    VERSION,
    Many,
    Named,
    One,
    Schema,
    Unreadable,
    count,
)

IN_REQUESTS = ("user", "password", "value", "item", "quantity", "csrf")
"""Words in braces that a request may have."""
_SHOWN_AT_THE_START = ("HOST", "PORT", "PYTHON", "REDIS_URL")
AT_THE_START = re.compile(r"HOST|PORT|PYTHON|(?:REDIS|FAILOVER)_[A-Z_]+")
"""Words in braces that `start` and `environment` may have. Of the REDIS_ ones, those of the topology."""

_PORT_GIVEN = "{PORT}"
_TOKEN = "{csrf}"
_FOR_A_SHELL = re.compile(r"[|&;<>$`]")
_BRACED = re.compile(r"\{([A-Za-z_]+)\}")
_STATUS_FIRST, _STATUS_LAST = 100, 599
_PORTS = 65_536
_SAFE = "[^\\s\\x00-\\x1f\\x7f]"


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else error
        raise Unreadable(f"it is no regular expression: {why}") from error
    if not text:
        raise Unreadable("")
    return text


def _path(text: str) -> str:
    if not re.fullmatch(rf"/{_SAFE}*", text):
        raise Unreadable("it begins with / and has no spaces")
    return _of_request(text)


def _of_request(text: str) -> str:
    unknown = [one for one in _BRACED.findall(text) if one not in IN_REQUESTS]
    if unknown:
        hint = did_you_mean(unknown[0], IN_REQUESTS) or ";"
        raise Unreadable(f"unknown word {{{unknown[0]}}}{hint} known: {', '.join(IN_REQUESTS)}")
    return text


def _of_start(text: str) -> str:
    unknown = [one for one in _BRACED.findall(text) if one.isupper() and not AT_THE_START.fullmatch(one)]
    if unknown:
        hint = did_you_mean(unknown[0], _SHOWN_AT_THE_START) or ";"
        known = ", ".join(_SHOWN_AT_THE_START)
        raise Unreadable(f"unknown word {{{unknown[0]}}}{hint} known: {known}, …")
    if not text:
        raise Unreadable("")
    return text


def _header(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9-]{1,60}", text):
        raise Unreadable("")
    return text


def _status(text: str) -> int:
    if not re.fullmatch("[0-9]{3}", text) or not _STATUS_FIRST <= int(text) <= _STATUS_LAST:
        raise Unreadable("")
    return int(text)


def _words_of(command: str) -> Sequence[str]:
    """As a shell would start it; with what only a shell knows, a shell does."""
    if _FOR_A_SHELL.search(command):
        return ["sh", "-c", command]
    try:
        return shlex.split(command)
    except ValueError:  # a quotation that does not end
        return ()


_STATUS = One(
    "a status such as 200", _status, {"type": "integer", "minimum": _STATUS_FIRST, "maximum": _STATUS_LAST}
)
_PATTERN = One("a regular expression", _pattern, {"type": "string", "format": "regex"})
_PATH = One("a path such as /login", _path, {"type": "string", "pattern": f"^/{_SAFE}*$"})
_SENT = One("text, with words in braces", _of_request, {"type": ["string", "number", "boolean"]})
_STARTED = One("text, with words in braces", _of_start, {"type": ["string", "number", "boolean"]})
_COMMAND = Many(_STARTED, parts=_words_of)
_HEADER = One("the name of a header", _header, {"type": "string", "pattern": "^[A-Za-z0-9-]+$"})
_JSON_PATH = One(
    "a path such as user.name",
    lambda text: text if re.fullmatch(r"[\w-]+(\.[\w-]+)*", text) else _unreadable(),
    {"type": "string", "pattern": r"^[\w-]+(\.[\w-]+)*$"},
)


def _unreadable() -> str:
    raise Unreadable("")


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or not 0 < int(text) < _PORTS:
        raise Unreadable("")
    return int(text)


def _address(text: str) -> tuple[str, int]:
    """Of this machine only: the load must never go to somebody else's."""
    host, _, port = text.rpartition(":")
    if not re.fullmatch(r"localhost|127(\.[0-9]{1,3}){3}", host):
        raise Unreadable("what you run must listen on this machine: 127.0.0.1 or localhost")
    return ("127.0.0.1" if host == "localhost" else host), _port(port)


_PORT = One("a port such as 8000", _port, {"type": "integer", "minimum": 1, "maximum": 65535})
_ADDRESS = One(
    "an address such as 127.0.0.1:8000",
    _address,
    {"type": "string", "pattern": "^(localhost|127\\.[0-9.]+):[0-9]+$"},
)
_FILE_NAME = One(
    "a file name such as redis.env",
    lambda text: text if re.fullmatch(r"[\w.-]+", text) and text not in {".", ".."} else _unreadable(),
    {"type": "string", "pattern": "^[A-Za-z0-9_.-]+$"},
)


@dataclass(frozen=True, slots=True)
class _OneOrMany:
    """One, or a list of them."""

    of: One

    def read(self, node: tree.Node, path: str, problems: Problems) -> Any:
        if isinstance(node, tree.Sequence):
            return Many(self.of).read(node, path, problems)
        value = self.of.read(node, path, problems)
        return value if value is INVALID else (value,)

    def schema(self) -> Schema:
        return {"oneOf": [self.of.schema(), Many(self.of).schema()]}


@dataclass(frozen=True, slots=True)
class _Part:
    """A mapping with fields of its own. `check` says what is wrong with them together."""

    fields: tuple[Field, ...]
    make: Callable[..., Any]
    check: Callable[[Mapping[str, Any]], str | None] = lambda _: None

    def read(self, node: tree.Node, path: str, problems: Problems) -> Any:
        before = problems.count
        values = read_table(node, path, self.fields, problems)
        if problems.count == before and (reason := self.check(values)):
            problems.add(node, path, reason)
        return INVALID if problems.count > before else self.make(**values)

    def schema(self) -> Schema:
        return table_schema(self.fields)


def _some_sign(values: Mapping[str, Any]) -> str | None:
    if not values:
        return "expected at least one of status, redirect, text, json, found none"
    return "equals: expected 'json' beside it" if "equals" in values and "json" not in values else None


def _one_place(values: Mapping[str, Any]) -> str | None:
    given = [name for name in ("json", "text", "header") if name in values]
    return None if len(given) == 1 else f"expected one of json, text, header, found {len(given)}"


_PLACES = (
    Field(key="json", reader=_JSON_PATH, help="a path in the answer's JSON"),
    Field(key="text", reader=_PATTERN, help="a regular expression; its first group, if it has one"),
    Field(key="header", reader=_HEADER, help="a header of the answer"),
)
_PLACE = _Part(_PLACES, Place, _one_place)
_SIGN = _Part(
    (
        Field(key="status", reader=_OneOrMany(_STATUS), help="a status, or several"),
        Field(key="redirect", reader=_PATH, help="the path that it redirects to, or its beginning"),
        Field(key="text", reader=_PATTERN, help="a regular expression that its text matches"),
        Field(key="json", reader=_JSON_PATH, help="a path in its JSON that does not lead to null"),
        Field(key="equals", reader=_SENT, help="the value that `json` leads to, as text"),
    ),
    Sign,
    _some_sign,
)
_CSRF = _Part(
    (Field(key="get", reader=_PATH, required=True, help="the page that has the token"), *_PLACES),
    Csrf,
    _one_place,
)
_READY = _Part(
    (
        Field(key="get", reader=_PATH, help="a page that answers once the application serves; default /"),
        Field(
            key="within", attribute="within_s", reader=POSITIVE_DURATION, help="at the latest; default 20s"
        ),
    ),
    Ready,
)


_CONTAINER = _Part(
    (
        Field(key="image", reader=TEXT, required=True, help="an image that is on this machine"),
        Field(key="port", reader=_PORT, help="where it listens; default 8000"),
        Field(key="command", reader=_COMMAND, help="in the place of the image's own command"),
        Field(
            key="hosts",
            reader=Many(HOST),
            help="where nodes are on several hosts: the hosts of the web servers, in turn; default: all",
        ),
    ),
    Container,
)
_SERVICE = _Part(
    (
        Field(key="name", reader=TEXT, required=True, help="a service of the deployment's Compose project"),
        Field(key="port", reader=_PORT, help="where it listens; default 8000"),
    ),
    Service,
)


def _key(text: str) -> str:
    if not re.search(r"\{id(_sha256)?\}", text):
        raise Unreadable("it has {id} or {id_sha256} where the id of the session is")
    return text


_BACK_DOOR = _Part(
    (
        Field(
            key="key",
            reader=One("a key such as sess:{id}", _key, {"type": "string"}),
            required=True,
            help="the key of a session",
        ),
        Field(key="id", reader=_PATTERN, help="what of the cookie is the id; default: all of it"),
    ),
    BackDoor,
)


def _one_method(values: Mapping[str, Any]) -> str | None:
    given = [name for name in METHODS if name in values]
    if len(given) != 1:
        return f"expected one of {', '.join(METHODS)}, found {len(given)}"
    if {"form", "json"} <= values.keys():
        return "expected 'form' or 'json', found both"
    sent = [text for part in ("form", "json", "headers") for text in values.get(part, {}).values()]
    if "csrf" not in values and any(_TOKEN in text for text in sent):
        return f"expected 'csrf' beside it, which says where {_TOKEN} comes from"
    return None


def _recipe(**values: Any) -> Recipe:
    method = next(name for name in METHODS if name in values)
    return Recipe(method=method, path=values.pop(method), **values)


_RECIPE = _Part(
    (
        *(Field(key=one, reader=_PATH, help=f"the path of a {one.upper()} request") for one in METHODS),
        Field(key="form", reader=Named(_SENT), help="fields of a form"),
        Field(key="json", reader=Named(_SENT), help="members of a JSON object"),
        Field(key="headers", reader=Named(_SENT), help="headers of the request"),
        Field(key="csrf", reader=_CSRF, help="a token that is taken from a page first, for {csrf}"),
        Field(key="done", reader=_SIGN, help="how success is recognised; default: a status below 400"),
        Field(
            key="please_log_in",
            reader=_SIGN,
            help="how 'please log in' is recognised; default: as for all pages",
        ),
        Field(key="user", reader=_PLACE, help="where the answer names the user"),
        Field(
            key="values",
            reader=Named(_PLACE, names=VALUES),
            help="where the answer shows the theme (what change-field wrote) and the cart (a JSON object)",
        ),
    ),
    _recipe,
    _one_method,
)

GUEST_FIELDS = (
    Field(key="guest", reader=VERSION, required=True, help="format version; always the first key"),
    Field(key="name", reader=TEXT, required=True, help="how reports call it"),
    Field(key="about", reader=TEXT, help="what it is, in one or two sentences"),
    Field(
        key="start",
        reader=_COMMAND,
        help="the command of one web server, which listens at {HOST}:{PORT}",
    ),
    Field(key=RunAs.CONTAINER, reader=_CONTAINER, help="each web server is a container of this image"),
    Field(
        key=RunAs.SERVICE,
        reader=_SERVICE,
        help="the web servers are the containers of a service of your project",
    ),
    Field(
        key=RunAs.ADDRESS,
        attribute="addresses",
        reader=_OneOrMany(_ADDRESS),
        help="you run the web servers on this machine, at this address, or at several",
    ),
    Field(
        key="environment_file",
        reader=_FILE_NAME,
        help="with `address`: a file beside this one, into which the kit writes the variables of each run",
    ),
    Field(
        key="environment",
        reader=Named(_STARTED),
        help="further variables; REDIS_URL and the others of `with` are there in any case",
    ),
    Field(
        key="needs",
        reader=Named(TEXT),
        help="a program, or a file beside the guest file -> the command that installs it",
    ),
    Field(key="ready", reader=_READY, help="when a web server serves"),
    Field(
        key="cookie",
        reader=TEXT,
        help="the cookie that makes a session; default: the one without which the page shows nobody",
    ),
    Field(
        key="connections",
        reader=count(1, 10_000),
        help="the most connections to one node of Redis that a web server is meant to have: its pool",
    ),
    Field(
        key="back_door",
        reader=_BACK_DOOR,
        help="the key of a session in Redis, so that nodes are audited too",
    ),
    Field(key="token", reader=_PLACE, help="where the answer to a log-in has a bearer token"),
    Field(
        key="timeout",
        attribute="timeout_s",
        reader=POSITIVE_DURATION,
        help="how long a browser waits for an answer; default 10s",
    ),
    Field(key="please_log_in", reader=_SIGN, help="how 'please log in' is recognised; default: status 401"),
    Field(
        key="behaviours",
        attribute="recipes",
        reader=Named(_RECIPE, names=tuple(BEHAVIOURS)),
        required=True,
        help="behaviour -> its request, and how its answers are recognised",
    ),
)


def load_guest(path: Path) -> Guest:
    """Read a guest file.

    Raises:
        UsageError: everything that is wrong, one line each.
    """
    check_kind(path, FileKind.GUEST)
    root = tree.compose_file(path)
    problems = Problems()
    check_first_key(root, "guest", problems)
    values = read_table(root, "", GUEST_FIELDS, problems)
    _check(root, values, problems)
    problems.raise_if_any()
    values.pop("guest")
    values.pop("about", None)
    return Guest(file=str(path), folder=str(path.parent.resolve()), **values)


def _check(root: tree.Node, values: Mapping[str, Any], problems: Problems) -> None:
    if values.get("start") == ():
        problems.add(root, "start", "expected a program and its arguments, found nothing")
    _check_who_runs_it(root, values, problems)
    _check_port(root, values, problems)
    recipes: Mapping[str, Recipe] = values.get("recipes", {})
    if "recipes" not in values:
        return
    for name in (LOG_IN, READ):
        if name not in recipes:
            problems.add(
                _at(root, "behaviours"),
                "behaviours",
                f"expected a recipe for {name!r}: without it nothing can be judged",
            )
    if "back_door" in values and "token" in values:
        problems.add(root, "back_door", "expected sessions that are kept by cookie, found 'token'")
    if READ in recipes and recipes[READ].user is None:
        problems.add(
            _at(root, "behaviours", READ),
            "behaviours.read",
            "expected 'user', where the page names the user: a page that names nobody proves nothing",
        )


def _at(node: tree.Node, *keys: str) -> tree.Node:
    """What lies under these keys, or the nearest that there is."""
    for key in keys:
        pairs = node.value if isinstance(node, tree.Mapping) else ()
        node = next((value for name, value in pairs if name.value == key), node)
    return node


def _check_who_runs_it(root: tree.Node, values: Mapping[str, Any], problems: Problems) -> None:
    keys = [key.value for key, _ in root.value] if isinstance(root, tree.Mapping) else []
    ways = [str(way) for way in RunAs if way in keys]
    if len(ways) != 1:
        found = ", ".join(ways) or "none of them"
        problems.add(root, "", f"expected one of {', '.join(RunAs)}: what a web server is; found {found}")
        return
    (way,) = ways
    if way in {RunAs.SERVICE, RunAs.ADDRESS} and values.get("environment"):
        whose = "your project" if way == RunAs.SERVICE else "you"
        problems.add(root, "environment", f"with '{way}' it is {whose} who sets the variables; leave it out")
    if way != RunAs.ADDRESS and "environment_file" in values:
        problems.add(
            root, "environment_file", "expected 'address' beside it: the kit starts this application"
        )


def _check_port(root: tree.Node, values: Mapping[str, Any], problems: Problems) -> None:
    """The kit gives each web server a port. An application that never hears of it listens elsewhere."""
    if not values.get("start"):
        return
    told = (*values["start"], *values.get("environment", {}).values())
    if not any(_PORT_GIVEN in text for text in told):
        problems.add(
            _at(root, "start"),
            "start",
            f"expected {_PORT_GIVEN} in it, the port at which this web server is to listen, found none; for "
            "an application that reads it from the variable PORT, write environment: "
            f'{{PORT: "{_PORT_GIVEN}"}}',
        )


@dataclass(frozen=True, slots=True)
class GuestFile:
    """The name of a guest file, in a deployment; read at once. A path from the file that names it."""

    def read(self, node: tree.Node, path: str, problems: Problems) -> Any:
        name = TEXT.read(node, path, problems)
        if name is INVALID:
            return INVALID
        folder = Path() if tree.line(node) == 0 else Path(node.start_mark.name).parent
        try:
            return load_guest(folder / name)
        except UsageError as problem:
            problems.add(node, path, str(problem))
            return INVALID

    def schema(self) -> Schema:
        return TEXT.schema()


def guest_schema() -> Schema:
    """For editors."""
    schema = dict(table_schema(GUEST_FIELDS))
    behaviours = schema["properties"]["behaviours"]["properties"]
    behaviours |= {name: {"$ref": "#/$defs/recipe"} for name in behaviours}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Application as a guest of the failover kit",
        **schema,
        "$defs": {"recipe": _RECIPE.schema()},
    }
