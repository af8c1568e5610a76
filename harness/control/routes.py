"""Which call does what: the one list of them, for the server and for the OpenAPI file.

A route turns a request into a call of `Live`. What a call raises becomes an answer in `STATUS_OF`, in one
place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec

from harness.control.live import EVENTS, WAIT_DEFAULT_S, HealFailed, Live, NotSeen, Unknown
from harness.control.words import WAIT_MAX_S, Awaited, Healed, HealRequest, Injected, Status
from harness.errors import EnvironmentFailure, Interrupted, NoEffect, UsageError
from harness.scenario import fault_words
from harness.scenario.values import Unreadable, duration_s

Answer = Injected | Healed | Awaited | Status

OK = 200
UNAUTHORIZED = 401
NOT_FOUND = 404
NO_EFFECT = 409
UNFIT = 422
FAILED = 500
ENDING = 503
NOT_IN_TIME = 504

STATUS_OF: Mapping[type[Exception], int] = {
    Unknown: NOT_FOUND,
    UsageError: UNFIT,
    NoEffect: NO_EFFECT,
    NotSeen: NOT_IN_TIME,
    Interrupted: ENDING,
    HealFailed: FAILED,
    EnvironmentFailure: FAILED,
}
"""The first that fits, from top to bottom."""

MEANING: Mapping[int, str] = {
    UNAUTHORIZED: "The token is missing or wrong.",
    NOT_FOUND: "There is no such call, node, fault or event.",
    NO_EFFECT: "No effect was seen, or the fault's start did not come.",
    UNFIT: "The request cannot be carried out: no JSON, or a fault that does not exist or does not fit.",
    FAILED: "The machine failed, not the topology.",
    ENDING: "The run is ending.",
    NOT_IN_TIME: "What was waited for did not happen in time.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a route may read."""

    live: Live
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    name: str
    place: str
    """path or query."""
    help: str
    example: str
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    method: str
    path: str
    help: str
    call: Callable[[Request], Awaitable[Answer]]
    answer: type[Answer]
    problems: tuple[int, ...]
    """Statuses that it may answer with, besides 200 and those that every route has."""
    parameters: tuple[Parameter, ...] = ()
    body: str = ""
    """Name of the schema of its body; empty: none."""


FAULT_BODY = "Fault"
"""One fault of a scenario's list, as an object or in one text."""


_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a body may be that is no JSON, or JSON that is nested without end."""


async def _inject(request: Request) -> Injected:
    wanted = _json(request.body)
    if isinstance(wanted, str):
        wanted = fault_words(wanted)
    if not isinstance(wanted, dict):
        raise UsageError('body: expected a fault such as {"kill": "primary"}, found neither object nor text')
    return await request.live.inject(wanted)


async def _heal(request: Request) -> Healed:
    wanted = HealRequest()
    if request.body.strip():
        try:
            wanted = msgspec.json.decode(request.body, type=HealRequest)
        except _UNREADABLE as problem:
            raise UsageError(f'body: expected nothing or {{"fault": 1}}: {problem}') from problem
    return await request.live.heal(wanted.fault)


async def _wait(request: Request) -> Awaited:
    _known(request.query, ("within", "fault"))
    return await request.live.wait(
        request.path["event"],
        within_s=_duration_s(request.query.get("within", f"{WAIT_DEFAULT_S:g}s")),
        fault=_number(request.query["fault"]) if "fault" in request.query else None,
    )


async def _status(request: Request) -> Status:
    return request.live.status()


ROUTES = (
    Route(
        method="POST",
        path="/inject",
        help="Carry out a fault, as in a scenario's list, and answer once it is in effect. Without `after` "
        "or `when` it starts at once; without `for` it lasts until it is healed.",
        call=_inject,
        answer=Injected,
        problems=(NOT_FOUND, NO_EFFECT, UNFIT, FAILED, ENDING),
        body=FAULT_BODY,
    ),
    Route(
        method="POST",
        path="/heal",
        help="Undo a fault, or every fault that is in effect. Nodes that it killed or stopped start again.",
        call=_heal,
        answer=Healed,
        problems=(NOT_FOUND, UNFIT, FAILED),
        body="HealRequest",
    ),
    Route(
        method="GET",
        path="/wait/{event}",
        help="Answer once the event was observed since the effect of a fault.",
        call=_wait,
        answer=Awaited,
        problems=(NOT_FOUND, UNFIT, NOT_IN_TIME),
        parameters=(
            Parameter(name="event", place="path", help="What to wait for.", example="promoted", words=EVENTS),
            Parameter(
                name="within",
                place="query",
                help=f"The longest time to wait, at most {WAIT_MAX_S:g}s; default {WAIT_DEFAULT_S:g}s.",
                example="30s",
            ),
            Parameter(
                name="fault",
                place="query",
                help="The number of the fault; default: the last one that took effect.",
                example="1",
            ),
        ),
    ),
    Route(
        method="GET",
        path="/status",
        help="Nodes with their roles and addresses, and what became of each fault.",
        call=_status,
        answer=Status,
        problems=(),
    ),
)


def _json(body: bytes) -> object:
    try:
        return msgspec.json.decode(body)
    except _UNREADABLE as problem:
        raise UsageError(f'body: expected JSON such as {{"kill": "primary"}}: {problem}') from problem


def _known(query: Mapping[str, str], names: tuple[str, ...]) -> None:
    for name in query:
        if name not in names:
            raise UsageError(f"query: expected {' or '.join(names)}, found {name[:40]!r}")


def _duration_s(text: str) -> float:
    try:
        seconds = duration_s(text)
    except Unreadable:
        seconds = math.inf
    if seconds > WAIT_MAX_S:
        raise UsageError(f"within: expected a time such as 30s, at most {WAIT_MAX_S:g}s, found {text[:40]!r}")
    return seconds


def _number(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,6}", text):
        raise UsageError(f"fault: expected the number of a fault, found {text[:40]!r}")
    return int(text)
