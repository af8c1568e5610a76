"""Reading scenario files: strict, friendly, complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.faults import FAULTS
from harness.model.deployment import NodeSettings
from harness.model.scenario import FaultStep, Start, Term
from harness.model.words import Arrivals, Discovery, Phase, Shows, TooFew, TopologyKind, Trait
from harness.presets import of_topology
from harness.running.selection import engines_of
from harness.running.vocabulary import shipped
from harness.scenario import is_scenario, load, load_deployment
from tests.builders_scenario import GOOD, VOCABULARY, read

FULL = """\
scenario: 1
name: everything a file can say
shows: weakness
tags: [core, mine]
about: Two lines
  become one.
advice: change a setting
deployment:
  name: three of them
  timing: production
  topology:
    kind: sentinel
    replicas: 1
    sentinels: 5
    quorum: 2
    down_after: 1500ms
    redis: {appendonly: no, save: ""}
    replica: {replica-priority: 10}
    sentinel: {"sentinel resolve-hostnames": no}
  client: {discovery: follow-events, socket_timeout: 0.5s, library_retries: 2, read_from_replicas: yes}
fits: [cluster]
workload:
  web_servers: 2
  rate: 90/min
  arrivals: constant
  users: 10
  devices: 2
  think_time: 500ms
  idle_timeout: 5min
  absolute_timeout: 8h
  active_share: 80%
  mix: {log-in: 1, read: 2.5, cart: 0}
  options: {cart: {items: 5}}
  transactions: false
faults:
  - {after: 4s, isolate: primary, with: web-1, for: 12s}
  - {after: promoted + 2s, kill: primary}
  - {after: fault 1, restart: killed, data: empty}
  - {when: {acked: read, times: 5, unreplicated: true}, pause: all replicas, for: 500ms}
  - {when: {replica_lag: 100kB}, storm: }
duration: 20s
settle_within: 1min
audit_expiry: true
exclusive: true
expect:
  outage(write): < down_after + 4s
  latency(read, p99) in settled: <= 50ms
  share(lost-write) on web-1: "> 50%"
  lost-session on web-2: ">= 1"
  loss window: <= 1.5 * down_after - 300ms
  rejected(read) in fault: 0
  failovers: 1
"""


def test_full_file_is_read(tmp_path: Path) -> None:
    """Every key of the format arrives in the model, in the model's units."""
    scenario = read(tmp_path, FULL)
    topology, client = scenario.deployment.topology, scenario.deployment.client
    assert (scenario.shows, scenario.tags, scenario.about) == (
        Shows.WEAKNESS,
        ("core", "mine"),
        "Two lines become one.",
    )
    assert scenario.fits == ("sentinel", "cluster")
    assert (topology.kind, topology.replicas, topology.sentinels, topology.quorum) == (
        TopologyKind.SENTINEL,
        1,
        5,
        2,
    )
    assert (topology.down_after_s, topology.failover_timeout_s) == (1.5, 60.0)
    assert topology.redis == {"appendonly": "no", "save": ""}
    assert topology.replica == {"replica-priority": "10"}
    assert (client.discovery, client.socket_timeout_s, client.library_retries, client.read_from_replicas) == (
        Discovery.FOLLOW_EVENTS,
        0.5,
        2,
        True,
    )
    workload = scenario.workload
    assert (workload.rate_per_s, workload.arrivals, workload.idle_timeout_s) == (
        1.5,
        Arrivals.CONSTANT,
        300.0,
    )
    assert (workload.devices, workload.think_time_s, workload.absolute_timeout_s) == (2, 0.5, 28_800.0)
    assert (workload.active_share, workload.transactions) == (0.8, False)
    assert (scenario.duration_s, scenario.settle_within_s) == (20.0, 60.0)
    assert scenario.audit_expiry
    assert scenario.exclusive


def test_mix_leaves_out_behaviours_of_weight_zero(tmp_path: Path) -> None:
    """A weight of zero is a behaviour that does not happen; its options are still read."""
    workload = read(tmp_path, FULL).workload
    assert workload.mix == {"log-in": 1.0, "read": 2.5}
    assert workload.options["cart"] == {"items": 5}


def test_faults_are_read_in_order(tmp_path: Path) -> None:
    """Starts, holds, options and their defaults arrive; a fault without a target has an empty one."""
    faults = read(tmp_path, FULL).faults
    assert faults[0] == FaultStep(
        number=1,
        kind="isolate",
        target="primary",
        start=Start(after_s=4.0),
        for_s=12.0,
        options={"with": "web-1"},
        traits=FAULTS["isolate"].declaration.traits,
        line=36,
    )
    assert [step.start for step in faults[1:]] == [
        Start(event="promoted", offset_s=2.0),
        Start(event="fault 1"),
        Start(acked="read", times=5, unreplicated=True),
        Start(replica_lag_bytes=100_000),
    ]
    assert faults[2].options == {"data": "empty"}
    assert (faults[3].target, faults[3].for_s) == ("all replicas", 0.5)
    assert (faults[4].kind, faults[4].target) == ("storm", "")


def repeated(tmp_path: Path, faults: str) -> list[tuple[int, Start]]:
    text = SMALLEST.replace("FAULTS", faults)
    return [(one.number, one.start) for one in read(tmp_path, text).faults]


SMALLEST = """scenario: 1
name: s
deployment: {topology: {kind: sentinel}}
workload: {mix: {log-in: 1}}
faults: [FAULTS]
"""


def test_repeated_fault_is_several_faults(tmp_path: Path) -> None:
    """By the clock where it starts by the clock; else each after the one before."""
    clock = "{after: 4s, restart: replica, repeat: 3, every: 5s}"
    assert repeated(tmp_path, clock) == [(n, Start(after_s=4.0 + 5 * (n - 1))) for n in (1, 2, 3)]
    event = "{after: 1s, kill: primary}, {after: promoted, restart: killed, repeat: 2, every: 3s}"
    assert repeated(tmp_path, event)[1:] == [
        (2, Start(event="promoted")),
        (3, Start(event="fault 2", offset_s=3.0)),
    ]


def test_turns_of_a_repeated_fault_must_not_overlap(tmp_path: Path) -> None:
    """A node that is frozen cannot be frozen again."""
    pause = "{after: 4s, pause: primary, for: 5s, repeat: 2, every: 5s}"
    with pytest.raises(UsageError, match=r"every: expected more than `for: 5s`, found 5 s"):
        repeated(tmp_path, pause)
    assert len(repeated(tmp_path, pause.replace("every: 5s", "every: 6s"))) == 2


