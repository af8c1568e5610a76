"""Which image nodes run, and how one is built where no registry can be reached.

In this order: the image in REDIS_IMAGE, which has to be there or be had; the pinned official image, if
this machine has it or can pull it; an image built from Debian packages by compose/image.sh. The last
needs no registry, only the Debian mirror that the machine's apt is configured with.

An engine that is asked for by name comes from the official image if that is the one, else from Debian
packages.

The trap: a registry that is out of reach may drop packets instead of refusing, so a pull has a deadline.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import EnvironmentFailure, UsageError
from harness.model.engine import is_named
from harness.model.nearest import did_you_mean
from harness.topology.base.configuration import kit_file

OFFICIAL = "redis:8.0.2"
"""The default of the files in compose/ as well; a test compares them."""

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*")

REACH_S = 8.0
"""How long a registry may take to show that it answers where there is another way."""

ASKED_FOR_REACH_S = 30.0

PULL_S = 300.0
BUILD_S = 600.0
"""A build takes about half a minute where the mirror is near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageChoice:
    name: str
    why: str
    """One line for people: what was chosen and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianImage:
    """An image that the kit can build by itself."""

    tag: str
    suite: str
    packages: tuple[str, ...]


DEBIAN_IMAGES: Mapping[str, DebianImage] = {
    "redis-8.0": DebianImage(
        tag="redis-failover-kit/node:redis-8.0", suite="trixie", packages=("redis-server", "redis-tools")
    ),
    "redis-7.0": DebianImage(
        tag="redis-failover-kit/node:redis-7.0", suite="bookworm", packages=("redis-server", "redis-tools")
    ),
    "valkey-8.1": DebianImage(
        tag="redis-failover-kit/node:valkey-8.1", suite="trixie", packages=("valkey-server", "valkey-tools")
    ),
}
DEFAULT_ENGINE = "redis-8.0"

PROXY = "haproxy"
PROXY_IMAGE = DebianImage(tag="redis-failover-kit/node:haproxy", suite="bookworm", packages=("haproxy",))
"""What proxies run; `HAPROXY_IMAGE` in the environment names another one."""


def choose_image(engine: str | None = None) -> ImageChoice:
    """Decide on the nodes' image and see to it that this machine has it.

    `engine`: the name of the one that it is to hold, such as `valkey-8.1`. What an image in REDIS_IMAGE holds
    is known when its nodes answer.

    Raises:
        EnvironmentFailure: the image asked for, or any image at all, cannot be had.
    """
    wanted = os.environ.get("REDIS_IMAGE", "").strip()
    if wanted:
        return _asked_for(wanted)
    if is_named(engine, f"Redis {OFFICIAL.rpartition(':')[2]}"):
        return _default_image()
    return _debian_image(engine or DEFAULT_ENGINE)


def _default_image() -> ImageChoice:
    if present(OFFICIAL):
        return ImageChoice(name=OFFICIAL, why=f"image {OFFICIAL}")
    refused = _pull(OFFICIAL, reach_s=REACH_S)
    if refused is None:
        return ImageChoice(name=OFFICIAL, why=f"image {OFFICIAL}, pulled now")
    own = DEBIAN_IMAGES[DEFAULT_ENGINE]
    if present(own.tag):
        return ImageChoice(name=own.tag, why=f"image {own.tag}, built earlier from Debian packages")
    if _can_build():
        build_image()
        return ImageChoice(
            name=own.tag, why=f"image {own.tag}, built now from Debian packages: {OFFICIAL} cannot be pulled"
        )
    raise EnvironmentFailure(
        f"{OFFICIAL}: expected to have or to pull the nodes' image, found: {refused}. Set REDIS_IMAGE to "
        "an image that this machine has, or on a Debian run 'make image' (mmdebstrap, or root to install it)"
    )


def _debian_image(engine: str) -> ImageChoice:
    fitting = [name for name in DEBIAN_IMAGES if is_named(engine, _as_reported(name))]
    if not fitting:
        raise EnvironmentFailure(
            f"engine {engine}: expected one that an image can be had of ({', '.join(DEBIAN_IMAGES)}). Set "
            "REDIS_IMAGE to an image that holds it, or use the process backend"
        )
    tag = DEBIAN_IMAGES[fitting[0]].tag
    if present(tag):
        return ImageChoice(name=tag, why=f"image {tag}, built earlier from Debian packages")
    if not _can_build():
        raise EnvironmentFailure(
            f"engine {engine}: expected image {tag}, found neither the image nor a way to build it: run on a "
            "Debian (mmdebstrap, or root to install it), or set REDIS_IMAGE to an image that holds it"
        )
    build_image(fitting[0])
    return ImageChoice(name=tag, why=f"image {tag}, built now from Debian packages")


def _as_reported(name: str) -> str:
    engine, _, version = name.partition("-")
    return f"{engine.capitalize()} {version}"


def engines_here() -> dict[str, str]:
    """Each engine that images can hold, by name, and what there is of it; for `doctor`."""
    can = (
        "can be built" if _can_build() else "not here, cannot be built: needs a Debian and mmdebstrap or root"
    )
    return {
        name: f"image {one.tag}" if present(one.tag) else f"{can}: failover-kit image --engine {name}"
        for name, one in DEBIAN_IMAGES.items()
    }


def proxy_image() -> str:
    """The image of proxies, built now if it is not there yet.

    Raises:
        EnvironmentFailure: it cannot be had.
    """
    wanted = os.environ.get("HAPROXY_IMAGE", "").strip()
    return _asked_for(wanted).name if wanted else build_image(PROXY)


def why_no_proxy() -> str | None:
    """Why no proxy can be started as a container; None: one can."""
    if os.environ.get("HAPROXY_IMAGE", "").strip() or present(PROXY_IMAGE.tag) or _can_build():
        return None
    return (
        f"a proxy needs the image {PROXY_IMAGE.tag}, which is not here and cannot be built: that takes a "
        "Debian and mmdebstrap or root (failover-kit image --engine haproxy), or HAPROXY_IMAGE"
    )


def survey_of_proxy() -> str:
    """The image of proxies, for `doctor`."""
    if present(PROXY_IMAGE.tag):
        return f"image {PROXY_IMAGE.tag}"
    return why_no_proxy() or "can be built: failover-kit image --engine haproxy"


def survey() -> str:
    """What `choose_image` would do, without pulling or building anything; for `doctor`."""
    wanted = os.environ.get("REDIS_IMAGE", "").strip()
    if wanted:
        return f"{wanted} (REDIS_IMAGE)" + ("" if present(wanted) else ", would have to be pulled")
    own = DEBIAN_IMAGES[DEFAULT_ENGINE].tag
    if present(OFFICIAL):
        return OFFICIAL
    if present(own):
        return f"{OFFICIAL} if it can be pulled, else {own}, built earlier from Debian packages"
    built = (
        f"else {own}, which can be built here" if _can_build() else "nothing else: make image is not possible"
    )
    return f"{OFFICIAL} if it can be pulled, {built}"


def build_image(engine: str = DEFAULT_ENGINE, *, again: bool = False) -> str:
    """Build one of `DEBIAN_IMAGES` if it is not there yet (`again`: anyway); returns its tag.

    Raises:
        UsageError: no such engine.
        EnvironmentFailure: it cannot be built here; the message ends with what the script said.
    """
    known = {**DEBIAN_IMAGES, PROXY: PROXY_IMAGE}
    if engine not in known:
        raise UsageError(
            f"image: expected one of {', '.join(known)}, found {engine!r}{did_you_mean(engine, known)}"
        )
    wanted = known[engine]
    if again or not present(wanted.tag) or not _is_current(wanted.tag):
        run_script("compose/image.sh", [wanted.tag, wanted.suite, *wanted.packages], within_s=BUILD_S)
    return wanted.tag


def run_script(name: str, words: Sequence[str], *, within_s: float) -> None:
    """One of the kit's scripts, until its end.

    Raises:
        EnvironmentFailure: it failed; the message ends with what it said.
    """
    _run(["bash", str(kit_file(name)), *words], within_s=within_s)


def present(name: str) -> bool:
    """Whether the engine has the image."""
    try:
        _run(["docker", "image", "inspect", "--format", "{{.Id}}", name], within_s=20)
    except EnvironmentFailure:
        return False
    return True


def had(name: str, *, pull: bool = True) -> str | None:
    """See to it that this machine has an image of a user's project; returns why it has not. One of the kit's
    own is built, again if it is of an earlier kind."""
    known = {**DEBIAN_IMAGES, PROXY: PROXY_IMAGE}
    own = next((engine for engine, image in known.items() if image.tag == name), None)
    if own is not None and _can_build():
        build_image(own, again=not _is_current(name))
    if not _REFERENCE.fullmatch(name):
        return "no name of an image"
    if present(name):
        return None
    return _pull(name, reach_s=ASKED_FOR_REACH_S) if pull else "it is not on this machine"


def _is_current(tag: str) -> bool:
    """Whether an image of the kit's own has the names and the entrypoint of published images."""
    wanted = re.search(
        r"^built=(\d+)$", kit_file("compose/image.sh").read_text(encoding="utf-8"), re.MULTILINE
    )
    label = '{{index .Config.Labels "failover-kit.built"}}'
    done = subprocess.run(
        ["docker", "image", "inspect", "--format", label, tag],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    return wanted is not None and done.stdout.strip() == wanted[1]


def any_debian_image() -> str | None:
    """One of the images built from Debian packages that is present: they carry iptables."""
    return next((image.tag for image in DEBIAN_IMAGES.values() if present(image.tag)), None)


def _asked_for(name: str) -> ImageChoice:
    # Docker would read the first as an option, Compose the second as a variable.
    if not _REFERENCE.fullmatch(name):
        raise UsageError(f"REDIS_IMAGE={name!r}: expected the name of an image such as {OFFICIAL}")
    if present(name):
        return ImageChoice(name=name, why=f"image {name} (REDIS_IMAGE)")
    own = next((engine for engine, image in DEBIAN_IMAGES.items() if image.tag == name), None)
    if own is not None:
        build_image(own)
        return ImageChoice(name=name, why=f"image {name} (REDIS_IMAGE), built now from Debian packages")
    refused = _pull(name, reach_s=ASKED_FOR_REACH_S)
    if refused is not None:
        raise EnvironmentFailure(
            f"REDIS_IMAGE={name}: expected to have or to pull this image, found: {refused}. Name an image "
            "that this machine has, or unset REDIS_IMAGE"
        )
    return ImageChoice(name=name, why=f"image {name} (REDIS_IMAGE), pulled now")


def _pull(name: str, *, reach_s: float) -> str | None:
    """Have the engine pull; returns why it could not. Its first line shows that a registry answered."""
    with subprocess.Popen(
        ["docker", "pull", name],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as pulling:
        try:
            assert pulling.stdout is not None
            if not select.select([pulling.stdout], [], [], reach_s)[0]:
                return f"its registry does not answer within {reach_s:g} s"
            said, _ = pulling.communicate(timeout=PULL_S)
        except subprocess.TimeoutExpired:
            return f"not pulled within {PULL_S:g} s"
        finally:
            pulling.kill()
    if pulling.returncode != 0:
        return (said.strip() or "docker pull failed").splitlines()[-1]
    return None


def _can_build() -> bool:
    debian = Path("/etc/debian_version").exists() and shutil.which("apt-get") is not None
    return debian and (shutil.which("mmdebstrap") is not None or os.geteuid() == 0)


def _run(command: list[str], *, within_s: float) -> None:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=within_s, check=False
        )
    except FileNotFoundError as error:
        raise EnvironmentFailure(f"{command[0]}: expected in PATH, found nowhere") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailure(f"{' '.join(command[:3])}: not done within {within_s:g} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-12:]
        raise EnvironmentFailure("\n".join([f"{' '.join(command[:3])} ended with {done.returncode}", *said]))
