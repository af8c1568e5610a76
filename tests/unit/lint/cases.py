"""For every rule, files with what it finds and the same files without it."""

from __future__ import annotations

from dataclasses import dataclass

Files = dict[str, str]


@dataclass(frozen=True)
class Case:
    """One thing changed between the two, and where it is found."""

    wrong: Files
    right: Files
    place: str


SENTINEL = "sentinel monitor sessions 10.0.0.1 6379 2\nsentinel down-after-milliseconds sessions 5000\n"
DEPLOYMENT = "deployment: 1\nname: ours\ntopology:\n  kind: sentinel\n"
PROXY = """\
defaults
  mode tcp
  timeout client 60s
  timeout server 60s
  timeout tunnel 1d
backend sentinels
  option tcp-check
  tcp-check send SENTINEL\\ get-master-addr-by-name\\ sessions\\r\\n
  server s 10.0.0.9:26379 check
backend nodes
  balance first
  option tcp-check
  tcp-check send INFO\\ replication\\r\\n
  tcp-check expect string role:master
  default-server inter 500ms fall 1 on-marked-down shutdown-sessions
  server a 10.0.0.1:6379 check
  server b 10.0.0.2:6379 check
"""
COMPOSE = """\
services:
  redis-1:
    image: redis:7
    command: redis-server --appendonly yes
    volumes: [one:/data]
  redis-2:
    image: redis:7
    command: redis-server /data/redis.conf
    volumes: [two:/data]
  sentinel-1: &sentinel
    image: redis:7
    command: sh -c 'echo "sentinel monitor sessions 10.0.0.1 6379 2" > /s.conf && redis-sentinel /s.conf'
  sentinel-2: *sentinel
  sentinel-3: *sentinel
"""


def changed(files: Files | str, old: str, new: str) -> Files:
    given = {"file": files} if isinstance(files, str) else files
    assert any(old in text for text in given.values()), old
    return {name: text.replace(old, new) for name, text in given.items()}


def _conf(wrong: str, right: str, place: str, **others: str) -> Case:
    extra = {f"{name}.conf": text for name, text in others.items()}
    return Case(
        wrong={"redis.conf": wrong, **extra},
        right={"redis.conf": right, **extra},
        place=f"redis.conf:{place}",
    )


def _sentinels(wrong: str, right: str, place: str) -> Case:
    return Case(
        wrong={"sentinel.conf": wrong}, right={"sentinel.conf": right}, place=f"sentinel.conf:{place}"
    )


def _deployment(wrong: str, right: str, place: str) -> Case:
    return Case(
        wrong={"ours.yaml": DEPLOYMENT + wrong},
        right={"ours.yaml": DEPLOYMENT + right},
        place=f"ours.yaml:{place}",
    )


def _compose(old: str, new: str, place: str) -> Case:
    return Case(
        wrong=changed({"docker-compose.yml": COMPOSE}, old, new),
        right={"docker-compose.yml": COMPOSE},
        place=f"docker-compose.yml:{place}",
    )


def _proxy(old: str, new: str, place: str) -> Case:
    return Case(
        wrong=changed({"haproxy.cfg": PROXY}, old, new),
        right={"haproxy.cfg": PROXY},
        place=f"haproxy.cfg:{place}",
    )


def _users(wrong: Files, right: Files, place: str) -> Case:
    return Case(wrong=wrong, right=right, place=place)


_RIGHTS = (
    "allchannels +multi +slaveof +ping +exec +subscribe +config|rewrite +role +publish +info "
    "+client|setname +client|kill +script|kill"
)
_WATCHER = SENTINEL + "sentinel auth-user sessions watcher\nsentinel auth-pass sessions secret\n"
_KNOWN = "sentinel known-sentinel sessions 10.0.0.{} 26379 {}\n"

