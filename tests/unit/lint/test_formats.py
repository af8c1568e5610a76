"""What `lint` prints and writes, through the command itself. No nodes."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from jsonschema import Draft202012Validator

from harness import cli, lint
from harness.errors import ExitStatus
from harness.run import RunRequest
from tests.share import some
from tests.unit.lint.cases import CASES, PROXY

SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "additionalProperties": False,
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                    "tool": {
                        "type": "object",
                        "required": ["driver"],
                        "additionalProperties": False,
                        "properties": {
                            "driver": {
                                "type": "object",
                                "required": ["name", "version", "rules"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"type": "string"},
                                    "version": {"type": "string"},
                                    "rules": {
                                        "type": "array",
                                        "uniqueItems": True,
                                        "items": {"$ref": "#/$defs/rule"},
                                    },
                                },
                            }
                        },
                    },
                    "results": {"type": "array", "items": {"$ref": "#/$defs/result"}},
                },
            },
        },
    },
    "$defs": {
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": {
            "type": "object",
            "required": ["text"],
            "additionalProperties": False,
            "properties": {"text": {"type": "string", "minLength": 1}},
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "additionalProperties": False,
            "properties": {
                "id": {"type": "string"},
                "shortDescription": {"$ref": "#/$defs/message"},
                "fullDescription": {"$ref": "#/$defs/message"},
                "help": {"$ref": "#/$defs/message"},
                "defaultConfiguration": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {"level": {"$ref": "#/$defs/level"}},
                },
            },
        },
        "result": {
            "type": "object",
            "required": ["message", "ruleId", "locations"],
            "additionalProperties": False,
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": {"$ref": "#/$defs/level"},
                "message": {"$ref": "#/$defs/message"},
                "locations": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "physicalLocation": {
                                "type": "object",
                                "required": ["artifactLocation"],
                                "additionalProperties": False,
                                "properties": {
                                    "artifactLocation": {
                                        "type": "object",
                                        "additionalProperties": False,
                                        "properties": {"uri": {"type": "string", "pattern": "^[^ \\\\]+$"}},
                                    },
                                    "region": {
                                        "type": "object",
                                        "additionalProperties": False,
                                        "properties": {"startLine": {"type": "integer", "minimum": 1}},
                                    },
                                },
                            }
                        },
                    },
                },
            },
        },
    },
}
READER = Draft202012Validator(SARIF)
"""The part of the SARIF 2.1.0 format that `lint` writes: every other key would be a mistake."""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def written(name: str = "redis.conf", text: str = "timeout 1\nmaxmemroy 1\n") -> str:
    Path(name).write_text(text, encoding="utf-8")
    return name


def call(*words: str) -> int:
    try:
        return cli.main(words)
    except SystemExit as ended:  # argparse
        return int(str(ended.code))


def test_status_says_whether_anything_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    """0 nothing, 1 findings; a note is one."""
    assert call("lint", written(text="timeout 1\n")) == ExitStatus.PASSED
    assert capsys.readouterr().out == "no findings in 1 file\n"
    assert (
        call("lint", written("haproxy.cfg", PROXY.replace("  timeout tunnel 1d\n", ""))) == ExitStatus.FAILED
    )
    assert capsys.readouterr().out.endswith("1 finding in 1 file: 1 note\n")


def test_shipped_scenarios_are_known_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    """As every other verb knows them; a file that is not there is told with the one beside it."""
    assert call("lint", "shared/20") == ExitStatus.FAILED
    assert "20-lfu-forgets-users-who-do-nothing.yaml:19: warning" in capsys.readouterr().out
    written("ours.yaml", "deployment: 1\ntopology: {kind: single}\n")
    assert call("lint", "oours.yaml") == ExitStatus.USAGE
    assert "did you mean 'ours.yaml'?" in capsys.readouterr().err


def test_text_says_where_what_why_cure_and_proof(capsys: pytest.CaptureFixture[str]) -> None:
    """Each rule is explained once, however often it finds something."""
    assert (
        call("lint", written(text="maxmemory 1gb\nmaxmemory-policy allkeys-lru\nmaxmemroy 1\nmaxmemroi 2\n"))
        == 1
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == (
        "redis.conf:2: warning: redis.conf: allkeys-lru evicts sessions when the memory is full [sessions-evicted]"
    )
    assert [line.split()[0] for line in lines[1:6] if line.strip().endswith("...") or ":" in line[:11]] == [
        "why:", "cure:", "proof:",
    ]  # fmt: skip
    assert "    proof: failover-kit run shared/01" in lines
    assert sum("[unknown-directive]" in line for line in lines) == 2
    assert sum("refuses to start" in line for line in lines) == 1
    assert lines[-1] == "3 findings in 1 file: 2 errors, 1 warning"


def test_each_proof_is_run_once_and_a_finding_stays_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The scenario of each rule that found something, with the settings in question, whatever comes of it."""
    asked: list[RunRequest] = []
    monkeypatch.setattr("harness.run.run", lambda one, *_, **__: asked.append(one))
    monkeypatch.setattr("harness.report.terminal.show", lambda *_: None)
    text = "maxmemory 1gb\nmaxmemory-policy volatile-lru\nmaxmemory-policy volatile-lru\nmaxmemroy 1\n"
    assert call("lint", "--prove", "--backend", "process", written(text=text)) == ExitStatus.FAILED
    (one,) = asked
    assert [path.name for path in one.choice.files] == ["01-cache-filled-sessions-evicted.yaml"]
    assert one.choice.settings == ("deployment.topology.redis.maxmemory-policy=volatile-lru",)
    assert one.backend == "process"
    assert "proof: failover-kit run shared/01 --set" in capsys.readouterr().out


