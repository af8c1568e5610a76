"""The shop, in Python. It keeps a session as JSON in Redis; the account service in `account.js` reads and writes
the same. Each service saves the whole session, as session libraries do.

Beside the sessions both keep in the same Redis: a limiter of log-ins, remember-me, and which sessions and tokens a
user has, for a log-out everywhere.
"""

import json
import os
import secrets

from flask import Flask, Response, g, jsonify, make_response, request
from redis import Redis
from redis.sentinel import Sentinel

LIFETIME_S, REMEMBERED_S = 3600, 30 * 86400
FAILED_MOST, FAILED_S = 5, 60
PASSWORD = "failover"


def client() -> Redis:
    if "REDIS_SENTINELS" not in os.environ:
        return Redis.from_url(os.environ["REDIS_URL"], socket_timeout=1)
    places = [one.rsplit(":", 1) for one in os.environ["REDIS_SENTINELS"].split(",")]
    sentinel = Sentinel(
        [(host, int(port)) for host, port in places],
        socket_timeout=0.5,
        sentinel_kwargs={"password": os.environ["REDIS_SENTINEL_PASSWORD"], "socket_timeout": 0.5},
    )
    return sentinel.master_for(
        os.environ["REDIS_SERVICE"], password=os.environ["REDIS_PASSWORD"], socket_timeout=1
    )


app = Flask(__name__)
redis = client()


def session() -> dict | None:
    """Whoever has no session and a token gets a new session."""
    g.sid = request.cookies.get("sid", "")
    if (found := redis.get(f"session:{g.sid}")) is not None:
        return json.loads(found)
    user = redis.get(f"remember:{request.cookies.get('remember', '')}")
    return None if user is None else begun(user.decode())


def begun(user: str) -> dict:
    content = {"user": user, "theme": None, "cart": {}}
    g.sid = secrets.token_hex(16)
    redis.setex(f"session:{g.sid}", LIFETIME_S, json.dumps(content))
    redis.sadd(f"sessions:{user}", g.sid)
    return content


def saved(content: dict, status: int) -> Response:
    redis.setex(f"session:{g.sid}", LIFETIME_S, json.dumps(content))
    return make_response(jsonify(content) if status == 200 else "", status)


@app.after_request
def with_cookie(response: Response) -> Response:
    if g.get("sid") and g.sid != request.cookies.get("sid") and response.status_code < 500:
        response.set_cookie("sid", g.sid, httponly=True)
    return response


@app.get("/health")
def health() -> str:
    return "ok"


@app.post("/login")
def login() -> Response:
    user = request.form["user"]
    if int(redis.get(f"failed:{user}") or 0) >= FAILED_MOST:
        return make_response("too many failed log-ins", 429)
    if request.form["password"] != PASSWORD:
        redis.incr(f"failed:{user}")
        redis.expire(f"failed:{user}", FAILED_S)
        return make_response("wrong password", 403)
    redis.delete(f"failed:{user}")
    begun(user)
    token = secrets.token_hex(16)
    redis.setex(f"remember:{token}", REMEMBERED_S, user)
    redis.sadd(f"tokens:{user}", token)
    response = make_response("", 204)
    response.set_cookie("remember", token, max_age=REMEMBERED_S, httponly=True)
    return response


@app.get("/me")
def me() -> Response:
    return jsonify(session() or {"user": None})


@app.post("/theme")
def theme() -> tuple[str, int] | Response:
    content = session()
    if content is None:
        return "", 401
    return saved(content | {"theme": request.form["theme"]}, 204)


@app.post("/cart")
def cart() -> tuple[str, int] | Response:
    content = session()
    if content is None:
        return "", 401
    item = request.form["item"]
    content["cart"][item] = content["cart"].get(item, 0) + int(request.form["quantity"])
    return saved(content, 200)


@app.post("/logout")
@app.post("/logout-everywhere")
def logout() -> Response:
    sid, token = (request.cookies.get(name, "") for name in ("sid", "remember"))
    gone = [f"session:{sid}", f"remember:{token}"]
    found = redis.get(f"session:{sid}")
    if found is not None and request.path == "/logout-everywhere":
        user = json.loads(found)["user"]
        gone += [f"session:{one.decode()}" for one in redis.smembers(f"sessions:{user}")]
        gone += [f"remember:{one.decode()}" for one in redis.smembers(f"tokens:{user}")]
    redis.delete(*gone)
    response = make_response("", 204)
    response.delete_cookie("sid")
    response.delete_cookie("remember")
    return response


@app.errorhandler(Exception)
def failed(problem: Exception) -> tuple[str, int]:
    return f"{type(problem).__name__}", 500
