"""`python -m lab.machines [--engines N] [PYTEST WORDS]`: the machines backend over engines on this machine.

Without words: the conformance suite of backends, and what only this one has. Where no engine can be started,
it says why and does nothing.

The image of the kit has a tag of this checkout's own meanwhile, so that nobody else's is replaced. It is on
every host before the first test: on a busy machine, carrying it takes longer than a run may. Whoever is
killed leaves it to the next one of the same checkout, which removes it.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress

import docker.errors

from harness.errors import EnvironmentFailure
from harness.model.hosts import NAMED
from harness.options import Parser
from harness.topology.docker import daemon, kit_image
from harness.topology.machines import hosts, images
from lab.command import as_command
from lab.machines import engines, guardian
from lab.rows import ROOT

TESTS = tuple(
    f"tests/integration/test_{name}.py" for name in ("backend_conformance", "machines", "sigkill", "jobs")
)


def main() -> int:
    parser = Parser(prog="python -m lab.machines", description=__doc__, passes_on=True)
    parser.add_argument("--engines", type=int, choices=(2, 3), default=3, help="how many (default: 3)")
    parser.add_argument(
        "--without-kit-image", action="store_true", help="do not build it; tests that need it are skipped"
    )
    given, words = parser.parse_known_args()
    if reason := engines.why_not():
        print(f"test-machines: skipped: {reason}")
        return 0
    tests = words or [*TESTS, "-k", "machines"]
    try:
        with (
            nullcontext() if given.without_kit_image else own_kit_image(),
            guardian.guarded(given.engines) as found,
        ):
            if not given.without_kit_image:
                _carry(found)
            named = ",".join(f"{name}={where}" for name, where in found.items())
            print(f"{NAMED}={named}", flush=True)
            command = [sys.executable, "-m", "pytest", "-n", "0", "--durations=8", *tests]
            return subprocess.run(command, env={**os.environ, NAMED: named}, check=False).returncode
    except EnvironmentFailure as problem:
        print(f"test-machines: {problem}", file=sys.stderr)
        return problem.exit_code


@contextmanager
def own_kit_image() -> Iterator[None]:
    """As long as this is open, the image of the kit is one with a tag of this checkout's own."""
    place = hashlib.blake2b(str(ROOT).encode(), digest_size=4).hexdigest()
    os.environ[kit_image.NAMED] = f"redis-failover-kit/kit:test-{place}"
    _remove_kit_image()
    try:
        kit_image.build()
        yield
    finally:
        _remove_kit_image()


def _remove_kit_image() -> None:
    with closing(daemon.connect()) as client, suppress(docker.errors.ImageNotFound):
        client.images.remove(kit_image.tag(), force=True)


def _carry(found: Mapping[str, str]) -> None:
    with hosts.connected(found) as there:
        images.carry_same(kit_image.tag(), there)


if __name__ == "__main__":
    as_command(main)
