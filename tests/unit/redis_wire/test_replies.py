"""What nodes and sentinels answer becomes typed: each field comes from the right place, none is guessed."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from redis.crc import key_slot

from harness.model.seams import Address
from harness.model.words import NodeRole
from harness.objects.lease import LOCK
from harness.redis_wire import cluster, info, keys, sentinel, words
from harness.redis_wire.protocol import as_map

REPLICATION = (
    "# Replication\r\nrole:master\r\nconnected_slaves:2\r\n"
    "slave0:ip=10.0.0.2,port=6379,state=online,offset=4000,lag=0\r\n"
    "slave1:ip=10.0.0.77,port=6380,state=wait_bgsave,offset=0,lag=1\r\n"
    "slave_read_repl_offset:4014\r\nmaster_repl_offset:4014\r\n"
)


@pytest.mark.parametrize(
    ("word", "role"),
    [
        ("master", NodeRole.PRIMARY),
        ("slave", NodeRole.REPLICA),
        ("sentinel", NodeRole.SENTINEL),
        ("", None),
        ("primary", None),
    ],
)
def test_roles_are_said_in_our_words(word: str, role: NodeRole | None) -> None:
    """The protocol's words become the kit's; any other word is none of them."""
    assert words.role(word) is role
    assert info.role({"role": word}) is role


def test_fields_of_info_are_what_stands_behind_the_first_colon() -> None:
    """Titles and empty lines are left out; texts of several sections may be joined."""
    assert info.fields("# Server\r\nredis_version:7.2.4\r\nexecutable:/a:b\r\n\r\n# X\r\ny:\r\n") == {
        "redis_version": "7.2.4",
        "executable": "/a:b",
        "y": "",
    }
    assert info.fields("") == {}


@pytest.mark.parametrize("odd", ["\u2028", "\x0b", "\x1c", "\n", "\x85"])
def test_a_value_ends_where_the_protocol_ends_it(odd: str) -> None:
    """A path with a letter at which Python breaks lines is one value, and adds no field."""
    assert info.fields(f"config_file:/a{odd}role:slave\r\nrole:master\r\n") == {
        "config_file": f"/a{odd}role:slave",
        "role": "master",
    }


def test_replicas_are_the_lines_of_replicas_alone() -> None:
    """Address, acknowledged offset and its age; `slave_read_repl_offset` is no replica."""
    assert list(info.replicas(info.fields(REPLICATION))) == [
        info.Replica(host="10.0.0.2", port=6379, offset=4000, lag_s=0),
        info.Replica(host="10.0.0.77", port=6380, offset=0, lag_s=1),
    ]


def test_keys_are_counted_by_database_and_over_all() -> None:
    """A database that is not listed has none; other fields that begin with db count nothing."""
    fields = info.fields("db0:keys=12,expires=3,avg_ttl=0\r\ndb3:keys=30,expires=0\r\ndb_size:keys=9\r\n")
    assert (info.keys(fields), info.keys(fields, 3), info.keys(fields, 1)) == (42, 30, 0)


def test_engine_is_valkey_where_it_says_so() -> None:
    """Valkey answers as the Redis that it is compatible with, too."""
    assert info.engine({"redis_version": "7.2.4"}) == "Redis 7.2.4"
    assert info.engine({"redis_version": "7.2.4", "valkey_version": "8.1.1"}) == "Valkey 8.1.1"


CLUSTER = """\
id1 10.0.0.1:6379@16379 master - 0 1700000000000 1 connected 0-5460 7 [93-<-id2]
id2 :6379@16379,host-two myself,slave,fail? id1 1700000000000 0 2 disconnected
id5 fd00::5:6379@16379 master,noflags - 0 0 3 connected
id8 noaddr handshake - 0 0 0 disconnected
"""


def test_lines_of_cluster_nodes() -> None:
    """Role, trouble, primary, epoch, link, slots (ranges, single ones, none on the move) and address."""
    first, second, third, fourth = cluster.rows(CLUSTER)
    assert (first.role, first.flags, first.primary, first.itself) == (
        NodeRole.PRIMARY,
        frozenset(),
        "",
        False,
    )
    assert (first.slots, first.epoch, first.connected) == (((0, 5460), (7, 7)), 1, True)
    assert first.pong_ms == 1_700_000_000_000
    assert (second.role, second.flags, second.primary, second.itself) == (
        NodeRole.REPLICA,
        {"fail?"},
        "id1",
        True,
    )
    assert (second.host, second.port, second.connected) == ("", 6379, False)
    assert (third.host, third.port, third.flags) == ("fd00::5", 6379, frozenset())
    assert (fourth.role, fourth.flags, fourth.host, fourth.port) == (None, {cluster.MEETING}, "", 0)


def test_a_watched_node_has_role_and_trouble_apart() -> None:
    """`master` is a role and no trouble; what else the sentinel said stays readable."""
    reply = [
        "name",
        "sessions",
        "ip",
        "10.0.0.2",
        "port",
        "6379",
        "flags",
        "s_down,master",
        "config-epoch",
        "3",
    ]
    seen = sentinel.watched(reply)
    assert (seen.address, seen.role, seen.flags) == (Address("10.0.0.2", 6379), NodeRole.PRIMARY, {"s_down"})
    assert seen.fields["config-epoch"] == "3"


@pytest.mark.parametrize(
    ("channel", "text", "host"),
    [
        ("+sdown", "master sessions 10.0.0.1 6379", "10.0.0.1"),
        ("+odown", "master sessions 10.0.0.1 6379 #quorum 2/2", "10.0.0.1"),
        ("+sdown", "slave 10.0.0.2:6379 10.0.0.2 6379 @ sessions 10.0.0.1 6379", "10.0.0.2"),
        ("+switch-master", "sessions 10.0.0.1 6379 10.0.0.3 6379", "10.0.0.3"),
        ("+switch-master", "sessions 10.0.0.1 6379", None),
        ("+elected-leader", "master sessions 10.0.0.1 6379", "10.0.0.1"),
        ("+sdown", "sentinel 0a1b 10.0.0.9 26379 @ sessions 10.0.0.1 6379", None),
        ("+sdown", "master sessions 10.0.0.1 port", None),
        ("+tilt", "#tilt mode entered", None),
        ("+new-epoch", "5", None),
    ],
)
def test_message_of_a_sentinel_is_about_a_data_node_or_none(
    channel: str, text: str, host: str | None
) -> None:
    """Which node a message is about; of a switch, the new primary."""
    about = sentinel.message(channel, text).about
    assert about == (None if host is None else Address(host, 6379))


def test_introduction_is_what_sentinels_say_themselves() -> None:
    """Its own address, identity and epoch, and the primary that it guards."""
    said = sentinel.introduction(
        sentinel=Address("h", 26379), identity="id", service="sessions", primary=Address("p", 6379)
    )
    assert said == ("PUBLISH", "__sentinel__:hello", "h,26379,id,0,sessions,p,6379,0")


def test_a_flat_list_becomes_a_map() -> None:
    """RESP2 has no maps."""
    assert as_map(["a", "1", "b", "2"]) == {"a": "1", "b": "2"}


def test_keys_of_a_session_share_a_slot_and_a_prefix() -> None:
    """In a cluster they are written as one; a user's index is elsewhere. All are told from cache keys."""
    mine = [keys.session_key("abc"), keys.witness_key("abc")]
    assert mine == ["session:{abc}", "witness:{abc}"]
    assert len({keys.slot(key) for key in (*mine, LOCK.key("abc"))}) == 1
    assert LOCK.key("abc") == "lock:session:{abc}"
    assert keys.index_key("ann") == "user:{ann}:sessions"
    assert all(key.startswith(keys.PREFIXES) for key in (*mine, keys.index_key("ann")))
    assert not "cache:1".startswith(keys.PREFIXES)


@pytest.mark.parametrize(
    ("key", "slot"),
    # From a real node: CLUSTER KEYSLOT.
    [
        ("foo", 12182),
        ("session:{abc}", 7638),
        ("witness:{abc}", 7638),
        ("a{}b{c}", 7353),
        ("{unclosed", 470),
    ],
)
def test_slot_is_the_clusters_own(key: str, slot: int) -> None:
    """Hash tags count as Redis counts them: only the first braces, and only with something between."""
    assert keys.slot(key) == slot


@given(st.text(alphabet="ab{}é\u2028", max_size=12))
@example("}{a}")
def test_slot_is_what_a_client_library_sends_it_to(key: str) -> None:
    """The observers look where the client under test has written."""
    assert keys.slot(key) == key_slot(key.encode())
