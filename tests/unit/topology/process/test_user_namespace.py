"""Whether this user may have networks of their own."""

from __future__ import annotations

import subprocess
from typing import NoReturn

import pytest

from harness.errors import EnvironmentFailure
from harness.topology.process import user_namespace


def test_machine_that_is_too_busy_to_answer_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guess would have nodes started where they cannot be cut off."""

    def late(*_: object, timeout: float, **__: object) -> NoReturn:
        raise subprocess.TimeoutExpired("try", timeout)

    monkeypatch.delenv("FAILOVER_KIT_USER_NAMESPACE", raising=False)
    monkeypatch.setattr("subprocess.run", late)
    with pytest.raises(
        EnvironmentFailure, match="network namespace: expected an answer within 10 s, got none"
    ):
        user_namespace.needs_user_namespace()
