"""The shop, in Python: log-in, field and cart. It keeps a session as JSON in Redis; the account service in
`account.js` reads and writes the same. Each service saves the whole session, as session libraries do.
"""

import json
import os
import secrets

from flask import Flask, Response, jsonify, make_response, request
from redis import Redis
from redis.sentinel import Sentinel

LIFETIME_S = 3600


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
    found = redis.get(f"session:{request.cookies.get('sid', '')}")
    return None if found is None else json.loads(found)


def saved(content: dict, sid: str, status: int = 200) -> Response:
    redis.setex(f"session:{sid}", LIFETIME_S, json.dumps(content))
    response = make_response(jsonify(content) if status == 200 else "", status)
    response.set_cookie("sid", sid, httponly=True)
    return response


@app.get("/health")
def health() -> str:
    return "ok"


@app.post("/login")
def login() -> Response:
    return saved({"user": request.form["user"], "theme": None, "cart": {}}, secrets.token_hex(16), 204)


@app.get("/me")
def me() -> Response:
    return jsonify(session() or {"user": None})


@app.post("/theme")
def theme() -> tuple[str, int] | Response:
    content = session()
    if content is None:
        return "", 401
    return saved(content | {"theme": request.form["theme"]}, request.cookies["sid"], 204)


@app.post("/cart")
def cart() -> tuple[str, int] | Response:
    content = session()
    if content is None:
        return "", 401
    item = request.form["item"]
    content["cart"][item] = content["cart"].get(item, 0) + int(request.form["quantity"])
    return saved(content, request.cookies["sid"])


@app.post("/logout")
def logout() -> Response:
    redis.delete(f"session:{request.cookies.get('sid', '')}")
    response = make_response("", 204)
    response.delete_cookie("sid")
    return response


@app.errorhandler(Exception)
def failed(problem: Exception) -> tuple[str, int]:
    return f"{type(problem).__name__}", 500
