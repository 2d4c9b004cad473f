"""The `tidegate` command: its commands, and the one place where errors become text and exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from tidegate import __version__
from tidegate.cli import agent, deliver, files, look, undo
from tidegate.cli.text import clean
from tidegate.errors import InternalError, TidegateError

app = typer.Typer(
    name="tidegate",
    help="From a commit to production without one failed request, and back by itself.",
    epilog="Begin with: tidegate init, tidegate check, tidegate deploy.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help, which needs no rich and so answers at once
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tidegate {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """From a commit to production without one failed request, and back by itself."""


files.register(app)
deliver.register(app)
undo.register(app)
look.register(app)
agent.register(app)


def run(argv: Sequence[str]) -> int:
    """Run one command; its exit code. 0: done, 1: an error, 2: wrong usage, 130: interrupted."""
    try:
        code = app(args=list(argv), standalone_mode=False, prog_name="tidegate")
    except TidegateError as error:
        render_error(error, as_json="--json" in argv)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 0
    except Exception as error:
        return _usage_or_bug(error, argv)
    return code if isinstance(code, int) else 0


def _usage_or_bug(error: Exception, argv: Sequence[str]) -> int:
    show = getattr(error, "show", None)  # a usage error of the command line parser
    if callable(show):
        show()
        return int(getattr(error, "exit_code", 2))
    if type(error).__name__ == "Abort":
        return 130
    import os
    import traceback

    if os.environ.get("TIDEGATE_DEBUG"):
        traceback.print_exc()
    text = f"{type(error).__name__}: {error}"
    hint = "This is a bug in Tidegate. TIDEGATE_DEBUG=1 shows where it happened."
    render_error(InternalError(text, hint=hint), as_json="--json" in argv)
    return 1


def render_error(error: TidegateError, *, as_json: bool) -> None:
    """Say what happened, the evidence, what to do, and where the manual has more."""
    if as_json:
        sys.stdout.write(json.dumps({"kind": "error", "error": error.to_payload()}) + "\n")
        sys.stdout.flush()
        return
    lines = [f"error: {clean(error.message)} [{error.code}]"]
    lines += [f"  | {clean(line)}" for line in error.details]
    if error.hint:
        lines.append(f"hint: {clean(error.hint)}")
    lines.append(f"manual: {error.page}")
    sys.stderr.write("\n".join(lines) + "\n")
