"""Every rule on a file that has what it looks for, and on one that has not. No nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import lint
from harness.running.selection import scenario_files
from harness.running.vocabulary import shipped
from harness.scenario.overrides import apply
from harness.scenario.tree import compose_file
from tests.builders_docs import DOCUMENTS
from tests.unit.lint.cases import CASES, DEPLOYMENT, PROXY, Case, Files

VOCABULARY = shipped()
EACH = [(name, case) for name, cases in CASES.items() for case in cases]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def found(files: Files) -> tuple[lint.Finding, ...]:
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")
    return lint.check(lint.read([Path(name) for name in files], VOCABULARY))


def test_every_rule_has_a_case_and_every_case_a_rule() -> None:
    """A rule without a file that has it, and one that has not, is not tried."""
    assert list(CASES) == [rule.name for rule in lint.RULES]


@pytest.mark.parametrize(("name", "case"), EACH, ids=[f"{name}-{n}" for n, (name, _) in enumerate(EACH)])
def test_rule_finds_what_is_there_and_nothing_where_it_is_not(name: str, case: Case) -> None:
    """With its place; one thing changed, and it is gone."""
    hits = [one for one in found(case.wrong) if one.rule.name == name]
    assert [str(one.place) for one in hits][:1] == [case.place], found(case.wrong)
    assert not [one for one in found(case.right) if one.rule.name == name]


@pytest.mark.parametrize("rule", lint.RULES, ids=lambda rule: rule.name)
def test_rule_says_why_and_what_to_do_and_how_it_is_proved(rule: lint.Rule) -> None:
    """Either a scenario proves it, with settings that can be made there, or it says why none does."""
    assert rule.wrong.endswith(".")
    assert rule.why.endswith(".")
    assert rule.cure.endswith(".")
    assert (rule.proof is None) == bool(rule.no_proof)
    if rule.proof is not None:
        (path,) = scenario_files(rule.proof.scenario)
        apply(compose_file(path), rule.proof.settings)


def test_names_of_rules_are_told_apart() -> None:
    """A name is an address in reports: it is never used twice."""
    names = [rule.name for rule in lint.RULES]
    assert len(set(names)) == len(names)


SECRETS = {
    "redis.conf": "requirepass hunter2\nmasterauth hunter3\nuser a on >hunter4 +@all\nbad 'hunter5\n",
    "sentinel.conf": "sentinel monitor s h 6379 1\nsentinel auth-pass s hunter6\n",
    "docker-compose.yml": "services: {a: {image: redis, command: 'redis-server --requirepass hunter7'}}\n",
    "users.acl": "user b off >hunter8 -@all\n",
}


def test_no_format_quotes_a_password() -> None:
    """Reports go to places where nobody must read one."""
    findings = found(SECRETS)
    given = lint.read([Path(name) for name in SECRETS], VOCABULARY)
    assert len(findings) >= 5
    for said in (
        "\n".join(lint.text(findings, given)),
        lint.sarif(findings, version="1"),
        lint.junit(findings, given),
    ):
        assert "hunter" not in said


def test_a_file_that_a_project_mounts_is_read_once() -> None:
    """Given by itself too, it is the same node, not another one."""
    files = {
        "docker-compose.yml": "services: {a: {image: redis, command: redis-server /etc/r/redis.conf, volumes: ['./:/etc/r']}}\n",
        "redis.conf": "maxmemory 1gb\nmaxmemory-policy allkeys-lru\nrequirepass x\n",
    }
    names = [(one.rule.name, str(one.place)) for one in found(files)]
    assert names == [("sessions-evicted", "redis.conf:2")]


def test_masterauth_of_another_user_is_not_compared_with_requirepass() -> None:
    """It is the password of `masteruser`."""
    users = "user copier on >b +psync +replconf +ping\n"
    assert not found({"redis.conf": "requirepass a\nmasterauth b\nmasteruser copier\n", "users.acl": users})


def test_users_whose_file_was_not_given_are_not_missed() -> None:
    """Neither where the data nodes read another file, nor where the only one is the sentinels' own."""
    watcher = (
        "sentinel monitor m 10.1.2.3 6379 2\nsentinel auth-user m watcher\nsentinel auth-pass m secret\n"
    )
    files = {
        "redis.conf": "aclfile /etc/redis/users.acl\n",
        "sentinel.conf": f"{watcher}aclfile /etc/redis/sentinels.acl\n",
        "sentinels.acl": "user default off\nuser admin on >secret ~* +@all\n",
    }
    assert "user-unknown" not in {one.rule.name for one in found(files)}
    del files["redis.conf"]
    assert "user-unknown" not in {one.rule.name for one in found(files)}
    whole = {
        **files,
        "redis.conf": "aclfile /data/users.acl\n",
        "users.acl": "user app on >secret ~* +@all\n",
    }
    assert "user-unknown" in {one.rule.name for one in found(whole)}


