"""The pinned packages: every one with hashes, and all that any supported Python needs of them."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "requirements"

TARGETS = [
    {"python_full_version": full, "python_version": full.rpartition(".")[0], "platform_machine": machine}
    for full in ("3.11.2", "3.11.9", "3.12.4", "3.13.1")
    for machine in ("x86_64", "aarch64")
]
"""3.11.2 is Debian 12's: redis-py needs a package there that it does not need in 3.11.3."""


def _entries(name: str) -> list[str]:
    """Each pinned package with its hashes, on one line."""
    text = (FOLDER / name).read_text().replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]


def _pinned(name: str, target: dict[str, str]) -> dict[str, str]:
    """Package -> version, for one Python on one machine."""
    environment: dict[str, Any] = {**default_environment(), "sys_platform": "linux", "extra": "", **target}
    found: dict[str, str] = {}
    for entry in _entries(name):
        one = Requirement(entry.partition(" --hash")[0])
        if one.marker is None or one.marker.evaluate(environment):
            found[canonicalize_name(one.name)] = str(one.specifier).removeprefix("==")
    return found


@pytest.mark.parametrize("name", ["run.txt", "develop.txt"])
def test_every_package_is_pinned_to_one_version_with_hashes(name: str) -> None:
    """Nothing is installed that somebody else put under the same name and version."""
    entries = _entries(name)
    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[\w.-]+==[\w.]+ ", entry), entry
        assert re.findall(r"--hash=sha256:[0-9a-f]{64}(?= |$)", entry), entry


@pytest.mark.parametrize("name", ["run.txt", "develop.txt"])
def test_pins_name_no_place_to_get_them_from(name: str) -> None:
    """Where packages come from is the machine's own setting."""
    assert not re.search(r"https?:|file:|--(extra-)?index-url|--find-links", (FOLDER / name).read_text())


@pytest.mark.parametrize(
    "target", TARGETS, ids=lambda one: f"{one['python_full_version']}-{one['platform_machine']}"
)
@pytest.mark.parametrize("name", ["run.txt", "develop.txt"])
def test_pins_hold_all_that_they_need(name: str, target: dict[str, str]) -> None:
    """With hashes pip adds nothing by itself: a missing one would end `make setup` on that Python."""
    pinned = _pinned(name, target)
    environment: dict[str, Any] = {**default_environment(), "sys_platform": "linux", "extra": "", **target}
    for package in pinned:
        try:
            wanted = requires(package) or []
        except PackageNotFoundError:  # for another Python or machine than this one
            continue
        for text in wanted:
            one = Requirement(text)
            if one.marker is None or one.marker.evaluate(environment):
                version = pinned.get(canonicalize_name(one.name))
                assert version is not None, f"{package} needs {text}"
                assert one.specifier.contains(version, prereleases=True), (
                    f"{package} needs {text}, found {version}"
                )


@pytest.mark.parametrize("target", TARGETS[:1])
def test_pins_satisfy_the_project_itself(target: dict[str, str]) -> None:
    """What pyproject.toml and the `.in` files ask for is there; both lists agree on versions."""
    run, develop = _pinned("run.txt", target), _pinned("develop.txt", target)
    wanted = list(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"])
    for name in ("run.in", "develop.in"):
        lines = (
            line.partition("  #")[0].partition(" #")[0] for line in (FOLDER / name).read_text().splitlines()
        )
        wanted += [line for line in lines if line and not line.startswith("#")]
    for text in wanted:
        one = Requirement(text)
        assert one.specifier.contains(develop[canonicalize_name(one.name)]), text
    assert run.items() <= develop.items()
