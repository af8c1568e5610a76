"""Client libraries of somebody else's, each in a process and an environment of its own.

    resp              the Redis protocol, from bytes as they come            (pure)
    library           what is declared of a library, and what its client can do
    environments      where its versions are on this machine
    notes             what is noted of exchanges, and how the kit learns of it
    tapped            sockets that note what goes over them, whichever library sends
    redis_py          redis-py in threads
    redis_py_asyncio  its asyncio clients in any version
    coredis_client    coredis
    relayed           doors to nodes, for a library whose sockets are not Python's
    valkey_glide      valkey-glide
    serve             the process: it does what the kit asks for
    start             how it begins, with nothing of the kit's environment

Everything here but this table runs beside the library, in a Python that may have nothing else: so this room
imports nothing of the kit but itself. `harness.sessions.apart` is its other end.

A further library is one module with `connect`, and one entry in the table below.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.libraries.library import Declaration

_HERE = Path(__file__).resolve().parent

REDIS_PY = ("5.3.1", "6.4.0", "7.4.0", "8.1.0")
INSIDE = "redis-py-asyncio"
"""The library that the kit itself runs on: it needs no process of its own."""

LIBRARIES: Mapping[str, Declaration] = {
    one.name: one
    for one in (
        Declaration(name=INSIDE, module=_HERE / "redis_py_asyncio.py", package="redis", tested=REDIS_PY),
        Declaration(
            name="redis-py-threads",
            module=_HERE / "redis_py.py",
            package="redis",
            tested=("", *REDIS_PY),
            sends_late=True,  # nobody can cancel a thread
        ),
        Declaration(
            name="coredis",
            module=_HERE / "coredis_client.py",
            package="coredis",
            version="6.9.0",
            tested=("",),
        ),
        Declaration(
            name="valkey-glide",
            module=_HERE / "valkey_glide.py",
            package="valkey-glide",
            version="2.6.0",
            tested=("",),
            sentinels=False,
            retries=False,
            sends_late=True,
        ),
    )
}


def apart(name: str, version: str) -> Declaration | None:
    """The library of a client profile, if it has a process of its own; None: it is the kit's."""
    return None if name == INSIDE and not version else LIBRARIES[name]
