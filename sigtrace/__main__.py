"""The `sigtrace` command, which `python -m sigtrace` is too."""

import os
import signal

# Before anything else is imported: an interrupt meanwhile ends the process, and leaves no traceback.
signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """Run the command line; or answer a shell that asks for completions, without importing it."""
    if "_SIGTRACE_COMPLETE" in os.environ:
        from sigtrace.completion.shells import main as complete

        complete()
        return
    from sigtrace.cli import main as run

    run()


if __name__ == "__main__":
    main()
