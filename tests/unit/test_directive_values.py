"""Names and values of directives against what the engines said: refused while reading, with what is expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import cli
from harness.model.directive_table import LEFT_OUT, PASSED, TODAYS_SPELLING
from harness.model.directive_values import why_no_name, why_no_value
from harness.model.directives import parsed
from harness.model.engine_directives import BY_ENGINE, ENGINES


def refused(line: str, engine: str | None = None) -> str | None:
    name, _, value = line.partition(" ")
    directive = parsed(name, value)
    return why_no_name(directive.name, engine) or why_no_value(directive, engine)


@pytest.mark.parametrize(
    "line",
    [
        "maxmemory 0",
        "maxmemory 100mb",
        "maxmemory 100MB",
        "maxmemory 1048576",
        "maxmemory 64k",
        "maxmemory-clients 5%",
        "maxmemory-clients 1g",
        "maxmemory-policy allkeys-lru",
        "maxmemory-policy VOLATILE-TTL",
        "appendonly yes",
        "appendfsync EverySec",
        "hz 500",
        "io-threads 128",
        "min-replicas-to-write 0",
        "slave-priority 0",
        "repl-backlog-size 1mb",
        'save ""',
        "save 900 1",
        "save 900 1 300 10",
        "client-output-buffer-limit normal 0 0 0",
        "client-output-buffer-limit replica 256mb 64mb 60 pubsub 32mb 8mb 60",
        "client-output-buffer-limit slave 1 1 1",
        'notify-keyspace-events ""',
        "notify-keyspace-events KEA",
        "shutdown-on-sigterm save now",
        "hash-max-ziplist-entries 12",
        "latency-tracking-info-percentiles 50 99",
        "search-timeout 500",
        "requirepass anything",
    ],
)
def test_what_an_engine_takes_is_read(line: str) -> None:
    """Also in other spellings, and what is left out later."""
    assert refused(line) is None


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("maxmemory lots", "expected a size such as 100mb"),
        ("maxmemory 1.5gb", "expected a size"),
        ("maxmemory 100tb", "expected a size"),
        ("maxmemory -1", "expected a size"),
        ("maxmemory 1mb 2mb", "expected one value"),
        ("maxmemory", "expected a size"),
        ("maxmemory-clients 5percent", "or a share such as 5%"),
        ("client-query-buffer-limit 1mb", None),
        ("client-query-buffer-limit 1", "at least 1048576"),
        ("client-query-buffer-limit 1048575", "at least 1048576"),
        ("appendfsync sometimes", "expected one of always, everysec, no"),
        ("appendonly true", "expected no or yes"),
        ("maxmemory-policy banana", "expected one of allkeys-lfu, allkeys-lru,"),
        ("hz ten", "expected a whole number from 0"),
        ("timeout 5s", "expected a whole number from 0"),
        ("min-replicas-to-write -1", "expected a whole number from 0"),
        ("min-replicas-to-write 01", "expected a whole number from 0"),
        ("active-expire-effort 0", "expected a whole number from 1 to 10"),
        ("active-expire-effort 11", "expected a whole number from 1 to 10"),
        ("active-expire-effort 10", None),
        ("active-expire-effort 1", None),
        ("save 900", "seconds and changes in pairs"),
        ("save often 1", "seconds and changes in pairs"),
        ("client-output-buffer-limit everybody 0 0 0", "expected a class of clients"),
        ("client-output-buffer-limit normal 0 0", "expected a class of clients"),
        ("client-output-buffer-limit normal 0 0 soon", "expected a class of clients"),
        ("notify-keyspace-events all!", "expected letters"),
        ("shutdown-on-sigterm save later", "expected one of default, force, nosave, now, save"),
        ("maxmemroy 1mb", "did you mean 'maxmemory'?"),
        ("flux-capacitor 1", "remove the line"),
        ("sentinel master-reboot-down-after-period soon", "expected a whole number from 0"),
        ("sentinel master-reboot-down-after-period 0", None),
        ("sentinel flux 1", "no engine that this kit knows"),
    ],
)
def test_what_no_engine_takes_is_refused(line: str, expected: str | None) -> None:
    """With what is expected instead; the ends of a span belong to it."""
    told = refused(line)
    assert told is None if expected is None else expected in str(told)


def test_the_engine_that_is_named_decides() -> None:
    """Else one that takes it is enough. Of an engine whose list is not kept all the others are asked."""
    later = "commandlog-large-reply-max-len 10"
    assert refused(later) is None
    assert refused(later, "valkey") is None
    assert refused(later, "redis-8.6") is None
    told = str(refused(later, "redis-7.0"))
    assert told.startswith("not a directive of redis-7.0; it is one of valkey-8.1")
    assert refused("io-threads 200", "valkey-9.1") is None
    assert "from 1 to 128" in str(refused("io-threads 200", "redis-7"))
    assert "from 1 to 128" in str(refused("io-threads 200", "redis-7.0.15"))
    assert refused("io-threads 200") is None
    assert "from 1 to 256" in str(refused("io-threads 257", "valkey-9.1"))


def test_the_tables_know_every_directive_of_every_engine() -> None:
    """What an engine has that nobody has looked at would be left out without a reason."""
    known = PASSED | LEFT_OUT.keys() | TODAYS_SPELLING.keys()
    for engine, directives in BY_ENGINE.items():
        assert directives.keys() <= known, engine
        assert len(directives) > 140, engine
    assert (
        set(ENGINES) == set(BY_ENGINE) >= {"redis-6.2", "redis-7.0", "redis-8.0", "valkey-8.1", "valkey-9.1"}
    )


DEPLOYMENT = """\
deployment: 1
name: ours
topology:
  kind: single
  redis:
    {line}
"""


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("maxmemory: lots", "ours.yaml:6: topology.redis.maxmemory: expected a size such as 100mb"),
        ("appendfsync: sometimes", "no, found 'sometimes'"),
        ("maxmemroy: 64mb", "ours.yaml:6: topology.redis.maxmemroy: no engine that this kit knows"),
        ("save: [900 1, 300]", "in pairs"),
    ],
)
def test_plan_refuses_it_with_its_line(
    line: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any node is started."""
    monkeypatch.chdir(tmp_path)
    Path("ours.yaml").write_text(DEPLOYMENT.format(line=line))
    assert cli.main(["plan", "--backend", "process", "single/02", "ours.yaml"]) == 2
    assert said in capsys.readouterr().err


def test_plan_takes_lists_of_save_and_buffer_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line of a directive is an item, as a configuration file has them."""
    monkeypatch.chdir(tmp_path)
    lines = "{save: [900 1, 300 10], client-output-buffer-limit: [normal 0 0 0, replica 256mb 64mb 60]}"
    Path("ours.yaml").write_text(DEPLOYMENT.replace("\n    {line}", f" {lines}"))
    assert cli.main(["plan", "--backend", "process", "single/02", "ours.yaml"]) == 0
    told = capsys.readouterr().out
    assert "save 900 1, save 300 10" in told
    assert "client-output-buffer-limit replica 256mb 64mb 60" in told
