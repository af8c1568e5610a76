"""Which version of the kit this is. A checkout knows its own, whatever is installed beside it."""

from __future__ import annotations

import tomllib
from pathlib import Path

_DISTRIBUTION = "redis-failover-kit"


def kit_version() -> str:
    project = Path(__file__).resolve().parent.parent / "pyproject.toml"
    try:
        about = tomllib.loads(project.read_text(encoding="utf-8"))["project"]
        if about["name"] == _DISTRIBUTION:
            return str(about["version"])
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        pass
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - slow, and seldom needed

    try:
        return version(_DISTRIBUTION)
    except PackageNotFoundError:
        return "unknown"
