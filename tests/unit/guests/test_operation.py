"""From an answer to steps: what each kind of answer claims, and what a browser keeps and forgets."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType, SimpleNamespace
from typing import Any

import aiohttp
import pytest

from harness.application import Asked, Session
from harness.guests.answers import Answer
from harness.guests.back_door import Nodes
from harness.guests.browser import Browser
from harness.guests.fleet import GuestFleet
from harness.guests.front_door import ask_at_the_door, shut
from harness.guests.operation import GuestOperation
from harness.guests.walk import walk_through
from harness.model.guest import BEHAVIOURS, BackDoor, Csrf, Guest, Place, Recipe, Sign
from harness.model.records import AuditEntry, AuditSummary, Record
from harness.model.seams import Address
from harness.model.told import (
    AS_NOBODY,
    ERROR,
    NO_ANSWER,
    OK,
    PLEASE_LOG_IN,
    SIGNED_OUT,
    TRY_LATER,
    WRONG_USER,
)
from harness.model.words import FRONT_DOOR, Outcome, StepKind
from tests.fake_clock import in_fake_time

READ = Recipe(
    method="get",
    path="/me",
    done=Sign(status=(200,)),
    user=Place(json="user"),
    values={"theme": Place(json="theme"), "cart": Place(json="cart")},
)
GUEST = Guest(
    name="a shop",
    file="guest.yaml",
    folder="/",
    start=("serve",),
    cookie="sid",
    recipes={
        "log-in": Recipe(method="post", path="/login", form={"user": "{user}"}, done=Sign(status=(204,))),
        "read": READ,
        "touch": READ,
        "change-field": Recipe(method="post", path="/theme", form={"theme": "{value}"}),
        "cart": Recipe(
            method="post",
            path="/cart",
            json={"item": "{item}", "quantity": "{quantity}"},
            values={"cart": Place(json="cart")},
        ),
        "logout": Recipe(method="post", path="/logout"),
        "logout-everywhere": Recipe(method="post", path="/logout-everywhere"),
    },
)
SESSION = Session("s1", "ann", 7, 1, "guest:s1", "")
SET = ["sid=abc; Path=/; HttpOnly"]
DELETED = ["sid=; Path=/; Max-Age=0"]

Reply = tuple[Answer, list[str]] | Exception


class Scripted:
    """In the place of the HTTP client: gives what the test says, and keeps what it was asked."""

    def __init__(self, *replies: Reply) -> None:
        self.replies = list(replies)
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []
        self.time_us = 0

    def now_us(self) -> int:
        self.time_us += 10
        return self.time_us

    async def ask(self, address: Address, method: str, path: str, **how: Any) -> tuple[Answer, list[str]]:
        self.asked.append((method, path, how))
        reply = self.replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply


class Door:
    name, side, address = "web-1", "all", Address("127.0.0.1", 8000)


def page(body: str = "", status: int = 200, cookies: Sequence[str] = (), location: str = "") -> Reply:
    return Answer(status=status, body=body, location=location), list(cookies)


def refused() -> Exception:
    key: Any = None
    return aiohttp.ClientConnectorError(key, OSError(111, "Connection refused"))


def carried_out(
    behaviour: str,
    *replies: Reply,
    guest: Guest = GUEST,
    logged_in: bool = True,
    earlier: tuple[Session, ...] = (),
) -> tuple[GuestOperation, str, Scripted]:
    client = Scripted(*([page(status=204, cookies=SET)] if logged_in else []), *replies)
    door: Any = Door()

    async def main() -> tuple[GuestOperation, str]:
        browser = Browser(client, cookie="sid", token=guest.token)  # type: ignore[arg-type]
        if logged_in:
            await browser.do(door.address, guest.recipes["log-in"], {"user": "ann"})
        asked = Asked(9, behaviour, "ann", SESSION, 0x10300, earlier)
        operation = GuestOperation(guest, BEHAVIOURS[behaviour], asked, door, browser)
        return operation, await operation.carry_out()

    operation, told = in_fake_time(main())
    return operation, told, client


OURS = '{"user": "ann", "theme": "3:dark", "cart": {"item1": 4}}'


@pytest.mark.parametrize(
    ("reply", "told", "outcome", "result"),
    [
        (page(OURS), OK, Outcome.ACKED, "reply"),
        (page('{"user": null}'), AS_NOBODY, Outcome.ACKED, "reply"),
        (page('{"user": ""}'), AS_NOBODY, Outcome.ACKED, "reply"),
        (page("<html>hello</html>"), AS_NOBODY, Outcome.ACKED, "reply"),
        (page('{"user": "bob"}'), WRONG_USER, Outcome.ACKED, "reply"),
        (page(status=401), PLEASE_LOG_IN, Outcome.ACKED, "reply"),
        (page(status=500), ERROR, Outcome.UNKNOWN, "status-500"),
        (page(status=302, location="/me"), ERROR, Outcome.UNKNOWN, "status-302"),
        (TimeoutError(), NO_ANSWER, Outcome.UNKNOWN, "timeout"),
        (aiohttp.ServerDisconnectedError(), ERROR, Outcome.UNKNOWN, "connection-lost"),
        (aiohttp.ClientPayloadError("more than 1048576 bytes"), ERROR, Outcome.UNKNOWN, "connection-lost"),
        (refused(), TRY_LATER, Outcome.REJECTED, "connect-failed"),
    ],
)
def test_what_each_answer_claims(reply: Reply, told: str, outcome: Outcome, result: str) -> None:
    """Rejected only without a connection; unknown wherever the application may have done it."""
    operation, said, _ = carried_out("read", reply)
    (step,) = operation.steps
    assert (said, step.outcome, operation.attempts[-1].result) == (told, outcome, result)
    assert operation.attempts[-1].handed_over is (outcome is not Outcome.REJECTED)


def test_a_page_shows_the_session_as_it_is() -> None:
    """Identity, what change-field wrote, and the cart; nothing where it shows nobody."""
    (step,) = carried_out("read", page(OURS))[0].steps
    assert step.saw == {"sid": "s1", "user_id": "ann", "generation": "7", "theme": "3:dark", "cart:1": "4"}
    assert carried_out("read", page('{"user": null}'))[0].steps[0].saw == {}
    assert carried_out("read", page('{"user": "bob"}'))[0].steps[0].saw == {"user_id": "bob"}


def test_a_touch_reads_as_well() -> None:
    """Two steps, one request."""
    read, touch = carried_out("touch", page(OURS))[0].steps
    assert (read.does, touch.does, touch.deciding, read.deciding) == (
        StepKind.READ,
        StepKind.TOUCH,
        True,
        False,
    )
    assert read.attempts == touch.attempts == (1,)


def test_what_is_written_carries_the_number_of_its_operation() -> None:
    """The field as text, the quantity as a number; and the total where the answer shows it."""
    operation, told, client = carried_out("change-field", page())
    assert (told, operation.steps[0].wrote) == (OK, {"theme": "9:contrast"})
    assert client.asked[-1][2]["form"] == {"theme": "9:contrast"}
    operation, _, client = carried_out("cart", page('{"cart": {"item1": 6}}'))
    assert client.asked[-1][2]["json"] == {"item": "item1", "quantity": 2}
    assert (operation.steps[0].added, operation.steps[0].added_now) == ({"cart:1": 2}, {"cart:1": 6})


def test_a_write_that_met_nobody_had_no_effect() -> None:
    """An acknowledged absence, as a guard's."""
    (step,) = carried_out("cart", page(status=401))[0].steps
    assert (step.outcome, step.effective, step.added_now) == (Outcome.ACKED, False, {})


