"""A guest: an application of somebody's own, and what each behaviour is there in HTTP.

`harness.scenario` makes one from a guest file; it is a part of the deployment, in the place of the kit's own
session client. `harness.guests` starts the application and talks to it. Nobody else knows HTTP: what comes of
a request is an operation like any other.

A web server is a process of this machine, a container, a service of the deployment's Compose project, or
something that its user runs at an address.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from harness.model.words import OperationKind

LOG_IN = "log-in"
READ = "read"
CART = "cart"
LOGOUT = "logout"
BEHAVIOURS: Mapping[str, OperationKind] = {
    LOG_IN: OperationKind.LOGIN,
    READ: OperationKind.READ,
    "touch": OperationKind.TOUCH,
    "change-field": OperationKind.WRITE,
    CART: OperationKind.WRITE,
    LOGOUT: OperationKind.LOGOUT,
    "logout-everywhere": OperationKind.LOGOUT,
}
"""What a guest file can say of an application. Each counts as it does in the kit's own session client."""

METHODS = ("get", "post", "put", "patch", "delete")

FIELD = "theme"
VALUES = (FIELD, CART)
"""What of a session a page shows: the field that `change-field` writes, and the cart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    """How an answer is recognised: all of it must be so. What is empty says nothing."""

    status: tuple[int, ...] = ()
    redirect: str = ""
    """The path that it redirects to, or the beginning of it."""
    text: str = ""
    """A regular expression that its text matches somewhere."""
    json: str = ""
    """A path in its JSON that leads somewhere, and not to null: `user.name`, `items.0.id`."""
    equals: str | None = None
    """With `json`: the value there, as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in an answer something stands. Exactly one of them is set."""

    json: str = ""
    text: str = ""
    """A regular expression; its first group, if it has one."""
    header: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Csrf:
    """A page that is asked for first, and what of it goes into `{csrf}`."""

    get: str
    json: str = ""
    text: str = ""
    header: str = ""

    @property
    def place(self) -> Place:
        return Place(json=self.json, text=self.text, header=self.header)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One behaviour as a request, and how its answers are read. Words in braces are filled in."""

    method: str
    path: str
    form: Mapping[str, str] = field(default_factory=dict)
    json: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    csrf: Csrf | None = None
    done: Sign = field(default_factory=Sign)
    """It did what was asked for; nothing set: any status below 400."""
    please_log_in: Sign | None = None
    """None: as the guest says of all its pages."""
    user: Place | None = None
    """Where the answer names the user; nobody there: a page for nobody."""
    values: Mapping[str, Place] = field(default_factory=dict)
    """Of `VALUES`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """When a web server serves."""

    get: str = "/"
    within_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BackDoor:
    """Under which key of Redis the application keeps a session."""

    key: str
    """With `{id}` or `{id_sha256}`."""
    id: str = ""
    """A regular expression that finds the id in the cookie, decoded; empty: all of the cookie."""


class RunAs(StrEnum):
    """What a web server of a guest is. Each is the key of a guest file that says so."""

    PROCESS = "start"
    CONTAINER = "container"
    SERVICE = "service"
    ADDRESS = "address"


IN_WORDS: Mapping[RunAs, str] = {
    RunAs.PROCESS: "processes of this machine",
    RunAs.CONTAINER: "containers of the kit",
    RunAs.SERVICE: "containers of a Compose project",
    RunAs.ADDRESS: "run by you on this machine",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What one web server in a container is made of."""

    image: str
    port: int = 8000
    """Where it is to listen, at every address of its own."""
    command: tuple[str, ...] = ()
    """Empty: that of the image."""
    hosts: tuple[str, ...] = ()
    """Where nodes are on several hosts: those of the web servers, in turn. Empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """The service of the deployment's Compose project that is the application."""

    name: str
    port: int = 8000


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    name: str
    file: str
    folder: str
    """Where the application is started."""
    start: tuple[str, ...] = ()
    container: Container | None = None
    service: Service | None = None
    addresses: tuple[tuple[str, int], ...] = ()
    """Host and port of each web server that its user runs."""
    environment_file: str = ""
    """Where the kit writes the variables for an application that its user starts; empty: nowhere."""
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    """A program or file that must be there -> the line that installs it."""
    ready: Ready = field(default_factory=Ready)
    cookie: str = ""
    """The name of the cookie that makes a session; empty: not found out yet."""
    connections: int | None = None
    """The most connections to one node of Redis that a web server is meant to have; None: nobody says."""
    back_door: BackDoor | None = None
    """None: nobody but the application knows how it keeps a session."""
    token: Place | None = None
    """Where the answer to a log-in has a bearer token; None: sessions are kept by cookie."""
    timeout_s: float = 10.0
    """How long a user's browser waits for an answer."""
    please_log_in: Sign = field(default_factory=lambda: Sign(status=(401,)))
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """Behaviour -> how it is asked for."""

    @property
    def run_as(self) -> RunAs:
        if self.container is not None:
            return RunAs.CONTAINER
        if self.service is not None:
            return RunAs.SERVICE
        return RunAs.ADDRESS if self.addresses else RunAs.PROCESS

    @property
    def hosts(self) -> tuple[str, ...]:
        """Those that its file names."""
        return self.container.hosts if self.container is not None else ()

    @property
    def command(self) -> tuple[str, ...]:
        """What one web server is started with; empty: the kit does not say."""
        return self.start if self.container is None else self.container.command

    @property
    def described(self) -> str:
        """What a web server is, for people."""
        if self.container is not None:
            return f"a container of {self.container.image}, port {self.container.port}"
        if self.service is not None:
            return f"a container of the service {self.service.name}, port {self.service.port}"
        if self.addresses:
            return f"run by you at {', '.join(f'{host}:{port}' for host, port in self.addresses)}"
        return " ".join(self.start)

    @property
    def to_be_started(self) -> str:
        """What its user has to do, where they run it."""
        how = f" with the variables of {self.environment_file}" if self.environment_file else ""
        within = f"within {self.ready.within_s:g} s of each run's beginning"
        return f"{self.name} is {self.described}: start it{how}, {within}"

    @property
    def longest_wait_s(self) -> float:
        """Of one behaviour: some ask for a page with a token first."""
        pages = 1 if all(recipe.csrf is None for recipe in self.recipes.values()) else 2
        return pages * self.timeout_s

    def misfit(self, behaviours: Mapping[str, float]) -> str | None:
        """Why a workload with these behaviours cannot be carried out; None: it can."""
        missing = [name for name in behaviours if name not in self.recipes]
        if not missing:
            return None
        return (
            f"the guest {self.name} has no recipe for {', '.join(missing)}; "
            f"leave it out: --set workload.mix.{missing[0]}=0"
        )
