"""The demo's last will: a process of its own that ends what the demo has started, should the demo be killed.

It reads lines of `pid signal` from its standard input. The end of input without the word DISMISSED before means that the demo
is gone without having cleaned up: every program is ended and the folder removed. It uses the standard library alone.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

DISMISSED = "dismissed"
PATIENCE_SECONDS = 8.0


def runs(pid: int) -> bool:
    """Whether the process still runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def end(programs: list[tuple[int, int]]) -> None:
    """End the programs, the last started first, each with its signal; kill what does not go in time."""
    for pid, farewell in reversed(programs):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, farewell)
            deadline = time.monotonic() + PATIENCE_SECONDS
            while runs(pid) and time.monotonic() < deadline:
                time.sleep(0.05)
            os.kill(pid, signal.SIGKILL)


def main(folder: str) -> None:
    """Wait for the demo's end."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    programs: list[tuple[int, int]] = []
    for line in sys.stdin:
        if line.strip() == DISMISSED:
            return
        pid, farewell = line.split()
        programs.append((int(pid), int(farewell)))
    end(programs)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1])
