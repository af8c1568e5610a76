"""A packed audit says what the entries say, to whoever asks for all, for a few fields or for a few sessions."""

from itertools import chain

import msgspec

from harness.model.packed_audit import IN_ORDER, PackedAudit, as_kind
from harness.model.records import AuditEntry


class _Whose(msgspec.Struct):
    pass_n: int
    session: str


def _entry(n: int, session: str, node: str = "redis-1", *, pass_n: int = 1) -> AuditEntry:
    fields = {"user": f"user of {session}"}
    return AuditEntry(
        pass_n=pass_n, session=session, node=node, role="primary", sent_us=n, done_us=n + 1, saw=fields
    )


ENTRIES = [_entry(1, "a"), _entry(2, "a", "redis-2"), _entry(3, "b"), _entry(1, "b", pass_n=2)]


def _packed(entries: list[AuditEntry]) -> PackedAudit:
    packed = PackedAudit()
    packed.add(entries[:3])
    packed.add(entries[3:])
    return packed


def test_all_entries_come_back_in_their_order() -> None:
    packed = _packed(ENTRIES)
    assert list(packed) == ENTRIES
    assert (len(packed), packed[3], list(packed[:2])) == (4, ENTRIES[3], ENTRIES[:2])


def test_a_few_fields_are_those_of_every_entry() -> None:
    assert [(one.pass_n, one.session) for one in chain.from_iterable(as_kind(_packed(ENTRIES), _Whose))] == [
        (1, "a"),
        (1, "a"),
        (1, "b"),
        (2, "b"),
    ]


def test_a_few_sessions_have_all_of_their_entries_and_nobody_elses() -> None:
    assert list(_packed(ENTRIES).about({"b", "c"})) == ENTRIES[2:]


def test_what_nodes_say_alike_is_kept_once() -> None:
    first, second = _packed(ENTRIES).about({"a"})
    assert first.saw is second.saw
    assert first.session is second.session


def test_order_is_by_pass_and_then_by_time_also_from_block_to_block() -> None:
    first, second, third, fourth = ENTRIES
    for mixed in (
        [second, first, third, fourth],
        [first, third, fourth, second],
        [fourth, third, second, first],
    ):
        packed = _packed(mixed)
        assert packed.ordered
        assert list(packed) == ENTRIES


def test_what_comes_later_than_by_a_block_is_not_put_where_it_belongs() -> None:
    packed = PackedAudit()
    for one in ("bc", "de", "fg", "a"):
        packed.add([_entry(ord(name), name) for name in one])
    assert not packed.ordered
    assert (len(packed), {one.session for one in packed}) == (7, set("abcdefg"))


def test_what_comes_late_keeps_its_place_among_equals() -> None:
    """As in a list that is sorted as a whole."""
    told = [_entry(at, name) for at, name in ((3, "a"), (2, "b"), (3, "c"), (2, "d"), (3, "e"), (2, "f"))]
    packed = PackedAudit()
    for n in range(0, 6, 2):
        packed.add(told[n : n + 2])
    assert packed.ordered
    assert list(packed) == sorted(told, key=IN_ORDER)


def test_lines_are_packed_as_they_were_read_where_they_stand_in_order() -> None:
    blocks = ENTRIES[:2], ENTRIES[2:]
    packed = PackedAudit()
    for block in blocks:
        text = b"".join(b" %s\n" % msgspec.json.encode(one) for one in block)
        packed.add(block, memoryview(text))
    assert list(packed) == ENTRIES
    assert len(packed) == 4
