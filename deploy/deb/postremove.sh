#!/bin/sh
# dpkg: remove, upgrade, or purge, with which the recording goes; rpm: 0, or 1 for an upgrade.
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
if [ "$1" = purge ]; then
  rm -rf /var/lib/sigtrace /etc/sigtrace
fi
