"""Topologies over several hosts that live on when the harness which started them ends.

As of one engine: everything belongs to a small process, the keeper, and so does the process that carries
packets to the nodes' network.
"""

from __future__ import annotations

from typing import ClassVar

from harness.topology.base.processes import ProcessIdentity
from harness.topology.docker.held_record import HeldRecord, HeldRecords


class Record(HeldRecord, kw_only=True):
    PREFIX: ClassVar[str] = "machines-"

    engines: dict[str, str]
    """Host -> its engine."""
    tunnel: ProcessIdentity


_RECORDS = HeldRecords(Record)
read, records, remove_stale = _RECORDS.read, _RECORDS.held, _RECORDS.remove_stale
