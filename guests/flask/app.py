"""Flask with Flask-Session, set up as its documentation says: sessions on the server, in Redis.

`RETRY` makes the client patient: it tries again for about three seconds.
"""

import os

from flask import Flask, jsonify, request, session
from flask_session import Session
from redis import ConnectionError, Redis, TimeoutError
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel


def store() -> Redis:
    more = {"socket_timeout": 1}
    if "RETRY" in os.environ:
        more |= {"retry": Retry(ConstantBackoff(0.3), 10), "retry_on_error": [ConnectionError, TimeoutError]}
    if "REDIS_SENTINELS" not in os.environ:
        return Redis.from_url(os.environ["REDIS_URL"], **more)
    password = os.environ["REDIS_PASSWORD"]
    places = [one.rsplit(":", 1) for one in os.environ["REDIS_SENTINELS"].split(",")]
    sentinel = Sentinel(
        [(host, int(port)) for host, port in places],
        socket_timeout=0.5,
        sentinel_kwargs={"password": os.environ["REDIS_SENTINEL_PASSWORD"], "socket_timeout": 0.5},
    )
    return sentinel.master_for(os.environ["REDIS_SERVICE"], password=password, **more)


app = Flask(__name__)
app.config.update(SESSION_TYPE="redis", SESSION_REDIS=store(), SESSION_PERMANENT=True)
Session(app)


@app.get("/health")
def health():
    return "ok"


@app.post("/login")
def login():
    session.clear()
    session["user"] = request.form["user"]
    session["cart"] = {}
    return "", 204


@app.get("/me")
def me():
    return jsonify(user=session.get("user"), theme=session.get("theme"), cart=session.get("cart"))


@app.post("/theme")
def theme():
    if "user" not in session:
        return "", 401
    session["theme"] = request.form["theme"]
    return "", 204


@app.post("/cart")
def cart():
    if "user" not in session:
        return "", 401
    item = request.form["item"]
    session["cart"][item] = session["cart"].get(item, 0) + int(request.form["quantity"])
    session.modified = True
    return jsonify(cart=session["cart"])


@app.post("/logout")
def logout():
    session.clear()
    return "", 204
