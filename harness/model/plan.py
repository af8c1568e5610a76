"""What will be done: everything that follows from a scenario and a seed before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.model.guest import Guest, RunAs
from harness.model.inventory import Inventory, NodePlan
from harness.model.scenario import Scenario
from harness.model.words import BackendKind


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBound:
    """An expectation with its bound resolved to a number (None: the loss budget, known only
    when judged). Seconds, percent or a count."""

    text: str
    value: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKey:
    """Which run it is. A suite may have the same scenario several times; no two runs of it share a key."""

    scenario: str
    """The scenario's file."""
    deployment: str
    """The deployment's file; empty: the scenario's own deployment."""
    engine: str
    """The engine asked for, by name; empty: whatever the machine has."""
    seed: int
    varied: tuple[str, ...] = ()
    """Settings that took several values in the suite, as `path=value`."""

    @property
    def cell(self) -> RunKey:
        """The same for every run that differs in its seed alone."""
        return replace(self, seed=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    scenario: Scenario
    seed: int
    backend: BackendKind
    nodes: tuple[NodePlan, ...]
    web_servers: tuple[str, ...]
    actors: int
    """Logical actors, at least rate x longest client wait."""
    bounds: tuple[PlannedBound, ...]
    """Parallel to `scenario.expect`."""
    longest_client_wait_s: float
    expected_s: float
    """How long the run is expected to take without set-up and tear-down; for the scheduler."""
    changed: tuple[str, ...] = ()
    """Options that changed what the scenario's file says, as typed: `--set`, `workload.rate=50/s`."""
    variant: str = ""
    """What tells this run from the other runs of the same scenario in its suite, such as `ours, redis-7.0`;
    empty where there is no other. Repeats have the same: they differ in their seed."""
    varied: tuple[str, ...] = ()
    """Settings that take several values in the suite, as `path=value`: this run's."""
    repeated: bool = False
    """The suite has this run with other seeds, too."""
    skip: str | None = None
    """Why this pair of scenario and deployment or machine does not fit."""

    @property
    def key(self) -> RunKey:
        deployment = self.scenario.deployment
        return RunKey(
            scenario=self.scenario.file,
            deployment=deployment.file,
            engine=deployment.engine or "",
            seed=self.seed,
            varied=self.varied,
        )

    @property
    def label(self) -> str:
        """The run's name among the runs of its suite."""
        return labelled(self.scenario.name, self.apart)

    @property
    def apart(self) -> str:
        """What tells it from all other runs of its suite; empty where the scenario's name does."""
        return told_apart(self.variant, self.seed if self.repeated else None)

    @property
    def guests(self) -> tuple[str, ...]:
        """The web servers of a user's own application that the kit runs; none: the kit's client is the
        application, or the user runs it."""
        guest = self.scenario.deployment.guest
        return () if guest is None or guest.run_as is RunAs.ADDRESS else self.web_servers

    @property
    def run_by_user(self) -> Guest | None:
        """The application that its user runs; None: the kit runs everything."""
        guest = self.scenario.deployment.guest
        return guest if guest is not None and guest.run_as is RunAs.ADDRESS else None

    @property
    def exclusive(self) -> bool:
        """No other run may be under way beside it: it measures short times, or an application that its user
        runs can have the nodes of one run only."""
        return self.scenario.exclusive or self.run_by_user is not None

    @property
    def inventory(self) -> Inventory:
        return Inventory(self.nodes, self.scenario.deployment.topology.kind)

    def node(self, name: str) -> NodePlan:
        return next(node for node in self.nodes if node.name == name)

    def data_nodes(self) -> tuple[NodePlan, ...]:
        return self.inventory.data_nodes

    def sentinels(self) -> tuple[NodePlan, ...]:
        return self.inventory.sentinels


def told_apart(variant: str, seed: int | None) -> str:
    """`ours, redis-7.0, seed 7`; without the seed of a run that is not repeated."""
    return ", ".join(filter(None, (variant, "" if seed is None else f"seed {seed}")))


def setting_in_short(setting: str) -> str:
    """`down_after=5s`, of a whole `path=value`."""
    path, _, value = setting.partition("=")
    return f"{path.rpartition('.')[2]}={value}"


def labelled(name: str, variant: str) -> str:
    """`primary killed (ours, redis-7.0)`; the name alone where nothing must be told apart."""
    return f"{name} ({variant})" if variant else name


def shared_label(one: str, other: str) -> str:
    """Of two labels of the same scenario, without what tells the two apart."""
    name, opened, rest = one.rpartition(" (")
    if one == other or not opened or not other.startswith(f"{name} ("):
        return one
    theirs = _told(other.removeprefix(f"{name} ("))
    return labelled(name, ", ".join(part for part in _told(rest) if part in theirs))


def _told(rest: str) -> list[str]:
    return rest.removesuffix(")").split(", ")
