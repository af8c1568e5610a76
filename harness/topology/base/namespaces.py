"""Network namespaces without names: a file descriptor holds one, and nothing else has to be removed.

The kernel deletes a namespace, its links and its rules when the last process in it and the last
descriptor of it are gone, so even a killed harness leaves none behind. Linux only.

The trap: a namespace is a property of a thread. Work inside one is done in a short-lived thread of its
own, and a process started there stays there; no other thread notices anything.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from harness.topology.base.netlink import Netlink

T = TypeVar("T")

# linux/sched.h
CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000

_OWN_PATH = "/proc/thread-self/ns/net"


@dataclass(frozen=True, slots=True)
class Namespace:
    """A network namespace and a netlink socket inside it."""

    descriptor: int
    netlink: Netlink

    @classmethod
    def new(cls) -> Namespace:
        """A fresh, empty one. Raises OSError where the machine does not allow it."""

        def unshared() -> Namespace:
            unshare(CLONE_NEWNET)
            return cls.current()

        return _in_thread(unshared)

    @classmethod
    def current(cls) -> Namespace:
        """That of the calling thread."""
        return cls._opened(_OWN_PATH, lambda _: Netlink())

    @classmethod
    def at(cls, path: str) -> Namespace:
        """That behind a file, such as another process' `/proc/PID/ns/net`."""

        def entered(descriptor: int) -> Netlink:
            enter(descriptor, CLONE_NEWNET)
            return Netlink()

        return cls._opened(path, lambda descriptor: _in_thread(lambda: entered(descriptor)))

    @classmethod
    def _opened(cls, path: str, netlink: Callable[[int], Netlink]) -> Namespace:
        """Nothing stays open where the second half fails."""
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return cls(descriptor, netlink(descriptor))
        except OSError:
            os.close(descriptor)
            raise

    def run(self, work: Callable[[], T]) -> T:
        """Do something inside. Sockets and processes made there stay inside."""

        def entered() -> T:
            enter(self.descriptor, CLONE_NEWNET)
            return work()

        return _in_thread(entered)

    def close(self) -> None:
        self.netlink.close()
        os.close(self.descriptor)


def unshare(what: int) -> None:
    """Give the calling thread (CLONE_NEWUSER: the process, single-threaded) a namespace of its own."""
    _checked("unshare", what)


def enter(descriptor: int, what: int) -> None:
    """Move the calling thread into a namespace."""
    _checked("setns", descriptor, what)


def _checked(function: str, *arguments: int) -> None:
    # Python offers these from 3.12 on.
    library = ctypes.CDLL(None, use_errno=True)
    if getattr(library, function)(*arguments) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{function}: {os.strerror(code)}")


def _in_thread(work: Callable[[], T]) -> T:
    results: list[T] = []
    failures: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            failures.append(error)

    thread = threading.Thread(target=run, name="in-namespace")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]
