"""Which directives of a deployment a node is given, and which not: one entry for each name.

A name that is in neither table is not passed on. `HARMLESS` holds what is known to be harmless; whatever
can start a program, load code, touch a file outside of the node's folder, open a further socket or name
another node is in `LEFT_OUT`, each with the reason and whether leaving it out can decide a run's outcome.

The trap: a directive that is new in some version of a server is unknown here until somebody has looked at
what it can do. That is on purpose. Names are those of Redis 6.2 to 8.x and of Valkey 8 and 9.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a directive is not used. `decides`: without it the run may end otherwise than the deployment
    would, so nothing passes."""

    why: str
    decides: bool


_FILES = Reason("a node writes only inside its own folder, under names that the kit chooses", decides=False)
_ADDRESSES = Reason("addresses are chosen for every run", decides=False)
_LOGS = Reason("logs are collected from the output of the process", decides=False)
_PROCESS = Reason("the kit watches the process that it started", decides=False)
_MACHINE = Reason("it changes how this machine treats the process", decides=False)
_OTHER_DOORS = Reason("clients reach nodes by TCP, upon which faults act", decides=False)
_CODE = Reason("nodes run nothing but the server itself", decides=False)
_KIND = Reason("the kind of topology decides it", decides=False)
_NOTES = Reason("epochs are Sentinel's own notes", decides=False)

_USERS = Reason("a node reads only what the run wrote: give the file as `users_acl`", decides=True)
_REPLICATION = Reason("the topology decides which node replicates which", decides=True)
_GUARDED = Reason("sentinels guard and know only the run's own nodes", decides=True)
_IDENTITY = Reason("the kit gives every sentinel its id", decides=True)
_ANNOUNCED = Reason("nodes are announced under their own address", decides=True)
AS_OWN = Reason("each node announces its own address, which is chosen for every run", decides=False)
"""Of an address that a node announces as its own: it is that in the run, too."""
OF_OWN_ADDRESS = frozenset(
    {
        "replica-announce-ip", "replica-announce-port",
        "cluster-announce-ip", "cluster-announce-port", "cluster-announce-bus-port",
        "cluster-announce-tls-port", "sentinel announce-ip", "sentinel announce-port",
    }
)  # fmt: skip
OF_NAMES = frozenset({"sentinel announce-hostnames", "sentinel resolve-hostnames"})
_TLS = Reason("without 'tls' the kit speaks plain TCP inside the run's own network", decides=True)
_CERTIFICATES = Reason("a node needs none where it does not speak TLS", decides=False)
AS_USUAL = Reason("nodes of a run are like that as well", decides=False)
USUAL: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("tls-replication", "tls-cluster", "mptcp", "repl-mptcp"), ("no",)),
    **dict.fromkeys(("cluster-announce-hostname", "cluster-announce-human-nodename"), ("",)),
    "tls-port": ("0",),
    "replica-announced": ("yes",),
    "cluster-preferred-endpoint-type": ("ip",),
}
"""What is left out and changes nothing where it says this: the server's own default."""
_INCLUDED = Reason("a node reads only what the run wrote, and what that file says is not known", decides=True)
_MODULES = Reason("nodes load no modules", decides=True)
_SCRIPTS = Reason("nodes run nothing but the server itself, and clients may be moved by it", decides=True)

TLS_FILES = frozenset(
    {
        "tls-cert-file", "tls-key-file", "tls-key-file-pass", "tls-client-cert-file", "tls-client-key-file",
        "tls-client-key-file-pass", "tls-dh-params-file", "tls-ca-cert-file", "tls-ca-cert-dir",
        "tls-auto-reload-interval",
    }
)  # fmt: skip
"""Where certificates are: those of a run are made for it."""

