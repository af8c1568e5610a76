"""What its user runs: it learns where the nodes are, and is left alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from harness.errors import EnvironmentFailure
from harness.guests.elsewhere import Elsewhere
from harness.model.seams import Address

AT = Address("127.0.0.1", 8000)


def test_the_variables_are_there_while_it_is_wanted(tmp_path: Path) -> None:
    """As a shell reads them, for its user alone: a password is among them."""
    file = tmp_path / "redis.env"
    file.write_text("of yesterday")
    file.chmod(0o644)
    place = Elsewhere("web-1", AT, environment_file=file)
    place.start([], {"REDIS_URL": "redis://:a b@10.0.0.1/0", "PORT": "8000"}, tmp_path)
    assert file.read_text() == "PORT=8000\nREDIS_URL='redis://:a b@10.0.0.1/0'\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    place.end()
    assert not file.exists()
    place.end()
    assert (place.running, place.exit_status, place.folder, place.last_lines(5)) == (True, None, None, "")


def test_without_a_file_nothing_is_written(tmp_path: Path) -> None:
    """Its user knows where the nodes are."""
    place = Elsewhere("web-1", AT, environment_file=None)
    place.start([], {"REDIS_URL": "redis://10.0.0.1"}, tmp_path)
    place.end()
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """Where it was to be, and why not."""
    place = Elsewhere("web-1", AT, environment_file=tmp_path / "no" / "redis.env")
    with pytest.raises(
        EnvironmentFailure, match=r"redis.env: expected to write the variables .* No such file"
    ):
        place.start([], {}, tmp_path)


@pytest.mark.parametrize("act", [Elsewhere.kill, Elsewhere.pause, Elsewhere.resume])
def test_the_kit_does_nothing_to_it(act: object) -> None:
    """It belongs to its user."""
    place = Elsewhere("web-1", AT, environment_file=None)
    assert callable(act)
    with pytest.raises(EnvironmentFailure, match="web-1 is run by you"):
        act(place)
