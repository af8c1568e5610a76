"""Directives: what the server makes of a line, what a name may do, and that no value can add a line."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UsageError
from harness.model.deployment import TopologySpec
from harness.model.directive_table import (
    CREDENTIALS,
    HARMLESS,
    LEFT_OUT,
    OF_THE_GUARDED,
    PASSED,
    SECRET,
    TODAYS_SPELLING,
)
from harness.model.directives import Malformed, lines_of, not_used, parsed, quoted, setting, split
from harness.model.plan import Plan
from harness.model.seams import Address, Secrets
from harness.presets import of_topology
from harness.scenario import tree
from harness.scenario.deployment import read_deployment
from harness.scenario.problems import Problems
from harness.topology.base.configuration import render
from harness.topology.docker import compose
from tests import server_grammar
from tests.builders_topology import docker_plan, process_plan
from tests.hostile import TABLES, Bystanders, Hostile, hostile
from tests.share import times

SECRETS = Secrets(redis="0" * 32, sentinel="1" * 32)
MANY = times(10_000, 500)
AT_A_TIME = 250


def topology_of(*wanted: Hostile) -> TopologySpec:
    """What a deployment file with these directives is read as.

    Raises:
        UsageError: it is refused.
    """

    def scalar(text: str) -> tree.Scalar:
        mark = yaml.Mark("x.yaml", 0, 0, 0, "", 0)
        return tree.Scalar("tag:yaml.org,2002:str", text, mark, mark)

    def mapping(pairs: list[tuple[tree.Node, tree.Node]]) -> tree.Mapping:
        where = scalar("").start_mark
        return tree.Mapping("tag:yaml.org,2002:map", pairs, where, where)

    def lines(value: str | tuple[str, ...]) -> tree.Node:
        if isinstance(value, str):
            return scalar(value)
        where = scalar("").start_mark
        return tree.Sequence("tag:yaml.org,2002:seq", [scalar(line) for line in value], where, where)

    tables: dict[str, list[tuple[tree.Node, tree.Node]]] = {}
    for one in wanted:
        tables.setdefault(one.table, []).append((scalar(one.name), lines(one.value)))
    pairs = [(scalar("kind"), scalar("sentinel"))]
    pairs += [(scalar(table), mapping(entries)) for table, entries in tables.items()]  # type: ignore[misc]
    problems = Problems()
    deployment = read_deployment(mapping([(scalar("topology"), mapping(pairs))]), "", problems)  # type: ignore[arg-type]
    problems.raise_if_any()
    return deployment.topology


def with_topology(plan: Plan, topology: TopologySpec) -> Plan:
    deployment = replace(plan.scenario.deployment, topology=topology)
    return replace(
        plan, scenario=replace(plan.scenario, deployment=deployment), nodes=of_topology(topology).nodes
    )


def configured(plan: Plan) -> dict[str, list[list[bytes]]]:
    """Node -> the lines that a server would read from the file of the process backend."""
    addresses = {node.name: Address("198.18.0.2", 6000 + n) for n, node in enumerate(plan.nodes)}
    return {
        node.name: server_grammar.lines_of(
            render(node, plan, addresses=addresses, secrets=SECRETS, directory="/run/x").encode()
        )
        for node in plan.nodes
    }


def in_containers(plan: Plan) -> dict[str, list[list[bytes]]]:
    """The same of the Docker backend, after YAML and the variables of Compose."""
    content = compose.effective(plan, project="p", image="i", labels={}, secrets=SECRETS)
    services = yaml.safe_load(yaml.dump(content))["services"]
    return {
        name: server_grammar.lines_of(_interpolated(service["environment"]["CONFIGURATION"]).encode())
        for name, service in services.items()
    }


def _interpolated(text: str) -> str:
    """As Compose does it: `$$` is a `$`, `${NAME:-default}` its default, anything else would be a hole."""

    def value(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        assert found[1] in {"SUBNET", "REDIS_PASSWORD", "SENTINEL_PASSWORD"}, found[0]
        return found[2]

    return re.sub(r"\$\$|\$\{(\w+):-([^}]*)\}|\$", value, text)


def merged(topologies: list[TopologySpec]) -> TopologySpec:
    """All their directives as one deployment's, each line kept."""
    tables: dict[str, dict[str, str | tuple[str, ...]]] = {table: {} for table in TABLES}
    for topology in topologies:
        for table, directives in tables.items():
            for name, value in getattr(topology, table).items():
                directives[name] = (*lines_of(directives.get(name, ())), *lines_of(value))
    return replace(topologies[0], **tables)  # type: ignore[arg-type]


