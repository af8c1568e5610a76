"""`python -m lab.machines [--engines N] [PYTEST WORDS]`: the machines backend over engines on this machine.

Without words: the conformance suite of backends, and what only this one has. Where no engine can be started,
it says why and does nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys

from harness.errors import EnvironmentFailure
from harness.model.hosts import NAMED
from harness.options import Parser
from lab.command import as_command
from lab.machines import engines, guardian

TESTS = tuple(
    f"tests/integration/test_{name}.py" for name in ("backend_conformance", "machines", "sigkill", "jobs")
)


def main() -> int:
    parser = Parser(prog="python -m lab.machines", description=__doc__)
    parser.add_argument("--engines", type=int, choices=(2, 3), default=3, help="how many (default: 3)")
    given, words = parser.parse_known_args()
    if reason := engines.why_not():
        print(f"test-machines: skipped: {reason}")
        return 0
    tests = words or [*TESTS, "-k", "machines"]
    try:
        with guardian.guarded(given.engines) as found:
            named = ",".join(f"{name}={where}" for name, where in found.items())
            print(f"{NAMED}={named}", flush=True)
            command = [sys.executable, "-m", "pytest", "-n", "0", "--durations=8", *tests]
            return subprocess.run(command, env={**os.environ, NAMED: named}, check=False).returncode
    except EnvironmentFailure as problem:
        print(f"test-machines: {problem}", file=sys.stderr)
        return problem.exit_code


if __name__ == "__main__":
    as_command(main)
