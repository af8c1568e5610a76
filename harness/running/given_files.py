"""The files of a command: scenarios, and deployments to run them against.

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
from harness.running.selection import Choice, Varied, scenario_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a command is about."""

    scenarios: tuple[str, ...] = ()
    """Patterns as typed; none: a suite."""
    deployments: tuple[str, ...] = ()

    def choice(
        self,
        *,
        suite: str,
        settings: Sequence[str] = (),
        engines: Sequence[str] = (),
        vary: Sequence[Varied] = (),
        repeat: int = 1,
    ) -> Choice:
        """The scenarios, each once, in the order in which they were given; without any, those of the suite.

        Raises:
            UsageError: nothing matches.
        """
        patterns = self.scenarios or (None,)
        files = dict.fromkeys(path for one in patterns for path in scenario_files(one))
        return Choice(
            files=tuple(files),
            suite=None if self.scenarios else suite,
            settings=tuple(settings),
            deployments=tuple(map(Path, self.deployments)),
            engines=tuple(engines),
            vary=tuple(vary),
            repeat=repeat,
        )


def sorted_out(
    plain: Sequence[str], *, scenarios: Sequence[str] = (), deployments: Sequence[str] = ()
) -> Given:
    """Plain arguments, and the options that say the same."""
    found = [word for word in plain if reading.first_key(Path(word)) == "deployment"]
    named = [word for word in plain if word not in found]
    return Given(scenarios=(*named, *scenarios), deployments=tuple(dict.fromkeys([*found, *deployments])))
