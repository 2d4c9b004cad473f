"""Keeps a detached agent alive where no systemd does: starts it again when it dies, and nothing else.

Standard library only and no work of its own, so that it has nothing to die of.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from types import FrameType

from tidegate.client.protocol import EXIT_NOT_ALONE, EXIT_STOPPED

PAUSES = (0.0, 0.1, 0.5, 2.0, 10.0)  # seconds before the next start, after failures in a row
WELL = 30.0  # an agent that lived this long has not failed to start


def main() -> int:
    """Run the agent until it ends of its own will; its exit code."""
    child: subprocess.Popen[bytes] | None = None

    def pass_on(number: int, _: FrameType | None) -> None:
        if child is not None:
            child.send_signal(number)

    signal.signal(signal.SIGTERM, pass_on)
    signal.signal(signal.SIGINT, pass_on)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    failures = 0
    while True:
        began = time.monotonic()
        child = subprocess.Popen([sys.executable, "-m", "tidegate.agent"], stdin=subprocess.DEVNULL)
        code = child.wait()
        if code in (EXIT_STOPPED, EXIT_NOT_ALONE, -signal.SIGTERM, -signal.SIGINT):
            return max(code, 0)
        if code < 0:  # killed: no fault of its own, however often
            time.sleep(PAUSES[1])
            continue
        failures = 1 if time.monotonic() - began > WELL else failures + 1
        if failures > len(PAUSES):
            return 1
        time.sleep(PAUSES[failures - 1])


if __name__ == "__main__":
    sys.exit(main())
