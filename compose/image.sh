#!/bin/bash
# Builds a node image out of Debian packages, without any registry: `make image`.
# Usage: image.sh TAG SUITE PACKAGE...   (harness/topology/docker/image.py knows which go together)
#
# The kit's own compose files say what runs in it. For the files of other people it has the names, the
# entrypoint and the defaults of published images. `built` is raised whenever that changes.
# iptables and iproute2 are for the helper container that cuts links where the kit is not root.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
built=2
source "$here/debian.sh"

(($# >= 3)) || fail "usage: image.sh TAG SUITE PACKAGE..."
tag=$1 suite=$2
shift 2
docker info >/dev/null 2>&1 || fail "needs a Docker engine that answers: make docker-engine"
packages=$(IFS=,; echo "$*,iptables,iproute2,procps")

needs_mmdebstrap
mirror=$(debian_mirror)
proxy=$(debian_proxy)

# Under the name of a sentinel the same program is one.
names='bin="$1/usr/local/bin"; ln -s redis-server "$bin/valkey-server"
  for engine in redis valkey; do
    if [ -x "$1/usr/bin/$engine-server" ]; then
      ln -s "/usr/bin/$engine-server" "$bin/redis-sentinel"; ln -s redis-sentinel "$bin/valkey-sentinel"
      [ -e "$1/usr/bin/redis-cli" ] || ln -s "/usr/bin/$engine-cli" "$bin/redis-cli"
    fi
  done'

root=$(mktemp --suffix=.tar)
trap 'rm -f "$root"' EXIT
say "building $tag from $suite: $packages"
mmdebstrap --quiet --variant=essential --include="$packages" \
  --aptopt='Acquire::Languages "none"' ${proxy:+--aptopt="Acquire::http::Proxy \"$proxy\""} \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
  --customize-hook='mkdir -p "$1/data"; for user in redis valkey; do if chroot "$1" id $user >/dev/null 2>&1; then chroot "$1" chown $user: /data; fi; done' \
  --customize-hook="install -m 755 '$here/image-entrypoint.sh' \"\$1/usr/local/bin/docker-entrypoint.sh\"" \
  --customize-hook="install -m 755 '$here/image-server.sh' \"\$1/usr/local/bin/redis-server\"" \
  --customize-hook="$names" \
  "$suite" "$root" "deb [signed-by=$keyring] $mirror $suite main" >&2 || fail "mmdebstrap failed"
# A proxy has no server: what it runs is always said.
server=$(tar -tf "$root" | sed -n 's#^\./usr/bin/\(redis\|valkey\)-server$#\1-server#p' | head -n 1)
docker import --change 'WORKDIR /data' --change 'EXPOSE 6379' --change 'VOLUME /data' \
  --change 'ENTRYPOINT ["docker-entrypoint.sh"]' --change "LABEL failover-kit.built=$built" \
  ${server:+--change "CMD [\"$server\"]"} \
  --change "LABEL failover-kit.image=$suite" "$root" "$tag" >/dev/null || fail "docker import failed"
say "built $tag"
