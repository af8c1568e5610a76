"""The files of a command: scenarios, and deployments to run them against.

    failover-kit run mine.yaml ours.yaml
    failover-kit run --scenario mine.yaml --deployment ours.yaml

Both mean the same. The first key of a plain argument says what the file is. Everything else that `--scenario`
takes (a folder, a glob, a part of a shipped name) may be a plain argument too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harness import scenario as reading
from harness.errors import UsageError
from harness.model.matrix import Matrix
from harness.model.nearest import did_you_mean
from harness.running.selection import Choice, Varied, scenario_files


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a command is about."""

    scenarios: tuple[str, ...] = ()
    """Patterns as typed; none: a suite."""
    deployments: tuple[str, ...] = ()
    matrices: tuple[str, ...] = ()

    @property
    def matrix(self) -> Matrix | None:
        """What the one matrix file says.

        Raises:
            UsageError: there are several, or something else beside it; it is wrong.
        """
        if not self.matrices:
            return None
        others = [*self.matrices[1:], *self.scenarios, *self.deployments]
        if others:
            raise UsageError(
                f"{self.matrices[0]}: expected a matrix alone, found {others[0]} beside it: name it there"
            )
        return reading.load_matrix(Path(self.matrices[0]))

    def choice(
        self,
        *,
        suite: str,
        settings: Sequence[str] = (),
        engines: Sequence[str] = (),
        vary: Sequence[Varied] = (),
        repeat: int = 1,
        images: Sequence[str] = (),
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
            images=tuple(images),
        )


def choice_of_matrix(matrix: Matrix, repeat: int | None) -> Choice:
    """All that a matrix names. `repeat`: as often, whatever the file says.

    Raises:
        UsageError: nothing matches one of its scenarios, or a deployment file is not there.
    """
    if problems := list(_missing(matrix)):
        raise UsageError("\n".join(problems))
    given = Given(scenarios=matrix.scenarios, deployments=matrix.deployments)
    choice = given.choice(
        suite="all",
        settings=[f"{path}={value}" for path, value in matrix.settings.items()],
        engines=matrix.engines,
        vary=[Varied(path=path, values=values) for path, values in matrix.vary.items()],
        repeat=repeat or matrix.repeat,
    )
    return replace(choice, matrix=matrix.fingerprint, places=matrix.places)


def _missing(matrix: Matrix) -> Iterator[str]:
    """What it names and nobody finds, each with its place in the file."""
    for n, name in enumerate(matrix.scenarios):
        try:
            scenario_files(name)
        except UsageError as problem:
            yield f"{matrix.places.get(f'scenarios.{n}', matrix.file)}: scenarios.{n}: {problem}"
    beside = [path.name for path in sorted(Path(matrix.file).parent.glob("*.y*ml"))]
    for n, name in enumerate(matrix.deployments):
        if not Path(name).exists():
            place = matrix.places.get(f"deployments.{n}", matrix.file)
            yield (
                f"{place}: deployments.{n}: expected a deployment file, seen from the matrix, "
                f"found no {name!r} there{did_you_mean(name, beside)}"
            )


def sorted_out(
    plain: Sequence[str], *, scenarios: Sequence[str] = (), deployments: Sequence[str] = ()
) -> Given:
    """Plain arguments, and the options that say the same."""
    kinds = {word: reading.first_key(Path(word)) for word in (*plain, *scenarios)}
    found = [word for word in plain if kinds[word] == "deployment"]
    matrices = [word for word in kinds if kinds[word] == "matrix"]
    named = [word for word in plain if word not in found and word not in matrices]
    scenarios = [word for word in scenarios if word not in matrices]
    return Given(
        scenarios=(*named, *scenarios),
        deployments=tuple(dict.fromkeys([*found, *deployments])),
        matrices=tuple(matrices),
    )
