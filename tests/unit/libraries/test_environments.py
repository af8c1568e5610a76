"""A version is in an environment of its own, and whoever lacks it learns the command that makes it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.libraries import INSIDE, LIBRARIES, apart
from harness.libraries.environments import main, missing, python_of


def test_library_without_a_version_is_the_kits_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing needs to be installed for it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library = LIBRARIES["redis-py-threads"]
    assert python_of(library, "") == Path(sys.executable)
    assert missing(library, "") is None


def test_version_that_is_not_there_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Until pip has left its note there: an environment alone is not enough."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    library = LIBRARIES["redis-py-threads"]
    folder = tmp_path / "redis-failover-kit" / "clients" / "redis-6.4.0"
    assert python_of(library, "6.4.0") == folder / "bin" / "python"
    (folder / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    assert str(missing(library, "6.4.0")) == (
        f"the client redis-py-threads 6.4.0 is not on this machine; to install it: {sys.executable} -m venv "
        f"{folder} && {folder}/bin/pip install --disable-pip-version-check redis==6.4.0"
    )
    (folder / "lib" / "python3.11" / "site-packages" / "redis-6.4.0.dist-info").mkdir()
    assert missing(library, "6.4.0") is None


def test_all_tested_versions_are_asked_for_unless_some_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An environment is made once, whichever libraries share it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    versions = LIBRARIES[INSIDE].tested
    assert len(main([], LIBRARIES).splitlines()) >= len(versions)
    assert main([], LIBRARIES).count(" redis==") == len(versions)
    assert main(["--names", "redis-py-threads", "redis-py-threads=6.4.0"], LIBRARIES) == (
        "redis-py-threads,redis-py-threads=6.4.0"
    )
    assert main(["redis-py-threads"], LIBRARIES) == ""


def test_only_the_kits_own_client_has_no_process_of_its_own() -> None:
    """The same library in another version has one."""
    assert apart(INSIDE, "") is None
    assert apart(INSIDE, "6.4.0") is LIBRARIES[INSIDE]
    assert all(apart(name, "") is one for name, one in LIBRARIES.items() if name != INSIDE)


@pytest.mark.parametrize("said", ["6", "6.2", "6.2.0"])
def test_version_is_there_as_pip_writes_it(
    said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Pip installs 6.0.0 for 6."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    whole = f"{said}.0.0"[:5]
    clients = tmp_path / "redis-failover-kit" / "clients"
    (clients / f"redis-{said}" / "lib/python3.11/site-packages" / f"redis-{whole}.dist-info").mkdir(
        parents=True
    )
    assert missing(LIBRARIES["redis-py-threads"], said) is None


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("nonsense", r"^CLIENTS: expected NAME or NAME=VERSION with a name of redis-py.*, found 'nonsense'$"),
        ("redis-py-threads=6;reboot", "expected a version such as 6.4.0, found '6;reboot'"),
    ],
)
def test_clients_that_nobody_has_are_refused(asked: str, expected: str) -> None:
    """What is printed goes to a shell."""
    with pytest.raises(UsageError, match=expected):
        main([asked], LIBRARIES)
