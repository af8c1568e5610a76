"""Secrets in text that people or files get to see."""

from __future__ import annotations

import pytest

from harness.model.redaction import redacted, without_url_passwords


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
