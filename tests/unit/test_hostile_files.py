"""Files, settings and words that nobody should write: one clear message, at once, and never a crash."""

from __future__ import annotations

import json
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from harness import cli, output
from harness.errors import UsageError
from harness.model.scenario import Scenario
from harness.running import selection
from harness.running.compiling import compile_all
from harness.running.ground import ground_for_planning
from harness.running.vocabulary import shipped
from harness.scenario import fault_words, load, load_deployment, load_live_fault
from tests.builders_kit import ROOT
from tests.share import examples, times

WITHIN_S = 5.0
"""One second on an idle machine; tests may share theirs."""

GOOD = """\
scenario: 1
name: quiet
deployment: {topology: {kind: sentinel}}
workload: {rate: 50/s, users: 5, mix: {read: 1}}
faults:
  - {after: 1s, kill: primary}
"""

MANY = "9" * 5000
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{one}: &{one} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, one in zip("abcdefgh", "bcdefghi", strict=True)
)

FILES: dict[str, tuple[bytes, str]] = {
    "control character": (
        GOOD.replace("quiet", "qui\x1b[2Jet").encode(),
        ":2: expected text, found the control",
    ),
    "control character as an escape": (
        GOOD.replace("quiet", '"\\e[2J"').encode(),
        ":2: not YAML: expected text, found the control character 0x1b",
    ),
    "half a character": (GOOD.replace("quiet", '"\\ud800"').encode(), ":2: not YAML: expected text"),
    "character that does not exist": (GOOD.replace("quiet", '"\\U00110000"').encode(), ":2: not YAML"),
    "null bytes": (
        GOOD.replace("quiet", "q\0").encode(),
        ":2: expected text, found the control character 0x0",
    ),
    "5,000 digits for a count": (
        GOOD.replace("users: 5", f"users: {MANY}").encode(),
        ":4: not YAML: expected a value",
    ),
    "4,000 digits for a count": (
        GOOD.replace("users: 5", f"users: {MANY[:4000]}").encode(),
        ":4: workload.users",
    ),
    "5,000 digits for a time": (GOOD.replace("1s", f"{MANY}s").encode(), ":6: not YAML: expected a value"),
    "400 digits for a time": (
        GOOD.replace("1s", f"{MANY[:400]}s").encode(),
        ":6: faults.0.after: expected a time",
    ),
    "400 digits for a rate": (
        GOOD.replace("50/s", f"{MANY[:400]}/s").encode(),
        ":4: workload.rate: expected a rate",
    ),
    "400 digits for a weight": (
        GOOD.replace("read: 1", f"read: {MANY[:400]}").encode(),
        ":4: workload.mix.read",
    ),
    "400 digits for a web server": (
        GOOD.replace("kill: primary", f"kill web server: web-{MANY[:400]}").encode(),
        ":6: faults.0.kill web server: there is no web-999",
    ),
    "1e400": (GOOD.replace("50/s", "1e400/s").encode(), ":4: workload.rate: expected a rate"),
    "not a number": (GOOD.replace("50/s", ".nan").encode(), ":4: workload.rate: expected a rate"),
    "a thousand years": (GOOD.replace("1s", "365001d").encode(), ":6: faults.0.after: expected a time"),
    "bound of 400 digits": (
        f"{GOOD}expect:\n  failovers: {MANY[:400]}\n".encode(),
        ":8: expect.failovers: expected a bound",
    ),
    "20,000 brackets": (
        f"scenario: 1\nname: {'[' * 20_000}".encode(),
        ":2: not YAML: nested more than 30 deep",
    ),
    "20,000 braces": (
        f"scenario: 1\nname: {'{a: ' * 15_000}".encode(),
        ":2: not YAML: nested more than 30 deep",
    ),
    "20,000 dashes": (
        f"scenario: 1\nname:\n{'- ' * 20_000}".encode(),
        ":3: not YAML: nested more than 30 deep",
    ),
    "kind twice": (
        GOOD.replace("kind: sentinel", "kind: single, kind: cluster").encode(),
        ":3: deployment.topology: duplicate key 'kind'; it is already at",
    ),
    "directive twice": (
        GOOD.replace("kind: sentinel", "kind: sentinel, redis: {hz: 1, hz: 2}").encode(),
        ":3: deployment.topology.redis: duplicate key 'hz'",
    ),
    "behaviour twice": (
        GOOD.replace("read: 1", "read: 1, read: 2").encode(),
        ":4: workload.mix: duplicate key 'read'",
    ),
    "fault twice": (
        GOOD.replace("kill: primary", "kill: primary, kill: replica").encode(),
        ":6: faults.0: duplicate",
    ),
    "expectation twice": (
        f"{GOOD}expect:\n  failovers: 1\n  failovers: 2\n".encode(),
        ":9: expect: duplicate key",
    ),
    "Latin-1": (GOOD.replace("quiet", "tr\xe8s").encode("latin-1"), ":2: cannot be read: expected UTF-8"),
    "UTF-16": (GOOD.encode("utf-16"), ":1: cannot be read: expected UTF-8, found UTF-16"),
    "UTF-32": (GOOD.encode("utf-32"), ":1: cannot be read: expected UTF-8, found UTF-32"),
    "10 MB": (b"#" * 10_000_000, "expected at most 1048576 bytes, found 10000000"),
    "64 kB of unknown keys": (
        GOOD.encode() + b"".join(b"key%d: 1\n" % n for n in range(5000)),
        "only the first 50 problems are shown",
    ),
    "1,000 faults": (
        GOOD.encode() + b"  - {after: 1s, kill: primary}\n" * 1000,
        ":6: faults: expected at most 100",
    ),
    "bomb of aliases": (BOMB.encode(), "expected 'scenario: 1' as the first key"),
    "bomb as a value": (f"{GOOD}about: &a [{BOMB[3:40]}, *a]".encode(), ":7"),
    "alias of itself": (
        f"{GOOD}tags: &a [*a, *a]\n".encode(),
        ":7: tags.0: expected some text, found a list",
    ),
    "unknown anchor": (GOOD.replace("quiet", "*nowhere").encode(), ":2: not YAML: found undefined alias"),
    "tab": (GOOD.replace("  - {after", "\t- {after").encode(), "indent with spaces"),
    "two documents": (f"{GOOD}---\n{GOOD}".encode(), ":7: not YAML"),
    "key of 60 kB": (f"{GOOD}{'k' * 60_000}: 1\n".encode(), ":7: not YAML"),
    "key of 3 kB": (f"{GOOD}{'k' * 3_000}: 1\n".encode(), ":7: not YAML"),
    "quoted key of 3 kB": (f"{GOOD}? {'k' * 3_000}\n: 1\n".encode(), ":7: unknown key 'kkk"),
    "list as a key": (f"{GOOD}? [a, b]\n: 1\n".encode(), ":7: expected a word as key, found a list"),
    "version of YAML": (f"%YAML 9{MANY}.1\n---\n{GOOD}".encode(), ":1: not YAML"),
}


