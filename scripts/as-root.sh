#!/usr/bin/env bash
# Run a command as root if possible (sudo asks for a password on a terminal only); otherwise as the current user, with a
# warning.
#
#   scripts/as-root.sh COMMAND [ARGUMENT]...
set -euo pipefail
if [ "$(id -u)" = 0 ]; then exec "$@"; fi
if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
  # Root must not leave .pyc files in a tree that belongs to another user.
  exec sudo --preserve-env=CI,COLUMNS,NO_COLOR,FORCE_COLOR,SIGTRACE_REQUIRE env PYTHONDONTWRITEBYTECODE=1 "$@"
fi
printf '==> not root, and sudo is not permitted: the live kernel cannot be traced. As root:  make %s\n' "${MAKE_GOAL:-}" >&2
exec "$@"
