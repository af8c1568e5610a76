"""Guest files: read strictly, every problem with its line, and no recipe that could prove nothing."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from harness.cli import main
from harness.errors import UsageError
from harness.model.guest import BEHAVIOURS, Csrf, Place, RunAs, Sign
from harness.model.words import BackendKind
from harness.running.compiling import compile_all
from harness.running.ground import ground_for_planning
from harness.running.guest_needs import needed_by
from harness.running.vocabulary import guest_schema_text, shipped
from harness.scenario import guest_schema, load, load_guest
from harness.topology.backends import OF_GUESTS, why_not_beside
from lab.rows import ROOT

GUEST = """\
guest: 1
name: a shop
start: [gunicorn, --bind, "{HOST}:{PORT}", "app:app"]
environment: {STORE: "{REDIS_URL}"}
cookie: sid
behaviours:
  log-in:
    post: /login
    form: {user: "{user}", csrf: "{csrf}"}
    csrf: {get: /login, text: 'name="csrf" value="(.+?)"'}
    done: {status: [302, 303], redirect: /}
  read: {get: /me, user: {json: user.name}, values: {theme: {json: theme}}, please_log_in: {redirect: /login}}
"""

START = 'start: [gunicorn, --bind, "{HOST}:{PORT}", "app:app"]'
ALONE = GUEST.replace(f'{START}\nenvironment: {{STORE: "{{REDIS_URL}}"}}\n', "WAY\n")
"""With WAY in the place of what a web server is."""

SCENARIO = """\
scenario: 1
name: a guest
deployment: {topology: {kind: single}, guest: ./guest.yaml}
workload: {rate: 50/s, users: 10, mix: {read: 1}}
faults: [{after: 4s, kill: primary}, {after: fault 1 + 1s, restart: killed, data: keep}]
"""


def write(folder: Path, text: str = GUEST, name: str = "guest.yaml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def problem_of(folder: Path, text: str) -> str:
    with pytest.raises(UsageError) as caught:
        load_guest(write(folder, text))
    return str(caught.value).replace(f"{folder}/", "")


def test_a_guest_file_says_how_it_is_talked_to(tmp_path: Path) -> None:
    """Requests, signs, places and the page with a token are what the file says; the rest is as usual."""
    guest = load_guest(write(tmp_path))
    assert guest.folder == str(tmp_path)
    entered, read = guest.recipes["log-in"], guest.recipes["read"]
    assert (entered.method, entered.path) == ("post", "/login")
    assert entered.done == Sign(status=(302, 303), redirect="/")
    assert entered.csrf == Csrf(get="/login", text='name="csrf" value="(.+?)"')
    assert read.user == Place(json="user.name")
    assert read.please_log_in == Sign(redirect="/login")
    assert (guest.please_log_in, guest.timeout_s, guest.ready.get) == (Sign(status=(401,)), 10.0, "/")
    assert guest.longest_wait_s == 20.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("get: /me, user: {json: user.name}", "get: /me", "guest.yaml:12: behaviours.read: expected 'user', where"),
        ("  read: {get: /me", "  touch: {get: /me", "expected a recipe for 'read': without it"),
        ("post: /login", "post: login", "behaviours.log-in.post: expected a path such as /login, found 'login'"),
        ("post: /login", "post: /login\n    get: /login", "expected one of get, post, put, patch, delete, found 2"),
        ("    csrf: {get: /login, text: 'name=\"csrf\" value=\"(.+?)\"'}\n", "",
         "guest.yaml:8: behaviours.log-in: expected 'csrf' beside it, which says where {csrf} comes from"),
        ('user: "{user}"', 'user: "{name}"', "unknown word {name}; known: user, password, value"),
        ('user: "{user}"', 'user: "{usr}"', "unknown word {usr}; did you mean 'user'? known: user, password"),
        ('"{HOST}:{PORT}"', '"{HOSTNAME}"', "unknown word {HOSTNAME}; did you mean 'HOST'? known: HOST, PORT"),
        ("status: [302, 303]", "status: [302, 999]", "expected a status such as 200, found '999'"),
        ("json: user.name", "json: user.name, text: x", "expected one of json, text, header, found 2"),
        ('text: \'name="csrf" value="(.+?)"\'', "text: '('", "it is no regular expression: missing )"),
        ('text: \'name="csrf" value="(.+?)"\'', "text: '(a{99999999999})'", "it is no regular expression: the rep"),
        ('text: \'name="csrf" value="(.+?)"\'', f"text: '{'(' * 1900}{')' * 1900}'", "nested too deep"),
        ("redirect: /login}", "equals: x}", "equals: expected 'json' beside it"),
        ("redirect: /login}", "}", "expected at least one of status, redirect, text, json"),
        ("  read: {", "  reed: {", "unknown name 'reed'; did you mean 'read'?"),
        ("theme: {json: theme}", "colour: {json: theme}", "unknown name 'colour'"),
        ("cookie: sid", "cooky: sid", "unknown key 'cooky'; did you mean 'cookie'?"),
        ('start: [gunicorn, --bind, "{HOST}:{PORT}", "app:app"]', "start: []", "start: expected a program"),
        (START, 'start: python app.py "a b" --at {HOST}:{PORT}', 'braces, found \'python app.py "a b" --at {HOST}:{PORT}\'; write [python, app.py, "a b", --at, "{HOST}:{PORT}"]'),
        (START, "start: 'cd app && node .'", 'write [sh, -c, "cd app && node ."]'),
        (START, "", "expected one of start, container, service, address: what a web server is; found none of them"),
        (START, f"{START}\naddress: 127.0.0.1:80", "what a web server is; found start, address"),
        (START, "address: 10.0.0.7:80", "what you run must listen on this machine: 127.0.0.1 or localhost"),
        (START, "address: 127.0.0.1:99999", "address: expected an address such as 127.0.0.1:8000"),
        (START, "address: 127.0.0.1:80", "environment: with 'address' it is you who sets the variables; leave it out"),
        (START, "service: {name: shop}", "environment: with 'service' it is your project who sets the variables"),
        (START, f"{START}\nenvironment_file: a.env", "environment_file: expected 'address' beside it"),
        ("cookie: sid", "environment_file: ../a.env", "expected a file name such as redis.env"),
        (START, "container: {port: 80}", "container: the key 'image' is missing"),
        ("cookie: sid", "back_door: {key: sess}", "it has {id} or {id_sha256} where the id of the session is"),
        ("cookie: sid", "back_door: {key: 's:{id}'}\ntoken: {json: t}", "expected sessions that are kept by cookie"),
        ("cookie: sid", "connections: 0", "connections: expected"),
        ("guest: 1\n", "cookie: a\nguest: 1\n", "guest.yaml:1: expected 'guest: 1' as the first key, found 'cookie'"),
        (f"guest: 1\nname: a shop\n{START}", f"guest: 1\nname: a shop\n{START.replace('PORT', 'HOST')}",
         "guest.yaml:3: start: expected {PORT} in it, the port at which this web server is to listen, found none; for"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Where, what was expected, what was found."""
    assert old in GUEST
    assert said in problem_of(tmp_path, GUEST.replace(old, new))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GUEST.replace("guest: 1\n", ""), "expected 'guest: 1' as the first key, found 'name'"),
        (GUEST.replace("guest: 1", "gest: 1"), "expected 'guest: 1' as the first key, found 'gest'"),
        (SCENARIO, "expected a guest file, found a scenario: to run it: failover-kit run guest.yaml; if its 'deployment' has a 'guest', that names"),
        ("deployment: 1\n", "found a deployment file: to try a guest file beside it: failover-kit guest check guest.yaml"),
        ("services: {shop: {}}\n", "expected a guest file, found a Compose project: to run it under faults: failover-kit"),
    ],
)  # fmt: skip
def test_another_kind_of_file_is_answered_with_one_line(tmp_path: Path, text: str, said: str) -> None:
    """What it is, and what it is good for; its unknown keys are nobody's mistake."""
    (line,) = problem_of(tmp_path, text).splitlines()
    assert line.startswith("guest.yaml:1: expected ")
    assert said in line


