# Read by docker-engine.sh, image.sh and kit-image.sh: where this machine gets its Debian packages from.
# No mirror is named anywhere in this project; what apt is configured to use is used.

say() { echo "${0##*/}: $*" >&2; }
fail() { say "$*"; exit 1; }
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Print the address of the first Debian archive, the security one aside, of the machine's own apt.
debian_mirror() {
  local found
  command -v apt-get >/dev/null || fail "needs a Debian machine, found one without apt-get"
  [[ -r $keyring ]] || fail "needs $keyring: apt-get install debian-archive-keyring"
  found=$(debian_archives)
  if [[ -z $found && $(id -u) == 0 ]]; then
    # Without package lists, as on a fresh machine, apt cannot tell whose archive an address is.
    apt-get update -qq >&2 || fail "apt-get update failed: no packages can be had on this machine"
    found=$(debian_archives)
  fi
  [[ -n $found ]] || fail "apt knows no Debian archive here: configure one and run apt-get update as root"
  echo "$found"
}

debian_archives() {
  apt-get indextargets --format '$(ORIGIN)|$(COMPONENT)|$(CODENAME)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    awk -F '|' '$1 == "Debian" && $2 == "main" && $3 !~ /-(security|updates|backports)$/ {print $4; exit}'
}

# What makes a folder with a Debian in it, installed if root may do so.
needs_mmdebstrap() {
  command -v mmdebstrap >/dev/null && return
  [[ $(id -u) == 0 ]] || fail "needs mmdebstrap: apt-get install mmdebstrap"
  say "installing mmdebstrap"
  debian_mirror >/dev/null
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mmdebstrap >&2 ||
    fail "apt-get install mmdebstrap failed"
}

# The proxy of the machine's own apt; nothing: it has none.
debian_proxy() {
  local found
  found=$(apt-config shell proxy Acquire::http::Proxy) # proxy='...' or nothing
  found=${found#*=}
  echo "${found//\'/}"
}
