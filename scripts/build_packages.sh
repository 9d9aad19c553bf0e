#!/usr/bin/env bash
# Make the packages of the agent for this distribution's Python: dist/sigtrace_VERSION_ARCH.deb, or an rpm.
#
#   scripts/build_packages.sh [deb|rpm] [DIRECTORY]
set -euo pipefail
cd "$(dirname "$0")/.."

readonly KIND=${1:-deb} OUT=$(realpath -m "${2:-dist}")
readonly BIN=$(realpath -s "${VENV:-.venv}/bin") SYSTEM=/usr/bin/python3
BUILD=$(mktemp -d)
trap 'rm -rf "$BUILD"' EXIT
export BUILD TREE=$BUILD/tree

VERSION=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' sigtrace/_version.py)
ARCH=$(dpkg --print-architecture 2>/dev/null || uname -m)
PYTHON=$("$SYSTEM" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
NEXT_PYTHON=$("$SYSTEM" -c 'import sys; print("%d.%d" % (sys.version_info[0], sys.version_info[1] + 1))')
export VERSION ARCH PYTHON NEXT_PYTHON

readonly SITE=$TREE/usr/lib/sigtrace
mkdir -p "$SITE" "$TREE/usr/bin" "$TREE/usr/share/bash-completion/completions" "$TREE/usr/share/doc/sigtrace" "$OUT"
"$BIN/python" -m build --wheel --outdir "$BUILD" . >"$BUILD/log" 2>&1 || { cat "$BUILD/log" >&2; exit 1; }
pip() { "$BIN/python" -m pip --python "$SYSTEM" --quiet --disable-pip-version-check --no-input "$@"; }
pip install --no-compile --target "$SITE" --no-deps "$BUILD"/*.whl
# What a node needs: docs/install.md has the same list.
pip install --no-compile --target "$SITE" --only-binary :all: numpy pyarrow click rich jinja2 prometheus-client bcrypt
rm -rf "$SITE"/bin "$SITE"/pyarrow/{tests,include} "$SITE"/numpy/{tests,*/tests}
[ ! -d "$SITE/share" ] || cp -r "$SITE/share" "$TREE/usr/" && rm -rf "$SITE/share"
find "$TREE/usr/share/man" -name '*.1' -exec gzip -9n {} + 2>/dev/null || true

cat >"$TREE/usr/bin/sigtrace" <<'COMMAND'
#!/usr/bin/python3 -I
import sys
sys.path.insert(0, "/usr/lib/sigtrace")
from sigtrace.__main__ import main
main()
COMMAND
chmod 755 "$TREE/usr/bin/sigtrace"
"$BIN/sigtrace" completion bash >"$TREE/usr/share/bash-completion/completions/sigtrace"
"$BIN/sigtrace" agent --defaults >"$BUILD/agent.toml"
cat LICENSE bpf/LICENSE >"$TREE/usr/share/doc/sigtrace/copyright"
gzip -9nc CHANGELOG.md >"$TREE/usr/share/doc/sigtrace/changelog.gz"
find "$TREE" -type d -exec chmod 755 {} +

"$BIN/python" - deploy/deb/nfpm.yaml >"$BUILD/nfpm.yaml" <<'FILL'
import os, string, sys
print(string.Template(open(sys.argv[1]).read()).substitute(os.environ))
FILL
"$BIN/nfpm" package --config "$BUILD/nfpm.yaml" --packager "$KIND" --target "$OUT"
