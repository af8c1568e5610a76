"""When a fault took effect of which only its own command tells: between the moments before and after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from harness.model.seams import Effect, FaultScene


@dataclass(slots=True)
class Noted:
    """It took effect within [at - error, at]."""

    at_us: int
    error_us: int = 0

    def effect(self, targets: tuple[str, ...], proof: str) -> Effect:
        return Effect(targets=targets, proof=proof, at_us=self.at_us, error_us=self.error_us)


@contextmanager
def noted(scene: FaultScene) -> Iterator[Noted]:
    """The fault's command is given inside the `with`, and answered at its end."""
    began_us = scene.observed.now_us()
    moment = Noted(began_us)
    yield moment
    moment.at_us = scene.observed.now_us()
    moment.error_us = moment.at_us - began_us
