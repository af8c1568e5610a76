"""`FAILOVER_CONTROL`: a command of somebody's own breaks and heals real nodes by calls, through the real command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.control.openapi import description
from tests.builders_kit import Kit, processes_of

pytestmark = pytest.mark.process

OVERHEAD_S = 0.5
"""What a call may take beyond the fault's own time on a machine that is busy with other tests; quiet it is a
few milliseconds, and `make bench` says how many."""

CALLS = """
import json, os, sys, time, urllib.error, urllib.request

def call(method, path, body=None, token=os.environ["FAILOVER_CONTROL_TOKEN"]):
    data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}"}
    asked = urllib.request.Request(os.environ["FAILOVER_CONTROL"] + path, data, headers, method=method)
    began = time.monotonic()
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            said = answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        said = refused.code, json.load(refused)
    print(json.dumps([f"{method} {path}", *said, time.monotonic() - began]), flush=True)

for line in json.loads(sys.argv[1]):
    call(*line)
"""


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def called(kit: Kit, topology: str, *calls: list[Any]) -> tuple[list[Any], subprocess.CompletedProcess[str]]:
    """Each call with its status, answer and time, as the command saw them."""
    script = kit.write("calls.py", CALLS)
    words = [topology, "--backend", "process", "--", sys.executable, script, json.dumps(calls)]
    ran = kit.run("with", *words)
    assert not list(processes_of(kit.runs))
    return [json.loads(line) for line in ran.stdout.splitlines()], ran


def test_command_breaks_and_heals_by_calls(kit: Kit) -> None:
    """Each answer has its proof; events are awaited; what a call adds to a fault's own time is small."""
    answers, ran = called(
        kit,
        "sentinel",
        ["POST", "/inject", {"pause": "primary"}],
        ["GET", "/wait/promoted?within=30s"],
        ["POST", "/heal"],
        ["POST", "/inject", {"kill": "redis-3"}],
        ["POST", "/inject", {"after": "fault 2 + 300ms", "restart": "killed"}],
        ["GET", "/status"],
    )
    assert ran.returncode == 0, ran.stderr
    assert [one[1] for one in answers] == [200] * 6, answers
    paused, promoted, healed, killed, restarted, status = (one[2] for one in answers)
    assert paused["nodes"] == ["redis-1"]
    assert "frozen: redis-1" in paused["proof"]
    assert paused["effect_s"] - paused["asked_s"] < OVERHEAD_S
    assert promoted["event_s"] > paused["effect_s"]
    assert [one["kind"] for one in healed["healed"]] == ["pause"]
    assert killed["nodes"] == ["redis-3"], "by its own name, whatever its role"
    assert answers[3][3] < OVERHEAD_S + killed["effect_error_s"]
    assert 0.3 <= restarted["started_s"] - killed["effect_s"] < 0.3 + OVERHEAD_S
    assert len(status["nodes"]) == 6
    assert [one["state"] for one in status["faults"]] == ["healed", "effect", "effect"]
    schemas = description()
    answer = schemas["paths"]["/status"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(status, {**answer, "components": schemas["components"]})
    assert "fault 1 effect: redis-1: frozen" in ran.stderr
    assert "failover 1 of shard 1, from fault 1" in ran.stderr
    agreed = [line for line in ran.stderr.splitlines() if "redis-1: agreed" in line]
    assert len(agreed) == 1, "once, though each sentinel says it"


def test_mistaken_calls_leave_the_run_alone(kit: Kit) -> None:
    """A wrong token, a node that is not ours, no JSON, no such fault, nothing to see: one error each."""
    answers, ran = called(
        kit,
        "single",
        ["GET", "/status", None, "wrong"],
        ["POST", "/inject", {"kill": "redis-7"}],
        ["GET", "/wait/promotion"],
        ["POST", "/inject", {"kil": "primary"}],
        ["POST", "/inject", {"kill": "replica"}],
        ["POST", "/inject", {"restart": "killed"}],
        ["GET", "/wait/promoted?within=100ms"],
        ["GET", "/status"],
    )
    assert [one[1] for one in answers] == [401, 404, 404, 422, 422, 409, 504, 200]
    assert all(list(one[2]) == ["error"] for one in answers[:-1])
    assert "found 'redis-7'" in answers[1][2]["error"]
    assert ran.returncode == 0, "its own test knows what became of each call"
    assert "Traceback" not in ran.stderr


def test_fault_that_stands_is_healed_when_the_command_ends(kit: Kit) -> None:
    """Nothing stays frozen or down when the nodes go."""
    _, ran = called(kit, "single", ["POST", "/inject", {"pause": "primary"}])
    assert ran.returncode == 0, ran.stderr
    assert "fault 1 healed: answering: redis-1" in ran.stderr
