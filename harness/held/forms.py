"""For whom a verb prints."""

from __future__ import annotations

from enum import StrEnum


class Form(StrEnum):
    """For whom a held topology is described."""

    PEOPLE = "text"
    JSON = "json"
    SHELL = "env"
    """Lines that a shell evaluates."""
