"""`python -m tidegate` and the `tidegate` command."""

from __future__ import annotations

import gc
import sys


def main() -> None:
    """Run the command line."""
    gc.disable()  # a command lives too short to have garbage worth collecting
    from tidegate.cli.main import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
