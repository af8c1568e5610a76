"""A packed audit says what the entries say, to whoever asks for all, for a few fields or for a few sessions."""

import msgspec

from harness.model.packed_audit import PackedAudit
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
    assert [(one.pass_n, one.session) for one in _packed(ENTRIES).only(_Whose)] == [
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
    assert _packed(ENTRIES).ordered
    assert not _packed([ENTRIES[1], ENTRIES[0], *ENTRIES[2:]]).ordered
    assert not _packed([*ENTRIES[:3], _entry(2, "b")]).ordered