@pytest.mark.parametrize(("content", "says"), FILES.values(), ids=FILES)
def test_hostile_scenario_is_one_clear_error(content: bytes, says: str, tmp_path: Path) -> None:
    """Its line, what was expected and what was found, shortly, and at once."""
    path = tmp_path / "hostile.yaml"
    path.write_bytes(content)
    began = time.monotonic()
    with pytest.raises(UsageError) as caught:
        load(path, shipped())
    assert time.monotonic() - began < WITHIN_S
    said = str(caught.value).replace(str(path), "hostile.yaml")
    assert says in said, said
    assert all(line.startswith(("hostile.yaml:", "and more")) for line in said.splitlines()), said
    assert max(map(len, said.splitlines())) < 1500, "a message quotes, it does not repeat a file"


def test_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    """Some editors write one; the file means the same, and is still known for a scenario."""
    path = tmp_path / "marked.yaml"
    path.write_bytes(GOOD.encode("utf-8-sig"))
    assert load(path, shipped()).name == "quiet"
    assert selection.scenario_files(str(tmp_path)) == [path]


def _pipe(path: Path) -> Path:
    os.mkfifo(path)
    return path


PLACES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "folder": (lambda folder: folder, "cannot be read: expected a file, found a folder"),
    "pipe": (lambda folder: _pipe(folder / "pipe.yaml"), "cannot be read: expected a file, found a pipe"),
    "endless device": (lambda _: Path("/dev/zero"), "cannot be read: expected a file, found a device"),
    "nothing": (lambda folder: folder / "nothing.yaml", "cannot be read: No such file or directory"),
    "endless name": (lambda folder: folder / ("n" * 5000), "cannot be read: File name too long"),
    "name that is no UTF-8": (
        lambda folder: folder / "n\udcff.yaml",
        "expected a file name of printable UTF-8",
    ),
    "name that moves the cursor": (
        lambda folder: folder / "\x1b[2J.yaml",
        "expected a file name of printable UTF-8",
    ),
}


