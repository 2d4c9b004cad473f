"""The `tidegate` command: its commands, and the one place where errors become text and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from tidegate import __version__
from tidegate.cli import agent, deliver, files, look, undo
from tidegate.cli.parser import Parser, WrongUsage
from tidegate.cli.text import clean, write_json
from tidegate.errors import InternalError, TidegateError


def program() -> Parser:
    """The command line: all commands, with their options."""
    program = Parser(
        prog="tidegate",
        description="From a commit to production without one failed request, and back by itself.",
        epilog="Begin with: tidegate init, tidegate check, tidegate deploy.",
        group=True,
    )
    program.add_argument(
        "--version", action="version", version=f"tidegate {__version__}", help="Say which version this is."
    )
    for commands in (files, deliver, undo, look, agent):
        commands.register(program)
    return program


def run(argv: Sequence[str]) -> int:
    """Run one command; its exit code. 0: done, 1: an error, 2: wrong usage, 130: interrupted."""
    try:
        command, fields = program().parse(argv)
        return command(**fields) or 0
    except SystemExit as end:  # help or the version was asked for
        return int(end.code or 0)
    except WrongUsage as error:
        usage, hint = error.parser.format_usage(), f"{error.parser.prog} --help"
        sys.stderr.write(f"{usage}error: {clean(error.message)}\nhint: {hint}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        known = error if isinstance(error, TidegateError) else _bug(error)
        render_error(known, as_json="--json" in argv)
        return known.exit_code


def _bug(error: Exception) -> InternalError:
    import os
    import traceback

    if os.environ.get("TIDEGATE_DEBUG"):
        traceback.print_exception(error)
    hint = "This is a bug in Tidegate. TIDEGATE_DEBUG=1 shows where it happened."
    return InternalError(f"{type(error).__name__}: {error}", hint=hint)


def render_error(error: TidegateError, *, as_json: bool) -> None:
    """Say what happened, the evidence, what to do, and where the manual has more."""
    if as_json:
        write_json({"kind": "error", "error": error.to_payload()})
        return
    lines = [f"error: {clean(error.message)} [{error.code}]"]
    lines += [f"  | {clean(line)}" for line in error.details]
    if error.hint:
        lines.append(f"hint: {clean(error.hint)}")
    lines.append(f"manual: {error.page}")
    sys.stderr.write("\n".join(lines) + "\n")