BYE = page(status=302, location="/login?bye")
NO_TOKEN = page("please", 302, location="/login")


@pytest.mark.parametrize(
    ("behaviour", "done", "replies", "told", "effective"),
    [
        ("logout", Sign(), [BYE], SIGNED_OUT, None),
        ("logout-everywhere", Sign(), [BYE], SIGNED_OUT, None),
        ("logout", Sign(status=(204,)), [BYE], PLEASE_LOG_IN, False),
        ("logout", Sign(), [page(status=401)], ERROR, None),
        ("change-field", Sign(), [BYE], PLEASE_LOG_IN, False),
    ],
)
def test_a_logout_that_leads_to_the_log_in_page_is_one(
    behaviour: str, done: Sign, replies: list[Reply], told: str, effective: bool | None
) -> None:
    """The user was there until then: nothing says that the session had been lost before."""
    recipes = dict(GUEST.recipes)
    recipes[behaviour] = replace(recipes[behaviour], done=done)
    guest = replace(GUEST, please_log_in=Sign(redirect="/login"), recipes=recipes)
    operation, said, _ = carried_out(behaviour, *replies, guest=guest)
    assert (said, operation.steps[0].effective) == (told, effective)


def test_a_logout_that_was_never_sent_is_none() -> None:
    """The page with its token was the log-in page: that says that the user was out before."""
    csrf = Csrf(get="/account", text="token=(.+)")
    recipes = {**GUEST.recipes, "logout": replace(GUEST.recipes["logout"], csrf=csrf)}
    guest = replace(GUEST, please_log_in=Sign(redirect="/login"), recipes=recipes)
    operation, told, _ = carried_out("logout", NO_TOKEN, guest=guest)
    assert (told, operation.steps[0].effective) == (PLEASE_LOG_IN, False)


