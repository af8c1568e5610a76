"""Django's sessions in its cache, which is Redis: the built-in RedisCache, or django-redis behind Sentinel.

`SESSION_ENGINE` chooses: `cache`, the fast one of the documentation, or `cached_db`, which also writes each session
to the database.
"""

import fcntl
import os
from pathlib import Path

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path


def caches() -> dict:
    if "REDIS_SENTINELS" not in os.environ:
        return {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": os.environ["REDIS_URL"],
            "OPTIONS": {"socket_timeout": 1},
        }
    places = [one.rsplit(":", 1) for one in os.environ["REDIS_SENTINELS"].split(",")]
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": f"redis://{os.environ['REDIS_SERVICE']}/0",
        "OPTIONS": {
            "CLIENT_CLASS": "django_redis.client.SentinelClient",
            "SENTINELS": [(host, int(port)) for host, port in places],
            "SENTINEL_KWARGS": {"password": os.environ["REDIS_SENTINEL_PASSWORD"], "socket_timeout": 0.5},
            "PASSWORD": os.environ["REDIS_PASSWORD"],
            "SOCKET_TIMEOUT": 1,
        },
    }


settings.configure(
    SECRET_KEY="of a test",
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
    SESSION_ENGINE=f"django.contrib.sessions.backends.{os.environ.get('SESSION_ENGINE', 'cache')}",
    CACHES={"default": caches()},
    DJANGO_REDIS_CONNECTION_FACTORY="django_redis.pool.SentinelConnectionFactory",
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": Path(os.environ["GUEST_FOLDER"]) / "sessions.sqlite",
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
        }
    },
)
django.setup()


def health(request):
    return HttpResponse("ok")


def login(request):
    request.session.flush()
    request.session["user"] = request.POST["user"]
    request.session["cart"] = {}
    request.session.cycle_key()
    return HttpResponse(status=204)


def me(request):
    session = request.session
    return JsonResponse(
        {"user": session.get("user"), "theme": session.get("theme"), "cart": session.get("cart")}
    )


def theme(request):
    if "user" not in request.session:
        return HttpResponse(status=401)
    request.session["theme"] = request.POST["theme"]
    return HttpResponse(status=204)


def cart(request):
    if "user" not in request.session:
        return HttpResponse(status=401)
    cart, item = request.session["cart"], request.POST["item"]
    cart[item] = cart.get(item, 0) + int(request.POST["quantity"])
    request.session.modified = True
    return JsonResponse({"cart": cart})


def logout(request):
    request.session.flush()
    return HttpResponse(status=204)


urlpatterns = [path(one.__name__, one) for one in (health, login, me, theme, cart, logout)]
if settings.SESSION_ENGINE.endswith("cached_db"):
    with (Path(os.environ["GUEST_FOLDER"]) / "migrating").open("w") as lock:  # all web servers share the file
        fcntl.flock(lock, fcntl.LOCK_EX)
        call_command("migrate", verbosity=0)
application = get_wsgi_application()