def test_an_application_may_hear_of_its_port_from_a_variable(tmp_path: Path) -> None:
    """What you run yourself listens where you say, so the file need not name it."""
    bare = GUEST.replace('"{HOST}:{PORT}"', '"{HOST}"')
    assert load_guest(write(tmp_path, bare.replace("environment: {", 'environment: {P: "{PORT}", '))).start
    assert load_guest(write(tmp_path, ALONE.replace("WAY", "address: 127.0.0.1:80"))).addresses


def test_a_deployment_names_a_guest_from_its_own_folder(tmp_path: Path) -> None:
    """What the workload says of witnesses does not count: the application writes none."""
    write(tmp_path)
    scenario = load(write(tmp_path, SCENARIO, "s.yaml"), shipped())
    assert scenario.deployment.guest is not None
    assert scenario.deployment.guest.name == "a shop"
    assert not scenario.workload.witnesses
    both = SCENARIO.replace("guest: ./guest.yaml", "guest: ./guest.yaml, client: {}")
    with pytest.raises(UsageError, match="expected either 'client' or 'guest', found both"):
        load(write(tmp_path, both, "s.yaml"), shipped())


def test_a_plan_says_what_a_guest_cannot_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No recipe, no known shard, no program: skipped, with the reason."""
    write(tmp_path)
    for text, said in [
        (SCENARIO, "guest a shop: "),
        (SCENARIO.replace("{read: 1}", "{read: 1, cart: 1}"), "has no recipe for cart"),
        (SCENARIO.replace("single", "cluster"), "only the cluster knows which shard"),
    ]:
        assert main(["plan", "--backend", "process", str(write(tmp_path, text, "s.yaml"))]) == 0
        assert said in capsys.readouterr().out
    needing = GUEST.replace("cookie: sid", "cookie: sid\nneeds: {no-such-program: make it}")
    guest = load_guest(write(tmp_path, needing))
    assert (
        needed_by(guest)
        == "the guest a shop needs no-such-program, which is not here; to install it: make it"
    )


@pytest.mark.parametrize(
    ("way", "run_as", "backend", "described"),
    [
        ('start: [serve, "{PORT}"]', RunAs.PROCESS, BackendKind.PROCESS, "serve {PORT}"),
        ("container: {image: shop, port: 80}", RunAs.CONTAINER, BackendKind.DOCKER, "a container of shop, port 80"),
        ("service: {name: shop}", RunAs.SERVICE, BackendKind.COMPOSE, "a container of the service shop, port 8000"),
        (
            "address: [localhost:80, 127.0.0.1:81]",
            RunAs.ADDRESS,
            BackendKind.PROCESS,
            "run by you at 127.0.0.1:80, 127.0.0.1:81",
        ),
    ],
)  # fmt: skip
def test_a_web_server_is_one_of_four_things(
    tmp_path: Path, way: str, run_as: RunAs, backend: BackendKind, described: str
) -> None:
    """Each runs beside the nodes of one backend, and others say which."""
    guest = load_guest(write(tmp_path, ALONE.replace("WAY", way)))
    assert (guest.run_as, OF_GUESTS[guest.run_as], guest.described) == (run_as, backend, described)
    assert why_not_beside(guest, backend) is None
    others = {*BackendKind} - {backend, BackendKind.MACHINES}
    assert all(f"--backend {backend}" in str(why_not_beside(guest, other)) for other in others)
    on_hosts = why_not_beside(guest, BackendKind.MACHINES)
    assert on_hosts is None if run_as is RunAs.CONTAINER else "a guest file with `container`" in str(on_hosts)


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("address: 127.0.0.1:80", "expected one address for each of 3 web servers, found 1; --set workload.web_servers=1"),
        ("service: {name: shop}", "is a service of a Compose project, and the deployment has none"),
        ("container: {image: shop}", "the web servers of a shop are containers of the kit: --backend docker"),
    ],
)  # fmt: skip
def test_a_plan_says_what_does_not_fit_the_web_servers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str, said: str
) -> None:
    """Their number, and where they run."""
    write(tmp_path, ALONE.replace("WAY", way))
    assert main(["plan", "--backend", "process", str(write(tmp_path, SCENARIO, "s.yaml"))]) == 0
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("kill web server: web-1", "kill web server acts upon web-1, which you run: the kit can neither end nor cut"),
        ("isolate: primary, with: web-2", "isolate acts upon web-2, which you run"),
    ],
)  # fmt: skip
def test_no_fault_acts_upon_what_you_run(tmp_path: Path, fault: str, said: str) -> None:
    """The file is wrong at the line of the fault."""
    write(tmp_path, ALONE.replace("WAY", "address: [127.0.0.1:80, 127.0.0.1:81]"))
    begun, _, _ = SCENARIO.replace("users: 10", "users: 10, web_servers: 2").partition("faults:")
    file = write(tmp_path, f"{begun}faults: [{{after: 4s, {fault}}}]\n", "s.yaml")
    with pytest.raises(UsageError, match=said):
        load(file, shipped())


def test_what_you_run_is_planned_with_its_address(tmp_path: Path) -> None:
    """No other run goes beside it, and the kit says what it waits for."""
    write(tmp_path, ALONE.replace("WAY", "address: 127.0.0.1:80\nenvironment_file: a.env"))
    scenario = load(
        write(tmp_path, SCENARIO.replace("users: 10", "users: 10, web_servers: 1"), "s.yaml"), shipped()
    )
    (plan,) = compile_all([scenario], seed=0, ground=ground_for_planning("process"))
    assert (plan.guests, plan.exclusive, plan.skip) == ((), True, None)
    assert plan.run_by_user is not None
    assert plan.run_by_user.to_be_started == (
        "a shop is run by you at 127.0.0.1:80: start it with the variables of a.env, within 20 s of each run's "
        "beginning"
    )


def test_an_image_that_is_missing_is_said_with_what_gets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `needs`, or by Docker's own command."""
    monkeypatch.setattr("harness.running.guest_needs.present", lambda _: False)
    plain = ALONE.replace("WAY", "container: {image: shop}")
    assert str(needed_by(load_guest(write(tmp_path, plain)))).endswith("to get it: docker pull shop")
    built = plain.replace("cookie: sid", "cookie: sid\nneeds: {shop: docker build -t shop .}")
    assert str(needed_by(load_guest(write(tmp_path, built)))).endswith("to get it: docker build -t shop .")
    monkeypatch.setattr("harness.running.guest_needs.present", lambda _: True)
    assert needed_by(load_guest(write(tmp_path, built))) is None


def test_a_guest_file_in_the_place_of_a_scenario_is_recognised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever runs it is told what it is for."""
    path = write(tmp_path)
    assert main(["plan", str(path)]) == 2
    assert f"to try it: failover-kit guest check {path}" in capsys.readouterr().err


def test_schema_in_docs_is_what_the_reader_uses() -> None:
    """Editors and the reader agree; every shipped guest file is legal for both."""
    assert (ROOT / "docs" / "guest.schema.json").read_text() == guest_schema_text()
    files = sorted((ROOT / "guests").glob("*/*.yaml"))
    shipped_guests = [one for one in files if one.parent.name != "scenarios"]
    assert shipped_guests
    for path in shipped_guests:
        jsonschema.validate(yaml.safe_load(path.read_text()), guest_schema())
        assert set(load_guest(path).recipes) <= BEHAVIOURS.keys()
    jsonschema.Draft202012Validator.check_schema(json.loads(guest_schema_text()))
