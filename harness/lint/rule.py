"""What a rule is: its name, what it finds wrong and why, how to prove it, and the look that finds it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from harness.lint.subjects import Given, Place
from harness.scenario.file_kind import FileKind


class Severity(StrEnum):
    """`error`: users lose sessions or nobody can log in after an ordinary failure; `warning`: they may,
    depending on what the files do not say; `note`: worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


OWN_DEPLOYMENT = "YOURS.yaml"
"""How a command calls a deployment of the files that were given, which `--prove` writes."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A scenario that shows what the rule says, and how it must be changed for that."""

    scenario: str
    settings: tuple[str, ...] = ()
    own_files: bool = False
    """On a deployment of the files that were given: no setting of the kit's own shows it."""

    def command(self, deployment: str = OWN_DEPLOYMENT) -> str:
        words = [f"--set {shlex.quote(setting)}" for setting in self.settings]
        words += [shlex.quote(deployment)] if self.own_files else []
        return " ".join(("failover-kit run", self.scenario, *words))


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One place where a rule applies, in words about that file."""

    place: Place
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    name: str
    severity: Severity
    wrong: str
    """In general: one sentence."""
    why: str
    """What happens then."""
    cure: str
    kinds: tuple[FileKind, ...]
    """In which files it finds something."""
    look: Callable[[Given], Iterator[Hit]]
    proof: Proof | None = None
    no_proof: str = ""
    """Why no scenario shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    rule: Rule
    place: Place
    said: str
