"""The house's load-bearing walls: who may import whom, and what the pure stages never touch."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from harness.faults import FAULTS
from harness.model.words import BackendKind

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "harness"

GROUND = {
    "application",
    "costly",
    "model",
    "presets",
    "errors",
    "clock",
    "kit_files",
    "libraries",
    "objects",
    "redis_wire",
    "safe_files",
    "tasks",
    "version",
    "visible",
}
STAGES = {
    "scenario",
    "plan",
    "topology",
    "sessions",
    "guests",
    "faults",
    "observe",
    "history",
    "checks",
    "many",
    "report",
}
PURE = {"scenario", "plan", "checks", "many", "report", "model", "presets", "lint", "objects"}
KNOWS = {"report": {"many"}}
"""A stage that draws what another one works out."""
UNTOUCHABLE = {"redis", "hiredis", "docker", "subprocess", "asyncio", "socket"}
PURE_OF_THE_WIRE = {f"harness.redis_wire.{name}" for name in ("ends", "keys", "refusals", "words")}


def _modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def _stage(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


RULES_ARE_ABOUT = (
    ast.Attribute, ast.Call, ast.ClassDef, ast.Compare, ast.Constant, ast.Dict, ast.If, ast.Import, ast.ImportFrom, ast.List,
    ast.MatchValue, ast.Set, ast.Tuple,
)  # fmt: skip


@cache
def _nodes(path: Path) -> tuple[Any, ...]:
    """Those of a module that a rule is about. A walk over all of them is what these tests cost."""
    waiting: list[ast.AST] = [ast.parse(path.read_text())]
    found = []
    for node in waiting:
        if isinstance(node, RULES_ARE_ABOUT):
            found.append(node)
        for value in vars(node).values():
            if isinstance(value, ast.AST):
                waiting.append(value)
            elif isinstance(value, list):
                waiting += [one for one in value if isinstance(one, ast.AST)]
    return tuple(found)


@cache
def _imported(path: Path) -> set[str]:
    """Also inside a function, and for types alone."""
    return _named_by(_nodes(path))


@cache
def _imported_in_a_run(path: Path) -> set[str]:
    for_types = {
        id(one)
        for node in _nodes(path)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for one in node.body
    }
    return _named_by(one for one in _nodes(path) if id(one) not in for_types)


def _named_by(nodes: Iterable[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _kit_parts(path: Path) -> set[str]:
    return {name.split(".")[1] for name in _imported(path) if name.startswith("harness.")}


def test_imports_run_one_way() -> None:
    """A stage knows the ground floor and itself; the ground floor knows nobody above it."""
    for path in _modules():
        stage, parts = _stage(path), _kit_parts(path)
        if stage in GROUND:
            assert parts <= GROUND, f"{path}: the ground floor imports {parts - GROUND}"
        elif stage in STAGES:
            allowed = GROUND | {stage} | KNOWS.get(stage, set())
            assert parts <= allowed, f"{path}: a stage imports {parts - allowed}"


def test_instruments_and_tests_are_known_to_nobody_below_them() -> None:
    """The kit never imports what measures it, and what measures it never imports the tests."""
    above = {"failover_kit": {"lab", "tests"}, "harness": {"lab", "tests"}, "lab": {"tests"}}
    wrong = {
        str(path.relative_to(ROOT)): known
        for folder, never in above.items()
        for path in sorted((ROOT / folder).rglob("*.py"))
        if (known := never & {name.split(".")[0] for name in _imported(path)})
    }
    assert not wrong


@pytest.mark.parametrize("backend", ["docker", "process"])
def test_a_backend_knows_only_what_both_share(backend: str) -> None:
    """A third backend can be written without reading the other two, and `base` serves every one of them."""
    for path in sorted((PACKAGE / "topology" / backend).glob("*.py")):
        parts = {name.split(".")[2] for name in _imported(path) if name.startswith("harness.topology.")}
        assert parts <= {"base", backend}, f"{path} imports {parts}"
    for containers in ("compose", "machines"):
        for path in sorted((PACKAGE / "topology" / containers).glob("*.py")):
            parts = {name.split(".")[2] for name in _imported(path) if name.startswith("harness.topology.")}
            assert parts <= {"base", "docker", containers}, f"{path} imports {parts}"
    for path in sorted((PACKAGE / "topology" / "base").glob("*.py")):
        parts = {name.split(".")[2] for name in _imported(path) if name.startswith("harness.topology.")}
        assert parts <= {"base"}, f"{path} imports {parts}"


COSTLY = {
    "aiohttp", "docker", "hiredis", "jinja2", "numpy", "psutil", "pyarrow", "redis", "requests", "rich", "scipy",
    "shtab", "tenacity", "uvloop",
}  # fmt: skip
"""Packages that take a command longer to import than Python takes to start."""

OF_VOCABULARY = {"hiredis"}
"""What the declarations of faults, behaviours and findings need, and so whoever reads a scenario."""

IMPORTED_AT_MOST = {
    "arguments": set[str](),
    "command": set[str](),
    "calling": {"psutil"},
    "completion": {"shtab"},
    "judge": {"hiredis", "jinja2", "rich"},
    "list": {*OF_VOCABULARY, "rich"},
    "plan": OF_VOCABULARY,
    "saved": {"hiredis", "jinja2", "rich"},
}
"""A module of the command line -> the costly packages that it may import, through whatever module of the kit."""


def _file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    files = (path / "__init__.py", path.with_suffix(".py"))
    return next((one for one in files if one.is_file()), None)


def _packages_behind(module: str) -> set[str]:
    """Every package that comes with a module of the kit: by it, or by a module that it imports."""
    packages: set[str] = set()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        parts = waiting.pop().split(".")
        if parts[0] != "harness":
            packages.add(parts[0])
            continue
        for name in {".".join(parts[:n]) for n in range(1, len(parts) + 1)} - seen:
            seen.add(name)
            if (file := _file_of(name)) is not None:
                waiting += _imported_in_a_run(file)
    return packages


@pytest.mark.parametrize(("module", "at_most"), IMPORTED_AT_MOST.items())
def test_a_light_verb_starts_fast(module: str, at_most: set[str]) -> None:
    """`--help`, a misspelt option and `completion` answer at once; nobody waits for what another verb needs."""
    assert _packages_behind(f"harness.cli.{module}") & COSTLY <= at_most


def test_a_history_of_others_is_judged_without_what_judges_runs() -> None:
    """Importing that takes longer than judging a hundred thousand operations."""
    assert not _packages_behind("harness.saved.foreign") & COSTLY


def test_every_command_answers_a_misspelt_option_with_the_nearest() -> None:
    """`harness.options` has the one parser, of which no option can be shortened."""
    plain = {
        str(path.relative_to(ROOT))
        for folder in (PACKAGE, ROOT / "lab", ROOT / "failover_kit")
        for path in folder.rglob("*.py")
        if "ArgumentParser(" in path.read_text()
    }
    assert plain == set()


WAITED_FOR = {"numpy", "pyarrow", "scipy"}


def test_costly_packages_are_imported_when_they_are_used() -> None:
    """`harness.costly` has them, and nobody else."""
    importing = {
        str(path.relative_to(PACKAGE))
        for path in _modules()
        if {name.split(".")[0] for name in _imported_in_a_run(path)} & WAITED_FOR
    }
    assert importing == set()


LISTED = """
import sys
from failover_kit.start import main
sys.argv = ["failover-kit", "list", "--scenario", "single/01"]
assert main() == 0
print(sorted({"aiohttp", "docker", "jinja2", "numpy", "pyarrow", "redis", "scipy", "tenacity"} & sys.modules.keys()))
"""


def test_list_is_there_before_anything_costly_is_imported() -> None:
    """As a process finds it: whatever imports whatever, and when."""
    done = subprocess.run(
        [sys.executable, "-c", LISTED], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


WRITTEN = """
import os
from harness.costly import pa, pq
pq.write_table(pa.table({"a": pa.array(["x", "y"]).dictionary_encode()}), pa.BufferOutputStream())
print(pa.default_memory_pool().backend_name, pa.mimalloc_memory_pool().max_memory(), "ARROW_DEFAULT_MEMORY_POOL" in os.environ)
"""


def test_all_of_arrow_takes_its_memory_from_the_system() -> None:
    """What writes files too. What the kit starts is told nothing of it."""
    environment = {name: value for name, value in os.environ.items() if name != "ARROW_DEFAULT_MEMORY_POOL"}
    done = subprocess.run(
        [sys.executable, "-c", WRITTEN],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["system", "0", "False"]


def test_only_a_run_has_the_clients_of_nodes_and_containers() -> None:
    """What the walls above are there for; and the search for packages sees what there is. The client of
    containers comes with its backend alone, which is imported when it is used."""
    assert {"redis", "tenacity"} <= _packages_behind("harness.running.one_process")
    assert "docker" in _packages_behind("harness.topology.docker.backend")
    assert "docker" not in _packages_behind("harness.topology.process.backend")


def _named_in(package: Path) -> list[str]:
    """What a package's docstring lists, in its order: `name  what it is`, and `name/  …` for a room."""
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text()), clean=False) or ""
    return re.findall(r"^ *([a-z_]+)/? {2,}\S", text, re.MULTILINE)


