#!/bin/sh
# dpkg: remove, or upgrade; rpm: 0, or 1 for an upgrade.
set -e
[ "$1" = remove ] || [ "$1" = 0 ] || exit 0
if [ -d /run/systemd/system ]; then systemctl disable --now sigtrace-agent.service; fi
# What Python has compiled since is in no list of files.
find /usr/lib/sigtrace -name __pycache__ -type d -prune -exec rm -rf {} +
