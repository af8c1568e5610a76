"""The kit's own errors. Each message says where, what was expected, what was found, what to do.

Redis, Docker and operating system exceptions are translated into these once, at the edge, `from`
their cause. The command line prints the message alone: a traceback is always a bug of the kit.
"""

from __future__ import annotations


class KitError(Exception):
    """Something that a person can act upon."""

    exit_code = 4


class UsageError(KitError):
    """Bad options, a bad scenario or deployment file, nothing matched."""

    exit_code = 2


class EnvironmentFailure(KitError):
    """Docker, a node, the network or the disk failed: nothing was learnt about the topology."""

    exit_code = 4


class NoEffect(KitError):
    """A fault was requested and its effect was not observed: the run is INCONCLUSIVE."""

    exit_code = 3


class Interrupted(KitError):
    """Ctrl-C or SIGTERM."""

    exit_code = 130
