"""Processes, passwords and telling lines: read from what there is, without touching it."""

from __future__ import annotations

from typing import Any

import pytest

from harness.topology.compose.decisive import decisive
from harness.topology.compose.passwords import candidates
from harness.topology.compose.processes_seen import Program, listening, program_of


@pytest.mark.parametrize(
    ("arguments", "program"),
    [
        ("/usr/bin/redis-server *:6379", Program.SERVER),
        ("redis-server 0.0.0.0:7001 [cluster]", Program.SERVER),
        ("valkey-server *:6379", Program.SERVER),
        ("redis-sentinel *:26379 [sentinel]", Program.SENTINEL),
        ("redis-server /data/sentinel.conf --sentinel", Program.SENTINEL),
        ("/usr/bin/redis-server *:26379 [sentinel]", Program.SENTINEL),
        ("haproxy -W -db -f /usr/local/etc/haproxy/haproxy.cfg", Program.PROXY),
        ("sh -c redis-server --save ''", None),
        ("redis-cli ping", None),
        ("node /app/redis-server.js", None),
    ],
)
def test_a_process_is_what_it_runs(arguments: str, program: Program | None) -> None:
    """A shell around a server is none; a server in sentinel mode is a sentinel."""
    assert program_of(arguments) is program


def test_ports_are_those_that_the_process_itself_listens_on() -> None:
    """Of the table that all processes of a container share."""
    table = (
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
        "   0: 00000000:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 111 1\n"
        "   1: 00000000:68EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000   999        0 222 1\n"
        "   2: 0A00000A:18EB 0100000A:1234 01 00000000:00000000 00:00000000 00000000   999        0 111 1\n"
    )
    assert list(listening(table, frozenset({111}))) == [6379]
    assert list(listening(table, frozenset({111, 222}))) == [6379, 26859]


def test_passwords_come_from_wherever_people_write_them() -> None:
    """Commands, health checks, environment, configuration, secrets; a shell's variable is none."""
    services: list[dict[str, Any]] = [
        {"command": ["redis-server", "--requirepass", "one$$1"]},
        {"command": "redis-server --masterauth two"},
        {"healthcheck": {"test": ["CMD-SHELL", "redis-cli -a three ping"]}},
        {"environment": {"REDIS_PASSWORD": "four", "PATH": "/bin", "EMPTY_PASSWORD": None}},
        {"command": "sh -c 'redis-server --requirepass $$FIVE'"},
    ]
    texts = ["sentinel auth-pass mymaster six\nrequirepass seven\n", "eight\n"]
    found = candidates(services, texts)
    assert {"two", "three", "four", "six", "seven", "eight"} <= set(found)
    assert not {"/bin", "$FIVE", "$$FIVE"} & set(found)


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("", ""),
        ("Ready\n", "Ready"),
        (
            "x\n7:X # Failed to resolve hostname 'redis-master'\nlater error: y\n",
            "Failed to resolve hostname",
        ),
        (
            (
                "*** FATAL CONFIG FILE ERROR (Redis 8.0.2) ***\nReading the configuration file, at line 2\n"
                ">>> 'maxmemroy 1gb'\nBad directive or wrong number of arguments\n"
            ),
            "'maxmemroy 1gb' Bad directive",
        ),
        (
            "1:S # Could not rename tmp config file (Device or resource busy)\n1:S * ok\n",
            "Device or resource busy",
        ),
        ("WARNING Memory overcommit must be enabled! failed\nNOAUTH Authentication required\n", "NOAUTH"),
        ("1:M * Error accepting\nok\n", "Error accepting"),
    ],
)
def test_the_line_that_explains_is_taken(log: str, line: str) -> None:
    """The cause before its consequences, a configuration's line with the error, never the usual noise."""
    assert line in decisive(log)
    assert len(decisive(log + "e" * 1000)) < 300
