"""From what was asked for to scenarios: by suite or glob, each against every deployment and engine.

Pure but for reading files. Trap: the same scenario may be chosen several times, against several
deployments or on several engines.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from itertools import product
from pathlib import Path

from harness import scenario as reading
from harness.errors import UsageError
from harness.kit_files import kit_root
from harness.model.command_words import SUITES
from harness.model.nearest import did_you_mean, near_file
from harness.model.scenario import Scenario
from harness.running.vocabulary import shipped
from harness.scenario.overrides import without_secrets

_KEY_ALONE = re.compile(
    r"(--set (?P<key>\w+)): "
    r"(?:unknown key '(?P=key)'(?=; legal:)|(?P=key): a key of '\w+': indent it below that$)"
)
"""Where the path of a setting is needed."""
_LONGEST = 250
"""Letters of a part of a path; a file system allows 255 bytes."""

_YAML = {".yaml", ".yml"}
_SHOWN = 40
"""Letters of a wrong value that a message quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Variation:
    """What takes the place of a scenario's own deployment, or of a part of it."""

    deployment: Path | None = None
    """A deployment file."""
    engine: str | None = None
    varied: tuple[str, ...] = ()
    """`path=value`, one for each setting that takes several values."""

    def options(self) -> tuple[str, ...]:
        """As a command that repeats the run must give them."""
        words = [word for one in self.varied for word in ("--set", without_secrets(one))]
        words += ["--engine", self.engine] if self.engine else []
        words += ["--deployment", str(self.deployment)] if self.deployment else []
        return tuple(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Varied:
    """A setting that takes several values, one after the other."""

    path: str
    values: tuple[str, ...]

    def settings(self) -> tuple[str, ...]:
        return tuple(f"{self.path}={value}" for value in self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Scenarios, and what is changed in them. Each runs for every combination of deployment, engine and
    varied settings, and as often as `repeat` says."""

    files: tuple[Path, ...]
    suite: str | None = None
    """Only those with this tag; None or `all`: every one."""
    settings: tuple[str, ...] = ()
    """`path=value`, for all of them."""
    deployments: tuple[Path, ...] = ()
    engines: tuple[str, ...] = ()
    vary: tuple[Varied, ...] = ()
    repeat: int = 1
    """How many runs of each, with different seeds."""
    images: tuple[str, ...] = ()
    """`service=image`, for deployments that are Compose projects."""
    matrix: str = ""
    """The fingerprint of the matrix file that names all this; empty: none does."""
    places: Mapping[str, str] = field(default_factory=dict)
    """`vary.deployment.timing` -> where that file says it, for what is wrong with it."""

    def variations(self) -> tuple[Variation, ...]:
        deployments, engines = (
            dict.fromkeys(self.deployments or (None,)),
            dict.fromkeys(self.engines or (None,)),
        )
        return tuple(
            Variation(deployment=one, engine=engine, varied=tuple(varied))
            for one, engine, *varied in product(deployments, engines, *(one.settings() for one in self.vary))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    scenario: Scenario
    changed: tuple[str, ...]
    """The options that changed it, as a command that repeats its run must give them."""
    varied: tuple[str, ...] = ()
    """As in the variation that it comes from, without secrets."""


def scenario_files(pattern: str | None) -> list[Path]:
    """Scenario files that a glob matches, or every shipped one.

    A pattern is a path, or is matched against the shipped files as `sentinel/03-planned-failover`,
    with or without folder and ending; `planned` alone matches in the middle of a name.

    Raises:
        UsageError: nothing matches.
    """
    root = _near(kit_root() / "scenarios")
    shipped_files = sorted(root.glob("*/*.yaml"))
    if pattern is None:
        return shipped_files
    if not pattern or max(map(len, Path(pattern).parts), default=0) > _LONGEST:
        found_instead = "too long a name" if pattern else "nothing"
        raise UsageError(f"scenario: expected a file, a folder or a glob, found {found_instead}")
    given = Path(pattern)
    if given.is_file():
        return [given]
    if given.is_dir():
        found = [path for path in sorted(given.rglob("*.y*ml")) if reading.is_scenario(path)]
    else:
        found = [path for path in shipped_files if _matches(path, root, pattern)]
        if not found and not given.is_absolute():
            found = _below_here(pattern)
    if not found:
        hints = [did_you_mean(pattern, _names_of(shipped_files)), near_file(given)]
        hint = next(filter(None, reversed(hints) if given.suffix in _YAML else hints), "")
        raise UsageError(
            f"scenario {pattern!r}: expected a file, a folder with scenarios in it or a glob over the "
            f"shipped ones, found none{hint or ';'} `failover-kit list` shows them"
        )
    return found


def files_named(word: str) -> list[Path]:
    """A file as it is, or the shipped scenarios of that name.

    Raises:
        UsageError: there is neither, and it is no name of another kind of file.
    """
    path = Path(word)
    may_be_shipped = path.suffix in {"", *_YAML} and not path.exists()
    return scenario_files(word) if may_be_shipped else [path]


def _names_of(shipped_files: Sequence[Path]) -> list[str]:
    """By which a scenario is found: `sentinel`, `sentinel/03`, `planned-failover`, and in full."""
    names: dict[str, None] = {}
    for path in shipped_files:
        folder, (number, _, rest) = path.parent.name, path.stem.partition("-")
        names |= dict.fromkeys((folder, f"{folder}/{number}", rest, path.stem, f"{folder}/{path.stem}"))
    return list(names)


def _below_here(pattern: str) -> list[Path]:
    try:
        return sorted(path for path in Path().glob(pattern) if path.is_file())
    except (ValueError, OSError) as problem:
        raise UsageError(f"scenario {pattern[:_SHOWN]!r}: expected a glob, found: {problem}") from problem


def as_typed(file: str) -> str:
    """A shipped scenario, seen from another folder, by what `--scenario` takes: `sentinel/01-….yaml`."""
    path, root = Path(file), kit_root() / "scenarios"
    return str(path.relative_to(root)) if path.is_relative_to(root) else file


def _near(path: Path) -> Path:
    """As people would type it: relative to here where that is shorter than the whole path."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _matches(path: Path, root: Path, pattern: str) -> bool:
    name = str(path.relative_to(root))
    forms = (name, name.removesuffix(".yaml"), path.name, path.stem, f"scenarios/{name}")
    wanted = (pattern, f"*{pattern}*") if not any(sign in pattern for sign in "*?[") else (pattern,)
    return any(fnmatch(form, one) for form in forms for one in wanted)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """How the files are to be read."""

    overrides: tuple[str, ...] = ()
    deployment: Path | None = None
    engine: str | None = None

    def read(self, path: Path) -> Scenario:
        return reading.load(
            path, shipped(), overrides=self.overrides, deployment=self.deployment, engine=self.engine
        )

    def sound(self, path: Path) -> Scenario | None:
        try:
            return self.read(path)
        except UsageError:
            return None


_AS_IT_IS = _Asked()


def load(
    files: Sequence[Path],
    *,
    suite: str | None,
    overrides: Sequence[str] = (),
    deployment: Path | None = None,
    engine: str | None = None,
) -> list[Scenario]:
    """Read the files; with `suite`, keep those that carry its tag (`all` keeps everything).

    What is sound, but not on the `engine` that was asked for, is kept with the reason.

    Raises:
        UsageError: every problem of every file, one a line.
    """
    asked = _Asked(overrides=tuple(overrides), deployment=deployment, engine=engine)
    scenarios, problems = [], []
    for path in files:
        try:
            scenarios.append(asked.read(path))
        except UsageError as problem:
            if instead := _in_spite_of(problem, path, asked, suite):
                scenarios.append(instead)
            else:
                problems.append(str(problem))
    if problems:
        raise UsageError("\n".join(dict.fromkeys(problems)))  # a deployment is read with each scenario
    if suite in (None, "all"):
        return scenarios
    kept = [one for one in scenarios if suite in one.tags]
    if not kept:
        raise UsageError(f"--suite {suite!r}: no scenario has this tag; expected one of {', '.join(SUITES)}")
    return kept


def _in_spite_of(problem: UsageError, path: Path, asked: _Asked, suite: str | None) -> Scenario | None:
    """What a refused file is all the same. On another engine than the one that was asked for: the scenario,
    with the reason why it does not fit that one. Without all that was asked for: a scenario of another suite,
    which the caller leaves out; it may have a directive of one engine, while the suite runs on another.
    None: the file is to be mended."""
    elsewhere = replace(asked, engine=None)
    found = elsewhere.sound(path) if asked.engine else None
    if found is not None:
        reason = re.sub(r"^.*?:\d+: ", "", str(problem).splitlines()[0])  # without the place in the file
        return replace(
            found,
            deployment=replace(found.deployment, engine=asked.engine),
            misfit=f"not on {asked.engine}: {reason}",
        )
    if suite in (None, "all") or elsewhere == _AS_IT_IS:
        return None
    own = _AS_IT_IS.sound(path)
    return own if own is not None and suite not in own.tags else None


def choose(choice: Choice) -> list[Chosen]:
    """Read every scenario for each of its variations; the runs of one scenario follow each other.

    Raises:
        UsageError: every problem of every file, one a line.
    """

    def read(variation: Variation, settings: Sequence[str]) -> list[Scenario]:
        return load(
            choice.files,
            suite=choice.suite,
            overrides=settings,
            deployment=variation.deployment,
            engine=variation.engine,
        )

    place = {str(file): n for n, file in enumerate(choice.files)}
    return sorted(_varied(choice, read), key=lambda one: place[one.scenario.file])


def choose_without_load(choice: Choice) -> list[Chosen]:
    """The deployments alone, for whoever only wants their nodes.

    Raises:
        UsageError: every problem of every file, one a line.
    """

    def read(variation: Variation, settings: Sequence[str]) -> list[Scenario]:
        assert variation.deployment is not None, "there is something to hold"
        return [reading.scenario_of(variation.deployment, overrides=settings, engine=variation.engine)]

    return _varied(choice, read)


def _varied(choice: Choice, read: Callable[[Variation, Sequence[str]], list[Scenario]]) -> list[Chosen]:
    """What `read` makes of each variation, with the options that lead there."""
    changes = tuple(word for setting in choice.settings for word in ("--set", without_secrets(setting)))
    changes += tuple(word for image in choice.images for word in ("--image", image))
    chosen: list[Chosen] = []
    problems: list[str] = []
    for variation in choice.variations():
        try:
            scenarios = read(variation, (*choice.settings, *variation.varied))
        except UsageError as problem:
            problems += [_as_asked(line, choice) for line in str(problem).splitlines()]
            continue
        changed = (*changes, *variation.options())
        varied = tuple(map(without_secrets, variation.varied))
        chosen += [
            Chosen(scenario=with_images(one, choice.images), changed=changed, varied=varied)
            for one in scenarios
        ]
    if problems:
        raise UsageError("\n".join(dict.fromkeys(problems)))  # what all variations share is said once
    return chosen


def _as_asked(line: str, choice: Choice) -> str:
    """A problem with a setting, by what asked for it, an option or a matrix; a key alone, where a path is
    needed, with the path that ends so."""
    key = _KEY_ALONE.match(line)
    near = reading.settings_called(key["key"], shipped()) if key else ()
    if key and near:
        line = f"{key[1]}: unknown key {key['key']!r}; did you mean {near[0]!r}?{line[key.end() :]}"
    settings = dict.fromkeys((one.partition("=")[0] for one in choice.settings), "set")
    for path, asked in (settings | dict.fromkeys((one.path for one in choice.vary), "vary")).items():
        place = choice.places.get(f"{asked}.{path}")
        by = f"{place}: {asked}." if place else f"--{asked} "
        line = re.sub(rf"^--set (?={re.escape(path)}(: |$))", lambda _, by=by: by, line)  # type: ignore[misc]
    return line


def engines_of(scenarios: Sequence[Scenario]) -> tuple[str | None, ...]:
    """The engines that scenarios name, in their deployments, for single nodes and in their faults, each once;
    None for those whose deployments name none."""
    starting = [one.deployment.engine for one in scenarios]
    single = [own.engine for one in scenarios for own in one.deployment.topology.nodes.values()]
    later = [str(step.options.get("engine", "")) for one in scenarios for step in one.faults]
    return tuple(dict.fromkeys([*starting, *filter(None, [*single, *later])]))


def with_images(scenario: Scenario, given: Sequence[str]) -> Scenario:
    """The scenario, with other images (`service=image`) in its Compose project.

    Raises:
        UsageError: it has none, or one is written in another way.
    """
    if not given:
        return scenario
    own = scenario.deployment.project
    if own is None:
        raise UsageError(
            f"--image {given[0]}: expected a Compose project whose image it replaces, found a topology of "
            "the kit; name the project with --compose FILE"
        )
    images = dict(own.images)
    for text in given:
        replaced, separator, image = text.partition("=")
        if not (separator and replaced and image):
            raise UsageError(f"--image {text}: expected SERVICE=IMAGE or IMAGE=IMAGE")
        images[replaced] = image
    project = replace(own, images=images)
    return replace(scenario, deployment=replace(scenario.deployment, project=project))