def test_fault_after_a_repeated_one_means_its_last_turn(tmp_path: Path) -> None:
    """Items of the list are counted as they are written."""
    faults = "{after: 1s, restart: replica, repeat: 3, every: 1s}, {after: fault 1 + 2s, kill: primary}"
    assert repeated(tmp_path, faults)[-1] == (4, Start(event="fault 3", offset_s=2.0))


@pytest.mark.parametrize(
    ("fault", "causes"),
    [
        ("pause clients: primary, for: 3s", False),
        ("pause clients: primary, commands: all, for: 3s", True),
        ("occupy: primary, for: 3s", True),
        ("occupy: primary, with: keys, for: 3s", False),
    ],
)
def test_traits_follow_from_options(fault: str, causes: bool, tmp_path: Path) -> None:
    """A pause of writes alone replaces nobody."""
    (step,) = load(written(tmp_path, f"{{after: 1s, {fault}}}"), shipped()).faults
    assert (Trait.CAUSES_FAILOVER in step.traits) is causes


def test_directives_of_a_restart_are_lines_of_a_file(tmp_path: Path) -> None:
    """By the server's grammar; what no node is given is refused at its place."""
    faults = '{after: 1s, restart: primary, redis: {appendonly: "yes", save: [5 1, 60 10]}}'
    options = load(written(tmp_path, faults), shipped()).faults[0].options
    assert options["redis"] == "appendonly yes\nsave 5 1\nsave 60 10"
    for table, reason in (("dir: /", "redis.dir"), ("appendonly: maybe", "redis.appendonly")):
        with pytest.raises(UsageError, match=reason):
            load(written(tmp_path, f"{{after: 1s, restart: primary, redis: {{{table}}}}}"), shipped())


def written(tmp_path: Path, faults: str) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(SMALLEST.replace("FAULTS", faults))
    return path


@pytest.mark.parametrize(
    ("start", "event"),
    [
        ("after: suspected + 1s", "suspected"),
        ("after: elected", "elected"),
        ('when: {event: "+tilt"}', "+tilt"),
        ('when: {event: "+switch-master"}', "published"),
        ("when: {event: promoted}", "promoted"),
    ],
)
def test_fault_starts_after_whatever_is_observed(start: str, event: str, tmp_path: Path) -> None:
    """By the observers' word, or by Sentinel's own message."""
    faults = f"{{after: 1s, kill: primary}}, {{{start}, kill: sentinel}}"
    assert repeated(tmp_path, faults)[1][1].event == event


def test_expectations_are_read(tmp_path: Path) -> None:
    """Metric, arguments, phase, group, comparison and bound; only bounds from above on times are timing."""
    expect = {one.text: one for one in read(tmp_path, FULL).expect}
    outage = expect["outage(write): < down_after + 4s"]
    assert (outage.metric, outage.arguments, outage.comparison, outage.unit, outage.timing) == (
        "outage",
        ("write",),
        "<",
        "s",
        True,
    )
    assert outage.bound == (Term(factor=1.0, setting="down_after"), Term(factor=4.0))
    latency = expect["latency(read, p99) in settled: <= 50ms"]
    assert (latency.arguments, latency.phase, latency.bound) == (
        ("read", "p99"),
        Phase.SETTLED,
        (Term(factor=0.05),),
    )
    share = expect["share(lost-write) on web-1: > 50%"]
    assert (share.on, share.unit, share.bound, share.timing) == ("web-1", "%", (Term(factor=50.0),), False)
    window = expect["loss window: <= 1.5 * down_after - 300ms"]
    assert window.bound == (Term(factor=1.5, setting="down_after"), Term(factor=-0.3))
    failovers = expect["failovers: 1"]
    assert (failovers.comparison, failovers.bound, failovers.timing) == ("==", (Term(factor=1.0),), False)


def test_aliases_are_followed(tmp_path: Path) -> None:
    """Anchors and aliases are ordinary YAML, and are welcome."""
    text = GOOD.replace("after: 5s", "after: &five 5s") + "settle_within: *five\n"
    assert read(tmp_path, text).settle_within_s == 5.0


