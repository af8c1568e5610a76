#!/bin/bash
# Builds the image in which the kit itself runs, out of Debian packages and pinned Python packages: `make kit-image`.
# Usage: kit-image.sh TAG KIT ROOT PINS SUITE PYTHON PART...   (harness/topology/docker/kit_image.py knows them)
#
# TAG is its name; KIT a mark of the kit's files, which are the PARTs of ROOT; PINS a file of pinned packages
# without conditions, for the PYTHON of the Debian SUITE.
# No registry is asked: Debian's mirror is that of this machine's apt, Python's index that of its pip.
# There are two layers, and what is below changes seldom: Debian, Python, servers and packages first, then
# the kit. `built` is raised whenever this file changes what is below.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
built=1
home=/opt/failover-kit
glibc=36 # the newest that a package may ask for; each suite that has such a Python has it
source "$here/debian.sh"

(($# >= 7)) || fail "usage: kit-image.sh TAG KIT ROOT PINS SUITE PYTHON PART..."
tag=$1 kit=$2 root=$3 pins=$4 suite=$5 python=$6
shift 6
docker info >/dev/null 2>&1 || fail "needs a Docker engine that answers: make docker-engine"
machine=$(uname -m)
base=${tag%:*}:base
state=$built-$suite-$machine-$(sha256sum <"$pins" | cut -c 1-16)

label() { docker image inspect --format "{{index .Config.Labels \"$2\"}}" "$1" 2>/dev/null || true; }

work=$(mktemp -d)
container=
ended() { rm -rf "$work"; [[ -z $container ]] || docker rm --force "$container" >/dev/null 2>&1 || true; }
trap ended EXIT

below() {
  needs_mmdebstrap
  local mirror proxy platforms
  mirror=$(debian_mirror)
  proxy=$(debian_proxy)
  say "fetching the pinned Python packages"
  # They are for the image's Python, whichever has this pip; nothing is built, so nothing of it is run.
  platforms=$(for ((n = glibc; n >= 5; n--)); do printf -- '--platform manylinux_2_%s_%s ' $n "$machine"; done)
  # shellcheck disable=SC2086  # several words are meant
  "$root/.venv/bin/python" -m pip install -qq --disable-pip-version-check --no-compile --no-deps \
    --only-binary :all: --require-hashes --implementation cp --python-version $python $platforms \
    --platform "manylinux2014_$machine" --platform "manylinux1_$machine" --platform "linux_$machine" \
    --target "$work/packages" --requirement "$pins" >&2 || fail "pip could not fetch them"
  # Tests of the packages are a fifth of all that they bring.
  find "$work/packages" -depth -type d \( -name tests -o -name test \) -path '*/*/*' \
    ! -path '*/numpy/*' -exec rm -rf {} +
  say "building $base from $suite"
  mmdebstrap --quiet --variant=essential \
    --include=python3,redis-server,redis-tools,haproxy,libfaketime \
    --aptopt='Acquire::Languages "none"' ${proxy:+--aptopt="Acquire::http::Proxy \"$proxy\""} \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' \
    --customize-hook='rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/*' \
    --customize-hook="mkdir -p \"\$1$home\" \"\$1/results\"" \
    --customize-hook="sync-in '$work/packages' /usr/lib/python3/dist-packages" \
    --customize-hook="echo $home >\"\$1/usr/lib/python3/dist-packages/failover-kit.pth\"" \
    --customize-hook='chroot "$1" python3 -m compileall -q -j 0 /usr/lib/python3/dist-packages || true' \
    "$suite" "$work/root.tar" "deb [signed-by=$keyring] $mirror $suite main" >&2 || fail "mmdebstrap failed"
  docker import --change "LABEL failover-kit.base=$state" "$work/root.tar" "$base" >/dev/null ||
    fail "docker import failed"
  rm -f "$work/root.tar"
}

[[ $(label "$base" failover-kit.base) == "$state" ]] || below
say "putting the kit into $tag"
container=$(docker create --network none "$base" python3 -m compileall -q "$home")
tar -C "$root" --exclude=__pycache__ --owner=0 --group=0 -cf - "$@" | docker cp - "$container:$home"
docker start --attach "$container" >&2 || fail "its modules cannot be compiled"
docker commit --change "LABEL failover-kit.kit=$kit" --change "WORKDIR $home" \
  --change 'ENV PYTHONUNBUFFERED=1 MPLCONFIGDIR=/tmp/matplotlib' \
  --change 'ENTRYPOINT ["python3", "-P", "-m", "failover_kit"]' --change 'CMD ["--help"]' \
  "$container" "$tag" >/dev/null || fail "docker commit failed"
say "built $tag"
