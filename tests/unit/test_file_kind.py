"""Files recognised by content, and what a verb that expected something else says of them. No nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import cli
from harness.errors import ExitStatus, UsageError
from harness.kit_files import kit_root
from harness.scenario import load_deployment
from harness.scenario.file_kind import FileKind, kind_of
from harness.scenario.source import CONF_MAX, SIZE_MAX

KINDS = {
    FileKind.SCENARIO: ["# x\nscenario: 1\nname: [\n", "{scenario: 1}\n"],
    FileKind.DEPLOYMENT: ["---\ndeployment: 1\n"],
    FileKind.REDIS_CONF: [
        "bind 10.0.0.1\nmaxmemory 1gb\n",
        "# only one\nreplicaof a 6379\n",
        "MaxMemory 1gb\nmaxmemroy 2gb\n",
    ],
    FileKind.SENTINEL_CONF: ["port 26379\nsentinel monitor a b 1 2\n", "SENTINEL myid x\n"],
    FileKind.USERS_ACL: ["user default off\nuser a on nopass +@all\n"],
    FileKind.COMPOSE: ["x: &a {}\nservices:\n  a: {}\n", '{"name": "a", "services": {}}\n'],
    FileKind.HAPROXY: [
        "global\n  daemon\nbackend nodes\n  server a 1.2.3.4:1\n",
        "listen redis # x\n  mode tcp\n",
    ],
    FileKind.HELM_VALUES: ["architecture: replication\nsentinel:\n  enabled: true\n"],
    FileKind.KUBERNETES: ["apiVersion: v1\nkind: ConfigMap\n"],
    FileKind.OTHER: ["", "hello world\n", "name: x\nscenario: 1\n", "a: 1\nb: 2\n"],
}


@pytest.mark.parametrize(("kind", "text"), [(kind, text) for kind, texts in KINDS.items() for text in texts])
def test_kind_is_told_by_content(kind: FileKind, text: str) -> None:
    """Also of a file that has a mistake in it."""
    assert kind_of(text) is kind


def test_name_decides_only_where_the_content_says_nothing() -> None:
    """An empty redis.conf is one; a scenario of that name is a scenario."""
    assert kind_of("# nothing\n", "redis.conf") is FileKind.REDIS_CONF
    assert kind_of("scenario: 1\n", "redis.conf") is FileKind.SCENARIO
    assert kind_of("", "redis.conf.bak") is FileKind.OTHER


def test_the_kits_own_files_are_recognised() -> None:
    """Configurations, Compose files and scenarios that it ships."""
    root = kit_root()
    for folder, kind in (("compose/*.yaml", FileKind.COMPOSE), ("scenarios/*/*.yaml", FileKind.SCENARIO)):
        found = {path: kind_of(path.read_text(encoding="utf-8")) for path in root.glob(folder)}
        assert set(found.values()) == {kind}
    for name, kind in (
        ("sentinel/redis.conf", FileKind.REDIS_CONF),
        ("sentinel/sentinel.conf", FileKind.SENTINEL_CONF),
        ("cluster/redis.conf", FileKind.REDIS_CONF),
    ):
        assert kind_of((root / name).read_text(encoding="utf-8")) is kind


@pytest.mark.parametrize("verb", ["run", "plan", "up"])
@pytest.mark.parametrize(
    "kind",
    [FileKind.REDIS_CONF, FileKind.SENTINEL_CONF, FileKind.USERS_ACL, FileKind.COMPOSE, FileKind.HAPROXY,
     FileKind.HELM_VALUES, FileKind.KUBERNETES],
)  # fmt: skip
def test_verb_answers_with_the_line_that_uses_the_file(
    verb: str,
    kind: FileKind,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line: where, what was expected, what it is, what to do."""
    monkeypatch.chdir(tmp_path)
    Path("given.txt").write_text(KINDS[kind][0], encoding="utf-8")
    assert cli.main([verb, "given.txt"]) == ExitStatus.USAGE
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"failover-kit: given.txt:1: expected a scenario, found {kind}: ")
    assert "failover-kit lint" in line


def test_a_whole_redis_conf_is_recognised_whatever_its_size(tmp_path: Path) -> None:
    """The one that is shipped with Redis is longer than any scenario."""
    path = tmp_path / "redis.conf"
    path.write_text("# a comment\n" * (SIZE_MAX // 10) + "maxmemory 1gb\n", encoding="utf-8")
    assert SIZE_MAX < path.stat().st_size < CONF_MAX
    with pytest.raises(UsageError, match=r"redis\.conf:1: expected a deployment file, found a redis\.conf"):
        load_deployment(path)
