"""Many runs over engines that are one swarm, one of which dies: `make test-machines`.

The trap: host c is gone afterwards, so whatever else needs it comes before.
"""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from harness.cli import main
from harness.errors import ExitStatus
from harness.jobs.ledger import Ledger
from harness.model.hosts import NAMED
from harness.model.words import Verdict
from harness.saved import load
from harness.topology.machines import hosts
from lab.machines import engines
from tests.builders_topology import kit_image_needed

pytestmark = pytest.mark.docker

MATRIX = """\
matrix: 1
name: a web server dies
scenarios: [single/01]
set: {workload.rate: 30/s, workload.users: 20, duration: 5s}
repeat: 12
"""
SHARDS = 6
ENDS_WITHIN_S = 1800


@pytest.mark.skipif(NAMED not in os.environ, reason=f"{NAMED} names no engines: make test-machines")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_matrix_over_machines_ends_with_every_run_though_one_dies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its shard is run again elsewhere and said; what it comes to is a page to decide by; no host keeps anything."""
    found = hosts.named()
    if len(found) < 3:
        pytest.skip(f"two of three hosts are to live on, and {NAMED} names {len(found)}")
    kit_image_needed()
    (tmp_path / "m.yaml").write_text(MATRIX)
    results = tmp_path / "runs" / "latest"
    words = ["run", "m.yaml", "--submit", "swarm", "--seed", "1", "--shards", str(SHARDS)]
    command = [sys.executable, "-P", "-m", "failover_kit", *words]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert running.stdout is not None
        limit = threading.Timer(ENDS_WITHIN_S, running.kill)
        limit.start()
        said: list[str] = []
        for line in running.stdout:
            said.append(line)
            if line.rstrip().endswith("running on host c") and "c" in found:
                engines.kill(found.pop("c"))
        limit.cancel()
    assert main(["clean", "--hosts", ",".join(f"{name}={where}" for name, where in found.items())]) == 0
    assert " on host " not in capsys.readouterr().out  # what it finds in this machine's engine is somebody's
    gc.collect()  # the client library forgets a socket for each engine that it cannot reach
    text = "".join(said)
    assert running.returncode in {ExitStatus.PASSED, ExitStatus.INCONCLUSIVE}, text
    suite = load(results)
    assert len({one.key for one in suite.results}) == 12, text
    assert all(one.verdict in {Verdict.PASS, Verdict.INCONCLUSIVE} for one in suite.results), text
    ledger = msgspec.json.decode((results / "submitted.json").read_bytes(), type=Ledger)
    assert ledger.repeated
    for one in ledger.repeated:
        assert "host c" in one.lost[0]
        assert ledger.said_of(one) in text
    assert {one.host for one in ledger.shards} <= {"a", "b", "c"}
    assert main(["decide", str(results)]) == 0
    assert (results / "decide.html").is_file()