def test_command_that_is_switched_off_has_no_name_to_be_told() -> None:
    """A deployment keeps a token in the place of its name, which is nobody's business."""
    text = f"{DEPLOYMENT}  redis: {{rename-command: 'CONFIG \"\"'}}\n"
    said = [one.said for one in found({"ours.yaml": text}) if one.rule.name == "renamed-command"]
    assert said
    assert all("CONFIG is switched off" in one for one in said)


def test_one_node_alone_needs_no_masterauth() -> None:
    """A project with a single instance never replicates."""
    alone = {"docker-compose.yml": "services: {a: {image: redis, command: redis-server --requirepass x}}\n"}
    assert not found(alone)


def test_what_is_no_redis_is_left_alone() -> None:
    """Exporters, browsers of data and one-shot helpers run beside it."""
    text = """\
services:
  exporter: {image: oliver006/redis_exporter, restart: always}
  browser: {image: redis/redisinsight}
  make: {image: 'redis:7', command: redis-cli --cluster create a b c}
  app: {image: ours, volumes: ['./app.conf:/app.conf']}
"""
    assert not found({"docker-compose.yml": text})


def test_way_to_replicas_may_spread() -> None:
    """Its readers may get any of them; only the way to the primary is judged by what writes need."""
    text = """\
backend readers
  mode tcp
  timeout tunnel 1d
  option tcp-check
  tcp-check send info\\ replication\\r\\n
  tcp-check expect string role:slave
  server r1 10.0.0.1:6379 check inter 1s fall 1
  server r2 10.0.0.2:6379 check inter 1s fall 1
"""
    assert not found({"haproxy.cfg": text})
    assert found({"haproxy.cfg": text.replace("role:slave", "role:master")})


def test_a_balance_that_no_line_names_is_said_to_be_the_default() -> None:
    """Whoever searches the file for the word finds nothing."""
    (unnamed,) = (
        one for one in found({"haproxy.cfg": PROXY.replace("  balance first\n", "")}) if "balance" in one.said
    )
    assert "balance roundrobin, the default, spreads" in unnamed.said


@pytest.mark.parametrize("digits", [5, 20, 6000])
def test_numbers_without_end_are_no_bug_of_the_kit(digits: int) -> None:
    """Python reads no number of more than 4300 digits; HAProxy refuses much shorter ones."""
    text = "backend b\n mode tcp\n option tcp-check\n tcp-check expect string role:master\n"
    for option in ("inter", "fall"):
        found({"haproxy.cfg": f"{text} server r1 10.0.0.1:6379 check {option} {'9' * digits}\n"})


def test_shipped_scenarios_have_only_what_they_mean_to_show() -> None:
    """A promise is made with settings that no rule warns of as an error."""
    files = [path for path in scenario_files(None) if "shows: promise" in path.read_text(encoding="utf-8")]
    assert len(files) > 5
    findings = lint.check(lint.read(files, VOCABULARY))
    assert [one for one in findings if one.rule.severity is lint.Severity.ERROR] == []


def row(rule: lint.Rule) -> str:
    """A rule's line in docs/lint.md."""
    proof = (
        f"`{rule.proof.command().removeprefix('failover-kit run ')}`" if rule.proof else f"– {rule.no_proof}"
    )
    return f"| `{rule.name}` | {rule.severity} | {rule.wrong} | {proof} |"


def test_document_lists_every_rule_and_no_other() -> None:
    """In the table's order; a failing test prints the lines."""
    rows = [line for line in DOCUMENTS["docs/lint.md"].splitlines() if line.startswith("| `")]
    assert rows == [row(rule) for rule in lint.RULES]
