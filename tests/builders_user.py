"""Somebody who is not root, with the kit, an interpreter and a folder that this person may read.

A checkout under /root, or a Python that lives there, is private. What cannot be read is given as a copy of
hard links (or, across file systems, as a plain copy) in a folder of that person's.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.builders_kit import NO_ENGINE, PATIENCE_S, ROOT

KIT_PARTS = ("failover_kit", "harness", "scenarios", "compose", "sentinel", "cluster")


@dataclass(frozen=True, slots=True)
class OrdinaryUser:
    """`nobody` where these tests run as root, else whoever runs them."""

    entry: pwd.struct_passwd
    folder: Path
    python: Path
    python_home: Path | None
    path: tuple[Path, ...]

    def call(self, *words: str, within_s: float = PATIENCE_S) -> subprocess.CompletedProcess[str]:
        """Run a command in this person's folder, as this person."""
        state = self.folder / "state"
        environment = {
            "HOME": str(self.folder),
            "PATH": os.environ["PATH"],
            "FAILOVER_KIT_STATE": str(state),
            "TMPDIR": str(state),
            "DOCKER_HOST": NO_ENGINE,
            "PYTHONPATH": os.pathsep.join(map(str, self.path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            **(_at_home(self.python_home) if self.python_home else {}),
            **{name: os.environ[name] for name in ("REDIS_SERVER",) if name in os.environ},
        }
        return subprocess.run(
            words,
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
            **_as(self.entry),  # type: ignore[call-overload]
        )

    def kit(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`failover-kit`, as its installed script starts it."""
        return self.call(str(self.python), "-c", _SCRIPT, *words)

    def may_make_networks(self) -> bool:
        """Whether user namespaces are allowed here."""
        trial = ("-m", "harness.topology.process.user_namespace", "new")
        tried = self.call(str(self.python), *trial)
        if "user namespace cannot be entered" in tried.stderr:
            return False
        assert tried.returncode == 0, tried.stderr
        return True

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        if os.getuid() == 0:
            for one in {path, path.parent}:
                os.chown(one, self.entry.pw_uid, self.entry.pw_gid)
        return path


_SCRIPT = "import sys; from failover_kit.start import main; sys.exit(main())"


@contextmanager
def ordinary_user() -> Iterator[OrdinaryUser]:
    """An ordinary user with everything in reach; the folder goes at the end."""
    entry = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    folder = Path(tempfile.mkdtemp(prefix="failover-kit-user-", dir="/tmp"))  # others' may be private
    try:
        copies = folder / "copies"
        copies.mkdir()
        (folder / "state").mkdir(mode=0o700)
        kit = ROOT if _may_read(entry, ROOT / "harness" / "__init__.py") else _copy_of_kit(copies)
        packages = _in_reach(entry, Path(sysconfig.get_path("purelib")), copies / "packages")
        python, home = Path(sys.executable), None
        if not _may_read(entry, python):
            home = _copy_of_python(copies / "python")
            python = home / "bin" / "python3"
        if os.getuid() == 0:
            for one in (folder, folder / "state"):
                os.chown(one, entry.pw_uid, entry.pw_gid)
        yield OrdinaryUser(entry, folder, python, home, (kit, packages))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _at_home(python: Path) -> dict[str, str]:
    return {"PYTHONHOME": str(python), "LD_LIBRARY_PATH": str(python / "lib")}


def _as(entry: pwd.struct_passwd) -> dict[str, object]:
    if os.getuid() != 0:
        return {}
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _may_read(entry: pwd.struct_passwd, path: Path) -> bool:
    asked = ["test", "-r", str(path)]
    return subprocess.run(asked, check=False, **_as(entry)).returncode == 0  # type: ignore[call-overload]


def _in_reach(entry: pwd.struct_passwd, folder: Path, otherwise: Path) -> Path:
    if _may_read(entry, folder):
        return folder
    _link_tree(folder, otherwise)
    return otherwise


def _copy_of_kit(into: Path) -> Path:
    kit = into / "kit"
    kit.mkdir()
    for part in KIT_PARTS:
        _link_tree(ROOT / part, kit / part)
    return kit


def _copy_of_python(into: Path) -> Path:
    """The interpreter and its standard library, without what was installed into it."""
    library = Path(sysconfig.get_path("stdlib"))
    (into / "bin").mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), into / "bin" / "python3")
    left_out = shutil.ignore_patterns(
        "site-packages", "test", "__pycache__", "idlelib", "config-*", "ensurepip"
    )
    shutil.copytree(library, into / "lib" / library.name, ignore=left_out, copy_function=_link)
    for shared in Path(sysconfig.get_config_var("LIBDIR")).glob(f"lib{library.name}.so*"):
        shutil.copy(shared, into / "lib" / shared.name)
    return into


def _link_tree(source: Path, target: Path) -> None:
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(Path(source).resolve(), target)
    except OSError:
        shutil.copy(source, target)