BAD = {
    "unknown key": (
        "rate: 100/s",
        "rat: 100/s",
        "s.yaml:6: workload: unknown key 'rat'; did you mean 'rate'?",
    ),
    "key of the scenario below the workload": (
        "rate: 100/s",
        "rate: 100/s\n  duration: 5s",
        "s.yaml:7: workload.duration: a key of the scenario itself: write it beside 'workload', not below it",
    ),
    "option of a behaviour below the workload": (
        "rate: 100/s",
        "rate: 100/s\n  items: 5",
        "s.yaml:7: workload.items: an option of cart: write it as options: {cart: {items: …}}",
    ),
    "key of the workload beside it": (
        "workload:",
        "rate: 100/s\nworkload:",
        "s.yaml:5: rate: a key of 'workload': indent it below that",
    ),
    "underscore for hyphen": ("log-in: 1", "log_in: 1", "unknown name 'log_in'; did you mean 'log-in'?"),
    "duplicate key": (
        "  rate: 100/s",
        "  rate: 100/s\n  rate: 9/s",
        "s.yaml:7: workload: duplicate key 'rate'",
    ),
    "rate without unit": ("100/s", "100", "found '100'; the unit is missing: write 100/s"),
    "zero rate": ("100/s", "0/s", "workload.rate: expected a rate such as 200/s, found '0/s'"),
    "time without unit": ("after: 5s", "after: 5", "s.yaml:9: faults.0.after: expected a time"),
    "unknown unit": ("after: 5s", "after: 5sec", "unknown unit 'sec'"),
    "wrong type": (
        "rate: 100/s",
        "rate: [100/s]",
        "workload.rate: expected a rate such as 200/s, found a list",
    ),
    "mapping for a list": (
        "  - {after: 5s, kill: primary}",
        "  after: 5s",
        "faults: expected a list of faults",
    ),
    "empty value": ("name: primary killed", "name:", "name: expected some text, found nothing"),
    "empty mix": ("{log-in: 1, read: 4}", "{}", "at least one behaviour with a weight above zero"),
    "mix of zeros": ("{log-in: 1, read: 4}", "{read: 0}", "at least one behaviour with a weight above zero"),
    "missing key": ("name: primary killed\n", "", "s.yaml:1: the key 'name' is missing"),
    "unknown fault": (
        "kill: primary",
        "kil: primary",
        "expected one fault, found 'kil'; did you mean 'kill'?",
    ),
    "two faults in one": (
        "kill: primary",
        "kill: primary, pause: primary",
        "one fault each: found 'kill' and 'pause'",
    ),
    "no fault at all": (", kill: primary", "", "expected one fault, found none; legal: kill"),
    "unknown target": ("kill: primary", "kill: primery", "did you mean 'primary'?"),
    "node name as target": ("kill: primary", "kill: redis-1", "a target of kill, found 'redis-1'"),
    "target where none is taken": ("kill: primary", "storm: primary", "no target (storm takes none)"),
    "shard of no cluster": ("kill: primary", "kill: shard 7 primary", "there is no shard 7"),
    "cache where none is": ("kill: primary", "kill: cache", "there is no cache in a sentinel topology"),
    "web server that is not": (
        "kill: primary",
        "kill web server: web-9",
        "there is no web-9; the workload has web-1",
    ),
    "option's web server": (
        "kill: primary",
        "isolate: primary, with: web-4",
        "faults.0.with: there is no web-4",
    ),
    "unknown option": ("kill: primary", "isolate: primary, wiht: web-1", "did you mean 'with'?"),
    "missing option": ("kill: primary", "fill cache: cache", "'fill cache' needs the option 'to'"),
    "option of the wrong type": (
        "kill: primary",
        "restart: primary, data: gone",
        "one of keep, empty, found 'gone'",
    ),
    "killed without a kill": ("kill: primary", "restart: killed", "no node is killed at that time"),
    "no start": ("after: 5s, ", "", "expected either 'after' (a time or an event) or 'when'"),
    "event before the first": ("after: 5s", "after: promoted", "the first fault has no event before it"),
    "unknown event": ("after: 5s", "after: promotion", "did you mean 'promoted'?"),
    "condition without one": ("after: 5s", "when: {times: 3}", "expected one condition"),
    "condition that nobody announces": ("after: 5s", "when: {event: tilted}", "such as +tilt"),
    "two conditions": ("after: 5s", "when: {event: +tilt, replica_lag: 1kB}", "expected one condition"),
    "repeat without every": ("kill: primary", "kill: primary, repeat: 3", "'every' (how far apart)"),
    "too many repeats": ("kill: primary", "kill: primary, repeat: 500, every: 1s", "found 500 with repeats"),
    "condition on nobody": (
        "after: 5s",
        "when: {acked: cart}",
        "faults.0.when.acked: expected one of log-in, read",
    ),
    "no such metric": ("outage(read)", "outtage(read)", "did you mean 'outage'?"),
    "no such kind": ("outage(read)", "outage(reading)", "unknown kind 'reading'; did you mean 'read'?"),
    "no such finding": ("outage(read)", "lost-sesion", "did you mean 'lost-session'?"),
    "no such phase": ("outage(read)", "outage(read) in recover", "did you mean 'recovery'?"),
    "no such group": ("outage(read)", "outage(read) on web1", "unknown group 'web1'; did you mean 'web-N'?"),
    "group that is not": ("outage(read)", "outage(read) on shard 2", "there is no shard 2"),
    "argument missing": ("outage(read)", "outage", "expected outage(kind), found no argument"),
    "bound without unit": ("< down_after + 4s", "< 4", "the unit is missing: write 4s"),
    "setting of another topology": ("down_after + 4s", "2 * node_timeout", "has no setting 'node_timeout'"),
    "unknown setting": ("down_after + 4s", "down_afer", "did you mean 'down_after'?"),
    "budget of another": ("down_after + 4s", "loss budget", "'loss budget' bounds the loss window"),
    "bound that is none": (
        "< down_after + 4s",
        "< down_after 4s",
        "expected a bound such as down_after + 4s",
    ),
    "unknown comparison": ("< down_after + 4s", "=< 4s", "unknown comparison '=<'"),
    "unquoted greater-than": ("< down_after + 4s", "> 4s", "s.yaml:11: not YAML"),
    "unquoted and empty": ("< down_after + 4s", ">1", "quote a value that begins with >"),
    "key of another topology": (
        "{kind: sentinel}",
        "{kind: single, down_after: 2s}",
        "does not apply to single",
    ),
    "unknown topology": ("kind: sentinel", "kind: sentinal", "did you mean 'sentinel'?"),
    "quorum too high": (
        "{kind: sentinel}",
        "{kind: sentinel, quorum: 5}",
        "5 of 3 sentinels can never agree",
    ),
    "too many replicas": (
        "{kind: sentinel}",
        "{kind: sentinel, replicas: 6}",
        "a whole number from 0 to 5, found '6'",
    ),
    "directive with a key of its own": (
        "{kind: sentinel}",
        "{kind: sentinel, sentinel: {sentinel down-after-milliseconds: 5}}",
        "write this as the topology's own key 'down_after'",
    ),
    "planned failover of one node": (
        "{kind: sentinel}",
        "{kind: sentinel, replicas: 0}\nfits: []\nabout: x",
        "",
    ),
    "version of the future": ("scenario: 1", "scenario: 2", "this kit reads format 1"),
    "other first key": (
        "scenario: 1\nname: primary killed",
        "name: x\nscenario: 1",
        "'scenario: 1' as the first key",
    ),
    "weakness that demands nothing": (
        "name:",
        "shows: weakness\nname:",
        "a weakness passes when it is shown",
    ),
    "weakness of which minus one is enough": (
        "outage(read): < down_after + 4s",
        'lost-session: "> -1"',
        "the bound is below 0",
    ),
    "no time, without a unit": ("workload:", "workload:\n  think_time: 0", "found '0'; zero is no time"),
    "fewer than none": ("outage(read): < down_after + 4s", 'lost-session: "< 0"', "this is never met"),
    "time below none": ("< down_after + 4s", '"> down_after - 1min"', "the bound is below 0"),
    "two ends": ("workload:", "until: settled\nduration: 9s\nworkload:", "found both"),
}
del BAD["planned failover of one node"]


@pytest.mark.parametrize(("old", "new", "message"), BAD.values(), ids=BAD)
def test_mistake_is_refused_with_its_place(old: str, new: str, message: str, tmp_path: Path) -> None:
    """Each mistake names file, line, key path, what was found and what would be legal."""
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        read(tmp_path, GOOD.replace(old, new, 1))
    assert message in str(caught.value)
    assert str(tmp_path / "s.yaml:") in str(caught.value)


