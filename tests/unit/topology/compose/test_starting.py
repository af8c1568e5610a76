"""Which image each service of a project gets, and what is said where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.topology.compose import starting
from harness.topology.compose.starting import images_of

FILE = Path("shop/docker-compose.yml")
PROJECT: dict[str, Any] = {
    "name": "shop",
    "services": {
        "redis": {"image": "redis:7"},
        "replica": {"image": "redis:7"},
        "app": {"build": {"context": "."}},
    },
}


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The images of this machine; nothing else can be pulled."""
    images = {"redis:7", "shop-app", "mine:1"}

    def had(name: str, *, pull: bool = True) -> str | None:
        if name in images:
            return None
        return "manifest unknown" if pull else "it is not on this machine"

    monkeypatch.setattr(starting, "had", had)
    return images


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("given", "redis", "replica"),
    [
        ({}, "redis:7", "redis:7"),
        ({"redis:7": "mine:1"}, "mine:1", "mine:1"),
        ({"replica": "mine:1"}, "redis:7", "mine:1"),
    ],
)
def test_an_image_takes_the_place_of_another(given: dict[str, str], redis: str, replica: str) -> None:
    """For one service, or for all that name it; what is built has the name that Compose gave it."""
    found = images_of(FILE, PROJECT, given)
    assert found == {"redis": redis, "replica": replica, "app": "shop-app"}


def test_an_image_that_cannot_be_had_is_said_with_its_services(here: set[str]) -> None:
    """What was tried, and what to do; each image once."""
    here.clear()
    with pytest.raises(UsageError) as problem:
        images_of(FILE, PROJECT, {})
    pulled, built = str(problem.value).splitlines()
    assert pulled.startswith(
        f"{FILE}: services redis, replica: expected to have or to pull image redis:7, found: manifest unknown. "
    )
    assert "--image redis:7=IMAGE" in pulled
    assert built.startswith(
        f"{FILE}: service app: expected the image shop-app, found none: the kit builds no"
    )


@pytest.mark.usefixtures("here")
def test_an_image_for_nobody_is_a_mistake() -> None:
    """A misspelt service would run another image than was asked for."""
    with pytest.raises(
        UsageError, match=r"--image redsi=mine:1: expected a service of the project \(app, redis,"
    ):
        images_of(FILE, PROJECT, {"redsi": "mine:1"})
