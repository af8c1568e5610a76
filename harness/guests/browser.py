"""A user's browser: its cookies or its token, and its patience. The only place that speaks HTTP.

One browser for each session: a log-in begins with an empty jar, so that the session before it is still there
to be asked for. The jar obeys what a browser obeys (attributes, expiry, deletion). Whichever web server is
asked, the jar believes that it is `http://localhost`, as behind a balancer.

Every request is a connection of its own. Trap: on a connection that the server had closed, the client library
would send the request again, and nobody would learn of the first attempt.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from yarl import URL

from harness.clock import Clock
from harness.costly import aiohttp
from harness.guests.answers import Answer, found_in
from harness.guests.words import filled
from harness.model.attempt_results import CANCELLED, CONNECT_FAILED, CONNECTION_LOST, REPLY, TIMEOUT
from harness.model.guest import Place, Recipe
from harness.model.records import Attempt
from harness.model.seams import Address

ORIGIN = URL("http://localhost")
BODY_MAX = 1 << 20
"""Bytes of an answer that are read; whoever sends more streams."""
AT_ONCE = 200
"""Requests in flight to one web server; what is due beyond that waits, and its latency shows it."""


class Client:
    """What all browsers of a run share."""

    def __init__(self, clock: Clock, *, timeout_s: float) -> None:
        self.now_us = clock.now_us
        self.peak = 0
        """The most requests that were ever in flight."""
        self._in_flight = 0
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, limit=0, limit_per_host=AT_ONCE),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            trust_env=False,
        )

    async def ask(
        self,
        address: Address,
        method: str,
        path: str,
        *,
        form: Mapping[str, str] | None = None,
        json: Mapping[str, object] | None = None,
        headers: Mapping[str, str],
    ) -> tuple[Answer, list[str]]:
        """The answer, and its Set-Cookie headers.

        Raises:
            aiohttp.ClientError, TimeoutError: there is none.
        """
        url = URL.build(scheme="http", host=address.host, port=address.port, path="/")
        request = self._session.request(
            method,
            url.join(URL(path)),
            data=form,
            json=json,
            headers={"Host": "localhost", **headers},
            allow_redirects=False,
        )
        self._in_flight += 1
        self.peak = max(self.peak, self._in_flight)
        try:
            return await _whole(request)
        finally:
            self._in_flight -= 1

    async def close(self) -> None:
        await self._session.close()


async def _whole(request: AbstractAsyncContextManager[aiohttp.ClientResponse]) -> tuple[Answer, list[str]]:
    """An answer to its end."""
    async with request as reply:
        body = bytearray()
        try:
            async for chunk in reply.content.iter_chunked(1 << 16):
                body += chunk
                if len(body) > BODY_MAX:
                    raise aiohttp.ClientPayloadError(f"it has more than {BODY_MAX} bytes")
        except TimeoutError as late:
            raise TimeoutError(f"its answer began, and did not end in time; {len(body)} bytes came") from late
        answer = Answer(
            status=reply.status,
            body=body.decode("utf-8", errors="replace"),
            location=reply.headers.get("Location", ""),
            headers={name.lower(): value for name, value in reply.headers.items()},
        )
        return answer, reply.headers.getall("Set-Cookie", [])


@dataclass(slots=True)
class Heard:
    """What came of one recipe: its attempts, and the answer to the last one."""

    attempts: list[Attempt] = field(default_factory=list)
    answer: Answer | None = None
    trouble: str = ""
    """Why there is no answer to the request itself: `answer` is then none, or the page without a token."""
    replaced: bool = False
    """The answer gave the browser another session's cookie in the place of the one that it had."""
    forgot: bool = False
    """The answer told the browser to drop the session's cookie."""