def test_a_logout_everywhere_is_about_every_session_that_the_browser_had() -> None:
    """One request; each session that it may have ended has a step."""
    other = Session("s0", "ann", 3, 1, "guest:s0", "")
    operation, told, _ = carried_out("logout-everywhere", page(), earlier=(other,))
    assert (told, [one.session for one in operation.steps]) == (SIGNED_OUT, ["s1", "s0"])
    assert [one.session for one in carried_out("logout", page(), earlier=(other,))[0].steps] == ["s1"]


def test_a_browser_that_is_told_to_forget_keeps_a_copy_for_the_front_door() -> None:
    """The next request goes without the cookie; whoever copied it still has it."""
    operation, told, client = carried_out("read", page('{"user": null}', cookies=DELETED))
    assert (told, [one.does for one in operation.steps]) == (AS_NOBODY, [StepKind.READ, StepKind.FORGET])
    assert client.asked[-1][2]["headers"]["Cookie"] == "sid=abc"
    assert operation._browser.kept == {"sid": "abc"}
    assert not operation._browser.has_session
    ended, _, _ = carried_out("logout", page(cookies=DELETED))
    assert [one.does for one in ended.steps] == [StepKind.DESTROY]


@pytest.mark.parametrize(
    ("reply", "trouble"),
    [(page(status=204), "has no session"), (page(status=401), "with a log-in page")],
)
def test_a_log_in_without_a_session_is_none(reply: Reply, trouble: str) -> None:
    """Whatever its status says."""
    operation, told, _ = carried_out("log-in", reply, logged_in=False)
    assert (told, operation.steps[0].outcome) == (ERROR, Outcome.UNKNOWN)
    assert trouble in (operation.steps[0].error or "")


def test_a_token_is_taken_from_a_page_first() -> None:
    """That page is an attempt of its own, of no step; without the token nothing is sent."""
    recipe = Recipe(
        method="post", path="/login", form={"csrf": "{csrf}"}, csrf=Csrf(get="/login", text='value="(.+?)"')
    )
    guest = Guest(name="x", file="x", folder="/", start=("x",), cookie="sid", recipes={"log-in": recipe})
    operation, told, client = carried_out(
        "log-in", page('value="t0k"', cookies=["csrf=1"]), page(cookies=SET), guest=guest, logged_in=False
    )
    assert (told, client.asked[-1][2]["form"]) == (OK, {"csrf": "t0k"})
    assert client.asked[-1][2]["headers"]["Cookie"] == "csrf=1"
    assert [one.steps for one in operation.attempts] == [(), (1,)]
    operation, told, client = carried_out("log-in", page("no form"), guest=guest, logged_in=False)
    assert (told, len(client.asked)) == (ERROR, 1)
    assert operation.steps[0].error == "/login answered 200 and has no token"


def test_a_page_with_a_token_that_asks_to_log_in_is_the_answer() -> None:
    """Its user was put out: that is no error page."""
    recipe = replace(GUEST.recipes["change-field"], csrf=Csrf(get="/form", text='value="(.+?)"'))
    guest = replace(GUEST, recipes={**GUEST.recipes, "change-field": recipe})
    operation, told, _ = carried_out("change-field", page(status=401), guest=guest)
    assert (told, operation.steps[0].outcome, operation.steps[0].effective) == (
        PLEASE_LOG_IN,
        Outcome.ACKED,
        False,
    )