def _is_part(path: Path) -> bool:
    return path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").exists())


def _rooms() -> list[Path]:
    return [
        PACKAGE,
        *(one.parent for one in _modules() if one.name == "__init__.py" and one.parent != PACKAGE),
    ]


def test_rooms_name_their_modules_in_reading_order() -> None:
    """The house and each of its rooms name every part once, and a part imports only what is named before it."""
    for room in _rooms():
        names = _named_in(room)
        parts = [path.stem for path in room.iterdir() if _is_part(path) and path.stem != "__main__"]
        assert sorted(names) == sorted(parts), room
        prefix = ".".join(("harness", *room.relative_to(PACKAGE).parts, ""))
        for at, name in enumerate(names):
            files = (room / name).rglob("*.py") if (room / name).is_dir() else [room / f"{name}.py"]
            for path in files:
                mine = (one.removeprefix(prefix) for one in _imported(path) if one.startswith(prefix))
                later = {one.split(".")[0] for one in mine} & set(names[at + 1 :])
                assert not later, f"{path} imports {later}, which the docstring of {room.name} names after it"


MAY_ASK_FOR_THE_KIND = {
    "model/words.py",
    "model/deployment.py",
    "presets/__init__.py",
    "scenario/deployment.py",
    "scenario/reading.py",
    "beside/nodes.py",
    "scenario/project.py",
    "topology/compose/backend.py",
    "topology/compose/found.py",
}
"""The word itself, presets, and the readers of files and commands that choose one."""


