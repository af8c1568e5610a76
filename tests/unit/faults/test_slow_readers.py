"""What waits for clients that do not read, as the engines list it."""

from __future__ import annotations

from harness.faults.slow_readers import bytes_kept


def test_reply_that_refers_to_its_request_waits_too() -> None:
    """Valkey 9 does not count it in `omem`; what it has not executed yet is no reply."""
    assert bytes_kept({"omem": "262155", "qbuf": "0", "tot-net-in": "10000", "tot-net-out": "4000"}) == 262155
    line = {"omem": "262155", "qbuf": "1000", "tot-net-in": "10000000", "tot-net-out": "4000000"}
    assert bytes_kept(line) == 5_999_000


def test_engine_without_totals_says_it_by_omem() -> None:
    """Redis up to 7.0."""
    assert bytes_kept({"omem": "6000000", "qbuf": "20"}) == 6_000_000