CASES: dict[str, tuple[Case, ...]] = {
    "unreadable": (
        _conf('maxmemory 1gb\nrequirepass "open\n', "maxmemory 1gb\n", "2"),
        _deployment("  replicas: many\n", "  replicas: 2\n", "5"),
        Case(
            wrong={"docker-compose.yml": "services:\n  a: [\n"},
            right={"docker-compose.yml": "services:\n  a: {image: redis}\n"},
            place="docker-compose.yml:3",
        ),
    ),
    "unknown-directive": (
        _conf("appendonly yes\nmaxmemroy 1gb\n", "appendonly yes\nmaxmemory 1gb\n", "2"),
        _sentinels(SENTINEL + "sentinel paralel-syncs sessions 1\n", SENTINEL, "3"),
    ),
    "impossible-value": (
        _conf("appendonly yes\nappendfsync sometimes\n", "appendonly yes\nappendfsync always\n", "2"),
    ),
    "quorum-without-majority": (
        _sentinels(SENTINEL.replace("6379 2", "6379 1"), SENTINEL, "1"),
        _deployment("  sentinels: 5\n  quorum: 2\n", "  sentinels: 5\n  quorum: 3\n", "6"),
        _compose("6379 2", "6379 1", "12"),
    ),
    "quorum-out-of-reach": (
        _deployment("  sentinels: 3\n  quorum: 3\n", "  sentinels: 3\n  quorum: 2\n", "6"),
        _sentinels(
            SENTINEL.replace("6379 2", "6379 4") + _KNOWN.format(8, "a") + _KNOWN.format(9, "b"),
            SENTINEL + _KNOWN.format(8, "a") + _KNOWN.format(9, "b"),
            "1",
        ),
    ),
    "one-sentinel": (
        _deployment("  sentinels: 1\n", "  sentinels: 3\n", "4"),
        _compose("  sentinel-2: *sentinel\n  sentinel-3: *sentinel\n", "", "12"),
    ),
    "two-sentinels": (
        _deployment("  sentinels: 2\n", "  sentinels: 3\n", "4"),
        _sentinels(
            SENTINEL + _KNOWN.format(8, "a"), SENTINEL + _KNOWN.format(8, "a") + _KNOWN.format(9, "b"), "1"
        ),
    ),
    "two-hosts": (
        _sentinels(
            SENTINEL + "sentinel announce-ip 10.0.0.8\n" + _KNOWN.format(8, "a") + _KNOWN.format(9, "b"),
            SENTINEL + "sentinel announce-ip 10.0.0.7\n" + _KNOWN.format(8, "a") + _KNOWN.format(9, "b"),
            "1",
        ),
        Case(
            wrong={
                "docker-compose.yml": "services:\n"
                + "".join(
                    f"  {name}:\n    image: redis\n    command: sh -c 'redis-server & redis-sentinel /s.conf'\n"
                    for name in ("a", "b")
                )
            },
            right={"docker-compose.yml": COMPOSE},
            place="docker-compose.yml:4",
        ),
    ),
    "sentinel-beside-data": (
        _compose("redis-server --appendonly yes", "sh -c 'redis-server & redis-sentinel /s.conf'", "4"),
    ),
    "shared-id": (
        Case(
            wrong=dict.fromkeys(("s1.conf", "s2.conf"), SENTINEL + "sentinel myid abc\n"),
            right={name: f"{SENTINEL}sentinel myid {name}\n" for name in ("s1.conf", "s2.conf")},
            place="s2.conf:3",
        ),
    ),
    "down-after-too-short": (
        _sentinels(SENTINEL.replace("5000", "1099"), SENTINEL.replace("5000", "1100"), "2"),
        _deployment("  down_after: 1s\n", "  down_after: 1100ms\n", "5"),
    ),
    "requirepass-without-masterauth": (
        _conf("requirepass x\n", "requirepass x\nmasterauth x\n", "1"),
        _conf("requirepass x\n", 'requirepass x\nrequirepass ""\n', "1"),
        _compose("--appendonly yes", "--appendonly yes --requirepass x", "4"),
        _deployment(
            "  primary:\n    requirepass: x\n  replica: {requirepass: x, masterauth: x}\n",
            "  redis:\n    requirepass: x\n    masterauth: x\n",
            "6",
        ),
    ),
    "passwords-differ": (
        _conf("requirepass x\nmasterauth y\n", "requirepass x\nmasterauth x\n", "2"),
        Case(
            wrong={"a.conf": "requirepass x\nmasterauth x\n", "b.conf": "requirepass y\nmasterauth x\n"},
            right={"a.conf": "requirepass x\nmasterauth x\n", "b.conf": "requirepass x\nmasterauth x\n"},
            place="a.conf:2",
        ),
    ),
    "sentinel-cannot-log-in": (
        Case(
            wrong={"redis.conf": "requirepass x\nmasterauth x\n", "sentinel.conf": SENTINEL},
            right={
                "redis.conf": "requirepass x\nmasterauth x\n",
                "sentinel.conf": SENTINEL + "sentinel auth-pass sessions x\n",
            },
            place="sentinel.conf:1",
        ),
        Case(
            wrong={
                "redis.conf": "requirepass x\nmasterauth x\n",
                "sentinel.conf": SENTINEL + "sentinel auth-pass sessions y\n",
            },
            right={
                "redis.conf": "requirepass x\nmasterauth x\n",
                "sentinel.conf": SENTINEL + "sentinel auth-pass sessions ${PASSWORD}\n",
            },
            place="sentinel.conf:3",
        ),
    ),
    "sentinels-refuse-each-other": (
        Case(
            wrong={"s1.conf": SENTINEL + "requirepass x\n", "s2.conf": SENTINEL + "requirepass y\n"},
            right={"s1.conf": SENTINEL + "requirepass x\n", "s2.conf": SENTINEL + "requirepass x\n"},
            place="s2.conf:3",
        ),
    ),
    "renamed-command": (
        _conf(
            "appendonly yes\nrename-command CONFIG ADMINCONFIG\n",
            "appendonly yes\nrename-command KEYS x\n",
            "2",
        ),
        _deployment(
            "  redis: {rename-command: CONFIG X}\n",
            "  redis: {rename-command: CONFIG X}\n  sentinel: {sentinel rename-command: CONFIG X}\n",
            "5",
        ),
        Case(
            wrong={"redis.conf": "appendonly yes\nrename-command config X\n", "sentinel.conf": SENTINEL},
            right={
                "redis.conf": "appendonly yes\nrename-command config X\n",
                "sentinel.conf": SENTINEL + "sentinel rename-command sessions CONFIG X\n",
            },
            place="redis.conf:2",
        ),
    ),
    "user-unknown": (
        _users(
            {"sentinel.conf": _WATCHER, "users.acl": f"user other on >secret {_RIGHTS}\n"},
            {"sentinel.conf": _WATCHER, "users.acl": f"user watcher on >secret {_RIGHTS}\n"},
            "sentinel.conf:3",
        ),
        _users(
            {
                "redis.conf": "masterauth secret\nmasteruser copier\n",
                "users.acl": "user copier off >secret +@all\n",
            },
            {
                "redis.conf": "masterauth secret\nmasteruser copier\n",
                "users.acl": "user copier on >secret +@all\n",
            },
            "redis.conf:2",
        ),
    ),
    "user-without-rights": (
        _users(
            {"sentinel.conf": _WATCHER, "users.acl": "user watcher on >secret +@all -@dangerous\n"},
            {"sentinel.conf": _WATCHER, "users.acl": f"user watcher on >secret {_RIGHTS}\n"},
            "users.acl:1",
        ),
        _users(
            {"redis.conf": "masterauth s\nmasteruser c\nuser c on >s +ping +psync\n"},
            {"redis.conf": "masterauth s\nmasteruser c\nuser c on >s +ping +psync +replconf\n"},
            "redis.conf:3",
        ),
    ),
    "default-user-off": (
        _users(
            {"redis.conf": "masterauth s\n", "users.acl": "user default off\n"},
            {"redis.conf": "masterauth s\n", "users.acl": "user default on nopass +@all\n"},
            "redis.conf:1",
        ),
    ),
    "restart-without-persistence": (
        _conf('timeout 5\nsave ""\n', 'timeout 5\nsave ""\nappendonly yes\n', "2"),
        _compose(
            "command: redis-server --appendonly yes",
            "restart: unless-stopped\n    command: redis-server --save '' --appendonly no",
            "5",
        ),
    ),
    "sessions-evicted": (
        _conf(
            "maxmemory 1gb\nmaxmemory-policy allkeys-lru\n",
            "maxmemory 0\nmaxmemory-policy allkeys-lru\n",
            "2",
        ),
        _deployment(
            "  redis: {maxmemory: 10mb, maxmemory-policy: allkeys-lru}\n",
            "  redis: {maxmemory: 10mb, maxmemory-policy: noeviction}\n",
            "5",
        ),
        Case(
            wrong={
                "d.yaml": DEPLOYMENT.replace("sentinel", "split")
                + "  redis: {maxmemory: 1gb, maxmemory-policy: allkeys-lfu}\n"
            },
            right={
                "d.yaml": DEPLOYMENT.replace("sentinel", "split")
                + "  cache: {maxmemory: 1gb, maxmemory-policy: allkeys-lfu}\n"
            },
            place="d.yaml:5",
        ),
    ),
    "volatile-evicts-sessions": (
        _conf(
            "maxmemory 1gb\nmaxmemory-policy volatile-ttl\n",
            "maxmemory 1gb\nmaxmemory-policy noeviction\n",
            "2",
        ),
    ),
    "idle-sessions-forgotten": (
        _conf(
            "maxmemory 1gb\nmaxmemory-policy volatile-lfu\nlfu-decay-time 1\n",
            "maxmemory 1gb\nmaxmemory-policy volatile-lfu\nlfu-decay-time 0\n",
            "2",
        ),
        _deployment(
            "  redis: {maxmemory: 1gb, maxmemory-policy: allkeys-lfu}\n",
            "  redis: {maxmemory: 1gb, maxmemory-policy: allkeys-lru}\n",
            "5",
        ),
    ),
    "nobody-may-be-promoted": (
        _deployment("  replica: {replica-priority: 0}\n", "  replica: {replica-priority: 1}\n", "5"),
        Case(
            wrong={"a.conf": "replica-priority 0\n", "b.conf": "slave-priority 0\n"},
            right={"a.conf": "replica-priority 0\n", "b.conf": "slave-priority 10\n"},
            place="a.conf:1",
        ),
    ),
    "min-replicas-needs-all": (
        _deployment(
            "  replicas: 1\n  redis: {min-replicas-to-write: 1}\n",
            "  replicas: 2\n  redis: {min-replicas-to-write: 1}\n",
            "6",
        ),
    ),
    "bound-to-loopback": (
        Case(
            wrong={"redis.conf": "port 6379\nbind 127.0.0.1 -::1\n", "sentinel.conf": SENTINEL},
            right={"redis.conf": "port 6379\nbind 127.0.0.1 10.0.0.1\n", "sentinel.conf": SENTINEL},
            place="redis.conf:2",
        ),
        _conf("bind localhost\nreplicaof 10.0.0.1 6379\n", "bind localhost\nreplicaof 127.0.0.1 6379\n", "1"),
        Case(
            wrong={"redis.conf": "bind 127.0.0.1\n", "sentinel.conf": SENTINEL},
            right={
                "redis.conf": "bind 127.0.0.1\n",
                "sentinel.conf": SENTINEL.replace("10.0.0.1", "127.0.0.1"),
            },
            place="redis.conf:1",
        ),
        _compose("redis-server --appendonly yes", "redis-server --appendonly yes --bind 127.0.0.1", "4"),
    ),
    "hostname-not-resolved": (
        _sentinels(
            SENTINEL.replace("10.0.0.1", "redis-1"),
            SENTINEL.replace("10.0.0.1", "redis-1") + "sentinel resolve-hostnames yes\n",
            "1",
        ),
        _compose("10.0.0.1", "redis-1", "12"),
    ),
    "announced-hostname-not-resolved": (
        Case(
            wrong={"redis.conf": "replica-announce-ip redis-1\n", "sentinel.conf": SENTINEL},
            right={"redis.conf": "replica-announce-ip 10.0.0.1\n", "sentinel.conf": SENTINEL},
            place="redis.conf:1",
        ),
    ),
    "mixed-announce": (
        Case(
            wrong={"a.conf": "replica-announce-ip 10.0.0.1\n", "b.conf": "appendonly yes\n"},
            right={"a.conf": "replica-announce-ip 10.0.0.1\n", "b.conf": "replica-announce-ip 10.0.0.2\n"},
            place="a.conf:1",
        ),
        Case(
            wrong={"redis.conf": "appendonly yes\n", "s.conf": SENTINEL + "sentinel announce-ip 10.0.0.8\n"},
            right={
                "redis.conf": "replica-announce-ip 10.0.0.1\n",
                "s.conf": SENTINEL + "sentinel announce-ip 10.0.0.8\n",
            },
            place="s.conf:3",
        ),
    ),
    "same-address-announced": (
        Case(
            wrong=dict.fromkeys(("a.conf", "b.conf"), "replica-announce-ip 10.0.0.1\n"),
            right={
                "a.conf": "replica-announce-ip 10.0.0.1\n",
                "b.conf": "replica-announce-ip 10.0.0.1\nreplica-announce-port 6380\n",
            },
            place="b.conf:1",
        ),
    ),
    "single-file-mount": (
        _compose("[two:/data]", "['./redis.conf:/data/redis.conf:ro']", "9"),
        _compose("volumes: [two:/data]", "configs: [{source: c, target: /etc/redis.conf}]", "9"),
    ),
    "shared-sentinel-conf": (
        _compose(
            '&sentinel\n    image: redis:7\n    command: sh -c \'echo "sentinel monitor sessions 10.0.0.1 6379 2" > '
            "/s.conf && redis-sentinel /s.conf'",
            "&sentinel\n    image: redis:7\n    volumes: ['./s.conf:/s.conf']\n    command: redis-sentinel /s.conf",
            "12",
        ),
    ),
    "shared-data-volume": (_compose("two:/data", "one:/data", "9"),),
    "replica-by-command": (
        _compose("redis-server --appendonly yes", "redis-server --replicaof redis-2 6379", "4"),
    ),
    "names-on-internal-network": (
        Case(
            wrong={
                "docker-compose.yml": COMPOSE.replace("10.0.0.1", "redis-1")
                + "networks: {default: {internal: true}}\n"
            },
            right={"docker-compose.yml": COMPOSE},
            place="docker-compose.yml:10",
        ),
    ),
    "proxy-keeps-sessions": (_proxy(" on-marked-down shutdown-sessions", "", "16"),),
    "proxy-spreads-over-primaries": (
        _proxy("balance first", "balance leastconn", "11"),
        _proxy("  balance first\n", "", "10"),
    ),
    "proxy-asks-role-alone": (_proxy("SENTINEL", "PING", "10"),),
    "proxy-checks-no-role": (_proxy("string role:master", "string redis_version", "10"),),
    "proxy-checks-slowly": (_proxy("inter 500ms fall 1", "inter 1100 fall 3", "16"),),
    "proxy-backup-server": (_proxy("10.0.0.2:6379 check", "10.0.0.2:6379 check backup", "17"),),
    "proxy-closes-idle": (_proxy("  timeout tunnel 1d\n", "", "4"),),
    "client-resolves-once": (
        _deployment("client:\n  discovery: resolve-once\n", "client:\n  discovery: on-error\n", "6"),
    ),
    "client-ignores-sentinels": (
        _deployment("client: {discovery: fixed-address}\n", "client: {discovery: follow-events}\n", "5"),
    ),
    "wait-outlasts-socket": (
        _deployment(
            "client: {wait_replicas: 1, socket_timeout: 500ms, wait_timeout: 500ms}\n",
            "client: {wait_replicas: 1, socket_timeout: 500ms, wait_timeout: 400ms}\n",
            "5",
        ),
    ),
    "not-honoured": (
        _deployment("  redis:\n    replica-announce-ip: db-1\n", "  redis:\n    timeout: 5\n", "6"),
    ),
}