def test_unquoted_greater_than_says_what_to_do(tmp_path: Path) -> None:
    """YAML's own message about block scalars helps nobody."""
    with pytest.raises(UsageError, match=r'quote a value that begins with >, as in "> 0"'):
        read(tmp_path, GOOD.replace("< down_after + 4s", "> 50%"))


@pytest.mark.parametrize("fault", ["planned failover: primary", "cut replication: primary", "kill: replica"])
def test_single_node_has_nothing_to_fail_over_to(fault: str, tmp_path: Path) -> None:
    """A fault that the topology makes impossible is a mistake of the file, with its line."""
    text = GOOD.replace("kill: primary", fault).replace("kind: sentinel", "kind: single")
    with pytest.raises(UsageError, match=r"s\.yaml:9: faults\.0\..*replica"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("fault", "web_servers", "message"),
    [
        ("pause web server: web-1", 3, "pause web server needs a guest, whose web servers are processes"),
        ("kill web server: web-1", 1, "there is only one web server, so no other could serve the users"),
    ],
)
def test_fault_on_a_web_server_that_cannot_be_is_refused(
    fault: str, web_servers: int, message: str, tmp_path: Path
) -> None:
    """While the file is read, once, with its line; nobody waits for a run that is skipped."""
    text = GOOD.replace("kill: primary", fault)
    text = text.replace("workload:", f"workload:\n  web_servers: {web_servers}")
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"s\.yaml:\d+: faults\.0\..*{message}") as caught:
        load(path, shipped())
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("client", "topology", "message"),
    [
        (
            "discovery: follow-events",
            "kind: sentinel",
            "not with discovery follow-events; legal: fixed-address",
        ),
        ("read_from_replicas: true", "kind: sentinel", "not with read_from_replicas"),
        ("connect_per_request: 0.5", "kind: sentinel", "not with connect_per_request"),
        ("version: latest", "kind: sentinel", "expected a version such as 6.4.0"),
        ("discovery: on-error", "kind: sentinel, tls: true", "not with TLS"),
        (
            "library: valkey-glide",
            "kind: sentinel",
            "not with Sentinel, which valkey-glide does not know; legal: discovery fixed-address",
        ),
        (
            "library: valkey-glide, discovery: fixed-address, library_retries: 1",
            "kind: sentinel",
            "not with library_retries, which valkey-glide does not have",
        ),
        (
            "library: redis-py-asyncio, request_deadline: 1s",
            "kind: sentinel",
            "cancels calls of libraries in a process of their own only",
        ),
    ],
)
def test_library_is_not_asked_for_what_it_cannot_be(
    client: str, topology: str, message: str, tmp_path: Path
) -> None:
    """In a process of its own it is as its documentation sets it up, and no more."""
    library = "" if "library:" in client else "library: redis-py-threads, "
    text = GOOD.replace("kind: sentinel}", f"{topology}}}\n  client: {{{library}{client}}}")
    with pytest.raises(UsageError, match=message):
        read(tmp_path, text)


def test_version_makes_another_client_of_the_same_library(tmp_path: Path) -> None:
    """As results call it."""
    text = GOOD.replace("kind: sentinel}", "kind: sentinel}\n  client: {version: 5.3}")
    assert read(tmp_path, text).deployment.client.named == "redis-py-asyncio 5.3"


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    """Nobody should have to repair a file one line at a time."""
    text = GOOD.replace("rate: 100/s", "rate: 100").replace("kill: primary", "kill: nobody")
    text = text.replace("outage(read)", "outage(x)").replace("name:", "nam:")
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert len(str(caught.value).splitlines()) == 5


def test_clients_that_contradict_their_topology_are_refused(tmp_path: Path) -> None:
    """There is no sentinel to ask, no replica to read from or to wait for."""
    text = GOOD.replace("kind: sentinel}", "kind: single}\n  client: {discovery: on-error, wait_replicas: 1}")
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text.replace("down_after + 4s", "4s"))
    assert "on-error asks sentinels, and there are none" in str(caught.value)
    assert "WAIT for 1 of 0 replicas never succeeds" in str(caught.value)


def test_wait_that_outlasts_the_client_is_refused(tmp_path: Path) -> None:
    """A client that hangs up before WAIT answers never learns that replicas are missing."""
    client = "client: {wait_replicas: 1, socket_timeout: 200ms, wait_timeout: 200ms}"
    text = GOOD.replace("kind: sentinel}", f"kind: sentinel}}\n  {client}")
    with pytest.raises(UsageError, match=r"s\.yaml:5: deployment\.client\.wait_timeout.*make it shorter"):
        read(tmp_path, text)
    read(tmp_path, text.replace("wait_timeout: 200ms", "wait_timeout: 199ms"))
    read(tmp_path, text.replace("wait_replicas: 1", "wait_replicas: 0"))


def test_wait_can_be_said_as_a_table(tmp_path: Path) -> None:
    """The same three settings under `wait`; twice is a contradiction."""
    client = "client: {wait: {replicas: 1, within: 50ms, too_few: try-again}}"
    text = GOOD.replace("kind: sentinel}", f"kind: sentinel}}\n  {client}")
    read_client = read(tmp_path, text).deployment.client
    assert (read_client.wait_replicas, read_client.wait_timeout_s) == (1, 0.05)
    assert read_client.too_few is TooFew.TRY_AGAIN
    with pytest.raises(UsageError, match="replicas of WAIT is said twice: here and beside it"):
        read(tmp_path, text.replace("client: {", "client: {wait_replicas: 1, "))


@pytest.mark.parametrize(
    ("kind", "profile", "chosen"),
    [
        ("sentinel", "tuned", (0, 0, 0.5)),
        ("sentinel", "library-defaults", (0, 10, 5.0)),
        ("sentinel", "naive", (10, 10, 5.0)),
        ("cluster", "library-defaults", (10, 10, 5.0)),
        ("single", "naive", (10, 10, 5.0)),
        ("single", "tuned", (0, 0, 0.5)),
    ],
)
def test_profile_of_a_client_is_a_word_for_its_defaults(
    tmp_path: Path, kind: str, profile: str, chosen: tuple[int, int, float]
) -> None:
    """A client of sentinels is made by `master_for`, which does not retry by itself."""
    text = GOOD.replace("kind: sentinel}", f"kind: {kind}}}\n  client: {{profile: {profile}}}")
    text = text.replace("down_after + 4s", "4s")
    client = read(tmp_path, text).deployment.client
    assert (client.library_retries, client.sentinel_retries, client.socket_timeout_s) == chosen


