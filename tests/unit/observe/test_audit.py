"""When an audit counts, and what one node's replies say of one session."""

from __future__ import annotations

from typing import Any

import pytest

from harness.model.records import AuditEntry
from harness.observe.audit import _caught_up, _slot_owners, fill, what_changed
from harness.observe.views import ClusterNode, ClusterView
from harness.redis_wire.protocol import ErrorReply

State = dict[str, Any]
PRIMARY: State = {"run_id": "a", "role": "primary", "replid": "r", "offset": 100, "changes": 7}
REPLICA: State = {"run_id": "b", "role": "replica", "replid": "r", "offset": 100, "changes": 3}
SENTINEL: State = {"run_id": "c", "role": "sentinel", "epoch": 1, "primary": "redis-1"}
BEFORE: dict[str, State] = {
    "redis-1": PRIMARY,
    "redis-2": REPLICA,
    "sentinel-1": SENTINEL,
    "redis-3": {"error": "no answer"},
}


def test_moving_offsets_alone_leave_an_audit_valid() -> None:
    """Sentinels publish and primaries ping over the replication stream: no data changed."""
    after = BEFORE | {
        "redis-1": PRIMARY | {"offset": 900},
        "redis-2": REPLICA | {"offset": 900, "changes": 5},
    }
    assert what_changed(BEFORE, BEFORE) == ""
    assert what_changed(BEFORE, after) == ""


@pytest.mark.parametrize(
    ("node", "state", "said"),
    [
        ("redis-1", PRIMARY | {"run_id": "x"}, "run_id of redis-1 went from 'a' to 'x'"),
        ("redis-1", PRIMARY | {"changes": 8}, "changes of redis-1 went from 7 to 8"),
        ("redis-2", REPLICA | {"role": "primary"}, "role of redis-2"),
        ("redis-2", REPLICA | {"replid": "s"}, "replid of redis-2"),
        ("redis-2", {"error": "gone"}, "redis-2 stopped answering"),
        ("redis-3", REPLICA, "redis-3 answers again"),
        ("sentinel-1", SENTINEL | {"primary": "redis-2"}, "primary of sentinel-1"),
        ("sentinel-1", SENTINEL | {"epoch": 2}, "epoch of sentinel-1"),
    ],
)
def test_anything_else_that_moves_makes_a_pass_void(node: str, state: dict[str, Any], said: str) -> None:
    """Another process, role, replication id, epoch, opinion, or a write: said with both values."""
    assert said in what_changed(BEFORE, BEFORE | {node: state})


def test_replicas_have_caught_up_with_what_the_primary_had_before() -> None:
    """Compared per shard, with the primary's earlier offset; silent nodes do not count."""
    shard = [frozenset({"redis-1", "redis-2", "redis-3"})]
    assert _caught_up(shard, BEFORE, BEFORE)
    assert not _caught_up(shard, BEFORE, BEFORE | {"redis-2": REPLICA | {"offset": 99}})
    assert _caught_up(shard, BEFORE, BEFORE | {"redis-2": {"error": "gone"}})


def entry() -> AuditEntry:
    return AuditEntry(pass_n=1, session="s", node="redis-1", role="primary", sent_us=1, done_us=2)


def filled(*replies: Any, witnesses: bool = True) -> AuditEntry:
    found = entry()
    found.error = fill(found, list(replies), witnesses=witnesses)
    return found


def test_replies_of_a_whole_session_fill_its_entry() -> None:
    """Fields, TTL, witnesses and membership."""
    found = filled("hash", 5000, ["sid", "s", "user_id", "u"], ["1", "4"], 1)
    assert (found.key_type, found.pttl_ms) == ("hash", 5000)
    assert found.saw == {"sid": "s", "user_id": "u"}
    assert (found.witnesses, found.indexed) == (("1", "4"), True)


def test_absent_session_is_an_empty_one_and_no_silence() -> None:
    """Absence is an observation; what was not asked stays unknown."""
    found = filled("none", -2, [], [])
    assert (found.key_type, found.saw, found.witnesses, found.indexed) == ("none", {}, (), None)
    assert filled("none", -2, [], [], witnesses=False).witnesses is None


def test_refusal_is_no_observation() -> None:
    """A node that answers MOVED or LOADING has not told anything about the session."""
    found = filled(ErrorReply("LOADING x"), ErrorReply("LOADING x"), ErrorReply("LOADING x"), [])
    assert (found.key_type, found.saw, found.error) == (None, None, "LOADING x")


def test_key_of_another_type_is_seen_as_such() -> None:
    """A key that is no hash is there, with its type, and has no fields."""
    found = filled("list", -1, ErrorReply("WRONGTYPE Operation against a key"), [])
    assert (found.key_type, found.saw, found.error) == ("list", {}, None)


def test_slot_claimed_by_two_nodes_has_no_owner() -> None:
    """Where the cluster's views differ nobody is asked for the index."""

    def view(observer: str, **ranges: tuple[tuple[int, int], ...]) -> ClusterView:
        nodes = {
            name: ClusterNode(name=name, primary=True, flags=frozenset(), ranges=claimed)
            for name, claimed in ranges.items()
        }
        return ClusterView(observer=observer, sent_us=1, done_us=2, nodes=nodes)

    owners = _slot_owners([view("a", a=((0, 2),), b=((3, 4),)), None, view("b", a=((0, 1),), b=((2, 4),))])
    assert owners == {0: "a", 1: "a", 3: "b", 4: "b"}
