"""A deployment whose nodes are those of a user's own Compose project: `compose: ./docker-compose.yml`.

Which nodes there are is known only once the project has run (`harness.topology.compose`), so nothing here
asks whether a setting of the client fits them; `plan` and `run` do.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from harness.model.deployment import ClientProfile, Deployment, Project, TopologySpec
from harness.model.words import TopologyKind
from harness.scenario import tree
from harness.scenario.deployment import CLIENT_FIELDS, client_settings
from harness.scenario.guest_file import GuestFile
from harness.scenario.problems import Problems
from harness.scenario.table import Field, read_table, table_schema
from harness.scenario.values import ENGINE, TEXT, Later, Named

COMPOSE_KEY = "compose"

_TIMING = "of the project"
"""In the place of a timing profile."""

CONNECTS_ANEW = 0.3
"""The share of a project's web servers that connect anew for each request, where its deployment says nothing:
a kept connection hides what a new one meets."""

PROJECT_FIELDS = (
    Field(
        key=COMPOSE_KEY, reader=TEXT, required=True, help="your Compose file, seen from this file's folder"
    ),
    Field(
        key="images",
        reader=Named(TEXT),
        help="a service, or an image that the project names: the image that takes its place",
    ),
    Field(
        key="sessions",
        reader=TEXT,
        help="the service whose primary holds the sessions, where several could",
    ),
    Field(key="name", reader=TEXT, help="how reports call it; default: the folder of the Compose file"),
    Field(key="engine", reader=ENGINE, help="the engine that its nodes must run, by name"),
    Field(key="client", reader=Later(table_schema(CLIENT_FIELDS)), help="what the application configures"),
    Field(
        key="guest",
        reader=GuestFile(),
        help="your own application in the place of the client: its guest file, a path from here",
    ),
)


def has_project(root: tree.Node) -> bool:
    """Whether a deployment file names a Compose project."""
    return isinstance(root, tree.Mapping) and any(key.value == COMPOSE_KEY for key, _ in root.value)


def read_project(root: tree.Node, file: Path, problems: Problems, *, extra: tuple[Field, ...]) -> Deployment:
    """What a deployment file with `compose:` says."""
    values = read_table(root, "", (*extra, *PROJECT_FIELDS), problems)
    client = {}
    if "client" in values:
        client = client_settings(values["client"], "client", problems, knows_sentinels=True)
    if {"client", "guest"} <= values.keys():
        problems.add(root, "guest", "expected either 'client' or 'guest', found both")
    named = file.parent / values.get(COMPOSE_KEY, "")
    deployment = of_compose_file(named)
    client = {"connect_per_request": CONNECTS_ANEW, **client}
    return replace(
        deployment,
        name=values.get("name", deployment.name),
        engine=values.get("engine"),
        client=ClientProfile(**client),
        guest=values.get("guest"),
        project=Project(
            file=str(named),
            images=values.get("images", {}),
            sessions=values.get("sessions", ""),
            discovery=client.get("discovery"),
        ),
    )


def of_compose_file(file: Path) -> Deployment:
    """A deployment of a Compose file alone. Its topology is not known yet."""
    return Deployment(
        name=file.resolve().parent.name or "project",
        topology=TopologySpec(kind=TopologyKind.SINGLE, replicas=0, sentinels=0),
        client=ClientProfile(connect_per_request=CONNECTS_ANEW),
        timing=_TIMING,
        project=Project(file=str(file)),
    )