class Browser:
    def __init__(self, client: Client, *, cookie: str = "", token: Place | None = None) -> None:
        self._client = client
        self._cookie = cookie
        self._place = token
        self._token = ""
        self._jar = aiohttp.CookieJar(unsafe=True, quote_cookie=False, treat_as_secure_origin=ORIGIN)
        self.kept: dict[str, str] = {}
        """The last cookies that had the session's among them: whoever copied them still has them."""
        self.proved: dict[str, str] = {}
        """The last cookies for which a page showed the user, or what the application gave for them with a
        yes. It may have replaced them since, with a page for nobody, an error, or a logout."""

    @property
    def has_session(self) -> bool:
        return bool(self._token) or self._of_session(self._cookies())

    @property
    def has_what_worked(self) -> bool:
        """Whether it has the session's cookie that a page was last shown for; others may have changed."""
        return self.proved.get(self._cookie) == self.kept.get(self._cookie)

    @property
    def cookies(self) -> tuple[str, ...]:
        """The names of those that it has."""
        return tuple(self._cookies())

    async def do(
        self, address: Address, recipe: Recipe, words: Mapping[str, str], heard: Heard | None = None
    ) -> Heard:
        """Carry out a recipe, the page with its token first. Never raises for what the application did.

        `heard` is filled in as far as it got, also where this is cancelled.
        """
        heard = heard or Heard()
        said = dict(words)
        if recipe.csrf is not None:
            await self._send(address, Recipe(method="get", path=recipe.csrf.get), said, heard)
            if heard.answer is None:
                return heard
            token = found_in(heard.answer, recipe.csrf.place)
            if not isinstance(token, str):
                heard.trouble = f"{recipe.csrf.get} answered {heard.answer.said} and has no token"
                return heard
            said["csrf"] = token
        await self._send(address, recipe, said, heard)
        if heard.answer is not None and self._place is not None:
            token = found_in(heard.answer, self._place)
            self._token = token if isinstance(token, str) and token else self._token
        return heard

    @property
    def copies(self) -> tuple[dict[str, str], ...]:
        """What somebody may have copied: the last cookies of the session, and those before that worked."""
        earlier = () if self.proved == self.kept else (self.proved,)
        return tuple(one for one in (self.kept, *earlier) if one)

    async def with_copy(self, address: Address, recipe: Recipe, cookies: Mapping[str, str]) -> Heard:
        """Ask with copied cookies, whatever the application told the browser since."""
        heard = Heard()
        await self._send(address, recipe, {}, heard, cookies)
        return heard

    async def _send(
        self,
        address: Address,
        recipe: Recipe,
        words: Mapping[str, str],
        heard: Heard,
        kept: Mapping[str, str] | None = None,
    ) -> None:
        attempt = Attempt(n=len(heard.attempts) + 1, sent_us=self._client.now_us(), handed_over=True)
        heard.attempts.append(attempt)
        heard.answer = None
        cookies = self._cookies() if kept is None else dict(kept)
        try:
            answer, set_cookies = await self._client.ask(
                address,
                recipe.method,
                filled(recipe.path, words),
                form=_all_filled(recipe.form, words) or None,
                json=_as_json(recipe.json, words) or None,
                headers=self._headers(recipe, words, cookies),
            )
        except aiohttp.ClientConnectorError as error:
            attempt.handed_over, attempt.result = False, CONNECT_FAILED
            heard.trouble = f"no connection: {error.strerror or error}"
        except TimeoutError as late:
            began = str(late).startswith("its answer began")
            attempt.result, heard.trouble = TIMEOUT, str(late) if began else "no answer in time"
        except (aiohttp.ClientError, ValueError) as error:
            attempt.result, heard.trouble = CONNECTION_LOST, f"the answer broke off: {error}"
        except asyncio.CancelledError:
            attempt.result = CANCELLED
            raise
        else:
            attempt.result, heard.answer = REPLY, answer
            if kept is None:
                self._obey(set_cookies, cookies, heard)
        finally:
            attempt.done_us = self._client.now_us()

    def _obey(self, set_cookies: list[str], before: Mapping[str, str], heard: Heard) -> None:
        had = self._of_session(before)
        if set_cookies:
            self._jar.update_cookies_from_headers(set_cookies, ORIGIN)
        now = self._cookies()
        has = self._of_session(now)
        if has or self._token:
            self.kept = now
        heard.forgot = heard.forgot or (had and not has and not self._token)
        named = self._cookie if had and has else ""
        heard.replaced = heard.replaced or (bool(named) and before.get(named) != now.get(named))

    def _cookies(self) -> dict[str, str]:
        return {name: one.value for name, one in self._jar.filter_cookies(ORIGIN).items()}

    def _of_session(self, cookies: Mapping[str, str]) -> bool:
        return bool(cookies.get(self._cookie)) if self._cookie else bool(cookies)

    def _headers(
        self, recipe: Recipe, words: Mapping[str, str], cookies: Mapping[str, str]
    ) -> dict[str, str]:
        headers = _all_filled(recipe.headers, words)
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers


def _all_filled(texts: Mapping[str, str], words: Mapping[str, str]) -> dict[str, str]:
    return {name: filled(text, words) for name, text in texts.items()}


def _as_json(members: Mapping[str, str], words: Mapping[str, str]) -> dict[str, object]:
    """`"{quantity}"` alone becomes a number."""
    return {
        name: int(words[text[1:-1]]) if text == "{quantity}" else filled(text, words)
        for name, text in members.items()
    }