def spoken(line: list[bytes]) -> str:
    words = [word.decode(errors="replace").lower() for word in line]
    return " ".join(words[:2] if words[0] == "sentinel" else words[:1])


def assert_only_harmless(plan: Plan, clean: Plan) -> int:
    """Every node is told what it is told without the deployment's directives, and after that nothing that is
    not in the table. Returns how many lines were added."""
    added = 0
    for told, before in ((configured(plan), configured(clean)), (in_containers(plan), in_containers(clean))):
        for node, lines in told.items():
            kits, others = without_access(before[node]), without_access(lines)
            assert others[: len(kits)] == kits
            for line in others[len(kits) :]:
                assert spoken(line) in PASSED, line
                if line[0] == b"sentinel":
                    assert line[2] == b"sessions"
                assert not any(byte < 0x20 for word in line for byte in word), line
            added += len(others) - len(kits)
    return added


def without_access(lines: list[list[bytes]]) -> list[list[bytes]]:
    """Credentials of a deployment's own take the place of the run's."""
    return [line for line in lines if spoken(line) not in CREDENTIALS | {"sentinel auth-pass"}]


@pytest.fixture
def engines_take_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of what is hostile is refused as a value that no engine takes; what follows must not rest on that."""
    for question in ("why_no_name", "why_no_value"):
        monkeypatch.setattr(f"harness.scenario.directives.{question}", lambda *_: None)


@pytest.mark.usefixtures("engines_take_everything")
def test_no_hostile_directive_reaches_a_node() -> None:
    """Of thousands of hostile names and values each is refused, left out, or one line of a harmless directive; on
    both backends the server reads nothing else."""
    base = process_plan("sentinel", replicas=1, sentinels=1)
    clean = with_topology(base, topology_of())
    accepted: list[TopologySpec] = []
    added = 0
    refused = left_out = 0
    for one in hostile(1, MANY, Bystanders()):
        try:
            topology = topology_of(one)
        except UsageError:
            refused += 1
            continue
        left_out += len(topology.left_out)
        if any((topology.redis, topology.primary, topology.replica, topology.sentinel)):
            accepted.append(topology)
    for first in range(0, len(accepted), AT_A_TIME):
        added += assert_only_harmless(with_topology(base, merged(accepted[first : first + AT_A_TIME])), clean)
    assert refused > MANY / 10
    assert left_out > MANY / 10
    assert len(accepted) > MANY / 20
    assert added > len(accepted) / 3


def test_a_plan_with_hostile_directives_renders_none() -> None:
    """The nodes' files do not rest on the reading: what got into a plan in another way is decided again."""
    base = process_plan("sentinel", replicas=1, sentinels=1)
    clean = with_topology(base, topology_of())
    batch: dict[str, dict[str, str | tuple[str, ...]]] = {}
    for number, one in enumerate(hostile(2, MANY, Bystanders()), start=1):
        batch.setdefault(one.table, {})[one.name] = one.value
        if number % AT_A_TIME == 0:
            assert_only_harmless(
                with_topology(base, replace(clean.scenario.deployment.topology, **batch)),  # type: ignore[arg-type]
                clean,
            )
            batch = {}


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=20), min_size=1, max_size=4))
def test_words_come_back_as_they_were(words: list[str]) -> None:
    """What is written is what the server reads, word by word, and a shell or Compose finds nothing in it."""
    line = " ".join(map(quoted, words))
    assert list(split(line)) == words
    assert server_grammar.split(line.encode()) == [word.encode() for word in words]
    assert not set(line) & set("$`\n\r\0")
    assert line.isascii()