@pytest.mark.parametrize(("make", "says"), PLACES.values(), ids=PLACES)
def test_what_is_no_file_is_refused_at_once(make: Callable[[Path], Path], says: str, tmp_path: Path) -> None:
    """As a scenario and as a deployment; nothing is waited for."""
    path = make(tmp_path)
    for read in (lambda: load(path, shipped()), lambda: load_deployment(path)):
        with pytest.raises(UsageError, match=says):
            read()


def test_pipe_in_a_folder_is_passed_by(tmp_path: Path) -> None:
    """A folder of scenarios may hold what would be waited for."""
    _pipe(tmp_path / "pipe.yaml")
    (tmp_path / "good.yaml").write_text(GOOD)
    assert selection.scenario_files(str(tmp_path)) == [tmp_path / "good.yaml"]


# ---------------------------------------------------------------- thousands of changed files

PIECES = (
    *(
        "[",
        "]",
        "{",
        "}",
        ":",
        ": ",
        "- ",
        "\n",
        "\n  ",
        "\t",
        "#",
        "&a ",
        "*a ",
        "!!x ",
        "|",
        ">",
        "'",
        '"',
        "%",
        "<<",
    ),
    *(
        "0",
        "-1",
        "1e400",
        ".nan",
        ".inf",
        MANY[:4001],
        MANY[:300],
        "1" * 16,
        "1_000",
        "0x10",
        "٣",
        "99999999999d",
    ),
    *(
        "\x00",
        "\x1b[2J",
        "\x85",
        "\u2028",
        "\ufeff",
        "\ud7ff",
        "é",
        "😀",
        '"\\ud800"',
        '"\\x00"',
        '"\\U00110000"',
    ),
    *(
        "null",
        "~",
        "yes",
        "primary",
        "web-1",
        "shard 2",
        "fault 1",
        "promoted + 2s",
        "cluster",
        "single",
        "5s",
        "80%",
    ),
)
SHIPPED = sorted((ROOT / "scenarios").glob("*/*.yaml"))


def _mutations(seed: int, count: int) -> Iterator[str]:
    """Shipped scenarios with pieces put in, left out, swapped and repeated."""
    dice = random.Random(seed)
    texts = [path.read_text() for path in SHIPPED]
    for _ in range(count):
        text = dice.choice(texts)
        for _ in range(dice.choice((1, 1, 1, 2, 5))):
            begin = dice.randrange(len(text) + 1)
            end = min(len(text), begin + dice.choice((0, 1, 3, 20, 200)))
            piece = dice.choice(
                (dice.choice(PIECES), dice.choice(texts)[begin : begin + 30], text[begin:end] * 2, "")
            )
            text = text[:begin] + piece + text[end:]
        yield text


def _planned(scenario: Scenario) -> None:
    ground = ground_for_planning("process")
    compile_all([scenario], seed=1, ground=ground)


def test_changed_scenarios_are_read_or_refused(tmp_path: Path) -> None:
    """Seeded changes of the shipped files: a plan, or lines with their place; no third outcome."""
    path = tmp_path / "changed.yaml"
    count, refused, unplaced = times(400, 50), 0, list[str]()
    for text in _mutations(seed=7, count=count):
        path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
        began = time.monotonic()
        try:
            _planned(load(path, shipped()))
        except UsageError as problem:
            refused += 1
            unplaced += [str(problem)] if not str(problem).startswith(f"{path}:") else []
        assert time.monotonic() - began < WITHIN_S, text
    assert unplaced == []
    assert count / 4 < refused < count, "the changes neither all break the files nor leave them all alone"


KEYS = (
    "workload.rate",
    "workload.users",
    "deployment.topology.kind",
    "faults.0.after",
    "expect.failovers",
    "name",
    "x.y",
)


