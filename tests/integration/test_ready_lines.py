"""The lines for clients that `up` prints, in those clients that this machine has or can get."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.held.ready_lines import before_lines, ready_lines
from tests.builders_kit import Kit
from tests.integration.conftest import NpmModules
from tests.integration.test_tls import needs_tls

pytestmark = pytest.mark.process

KINDS = {"single": set[str](), "sentinel": {"REDIS_SENTINELS"}, "cluster": {"REDIS_CLUSTER_NODES"}}

_TLS_OF_CLI = ' --cacert "$REDIS_TLS_CA_FILE" --cert "$REDIS_TLS_CERT_FILE" --key "$REDIS_TLS_KEY_FILE"'

RUNS_EACH = """
import json, subprocess, sys
for client, words in json.loads(sys.argv[1]).items():
    ran = subprocess.run(words, capture_output=True, text=True, timeout=30)
    print(json.dumps([client, ran.stdout.strip(), ran.stderr.strip()]), flush=True)
"""


def programs(kind: str, modules: Path | None, *, tls: bool = False) -> dict[str, list[str]]:
    """Client -> the command that writes through its line; of the clients that are here."""
    known = {**dict.fromkeys(KINDS[kind], ""), "REDIS_URL": "rediss:" if tls else "redis:"}
    lines = ready_lines(known)
    first = {**dict.fromkeys(lines, ""), **before_lines(known)}
    python = (
        f"import os, redis\nfrom redis.sentinel import Sentinel\n{first['redis-py']}\n"
        f"print({lines['redis-py']}.set('k', 'v'))"
    )
    found = {"redis-py": [sys.executable, "-c", python]}
    if shutil.which("redis-cli"):
        asked = lines["redis-cli"] if kind == "sentinel" else f"{lines['redis-cli']} set k v"
        found["redis-cli"] = ["sh", "-c", asked]
        tls_words = _TLS_OF_CLI if tls else ""
        found["redis-cli -u"] = ["sh", "-c", f'redis-cli -c{tls_words} -u "$REDIS_URL" set k v']
    php = shutil.which("php")
    if php and not (tls and kind == "sentinel" and _is_old_phpredis(php)):
        found["phpredis"] = [
            php,
            "-r",
            f"{first['phpredis']}{lines['phpredis']} var_export($r->set('k', 'v'));",
        ]
    if modules is not None:
        client = (
            f"const c = {lines['ioredis']}; c.set('k', 'v').then(console.log).finally(() => c.disconnect())"
        )
        found["ioredis"] = ["node", "-e", _required("ioredis", "Redis", modules) + first["ioredis"] + client]
        client = (
            f"(async () => {{const c = {lines['node-redis']}; c.on('error', () => {{}}); await c.connect(); "
            "console.log(await c.set('k', 'v')); c.destroy()})()"
        )
        names = "{createClient, createSentinel, createCluster}"
        found["node-redis"] = [
            "node",
            "-e",
            _required("redis", names, modules) + first["node-redis"] + client,
        ]
    return found


def _is_old_phpredis(php: str) -> bool:
    """Before version 6 its client for sentinels has no TLS."""
    asked = [php, "-r", "exit((int) version_compare(phpversion('redis'), '6', '<'));"]
    return subprocess.run(asked, timeout=30, check=False).returncode == 1


def _required(module: str, name: str, modules: Path) -> str:
    return f"const {name} = require({json.dumps(str(modules / module))});"


@pytest.mark.parametrize("kind", KINDS)
def test_line_of_each_client_connects(kind: str, tmp_path: Path, npm_modules: NpmModules) -> None:
    """With the variables that `up --env` prints, and nothing else."""
    _each_connects(kind, kind, programs(kind, npm_modules.folder), tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_line_of_each_client_connects_where_nodes_speak_tls(
    kind: str, tmp_path: Path, npm_modules: NpmModules
) -> None:
    """With the certificates that the variables lead to. Clients check the nodes' addresses in theirs."""
    needs_tls()
    wanted = programs(kind, npm_modules.folder, tls=True)
    deployment = {"deployment": 1, "topology": {"kind": kind, "tls": True}}
    _each_connects(
        Kit(tmp_path).write("tls.yaml", yaml.safe_dump(deployment, sort_keys=False)), kind, wanted, tmp_path
    )
    assert not list(tmp_path.rglob("*.key"))


def _each_connects(target: str, kind: str, wanted: dict[str, list[str]], folder: Path) -> None:
    kit = Kit(folder)
    script = kit.write("each.py", RUNS_EACH)
    words = [target, "--backend", "process", "--", sys.executable, script, json.dumps(wanted)]
    ran: subprocess.CompletedProcess[str] = kit.run("with", *words)
    assert ran.returncode == 0, ran.stderr
    answers = {client: (out, problem) for client, out, problem in map(json.loads, ran.stdout.splitlines())}
    assert answers.keys() == wanted.keys()
    for client, (out, problem) in answers.items():
        address = client == "redis-cli" and kind == "sentinel"
        assert len(out.splitlines()) == 2 if address else out in {"OK", "True", "true"}, (
            client,
            out,
            problem,
        )
