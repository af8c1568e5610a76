"""From words to an exit status (`harness.errors.ExitStatus`).

A person never sees a traceback: every `KitError` is one message, and anything else is a bug, whose
traceback goes into a file.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from pkgutil import resolve_name

from failover_kit.start import why_not
from harness import output
from harness.cli.arguments import parser
from harness.errors import EnvironmentFailure, ExitStatus, KitError, UsageError
from harness.model.hosts import ALLOW_REMOTE, BACKEND, NAMED
from harness.model.hosts import read as read_hosts


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of `failover-kit` and `python -m harness`."""
    output.prepare()
    try:
        return _carried_out(arguments)
    finally:
        output.finish()


def _carried_out(arguments: Sequence[str] | None) -> int:
    _unwind_on_sigterm()
    try:
        _check_ground(sys.argv[1:] if arguments is None else arguments)
        options = parser().parse_args(arguments)
        options.words = tuple(sys.argv[1:] if arguments is None else arguments)
        _let_every_process_know(options)
        return _imported(options.verb)(options)
    except KitError as problem:
        output.complain(str(problem))
        return problem.exit_code
    except KeyboardInterrupt:
        output.complain("interrupted")
        return ExitStatus.INTERRUPTED
    except OSError as problem:
        where = f"{problem.filename}: " if problem.filename else ""
        output.complain(f"{where}{problem.strerror or problem}")
        return EnvironmentFailure.exit_code
    except Exception as problem:  # noqa: BLE001  a bug must not look like a verdict: never status 1
        output.report_crash(problem)
        return EnvironmentFailure.exit_code


def _check_ground(arguments: Sequence[str]) -> None:
    """What no verb can do without: words that a result can repeat, and a current folder."""
    for word in arguments:
        try:
            word.encode()
        except UnicodeEncodeError as problem:
            raise UsageError(f"{word[:40]!r}: expected an argument in UTF-8, found other bytes") from problem
    try:
        Path.cwd()
    except FileNotFoundError as problem:
        raise EnvironmentFailure(
            "the current folder does not exist any more: cd to another folder"
        ) from problem


def _let_every_process_know(options: argparse.Namespace) -> None:
    """Each run is a process of its own, and asks the hosts itself."""
    if getattr(options, "allow_remote_engine", False):
        os.environ[ALLOW_REMOTE] = "1"
    hosts = getattr(options, "hosts", None)
    if hosts is None:
        return
    if not read_hosts(hosts, "--hosts"):
        raise UsageError(f"--hosts: expected NAME=ENGINE for each host, found {hosts!r}")
    backend = getattr(options, "backend", BACKEND)
    if backend != BACKEND and not getattr(options, "submit", None):
        raise UsageError(
            f"--hosts: expected --backend {BACKEND}, found --backend {backend}, which asks no other host"
        )
    os.environ[NAMED] = hosts


def _imported(verb: str) -> Callable[[argparse.Namespace], int]:
    try:
        function: Callable[[argparse.Namespace], int] = resolve_name(f"harness.cli.{verb}")
    except Exception as problem:
        raise EnvironmentFailure(why_not(problem)) from problem
    return function


def _unwind_on_sigterm() -> None:
    """SIGTERM unwinds as Ctrl-C does, so that nothing stays behind."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.default_int_handler)
