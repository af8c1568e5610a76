"""TLS between the kit and a node: with this run's certificates, or with a sentence that says why not."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from socket import AF_INET, SOCK_STREAM, create_server, socket

import pytest

from harness.model.seams import Address, Certificates, Login, Source
from harness.model.words import NodeRole
from harness.redis_wire import blocking
from harness.redis_wire.asynchronous import AsyncConnection
from harness.redis_wire.protocol import NoAnswer
from harness.topology.base import certificates

WITHIN_S = 5.0


@cache
def made(number: int) -> Certificates:
    """The certificates of a run; of another one by another number."""
    del number
    return certificates.made()


@contextmanager
def node(of: Certificates, folder: Path, *, asks_clients: bool = True) -> Iterator[Address]:
    """A server that answers PONG to whatever it is sent, once for each connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for name, text in certificates.files(of, NodeRole.PRIMARY).items():
        (folder / name).write_text(text, encoding="ascii")
    context.load_cert_chain(folder / certificates.CERTIFICATE, folder / certificates.KEY)
    context.load_verify_locations(folder / certificates.AUTHORITY)
    context.verify_mode = ssl.CERT_REQUIRED if asks_clients else ssl.CERT_NONE
    listening = create_server(("127.0.0.1", 0))
    serving = threading.Thread(target=_serve, args=(listening, context), daemon=True)
    serving.start()
    try:
        yield Address("127.0.0.1", listening.getsockname()[1])
    finally:
        with socket(AF_INET, SOCK_STREAM) as last:  # ends `accept`
            last.connect(listening.getsockname())
            last.sendall(b"end")
        serving.join(WITHIN_S)
        listening.close()


def _serve(listening: socket, context: ssl.SSLContext) -> None:
    while True:
        plain, _ = listening.accept()
        if plain.recv(3, 2) == b"end":  # MSG_PEEK
            plain.close()
            return
        try:
            with context.wrap_socket(plain, server_side=True) as secured:
                secured.recv(1000)
                secured.sendall(b"+PONG\r\n")
        except OSError:
            plain.close()


def said_by_thread(at: Address, mine: Certificates) -> object:
    login = Login(password="", certificates=mine)
    with blocking.connect(at, Source(), who="redis-1", secret=login, within_s=WITHIN_S) as connection:
        return connection.call("PING")


def said_by_loop(at: Address, mine: Certificates) -> object:
    async def ask() -> object:
        connection = AsyncConnection(at, Source(), secret=Login(password="", certificates=mine))
        try:
            (reply,) = await connection.ask(("PING",), within_s=WITHIN_S)
            return reply
        finally:
            connection.close()

    return asyncio.run(ask())


WAYS = pytest.mark.parametrize("said", [said_by_thread, said_by_loop], ids=["thread", "loop"])


@WAYS
def test_node_of_this_run_is_talked_to(said: object, tmp_path: Path) -> None:
    """Each side takes the other's certificate."""
    assert callable(said)
    with node(made(1), tmp_path) as at:
        assert said(at, made(1)) == "PONG"


@WAYS
def test_node_of_somebody_else_is_refused_in_one_sentence(said: object, tmp_path: Path) -> None:
    """Before a password is sent to it."""
    assert callable(said)
    with node(made(2), tmp_path, asks_clients=False) as at, pytest.raises(NoAnswer) as caught:
        said(at, made(1))
    assert "its certificate is none of this run" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_client_of_somebody_else_gets_no_answer(tmp_path: Path) -> None:
    """The node asks for a certificate of its own authority."""
    mine = Certificates(
        authority=made(2).authority,
        node="",
        node_key="",
        client=made(1).client,
        client_key=made(1).client_key,
    )
    with node(made(2), tmp_path) as at, pytest.raises(NoAnswer):
        said_by_thread(at, mine)


def test_plain_server_is_refused_in_one_sentence() -> None:
    """It is no node of this run."""
    with create_server(("127.0.0.1", 0)) as listening:
        at = Address("127.0.0.1", listening.getsockname()[1])

        def answer() -> None:
            plain, _ = listening.accept()
            with plain:
                plain.recv(10)
                plain.sendall(b"-ERR unknown command\r\n")

        answering = threading.Thread(target=answer, daemon=True)
        answering.start()
        with pytest.raises(NoAnswer) as caught:
            said_by_thread(at, made(1))
        answering.join(WITHIN_S)
    assert "no TLS with the certificate of this run: wrong version number" in str(caught.value)
