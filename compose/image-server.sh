#!/bin/sh
# Stands before the server of the node image. Published images are built with protected mode off; Debian's
# server has it on, and would refuse every other container. A file or an option that says so is obeyed.
server=/usr/bin/redis-server
[ -x "$server" ] || server=/usr/bin/valkey-server
case "$1" in -v | --version | -h | --help | --test-memory | --check-system) exec "$server" "$@" ;; esac
for word in "$@"; do
  case "$word" in --protected-mode | --sentinel) exec "$server" "$@" ;; esac
  if [ -f "$word" ] && grep -qi '^[[:space:]]*protected-mode' "$word" 2>/dev/null; then exec "$server" "$@"; fi
done
exec "$server" "$@" --protected-mode no
