"""Deployments that are a user's own Compose project: looked at once, before anything is planned for them.

Which nodes a project has is known only when it runs. So each is started, looked at and taken down, and what
was seen takes its place in every deployment that names it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.errors import UsageError
from harness.model.deployment import Deployment
from harness.model.fit import client_misfit
from harness.model.inventory import Inventory
from harness.model.scenario import Scenario
from harness.running.selection import Chosen
from harness.topology.backends import of_projects


def surveyed(
    chosen: Sequence[Chosen],
    tell: Callable[[str], None],
    survey: Callable[[Deployment], tuple[Deployment, tuple[str, ...]]] | None = None,
) -> list[Chosen]:
    """The same scenarios, with the nodes of their projects. `tell`: what is done, and what is different in a
    run, for people. `survey`: how a project is looked at.

    Raises:
        UsageError: a project cannot be a run's own, or the client does not fit its nodes; projects and
            topologies of the kit are mixed.
    """
    of = [one.scenario.deployment.project for one in chosen]
    if not any(of):
        return list(chosen)
    if not all(of):
        raise UsageError(
            "expected either Compose projects or topologies of the kit in one run, found both; run them apart"
        )
    look = survey or _survey
    known: dict[str, Deployment] = {}
    for one in chosen:
        deployment = one.scenario.deployment
        key = repr(deployment)
        if key not in known:
            known[key] = _looked_at(deployment, tell, look)
    return [
        replace(one, scenario=replace(one.scenario, deployment=known[repr(one.scenario.deployment)]))
        for one in chosen
    ]


def with_nodes(scenario: Scenario, tell: Callable[[str], None]) -> Scenario:
    """One scenario, as `surveyed` has it."""
    if scenario.deployment.project is None:
        return scenario
    return replace(scenario, deployment=_looked_at(scenario.deployment, tell, _survey))


def _looked_at(
    deployment: Deployment,
    tell: Callable[[str], None],
    look: Callable[[Deployment], tuple[Deployment, tuple[str, ...]]],
) -> Deployment:
    assert deployment.project is not None, "only projects are looked at"
    tell(f"{deployment.project.file}: is read, and started once to see which nodes it has")
    found, changes = look(deployment)
    for change in changes:
        tell(f"{deployment.project.file}: {change}")
    assert found.project is not None, "a survey keeps the project"
    nodes = ", ".join(f"{node.name} ({node.role})" for node in found.project.nodes)
    tell(f"{deployment.project.file}: {found.topology.kind}: {nodes}")
    inventory = Inventory(found.project.nodes, found.topology.kind)
    if (reason := client_misfit(found, inventory)) is not None:
        raise UsageError(f"{deployment.file or deployment.project.file}: client: {reason}")
    return found


def _survey(deployment: Deployment) -> tuple[Deployment, tuple[str, ...]]:
    return of_projects().looked_at(deployment)