@pytest.mark.parametrize(
    ("written", "sizes"),
    [
        ("50kB", ((50_000, 1.0),)),
        ("{2kB: 90, 50kB: 10}", ((2000, 90.0), (50_000, 10.0))),
    ],
)
def test_sessions_have_a_size_or_several(
    tmp_path: Path, written: str, sizes: tuple[tuple[int, float], ...]
) -> None:
    """Besides their fields."""
    text = GOOD.replace("workload:\n", f"workload:\n  session_size: {written}\n")
    assert read(tmp_path, text).workload.session_sizes == sizes


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("50", "the unit is missing"),
        ("2MB", "at most 1MB"),
        ("{2kB: 0}", "at least one size with a weight above zero"),
        ("{2: 1}", "the unit is missing"),
        ("{2kB: often}", "expected a number"),
    ],
)
def test_sizes_that_no_session_has_are_refused(tmp_path: Path, written: str, said: str) -> None:
    """With what is expected there."""
    text = GOOD.replace("workload:\n", f"workload:\n  session_size: {written}\n")
    with pytest.raises(UsageError, match=said):
        read(tmp_path, text)


def test_setting_beside_a_profile_wins(tmp_path: Path) -> None:
    """The word is for what nobody says."""
    client = "client: {socket_timeout: 2s, profile: naive, library_retries: 3}"
    read_client = read(
        tmp_path, GOOD.replace("kind: sentinel}", f"kind: sentinel}}\n  {client}")
    ).deployment.client
    assert (read_client.socket_timeout_s, read_client.library_retries) == (2.0, 3)
    assert read_client.connect_timeout_s == 5.0


def test_findings_can_be_counted_by_what_wait_had_said(tmp_path: Path) -> None:
    """Only of something that was acked, and only where the client waits."""
    text = GOOD.replace("kind: sentinel}", "kind: sentinel}\n  client: {wait: {replicas: 1}}")
    text += "  lost-session(not waited): 0\n"
    assert read(tmp_path, text).expect[-1].arguments == ("not waited",)
    with pytest.raises(UsageError, match=r"the client does not WAIT; give it `wait: \{replicas: 1\}`"):
        read(tmp_path, text.replace("  client: {wait: {replicas: 1}}\n", ""))
    with pytest.raises(UsageError, match="expected stale-read without arguments"):
        read(tmp_path, text.replace("lost-session(", "stale-read("))
    with pytest.raises(UsageError, match="unknown answer of WAIT 'waitd'; did you mean 'waited'"):
        read(tmp_path, text.replace("not waited", "waitd"))


@pytest.mark.parametrize(
    ("kind", "discovery"),
    [
        ("single", "fixed-address"),
        ("sentinel", "on-error"),
        ("cluster", "on-error"),
        ("split", "fixed-address"),
    ],
)
def test_default_discovery_follows_from_the_topology(kind: str, discovery: str, tmp_path: Path) -> None:
    """Who has no sentinel is told the address; everybody else asks again after an error."""
    text = GOOD.replace("kind: sentinel", f"kind: {kind}").replace("down_after + 4s", "4s")
    assert read(tmp_path, text).deployment.client.discovery == discovery


def test_cluster_has_clients_that_know_it_or_that_know_one_address(tmp_path: Path) -> None:
    """Of the latter the plan warns, since they are refused for whatever belongs to another node."""
    cluster = GOOD.replace("kind: sentinel}", "kind: cluster}\n  client: {discovery: DISCOVERY}")
    cluster = cluster.replace("down_after + 4s", "4s")
    plain = read(tmp_path, cluster.replace("DISCOVERY", "fixed-address, connect_per_request: 50%"))
    assert plain.deployment.client.discovery is Discovery.FIXED_ADDRESS
    with pytest.raises(UsageError, match="and fixed-address for a client that knows no clusters"):
        read(tmp_path, cluster.replace("DISCOVERY", "follow-events"))
    with pytest.raises(UsageError, match="a cluster client keeps its connections"):
        read(tmp_path, cluster.replace("DISCOVERY", "on-error, connect_per_request: 50%"))
    with pytest.raises(UsageError, match="not with discovery fixed-address on a cluster"):
        read(tmp_path, cluster.replace("DISCOVERY", "fixed-address, library: redis-py-threads"))


def test_sessions_may_have_no_idle_timeout(tmp_path: Path) -> None:
    """Then nothing that is about it makes sense."""
    endless = GOOD.replace("workload:", "workload:\n  idle_timeout: none")
    without = re.sub(r"mix: .*", "mix: {log-in: 1, read: 1, logout: 1}", endless)
    assert read(tmp_path, without).workload.idle_timeout_s is None
    (tmp_path / "touch.yaml").write_text(re.sub(r"mix: .*", "mix: {read: 1, touch: 1}", endless))
    text = (tmp_path / "touch.yaml").read_text()
    line = 1 + text[: text.index("touch: 1")].count("\n")
    with pytest.raises(
        UsageError, match=rf"touch\.yaml:{line}: workload\.mix\.touch: .*idle_timeout: none.* weight 0"
    ):
        load(tmp_path / "touch.yaml", shipped())
    with pytest.raises(UsageError, match="sessions have no idle timeout"):
        read(tmp_path, without.replace("down_after + 4s", "idle_timeout"))
    with pytest.raises(UsageError, match="or none, found 'never'"):
        read(tmp_path, without.replace("idle_timeout: none", "idle_timeout: never"))


def test_option_about_the_age_of_sessions_needs_an_absolute_timeout(tmp_path: Path) -> None:
    """Without one it would do nothing, and nobody would notice."""
    mix = "mix: {read: 1, touch: 1}\n  options:\n    touch: {ignore_age: true}"
    path, ageless = tmp_path / "s.yaml", re.sub(r"mix: .*", mix, GOOD)
    path.write_text(ageless)
    with pytest.raises(
        UsageError, match=r"touch\.ignore_age: sessions have no absolute timeout.* leave it out"
    ):
        load(path, shipped())
    path.write_text(ageless.replace("ignore_age: true", "ignore_age: false"))
    assert load(path, shipped())
    path.write_text(ageless.replace("workload:", "workload:\n  absolute_timeout: 9h"))
    assert load(path, shipped())


