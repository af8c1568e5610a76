"""MONITOR on every data node of a run: who executed what, where, when, as the nodes themselves tell.

`listening` starts a process of its own, so that the load engine's loop does not pay for it, and returns
once every node has agreed. Each node's lines go, as the node sends them, into `<node>.monitor`; a line
that starts with `#` is ours and says what answered each time a connection was made.

Trap: MONITOR shows what was executed, so refused commands are missing, and administrative ones are
never shown. Sentinel closes every client's connection when it changes a node's role, this one too:
what was executed until it is back, some milliseconds later, is missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from harness.model.seams import Topology

AGREED_WITHIN_S = 10.0
AGAIN_AFTER_S = 0.005
AGREED = re.compile(rb"\r\n:(\d+)\r\n\+OK\r\n")
"""The reply to DBSIZE, and the one to MONITOR."""
NOTHING_OF_SESSIONS = (b'"set" "cache:', b'"SET" "cache:', b'"INFO"', b'"ping"', b'"PING"', b'"PUBLISH"')
"""Lines that hold one of these are not kept: they are most of the lines and tell nothing about sessions."""


@contextlib.contextmanager
def listening(topology: Topology, into: Path) -> Iterator[None]:
    """Listen to the topology's data nodes for as long as the context lasts."""
    into.mkdir(parents=True, exist_ok=True)
    nodes = {one.name: topology.address(one.name) for one in topology.plan.data_nodes()}
    source = topology.observer()
    told = {
        "into": str(into),
        "nodes": {name: [at.host, at.port] for name, at in nodes.items()},
        "source": source.host,
        "secret": topology.secrets.redis,
    }
    child = subprocess.Popen(
        [sys.executable, "-m", "lab.oracle.monitor"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        child.stdin.write(json.dumps(told).encode() + b"\n")
        child.stdin.flush()
        said = child.stdout.readline()
        assert said == b"listening\n", said
        yield
    finally:
        child.stdin.close()
        child.wait(AGREED_WITHIN_S)


class _Listener:
    """One node: connects again and again, and writes down what it hears."""

    def __init__(self, told: dict[str, object], address: list[object], path: Path) -> None:
        self._told = told
        self._address = (str(address[0]), int(str(address[1])))
        self._file = path.open("wb", buffering=0)
        self.agreed = threading.Event()

    def run(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                self._listen()
            time.sleep(AGAIN_AFTER_S)

    def _listen(self) -> None:
        host = self._told["source"]
        local = (str(host), 0) if host else None
        with socket.create_connection(self._address, timeout=0.5, source_address=local) as link:
            secret = str(self._told["secret"])
            ask = [["AUTH", secret]] if secret else []
            ask += [["INFO", "server"], ["DBSIZE"], ["MONITOR"]]
            link.sendall(b"".join(_packed(words) for words in ask))
            link.settimeout(None)
            rest = self._hello(link)
            self.agreed.set()
            while got := link.recv(1 << 18):
                *lines, rest = (rest + got).split(b"\r\n")
                kept = [one for one in lines if not any(word in one for word in NOTHING_OF_SESSIONS)]
                if kept:
                    self._file.write(b"\n".join(kept) + b"\n")
        self._file.write(f"# gone {time.time():.6f}\n".encode())

    def _hello(self, link: socket.socket) -> bytes:
        """Note which process answered and how many keys it holds; returns what came after that."""
        text = b""
        while (agreed := AGREED.search(text)) is None:
            got = link.recv(1 << 16)
            if not got or b"-LOADING" in text + got:
                raise ConnectionError(text)
            text += got
        run_id = text.partition(b"run_id:")[2][:40].decode()
        self._file.write(f"# back {time.time():.6f} {run_id} {agreed[1].decode()}\n".encode())
        return text[agreed.end() :]


def _packed(words: list[str]) -> bytes:
    parts = [f"*{len(words)}\r\n".encode()]
    parts += [f"${len(word.encode())}\r\n{word}\r\n".encode() for word in words]
    return b"".join(parts)


def main() -> None:
    told = json.loads(sys.stdin.readline())
    listeners = [
        _Listener(told, address, Path(told["into"]) / f"{name}.monitor")
        for name, address in told["nodes"].items()
    ]
    for one in listeners:
        threading.Thread(target=one.run, daemon=True).start()
    for one in listeners:
        if not one.agreed.wait(AGREED_WITHIN_S):
            sys.exit("a node did not agree to be monitored")
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    sys.stdin.read()
    os._exit(0)  # the threads wait for nodes that may be gone


if __name__ == "__main__":
    main()
