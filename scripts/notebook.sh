#!/usr/bin/env bash
# Start JupyterLab on notebooks/, for `make notebook`. It listens on loopback, and prints the address with its token.
#
#   scripts/notebook.sh BIN [OPTION]...        BIN: the virtual environment's bin; options are JupyterLab's
#
# Its state is in a temporary directory, so that only what you save is written into the checkout, and no kernel or
# setting of another installation applies.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=$(realpath "${1:?usage: scripts/notebook.sh BIN [OPTION]...}")
shift
state=$(mktemp -d)
trap 'rm -rf "$state"' EXIT
export JUPYTER_CONFIG_DIR=$state/config JUPYTER_DATA_DIR=$state/data JUPYTER_RUNTIME_DIR=$state/run IPYTHONDIR=$state/ipython
export JUPYTER_PREFER_ENV_PATH=1 PATH=$BIN:$PATH TMPDIR=$state/tmp
mkdir "$TMPDIR"
options=(
  --ServerApp.ip=127.0.0.1 --no-browser
  --ServerApp.root_dir="$PWD" --LabApp.default_url=/lab/tree/notebooks/01-first-look.ipynb
  --KernelManager.transport=ipc            # kernels listen in $state, not on a port
  --FileContentsManager.use_atomic_writing=False  # a saved file keeps its owner
  --FileCheckpoints.checkpoint_dir="$state/checkpoints"
  --LabApp.news_url=None --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate  # asks no network
)
[ "$(id -u)" != 0 ] || options+=(--allow-root)
"$BIN/python" -m jupyterlab "${options[@]}" "$@"
