"""Stories about log-ins that are refused, and users whom an outage put out."""

from __future__ import annotations

from lab.past import Past
from tests.unit.checks.stories.topology import cut_off_in_a_cluster


def refused_login() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    oom = "OOM command not allowed when used memory > 'maxmemory'."
    past.log_in("bob", 2.0, outcome="rejected", executed=False, error=oom)
    past.read(ann, 2.1)
    past.log_in("eve", 2.2, outcome="rejected", executed=False, error=oom)
    return past


def log_in_elsewhere() -> Past:
    """READONLY says: not here. That is an outage, measured as such."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    error = "READONLY You can't write against a read only replica."
    past.log_in("bob", 2.0, outcome="rejected", executed=False, error=error)
    past.read(ann, 2.1)
    return past


def outage() -> Past:
    """Ann was there and was not let through until her session had timed out."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.0)
    past.touch(ann, 3.0, outcome="rejected", executed=False)
    past.touch(ann, 5.0, outcome="rejected", executed=False)
    past.touch(ann, 7.0)
    past.log_in("ann", 7.5)
    return past


def stayed_away() -> Past:
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 1.1, outcome="rejected", executed=False)
    past.touch(ann, 2.0)
    past.touch(ann, 7.0)
    return past


def refused_in_time() -> Past:
    return cut_off_in_a_cluster(outcome="rejected")