def test_a_bearer_token_is_sent_from_the_log_in_on() -> None:
    """Where an application keeps sessions by token."""
    guest = Guest(
        name="x", file="x", folder="/", start=("x",), token=Place(json="token"), recipes=dict(GUEST.recipes)
    )
    browser_replies = (page('{"token": "t0k"}', status=204), page(OURS))
    client = Scripted(*browser_replies)

    async def main() -> None:
        browser = Browser(client, token=guest.token)  # type: ignore[arg-type]
        await browser.do(Door.address, guest.recipes["log-in"], {"user": "ann"})
        await browser.do(Door.address, guest.recipes["read"], {})
        assert browser.has_session

    in_fake_time(main())
    assert client.asked[-1][2]["headers"]["Authorization"] == "Bearer t0k"


class Clock:
    def now_us(self) -> int:
        return 5


def asked_at_the_door(*replies: Reply) -> list[Record]:
    client = Scripted(page(status=204, cookies=SET), page('{"user": null}', cookies=DELETED), *replies)
    written: list[Record] = []
    door: Any = Door()
    clock: Any = Clock()

    async def main() -> None:
        browser = Browser(client, cookie="sid")  # type: ignore[arg-type]
        await browser.do(door.address, GUEST.recipes["log-in"], {"user": "ann"})
        await browser.do(door.address, READ, {})
        await ask_at_the_door(GUEST, [(SESSION, browser)], [door], written.append, clock, within_s=5)

    in_fake_time(main())
    assert client.asked[-1][2]["headers"]["Cookie"] == "sid=abc"
    return written


def test_the_front_door_is_asked_with_the_cookie_that_was_deleted() -> None:
    """What it shows is an audit's entry; an answer that is none is asked for again, and else undecided."""
    entry, summary = asked_at_the_door(page(status=503), page(OURS))
    assert isinstance(entry, AuditEntry)
    assert (entry.node, entry.role, entry.saw and entry.saw["user_id"]) == (FRONT_DOOR, "primary", "ann")
    assert isinstance(summary, AuditSummary)
    assert summary.valid_pass == 1
    once_wrong, _ = asked_at_the_door(page('{"user": null}'), page(OURS))
    assert isinstance(once_wrong, AuditEntry)
    assert once_wrong.key_type == "hash"
    gone, _ = asked_at_the_door(*[page('{"user": null}')] * 3)
    assert isinstance(gone, AuditEntry)
    assert (gone.saw, gone.key_type) == ({}, "none")
    silent, _ = asked_at_the_door(page(status=503), page(status=503), TimeoutError())
    assert isinstance(silent, AuditEntry)
    assert (silent.saw, silent.error) == (None, "no answer in time")


class Patient:
    """In the place of the HTTP client: some web servers answer, and at the others everybody waits in vain."""

    now_us = staticmethod(lambda: 5)

    def __init__(self, *hung: int) -> None:
        self.hung = hung

    async def ask(self, address: Address, method: str, path: str, **_: Any) -> tuple[Answer, list[str]]:
        if address.port in self.hung:
            await asyncio.sleep(GUEST.timeout_s)
            raise TimeoutError
        return Answer(status=200, body='{"user": "ann"}'), []


