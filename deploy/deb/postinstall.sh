#!/bin/sh
# dpkg: configure [the version before]; rpm: 1, or 2 for an upgrade.
set -e
[ "$1" = configure ] || [ "$1" = 1 ] || [ "$1" = 2 ] || exit 0
# The agent's user could not write what Python compiles, and every start would compile it again.
/usr/bin/python3 -m compileall -q /usr/lib/sigtrace || true
if command -v systemd-sysusers >/dev/null; then systemd-sysusers /usr/lib/sysusers.d/sigtrace.conf; fi
if [ -d /run/systemd/system ]; then
  systemctl daemon-reload
  if [ -n "$2" ] || [ "$1" = 2 ]; then
    systemctl try-restart sigtrace-agent.service || failed=1
  else
    systemctl enable --now sigtrace-agent.service || failed=1
  fi
  # A setting that cannot be used is no reason to leave the package half installed.
  [ -z "${failed:-}" ] || echo "sigtrace: the agent did not start: systemctl status sigtrace-agent says why" >&2
fi
