#!/bin/sh
cat > /data/sentinel.conf <<END
port 26379
sentinel monitor mymaster 172.29.46.10 6379 2
sentinel auth-pass mymaster $REDIS_PASSWORD
sentinel down-after-milliseconds mymaster 2000
sentinel failover-timeout mymaster 6000
END
exec redis-server /data/sentinel.conf --sentinel
