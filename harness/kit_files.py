"""Where the kit's own files are: scenarios, Compose files, Redis and Sentinel configuration; its parts.

In a checkout they lie beside the package; an installed wheel carries them under
`share/redis-failover-kit` of its environment.
"""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

from harness.errors import EnvironmentFailure

_SHARE = "share/redis-failover-kit"


def kit_root() -> Path:
    """The folder that holds `scenarios/`, `compose/`, `sentinel/` and `cluster/`.

    Raises:
        EnvironmentFailure: neither a checkout nor an installed wheel has them.
    """
    checkout = Path(__file__).resolve().parent.parent
    places = [checkout, Path(sysconfig.get_path("data")) / _SHARE, Path(sys.prefix) / _SHARE]
    for place in places:
        if (place / "sentinel" / "redis.conf").is_file():
            return place
    looked = ", ".join(str(place) for place in places)
    raise EnvironmentFailure(f"the kit's own files are missing (sentinel/redis.conf); looked in {looked}")


def command(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this kit in a process of its own, whatever lies on Python's path."""
    start = Path(__file__).resolve().parent.parent / "failover_kit" / "start.py"
    return [sys.executable, "-P", str(start), module, *arguments]


def kit_file(name: str) -> Path:
    """One of the kit's files by its path in the repository, e.g. `sentinel/redis.conf`."""
    return kit_root() / name