def test_kinds_of_topology_are_known_to_presets_and_readers_only() -> None:
    """Whoever else must know what a run consists of asks its inventory, which other makers make too."""
    asking = {
        str(path.relative_to(PACKAGE))
        for path in _modules()
        if "harness.model.words.TopologyKind" in _imported(path)
        or any(isinstance(node, ast.ClassDef) and node.name == "TopologyKind" for node in _nodes(path))
    }
    assert asking == MAY_ASK_FOR_THE_KIND


def test_backends_are_named_by_their_table_only() -> None:
    """Whoever else must know what a backend can do asks it; a third one needs no branch anywhere."""
    naming = {
        str(path.relative_to(PACKAGE))
        for path in _modules()
        for node in _nodes(path)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "BackendKind"
        and path.parts[-2] not in {one.value for one in BackendKind}
    }
    assert naming == {"topology/backends.py"}


def test_results_are_made_in_one_place() -> None:
    """Every result of a run comes from its constructors: skipped, failed and judged runs say the same of themselves."""
    home = PACKAGE / "model" / "results.py"
    for path in _modules():
        for node in _nodes(path):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                assert path == home or node.func.id != "ScenarioResult", f"{path}:{node.lineno}"


def test_pure_stages_touch_nothing() -> None:
    """Planning, judging and reporting work anywhere, on saved files alone."""
    for path in (one for one in _modules() if _stage(one) in PURE):
        roots = {name.split(".")[0] for name in _imported(path)}
        assert not roots & UNTOUCHABLE, f"{path} imports {roots & UNTOUCHABLE}"
        wire = {name for name in _imported(path) if name.startswith("harness.redis_wire")}
        wrong = {name for name in wire if not name.startswith(tuple(PURE_OF_THE_WIRE))}
        assert not wrong, f"{path} imports {wrong}"


WIRE = "redis_wire"
CLIENTS_UNDER_TEST = {"sessions", "libraries"}
KNOCKS_AT_THE_DOCKER_ENGINE = PACKAGE / "topology" / "docker" / "daemon.py"
PASSES_BYTES_ON = PACKAGE / "libraries" / "relayed.py"
CONNECT_ANYWHERE = {KNOCKS_AT_THE_DOCKER_ENGINE, PASSES_BYTES_ON}
TRANSLATES_OLD_DIRECTIVES = PACKAGE / "model" / "directive_table.py"
ASK_NODES = {"topology", "faults", "observe", "sessions", "running"}
PROTOCOL_WORDS = {"master", "slave", "myself", "handshake"}