LEFT_OUT: Mapping[str, Reason] = {
    **dict.fromkeys(("replicaof", "slaveof"), _REPLICATION),
    "aclfile": _USERS,
    "include": _INCLUDED,
    **dict.fromkeys(("loadmodule", "loadmodule-ex"), _MODULES),
    **dict.fromkeys(
        (
            "replica-announce-ip", "replica-announce-port", "replica-announced",
            "cluster-announce-ip", "cluster-announce-port", "cluster-announce-bus-port",
            "cluster-announce-tls-port", "cluster-announce-hostname", "cluster-announce-human-nodename",
            "cluster-announce-client-ipv4", "cluster-announce-client-ipv6",
            "cluster-announce-client-port", "cluster-announce-client-tls-port",
            "cluster-preferred-endpoint-type",
        ),
        _ANNOUNCED,
    ),
    **dict.fromkeys(
        (
            "tls-port", "tls-replication", "tls-cluster", "tls-auth-clients-user",
            "rdma-bind", "rdma-port", "rdma-rx-size", "rdma-completion-vector", "mptcp", "repl-mptcp",
        ),
        _TLS,
    ),
    **dict.fromkeys(
        (
            "dir", "dbfilename", "appendfilename", "appenddirname", "cluster-config-file", "pidfile",
            "req-res-logfile", "locale-collate",
        ),
        _FILES,
    ),
    **dict.fromkeys(TLS_FILES, _CERTIFICATES),
    **dict.fromkeys(("port", "bind", "bind-source-addr", "cluster-port", "protected-mode"), _ADDRESSES),
    **dict.fromkeys(("logfile", "syslog-enabled", "syslog-ident", "syslog-facility"), _LOGS),
    **dict.fromkeys(("daemonize", "supervised", "set-proc-title", "proc-title-template"), _PROCESS),
    **dict.fromkeys(
        (
            "oom-score-adj", "oom-score-adj-values", "socket-mark-id", "watchdog-period",
            "server-cpulist", "bio-cpulist", "aof-rewrite-cpulist", "bgsave-cpulist",
            "server_cpulist", "bio_cpulist", "aof_rewrite_cpulist", "bgsave_cpulist",
        ),
        _MACHINE,
    ),
    **dict.fromkeys(("unixsocket", "unixsocketperm", "unixsocketgroup", "gopher-enabled"), _OTHER_DOORS),
    **dict.fromkeys(
        (
            "enable-module-command", "enable-protected-configs",
            "lua-enable-insecure-api", "lua-enable-deprecated-api",
            "sentinel deny-scripts-reconfig", "sentinel notification-script",
        ),
        _CODE,
    ),
    "cluster-enabled": _KIND,
    "sentinel client-reconfig-script": _SCRIPTS,
    "sentinel myid": _IDENTITY,
    **dict.fromkeys(
        (
            "sentinel monitor", "sentinel known-replica", "sentinel known-slave",
            "sentinel known-sentinel",
        ),
        _GUARDED,
    ),
    **dict.fromkeys(
        (
            "sentinel announce-ip", "sentinel announce-port", "sentinel announce-hostnames",
            "sentinel resolve-hostnames",
        ),
        _ANNOUNCED,
    ),
    **dict.fromkeys(
        ("sentinel current-epoch", "sentinel config-epoch", "sentinel leader-epoch"), _NOTES
    ),
}  # fmt: skip

OF_MODULES = re.compile(r"(search|ts|bf|cf|redisearch)-[a-z0-9-]+")
"""Directives of the modules that an official image of Redis 8 brings; nodes load none."""

MODULES = _MODULES

_OF_DATA_NODES = """
    acllog-max-len active-defrag-cycle-max active-defrag-cycle-min active-defrag-cycle-us
    active-defrag-ignore-bytes active-defrag-max-scan-fields active-defrag-threshold-lower
    active-defrag-threshold-upper active-expire-effort activedefrag activerehashing always-show-logo
    aof-disable-auto-gc aof-load-corrupt-tail-max-size aof-load-truncated aof-rewrite-incremental-fsync
    aof-timestamp-enabled aof-use-rdb-preamble appendfsync appendonly auto-aof-rewrite-min-size
    auto-aof-rewrite-percentage availability-zone busy-reply-threshold client-output-buffer-limit
    client-query-buffer-limit cluster-allow-pubsubshard-when-down cluster-allow-reads-when-down
    cluster-allow-replica-migration cluster-blacklist-ttl cluster-compatibility-sample-ratio
    cluster-config-save-behavior cluster-databases cluster-link-sendbuf-limit
    cluster-manual-failover-timeout cluster-migration-barrier cluster-node-timeout cluster-ping-interval
    cluster-replica-no-failover cluster-replica-validity-factor cluster-require-full-coverage
    cluster-slot-migration-log-max-len cluster-slot-stats-enabled commandlog-execution-slower-than
    commandlog-large-reply-max-len commandlog-large-request-max-len commandlog-reply-larger-than
    commandlog-request-larger-than commandlog-slow-execution-max-len crash-log-enabled
    crash-memcheck-enabled databases disable-thp dual-channel-replication-enabled dynamic-hz
    enable-debug-command
    events-per-io-thread extended-redis-compatibility hash-max-listpack-entries hash-max-listpack-value
    hash-max-ziplist-entries hash-max-ziplist-value hash-seed hide-user-data-from-log hll-sparse-max-bytes
    hz ignore-warnings import-mode io-threads io-threads-do-reads jemalloc-bg-thread key-load-delay
    latency-monitor-threshold latency-tracking latency-tracking-info-percentiles lazyfree-lazy-eviction
    lazyfree-lazy-expire lazyfree-lazy-server-del lazyfree-lazy-user-del lazyfree-lazy-user-flush
    lfu-decay-time lfu-log-factor list-compress-depth list-max-listpack-size list-max-ziplist-entries
    list-max-ziplist-size list-max-ziplist-value log-format log-timestamp-format loglevel
    lua-replicate-commands lua-time-limit max-new-connections-per-cycle maxclients maxmemory
    maxmemory-clients maxmemory-eviction-tenacity maxmemory-policy maxmemory-samples min-replicas-max-lag
    min-replicas-to-write no-appendfsync-on-rewrite notify-keyspace-events prefetch-batch-max-size
    propagation-error-behavior proto-max-bulk-len rdb-del-sync-files rdb-key-save-delay
    rdb-save-incremental-fsync rdb-version-check rdbchecksum rdbcompression repl-backlog-size
    repl-backlog-ttl repl-disable-tcp-nodelay repl-diskless-load repl-diskless-sync
    repl-diskless-sync-delay repl-diskless-sync-max-replicas repl-diskless-sync-period
    repl-ping-replica-period repl-timeout replica-full-sync-buffer-limit
    replica-ignore-disk-write-errors replica-ignore-maxmemory replica-lazy-flush replica-priority
    replica-read-only replica-serve-stale-data sanitize-dump-payload save set-max-intset-entries
    set-max-listpack-entries set-max-listpack-value shutdown-on-sigint shutdown-on-sigterm
    shutdown-timeout slot-migration-max-failover-repl-bytes slowlog-log-slower-than slowlog-max-len
    stop-writes-on-bgsave-error stream-node-max-bytes stream-node-max-entries tcp-backlog tcp-keepalive
    timeout tls-auth-clients tls-ciphers tls-ciphersuites tls-prefer-server-ciphers tls-protocols
    tls-session-cache-size tls-session-cache-timeout tls-session-caching max-new-tls-connections-per-cycle
    tracking-table-max-keys use-exit-on-panic zset-max-listpack-entries zset-max-listpack-value
    zset-max-ziplist-entries zset-max-ziplist-value
    """

