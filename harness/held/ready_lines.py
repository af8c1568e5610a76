"""How clients connect to nodes, one line for each client, from the variables that `--env` prints; for Spring,
lines of an application.properties.

Lines hold names of variables, never a password: what is typed into a shell ends up in its history and in the
list of processes. Where nodes speak TLS, what is `<tls>` here uses the certificates that `before_lines` gets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping


def _js_addresses(variable: str) -> str:
    return f"process.env.{variable}.split(',').map(s => ({{host: s.split(':')[0], port: +s.split(':')[1]}}))"


_FIXED: Mapping[str, str] = {
    "redis-cli": 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli<tls> -h "$REDIS_HOST" -p "$REDIS_PORT"',
    "redis-py": 'redis.Redis.from_url(os.environ["REDIS_URL"]<tls of a url>)',
    "ioredis": "new Redis(process.env.REDIS_URL<tls of a url>)",
    "node-redis": "createClient({url: process.env.REDIS_URL<tls>})",
    "phpredis": (
        "$r = new Redis(); $r->connect(<scheme>getenv('REDIS_HOST'), (int) getenv('REDIS_PORT')<tls>); "
        "$r->auth(getenv('REDIS_PASSWORD'));"
    ),
    "Spring": "spring.data.redis.url=${REDIS_URL}",
    "go-redis": 'opt, _ := redis.ParseURL(os.Getenv("REDIS_URL"));<tls of a url> redis.NewClient(opt)',
}

_SENTINEL: Mapping[str, str] = {
    "redis-cli": (
        'REDISCLI_AUTH="$REDIS_SENTINEL_PASSWORD" redis-cli<tls> -h "${REDIS_SENTINELS%%:*}" '
        '-p "$(echo "$REDIS_SENTINELS" | cut -d, -f1 | cut -d: -f2)" '
        'sentinel get-master-addr-by-name "$REDIS_SERVICE"'
    ),
    "redis-py": (
        'Sentinel([s.split(":") for s in os.environ["REDIS_SENTINELS"].split(",")], '
        'sentinel_kwargs={"password": os.environ["REDIS_SENTINEL_PASSWORD"]<tls of a sentinel>})'
        '.master_for(os.environ["REDIS_SERVICE"], password=os.environ["REDIS_PASSWORD"]<tls>)'
    ),
    "ioredis": (
        f"new Redis({{sentinels: {_js_addresses('REDIS_SENTINELS')}, name: process.env.REDIS_SERVICE, "
        "password: process.env.REDIS_PASSWORD, "
        "sentinelPassword: process.env.REDIS_SENTINEL_PASSWORD<tls of a sentinel>})"
    ),
    "node-redis": (
        f"createSentinel({{name: process.env.REDIS_SERVICE, "
        f"sentinelRootNodes: {_js_addresses('REDIS_SENTINELS')}, "
        "nodeClientOptions: {password: process.env.REDIS_PASSWORD<tls>}, "
        "sentinelClientOptions: {password: process.env.REDIS_SENTINEL_PASSWORD<tls>}})"
    ),
    "phpredis": (
        "[$h, $p] = explode(':', explode(',', getenv('REDIS_SENTINELS'))[0]); "
        "$a = getenv('REDIS_SENTINEL_PASSWORD'); $s = version_compare(phpversion('redis'), '6', '<') ? "
        "new RedisSentinel($h, (int) $p, 0, null, 0, 0, $a) : "
        "new RedisSentinel(['host' => $h, 'port' => (int) $p, 'auth' => $a<tls of a sentinel>]); "
        "[$h, $p] = $s->getMasterAddrByName(getenv('REDIS_SERVICE')); "
        "$r = new Redis(); $r->connect(<scheme>$h, (int) $p<tls>); $r->auth(getenv('REDIS_PASSWORD'));"
    ),
    "Spring": (
        "spring.data.redis.sentinel.master=${REDIS_SERVICE}\n"
        "spring.data.redis.sentinel.nodes=${REDIS_SENTINELS}\n"
        "spring.data.redis.sentinel.password=${REDIS_SENTINEL_PASSWORD}\n"
        "spring.data.redis.password=${REDIS_PASSWORD}"
    ),
    "go-redis": (
        'redis.NewFailoverClient(&redis.FailoverOptions{MasterName: os.Getenv("REDIS_SERVICE"), '
        'SentinelAddrs: strings.Split(os.Getenv("REDIS_SENTINELS"), ","), '
        'SentinelPassword: os.Getenv("REDIS_SENTINEL_PASSWORD"), '
        'Password: os.Getenv("REDIS_PASSWORD")<tls>})'
    ),
}

_CLUSTER: Mapping[str, str] = {
    "redis-cli": 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli<tls> -c -h "$REDIS_HOST" -p "$REDIS_PORT"',
    "redis-py": 'redis.RedisCluster.from_url(os.environ["REDIS_URL"]<tls of a url>)',
    "ioredis": (
        f"new Redis.Cluster({_js_addresses('REDIS_CLUSTER_NODES')}, "
        "{redisOptions: {password: process.env.REDIS_PASSWORD<tls>}})"
    ),
    "node-redis": (
        "createCluster({rootNodes: process.env.REDIS_CLUSTER_NODES.split(',')"
        ".map(s => ({url: 'redis://' + s})), defaults: {password: process.env.REDIS_PASSWORD<tls>}})"
    ),
    "phpredis": (
        "$r = new RedisCluster(null, explode(',', getenv('REDIS_CLUSTER_NODES')), 1.5, 1.5, false, "
        "getenv('REDIS_PASSWORD')<tls of a cluster>);"
    ),
    "Spring": (
        "spring.data.redis.cluster.nodes=${REDIS_CLUSTER_NODES}\nspring.data.redis.password=${REDIS_PASSWORD}"
    ),
    "go-redis": (
        'redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(os.Getenv("REDIS_CLUSTER_NODES"), '
        '","), Password: os.Getenv("REDIS_PASSWORD")<tls>})'
    ),
}

_JS_CERTIFICATES = (
    "const read = require('fs').readFileSync, tls = {ca: read(process.env.REDIS_TLS_CA_FILE), "
    "cert: read(process.env.REDIS_TLS_CERT_FILE), key: read(process.env.REDIS_TLS_KEY_FILE)};"
)
_BEFORE: Mapping[str, str] = {
    "redis-py": (
        'tls = dict(ssl_ca_certs=os.environ["REDIS_TLS_CA_FILE"], '
        'ssl_certfile=os.environ["REDIS_TLS_CERT_FILE"], ssl_keyfile=os.environ["REDIS_TLS_KEY_FILE"]);'
    ),
    "ioredis": _JS_CERTIFICATES,
    "node-redis": _JS_CERTIFICATES,
    "phpredis": (
        "$tls = ['cafile' => getenv('REDIS_TLS_CA_FILE'), 'local_cert' => getenv('REDIS_TLS_CERT_FILE'), "
        "'local_pk' => getenv('REDIS_TLS_KEY_FILE')];"
    ),
    "Spring": (
        "spring.data.redis.ssl.bundle=redis\n"
        "spring.ssl.bundle.pem.redis.truststore.certificate=file:${REDIS_TLS_CA_FILE}\n"
        "spring.ssl.bundle.pem.redis.keystore.certificate=file:${REDIS_TLS_CERT_FILE}\n"
        "spring.ssl.bundle.pem.redis.keystore.private-key=file:${REDIS_TLS_KEY_FILE}\n"
    ),
    "go-redis": (
        'cert, _ := tls.LoadX509KeyPair(os.Getenv("REDIS_TLS_CERT_FILE"), os.Getenv("REDIS_TLS_KEY_FILE")); '
        'pem, _ := os.ReadFile(os.Getenv("REDIS_TLS_CA_FILE")); ca := x509.NewCertPool(); '
        "ca.AppendCertsFromPEM(pem); "
        "secured := &tls.Config{RootCAs: ca, Certificates: []tls.Certificate{cert}};"
    ),
}

_OF_NODE_REDIS = ", socket: {tls: true, ...tls}"
_TLS: Mapping[str, Mapping[str, str]] = {
    "redis-cli": {
        "<tls>": (
            ' --tls --cacert "$REDIS_TLS_CA_FILE" --cert "$REDIS_TLS_CERT_FILE" --key "$REDIS_TLS_KEY_FILE"'
        )
    },
    "redis-py": {
        "<tls of a url>": ", **tls",
        "<tls of a sentinel>": ', "ssl": True, **tls',
        "<tls>": ", ssl=True, **tls",
    },
    "ioredis": {
        "<tls of a url>": ", {tls}",
        "<tls of a sentinel>": ", tls, sentinelTLS: tls, enableTLSForSentinelMode: true",
        "<tls>": ", tls",
    },
    "node-redis": {"<tls>": _OF_NODE_REDIS, "'redis://'": "'rediss://'"},
    "phpredis": {
        "<scheme>": "'tls://' . ",
        "<tls>": ", 0, null, 0, 0, ['stream' => $tls]",
        "<tls of a sentinel>": ", 'ssl' => $tls",
        "<tls of a cluster>": ", $tls",
    },
    "go-redis": {"<tls of a url>": " opt.TLSConfig = secured;", "<tls>": ", TLSConfig: secured"},
}
"""Client -> what stands in the places of a line; nothing where nodes speak plain TCP."""

_PLACES = re.compile(r"<(?:tls[a-z ]*|scheme)>")
_OLD_PHPREDIS = re.compile(r"version_compare\(.*?\) \? .*? : ")
"""Before version 6 its client for sentinels has no TLS."""


def ready_lines(environment: Mapping[str, str], *, proxied: bool = False) -> Mapping[str, str]:
    """Client -> its line, for what these variables lead to; `proxied`: to a proxy."""
    if "REDIS_SENTINELS" in environment and not proxied:
        lines = _SENTINEL
    else:
        lines = _CLUSTER if "REDIS_CLUSTER_NODES" in environment else _FIXED
    encrypted = _is_encrypted(environment)
    return {client: _filled(client, line, encrypted=encrypted) for client, line in lines.items()}


def before_lines(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Client -> what reads the certificates that its line uses; empty where nodes speak plain TCP."""
    return _BEFORE if _is_encrypted(environment) else {}


def _is_encrypted(environment: Mapping[str, str]) -> bool:
    return environment["REDIS_URL"].startswith("rediss:")


def _filled(client: str, line: str, *, encrypted: bool) -> str:
    if encrypted:
        line = _OLD_PHPREDIS.sub("", line)
        for place, text in _TLS.get(client, {}).items():
            line = line.replace(place, text)
    return _PLACES.sub("", line)
