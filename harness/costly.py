"""Packages that take long to import, imported when something of them is first used.

Whoever reads a scenario needs the declarations of faults, behaviours and findings. They are in the modules
that also judge with numpy and Arrow, and that know a client's errors. `list`, `plan` and a misspelt line need
none of that. And a run without a guest speaks no HTTP.

Trap: what a module takes of them while it is imported itself, as in a constant, imports the package at once.
A name for a type is text: `Flags: TypeAlias = "npt.NDArray[np.bool_]"`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__all__ = (
    "aiohttp",
    "figure",
    "mpl",
    "np",
    "npt",
    "pa",
    "pc",
    "pq",
    "redis_errors",
    "special",
    "stats",
)


class _Costly(ModuleType):
    """Stands for a module until something of it is used."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked by whoever looks at modules, and does not use them
            raise AttributeError(name)
        with _memory_of_the_system() if self.__name__.startswith("pyarrow") else nullcontext():
            module = import_module(self.__name__)
        found = getattr(module, name)
        setattr(self, name, found)
        return found


_ALLOCATOR = "ARROW_DEFAULT_MEMORY_POOL"


@contextmanager
def _memory_of_the_system() -> Iterator[None]:
    """Arrow's own allocator keeps what it once had: reading a million operations took a quarter more memory
    with it, and half as much time again; and copying group after group, it keeps more and more.

    Trap: only what is in the environment while Arrow is loaded holds for all of it. Much of what reads and
    writes files takes no notice of `set_memory_pool`.
    """
    if _ALLOCATOR in os.environ:
        yield
        return
    os.environ[_ALLOCATOR] = "system"
    try:
        yield
    finally:
        del os.environ[_ALLOCATOR]  # it is nothing to applications that the kit starts


if TYPE_CHECKING:
    import aiohttp
    import matplotlib as mpl
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from matplotlib import figure
    from redis import exceptions as redis_errors
    from scipy import special, stats
else:
    aiohttp = _Costly("aiohttp")
    np = _Costly("numpy")
    npt = _Costly("numpy.typing")
    pa = _Costly("pyarrow")
    pc = _Costly("pyarrow.compute")
    pq = _Costly("pyarrow.parquet")
    redis_errors = _Costly("redis.exceptions")
    special = _Costly("scipy.special")
    stats = _Costly("scipy.stats")
    mpl = _Costly("matplotlib")
    figure = _Costly("matplotlib.figure")
