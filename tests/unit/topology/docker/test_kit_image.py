"""The image of the kit: what pip is asked for, and by what it is known that an image has just this kit."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from harness.errors import EnvironmentFailure
from harness.kit_files import kit_root
from harness.topology.docker import kit_image

PINNED = (kit_root() / "requirements" / "run.txt").read_text(encoding="utf-8")


def test_pip_gets_what_the_python_of_the_image_needs() -> None:
    """Not what the Python here needs: Debian 12's 3.11.2 needs async-timeout, a later one does not."""
    found = list(kit_image.holding(PINNED))
    names = [line.partition("==")[0] for line in found]
    assert "async-timeout" in names
    assert not {"pywin32", "colorama"} & set(names)
    assert len(names) == len(set(names)), "one version of each"
    assert not any(";" in line for line in found)
    assert all(re.search(r"==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in found)


def test_the_same_files_have_the_same_mark(tmp_path: Path) -> None:
    """Wherever they lie, and whatever was compiled meanwhile; another file or another word makes another."""
    for place in ("one", "two"):
        for name in ("harness/a.py", "scenarios/single/01.yaml", "pyproject.toml", "docs/page.md"):
            file = tmp_path / place / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name)
    one, two = tmp_path / "one", tmp_path / "two"
    before = kit_image.mark(one)
    (two / "harness/__pycache__").mkdir()
    (two / "harness/__pycache__/a.pyc").write_text("compiled")
    (two / "docs/page.md").write_text("another page")
    assert kit_image.mark(two) == before
    shutil.move(two / "harness/a.py", two / "harness/b.py")
    assert kit_image.mark(two) != before
    (one / "scenarios/single/01.yaml").write_text("changed")
    assert kit_image.mark(one) != before


def test_an_engine_says_which_kit_its_image_has() -> None:
    """Or that there is none; an image of somebody else's has no mark."""

    def client(labels: dict[str, str] | None) -> Any:
        def get(name: str) -> Any:
            if labels is None:
                raise docker.errors.ImageNotFound(name)
            return SimpleNamespace(labels=labels)

        return SimpleNamespace(images=SimpleNamespace(get=get))

    assert kit_image.mark_in(client({kit_image.MARK: "abc"})) == "abc"
    assert kit_image.mark_in(client({})) == ""
    assert kit_image.mark_in(client(None)) is None


def test_the_image_is_built_from_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed kit has no list of pinned packages; it says where to go."""
    monkeypatch.setattr(kit_image, "kit_root", lambda: tmp_path)
    with pytest.raises(EnvironmentFailure, match="expected a checkout of the kit"):
        kit_image.build()


def test_a_variable_names_the_image(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that checkouts on one machine do not replace each other's; an empty one names nothing."""
    asked: list[str] = []

    def get(name: str) -> Any:
        asked.append(name)
        raise docker.errors.ImageNotFound(name)

    for named in ("", "ours/kit:1"):
        monkeypatch.setenv(kit_image.NAMED, named)
        kit_image.mark_in(SimpleNamespace(images=SimpleNamespace(get=get)))
    assert asked == ["redis-failover-kit/kit:latest", "ours/kit:1"]
