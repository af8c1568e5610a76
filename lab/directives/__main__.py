"""`python -m lab.directives`: asks every engine here for its directives, and writes the kit's table anew.

A server that is started with a wrong value in its configuration says what is wrong and ends. One whose
configuration is right ends too, as it has no port to listen at. So nothing runs, and each value takes some
milliseconds. The names come from `CONFIG GET *`, over a socket in a folder of this run.

An engine that is not here keeps what was said of it earlier. Look at `git diff` before the table is kept: a
new name belongs into `harness/model/directive_table.py`, once somebody has looked at what it can do.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import redis

from harness.clock import wait_until
from harness.model import engine_directives
from harness.model.directive_table import HARMLESS
from harness.model.engine import engine_name
from harness.options import Parser
from harness.topology.docker import backend, image
from harness.topology.process import server_programs
from lab.command import as_command
from lab.directives.answers import WRONG, form, further_probes, unknown
from lab.rows import ROOT

TABLE = ROOT / "harness" / "model" / "engine_directives.py"

_WITHIN_S = 300.0
_MARK = "=== "
_RUN = (
    'cd "$1"; for file in *.conf; do echo "=== $file"; timeout 10 "$2" "$file" 2>&1 | '
    "grep -a -A1 -e '^>>> ' -e 'Module Configuration detected' | tail -n 1; done"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Program:
    """How an engine's server is started: here, or in a container that shares one folder."""

    name: str
    server: str
    inside: tuple[str, ...] = ()


def main() -> int:
    parser = Parser(prog="python -m lab.directives", description=__doc__)
    parser.add_argument("--engine", action="append", help="only this one, e.g. valkey-9.1; repeatable")
    wanted = parser.parse_args().engine
    kept = {name: dict(forms) for name, forms in engine_directives.BY_ENGINE.items()}
    for program in (one for one in _programs() if not wanted or one.name in wanted):
        print(f"{program.name}: asking", flush=True)
        kept[program.name] = _directives_of(program)
        print(f"{program.name}: {len(kept[program.name])} directives", flush=True)
    TABLE.write_text(_as_module(kept), encoding="utf-8")
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", TABLE], check=True)
    return 0


def _programs() -> list[_Program]:
    """Each engine once; as a program where it is one, as that is faster."""
    found = {
        (name := engine_name(one.version)): _Program(name=name, server=str(one.path))
        for one in server_programs.installed()
    }
    if backend.unavailable() is None:
        for name, one in image.DEBIAN_IMAGES.items():
            if name not in found and image.present(one.tag):
                inside = (
                    "docker",
                    "run",
                    "--rm",
                    "--network",
                    "none",
                    "--entrypoint",
                    "",
                    "-v",
                    "{}:{}",
                    one.tag,
                )
                found[name] = _Program(name=name, server=f"{name.partition('-')[0]}-server", inside=inside)
    return sorted(found.values(), key=lambda one: one.name)


def _directives_of(program: _Program) -> dict[str, str]:
    names = sorted({*_listed(program), *(name for name in HARMLESS if " " not in name)})
    said = _said(program, [(name, WRONG) for name in names if name in HARMLESS])
    known = {name: answer for (name, _), answer in said.items() if not unknown(answer)}
    further = [(name, value) for name, answer in known.items() for value in further_probes(answer)]
    then = _said(program, further)
    forms = {
        name: form(answer, {value: told for (of, value), told in then.items() if of == name})
        for name, answer in known.items()
    }
    # A directive of several arguments may call a wrong number of them a bad directive.
    return {**dict.fromkeys(_listed(program), "lines"), **forms}


def _listed(program: _Program) -> list[str]:
    """What `CONFIG GET *` says, of a server that nobody else can reach."""
    with tempfile.TemporaryDirectory() as folder:
        conf, socket = Path(folder) / "c", Path(folder) / "s"
        conf.write_text(f'port 0\nunixsocket {socket}\nsave ""\ndaemonize no\ndir {folder}\n')
        command = [*_in(program, folder), program.server, str(conf)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            wait_until(socket.exists, within_s=30.0, waiting_for=f"{program.name} to listen")
            client = redis.Redis(unix_socket_path=str(socket), decode_responses=True)
            found = client.config_get("*")
            client.shutdown(nosave=True)
            server.wait(30.0)
    return sorted(str(name) for name in found)


def _said(program: _Program, lines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """What the server says of each line; nothing: it takes it."""
    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for number, (name, value) in enumerate(lines):
            file = Path(folder) / f"{number:04}.conf"
            file.write_text(f"{name} {value}\nport 0\n")
            files[file.name] = (name, value)
        command = [*_in(program, folder), "sh", "-c", _RUN, "sh", folder, program.server]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=_WITHIN_S)
    answers: dict[tuple[str, str], str] = dict.fromkeys(files.values(), "")
    file_name = ""
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            file_name = line.removeprefix(_MARK)
        else:
            answers[files[file_name]] = line
    return answers


def _in(program: _Program, folder: str) -> list[str]:
    return [word.replace("{}", folder) for word in program.inside]


def _as_module(kept: Mapping[str, Mapping[str, str]]) -> str:
    return "\n".join(
        [
            '"""Which directives each engine has, and the form of their values, as engines say themselves.',
            "",
            "Written by `python -m lab.directives`, which says how it asks; not by hand. What a form means:",
            "`harness.model.directive_values`.",
            '"""',
            "",
            "# ruff: noqa: E501  lines as they were written",
            "",
            "from __future__ import annotations",
            "",
            "from collections.abc import Mapping",
            "",
            f"ENGINES = {tuple(sorted(kept))!r}",
            "",
            "_FORMS = (",
            *(f"    {line!r}," for line in _lines(kept)),
            ")",
            '"""Name | engines | form."""',
            "",
            "",
            "def _by_engine() -> Mapping[str, Mapping[str, str]]:",
            "    found: dict[str, dict[str, str]] = {engine: {} for engine in ENGINES}",
            "    for line in _FORMS:",
            '        name, engines, form = line.split(" | ")',
            '        for engine in ENGINES if engines == "*" else engines.split():',
            "            found[engine][name] = form",
            "    return found",
            "",
            "",
            "BY_ENGINE = _by_engine()",
            '"""Engine -> directive -> form."""',
            "",
        ]
    )


def _lines(kept: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    entries = sorted((name, form, engine) for engine, forms in kept.items() for name, form in forms.items())
    for (name, form_), group in groupby(entries, key=lambda entry: entry[:2]):
        engines = [engine for _, _, engine in group]
        yield f"{name} | {'*' if len(engines) == len(kept) else ' '.join(engines)} | {form_}"


if __name__ == "__main__":
    as_command(main)
