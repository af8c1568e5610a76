"""Folders that several tests share, below pytest's own temporary folder.

pytest removes its folders of earlier sessions, also those of sessions that were killed.
"""

from __future__ import annotations

from pathlib import Path

import pytest

_FACTORY: list[pytest.TempPathFactory] = []


def use(factory: pytest.TempPathFactory) -> None:
    """For the session."""
    _FACTORY[:] = [factory]


def new_folder(name: str) -> Path:
    """Lives as long as the session."""
    return _FACTORY[0].mktemp(name)
