"""What a command learns of the nodes beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from harness.errors import UsageError
from harness.model.proxy import ProxySpec
from harness.model.seams import Certificates
from harness.model.words import TopologyKind
from harness.running.surroundings import NAMES, filled, inherited, mapped, variables
from tests.builders_topology import process_plan
from tests.fakes import FakeTopology

KNOWN = {"REDIS_URL": "redis://:secret@10.0.0.1:6379/0", "REDIS_PORT": "6379"}


@pytest.fixture
def topology(request: pytest.FixtureRequest) -> Iterator[FakeTopology]:
    fake = FakeTopology(process_plan(request.param))
    yield fake
    fake.close()


def _at(topology: FakeTopology, *nodes: str) -> str:
    found = [topology.address(node) for node in nodes]
    return ",".join(f"{one.host}:{one.port}" for one in found)


@pytest.mark.parametrize("topology", list(TopologyKind), indirect=True)
def test_every_topology_has_a_primary_to_begin_with(topology: FakeTopology) -> None:
    """The URL holds the password and leads to the node that begins as primary."""
    known = variables(topology)
    assert known["REDIS_URL"] == f"redis://default:{topology.secrets.redis}@{_at(topology, 'redis-1')}/0"
    assert f"{known['REDIS_HOST']}:{known['REDIS_PORT']}" == _at(topology, "redis-1")
    assert known["REDIS_PASSWORD"] == topology.secrets.redis


def test_clients_are_led_to_certificates_where_nodes_speak_tls() -> None:
    """The URL says it too."""
    topology = FakeTopology(process_plan("single", tls=True))
    try:
        assert not any(name.startswith("REDIS_TLS_") for name in variables(topology))
        made = Certificates(authority="a", node="n", node_key="nk", client="c", client_key="ck")
        topology.secrets = replace(topology.secrets, certificates=made)
        known = variables(topology)
        assert known["REDIS_URL"].startswith(f"rediss://default:{topology.secrets.redis}@")
        assert known["REDIS_TLS_CA_FILE"] == str(topology.directory / "tls" / "ca.crt")
        assert known.keys() <= NAMES
    finally:
        topology.close()


def test_behind_a_proxy_everybody_goes_there() -> None:
    """The nodes' own password is asked for behind it."""
    topology = FakeTopology(process_plan("sentinel", proxy=ProxySpec()))
    try:
        known = variables(topology)
        assert known["REDIS_URL"] == f"redis://default:{topology.secrets.redis}@{_at(topology, 'proxy-1')}/0"
        assert f"{known['REDIS_HOST']}:{known['REDIS_PORT']}" == _at(topology, "proxy-1")
    finally:
        topology.close()


@pytest.mark.parametrize("topology", [TopologyKind.SENTINEL], indirect=True)
def test_sentinels_are_told_with_their_service_and_password(topology: FakeTopology) -> None:
    """All that a client needs that asks them who is primary."""
    known = variables(topology)
    assert known["REDIS_SENTINELS"] == _at(topology, *(node.name for node in topology.plan.sentinels()))
    assert known["REDIS_SERVICE"] == topology.service
    assert known["REDIS_SENTINEL_PASSWORD"] == topology.secrets.sentinel
    assert "REDIS_CLUSTER_NODES" not in known


@pytest.mark.parametrize("topology", [TopologyKind.CLUSTER], indirect=True)
def test_all_nodes_of_a_cluster_are_told(topology: FakeTopology) -> None:
    """Replicas too: a client may start from whoever answers."""
    known = variables(topology)
    assert known["REDIS_CLUSTER_NODES"] == _at(topology, *(node.name for node in topology.plan.nodes))
    assert "REDIS_SENTINELS" not in known


def test_placeholders_are_filled_and_other_braces_stay() -> None:
    """A command may have braces of its own."""
    assert (
        filled("--url={REDIS_URL} {other} {} ${X}", KNOWN)
        == f"--url={KNOWN['REDIS_URL']} {{other}} {{}} ${{X}}"
    )


def test_placeholder_without_a_value_is_refused_with_those_that_have_one() -> None:
    """A single node has no sentinels."""
    with pytest.raises(UsageError, match=r"\{REDIS_SENTINELS\}: expected .* REDIS_PORT, REDIS_URL"):
        filled("{REDIS_SENTINELS}", KNOWN)


def test_env_gives_a_name_of_the_users_own() -> None:
    """An application reads its own variables; the first '=' ends the name."""
    assert mapped(["STORE={REDIS_URL}?a=b", "EMPTY="], KNOWN) == {
        "STORE": f"{KNOWN['REDIS_URL']}?a=b",
        "EMPTY": "",
    }


@pytest.mark.parametrize("text", ["", "=x", "STORE", "1A=x", "A B=x", "A-B=x", "\x1b[2J=x"])
def test_env_without_a_name_is_refused_in_a_line(text: str) -> None:
    """With what was expected, and nothing that a terminal obeys."""
    with pytest.raises(UsageError, match=r"--env: expected NAME=TEXT") as refused:
        mapped([text], KNOWN)
    assert "\x1b" not in str(refused.value)


@pytest.mark.parametrize("topology", list(TopologyKind), indirect=True)
def test_nothing_of_another_redis_is_left_to_a_command(topology: FakeTopology) -> None:
    """Where its user's own Redis is, a command beside other nodes must not learn by mistake."""
    theirs = dict.fromkeys(variables(topology), "production") | {"PATH": "/bin", "REDIS_SERVER": "x"}
    assert inherited(theirs) == {"PATH": "/bin", "REDIS_SERVER": "x"}
    assert variables(topology).keys() <= NAMES
