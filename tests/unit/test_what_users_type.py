"""What users typed and tripped over, through the command itself: `failover-kit plan`. No nodes."""

from __future__ import annotations

import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

from harness import cli
from harness.faults import FAULTS
from harness.model.words import Trait
from harness.running.vocabulary import shipped

GOOD = """\
scenario: 1
name: quiet
deployment:
  topology: {kind: sentinel}
workload: {rate: 50/s, users: 5, mix: {read: 4, log-in: 1}}
faults:
  - {after: 5s, kill: primary}
expect:
  outage(login): < 4s
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def plan(changes: dict[str, str]) -> int:
    text = GOOD
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    Path("mine.yaml").write_text(text)
    return cli.main(["plan", "--backend", "process", "mine.yaml"])


def planned(changes: dict[str, str], capsys: pytest.CaptureFixture[str]) -> str:
    assert plan(changes) == 0, capsys.readouterr().err
    return capsys.readouterr().out


REFUSED = {
    "10m of time": ({"after: 5s": "after: 10m"}, 7, "unknown unit 'm'; did you mean 'min'?"),
    "seconds": ({"after: 5s": "after: 5 seconds"}, 7, "did you mean 's'?"),
    "per second": ({"50/s": "50/sec"}, 5, "did you mean '/s'?"),
    "10m of size": (
        {"after: 5s": "when: {replica_lag: 10m}"},
        7,
        "unknown unit 'm'; did you mean 'MB'?",
    ),
    "percentile as a metric": (
        {"outage(login)": "p99(read)"},
        9,
        "unknown metric 'p99'; did you mean 'latency(read, p99)'?",
    ),
    "percentile of a behaviour": ({"outage(login)": "p95(log-in)"}, 9, "did you mean 'latency(login, p95)'?"),
    "replica attached where it is": (
        {"kill: primary": "reattach: replica, to: primary"},
        7,
        "it would change nothing: no hand over or reattach comes before",
    ),
    "address that nobody left": (
        {"kill: primary": "restart: replica, address: abandoned"},
        7,
        "it would change nothing: no restart with address: new comes before",
    ),
    "cache that nobody fills": (
        {"kill: primary": "flush: cache", "kind: sentinel": "kind: split"},
        7,
        "it would change nothing: no fill or fill cache on cache comes before",
    ),
    "maximum alone": ({"outage(login)": "max"}, 9, "did you mean 'latency(read, max)'?"),
    "latency of no percentile": ({"outage(login)": "latency(read)"}, 9, "such as latency(read, p99)"),
    "brackets in braces": ({"kill: primary": "kill: replica[lag=max]"}, 7, "within { } a comma ends"),
    "comma of a directive": (
        {
            "kind: sentinel": "kind: sentinel, redis: {client-output-buffer-limit: normal 0 0 0, replica 1 1 1}"
        },
        4,
        "'replica 1 1 1' has no value: within { } a comma ends",
    ),
    "comma of a metric": (
        {"expect:\n  outage(login): < 4s": "expect: {latency(read, p99): < 4s}"},
        8,
        "'latency(read' has no value: within { } a comma ends",
    ),
    "comma of a text": ({"{rate: 50/s": "{rate: 50/s, about"}, 5, "'about' has no value"),
    "force on Sentinel": (
        {"kill: primary": "planned failover: primary, form: force"},
        7,
        "faults.0.form: force is for a cluster only",
    ),
    "a pause shorter than its proof": (
        {"kill: primary": "pause: primary, for: 1ms"},
        7,
        "faults.0.for: expected at least 200ms",
    ),
    "a clock that is hardly wrong": (
        {"kill: primary": "skew clock: primary, by: 10ms, for: 2s"},
        7,
        "faults.0.by: expected at least 1s, so that its effect can be proved, found '10ms'",
    ),
    "no slots to move": (
        {"kill: primary": "reshard: primary, slots: 0"},
        7,
        "faults.0.slots: expected at least 1, so that its effect can be proved, found '0'",
    ),
    "a shard that is not there": (
        {"kind: sentinel": "kind: cluster", "kill: primary": "reshard: primary, to: 9"},
        7,
        "faults.0.to: expected another shard than 1, one of 2, 3, found 9",
    ),
    "a setting that no engine has": (
        {"kill: primary": "config set: primary, directive: maxmemry, value: 1"},
        7,
        "faults.0.config set: maxmemry: ",
    ),
    "an end of what has none": (
        {"kill: primary": "planned failover: primary, for: 3s"},
        7,
        "faults.0.for: 'planned failover' is over at once",
    ),
    "an outage of what nobody does": (
        {"outage(login)": "outage(write)"},
        9,
        "no behaviour of the workload's mix counts as 'write': read counts as read, log-in counts as login",
    ),
    "latency of what nobody does": ({"outage(login)": "latency(logout, p99)"}, 9, "counts as 'logout'"),
    "failovers of one node": (
        {"kind: sentinel": "kind: single", "outage(login): < 4s": "failovers: 0"},
        9,
        "nothing can fail over in this single topology",
    ),
    "one behaviour under two names": (
        {"log-in: 1": "log-in: 1, login: 1"},
        5,
        "workload.mix.login: the same as 'log-in', which is already there",
    ),
}


@pytest.mark.parametrize(("changes", "line", "says"), REFUSED.values(), ids=REFUSED)
def test_a_stumble_is_refused_with_its_cure(
    changes: dict[str, str], line: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, the line, and what to write instead."""
    assert plan(changes) == 2
    told = capsys.readouterr().err.removeprefix("failover-kit: ").splitlines()
    assert any(one.startswith(f"mine.yaml:{line}:") and says in one for one in told), told


