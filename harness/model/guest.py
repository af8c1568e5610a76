"""A guest: an application of somebody's own, and what each behaviour is there in HTTP.

`harness.scenario` makes one from a guest file; it is a part of the deployment, in the place of the kit's own
session client. `harness.guests` starts the application and talks to it. Nobody else knows HTTP: what comes of
a request is an operation like any other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

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
class Guest:
    name: str
    file: str
    folder: str
    """Where the application is started."""
    start: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    needs: Mapping[str, str] = field(default_factory=dict)
    """A program or file that must be there -> the line that installs it."""
    ready: Ready = field(default_factory=Ready)
    cookie: str = ""
    """The name of the cookie that makes a session; empty: any that log-in sets."""
    token: Place | None = None
    """Where the answer to a log-in has a bearer token; None: sessions are kept by cookie."""
    timeout_s: float = 10.0
    """How long a user's browser waits for an answer."""
    please_log_in: Sign = field(default_factory=lambda: Sign(status=(401,)))
    recipes: Mapping[str, Recipe] = field(default_factory=dict)
    """Behaviour -> how it is asked for."""

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
