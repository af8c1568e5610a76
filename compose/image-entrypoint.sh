#!/bin/sh
# Entrypoint of the node image: what people write in Compose files for published Redis images works here
# too. A command that begins with an option or names a .conf goes to the server; a server that root starts
# runs as the user of its package, who then owns what is mounted in the working directory.
set -e
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
  set -- redis-server "$@"
fi
if [ "$1" = redis-server -o "$1" = valkey-server ] && [ "$(id -u)" = 0 ]; then
  for user in redis valkey; do
    if id "$user" >/dev/null 2>&1; then
      find . ! -user "$user" -exec chown "$user" '{}' + 2>/dev/null || true
      exec setpriv --reuid="$user" --regid="$user" --init-groups "$0" "$@"
    fi
  done
fi
exec "$@"
