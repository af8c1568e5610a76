"""Starts the kit: the command `failover-kit`, and its parts in processes of their own.

    python -P failover_kit/start.py harness.running.one_process FOLDER RUN IMAGE

Before anything of the kit is imported, `harness` is bound to the folder beside this one, and the current
folder leaves Python's path: a `harness/`, a `redis.py` or a `yaml.py` there belongs to somebody else.

Trap: run by its path, this file stands alone. It imports nothing but the standard library.
"""

from __future__ import annotations

import os
import runpy
import sys
import traceback
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent.parent / "harness"

_CANNOT_START = 4
_INTERRUPTED = 130
"""As in `harness.errors.ExitStatus`, which cannot be imported yet."""


def main() -> int:
    """The command `failover-kit`; returns its exit status."""
    try:
        load()
        from harness.cli import main as verbs  # noqa: PLC0415 - only now it is the kit's
    except KeyboardInterrupt:
        print("failover-kit: interrupted", file=sys.stderr)
        return _INTERRUPTED
    except Exception as problem:  # noqa: BLE001 - whatever a module that is not ours does on import
        print(f"failover-kit: {why_not(problem)}", file=sys.stderr)
        return _CANNOT_START
    return verbs()


def load() -> None:
    """Make `harness` this kit's, whatever else on Python's path has that name."""
    _leave_current_folder()
    known = sys.modules.get("harness")
    if known is not None and list(known.__path__) == [str(_PACKAGE)]:
        return
    spec = spec_from_file_location(
        "harness", _PACKAGE / "__init__.py", submodule_search_locations=[str(_PACKAGE)]
    )
    assert spec is not None
    assert spec.loader is not None
    sys.modules["harness"] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules["harness"])


def _leave_current_folder() -> None:
    """`python -m` puts it first. What PYTHONPATH names stays: somebody wanted that."""
    try:
        here = str(Path.cwd())
    except FileNotFoundError:  # it was deleted: nothing can be imported from there
        return
    if not sys.flags.safe_path and sys.path and sys.path[0] in {"", here}:
        del sys.path[0]


def why_not(problem: Exception) -> str:
    """For a person: which import failed, and what to do."""
    where = traceback.extract_tb(problem.__traceback__)[-1].filename
    advice = (
        f"PYTHONPATH is {os.environ['PYTHONPATH']!r}, and what lies there comes first: unset it"
        if os.environ.get("PYTHONPATH")
        else "its packages are missing or damaged: install it again (in a checkout: make setup)"
    )
    what = f"{type(problem).__name__}: {problem}".splitlines()[0]
    return f"cannot start: {what} (in {where}); {advice}"


def part() -> None:
    """A part of the kit, by its module's name, until it ends. Whoever started it reads the last line."""
    try:
        load()
        del sys.argv[0]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    except Exception as problem:  # noqa: BLE001 - as above; what can go wrong later, the part itself tells
        traceback.print_exc()
        print(f"failover-kit: {why_not(problem)}", file=sys.stderr)
        sys.exit(_CANNOT_START)


if __name__ == "__main__":
    part()