def test_counters_with_the_cache_need_an_instance_for_it(tmp_path: Path) -> None:
    """On a shared one they lie beside the sessions anyway, and elsewhere there is no cache."""
    mix = "mix: {read: 1, try-password: 1}\n  options:\n    try-password: {instance: cache}"
    path, text = tmp_path / "s.yaml", re.sub(r"mix: .*", mix, GOOD)
    line = 1 + text[: text.index("instance:")].count("\n")
    for kind in ("sentinel", "shared"):
        path.write_text(text.replace("kind: sentinel", f"kind: {kind}").replace("down_after + 4s", "9s"))
        says = rf"s\.yaml:{line}: workload\.options\.try-password\.instance: .* a {kind} topology has no"
        with pytest.raises(UsageError, match=says):
            load(path, shipped())
    path.write_text(text.replace("kind: sentinel", "kind: split").replace("down_after + 4s", "9s"))
    assert load(path, shipped()).workload.kept_with_cache == ("try-password",)


def test_whoever_revokes_and_whoever_asks_look_in_the_same_place(tmp_path: Path) -> None:
    """Otherwise every revocation would seem to be lost."""
    mix = "mix: {token-request: 1, revoke-token: 1, ban-user: 0}\n  options:\n    token-request: {instance: cache}"
    split = GOOD.replace("kind: sentinel", "kind: split").replace("down_after + 4s", "9s")
    path, text = tmp_path / "s.yaml", re.sub(r"mix: .*", mix, split)
    path.write_text(text)
    says = r"options\.revoke-token\.instance: expected cache, as token-request has it, .* found sessions"
    with pytest.raises(UsageError, match=says):
        load(path, shipped())
    path.write_text(
        f"{text.rstrip()}\n".replace(
            "{instance: cache}", "{instance: cache}\n    revoke-token: {instance: cache}"
        )
    )
    assert load(path, shipped()).workload.kept_with_cache == ("token-request", "revoke-token")


# ---------------------------------------------------------------- --set and --deployment


def test_override_changes_one_setting(tmp_path: Path) -> None:
    """--set reaches settings that are there, settings left to their default, and list items."""
    scenario = read(
        tmp_path,
        overrides=[
            "workload.rate=7/s",
            "deployment.client.socket_timeout=2s",
            "faults.0.after=2s",
            "expect.outage(read)=< 9s",
            "expect.lost-session=> 0",
            "tags=[mine]",
        ],
    )
    assert scenario.workload.rate_per_s == 7.0
    assert scenario.deployment.client.socket_timeout_s == 2.0
    assert scenario.faults[0].start == Start(after_s=2.0)
    assert [one.text for one in scenario.expect] == ["outage(read): < 9s", "lost-session: > 0"]
    assert scenario.tags == ("mine",)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("workload.rate", "expected path=value"),
        ("workload.rat=7/s", "--set workload.rat: workload: unknown key 'rat'; did you mean 'rate'?"),
        ("workload.rate=7", "--set workload.rate: workload.rate: expected a rate"),
        ("faults.3.after=2s", "expected an index from 0 to 0, found '3'"),
        ("name.first=x", "'first' lies below 'primary killed', which has no keys"),
        ("deployment.topology.shards=3", "does not apply to sentinel; it is a setting of cluster"),
    ],
)
def test_override_is_as_strict_as_the_file(override: str, message: str, tmp_path: Path) -> None:
    """A path that does not exist or a value that is not legal is refused, naming the argument."""
    with pytest.raises(UsageError) as caught:
        read(tmp_path, overrides=[override])
    assert message in str(caught.value)


def test_override_of_an_alias_leaves_its_anchor_alone(tmp_path: Path) -> None:
    """What two places share is changed in one of them only."""
    text = GOOD.replace("{kind: sentinel}", "{kind: sentinel, redis: &r {save: ''}, primary: *r}")
    topology = read(tmp_path, text, overrides=["deployment.topology.primary.save=900 1"]).deployment.topology
    assert (topology.redis, topology.primary) == ({"save": ""}, {"save": "900 1"})


def test_deployment_file_takes_the_place_of_the_scenarios_own(tmp_path: Path) -> None:
    """--deployment swaps topology and client, keeps the rest, and --set still reaches into it."""
    other = tmp_path / "d.yaml"
    other.write_text(
        "deployment: 1\nname: big\ntopology: {kind: cluster}\nclient: {application_retries: 9}\n"
    )
    overrides = ["deployment.topology.shards=5", "workload.users=3"]
    scenario = read(tmp_path, deployment=other, overrides=overrides)
    assert scenario.deployment.name == "big"
    assert scenario.deployment.topology.shards == 5
    assert scenario.deployment.client.application_retries == 9
    assert scenario.workload.users == 3
    assert scenario.fits == ("sentinel",), "what the scenario was made for is still known"


def test_deployment_file_is_read_as_strictly(tmp_path: Path) -> None:
    """A deployment of its own has the same rules, and a version."""
    path = tmp_path / "d.yaml"
    path.write_text("topology: {kind: cluster, replicas: 2}\n")
    with pytest.raises(UsageError) as caught:
        load_deployment(path)
    assert "d.yaml:1: the key 'deployment' is missing" in str(caught.value)
    assert "does not apply to cluster" in str(caught.value)


def test_files_that_were_mixed_up_have_one_line_with_the_cure(tmp_path: Path) -> None:
    """A deployment as a scenario, a scenario as a deployment, a redis.conf as either."""
    conf, scenario = tmp_path / "redis.conf", tmp_path / "scenario.yaml"
    conf.write_text("maxmemory 100mb\nrequirepass hunter2\nappendonly yes\n")
    scenario.write_text(GOOD)
    with pytest.raises(UsageError, match=r"^\S+s\.yaml:1: expected a scenario, found .*--deployment.*\)$"):
        read(tmp_path, "deployment: 1\nname: ours\ntopology: {kind: cluster}\n")
    with pytest.raises(UsageError, match=r"^\S+scenario\.yaml:\d+: expected a deployment file, found a.*it$"):
        load_deployment(scenario)
    with pytest.raises(
        UsageError,
        match=r"^\S+redis\.conf:1: expected a deployment file, found a redis\.conf: .*lint \S+redis\.conf$",
    ) as caught:
        load_deployment(conf)
    assert "hunter2" not in str(caught.value)