@given(st.text(max_size=60) | st.text("\"'\\ xn0a\tb", max_size=30))
def test_a_line_is_split_as_the_server_splits_it(line: str) -> None:
    """By a second writing of the same grammar; what the kit refuses on top holds control characters."""
    try:
        words = [word.encode(errors="surrogateescape") for word in split(line)]
    except Malformed:
        read = server_grammar.split(line.partition("\0")[0].encode(errors="replace"))
        odd = read is not None and any(byte < 0x20 or byte == 0x7F for word in read for byte in word)
        assert read is None or odd or set(line) & set("\n\r\0")
        return
    assert words == server_grammar.split(line.encode())


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("maxmemory", "1\nreplicaof 127.0.0.1 6379", "one line"),
        ("maxmemory", "1\rreplicaof 127.0.0.1 6379", "one line"),
        ("maxmemory", "1\0", "one line"),
        ("maxmemory", '"1\\nreplicaof 127.0.0.1 6379"', "control characters"),
        ("maxmemory", '"1', "not closed"),
        ("maxmemory", '"1"x', "follows a closing quote"),
        ("maxmemory 1\nreplicaof", "127.0.0.1 6379", "one line"),
        ("maxmemory replicaof", "x", "name of one directive"),
        ("#", "", "name of a directive"),
        ("", "1", "name of one directive"),
        ("sentinel", "", "one option"),
    ],
)
def test_what_is_no_single_directive_is_refused(name: str, value: str, said: str) -> None:
    """Each with the reason; the value is never quoted."""
    with pytest.raises(UsageError) as raised:
        topology_of(Hostile("sentinel", name, value))
    assert said in str(raised.value)
    assert "127.0.0.1" not in str(raised.value).replace(name, "")


def test_what_a_name_may_do_is_decided_by_what_the_server_reads() -> None:
    """Case, quotes, blanks, old spellings, and the option in the value: all the same directive."""
    same = [
        ("replicaof", ""),
        ("SLAVEOF", ""),
        ('"replica"of', ""),
        ("\treplicaof ", ""),
        ('"\\x72eplicaof"', ""),
    ]
    for name, value in same[:2]:
        assert not_used(parsed(name, value).name) is not None
    with pytest.raises(Malformed):
        parsed(*same[2])
    assert [parsed(*one).name for one in same[3:]] == ["replicaof", "replicaof"]
    assert parsed("Sentinel", 'MONITOR victim "127.0.0.1" 6379 1').name == "sentinel monitor"
    assert parsed("slave-priority", "0").name == "replica-priority"
    (left,) = topology_of(Hostile("sentinel", "sentinel", "known-replica sessions 127.0.0.1 6379")).left_out
    assert left.name == "sentinel known-replica"
    assert "own nodes" in left.why


def test_several_lines_of_a_directive_are_a_list() -> None:
    """In the order in which they stand; `save` as the oldest engine wants it."""
    limits = ("normal 0 0 0", "replica 256mb 64mb 60")
    topology = topology_of(
        Hostile("redis", "client-output-buffer-limit", limits), Hostile("redis", "save", "900 1 300 10")
    )
    lines = configured(with_topology(process_plan("sentinel"), topology))["redis-1"]
    assert [b" ".join(line).decode() for line in lines[-4:]] == [
        "client-output-buffer-limit normal 0 0 0",
        "client-output-buffer-limit replica 256mb 64mb 60",
        "save 900 1",
        "save 300 10",
    ]


