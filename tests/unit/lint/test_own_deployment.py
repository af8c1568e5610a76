"""Proofs on the files that were given: they become a deployment that can be run, with what they differ in."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from harness import lint
from harness.cli import main
from harness.model.results import SuiteResult
from harness.model.words import Verdict
from harness.run import RunRequest
from harness.running.selection import scenario_files
from harness.running.vocabulary import shipped
from harness.scenario import load_deployment
from tests.builders_results import result, suite
from tests.unit.lint.cases import CASES, PROXY, SENTINEL, Files

VOCABULARY = shipped()
OWN = [rule.name for rule in lint.RULES if rule.proof is not None and rule.proof.own_files]
OF_NODES = [
    (name, case.wrong)
    for name in OWN
    for case in CASES[name]
    if not any(file.endswith((".yml", ".yaml")) for file in case.wrong)
]
FRONT = "frontend redis\n  bind *:6379\n  default_backend {}\n"
"""The cases of rules about proxies are parts of a configuration."""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def deployed(files: Files) -> Path:
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    path = Path("of-these.yaml")
    given = lint.read([Path(name) for name in files], VOCABULARY)
    path.write_text(lint.deployment_of(given), encoding="utf-8")
    return path


def topology(files: Files) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(deployed(files).read_text())["topology"]
    return found


@pytest.mark.parametrize(
    ("name", "files"), OF_NODES, ids=[f"{n}-{name}" for n, (name, _) in enumerate(OF_NODES)]
)
def test_files_of_a_finding_become_a_deployment_that_is_read(name: str, files: Files) -> None:
    """Whichever rule asks for its proof."""
    if text := files.get("haproxy.cfg"):
        files = {"haproxy.cfg": text + FRONT.format(re.findall(r"(?m)^backend (.+)", text)[-1])}
    deployment = load_deployment(deployed(files))
    assert deployment.topology.sentinels >= 2, name


def test_nodes_keep_what_they_say_about_log_ins_in_their_own_way() -> None:
    """The primary's file is for all; a line that another one lacks is empty there. Passwords are not copied
    where another word says the same."""
    found = topology(
        {
            "b.conf": "replicaof 10.0.0.1 6379\nrequirepass y\n",
            "a.conf": "requirepass x\nmasterauth x\n",
            "s1.conf": SENTINEL + "requirepass p\n",
            "s2.conf": SENTINEL + "requirepass q\n",
        }
    )
    assert str(found["redis_conf"]).endswith("/a.conf")
    assert (found["replicas"], found["sentinels"]) == (1, 2)
    assert found["nodes"] == {
        "redis-2": {"requirepass": "other-1", "masterauth": '""'},
        "sentinel-2": {"requirepass": "other-1"},
    }
    swapped = topology({"a.conf": "requirepass x\nmasterauth z\n", "b.conf": "requirepass z\nmasterauth x\n"})
    assert swapped["nodes"] == {"redis-2": {"requirepass": "z", "masterauth": "x"}}


def test_clients_log_in_by_a_user_of_their_own_where_the_default_user_is_off() -> None:
    """Not by that of the replicas, if there is another one."""
    users = "user default off\nuser repl on >r ~* &* +@all\nuser app on >a ~* +@all\nuser gone off >g\n"
    files = {"redis.conf": "masterauth r\nmasteruser repl\n", "users.acl": users}
    assert yaml.safe_load(deployed(files).read_text())["client"] == {"user": "app"}
    on = users.replace("default off", "default on nopass")
    assert "client" not in yaml.safe_load(deployed({**files, "users.acl": on}).read_text())


def test_a_proxy_has_as_many_nodes_behind_it_as_servers() -> None:
    """And the file itself."""
    found = topology({"haproxy.cfg": PROXY})
    assert found["replicas"] == 1
    assert str(found["haproxy_cfg"]).endswith("/haproxy.cfg")


def test_each_proof_is_run_once_with_the_file_that_it_is_about() -> None:
    """A deployment is run as it is; files of nodes are made one."""
    Path("ours.yaml").write_text(
        "deployment: 1\nname: ours\ntopology:\n  kind: sentinel\n  redis: {requirepass: x, masterauth: y}\n"
    )
    Path("a.conf").write_text("requirepass x\nmasterauth y\n")
    for files, made in ((["ours.yaml"], "ours.yaml"), (["a.conf"], "")):
        given = lint.read([Path(one) for one in files], VOCABULARY)
        findings = lint.check(given)
        own = [(proof, file) for proof, file in lint.proofs(findings, given) if proof.own_files]
        assert [file for _, file in own] == [made], findings
    (proof, _) = own[0]
    assert proof.command("runs/mine.yaml") == "failover-kit run sentinel/01 runs/mine.yaml"


def test_the_verb_runs_the_proof_on_the_deployment_that_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And says so; a scenario of the user's own is run as it is, and a proof that cannot be run is said."""
    asked: list[RunRequest] = []

    def run(request: RunRequest, *_: object, **__: object) -> SuiteResult:
        asked.append(request)
        return suite(result(Verdict.FAIL))

    monkeypatch.setattr("harness.run.run", run)
    Path("a.conf").write_text("requirepass x\nmasterauth y\n")
    assert main(["lint", "--prove", "--out", str(tmp_path / "o"), "a.conf"]) == 1
    made = tmp_path / "o" / "lint-deployment.yaml"
    assert f"proof: failover-kit run sentinel/01 {made}" in capsys.readouterr().out
    assert asked[0].choice.deployments == (made,)
    assert [one.stem[:2] for one in asked[0].choice.files] == ["01"]
    assert load_deployment(made).name == "the files given to lint"

    (shipped_one,) = scenario_files("sentinel/01")
    own = shipped_one.read_text().replace(
        "{kind: sentinel,", "{kind: sentinel, redis: {requirepass: x, masterauth: y},"
    )
    Path("mine.yaml").write_text(own)
    assert main(["lint", "--prove", "mine.yaml"]) == 1
    assert (asked[1].choice.files, asked[1].choice.deployments) == ((Path("mine.yaml"),), ())