# ---------------------------------------------------------------- which files


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("a.yaml", "scenario: 1\n", True),
        ("a.yml", "# a comment\n---\n\nscenario: 1\n", True),
        ("a.yaml", "scenario: 1\n\tbroken: [\n", True),
        ("a.yaml", "{scenario: 1}\n", True),
        ("a.yaml", "name: x\nscenario: 1\n", False),
        ("a.yaml", "scenarios: [1]\n", False),
        ("a.yaml", "", False),
        ("a.txt", "scenario: 1\n", False),
    ],
)
def test_only_files_whose_first_key_is_scenario_are_ours(
    name: str, text: str, expected: bool, tmp_path: Path
) -> None:
    """Other YAML is left alone; a broken scenario is still a scenario."""
    path = tmp_path / name
    path.write_text(text)
    assert is_scenario(path) is expected


def test_file_that_is_no_text_is_left_alone(tmp_path: Path) -> None:
    """Not every file called .yaml is one."""
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    assert not is_scenario(path)
    assert not is_scenario(tmp_path / "missing.yaml")


@pytest.mark.parametrize("text", ["", "just text", "- 1\n", "a: 1\n---\nb: 2\n", "a: [\n", "? {x: 1}\n: y\n"])
def test_file_that_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    """Whatever YAML makes of it, the answer is one sentence and no traceback."""
    with pytest.raises(UsageError):
        read(tmp_path, text)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    """A file that is not there is a usage error."""
    from harness.scenario import load

    with pytest.raises(UsageError, match="cannot be read"):
        load(tmp_path / "none.yaml", VOCABULARY)


NODES = """\
scenario: 1
name: two of three
shows: promise
tags: [core]
deployment:
  topology: {kind: sentinel, replica: {replica-priority: 50}, nodes: NODES}
workload: {mix: {read: 1}}
"""


def test_nodes_have_settings_of_their_own(tmp_path: Path) -> None:
    """By name, for data nodes and sentinels."""
    text = NODES.replace(
        "NODES",
        "{redis-2: {replica-priority: 10}, sentinel-1: {sentinel master-reboot-down-after-period: 0}}",
    )
    topology = read(tmp_path, text).deployment.topology
    assert topology.nodes == {
        "redis-2": NodeSettings(directives={"replica-priority": "10"}),
        "sentinel-1": NodeSettings(directives={"sentinel master-reboot-down-after-period": "0"}),
    }


def test_node_names_an_engine_of_its_own(tmp_path: Path) -> None:
    """Beside its directives, which are then those of that engine; the inventory and the ground learn of it."""
    text = NODES.replace(
        "NODES", "{redis-2: {engine: valkey-8.1, replica-priority: 10}, redis-3: {engine: redis-7}}"
    )
    scenario = read(tmp_path, text)
    topology = scenario.deployment.topology
    assert topology.nodes["redis-2"] == NodeSettings(
        directives={"replica-priority": "10"}, engine="valkey-8.1"
    )
    inventory = of_topology(topology)
    assert inventory.engines == ("valkey-8.1", "redis-7")
    assert inventory.node("redis-1").engine is None
    assert engines_of([scenario]) == (None, "valkey-8.1", "redis-7")


def test_a_nodes_setting_that_is_not_given_is_listed_with_its_node(tmp_path: Path) -> None:
    """What leads out of the run is left out of one node as of all."""
    topology = read(tmp_path, NODES.replace("NODES", "{redis-3: {dir: /etc}}")).deployment.topology
    assert [(one.table, one.name) for one in topology.everything_left_out] == [("nodes.redis-3", "dir")]


def test_a_nodes_own_password_is_not_kept(tmp_path: Path) -> None:
    """Only a token of it, as of any password in a file."""
    topology = read(tmp_path, NODES.replace("NODES", "{redis-3: {masterauth: mine}}")).deployment.topology
    assert topology.nodes["redis-3"].directives == {"masterauth": "own-secret-1"}


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ("{redis-4: {hz: 10}}", r":6: .*unknown node 'redis-4'; did you mean 'redis-[123]'"),
        ("{redis-2: {replica-prioriti: 10}}", "did you mean 'replica-priority'"),
        ("{redis-2: {sentinel resolve-hostnames: no}}", "under 'sentinel:'"),
        ("{redis-2: {engine: keydb}}", r"redis-2.engine: expected an engine such as redis"),
        ("{redis-2: {engine: redis-7.0, engine: valkey-8.1}}", "redis-2.engine: named twice"),
        ("{redis-2: {engine: redis-6.2, shutdown-timeout: 3}}", "shutdown-timeout"),
        ("{redis-2: 10}", "a mapping"),
        ("[redis-2]", "a mapping"),
    ],
)
def test_wrong_settings_of_a_node_are_refused_where_they_are(tmp_path: Path, nodes: str, said: str) -> None:
    """With the names that there are."""
    with pytest.raises(UsageError, match=said):
        read(tmp_path, NODES.replace("NODES", nodes))


HOSTS = """\
scenario: 1
name: two hosts
shows: promise
tags: [core]
deployment:
  topology: {kind: sentinel, HOSTS}
workload: {mix: {read: 1}}
faults:
  - {after: 4s, kill: TARGET}
"""


@pytest.mark.parametrize(
    "target", ["host of primary", "host of sentinel", "host a", "zone b", "host of shard 1 primary"]
)
def test_a_fault_may_strike_a_host(tmp_path: Path, target: str) -> None:
    """By who is on it, or by its name."""
    written = HOSTS.replace("HOSTS", "hosts: {a: [redis-1, sentinel-1], b: [redis-2]}").replace(
        "TARGET", target
    )
    scenario = read(tmp_path, written)
    assert scenario.deployment.topology.hosts == {"a": ("redis-1", "sentinel-1"), "b": ("redis-2",)}
    assert scenario.faults[0].target == target


@pytest.mark.parametrize(
    ("hosts", "target", "said"),
    [
        ("hosts: {a: [redis-9]}", "primary", r":6: .*unknown node 'redis-9'"),
        ("hosts: {a: [redis-1], b: [redis-1]}", "primary", "redis-1 is on host a already"),
        ("hosts: {A: [redis-1]}", "primary", "small letters"),
        ("hosts: {of: [redis-1]}", "primary", "that is not 'of'"),
        ("hosts: {a: redis-1}", "primary", "a list of nodes"),
        ("zones: 3, hosts: {a: [redis-1]}", "primary", "found both"),
        ("zones: 1", "primary", "zones"),
        ("replicas: 2", "host of primary", ":9: .*add `hosts` or `zones`"),
        ("replicas: 2", "zone a", ":9: .*add `hosts` or `zones`"),
        ("zones: 2", "zone c", "there is no zone c, only a, b"),
        ("hosts: {a: [redis-1]}", "host b", "there is no host b, only a"),
        ("zones: 2", "host of cache", "a target of kill"),
        ("zones: 2", "host of", "a target of kill"),
    ],
)
def test_wrong_hosts_are_refused_where_they_are(tmp_path: Path, hosts: str, target: str, said: str) -> None:
    """With what there is."""
    with pytest.raises(UsageError, match=said):
        read(tmp_path, HOSTS.replace("HOSTS", hosts).replace("TARGET", target))