PER_SERVICE = frozenset(
    f"sentinel {option}"
    for option in (
        "down-after-milliseconds", "failover-timeout", "parallel-syncs",
        "master-reboot-down-after-period", "primary-reboot-down-after-period",
    )
)  # fmt: skip
"""Options of a sentinel that are kept per guarded primary: the service's name goes before the value."""

HARMLESS = frozenset(_OF_DATA_NODES.split()) | PER_SERVICE

CREDENTIALS = frozenset(
    {
        "requirepass", "masterauth", "masteruser", "primaryauth", "primaryuser", "user",
        "sentinel sentinel-pass", "sentinel sentinel-user",
    }
)  # fmt: skip
"""Who may log in. Where nodes are given any of these, the run's own passwords are not set on them."""

OF_THE_GUARDED: Mapping[str, int] = {
    "sentinel auth-pass": 1,
    "sentinel auth-user": 1,
    "sentinel rename-command": 2,
}
"""How a sentinel logs in at the nodes that it guards and what it calls their commands; how many words follow
the name of the service."""

PASSED = HARMLESS | CREDENTIALS | OF_THE_GUARDED.keys() | {"rename-command", "acl-pubsub-default"}
"""What nodes are given. Passwords among it are replaced first, see `harness.model.credentials`."""

CLIENTS_SEND = frozenset(
    ("auth", "client", "command", "del", "discard", "eval", "evalsha", "exec", "exists", "expire",
     "expireat", "get", "getdel", "hdel", "hello", "hget", "hgetall", "hincrby", "hset", "incr",
     "info", "lpush", "lrange", "mget", "multi", "persist", "pexpire", "ping", "pttl", "publish",
     "readonly", "rpush", "sadd", "script", "select", "set", "setex", "smembers", "srem",
     "subscribe", "time", "ttl", "type", "unlink", "unwatch", "wait", "watch")
)  # fmt: skip
"""Commands that clients under test and client libraries send by these names."""

TODAYS_SPELLING: Mapping[str, str] = {
    **{
        old: old.replace("slave", "replica")
        for old in (
            "cluster-slave-no-failover", "cluster-slave-validity-factor", "min-slaves-max-lag",
            "min-slaves-to-write", "slave-announce-ip", "slave-announce-port",
            "slave-ignore-maxmemory", "slave-lazy-flush", "slave-priority", "slave-read-only",
            "slave-serve-stale-data",
        )
    },
    "repl-ping-slave-period": "repl-ping-replica-period",
    "min-slaves-to-write": "min-replicas-to-write",
    "min-slaves-max-lag": "min-replicas-max-lag",
}  # fmt: skip
"""Old name -> the one that every server since Redis 5 knows too."""

CLIENT_CLASSES = frozenset({"normal", "replica", "slave", "pubsub"})
"""Kinds of clients that have buffer limits of their own."""

SECRET = frozenset(
    {
        "requirepass", "masterauth", "primaryauth", "user", "tls-key-file-pass",
        "tls-client-key-file-pass", "sentinel auth-pass", "sentinel sentinel-pass",
    }
)  # fmt: skip
"""Directives whose arguments are secrets, or hold some."""
