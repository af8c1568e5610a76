"""The application: log-in, page, field, cart, logout, and one bug at a time.

Started as a file of its own, as a guest is: it imports nothing of the kit. Each bug strikes one request in
`EVERY`, after the first few, so that the kit has understood its pages before, and a session once at most: a
page that is wrong each time it is asked for would be a session that is gone. With each answer comes a new
token against CSRF in a cookie of its own, as frameworks do it: that is none of the session's.
"""

import json
import os
import secrets
import socket
import threading
import time
from collections import Counter
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

BUG = os.environ.get("BUG", "")
PATIENCE_S = 2.0
EVERY, FROM = 7, 5

POOL, AT_ONCE = 4, 4
LET_IN = 25
"""Log-ins before the door is shut: all users are in by then."""
KEPT = Path(os.environ.get("GUEST_FOLDER", ".")) / "sessions.json"
"""Where sessions outlive the process, for the one bug after which it is started anew."""

sessions: dict[str, dict[str, Any]] = {}
pool: list[socket.socket] = []
seen: Counter[str] = Counter()
struck: set[str] = set()
shown: set[str] = set()
"""Sessions of which a page was shown: one that is gone before was a log-in that nobody saw anything of."""
lock = threading.Lock()


def strikes(bug: str, sid: str = "", *, every: int = EVERY) -> bool:
    """Whether this is a request that the bug strikes."""
    if bug != BUG:
        return False
    with lock:
        seen[bug] += 1
        strike = seen[bug] > FROM and seen[bug] % every == 0 and sid not in struck
        if strike and sid:
            struck.add(sid)
        return strike


def keep() -> None:
    if BUG == "shut for good":
        with lock:
            KEPT.write_text(json.dumps(sessions))


def connect() -> None:
    """As a client library does: to what stands for Redis here, from a pool that has a limit."""
    if "STORE_PORT" not in os.environ:
        return
    wanted = AT_ONCE if strikes("connects without end", every=1) else len(pool) < POOL
    store = (os.environ["HOST"], int(os.environ["STORE_PORT"]))
    pool.extend(socket.create_connection(store) for _ in range(wanted))


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        connect()
        if self.path != "/me":
            self.answer({"ok": True})
            return
        session = self.session()
        if strikes("hangs", self.sid()):
            time.sleep(PATIENCE_S * 2)
        if strikes("dies"):
            os._exit(3)
        if strikes("error page", self.sid()):
            self.answer({"error": "store"}, status=500)
        elif session is None:
            self.answer({"user": None})
        elif strikes("cookie deleted", self.sid()):
            self.answer({"user": None}, cookie="sid=; Path=/; Max-Age=0")
        elif strikes("anonymous page", self.sid()):
            self.answer({"user": None})
        elif strikes("another user", self.sid()):
            self.answer({**session, "user": "mallory"})
        else:
            shown.add(self.sid())
            self.answer(session)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        form = {name: one[0] for name, one in parse_qs(self.rfile.read(length).decode()).items()}
        if self.path == "/login" and strikes("shut for good", every=1) and seen[BUG] > LET_IN:
            self.answer({"error": "store"}, status=500)
            return
        if self.path == "/login":
            sid = secrets.token_hex(16)
            if not strikes("log-in not stored"):
                sessions[sid] = {"user": form["user"], "theme": "light", "cart": {}}
            keep()
            self.answer({}, cookie=f"sid={sid}; Path=/; HttpOnly")
            return
        session = self.session()
        if session is None:
            self.answer({}, status=401)
        elif self.path == "/theme":
            if not strikes("field not stored", every=2):
                session["theme"] = form["theme"]
            keep()
            renewed = self.sid() in shown and strikes("new cookie not stored", self.sid(), every=2)
            self.answer({}, cookie=f"sid={secrets.token_hex(16)}; Path=/" if renewed else "")
        elif self.path == "/cart":
            amount = int(form["quantity"]) * (2 if strikes("added twice", every=2) else 1)
            session["cart"][form["item"]] = session["cart"].get(form["item"], 0) + amount
            keep()
            self.answer({})
        elif self.path == "/logout":
            if not strikes("logout not stored", every=2):
                sessions.pop(self.sid(), None)
            keep()
            self.answer({}, cookie="sid=; Path=/; Max-Age=0")

    def sid(self) -> str:
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        return cookies["sid"].value if "sid" in cookies else ""

    def session(self) -> dict[str, Any] | None:
        return sessions.get(self.sid())

    def answer(self, body: dict[str, Any], *, status: int = 200, cookie: str = "") -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Set-Cookie", f"csrf={secrets.token_hex(8)}; Path=/")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - as the library has it
        """Nothing: the kit keeps what it prints."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    if KEPT.exists():
        sessions.update(json.loads(KEPT.read_text()))
    Server((os.environ["HOST"], int(os.environ["PORT"])), Pages).serve_forever()