ENGINES = """\
scenario: 1
name: two engines
shows: promise
tags: [core]
deployment:
  topology: {kind: sentinel}
  hosts: ENGINES
workload: {mix: {read: 1}}
faults:
  - {after: 4s, kill: host of primary}
"""


def test_hosts_of_a_deployment_say_where_their_engines_are(tmp_path: Path) -> None:
    """Every node is on one of them, a primary and its replicas apart; so a fault can strike a host."""
    written = ENGINES.replace("ENGINES", "{rack-1: {engine: ssh://ops@a}, rack-2: {engine: 'context:b'}}")
    deployment = read(tmp_path, written).deployment
    assert deployment.hosts == {"rack-1": "ssh://ops@a", "rack-2": "context:b"}
    assert deployment.topology.hosts == {
        "rack-1": ("redis-1", "redis-3", "sentinel-1", "sentinel-3"),
        "rack-2": ("redis-2", "sentinel-2"),
    }


def test_zones_and_hosts_of_a_topology_go_to_the_engines(tmp_path: Path) -> None:
    """What is written keeps its place; zones are hosts by another name."""
    engines = "{a: {engine: unix:///a}, b: {engine: unix:///b}}"
    written = ENGINES.replace("ENGINES", engines)
    here = read(
        tmp_path, written.replace("sentinel}", "sentinel, hosts: {b: [redis-1]}}")
    ).deployment.topology
    assert "redis-1" in here.hosts["b"]
    zones = read(tmp_path, written.replace("sentinel}", "sentinel, zones: 2}")).deployment.topology
    assert (zones.hosts["a"][0], zones.hosts["b"][0], zones.zones) == ("redis-1", "redis-2", 0)


@pytest.mark.parametrize(
    ("engines", "said"),
    [
        ("{a: ssh://ops@a}", "a mapping"),
        ("{a: {engine: here}}", r"hosts.a.engine: expected ssh://USER@HOST.*, found 'here'"),
        ("{a: {}}", r"hosts.a.engine: expected ssh://USER@HOST.*, found nothing"),
        ("{A: {engine: unix:///a}}", "small letters, digits and hyphens, found 'A'"),
        ("{a: {engine: unix:///a, image: x}}", "nothing but engine, found image"),
    ],
)
def test_wrong_engines_of_hosts_are_refused_where_they_are(tmp_path: Path, engines: str, said: str) -> None:
    """With what would be right."""
    with pytest.raises(UsageError, match=rf":7: .*{said}"):
        read(tmp_path, ENGINES.replace("ENGINES", engines))


def test_a_host_of_the_topology_without_an_engine_is_refused(tmp_path: Path) -> None:
    """Its nodes could be nowhere."""
    written = ENGINES.replace("ENGINES", "{a: {engine: unix:///a}}")
    with pytest.raises(UsageError, match="found none for b"):
        read(tmp_path, written.replace("sentinel}", "sentinel, hosts: {b: [redis-1]}}"))


WORKERS = """\
scenario: 1
name: two workers
shows: promise
tags: [core]
deployment:
  topology: {kind: single}
  workers: WORKERS
workload: {mix: {read: 1}, web_servers: 2}
faults:
  - {after: 4s, kill: primary}
"""


def test_workers_need_a_web_server_each(tmp_path: Path) -> None:
    """As many as there are web servers, and no more."""
    assert read(tmp_path, WORKERS.replace("WORKERS", "2")).deployment.workers == 2
    with pytest.raises(UsageError, match=r"workers: expected 2 at most.*found 3"):
        read(tmp_path, WORKERS.replace("WORKERS", "3"))


def test_workers_may_be_on_hosts(tmp_path: Path) -> None:
    """One for each that is named; a host that may have one is not taken down with it."""
    found = read(tmp_path, WORKERS.replace("WORKERS", "[b, a]")).deployment
    assert (found.workers, found.worker_hosts) == (2, ("b", "a"))
    with pytest.raises(UsageError, match=r"workers: expected 1 to 8 hosts, found 0"):
        read(tmp_path, WORKERS.replace("WORKERS", "[]"))
    with pytest.raises(UsageError, match=r"a whole number from 0 to 16, or a list of hosts .*, found 'a'"):
        read(tmp_path, WORKERS.replace("WORKERS", "a"))
    with pytest.raises(UsageError, match=r"workers.0: expected the name of a host, found 'B'"):
        read(tmp_path, WORKERS.replace("WORKERS", "[B]"))
    known = WORKERS.replace("WORKERS", "[b]\n  hosts: {a: {engine: 'unix:///a'}}")
    with pytest.raises(
        UsageError, match=r":7: deployment\.workers: expected hosts of this deployment \(a\), found b"
    ):
        read(tmp_path, known)
    lost = known.replace("[b]", "[a]").replace("kill: primary", "isolate: host a")
    with pytest.raises(UsageError, match=r"host a: a load worker is on a host.* with `workers: 1`"):
        read(tmp_path, lost)


@pytest.mark.parametrize(
    ("web_servers", "killed", "fits"), [(3, 1, True), (3, 2, False), (3, 3, True), (4, 2, True)]
)
def test_killed_web_server_leaves_another_one_at_its_worker(
    web_servers: int, killed: int, fits: bool, tmp_path: Path
) -> None:
    """A user stays with a load worker: web-1 and web-3 are of one, and web-2 and web-4 of the other."""
    text = WORKERS.replace("WORKERS", "2").replace("web_servers: 2", f"web_servers: {web_servers}")
    text = text.replace("kill: primary", f"kill web server: web-{killed}")
    if fits:
        assert read(tmp_path, text).deployment.workers == 2
    else:
        with pytest.raises(UsageError, match=r"web-2 is the only web server of its load worker.*: 4"):
            read(tmp_path, text)
