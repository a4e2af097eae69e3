"""The command, from its first moment: `python -m exporter` and `ledger-exporter`."""

from __future__ import annotations

import os
import signal


def _end(number: int, _frame: object) -> None:
    """End as the signal says; where this is a container's first process, which such a signal does not end, by an exit code."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)


def main() -> None:
    """Run the command line, ready to be ended before anything else is loaded: loading takes most of the start."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    from exporter.cli import main as run  # noqa: PLC0415 - see above

    signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