def test_sarif_is_what_a_scanner_takes(capsys: pytest.CaptureFixture[str]) -> None:
    """Keys, levels, and rules by their index; paths relative to where the command ran, as addresses."""
    Path("a b").mkdir()
    name = written("a b/redis.conf")
    assert call("lint", "--format", "sarif", name, str(Path(name).resolve())) == ExitStatus.FAILED
    document = json.loads(capsys.readouterr().out)
    READER.validate(document)
    (run,) = document["runs"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    place = run["results"][0]["locations"][0]["physicalLocation"]
    assert place == {"artifactLocation": {"uri": "a%20b/redis.conf"}, "region": {"startLine": 2}}


def test_sarif_of_nothing_is_a_whole_document(capsys: pytest.CaptureFixture[str]) -> None:
    """A scanner that gets no document keeps the findings of last time."""
    assert call("lint", "--format", "sarif", written(text="timeout 1\n")) == ExitStatus.PASSED
    document = json.loads(capsys.readouterr().out)
    READER.validate(document)
    assert document["runs"][0]["results"] == []


def test_junit_has_a_case_for_every_rule_of_every_file(capsys: pytest.CaptureFixture[str]) -> None:
    """What was looked for and not found is passed."""
    assert call("lint", "--format", "junit", written(), written("b.conf", "timeout 1\n")) == ExitStatus.FAILED
    suite = ET.fromstring(capsys.readouterr().out)
    cases = list(suite.iter("testcase"))
    assert len(cases) == int(suite.attrib["tests"]) == 2 * len(lint.RULES)
    failed = [case for case in cases if case.find("failure") is not None]
    assert [(case.get("classname"), case.get("name")) for case in failed] == [
        ("redis.conf", "unknown-directive")
    ]
    assert suite.attrib["failures"] == "1"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        (
            "notes.txt",
            "hello\n",
            "notes.txt: lint: no rules for another kind of file; expected one of: a redis.conf",
        ),
        ("values.yaml", "architecture: replication\nauth: {enabled: true}\n", "values of a Helm chart"),
        ("map.yaml", "apiVersion: v1\nkind: ConfigMap\n", "a Kubernetes manifest"),
    ],
)
def test_file_that_no_rule_knows_is_bad_usage(
    name: str, text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said, never passed over."""
    assert call("lint", written(name, text)) == ExitStatus.USAGE
    assert said in capsys.readouterr().err


def test_missing_file_and_missing_words_are_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to look at is not nothing found."""
    assert call("lint", "none.conf") == ExitStatus.USAGE
    assert "none.conf: cannot be read: No such file" in capsys.readouterr().err
    assert call("lint") == ExitStatus.USAGE
    assert call("lint", "--prove", "--format", "sarif", written()) == ExitStatus.USAGE


def test_every_case_is_written_in_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is found can be told to everybody."""
    for cases in some(CASES.values(), 6):
        for name, text in cases[0].wrong.items():
            written(name, text)
        assert call("lint", "--format", "sarif", *cases[0].wrong) == ExitStatus.FAILED
        READER.validate(json.loads(capsys.readouterr().out))
        assert call("lint", "--format", "junit", *cases[0].wrong) == ExitStatus.FAILED
        ET.fromstring(capsys.readouterr().out)
