"""What `--pin NAME=VALUE` fixes, for an application whose configuration cannot be told of the nodes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.errors import UsageError
from harness.model.pins import Pins
from harness.running.ground import Ground
from harness.visible import visible

NONE = "none"

_PASSWORD = re.compile(r"[A-Za-z0-9!$%&()*+,./:;<=>?@^_{|}~-]{1,128}")
"""What Sentinel writes into its file again as it was."""

_PORT = re.compile(r"[0-9]{1,5}")
_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    pins: Pins
    settings: tuple[str, ...]
    """Of the deployment, as `--set` has them."""

    def ground(self, ground: Ground) -> Ground:
        """What the nodes stand on: with a fixed port it is this machine's own address."""
        if not self.pins.fix_ports:
            return ground
        why = "nodes with a pinned port have this machine's loopback address"
        return replace(ground, machine=ground.machine.on_loopback(why))


def pinned(given: Sequence[str]) -> Pinned:
    """
    Raises:
        UsageError: no such name, or no value for it.
    """
    pins, settings = Pins(), []
    for text in given:
        name, _, value = text.partition("=")
        match name:
            case "service" if value:
                settings.append(f"deployment.topology.service={value}")
            case "password" if _PASSWORD.fullmatch(value):
                pins = replace(pins, password="" if value == NONE else value)
            case "sentinel-password" if _PASSWORD.fullmatch(value):
                pins = replace(pins, sentinel_password="" if value == NONE else value)
            case "port" if _PORT.fullmatch(value):
                pins = replace(pins, port=int(value))
            case "sentinel-port" if _PORT.fullmatch(value):
                pins = replace(pins, sentinel_port=int(value))
            case _:
                raise UsageError(
                    "--pin: expected service=NAME, password=TEXT, sentinel-password=TEXT (none: without "
                    f"one), port=NUMBER or sentinel-port=NUMBER, found {visible(text[:_SHOWN])!r}"
                )
    return Pinned(pins=pins, settings=tuple(settings))
