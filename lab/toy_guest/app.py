"""The application: log-in, page, field, cart, logout, and one bug at a time.

Started as a file of its own, as a guest is: it imports nothing of the kit. Each bug strikes one request in
`EVERY`, after the first few, so that the kit has understood its pages before, and a session once at most: a
page that is wrong each time it is asked for would be a session that is gone.
"""

import json
import os
import secrets
import threading
import time
from collections import Counter
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs

BUG = os.environ.get("BUG", "")
PATIENCE_S = 2.0
EVERY, FROM = 7, 5

sessions: dict[str, dict[str, Any]] = {}
seen: Counter[str] = Counter()
struck: set[str] = set()
lock = threading.Lock()


def strikes(bug: str, sid: str = "") -> bool:
    """Whether this is a request that the bug strikes."""
    if bug != BUG:
        return False
    with lock:
        seen[bug] += 1
        strike = seen[bug] > FROM and seen[bug] % EVERY == 0 and sid not in struck
        if strike and sid:
            struck.add(sid)
        return strike


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
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
            self.answer(session)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        form = {name: one[0] for name, one in parse_qs(self.rfile.read(length).decode()).items()}
        if self.path == "/login":
            sid = secrets.token_hex(16)
            if not strikes("log-in not stored"):
                sessions[sid] = {"user": form["user"], "theme": "light", "cart": {}}
            self.answer({}, cookie=f"sid={sid}; Path=/; HttpOnly")
            return
        session = self.session()
        if session is None:
            self.answer({}, status=401)
        elif self.path == "/theme":
            if not strikes("field not stored"):
                session["theme"] = form["theme"]
            self.answer({})
        elif self.path == "/cart":
            amount = int(form["quantity"]) * (2 if strikes("added twice") else 1)
            session["cart"][form["item"]] = session["cart"].get(form["item"], 0) + amount
            self.answer({})
        elif self.path == "/logout":
            if not strikes("logout not stored"):
                sessions.pop(self.sid(), None)
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
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - as the library has it
        """Nothing: the kit keeps what it prints."""


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


if __name__ == "__main__":
    Server((os.environ["HOST"], int(os.environ["PORT"])), Pages).serve_forever()
