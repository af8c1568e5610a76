"""What of all that can be drawn fits a topology: tried once before the first run, without starting a node.

Each setting, and each fault with each of its targets, is put into a scenario alone. Whoever reads and plans
scenarios says whether somebody could run it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import yaml

from harness.errors import UsageError
from harness.explore.draw import NOTICED_S, Document, Space, single_faults, single_settings, without_fault
from harness.explore.promises import expectations
from harness.model.deployment import Deployment
from harness.model.inventory import Inventory
from harness.model.results import SuiteResult
from harness.model.scenario import Vocabulary
from harness.plan.timeline import Pace
from harness.presets import inventory_of
from harness.safe_files import make_folder, write_file

_TRIED = "tried.yaml"
"""Below the folder of an exploration, for as long as somebody tries."""
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""libyaml's where PyYAML was built with it: ten times as fast."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    kind: str
    """The topology's."""
    own_deployment: bool
    """Somebody's own: its settings stay. Otherwise settings are drawn as well."""
    inventory: Inventory
    noticed_s: float = 0.0
    """How long a primary of the deployment is silent until somebody takes it for dead; 0: nobody does."""
    expect: tuple[str, ...] = ()
    """`metric: bound`, besides what must hold in every exploration."""
    minutes: float
    seed: int
    vocabulary: Vocabulary

    @classmethod
    def on(cls, deployment: Deployment, **others: Any) -> Self:
        """`others`: what a deployment does not say."""
        inventory = inventory_of(deployment)
        pace = Pace(deployment.topology, inventory)
        return cls(
            kind=deployment.topology.kind,
            inventory=inventory,
            noticed_s=pace.suspicion_s if inventory.fails_over else 0.0,
            **others,
        )


class Ground(Protocol):
    """What schedules run on, as an exploration needs it."""

    @property
    def jobs(self) -> int: ...
    def why_not(self, file: Path) -> str | None:
        """Why nobody can run a scenario here; None: it can be run."""

    def run(self, files: Sequence[Path], *, repeat: int) -> SuiteResult: ...


@dataclass(frozen=True, slots=True)
class Trials:
    """Schedules that are tried and not run. Of these no file stays."""

    ground: Ground
    folder: Path

    def why_not(self, document: Document) -> str | None:
        """Why nobody can run it; None: it can be run."""
        make_folder(self.folder, exist_ok=True)
        write_file(self._file, text_of(document))
        try:
            return self.ground.why_not(self._file)
        finally:
            self._file.unlink()

    def as_it_was_given(self, problem: str) -> str:
        """What is expected came with the command, and only then into a file."""
        return re.sub(rf"{re.escape(str(self._file))}:\d+: expect\.", "--expect ", problem)

    @property
    def _file(self) -> Path:
        return (self.folder / _TRIED).resolve()


def fitting(request: Request, ground: Ground, folder: Path) -> Space:
    """What an exploration can draw from.

    Raises:
        UsageError: an expectation is wrong, or no fault fits this topology.
        EnvironmentFailure: nothing can be written into `folder`.
    """
    trials, findings = Trials(ground, folder), request.vocabulary.findings
    space = Space(
        kind=request.kind,
        own_deployment=request.own_deployment,
        inventory=request.inventory,
        expect=expectations(request.expect, findings),
        vocabulary=request.vocabulary,
        noticed_s=max(NOTICED_S, request.noticed_s),
    )
    if trials.why_not(without_fault(space)) is not None:  # a single node has no replica that could differ
        space = replace(space, expect=expectations(request.expect, findings, premises=False))
    if problem := trials.why_not(without_fault(space)):
        raise UsageError(f"explore {request.kind}: {trials.as_it_was_given(problem)}")
    targets: dict[str, list[str]] = {}
    problem = "there is none"
    for kind, target, document in single_faults(space):
        if target not in targets.get(kind, ()):
            problem = trials.why_not(document)
            if problem is None:
                targets.setdefault(kind, []).append(target)
    if not targets:
        raise UsageError(f"explore {request.kind}: no fault can be run here: {problem}")
    space = replace(space, targets=targets)
    fits: dict[str, bool] = {}
    for path, document in single_settings(space):
        fits[path] = fits.get(path, True) and trials.why_not(document) is None
    return replace(space, settings=tuple(path for path, all_values in fits.items() if all_values))


def text_of(document: Document) -> bytes:
    text: str = yaml.dump(document, Dumper=_DUMPER, sort_keys=False, width=100)
    return text.encode()
