"""Secrets in text that people or files get to see."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import output
from harness.errors import UsageError
from harness.model.redaction import redacted, without_url_passwords
from harness.scenario import load
from harness.scenario.overrides import without_secrets
from tests.builders_scenario import GOOD, VOCABULARY


@pytest.mark.parametrize(
    "text",
    [
        "requirepass hunter2",
        'REQUIREPASS "hun ter2" hunter2',
        "x: {requirepass: hunter2, maxmemory: hunter2}",
        "deployment.topology.redis.requirepass=hun,hunter2",
        "--set deployment.topology.redis={'masterauth': 'hunter2'}",
        "sentinel auth-pass sessions hunter2",
        "sentinel sentinel-pass hunter2",
        "primaryauth hunter2",
        "tls-key-file-pass hunter2",
        "user default on >hunter2 ~* +@all",
        "user: default on >other >hunter2 <hunter2",
        "user default on #hunter2 ~* &* +@all",
        "tcp://admin:hunter2@192.0.2.1:2375",
        "redis://:hun@hunter2@192.0.2.1",
        "bind 1 requirepass hunter2 port 3",
    ],
)
def test_what_follows_a_directive_that_holds_a_secret_is_blotted_out(text: str) -> None:
    """By the directive's name, in every form in which people write it."""
    assert "hunter2" not in redacted(text)
    assert "<redacted>" in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        'the user was told "signed out" > 3 s ago',
        "unknown key 'requirepass'; did you mean 'maxmemory'?",
        "maxmemory 64mb\nsave 900 1",
        "http://192.0.2.1:8080/a",
    ],
)
def test_everything_else_stays(text: str) -> None:
    """Sentences that are no configuration, and addresses without a password."""
    assert redacted(text) == text


def test_other_lines_stay() -> None:
    """Only the line with the secret changes."""
    assert redacted("port 1\nrequirepass x\ndir y") == "port 1\nrequirepass <redacted>\ndir y"
    assert without_url_passwords("requirepass: a sentence") == "requirepass: a sentence"


def test_an_option_stays_a_command_that_can_be_repeated() -> None:
    """Only the secrets in it go; what stands beside them is needed."""
    redis = (
        'deployment.topology.redis={requirepass: "hun, ter2", hz: 20, user: default on >hunter2, save: ""}'
    )
    assert without_secrets(redis) == (
        'deployment.topology.redis={requirepass: <redacted>, hz: 20, user: <redacted>, save: ""}'
    )
    assert (
        without_secrets("a.sentinel={sentinel: [auth-pass sessions hunter2]}")
        == "a.sentinel={sentinel: <redacted>}"
    )
    assert without_secrets("a.redis.requirepass=hunter2") == "a.redis.requirepass=<redacted>"
    assert without_secrets("workload.rate=100/s") == "workload.rate=100/s"
    assert "hunter2" not in without_secrets("a={requirepass: hunter2")


def test_a_wrong_file_is_not_quoted_whole(tmp_path: Path) -> None:
    """A server's configuration given as a scenario: one short line, no password of it."""
    file = tmp_path / "redis.conf"
    file.write_text("bind 10.0.0.1\nrequirepass hunter2\nmasterauth hunter3\n" + "maxmemory 1gb\n" * 50)
    with pytest.raises(UsageError) as raised:
        load(file, VOCABULARY)
    said = str(raised.value)
    assert "hunter" not in said
    assert all(len(line.replace(str(tmp_path), "")) < 200 for line in said.splitlines())
    file.write_text("requirepass hunter2\nmasterauth hunter3\n")
    with pytest.raises(UsageError) as raised:
        load(file, VOCABULARY)
    assert "hunter" not in str(raised.value)
    with pytest.raises(UsageError) as raised:
        load(file, VOCABULARY, overrides=["deployment.topology.redis.requirepass=hunter2"])
    assert "hunter" not in str(raised.value)


@pytest.mark.parametrize(
    "override",
    [
        "deployment.pasword=hunter2",
        "deployment.client.password=hunter2",
        "deployment.topology.redis.requirepass.0=hunter2",
        "workload.rat=hunter2",
        "pass word=hunter2",
    ],
)
def test_a_misspelt_key_does_not_give_away_its_value(override: str, tmp_path: Path) -> None:
    """Nobody can know that it was to be a password."""
    file = tmp_path / "s.yaml"
    file.write_text(GOOD)
    with pytest.raises(UsageError) as raised:
        load(file, VOCABULARY, overrides=[override])
    assert "--set" in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("deployment.topology.redis.requirpas=hunter2", "deployment.topology.redis.requirpas=<redacted>"),
        (
            "deployment.topology.sentinel.auth-pas=sessions hunter2",
            "deployment.topology.sentinel.auth-pas=<redacted>",
        ),
        (
            "deployment.topology.redis={requirpas: hunter2, hz: 20}",
            "deployment.topology.redis={requirpas: <redacted>, hz: 20}",
        ),
        (
            "deployment.topology={kind: single, redis: {requirpas: hunter2}}",
            "deployment.topology={kind: single, redis: {requirpas: <redacted>}}",
        ),
        ("deployment.topology.redis.hz=20", "deployment.topology.redis.hz=20"),
        ("deployment.topology.cache={maxmemory: 8mb}", "deployment.topology.cache={maxmemory: 8mb}"),
        ("deployment.topology.down_after=3s", "deployment.topology.down_after=3s"),
    ],
)
def test_what_no_node_is_given_needs_no_value_to_be_repeated(override: str, said: str) -> None:
    """A misspelt `requirepass` is left out, and its value may be a password."""
    assert without_secrets(override) == said


def test_an_engines_address_is_told_without_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever an error quotes."""
    output.complain("Docker engine tcp://ops:hunter2@192.0.2.1:2375: expected an answer")
    assert capsys.readouterr().err == (
        "failover-kit: Docker engine tcp://ops:<redacted>@192.0.2.1:2375: expected an answer\n"
    )