def test_nobody_else_talks_to_redis() -> None:
    """Connections are opened and replies taken apart in `redis_wire` alone; the clients under test are client
    libraries, and share its words and keys."""
    for path in (one for one in _modules() if _stage(one) != WIRE):
        roots = {name.split(".")[0] for name in _imported_in_a_run(path)}
        assert _stage(path) in CLIENTS_UNDER_TEST or not roots & {"redis", "hiredis"}, path
        asks = _stage(path) in ASK_NODES
        for node in _nodes(path):
            if isinstance(node, ast.Attribute):
                opens = node.attr in {"create_connection", "open_connection"}
                assert not opens or path in CONNECT_ANYWHERE, f"{path}:{node.lineno}"
            elif isinstance(node, ast.Constant):
                word = node.value in PROTOCOL_WORDS and path != TRANSLATES_OLD_DIRECTIVES
                assert not word, f"{path}:{node.lineno}: a word of the protocol"
            elif asks and isinstance(node, ast.Call):
                apart = _takes_a_reply_apart(node)
                assert not apart, f"{path}:{node.lineno}: a reply is taken apart"


def _takes_a_reply_apart(call: ast.Call) -> bool:
    r"""`text.split("\r\n")`, `line.split(":", 1)`, `part.split("=")`, `name.startswith("slave")`."""
    if (
        not isinstance(call.func, ast.Attribute)
        or not call.args
        or not isinstance(call.args[0], ast.Constant)
    ):
        return False
    by = call.args[0].value
    return (call.func.attr == "split" and by in {"\r\n", ":", "="}) or (
        call.func.attr in {"startswith", "removeprefix"} and by in {"slave", "db", "keys="}
    )


LOSS_RULES = PACKAGE / "checks" / "promises" / "loss_rules.py"
"""What each fault may cost is arithmetic of its own, and a table by name."""
ACL_WORDS = PACKAGE / "lint" / "acl.py"
"""Redis' own categories of commands: `slow` is one of them, and the name of a fault."""


def test_nobody_goes_by_the_name_of_a_fault() -> None:
    """A comparison or a collection with a fault's name in it is something its traits should say."""
    for path in (one for one in _modules() if _stage(one) != "faults"):
        for node in () if path in {LOSS_RULES, ACL_WORDS} else _nodes(path):
            if isinstance(node, ast.Compare | ast.Set | ast.Tuple | ast.List | ast.Dict | ast.MatchValue):
                named = {one.value for one in ast.iter_child_nodes(node) if isinstance(one, ast.Constant)}
                assert not named & FAULTS.keys(), f"{path}:{node.lineno}"


def test_nothing_sleeps_outside_the_clock() -> None:
    """`time.sleep` lives in clock.py alone: everything else awaits a condition with a deadline."""
    for path in (one for one in _modules() if one.name != "clock.py"):
        for node in _nodes(path):
            if isinstance(node, ast.Attribute) and node.attr == "sleep":
                by_time = isinstance(node.value, ast.Name) and node.value.id == "time"
                assert not by_time, f"{path}:{node.lineno}"


REAL_TIME = {
    "control/test_live.py": "faults in a director's threads",
    "control/test_server.py": "calls over a socket, from another thread",
    "lab/test_mutation.py": "how long the kernel kept a process from running",
    "lab/test_weakness.py": "a proxy between two sockets of this process",
    "redis_wire/test_tls.py": "a loop that shakes hands with a server in a thread",
    "running/test_suite.py": "two interrupts, apart, for a process",
}
"""Unit tests that need a clock of this world, and what for."""


def _waits(node: ast.AST) -> bool:
    """`time.sleep`, or a loop that goes by real time."""
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in {("time", "sleep"), ("asyncio", "run"), ("asyncio", "Runner")}
    )


def test_unit_tests_wait_for_no_clock() -> None:
    """A stage that waits is tried in fake time (`tests/fake_clock.py`); nobody sits out a time-out."""
    folder = ROOT / "tests" / "unit"
    found = {
        path.relative_to(folder).as_posix(): f"line {node.lineno}"
        for path in sorted(folder.rglob("*.py"))
        if re.search(
            r"time\.sleep|asyncio\.Run|asyncio\.run", path.read_text()
        )  # reading is cheap, parsing is not
        for node in _nodes(path)
        if isinstance(node, ast.Attribute) and _waits(node)
    }
    assert found.keys() == REAL_TIME.keys(), found


MAY_BE_UNORDERED = re.compile(r"""parametrize\(\s*(?:"[^"]*"|\([^)]*\)|[\w.]+),\s*(?:\{|(?:frozen)?set\()""")
"""Reading is cheap, parsing is not."""


def test_cases_of_a_test_have_an_order() -> None:
    """Processes that share the tests out must count them alike: a set has another order in each."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        if MAY_BE_UNORDERED.search(path.read_text())
        for node in _nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "parametrize"
        and any(_unordered(one) for one in node.args[1:])
    ]
    assert not found


def _unordered(node: ast.expr) -> bool:
    called = (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"set", "frozenset"}
    )
    return called or isinstance(node, ast.Set | ast.SetComp)
