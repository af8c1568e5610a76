"""The writer of cache keys: what it sends, and how much at once."""

from __future__ import annotations

from harness.faults.filler import Load, batches


def keys_at_once(rate_per_s: int) -> set[int]:
    return {count for count, _ in batches(Load(keys=3000, value_bytes=1, rate_per_s=rate_per_s, first=1000))}


def test_with_a_moderate_rate_each_key_goes_alone() -> None:
    """A server may refuse a whole batch for the batch's own bytes, while it still has room for one key."""
    assert keys_at_once(1) == keys_at_once(1000) == {1}
    assert keys_at_once(4000) == {4}
    assert max(keys_at_once(0)) > 1000


def test_batch_is_the_bytes_of_its_keys() -> None:
    """Numbers of one length share everything around them; the keys of a batch follow each other."""
    sent = list(batches(Load(keys=3, value_bytes=2, first=9, tag="{7}")))
    one = b"*3\r\n$3\r\nSET\r\n$10\r\ncache:{7}9\r\n$2\r\nxx\r\n"
    two = b"".join(b"*3\r\n$3\r\nSET\r\n$11\r\ncache:{7}%d\r\n$2\r\nxx\r\n" % n for n in (10, 11))
    assert sent == [(1, one), (2, two)]