@pytest.mark.parametrize(
    ("hung", "there", "longest"), [((), 60, 0), ((1,), 60, GUEST.timeout_s), ((1, 2), 0, 4 * GUEST.timeout_s)]
)
def test_a_web_server_that_hangs_keeps_the_front_door_up_once(
    hung: tuple[int, ...], there: int, longest: float
) -> None:
    """Not once for each session: the others are asked at the web servers that answer."""
    client: Any = Patient(*hung)
    doors: Any = [SimpleNamespace(name=f"web-{n}", address=Address("127.0.0.1", n)) for n in (1, 2)]
    written: list[Record] = []

    async def main() -> float:
        browsers = [Browser(client, cookie="sid") for _ in range(60)]
        for one in browsers:
            one.kept = {"sid": "abc"}
        began_s = asyncio.get_running_loop().time()
        asked: Any = [(SESSION, one) for one in browsers]
        clock: Any = Clock()
        await ask_at_the_door(GUEST, asked, doors, written.append, clock, within_s=300)
        return asyncio.get_running_loop().time() - began_s

    assert in_fake_time(main()) <= longest + 0.1
    entries = [one for one in written if isinstance(one, AuditEntry)]
    assert [sum(bool(one.saw) for one in entries), len(entries)] == [there, 60]
    assert all(one.saw or one.error in {"no answer", "no answer in time"} for one in entries)


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        ([page(status=204, cookies=SET)], ""),
        ([page(status=500), refused(), page(status=204, cookies=SET)], ""),
        ([page(status=500)] * 5, "answered 500"),
        ([page(status=204)] * 5, "ok"),
    ],
)
def test_a_web_server_is_shut_if_nobody_gets_in_for_a_while(replies: list[Reply], why: str) -> None:
    """One log-in that gets in is enough."""
    client: Any = Scripted(*replies)
    door: Any = Door()
    assert in_fake_time(shut(GUEST, door, client, for_s=2.0)) == why


OTHER = ["sid=xyz; Path=/"]
KIT = page('{"user": "kit"}')
NOBODY = page('{"user": null}')


def asked_after_a_new_cookie(behaviour: str, answer: Reply, *replies: Reply) -> tuple[list[str], AuditEntry]:
    """The cookies that the front door is asked with, and what it says: `answer` replaced the one that worked.
    Before it another cookie came, which is none of the session's."""
    other = page(status=204, cookies=["csrf=1; Path=/"])
    client = Scripted(page(status=204, cookies=SET), page(OURS), other, answer, *replies)
    written: list[Record] = []
    door, clock = Door(), Clock()

    async def main() -> None:
        browser = Browser(client, cookie="sid")  # type: ignore[arg-type]
        await browser.do(door.address, GUEST.recipes["log-in"], {"user": "ann"})
        for one in ("read", "change-field", behaviour):
            asked = Asked(9, one, "ann", SESSION, 0x10300)
            await GuestOperation(GUEST, BEHAVIOURS[one], asked, door, browser).carry_out()  # type: ignore[arg-type]
        await ask_at_the_door(GUEST, [(SESSION, browser)], [door], written.append, clock, within_s=5)  # type: ignore[list-item,arg-type]

    in_fake_time(main())
    entry = written[0]
    assert isinstance(entry, AuditEntry)
    asked = [how["headers"]["Cookie"].split("; ") for _, _, how in client.asked[4:]]
    return [next(one for one in cookies if one.startswith("sid=")) for cookies in asked], entry


@pytest.mark.parametrize(
    ("behaviour", "answer"),
    [
        ("read", page('{"user": null}', cookies=OTHER)),
        ("change-field", page(status=500, cookies=OTHER)),
        ("logout", page(status=204, cookies=OTHER)),
    ],
)
def test_the_front_door_is_asked_with_the_cookie_that_was_replaced(behaviour: str, answer: Reply) -> None:
    """Where the last cookie shows nobody, the one before it that worked is tried: somebody may have copied it."""
    cookies, entry = asked_after_a_new_cookie(behaviour, answer, NOBODY, page(OURS))
    assert cookies == ["sid=xyz", "sid=abc"]
    assert entry.key_type == "hash"


@pytest.mark.parametrize(
    ("behaviour", "answer"),
    [("read", page(OURS, cookies=OTHER)), ("change-field", page(status=204, cookies=OTHER))],
)
@pytest.mark.parametrize(("found", "there"), [([NOBODY] * 3, "none"), ([page(OURS)], "hash")])
def test_a_cookie_that_came_with_a_yes_is_the_session(
    behaviour: str, answer: Reply, found: list[Reply], there: str
) -> None:
    """If it is lost its user is put out, though the cookie before it may work."""
    cookies, entry = asked_after_a_new_cookie(behaviour, answer, *found)
    assert cookies == ["sid=xyz"] * len(found)
    assert entry.key_type == there


