#!/bin/bash
# Installs and starts a Docker engine, and the compose plug-in, on a Debian machine that lacks them:
# `make docker-engine`. Does only what is missing, so a second call changes nothing; an engine that
# answers is never touched. Nothing else of the kit calls this.
#
# The trap: Debian 12 packages Compose only in its old first version. The plug-in is therefore taken
# out of Debian 13's package, fetched with an apt state of its own so that the machine's sources and
# its idea of what is installed stay as they are.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/debian.sh"

log=${DOCKERD_LOG:-/var/log/failover-kit-dockerd.log}
wait_s=60

install_engine() {
  [[ $(id -u) == 0 ]] || fail "installing an engine needs root: run 'sudo make docker-engine'"
  debian_mirror >/dev/null
  apt-get update -qq >&2
  local packages=(docker.io iptables)
  # From Debian 13 on the command line is a package of its own, which docker.io only recommends.
  apt-cache show docker-cli >/dev/null 2>&1 && packages+=(docker-cli)
  say "installing ${packages[*]}"
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2 ||
    fail "apt-get install ${packages[*]} failed"
}

start_engine() {
  [[ $(id -u) == 0 ]] || fail "starting an engine needs root: run 'sudo make docker-engine'"
  if [[ -d /run/systemd/system ]]; then
    say "starting the docker service"
    systemctl start docker || fail "systemctl start docker failed: see journalctl -u docker"
  else
    say "no systemd here: starting dockerd in the background, log in $log"
    # An engine that was killed leaves its pid behind; dockerd will not start where some other process has it.
    local pid_file=/var/run/docker.pid
    if [[ -f $pid_file && $(cat "/proc/$(<"$pid_file")/comm" 2>/dev/null) != dockerd ]]; then
      rm -f "$pid_file"
    fi
    setsid nohup dockerd >"$log" 2>&1 </dev/null &
  fi
  local deadline=$((SECONDS + wait_s))
  until docker info >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      [[ -f $log ]] && tail -n 15 "$log" >&2
      fail "the engine does not answer after $wait_s s"
    fi
    sleep 0.5
  done
}

install_compose() {
  local mirror plugins
  mirror=$(debian_mirror)
  plugins=/usr/local/lib/docker/cli-plugins
  [[ $(id -u) == 0 ]] || plugins=${DOCKER_CONFIG:-$HOME/.docker}/cli-plugins
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work"/{lists/partial,cache/archives/partial,out}
  chmod 755 "$work" # apt fetches as its own user
  echo "deb [signed-by=$keyring] $mirror trixie main" >"$work/sources.list"
  : >"$work/status"
  local apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::State::status=$work/status" -o "Dir::Cache=$work/cache"
    -o Acquire::Languages=none -o APT::Sandbox::User="$(id -un)")
  say "taking the compose plug-in from Debian 13's package docker-compose"
  "${apt[@]}" update >&2 || fail "no package list of Debian 13 (trixie) at this machine's mirror $mirror"
  (cd "$work" && "${apt[@]}" download docker-compose >&2) || fail "docker-compose cannot be fetched from $mirror"
  dpkg -x "$work"/docker-compose_*.deb "$work/out"
  mkdir -p "$plugins"
  install -m 755 "$(find "$work/out" -type f -name docker-compose -path '*cli-plugins*')" "$plugins/docker-compose"
}

command -v dockerd >/dev/null || docker info >/dev/null 2>&1 || install_engine
docker info >/dev/null 2>&1 || start_engine
docker compose version >/dev/null 2>&1 || install_compose
say "engine $(docker version --format '{{.Server.Version}}'), compose $(docker compose version --short)"
