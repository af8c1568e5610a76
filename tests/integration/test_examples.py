"""The examples for users, as they are documented."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.builders_kit import PATIENCE_S, ROOT, Kit, processes_of
from tests.integration.conftest import NpmModules

pytestmark = pytest.mark.process

PLUGIN = (
    ()
    if any(one.name == "failover_kit" for one in entry_points(group="pytest11"))
    else ("-p", "failover_kit.pytest_plugin")
)


def test_npm_suite_runs_beside_nodes_and_breaks_them_by_calls(
    tmp_path: Path, npm_modules: NpmModules
) -> None:
    """The same in another language; a pause, from which a client must get away by itself."""
    if npm_modules.folder is None:
        pytest.skip(npm_modules.missing)
    shutil.copytree(ROOT / "examples" / "npm", tmp_path, dirs_exist_ok=True)
    (tmp_path / "node_modules").symlink_to(npm_modules.folder)
    kit = Kit(tmp_path)
    words = ["sentinel", "--backend", "process", "--", "npm", "test", "--", "--test-name-pattern=pause"]
    ran = kit.run("with", *words)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "✔ sessions outlive a failover: pause: primary" in ran.stdout
    assert "fault 1 effect: redis-1: frozen" in ran.stderr
    assert "of shard 1, from fault 1: agreed" in ran.stderr
    assert not list(processes_of(kit.runs))


ENDED = r"""
import net from "node:net";
import { connect, SessionStore } from "./shop.js";
const bulk = (text) => `$${text.length}\r\n${text}\r\n`;
const pause = (ms) => new Promise((over) => setTimeout(over, ms));
const server = (answer) => new Promise((up) => {
  const it = net.createServer((client) => {
    client.on("error", () => {});
    client.on("data", (sent) => {
      const words = sent.toString().split("\r\n");
      for (let at = 0; words[at].startsWith("*"); at += 1 + 2 * words[at].slice(1)) {
        answer(`${words[at + 2]} ${words[at + 4] ?? ""}`.toLowerCase(), client);
      }
    });
  });
  it.listen(0, "127.0.0.1", () => up(it));
});
const primary = await server((asked, client) => client.write(asked.startsWith("info") ? bulk("role:master") : "+OK\r\n"));
let late = 0;
const sentinel = await server(async (asked, client) => {
  if (asked.startsWith("sentinel get-master")) {
    await pause(late);
    client.write(`*2\r\n${bulk("127.0.0.1")}${bulk(String(primary.address().port))}`);
  } else if (asked.startsWith("subscribe")) client.write(`*3\r\n${bulk("subscribe")}${bulk("+switch-master")}:1\r\n`);
  else client.write(asked.startsWith("sentinel") ? "*0\r\n" : "+OK\r\n");
});
const redis = connect({ REDIS_SENTINELS: `127.0.0.1:${sentinel.address().port}`, REDIS_SERVICE: "s" });
const store = new SessionStore(redis);
await store.logIn("ann");
late = 1000;
redis.stream.destroy();
while (redis.status !== "connecting") await pause(10);
redis.connector.disconnect(); // as its failover detector does
while (redis.status === "connecting") await pause(10);
console.log(redis.status);
late = 0;
await store.logIn("bob");
console.log(redis.status);
process.exit(0);
"""


def test_client_that_ended_is_started_again(tmp_path: Path, npm_modules: NpmModules) -> None:
    """A failover that is announced while ioredis connects ends it for good; users of the shop do not notice."""
    if npm_modules.folder is None:
        pytest.skip(npm_modules.missing)
    shutil.copytree(ROOT / "examples" / "npm", tmp_path, dirs_exist_ok=True)
    (tmp_path / "node_modules").symlink_to(npm_modules.folder)
    (tmp_path / "ended.mjs").write_text(ENDED, encoding="utf-8")
    ran = subprocess.run(
        ["node", "ended.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert ran.stdout.split() == ["end", "ready"], ran.stderr


BOTH = r"""
import json, os, socket, subprocess, sys, time
from http.cookiejar import CookieJar
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]

browser = build_opener(HTTPCookieProcessor(CookieJar()))
services = {}

def ask(service, path, **form):
    body = urlencode(form).encode() if form else None
    with browser.open(f"http://127.0.0.1:{services[service]}{path}", body, timeout=5) as answer:
        return answer.read().decode()

def ready(service):
    for _ in range(200):
        try:
            return ask(service, "/health")
        except (URLError, ConnectionError):
            time.sleep(0.1)
    sys.exit(f"{service} does not serve")

started = []
try:
    for name, web_server in (("shop", "web-1"), ("account", "web-2")):
        services[name] = free_port()
        given = {"HOST": "127.0.0.1", "PORT": str(services[name]), "WEB_SERVER": web_server}
        started.append(subprocess.Popen(["sh", "start.sh"], cwd=sys.argv[1], env=os.environ | given))
    assert ready("shop") == ready("account") == "ok"
    ask("shop", "/login", user="ann", password="failover")
    ask("account", "/theme", theme="dark")
    ask("account", "/cart", item="book", quantity=2)
    at_the_shop = json.loads(ask("shop", "/cart", item="book", quantity=1))
    at_the_account = json.loads(ask("account", "/me"))
    ask("account", "/logout", now=1)
    print(json.dumps([at_the_shop, at_the_account, json.loads(ask("shop", "/me"))]))
finally:
    for one in started:
        one.kill()
        one.wait()
"""


def test_two_services_read_and_write_one_session(tmp_path: Path) -> None:
    """What a user does at the account service in Node, the shop in Python knows, and the other way round."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("needs Node.js and npm: apt-get install nodejs npm")
    install = ["make", "-s", "guest-environments", "GUESTS=flask", "GUESTS_OF_NODE=express"]
    subprocess.run(install, cwd=ROOT, check=True, timeout=300)
    (tmp_path / "both.py").write_text(BOTH, encoding="utf-8")
    kit = Kit(tmp_path)
    words = ["single", "--backend", "process", "--", sys.executable, "both.py"]
    ran = kit.run("with", *words, str(ROOT / "examples" / "two-services"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    session = {"user": "ann", "theme": "dark", "cart": {"book": 3}}
    said = next(line for line in ran.stdout.splitlines() if line.startswith("[{"))
    assert json.loads(said) == [session, session, {"user": None}]


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    shutil.copytree(ROOT / "examples" / "pytest", tmp_path, dirs_exist_ok=True)
    return Kit(tmp_path)


def test_suite_runs_beside_nodes_and_breaks_them_by_calls(kit: Kit) -> None:
    """A kill, a pause and an isolation; each breaks the nodes, and nobody is logged out."""
    words = ["with", "sentinel", "--backend", "process", "--"]
    ran = kit.run(*words, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_sessions.py")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout
    for number, kind in enumerate(("kill", "pause", "isolate"), 1):
        assert f"fault {number} requested: {kind}: primary" in ran.stderr
        assert f"of shard 1, from fault {number}: agreed" in ran.stderr
    assert not list(processes_of(kit.runs))


def test_suite_with_the_fixture_starts_its_own_nodes(kit: Kit) -> None:
    """Nothing else is needed."""
    options = (*PLUGIN, "-q", "-p", "no:cacheprovider", "--rootdir", ".", "--failover-backend=process")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "test_fixture.py"],
        cwd=kit.folder, env=kit.environment(), capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert not list(processes_of(kit.runs))
