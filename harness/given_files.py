"""The files of a command: scenarios, and at most one deployment to run them against.

    failover-kit run mine.yaml ours.yaml
    failover-kit run --scenario mine.yaml --deployment ours.yaml

Both mean the same. The first key of a plain argument says what the file is. Everything else that `--scenario`
takes (a folder, a glob, a part of a shipped name) may be a plain argument too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import scenario as reading
from harness import selection
from harness.errors import UsageError
from harness.model.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a command is about."""

    scenarios: tuple[str, ...] = ()
    """Patterns as typed; none: a suite."""
    deployment: str | None = None

    def load(self, *, suite: str, overrides: Sequence[str]) -> list[Scenario]:
        """The scenarios, each once, in the order in which they were given; without any, those of the suite.

        Raises:
            UsageError: nothing matches, or a file is wrong.
        """
        patterns = self.scenarios or (None,)
        files = dict.fromkeys(path for one in patterns for path in selection.scenario_files(one))
        return selection.load(
            list(files),
            suite=None if self.scenarios else suite,
            overrides=overrides,
            deployment=Path(self.deployment) if self.deployment else None,
        )


def sorted_out(plain: Sequence[str], *, scenario: str | None, deployment: str | None) -> Given:
    """Plain arguments, and the options that say the same.

    Raises:
        UsageError: more than one deployment.
    """
    deployments = [word for word in plain if reading.first_key(Path(word)) == "deployment"]
    scenarios = [word for word in plain if word not in deployments]
    deployments += [deployment] if deployment else []
    scenarios += [scenario] if scenario else []
    if len(set(deployments)) > 1:
        raise UsageError(f"expected one deployment, found {' and '.join(dict.fromkeys(deployments))}")
    return Given(scenarios=tuple(scenarios), deployment=deployments[0] if deployments else None)
