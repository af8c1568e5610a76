"""FastAPI with starsessions in Redis, set up as its documentation says, on the asyncio client of redis-py.

`RETRY` makes the client patient: it opens a new connection for each try, for about three seconds.
"""

import os

from fastapi import FastAPI, Form, Request, Response
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError, TimeoutError
from starsessions import SessionAutoloadMiddleware, SessionMiddleware
from starsessions.stores.redis import RedisStore


def client() -> Redis:
    more = {"socket_timeout": 1, "retry": Retry(ConstantBackoff(0), 0)}
    if "RETRY" in os.environ:
        more |= {"retry": Retry(ConstantBackoff(0.3), 10), "retry_on_error": [ConnectionError, TimeoutError]}
    if "REDIS_SENTINELS" not in os.environ:
        return Redis.from_url(os.environ["REDIS_URL"], **more)
    places = [one.rsplit(":", 1) for one in os.environ["REDIS_SENTINELS"].split(",")]
    sentinel = Sentinel(
        [(host, int(port)) for host, port in places],
        socket_timeout=0.5,
        sentinel_kwargs={"password": os.environ["REDIS_SENTINEL_PASSWORD"], "socket_timeout": 0.5},
    )
    return sentinel.master_for(os.environ["REDIS_SERVICE"], password=os.environ["REDIS_PASSWORD"], **more)


app = FastAPI()
app.add_middleware(SessionAutoloadMiddleware)
app.add_middleware(SessionMiddleware, store=RedisStore(connection=client()), lifetime=3600, rolling=True)


@app.get("/health")
async def health():
    return "ok"


@app.post("/login", status_code=204)
async def login(request: Request, user: str = Form()) -> None:
    request.session.clear()
    request.session.update(user=user, cart={})


@app.get("/me")
async def me(request: Request):
    return {name: request.session.get(name) for name in ("user", "theme", "cart")}


@app.post("/theme", status_code=204)
async def theme(request: Request, response: Response, theme: str = Form()) -> None:
    if "user" not in request.session:
        response.status_code = 401
        return
    request.session["theme"] = theme


@app.post("/cart")
async def cart(request: Request, response: Response, item: str = Form(), quantity: int = Form()):
    if "user" not in request.session:
        response.status_code = 401
        return None
    cart = request.session["cart"]
    cart[item] = cart.get(item, 0) + quantity
    request.session["cart"] = cart
    return {"cart": cart}


@app.post("/logout", status_code=204)
async def logout(request: Request) -> None:
    request.session.clear()
