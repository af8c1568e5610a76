"""The kit's own errors, and the exit status of every command. Each message says where, what was expected,
what was found, what to do.

Redis, Docker and operating system exceptions are translated into these once, at the edge, `from`
their cause. The command line prints the message alone: a traceback is always a bug of the kit.
"""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """What a command's exit status says. The numbers are part of the interface: pipelines go by them."""

    PASSED = 0
    FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    ENVIRONMENT = 4
    WORSE = 5
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        return _MEANINGS[self]


_MEANINGS = {
    ExitStatus.PASSED: "all passed",
    ExitStatus.FAILED: "an expectation failed",
    ExitStatus.USAGE: "bad usage or scenario, or nothing matched",
    ExitStatus.INCONCLUSIVE: "inconclusive: the evidence does not decide",
    ExitStatus.ENVIRONMENT: "the environment failed or nothing could run",
    ExitStatus.WORSE: "worse than the baseline",
    ExitStatus.INTERRUPTED: "interrupted",
}


class KitError(Exception):
    """Something that a person can act upon."""

    exit_code: ExitStatus = ExitStatus.ENVIRONMENT


class UsageError(KitError):
    """Bad options, a bad scenario or deployment file, nothing matched."""

    exit_code = ExitStatus.USAGE


class EnvironmentFailure(KitError):
    """Docker, a node, the network or the disk failed: nothing was learnt about the topology."""

    exit_code = ExitStatus.ENVIRONMENT


class DoesNotComeUp(KitError):
    """Somebody's own files or project are at fault: what they start does not become what it should be."""

    exit_code = ExitStatus.FAILED


class HostVanished(EnvironmentFailure):
    """A host of the run answered, and then no more: the run is INCONCLUSIVE, whatever its topology did."""


class NoEffect(KitError):
    """A fault was requested and its effect was not observed: the run is INCONCLUSIVE."""

    exit_code = ExitStatus.INCONCLUSIVE


class Interrupted(KitError):
    """Ctrl-C or SIGTERM."""

    exit_code = ExitStatus.INTERRUPTED
