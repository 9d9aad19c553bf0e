#!/usr/bin/env bash
# Install what `make demo`, `make notebook`, `make test`, `make bench` or `make matrix` needs: system packages, then a virtual
# environment. Safe to repeat; if nothing is missing it takes a fraction of a second, without apt, pip or the network.
#
#   scripts/setup.sh demo|notebook|test|bench|matrix
set -euo pipefail
cd "$(dirname "$0")/.."

readonly VENV=${VENV:-.venv}
readonly FOR=${1:?usage: scripts/setup.sh demo|notebook|test|bench|matrix}

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# --- system packages -------------------------------------------------------------------------------------

debian_packages() {
  echo python3 python3-venv
  [[ $FOR == @(demo|notebook|matrix) ]] || echo python3-bpfcc gcc libc6-dev util-linux libcap2-bin iproute2 procps strace jq tini dumb-init
  [ "$FOR" != bench ] || echo bpftrace libbpf-tools "$(perf_package)"
}
# Emulators, and what makes a guest's disks, for tests/guests.
guest_packages() {
  [ "$FOR" = matrix ] || return 0
  echo mmdebstrap debian-archive-keyring gpgv e2fsprogs
  [[ ${ARCH:-amd64} != *amd64* ]] || echo qemu-system-x86
  [[ ${ARCH:-arm64} != *arm64* ]] || echo qemu-system-arm
}
# Container runtimes, for tests/runtimes. One that is already installed, from any source, is left as it is.
runtime_packages() {
  [ "$FOR" = test ] || return 0
  local pair
  for pair in dockerd=docker.io podman=podman conmon=conmon runc=runc crun=crun containerd=containerd \
    busybox=busybox-static catatonit=catatonit lxc-start=lxc systemd-nspawn=systemd-container; do
    PATH=$PATH:/usr/sbin:/sbin command -v "${pair%%=*}" >/dev/null || echo "${pair#*=}"
  done
}
# Programs for tests/programs. Most are services, which the distribution starts at the next boot: they are installed only
# where SIGTRACE_REQUIRE has `programs`, as on a machine for CI.
readonly PROGRAMS="apache2-bin bind9 caddy cron dnsmasq-base docker-registry etcd-server gunicorn haproxy ksh \
lighttpd make mariadb-server-core memcached mksh mosquitto nats-server netcat-openbsd nginx nodejs openssh-server perl \
pgbouncer php-fpm postgresql prometheus prometheus-alertmanager \
prometheus-node-exporter redis-server rsyslog ruby runit s6 slapd socat stunnel4 supervisor \
tinyproxy-bin unbound uwsgi-core varnish vsftpd"
program_packages() {
  [[ $FOR != test || ,${SIGTRACE_REQUIRE:-}, != *,programs,* ]] || echo "$PROGRAMS"
}
# What tests of the manual pages and of completion use.
help_packages() {
  [ "$FOR" != test ] || echo groff-base mandoc bash-completion zsh fish
}
# A browser for tests/browser, and a font for it.
browser_packages() {
  [ "$FOR" = test ] || return 0
  command -v chromium >/dev/null || command -v google-chrome >/dev/null || echo chromium
  echo fonts-dejavu-core
}
perf_package() { if grep -q '^ID=ubuntu' /etc/os-release; then echo linux-tools-generic; else echo linux-perf; fi; }
# Older releases lack some of these: some tests, or a line of the benchmark, are then skipped.
readonly OPTIONAL=" catatonit chromium mandoc fish zsh podman conmon crun bpftrace libbpf-tools linux-perf linux-tools-generic $PROGRAMS "

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
optional() { [[ $OPTIONAL == *" $1 "* ]]; }
known() { [[ $(apt-cache policy "$1" 2>/dev/null) =~ Candidate:\ [^\(] ]]; }
have_lists() { compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; }
may_root() { [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; }; }
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
apt_get() {
  local log status=0
  log=$(mktemp)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$log" 2>&1 || status=$?
  [ "$status" = 0 ] || tail -n 20 "$log" >&2
  rm -f "$log"
  return "$status"
}

# Install the missing ones of the given packages; never remove a package for them.
install_debian() {
  local package missing=() wanted=()
  for package in "$@"; do installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! may_root; then
    say "not root, and sudo is not permitted; continuing without: ${missing[*]}"
    say "to install them, as root:  apt-get install ${missing[*]}"
    return 0
  fi
  for package in "${missing[@]}"; do
    if known "$package" || { have_lists && optional "$package"; }; then continue; fi
    say "apt-get update"
    apt_get update || say "apt-get update failed; trying with the existing package lists"
    break
  done
  for package in "${missing[@]}"; do
    if known "$package"; then
      wanted+=("$package")
    elif ! optional "$package"; then
      say "no package $package in apt's sources; on Ubuntu: add-apt-repository universe"
    fi
  done
  [ ${#wanted[@]} -gt 0 ] || return 0
  say "apt-get install ${wanted[*]}"
  apt_get --no-remove install --no-install-recommends "${wanted[@]}" && return 0
  say "failed; trying again with new package lists"
  { apt_get update && apt_get --no-remove install --no-install-recommends "${wanted[@]}"; } ||
    say "continuing, but apt-get could not install: ${wanted[*]}"
}

# Do not let the installation start the daemons of runtimes and other programs: the tests start their own.
readonly POLICY=/usr/sbin/policy-rc.d
install_unstarted() {
  [ $# -gt 0 ] || return 0
  if may_root && [ ! -e "$POLICY" ]; then
    trap 'as_root rm -f "$POLICY"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$POLICY" >/dev/null
    as_root chmod 755 "$POLICY"
  fi
  install_debian "$@"
}

# --- the virtual environment -----------------------------------------------------------------------------

# Print the first interpreter that sigtrace supports and that can make a virtual environment.
supported_python() {
  local python
  for python in python3 /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3.10; do
    "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || continue
    command -v "$python"
    return 0
  done
  die "needs Python 3.10 or later with venv; found $(python3 -V 2>&1 || echo none)"
}

# Identify what the environment was made from: it is updated when any of this changes.
stamp() { { echo "$1 $PWD/$VENV"; cat pyproject.toml; } | sha256sum | cut -d' ' -f1; }
is_made() { [ "$(cat "$VENV/.set-up-$1" 2>/dev/null)" = "$(stamp "$1")" ]; }

install_python() {
  local extra='' kind=run python
  case $FOR in
    demo) ;;
    notebook) extra='[notebook]' kind=notebook ;;
    *) extra='[dev]' kind=dev ;;
  esac
  if "$VENV/bin/python" -c '' 2>/dev/null && { is_made dev || is_made "$kind"; }; then return 0; fi
  if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(supported_python)
    say "$python -m venv $VENV ($("$python" -V))"
    "$python" -m venv --clear "$VENV"
  fi
  say "pip install -e .$extra"
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -e ".$extra"
  stamp "$kind" >"$VENV/.set-up-$kind"
}

mkdir -p .cache
exec 9>.cache/setup.lock
flock 9 2>/dev/null || true # concurrent makes take turns
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  install_debian $(debian_packages) $(browser_packages) $(help_packages) $(guest_packages)
  install_unstarted $(runtime_packages) $(program_packages)
fi
install_python
