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

# No engine answers, but one that was killed may have left its pid file, and its containerd running
# without it; dockerd does not start beside either.
sweep_after_killed_engine() {
  local run=/var/run/docker pid deadline=$((SECONDS + 10))
  pid=$(cat "$run.pid" 2>/dev/null) && lives "$pid" dockerd && return
  rm -f "$run.pid"
  pid=$(cat "$run/containerd/containerd.pid" 2>/dev/null) || return 0
  if lives "$pid" containerd; then
    kill "$pid"
    while lives "$pid" containerd && ((SECONDS < deadline)); do sleep 0.2; done
  fi
  rm -f "$run/containerd/containerd.pid"
}

# Whether a process of that name runs under that pid; one that is dead and not yet reaped does not.
lives() { [[ $(cat "/proc/$1/comm" 2>/dev/null) == "$2" && $(cut -d' ' -f3 "/proc/$1/stat") != Z ]]; }

start_engine() {
  [[ $(id -u) == 0 ]] || fail "starting an engine needs root: run 'sudo make docker-engine'"
  if [[ -d /run/systemd/system ]]; then
    say "starting the docker service"
    systemctl start docker || fail "systemctl start docker failed: see journalctl -u docker"
  else
    say "no systemd here: starting dockerd in the background, log in $log"
    sweep_after_killed_engine
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