@examples(150, 20)
@given(key=st.sampled_from(KEYS) | st.text(max_size=40), value=st.sampled_from(PIECES) | st.text(max_size=60))
@example(key=".".join("a" * 5000), value="1")
@example(key="faults." + MANY, value="1")
@example(key="faults.٣", value="1")
@example(key="name", value='"' + "[" * 20_000)
@example(key="name", value="[" * 20_000)
def test_settings_are_taken_or_refused(key: str, value: str) -> None:
    """`--set` of anything."""
    assert _longest_line(lambda: _planned(load(SHIPPED[0], shipped(), overrides=[f"{key}={value}"]))) < 1500


def _longest_line(attempt: Callable[[], object]) -> int:
    """Of the message, if there is one. Whatever else is raised fails the test."""
    try:
        attempt()
    except UsageError as problem:
        return max(map(len, str(problem).splitlines()))
    return 0


FAULT_PIECES = (
    "kill: primary",
    "isolate: primary",
    "for: 3s",
    "restart: killed",
    "with: web-1",
    ", ",
    "after: 1s",
    "when:",
)


@examples(150, 20)
@given(st.lists(st.sampled_from(FAULT_PIECES + PIECES) | st.text(max_size=8), max_size=6).map("".join))
@example("")
@example("{" * 20_000)
@example("kill: " + MANY)
@example("kill web server: web-" + MANY[:3900])
@example("kill: shard " + MANY[:3900] + " primary")
def test_faults_by_hand_are_taken_or_refused(text: str) -> None:
    """What the control interface is given, as text."""
    around = load(ROOT / "scenarios" / "cluster" / "01-primary-killed-other-shards-serve.yaml", shipped())

    def read() -> None:
        load_live_fault(json.dumps({"after": "0s", **fault_words(text)}), 1, around, shipped())

    assert _longest_line(read) < 1500


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kil: primary", "fault:1: expected one fault, found 'kil'; did you mean 'kill'?"),
        ("pause: primary, for: 1ms", "fault:1: for: expected at least 200ms"),
        ("kill: primry", "fault:1: kill: expected"),
        ("kill: primary, repeat: 2, every: 3s", "fault:1: repeat: only a scenario's list"),
    ],
)
def test_what_is_wrong_with_a_fault_by_hand_has_no_place_in_a_list(text: str, said: str) -> None:
    """Nobody wrote a list: `faults.2` would send people to search for one."""
    around = load(ROOT / "scenarios" / "sentinel" / "01-primary-killed-replica-promoted.yaml", shipped())
    with pytest.raises(UsageError, match=re.escape(said)):
        load_live_fault(json.dumps({"after": "0s", **fault_words(text)}), 3, around, shipped())


VERBS = (
    "run",
    "list",
    "plan",
    "judge",
    "show",
    "why",
    "history",
    "status",
    "inject",
    "down",
    "prune",
    "--help",
    "clean",
)
OPTIONS = (
    "--scenario",
    "--suite",
    "--backend",
    "--seed",
    "--deployment",
    "--set",
    "--jobs",
    "--out",
    "--run",
    "--keep",
)
VALUES = (
    "",
    "nowhere",
    ".",
    "/dev/null",
    "process",
    "-1",
    "0",
    MANY,
    "**",
    "[",
    "**x",
    "core",
    "sentinel/01",
    "a=b",
    "\udcff",
)


@examples(120, 8)
@given(
    st.lists(
        st.sampled_from(VERBS[:8])
        | st.sampled_from(OPTIONS)
        | st.sampled_from(VALUES)
        | st.text(max_size=10),
        max_size=5,
    ),
    st.sampled_from(("plan", "list", "show", "judge", "why", "history", "prune")),
)
def test_command_lines_end_with_a_status(words: list[str], verb: str) -> None:
    """Whatever is typed to a verb that starts nothing: a status of the table, and no crash."""
    crashes: list[BaseException] = []
    with tempfile.TemporaryDirectory() as empty, pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "report_crash", crashes.append)
        patch.chdir(empty)
        patch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
        try:
            status = cli.main([verb, *words])
        except SystemExit as ended:  # argparse
            status = int(str(ended.code))
    assert not crashes, (verb, words)
    assert status in {0, 1, 2, 3, 4}
