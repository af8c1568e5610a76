"""The kept table of directives against the engines themselves: each program here reads the same lines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.model.directive_values import why_no_name, why_no_value
from harness.model.directives import parsed
from harness.model.engine import engine_name
from harness.model.engine_directives import BY_ENGINE
from harness.topology.process import server_programs

LINES = (
    "maxmemory lots", "maxmemory 100mb", "maxmemory 1.5gb", "maxmemory 64k", "maxmemory-policy banana",
    "maxmemory-policy VOLATILE-TTL", "appendonly true", "appendonly yes", "appendfsync sometimes", "hz ten",
    "timeout 5s", "timeout 5", "active-expire-effort 0", "active-expire-effort 10", "io-threads 200",
    "client-query-buffer-limit 1", "client-output-buffer-limit replica 256mb 64mb 60",
    "client-output-buffer-limit everybody 0 0 0", "save often 1", "notify-keyspace-events KEA",
    "notify-keyspace-events all!", "maxmemroy 1mb", "commandlog-large-reply-max-len 10",
    "min-replicas-to-write -1", "slave-priority 10", "repl-diskless-load swapdb", "maxmemory-clients 5%",
)  # fmt: skip


@pytest.mark.process
@pytest.mark.parametrize("line", LINES)
def test_the_table_says_what_the_programs_say(line: str, tmp_path: Path) -> None:
    """Each engine whose list is kept and which is here: a server with this line starts, or does not."""
    name, _, value = line.partition(" ")
    directive = parsed(name, value)
    here = [one for one in server_programs.installed() if engine_name(one.version) in BY_ENGINE]
    assert here
    for program in here:
        engine = engine_name(program.version)
        file = tmp_path / f"{engine}.conf"
        file.write_text(f"{line}\nport 0\n")
        done = subprocess.run([program.path, file], capture_output=True, text=True, check=False, timeout=20)
        taken = "FATAL CONFIG FILE ERROR" not in done.stdout + done.stderr
        assert taken is ((why_no_name(directive.name, engine) or why_no_value(directive, engine)) is None), (
            engine
        )
