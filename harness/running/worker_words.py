"""What the controller of a run and a load worker say to each other: a line of JSON each, over its standard
input and output.

Orders are carried out one after the other, and each is answered with its number. The clock is asked for
between them, and answered at once. All else that a worker knows comes by itself, in portions, as it is no
evidence: that is in the part of the history that the worker leaves (`harness.history.merging`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import msgspec

from harness.model.plan import Plan
from harness.model.records import Connection
from harness.model.seams import Address, Secrets, Source
from harness.model.words import Phase

NEWS_EVERY_S = 0.1
CLOCK_EVERY_S = 1.0
AWAKE = 0
"""The number of the first answer, which comes without an order: the worker can read."""


SKEWED = "FAILOVER_KIT_SKEWED"
"""A variable, for whoever measures the kit itself: with `2=50000,200` the clock of worker 2 is 50 ms ahead
and 200 millionths too fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """What a worker knows of the nodes: enough of a `Topology` for web servers."""

    plan: Plan
    secrets: Secrets
    service: str
    addresses: Mapping[str, Address]
    sources: Mapping[str, Source]

    def address(self, node: str) -> Address:
        return self.addresses[node]

    def node_at(self, host: str, port: int) -> str | None:
        at = Address(host, port)
        return next((name for name, one in self.addresses.items() if one == at), None)

    def source(self, web_server: str) -> Source:
        return self.sources[web_server]


class _Order(msgspec.Struct, tag_field="order", kw_only=True, omit_defaults=True):
    n: int = 0


class Begin(_Order, tag="begin"):
    """The first one."""

    reach: Reach
    worker: int
    workers: int
    folder: str
    """Where its part of the history is to be."""
    now_us: int
    """The run's clock: the worker begins with about the same."""


class Seed(_Order, tag="seed"):
    """Log in every user."""


class Drive(_Order, tag="drive"):
    """Send what is due, until told to finish."""


class Finish(_Order, tag="finish"):
    """Send no more, and let what is in flight end."""


class EnterPhase(_Order, tag="phase"):
    phase: Phase


class Sides(_Order, tag="sides"):
    fault: int
    sides: dict[str, str]


class WebServer(_Order, tag="web-server"):
    """What a fault does to one."""

    name: str
    does: Literal["kill_web_server", "start_web_server", "pause_web_server", "resume_web_server"]
    """A method of `harness.model.seams.WebServers`."""


class Look(_Order, tag="look"):
    """How does a node see a connection of a web server? Other orders do not wait for the answer."""

    web_server: str
    node: str


class Close(_Order, tag="close"):
    """Close every connection and the part of the history."""


class Ask(_Order, tag="ask"):
    """What does the clock show?"""


Order = Begin | Seed | Drive | Finish | EnterPhase | Sides | WebServer | Look | Close | Ask


class _Said(msgspec.Struct, tag_field="said", kw_only=True, omit_defaults=True):
    pass


class Time(_Said, tag="time"):
    n: int
    theirs_us: int
    lag_us: int = 0
    """As of `ClockPair`, of the worker's loop, since it was last asked; likewise the other."""
    behind_us: int = 0


class Done(_Said, tag="done"):
    """An order was carried out."""

    n: int
    detail: str = ""
    failed: str = ""
    """Why it was not."""
    no_effect: bool = False
    """It is a fault that had none."""


class Acked(msgspec.Struct, array_like=True):
    """Operations of a behaviour, since the last portion."""

    behaviour: str
    count: int
    after_us: int
    """All of them were done after this, on the worker's clock, and the last at `last_us`."""
    last_us: int


class Made(msgspec.Struct, array_like=True):
    """A session."""

    id: str
    user: str
    generation: int
    shard: int
    key: str
    witness_key: str


class Kept(msgspec.Struct, array_like=True):
    """Another object."""

    key: str
    shard: int


class News(_Said, tag="news"):
    """A portion."""

    acked: list[Acked] = []
    sessions: list[Made] = []
    objects: list[Kept] = []
    unanswered: list[Connection] = []
    """On the worker's clock."""
    operations: int = 0
    rates: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Acked, rejected and unknown in the last second."""
    in_flight: int = 0
    waiting: int = 0
    not_sent: int = 0
    logged_in: int = 0
    crashes: int = 0
    peaks: dict[str, int] = {}


Said = Time | Done | News
