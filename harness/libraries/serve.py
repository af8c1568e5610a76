"""A process with one client of one library in it: it carries out what the kit asks, and notes what happens.

    python -I start.py SETTINGS     JSON: the module of the library, and its settings

It is asked on standard input and answers on standard output, a line of JSON each. It ends when its
standard input does, so nothing is left of it, however the kit ended.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import importlib.util
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from harness.libraries.library import Client, Settings, settings_of
from harness.libraries.notes import CURRENT, Exchange, Notes, said
from harness.libraries.tapped import Tap, install

_PIECE = 1 << 16


def main(told: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints is not for the kit
    notes = Notes(out)
    asked = json.loads(told)
    settings = settings_of(asked["settings"])
    install(_tap(settings, asked["addresses"], notes))
    asyncio.run(_serve(asked, settings, notes))


def _tap(settings: Settings, sentinels: list[list[Any]], notes: Notes) -> Tap:
    login: tuple[str, ...] = ()
    if settings.password is not None:
        login = ("AUTH", *((settings.user,) if settings.user else ()), settings.password)
    return Tap(
        notes,
        sentinels=frozenset((str(host), int(port)) for host, port in sentinels),
        login=login,
        source_host=settings.source_host,
        source_ports=settings.source_ports,
    )


async def _serve(asked: dict[str, Any], settings: Settings, notes: Notes) -> None:
    package = asked["package"]
    try:
        client = _connect(Path(asked["module"]), settings)
        await client.start()
    except Exception as problem:  # noqa: BLE001 - whatever a library raises is for the kit to say
        notes.say("failed", said(problem))
        return
    notes.say("ready", importlib.metadata.version(package) if package else "")
    await Serving(client, notes, settings.deadline_s, sends_late=asked["sends_late"]).until_closed()
    os._exit(0)  # whoever hangs in a thread is not waited for


def _connect(module: Path, settings: Settings) -> Client:
    spec = importlib.util.spec_from_file_location(f"library_{module.stem}", module)
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = found
    spec.loader.exec_module(found)
    client: Client = found.connect(settings)
    return client


class Serving:
    def __init__(self, client: Client, notes: Notes, deadline_s: float | None, *, sends_late: bool) -> None:
        self._client = client
        self._notes = notes
        self._deadline_s = deadline_s
        self._sends_late = sends_late
        self._tasks: set[asyncio.Task[None]] = set()
        self._came = bytearray()
        self._closed = asyncio.Event()

    async def until_closed(self) -> None:
        asyncio.get_running_loop().add_reader(0, self._read)
        await self._closed.wait()
        async with asyncio.timeout(1):
            await self._client.close()

    def _read(self) -> None:
        data = os.read(0, _PIECE)
        if not data:
            os._exit(0)
        self._came += data
        *lines, rest = bytes(self._came).split(b"\n")
        self._came = bytearray(rest)
        for line in lines:
            self._asked(json.loads(line))

    def _asked(self, words: list[Any]) -> None:
        if not words:
            self._closed.set()
            return
        number, key, commands = words
        exchange = Exchange(number, tuple(tuple(command) for command in commands), key)
        self._notes.begin(exchange)
        task = asyncio.create_task(self.carry_out(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def carry_out(self, exchange: Exchange) -> None:
        CURRENT.set(exchange)
        try:
            async with asyncio.timeout(self._deadline_s):
                results = await self._client.send(exchange.commands, exchange.key)
        except Exception as failure:  # noqa: BLE001 - the application's own, whatever it is
            if self._sends_late and isinstance(failure, TimeoutError) and not exchange.open:
                self._notes.may_be_sent(exchange)
            self._notes.over(exchange, None, said(failure))
        else:
            refused = next((one for one in results if isinstance(one, BaseException)), None)
            if refused is not None and not exchange.attempts:  # before it sent anything: at the log-in
                self._notes.over(exchange, None, said(refused))
            else:
                self._notes.over(exchange, results)
