"""Reports of bugs, and the shipped scenarios that bring them onto this machine.

A scenario names its reports as `redis/redis#12762`. People remember less, so `redis-12762`, `redis#12762`
and the address of the page find it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from harness import scenario as reading
from harness.errors import UsageError
from harness.model.nearest import did_you_mean
from harness.model.scenario import Scenario
from harness.running.selection import scenario_files
from harness.running.vocabulary import shipped

_ADDRESS = re.compile(r"https?://github\.com/([\w.-]+)/([\w.-]+)/(?:issues|pull|discussions)/(\d+)\S*")
_SHOWN = 40
_SAYS_NOTHING = frozenset({"charts", "helm-charts"})
"""Repositories whose name does not say what they are of."""


def scenarios_of(asked: str) -> list[Path]:
    """The shipped scenarios that show this report, in the order of their names.

    Raises:
        UsageError: none does; says which report has the nearest name.
    """
    found: list[Path] = []
    known: dict[str, str] = {}
    wanted = _plain(asked)
    for path in scenario_files(None):
        for report in _shown_by(path.resolve()):
            names = list(_names(report))
            known |= dict.fromkeys(names, names[0])
            if wanted in names:
                found.append(path)
    if found:
        return list(dict.fromkeys(found))
    hint = did_you_mean(wanted, known)
    raise UsageError(
        f"--bug {asked[:_SHOWN]!r}: expected a report that a shipped scenario shows, found none{hint or ';'} "
        "`failover-kit list` shows them"
    )


@cache
def _shown_by(path: Path) -> tuple[str, ...]:
    """Of a shipped file: nobody changes it meanwhile."""
    return reading.load(path, shipped()).bugs


def short_names(scenario: Scenario) -> list[str]:
    """How people ask for its reports: `redis-12762`."""
    return [next(_names(report)) for report in scenario.bugs]


def _names(report: str) -> Iterator[str]:
    """The shortest first: without the owner, where the repository says enough."""
    owner, repository, number = re.split("[/#]", report.lower())
    if repository not in _SAYS_NOTHING:
        yield f"{repository}-{number}"
    yield f"{owner}-{repository}-{number}"


def _plain(asked: str) -> str:
    if found := _ADDRESS.fullmatch(asked.strip()):
        asked = f"{found[1]}/{found[2]}#{found[3]}"
    return re.sub("[/#]", "-", asked.strip().lower())