@pytest.mark.parametrize(
    ("answer", "forgets"),
    [
        (page('{"user": null}', cookies=OTHER), True),
        (page('{"user": null}', cookies=["csrf=1; Path=/"]), False),
        (page('{"user": null}', cookies=SET), False),
        (page(OURS, cookies=OTHER), False),
    ],
)
def test_a_page_for_nobody_with_another_cookie_makes_the_browser_forget(answer: Reply, forgets: bool) -> None:
    """As a deleted cookie does. One that is renewed for its user does not."""
    operation, _, _ = carried_out("read", answer)
    assert any(step.does is StepKind.FORGET for step in operation.steps) is forgets


def test_a_session_has_the_key_that_its_cookie_gives_it() -> None:
    """Known once its log-in is answered, and in the steps of that log-in too."""
    guest = replace(GUEST, back_door=BackDoor(key="sess:{id}"))
    operation, told, _ = carried_out("log-in", page(status=204, cookies=SET), guest=guest, logged_in=False)
    assert (told, SESSION.key, operation.steps[0].key) == (OK, "sess:abc", "sess:abc")
    SESSION.key = "guest:s1"


def walked(*replies: Reply, guest: Guest = GUEST, nodes: Nodes | None = None) -> list[str]:
    client: Any = Scripted(*replies)
    door: Any = Door()
    walk = in_fake_time(walk_through(guest, door, client, nodes=nodes))
    return walk.problems + walk.notes[: len(walk.notes) * (nodes is not None)]


def holding(*keys: int, left_ms: Mapping[str, int] = MappingProxyType({})) -> Nodes:
    """Nodes that say one of these numbers of keys after the other, and which keys there are."""
    numbers = iter(keys)
    return Nodes(keys=lambda: next(numbers), left_ms=lambda key: left_ms.get(key, -2))


def test_an_application_that_keeps_its_sessions_elsewhere_is_not_judged() -> None:
    """Whatever happened to this run's Redis, its users would see nothing of it."""
    (problem,) = walked(NOBODY, page(status=204, cookies=SET), KIT, nodes=holding(3, 3))
    assert "log-in: expected that it leaves a key in this run's Redis, found none" in problem


@pytest.mark.parametrize(
    ("door", "kept", "said"),
    [
        (
            BackDoor(key="s:{id}"),
            {},
            ["back_door: expected the key of the session after a log-in, found that s:abc"],
        ),
        (BackDoor(key="s:{id}", id="^s:(.+)"), {}, ["found that the cookie has no id that 'id' finds"]),
        (BackDoor(key="s:{id}"), {"s:abc": 900}, ["back door, after logout: s:abc is still there"]),
    ],
)
def test_a_key_that_is_not_there_is_a_wrong_guest_file(
    door: BackDoor, kept: Mapping[str, int], said: list[str]
) -> None:
    """And one that a logout leaves is worth a note."""
    recipes = {name: GUEST.recipes[name] for name in ("log-in", "read", "logout")}
    guest = replace(GUEST, back_door=door, recipes=recipes)
    entered, out = page(status=204, cookies=SET), page(cookies=DELETED)
    replies = [NOBODY, entered, KIT, entered, out, NOBODY, NOBODY]
    found = walked(*replies, guest=guest, nodes=holding(3, 4, left_ms=kept))
    assert all(any(one in text for text in found) for one in said), found


BOTH = page(status=204, cookies=["csrf=1; Path=/", *SET])


