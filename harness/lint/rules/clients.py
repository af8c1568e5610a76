"""What the application's client does about a failover: of deployment files and scenarios."""

from __future__ import annotations

from collections.abc import Iterator

from harness.errors import UsageError
from harness.lint.rule import Hit, Proof, Rule, Severity
from harness.lint.subjects import Given, KitFile
from harness.model.deployment import ClientProfile, Deployment
from harness.model.words import Discovery
from harness.scenario.file_kind import FileKind
from harness.scenario.values import Unreadable, duration_s

_KIT = (FileKind.DEPLOYMENT, FileKind.SCENARIO)


def _clients(given: Given) -> Iterator[tuple[KitFile, Deployment]]:
    for one in given.kit_files:
        if one.deployment is not None:
            yield one, one.deployment


def _discovery(given: Given, wanted: Discovery, said: str) -> Iterator[Hit]:
    for file, deployment in _clients(given):
        if deployment.client.discovery is wanted and deployment.topology.sentinels:
            yield Hit(place=file.at(file.key("client.discovery")), said=said)


def _once(given: Given) -> Iterator[Hit]:
    return _discovery(given, Discovery.RESOLVE_ONCE, "the primary's address is asked for once, at the start")


def _fixed(given: Given) -> Iterator[Hit]:
    return _discovery(
        given, Discovery.FIXED_ADDRESS, "the client has one address, and sentinels may move the primary"
    )


def _wait(given: Given) -> Iterator[Hit]:
    """Asked of the text: such a file is refused, so there is no deployment to ask."""
    for file in given.kit_files:
        replicas, within = (
            ("wait.replicas", "wait.within")
            if file.key("client.wait.replicas") in file.values
            else ("wait_replicas", "wait_timeout")
        )
        if int(file.values.get(file.key(f"client.{replicas}"), "0") or 0) < 1:
            continue
        wait_s = _written_s(file, within, ClientProfile().wait_timeout_s)
        socket_s = _written_s(file, "socket_timeout", ClientProfile().socket_timeout_s)
        if wait_s is not None and socket_s is not None and wait_s >= socket_s:
            yield Hit(
                place=file.at(file.key(f"client.{within}"), file.key("client.socket_timeout")),
                said=f"WAIT may take {wait_s:g} s, and the client hangs up after {socket_s:g} s",
            )


def _written_s(file: KitFile, key: str, otherwise: float) -> float | None:
    text = file.values.get(file.key(f"client.{key}"))
    if text is None:
        return otherwise
    try:
        return duration_s(text)
    except (Unreadable, UsageError):
        return None


def _not_honoured(given: Given) -> Iterator[Hit]:
    for file, deployment in _clients(given):
        for one in deployment.topology.everything_left_out:
            if one.decides:
                place = file.at(
                    file.key(f"topology.{one.table}.{one.name}"), file.key(f"topology.{one.table}")
                )
                yield Hit(place=place, said=f"{one}; no run with it can be PASS")


RULES = (
    Rule(
        name="client-resolves-once",
        severity=Severity.ERROR,
        wrong="The client asks for the primary once, at its start.",
        why="After a failover it goes on with the old address: errors until somebody restarts the "
        "application, or lost writes when the old primary comes back.",
        cure="Ask the sentinels again after an error (on-error), or listen to them (follow-events).",
        kinds=_KIT,
        look=_once,
        proof=Proof("sentinel/09"),
    ),
    Rule(
        name="client-ignores-sentinels",
        severity=Severity.ERROR,
        wrong="Sentinels move the primary, and the client has a fixed address.",
        why="After a failover it goes on with the old address: errors, or lost writes when the old "
        "primary comes back.",
        cure="Let the client ask the sentinels: on-error or follow-events.",
        kinds=_KIT,
        look=_fixed,
        proof=Proof("sentinel/09", ("deployment.client.discovery=fixed-address",)),
    ),
    Rule(
        name="wait-outlasts-socket",
        severity=Severity.ERROR,
        wrong="WAIT may take as long as the client waits for any reply.",
        why="The client hangs up before WAIT can say that replicas are missing, so a write that was "
        "executed looks like an error.",
        cure="Make wait_timeout shorter than socket_timeout.",
        kinds=_KIT,
        look=_wait,
        no_proof="the kit refuses to run with it",
    ),
    Rule(
        name="not-honoured",
        severity=Severity.NOTE,
        wrong="The kit does not use a setting that can decide the outcome.",
        why="A run without it may end otherwise than your deployment would, so nothing passes.",
        cure="Remove the line if it is not needed for the question that the run is to answer.",
        kinds=_KIT,
        look=_not_honoured,
        no_proof="it is about the kit itself",
    ),
)
