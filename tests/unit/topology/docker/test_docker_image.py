"""Which image is chosen, with a scripted `docker` in place of the real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import EnvironmentFailure, UsageError
from harness.topology.docker import image

OWN = image.DEBIAN_IMAGES[image.DEFAULT_ENGINE].tag


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Write a `docker` that has some images and answers a pull with a line of shell."""
    monkeypatch.delenv("REDIS_IMAGE", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def script(*, has: tuple[str, ...] = (), pull: str = "echo 'no such host' >&2; exit 1") -> None:
        known = " ".join(f'"{name}") exit 0;;' for name in has)
        (tmp_path / "docker").write_text(
            f'#!/bin/bash\nif [ "$1" = image ]; then case "${{@: -1}}" in {known} esac; exit 1; fi\n{pull}\n',
            encoding="utf-8",
        )
        (tmp_path / "docker").chmod(0o755)

    return script


def test_the_official_image_comes_first(docker: Any) -> None:
    """Where this machine has it, nothing is pulled or built."""
    docker(has=(image.OFFICIAL, OWN))
    assert image.choose_image().name == image.OFFICIAL


def test_the_official_image_is_pulled_where_that_works(docker: Any) -> None:
    """A registry that answers is used."""
    docker(pull="echo '8.0.2: Pulling from library/redis'; exit 0")
    choice = image.choose_image()
    assert choice.name == image.OFFICIAL
    assert "pulled now" in choice.why


def test_the_image_built_earlier_is_used_without_a_registry(docker: Any) -> None:
    """One that this machine has built stands in for the official one, and one line says so."""
    docker(has=(OWN,))
    choice = image.choose_image()
    assert (choice.name, "Debian packages" in choice.why) == (OWN, True)


def test_an_image_is_built_without_a_registry(docker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Debian machine that can build does so by itself."""
    docker()
    built: list[str] = []
    monkeypatch.setattr(image, "_can_build", lambda: True)
    monkeypatch.setattr(image, "build_image", lambda: built.append("built"))
    assert "built now" in image.choose_image().why
    assert built == ["built"]


def test_a_silent_registry_does_not_hang(docker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pull that shows no sign of life is given up."""
    docker(has=(OWN,), pull="exec sleep 60")
    monkeypatch.setattr(image, "REACH_S", 0.2)
    assert image.choose_image().name == OWN


def test_no_image_at_all_is_one_clear_error(docker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was expected, what the registry said, what to do."""
    docker()
    monkeypatch.setattr(image, "_can_build", lambda: False)
    with pytest.raises(EnvironmentFailure, match=r"redis:8.0.2: .*no such host.*REDIS_IMAGE.*make image"):
        image.choose_image()


def test_the_image_asked_for_is_used_or_refused(docker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """REDIS_IMAGE is never replaced by another image."""
    docker(has=("my:own", OWN))
    monkeypatch.setenv("REDIS_IMAGE", "my:own")
    assert image.choose_image().name == "my:own"
    monkeypatch.setenv("REDIS_IMAGE", "no:such")
    with pytest.raises(EnvironmentFailure, match=r"REDIS_IMAGE=no:such: .*no such host"):
        image.choose_image()


def test_engine_by_name_comes_from_debian_unless_it_is_the_official_one(docker: Any) -> None:
    """A name is never answered with another engine."""
    valkey = image.DEBIAN_IMAGES["valkey-8.1"].tag
    docker(has=(image.OFFICIAL, valkey))
    assert image.choose_image("redis").name == image.OFFICIAL
    assert image.choose_image("redis-8.0").name == image.OFFICIAL
    assert image.choose_image("valkey").name == valkey
    with pytest.raises(EnvironmentFailure, match=r"engine redis-6\.2.*redis-8\.0, redis-7\.0, valkey-8\.1"):
        image.choose_image("redis-6.2")


def test_engine_by_name_is_built_where_that_is_possible(docker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the error says what would be needed."""
    docker()
    built: list[str] = []
    monkeypatch.setattr(image, "_can_build", lambda: False)
    with pytest.raises(
        EnvironmentFailure, match=r"engine valkey-8\.1: expected image .*valkey-8\.1.*REDIS_IMAGE"
    ):
        image.choose_image("valkey-8.1")
    monkeypatch.setattr(image, "_can_build", lambda: True)
    monkeypatch.setattr(image, "build_image", built.append)
    assert "built now" in image.choose_image("valkey-8.1").why
    assert built == ["valkey-8.1"]
    assert image.engines_here()["valkey-8.1"] == "can be built: failover-kit image --engine valkey-8.1"


def test_an_unknown_engine_is_refused() -> None:
    """The message lists what can be built."""
    with pytest.raises(UsageError, match=r"redis-8\.0, redis-7\.0, valkey-8\.1.*'redis-9'"):
        image.build_image("redis-9")


def test_the_survey_changes_nothing(docker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what would be used; a pull would leave a mark."""
    docker(has=(OWN,), pull=f"touch {tmp_path}/pulled")
    assert (
        image.survey()
        == f"{image.OFFICIAL} if it can be pulled, else {OWN}, built earlier from Debian packages"
    )
    monkeypatch.setenv("REDIS_IMAGE", "no:such")
    assert image.survey() == "no:such (REDIS_IMAGE), would have to be pulled"
    assert not (tmp_path / "pulled").exists()


@pytest.mark.parametrize("name", ["--help", "-v", "x y", "redis:${HOME}", "a\nb", "$IMAGE"])
def test_an_image_is_named_by_a_name(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an option of the command line nor a variable of Compose."""
    monkeypatch.setenv("REDIS_IMAGE", name)
    with pytest.raises(UsageError, match="expected the name of an image"):
        image.choose_image()