@pytest.mark.parametrize(
    ("without_csrf", "without_sid", "said"),
    [
        (KIT, NOBODY, ""),
        (NOBODY, NOBODY, "found csrf, sid, and that the page of the user takes each of csrf, sid; say which"),
        (KIT, KIT, "found csrf, sid, and that the page of the user can do without each of them; say which"),
    ],
)
def test_the_cookie_that_makes_the_session_is_found_out(
    without_csrf: Reply, without_sid: Reply, said: str
) -> None:
    """Where an application has several: a token against CSRF stays when the session's cookie is deleted."""
    recipes = {name: GUEST.recipes[name] for name in ("log-in", "read", "logout")}
    guest = replace(GUEST, cookie="", recipes=recipes)
    begin = [NOBODY, BOTH, KIT, without_csrf, without_sid]
    problems = walked(*begin, BOTH, page(cookies=DELETED), NOBODY, NOBODY, guest=guest)
    assert len(problems) == bool(said)
    assert said in "".join(problems)


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        (
            [page(status=403), page(status=204, cookies=SET), KIT],
            "read: expected that 'please_log_in' recognises",
        ),
        ([KIT, page(status=204, cookies=SET), KIT], "read: expected a page that names nobody as long as"),
        ([NOBODY, page(status=400)], "log-in: expected an answer that 'done' recognises, found answered 400"),
        ([NOBODY, page(status=204)], "log-in: expected the cookie 'sid' in its answer"),
        ([NOBODY, page(status=204, cookies=SET), NOBODY], "read: expected a page that names the user 'kit'"),
        (
            [NOBODY, page(status=204, cookies=SET), page("x", 302, location="/me")],
            "found answered 302 to /me",
        ),
        (
            [NOBODY, TimeoutError()],
            "log-in: expected an answer that 'done' recognises, found no answer in time",
        ),
    ],
)
def test_a_guest_that_cannot_be_judged_is_told_why(replies: list[Reply], said: str) -> None:
    """One sentence, before there is a load."""
    (problem,) = walked(*replies)
    assert said in problem


def test_a_guest_whose_logout_ends_nothing_is_told_so() -> None:
    """And one whose page does not show what was written."""
    recipes = {name: GUEST.recipes[name] for name in ("log-in", "read", "change-field", "logout")}
    guest = Guest(name="x", file="x", folder="/", start=("x",), cookie="sid", recipes=recipes)
    entered = page(status=204, cookies=SET)
    problems = walked(NOBODY, entered, KIT, page(), KIT, entered, page(), KIT, KIT, guest=guest)
    assert [one.split(", found")[0] for one in problems] == [
        "x: behaviours.read: expected theme 4:contrast at 'values.theme' after change-field",
        "x: behaviours.logout: expected that the user is not logged in afterwards",
    ]


def test_a_logout_that_done_does_not_recognise_is_told_so() -> None:
    """Whoever is logged in is not asked to log in: `done` does not fit the answer, and runs would call it a loss."""
    recipes = {name: GUEST.recipes[name] for name in ("log-in", "read", "logout")}
    recipes["logout"] = replace(recipes["logout"], done=Sign(redirect="/bye"))
    guest = replace(GUEST, please_log_in=Sign(redirect="/login"), recipes=recipes)
    entered = page(status=204, cookies=SET)
    (problem,) = walked(NOBODY, entered, KIT, entered, page(status=302, location="/login"), guest=guest)
    assert problem == (
        "guest.yaml: behaviours.logout: expected an answer that 'done' recognises, found please log in "
        "(302 to /login)"
    )


def test_the_balancer_passes_over_a_web_server_that_does_not_serve() -> None:
    """Where none does, it sends to the one that was planned."""

    class Process:
        running = True

    processes: Any = {"web-1": Process(), "web-2": Process()}
    clock: Any = Clock()
    fleet = GuestFleet(
        GUEST, processes, environment={}, fill=lambda text, _: text, record=lambda _: None, clock=clock
    )
    assert fleet.serving(1).name == "web-2"
    fleet._servers[0]._in_service = True
    assert [fleet.serving(n).name for n in range(3)] == ["web-1"] * 3
    fleet.set_sides(1, {"web-2": "rest"})
    assert (fleet.serving(0).side, fleet._servers[1].side) == ("all", "rest")


def test_the_nodes_are_asked_for_the_keys_that_are_known() -> None:
    """Those that a log-in's cookie gave; none where the guest file does not say which they are."""
    clock: Any = Clock()

    def keys(guest: Guest) -> list[str]:
        fleet = GuestFleet(
            guest, {}, environment={}, fill=lambda text, _: text, record=lambda _: None, clock=clock
        )
        known, unknown = fleet.new_session("ann", 1, 1), fleet.new_session("bob", 2, 2)
        known.key = "sess:abc"
        return [one.key for one in fleet.at_back_door([known, unknown, known])]

    assert keys(replace(GUEST, back_door=BackDoor(key="sess:{id}"))) == ["sess:abc"]
    assert not keys(GUEST)
