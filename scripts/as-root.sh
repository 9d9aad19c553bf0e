#!/usr/bin/env bash
# Run a command as root if we may (sudo asks for a password on a terminal only); otherwise as whoever we are,
# saying what that costs.
#
#   scripts/as-root.sh COMMAND [ARGUMENT]...
set -euo pipefail
if [ "$(id -u)" = 0 ]; then exec "$@"; fi
if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
  # Nothing root writes may stay behind in a tree that belongs to someone else.
  exec sudo --preserve-env=CI,COLUMNS,NO_COLOR,FORCE_COLOR,SIGTRACE_REQUIRE env PYTHONDONTWRITEBYTECODE=1 "$@"
fi
printf '==> not root, and sudo does not let us: the live kernel is out of reach. As root:  make %s\n' "${MAKE_GOAL:-}" >&2
exec "$@"
