"""The image in which the kit itself runs, with nodes as processes: built by compose/kit-image.sh.

It holds Debian's Python and Redis, the packages that `requirements/run.txt` pins, and the kit's own files. A
mark on it says which files these were, so that nobody runs a matrix with another kit than the one at hand.

The trap: pip decides by its own Python which packages are needed. The image has another one, so what holds
there is worked out here, and pip is given a list without conditions.
"""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import docker.errors
from packaging.markers import default_environment
from packaging.requirements import Requirement

from harness.errors import EnvironmentFailure
from harness.kit_files import kit_root
from harness.topology.docker import daemon
from harness.topology.docker.daemon import translated
from harness.topology.docker.image import BUILD_S, run_script

NAMED = "FAILOVER_KIT_IMAGE"
"""A variable with another tag for it: so each of several checkouts on one machine can have an image."""
_TAG = "redis-failover-kit/kit:latest"

MARK = "failover-kit.kit"
"""The label with the mark of the kit's files."""

HOME = "/opt/failover-kit"
"""Where the kit is in there: a folder like a checkout, and the one in which commands begin."""

_PARTS = (
    "failover_kit", "harness", "scenarios", "matrices", "compose", "sentinel", "cluster", "pyproject.toml",
)  # fmt: skip
_SUITE = "bookworm"
_PYTHON = {"python_version": "3.11", "python_full_version": "3.11.2"}
"""Of that suite."""


def tag() -> str:
    """By which this machine's engine knows it."""
    return os.environ.get(NAMED) or _TAG


def build() -> str:
    """Build the image of this kit; returns its tag. What the kit's files do not change is built once.

    Raises:
        EnvironmentFailure: it cannot be built here; the message ends with what the script said.
    """
    root = kit_root()
    pinned = root / "requirements" / "run.txt"
    if not pinned.is_file():
        raise EnvironmentFailure(
            f"kit-image: expected a checkout of the kit, found an installed one in {root}: run "
            "'make kit-image' in a checkout"
        )
    with tempfile.NamedTemporaryFile("w", prefix="failover-kit-pins-", suffix=".txt") as pins:
        pins.write("".join(f"{line}\n" for line in holding(pinned.read_text(encoding="utf-8"))))
        pins.flush()
        words = [tag(), mark(root), str(root), pins.name, _SUITE, _PYTHON["python_version"], *_PARTS]
        run_script("compose/kit-image.sh", words, within_s=3 * BUILD_S)
    return tag()


def holding(pinned: str) -> Iterator[str]:
    """The pins that hold for the image's Python, each with its hashes, without their conditions."""
    of_image: dict[str, Any] = {
        **default_environment(),
        **_PYTHON,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "sys_platform": "linux",
        "platform_machine": platform.machine(),
        "extra": "",
    }
    for line in pinned.replace("\\\n", " ").splitlines():
        named, _, hashes = line.partition(" --hash")
        if not named.strip() or named.lstrip().startswith("#"):
            continue
        one = Requirement(named)
        if one.marker is None or one.marker.evaluate(of_image):
            yield f"{one.name}{one.specifier} --hash{hashes}"


def mark(root: Path) -> str:
    """Which files a kit has: the same for the same files, wherever they lie."""
    files = [one for part in _PARTS for one in (root / part, *(root / part).rglob("*")) if _belongs(one)]
    found = hashlib.blake2b(digest_size=8)
    for file in sorted(files):
        content = file.read_bytes()
        found.update(f"{file.relative_to(root)} {len(content)}\n".encode())
        found.update(content)
    return found.hexdigest()


def _belongs(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts


def mark_in(client: Any) -> str | None:
    """The mark of the kit in an engine's image; None: it has no such image."""
    with translated(f"looking for image {tag()}"):
        try:
            found = client.images.get(tag())
        except docker.errors.ImageNotFound:
            return None
    return str(found.labels.get(MARK, ""))


def checked() -> str:
    """The mark of this kit, which this machine's image has too.

    Raises:
        EnvironmentFailure: there is no image, or it has another kit.
    """
    own = mark(kit_root())
    with closing(daemon.connect()) as client:
        there = mark_in(client)
    if there != own:
        what = "none" if there is None else "one of another state of the kit"
        raise EnvironmentFailure(
            f"image {tag()}: expected one of this kit in this machine's engine, found {what}: make kit-image"
        )
    return own


def command(module: str, *arguments: str) -> list[str]:
    """What runs a module of this kit in a container of its image."""
    return ["python3", "-P", f"{HOME}/failover_kit/start.py", module, *arguments]