@pytest.mark.parametrize(
    ("changes", "shows"),
    [
        ({"log-in: 1": "login: 1"}, "read 80%, log-in 20%"),
        ({"outage(login)": "outage(log-in)"}, "outage(log-in): < 4s"),
        ({"log-in: 1": "log-out: 1"}, "logout 20%"),
        ({"log-in: 1": "log-out-everywhere: 1"}, "logout-everywhere 20%"),
        ({"after: 5s": "when: {acked: login}"}, "when 1 x log-in acked"),
        ({"outage(login)": "acked(log-out)", "< 4s": "0", "log-in: 1": "logout: 1"}, "acked(log-out): 0"),
        ({"mix: {read: 4, log-in: 1}": "mix: {login: 1}, options: {login: {}}"}, "log-in 100%"),
    ],
    ids=lambda one: next(iter(one.values())) if isinstance(one, dict) else "",
)
def test_both_spellings_are_understood(
    changes: dict[str, str], shows: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A behaviour and its kind differ by a hyphen only, which nobody has to know."""
    assert shows in planned(changes, capsys)


def test_commas_within_quotes_are_fine(capsys: pytest.CaptureFixture[str]) -> None:
    """What the hint tells works; an empty value after a colon is no mistake of commas."""
    changes = {
        "expect:\n  outage(login): < 4s": 'expect: {"latency(read, p99)": < 4s}',
        "kill: primary": 'kill: "replica[lag=max]"',
    }
    assert "latency(read, p99): < 4s" in planned(changes, capsys)
    assert plan({"users: 5": "users: "}) == 2
    assert "has no value" not in capsys.readouterr().err


def test_what_is_over_at_once_says_so() -> None:
    """A fault that can be healed has a shortest time to stand, and no other takes `for:`."""
    heals = {name for name, fault in FAULTS.items() if fault.declaration.least_for_s is not None}
    lasting = {name for name, one in shipped().faults.items() if Trait.LASTS in one.traits}
    assert heals == lasting | {"kill", "lose power", "stop", "kill web server", "silence dns"}


def test_plan_tells_every_client_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """Also those left to their defaults, as numbers with their units."""
    client = (
        "  client: {socket_timeout: 410ms, connect_timeout: 420ms, sentinel_timeout: 430ms, library_retries: 44, "
        "application_retries: 45, retry_backoff: 460ms, max_connections: 47, read_from_replicas: true, "
        "wait_replicas: 2, wait_timeout: 49ms}\nworkload:"
    )
    told = planned({"workload:": client}, capsys)
    for one in ("socket 0.41 s", "connect 0.42 s", "sentinel 0.43 s", "library 44", "application 45"):
        assert one in told
    for one in ("pause of 0.46 s", "47 connections", "replicas too", "WAIT for 2 replicas within 0.049 s"):
        assert one in told
    plain = planned({}, capsys)
    for one in ("on-error", "socket 0.5 s", "50 connections", "primaries only", "WAIT not used"):
        assert one in plain


def test_plan_tells_how_long_it_may_take(capsys: pytest.CaptureFixture[str]) -> None:
    """What is typical, and what it is at most: recovery and audit have limits."""
    told = planned({}, capsys)
    assert "about 16 s in all, at most 84 s" in told
    assert "at most 99 s" in planned({"expect:": "settle_within: 60s\nexpect:"}, capsys)
    assert "clients at once" in told
    assert "actors" not in told


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("cut replication: primary", "1. cut replication primary, until the run ends (after 5 s)"),
        ("cut replication: primary, for: 3s", "1. cut replication primary, for 3 s (after 5 s)"),
        ("pause: primary", "1. pause primary, until the run ends or something resumes it (after 5 s)"),
        ("kill: primary", "1. kill primary (after 5 s)"),
        ("restart: primary", "1. restart primary, data keep, address same (after 5 s)"),
    ],
)
def test_plan_tells_when_a_fault_ends(fault: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What lasts and has no `for:` lasts to the end."""
    assert said in planned({"kill: primary": fault}, capsys)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("", "fill cache cache, to 2 times, value 1 KiB (after 5 s)"),
        (", to: 0.5, ttl: 5min", "to 0.5 times, value 1 KiB, ttl 300 s (after"),
        (", bytes: 3MB, value: 100B, rate: 40", "bytes 3 MB, value 100 B, rate 40 (after"),
    ],
)
def test_options_have_units_and_say_what_counts(
    options: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No raw numbers; what is switched off, or replaced by another option, is not listed."""
    changes = {
        "kind: sentinel": "kind: split, cache: {maxmemory: 10mb}",
        "kill: primary": f"fill cache: cache{options}",
    }
    assert said in planned(changes, capsys)


AOF = 'kind: sentinel, redis: {appendonly: "yes"}'
SAVE = "kind: sentinel, redis: {save: 60 1}"
ONE = "after: fault 2 + 200ms, restart: one of killed"


@pytest.mark.parametrize(
    ("topology", "faults", "warned"),
    [
        ("kind: sentinel", ["after: 5s, restart: primary"], True),
        (AOF, ["after: 5s, restart: primary"], False),
        (SAVE, ["after: 5s, restart: primary"], False),
        ("kind: sentinel", ["after: 5s, restart: primary, data: empty"], False),
        ("kind: sentinel", ["after: 5s, restart: replica"], False),
        ("kind: sentinel", ["after: 5s, restart: sentinel"], False),
        ("kind: sentinel", ["after: 5s, kill: primary", "after: fault 1 + 1s, restart: killed"], True),
        ("kind: sentinel", ["after: 5s, kill: primary", "after: fault 1 + 9s, restart: killed"], False),
        ("kind: sentinel", ["after: 5s, kill: primary", "after: promoted, restart: killed"], False),
        ("kind: sentinel", ["after: 5s, kill: replica", "after: fault 1 + 1s, restart: killed"], False),
        ("kind: sentinel", ["after: 4s, kill: replica", "after: 5s, kill: primary", ONE], False),
        ("kind: sentinel", ["after: 4s, kill: primary", "after: 4200ms, kill: replica", ONE], True),
        ("kind: sentinel", ["after: 5s, kill: primary, for: 1s"], True),
        ("kind: sentinel", ["after: 5s, kill: primary, for: 9s"], False),
        ("kind: sentinel", ["after: 5s, pause: primary, for: 1s"], False),
        ("kind: single", ["after: 5s, kill: primary, for: 9s"], True),
        ("kind: single", ["after: 5s, stop: primary", "after: fault 1 + 9s, restart: killed"], True),
        ("kind: cluster", ["after: 5s, restart: shard 2 primary"], True),
        ("kind: cluster", ["after: 5s, kill: shard 2 primary", "after: promoted, restart: killed"], False),
    ],
)
def test_plan_warns_of_a_primary_that_comes_back_empty(
    topology: str, faults: list[str], *, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """Persistence is off unless it is asked for, and nobody was promoted in time: then all is lost."""
    changes = {"kind: sentinel": topology, "{after: 5s, kill: primary}": f"{{{faults[0]}}}"}
    if len(faults) > 1:
        changes["expect:"] = "".join(f"  - {{{one}}}\n" for one in faults[1:]) + "expect:"
    told = planned(changes, capsys)
    assert ("without persistence" in told) is warned
    replicas = "without persistence, before any replica is promoted" in told and "replicas copy" in told
    assert replicas is (warned and "single" not in topology)
    if warned:
        node = "redis-2" if "cluster" in topology else "redis-1"
        assert f"fault {len(faults)} restarts {node}" in told


REPLICA, PRIMARY = "after: 2s, kill: replica", "after: fault 1 + 2s, kill: primary"
WAITS = "after: promoted + 2s, restart: killed"


@pytest.mark.parametrize(
    ("topology", "faults", "shard"),
    [
        ("kind: sentinel, replicas: 1", [REPLICA, PRIMARY, WAITS], 1),
        ("kind: sentinel, replicas: 2", [REPLICA, PRIMARY, WAITS], None),
        ("kind: sentinel, replicas: 2", ["after: 2s, stop: all replicas", PRIMARY, WAITS], 1),
        ("kind: sentinel, replicas: 2", [REPLICA, 'after: 3s, kill: "replica[lag=max]"', PRIMARY, WAITS], 1),
        ("kind: sentinel, replicas: 1", [f"{REPLICA}, for: 1s", PRIMARY, WAITS], None),
        ("kind: sentinel, replicas: 1", [REPLICA, "after: 3s, restart: killed", PRIMARY, WAITS], None),
        ("kind: sentinel, replicas: 1", ["after: 2s, kill: primary", "after: promoted, kill: replica"], None),
        ("kind: sentinel, replicas: 1", [REPLICA, PRIMARY, "after: fault 2 + 9s, restart: killed"], None),
        (
            "kind: cluster",
            ["after: 2s, kill: shard 2 replica", "after: fault 1 + 2s, kill: shard 2 primary", WAITS],
            2,
        ),
        ("kind: cluster", ["after: 2s, kill: shard 2 replica", PRIMARY, WAITS], None),
    ],
)
def test_plan_warns_of_a_promotion_that_nobody_is_left_for(
    topology: str, faults: list[str], shard: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A fault that waits for it would wait in vain, and the run be inconclusive after minutes."""
    listed = "".join(f"  - {{{one}}}\n" for one in faults[1:])
    changes = {
        "kind: sentinel": topology,
        "{after: 5s, kill: primary}": f"{{{faults[0]}}}",
        "expect:": f"{listed}expect:",
    }
    told = " ".join(planned(changes, capsys).split())
    warning = f"fault {len(faults)} waits for `promoted`, and shard {shard} has no replica running by then"
    assert (warning in told) is (shard is not None)
    assert told.count("waits for `promoted`") == (shard is not None)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["runn"], "run"),
        (["run", "--suite", "smok"], "smoke"),
        (["run", "--backend", "proces"], "process"),
        (["run", "--engine", "redsi-7.0"], "redis-7.0"),
        (["run", "--bug", "redis-1276"], "redis-12762"),
        (["plan", "sentinel/670"], "sentinel/67"),
        (["up", "sentinal"], "sentinel"),
        (["explore", "sentinal"], "sentinel"),
        (["image", "--engine", "redis-7.9"], "redis-7.0"),
    ],
)
def test_a_misspelt_name_is_answered_with_the_nearest(
    words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of all that people choose by a name."""
    with suppress(SystemExit):
        assert cli.main(words) == 2
    assert f"did you mean {meant!r}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("module", "words", "says"),
    [
        ("guests", ["--guest", "flsk"], "no guest has such a name; did you mean 'flask'? There are: django/"),
        ("guests", ["--fault", "primary-kiled"], "did you mean 'primary-killed'? There are: "),
        ("guests", ["--guest", "zzzz"], "no guest has such a name. There are: "),
        ("catalogue", ["--engine", "redsi-7.0"], "did you mean 'redis-7.0'?"),
        ("claims", ["--only", "99"], "docs/claims.md lists them"),
        ("sigkill", ["--fault", "kil"], "did you mean 'kill'?"),
    ],
)
def test_so_it_is_where_the_kit_measures_itself(
    module: str,
    words: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`make guests GUEST=…` and others pass on what people typed."""
    monkeypatch.setattr(sys, "argv", ["x", *words])
    if module == "catalogue":
        monkeypatch.setattr("lab.catalogue.__main__.engines_here", lambda _: ([("process", "redis-7.0")], []))
    with suppress(SystemExit):
        assert import_module(f"lab.{module}.__main__").main() == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["plan", "goood.yaml"],
        ["plan", "sentinel/01", "--deployment", "goood.yaml"],
        ["lint", "goood.yaml"],
        ["guest", "check", "goood.yaml"],
        ["explore", "goood.yaml"],
        ["with", "goood.yaml", "--", "true"],
        ["judge", "--history", "goood.yaml"],
    ],
    ids=" ".join,
)
def test_a_misspelt_file_is_told_with_the_one_beside_it(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever verb looks for it, and in whichever folder."""
    folder = Path("theirs")
    folder.mkdir()
    for name in ("good.yaml", "other.yaml"):
        (folder / name).write_text(GOOD)
    words = [word.replace("goood", "theirs/goood") for word in words]
    assert cli.main(words) == 2
    assert "did you mean 'theirs/good.yaml'?" in capsys.readouterr().err
