"""How clients connect to nodes, one line for each client, from the variables that `--env` prints.

Lines hold names of variables, never a password: what is typed into a shell ends up in its history and in the
list of processes.
"""

from __future__ import annotations

from collections.abc import Mapping


def _js_addresses(variable: str) -> str:
    return f"process.env.{variable}.split(',').map(s => ({{host: s.split(':')[0], port: +s.split(':')[1]}}))"


_FIXED: Mapping[str, str] = {
    "redis-cli": 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli -h "$REDIS_HOST" -p "$REDIS_PORT"',
    "redis-py": 'redis.Redis.from_url(os.environ["REDIS_URL"])',
    "ioredis": "new Redis(process.env.REDIS_URL)",
    "node-redis": "createClient({url: process.env.REDIS_URL})",
    "phpredis": (
        "$r = new Redis(); $r->connect(getenv('REDIS_HOST'), (int) getenv('REDIS_PORT')); "
        "$r->auth(getenv('REDIS_PASSWORD'));"
    ),
    "Spring": "spring.data.redis.url=${REDIS_URL}",
    "go-redis": 'opt, _ := redis.ParseURL(os.Getenv("REDIS_URL")); redis.NewClient(opt)',
}

_SENTINEL: Mapping[str, str] = {
    "redis-cli": (
        'REDISCLI_AUTH="$REDIS_SENTINEL_PASSWORD" redis-cli -h "${REDIS_SENTINELS%%:*}" '
        '-p "$(echo "$REDIS_SENTINELS" | cut -d, -f1 | cut -d: -f2)" '
        'sentinel get-master-addr-by-name "$REDIS_SERVICE"'
    ),
    "redis-py": (
        'Sentinel([s.split(":") for s in os.environ["REDIS_SENTINELS"].split(",")], '
        'sentinel_kwargs={"password": os.environ["REDIS_SENTINEL_PASSWORD"]})'
        '.master_for(os.environ["REDIS_SERVICE"], password=os.environ["REDIS_PASSWORD"])'
    ),
    "ioredis": (
        f"new Redis({{sentinels: {_js_addresses('REDIS_SENTINELS')}, name: process.env.REDIS_SERVICE, "
        "password: process.env.REDIS_PASSWORD, sentinelPassword: process.env.REDIS_SENTINEL_PASSWORD})"
    ),
    "node-redis": (
        f"createSentinel({{name: process.env.REDIS_SERVICE, "
        f"sentinelRootNodes: {_js_addresses('REDIS_SENTINELS')}, "
        "nodeClientOptions: {password: process.env.REDIS_PASSWORD}, "
        "sentinelClientOptions: {password: process.env.REDIS_SENTINEL_PASSWORD}})"
    ),
    "phpredis": (
        "[$h, $p] = explode(':', explode(',', getenv('REDIS_SENTINELS'))[0]); "
        "$a = getenv('REDIS_SENTINEL_PASSWORD'); $s = version_compare(phpversion('redis'), '6', '<') ? "
        "new RedisSentinel($h, (int) $p, 0, null, 0, 0, $a) : "
        "new RedisSentinel(['host' => $h, 'port' => (int) $p, 'auth' => $a]); "
        "[$h, $p] = $s->getMasterAddrByName(getenv('REDIS_SERVICE')); "
        "$r = new Redis(); $r->connect($h, (int) $p); $r->auth(getenv('REDIS_PASSWORD'));"
    ),
    "Spring": (
        "spring.data.redis.sentinel: {master: ${REDIS_SERVICE}, nodes: ${REDIS_SENTINELS}, "
        "password: ${REDIS_SENTINEL_PASSWORD}}; spring.data.redis.password: ${REDIS_PASSWORD}"
    ),
    "go-redis": (
        'redis.NewFailoverClient(&redis.FailoverOptions{MasterName: os.Getenv("REDIS_SERVICE"), '
        'SentinelAddrs: strings.Split(os.Getenv("REDIS_SENTINELS"), ","), '
        'SentinelPassword: os.Getenv("REDIS_SENTINEL_PASSWORD"), Password: os.Getenv("REDIS_PASSWORD")})'
    ),
}

_CLUSTER: Mapping[str, str] = {
    "redis-cli": 'REDISCLI_AUTH="$REDIS_PASSWORD" redis-cli -c -h "$REDIS_HOST" -p "$REDIS_PORT"',
    "redis-py": 'redis.RedisCluster.from_url(os.environ["REDIS_URL"])',
    "ioredis": (
        f"new Redis.Cluster({_js_addresses('REDIS_CLUSTER_NODES')}, "
        "{redisOptions: {password: process.env.REDIS_PASSWORD}})"
    ),
    "node-redis": (
        "createCluster({rootNodes: process.env.REDIS_CLUSTER_NODES.split(',')"
        ".map(s => ({url: 'redis://' + s})), defaults: {password: process.env.REDIS_PASSWORD}})"
    ),
    "phpredis": (
        "$r = new RedisCluster(null, explode(',', getenv('REDIS_CLUSTER_NODES')), 1.5, 1.5, false, "
        "getenv('REDIS_PASSWORD'));"
    ),
    "Spring": (
        "spring.data.redis.cluster.nodes: ${REDIS_CLUSTER_NODES}; "
        "spring.data.redis.password: ${REDIS_PASSWORD}"
    ),
    "go-redis": (
        'redis.NewClusterClient(&redis.ClusterOptions{Addrs: strings.Split(os.Getenv("REDIS_CLUSTER_NODES"), '
        '","), Password: os.Getenv("REDIS_PASSWORD")})'
    ),
}


def ready_lines(environment: Mapping[str, str]) -> Mapping[str, str]:
    """Client -> its line, for what these variables lead to."""
    if "REDIS_SENTINELS" in environment:
        return _SENTINEL
    return _CLUSTER if "REDIS_CLUSTER_NODES" in environment else _FIXED
