"""How long one request can keep an actor, and how many actors an open load therefore needs.

An actor has one operation in flight. With fewer actors than operations that can be waiting at once,
the load would slow down exactly when the topology does, and the outage would look shorter than it
is. What is due while every actor waits is recorded as not sent.
"""

from __future__ import annotations

import math

from harness.model.deployment import LONGEST_BACKOFF_S, SENTINEL_BACKOFF_S, ClientProfile, Deployment
from harness.model.inventory import Inventory
from harness.model.scenario import Workload

ACTORS_MAX = 5000
"""An actor is a task and its session: beyond this one loop spends its time on bookkeeping."""


def longest_client_wait_s(deployment: Deployment, inventory: Inventory) -> float:
    """Every try waits for a free connection, runs into its time-outs, and finds the sentinels silent."""
    if deployment.guest is not None:
        return deployment.guest.longest_wait_s
    client = deployment.client
    tries = client.application_retries + 1
    asked = client.sentinel_retries + 1
    pauses_s = sum(min(SENTINEL_BACKOFF_S * (1 << n), LONGEST_BACKOFF_S) for n in range(asked - 1))
    finding_s = (client.sentinel_timeout_s * asked + pauses_s) * len(inventory.sentinels)
    free_s = client.socket_timeout_s  # as long as the application waits for one of the pool
    sent_s = max(client.connect_timeout_s, client.socket_timeout_s) * (client.library_retries + 1)
    return tries * (free_s + finding_s + sent_s + _library_backoffs_s(client)) + _backoffs_s(client)


def _backoffs_s(client: ClientProfile) -> float:
    pauses = (client.retry_backoff_s * (1 << n) for n in range(client.application_retries))
    return sum(min(pause_s, LONGEST_BACKOFF_S) for pause_s in pauses)


def _library_backoffs_s(client: ClientProfile) -> float:
    """The pauses between retries of the library; they begin with the application's own and double as well."""
    pauses = (client.retry_backoff_s * (1 << n) for n in range(client.library_retries))
    return sum(min(pause_s, LONGEST_BACKOFF_S) for pause_s in pauses)


def actors_needed(workload: Workload, wait_s: float) -> int:
    """At least one per operation that can be waiting, and per browser of an active user."""
    return max(math.ceil(workload.rate_per_s * wait_s), workload.active_users * workload.devices)


def actors(workload: Workload, wait_s: float) -> int:
    return min(actors_needed(workload, wait_s), ACTORS_MAX)
