"""The `sigtrace` command, which `python -m sigtrace` is too."""

import signal

# Before anything else is imported: an interrupt meanwhile ends the process, and leaves no traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)

from sigtrace.cli import main  # noqa: E402

if __name__ == "__main__":
    main()
