"""An application that cannot be judged: the variable MISFIT says why.

Started as a file of its own, as a guest is: it imports nothing of the kit.
"""

import json
import os
import secrets
import sys
import time
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

MISFIT = os.environ.get("MISFIT", "")
users: dict[str, str] = {}
tokens: set[str] = set()


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        cookies = SimpleCookie(self.headers.get("Cookie", ""))
        user = users.get(cookies["sid"].value) if "sid" in cookies else None
        if self.path == "/health":
            self.answer({})
        elif self.path == "/form":
            tokens.add(token := secrets.token_hex(8))
            self.answer({"token": token})
        elif MISFIT == "streams for ever":
            self.send_response(200)
            self.end_headers()
            while True:
                self.wfile.write(b"on and on\n")
                time.sleep(0.05)
        elif MISFIT == "redirects in circles":
            self.answer({}, status=302, location="/me")
        elif MISFIT == "shows everybody the same":
            self.answer({"user": "kit"})
        elif MISFIT == "never names the user":
            self.answer({"welcome": "back"})
        else:
            self.answer({"user": user})

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        form = {name: one[0] for name, one in parse_qs(self.rfile.read(length).decode()).items()}
        if MISFIT == "dies":
            os._exit(7)
        if MISFIT == "needs a token" and form.get("csrf") not in tokens:
            self.answer({}, status=403)
            return
        sid = secrets.token_hex(16)
        users[sid] = form["user"]
        self.answer({}, cookie="" if MISFIT == "sends no cookie" else f"sid={sid}; Path=/")

    def answer(
        self, body: dict[str, str | None], *, status: int = 200, cookie: str = "", location: str = ""
    ) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if cookie:
            self.send_header("Set-Cookie", cookie)
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002 - as the library has it
        """Nothing: the kit keeps what it prints."""


class Server(ThreadingHTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    if MISFIT == "does not start":
        sys.exit("no module named shop")
    port = 0 if MISFIT == "listens elsewhere" else int(os.environ["PORT"])
    Server((os.environ["HOST"], port), Pages).serve_forever()