def test_a_misspelt_directive_is_refused() -> None:
    """No server starts with it; the nearest name is said."""
    with pytest.raises(UsageError, match=r"no engine that this kit knows .*; did you mean 'maxmemory'\?"):
        topology_of(Hostile("redis", "maxmemroy", "64mb"))
    with pytest.raises(UsageError, match=r"no engine that this kit knows .*; remove the line"):
        topology_of(Hostile("redis", "flux-capacitor", "1.21GW"))
    with pytest.raises(UsageError, match="no engine that this kit knows"):
        topology_of(Hostile("sentinel", "sentinel parallel-sinks", "1"))


def test_a_misspelt_directive_of_an_earlier_plan_is_left_out_and_decides() -> None:
    """It was recorded before such names were refused: nobody knows what was meant."""
    misspelt, unknown = not_used("maxmemroy"), not_used("flux-capacitor")
    assert misspelt is not None
    assert unknown is not None
    assert misspelt.decides
    assert "did you mean 'maxmemory'?" in misspelt.why
    assert unknown.decides
    assert "did you mean" not in unknown.why


def test_own_keys_are_recognised_in_every_spelling() -> None:
    """Bounds refer to these settings, so they cannot come by another way."""
    for name in ("CLUSTER-NODE-TIMEOUT", "cluster-slave-validity-factor"):
        with pytest.raises(UsageError, match="topology's own key"):
            topology_of(Hostile("redis", name, "1"))
    with pytest.raises(UsageError, match="own key 'failover_timeout'"):
        topology_of(Hostile("sentinel", "SENTINEL", "Failover-Timeout sessions 1"))


def test_the_same_directive_twice_is_refused() -> None:
    """Two spellings would be merged in an order that nobody sees."""
    with pytest.raises(UsageError, match="write its lines as a list"):
        topology_of(Hostile("redis", "maxmemory", "1"), Hostile("redis", "MAXMEMORY", "2"))


def test_sentinels_options_belong_to_sentinels() -> None:
    """A data node would not start with them, and no other primary is guarded."""
    with pytest.raises(UsageError, match="under 'sentinel:'"):
        topology_of(Hostile("redis", "sentinel", "master-reboot-down-after-period 0"))
    with pytest.raises(UsageError, match="guard one primary"):
        topology_of(Hostile("sentinel", "sentinel master-reboot-down-after-period", "theirs 0"))


def test_the_table_is_one() -> None:
    """No name is both, every old spelling leads to a known one, and no secret is harmless."""
    assert not PASSED & LEFT_OUT.keys()
    assert set(TODAYS_SPELLING.values()) <= PASSED | LEFT_OUT.keys()
    assert CREDENTIALS | OF_THE_GUARDED.keys() | LEFT_OUT.keys() >= SECRET
    assert not HARMLESS & SECRET
    assert all(name == name.lower() for name in PASSED | LEFT_OUT.keys())


def test_a_setting_is_the_last_line_of_it() -> None:
    """As the server has it; quotes are no part of it."""
    assert setting({"maxmemory": ("1mb", '"2mb"')}, "maxmemory", "0") == "2mb"
    assert setting({}, "maxmemory", "0") == "0"


@pytest.mark.parametrize("value", ["a\\nb", "a\\\\b", "$HOME", "`id`", "%s\\c"])
def test_a_container_writes_what_it_was_given(value: str) -> None:
    """The shell of an image may be one whose `echo` turns backslashes into other characters."""
    plan = docker_plan("single", redis={"notify-keyspace-events": f"'{value}'"})
    content = compose.effective(plan, project="p", image="i", labels={}, secrets=SECRETS)
    service = content["services"]["redis-1"]
    script = str(service["command"][0]).replace("$$", "$")
    write = re.search(r"; (printf .*?); }", script)
    assert write is not None, script
    text = _interpolated(service["environment"]["CONFIGURATION"])
    done = subprocess.run(
        ["sh", "-euc", write[1]], env={"CONFIGURATION": text}, capture_output=True, check=True, timeout=10
    )
    assert server_grammar.lines_of(done.stdout)[-1] == [b"notify-keyspace-events", value.encode()]
