#!/bin/sh
cat > /data/sentinel.conf <<END
port 26379
sentinel monitor mymaster 172.29.50.10 6379 1
sentinel down-after-milliseconds mymaster 2000
sentinel failover-timeout mymaster 6000
END
redis-sentinel /data/sentinel.conf &
exec redis-server --save "" ${PRIMARY:+--replicaof $PRIMARY 6379}
