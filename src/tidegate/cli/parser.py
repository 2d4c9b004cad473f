"""What argparse reads the command line with: a tree of parsers whose options are values.

Every command waits for this import, so it needs nothing but argparse. It decides nothing and prints only help.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

WIDTH = 78  # columns; to ask the terminal costs each command, not only its help, an import of 5 ms

Run = Callable[..., int | None]


class Option(NamedTuple):
    """An option or an argument: what `ArgumentParser.add_argument` takes."""

    names: tuple[str, ...]
    settings: dict[str, Any]


def option(*names: str, **settings: Any) -> Option:
    """An option; without leading dashes, an argument."""
    return Option(names, settings)


def flag(*names: str, **settings: Any) -> Option:
    """An option without a value."""
    return Option(names, {"action": "store_true", **settings})


class WrongUsage(Exception):
    """Words that `parser` cannot make a command of."""

    def __init__(self, parser: Parser, message: str) -> None:
        super().__init__(message)
        self.parser = parser
        self.message = message


class Formatter(argparse.HelpFormatter):
    """Help whose lines are kept, and broken only where they are too long."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=WIDTH)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n".join(line if len(line) <= width else fill(line, width, indent) for line in text.splitlines())

    def _format_action(self, action: argparse.Action) -> str:
        text = super()._format_action(action)
        if action.nargs != argparse.PARSER:
            return text
        return "".join(line[2:] for line in text.splitlines(keepends=True)[1:])  # without a line that says COMMAND


class Parser(argparse.ArgumentParser):
    """Reads one command, or a group's. `commands` are those of a group, by name."""

    def __init__(self, *, group: bool = False, **settings: Any) -> None:
        super().__init__(formatter_class=Formatter, allow_abbrev=False, add_help=False, **settings)
        self.add_argument("-h", "--help", action="help", help="Show this message and exit.")
        self.commands: Mapping[str, Parser] = {}
        if group:
            self._group = self.add_subparsers(title="commands", metavar="COMMAND", prog=self.prog)
            self.commands = self._group.choices
            self.set_defaults(run=self._without_command)

    def add_command(self, run: Run, *options: Option, epilog: str = "") -> None:
        """Add a command to this group: named as the function that takes its options, explained by its docstring."""
        about = run.__doc__ or ""
        parser = self._group.add_parser(run.__name__, help=_opening(about), description=about, epilog=epilog)
        for names, settings in options:
            parser.add_argument(*names, **settings)
        parser.set_defaults(run=run)

    def add_group(self, name: str, about: str) -> Parser:
        """Add a group of commands to this group."""
        return self._group.add_parser(name, help=about, description=about, group=True)

    def parse(self, words: Sequence[str]) -> tuple[Run, dict[str, Any]]:
        """The function that the words ask for, and its arguments.

        Raises `WrongUsage`; help and version are written to the output and end in `SystemExit`.
        """
        if self.commands and words and not words[0].startswith("-"):
            name, *rest = words
            if name not in self.commands:
                raise WrongUsage(self, f"there is no command {name}{_nearest(name, self.commands)}")
            return self.commands[name].parse(rest)
        # Intermixed: options may stand between a command's arguments. A group has none and cannot be read so.
        read = self.parse_known_args if self.commands else self.parse_known_intermixed_args
        found, unknown = read(words)
        for word in unknown:
            name = word.partition("=")[0]
            if name.startswith("-"):
                raise WrongUsage(self, f"there is no option {name}{_nearest(name, self.options())}")
            raise WrongUsage(self, f"{word} is one argument too many")
        fields = vars(found)
        return fields.pop("run"), fields

    def options(self) -> list[str]:
        """The names of all options, dashes included."""
        return list(self._option_string_actions)

    def error(self, message: str) -> NoReturn:
        """Leave it to the caller to say so."""
        raise WrongUsage(self, message)

    def _without_command(self) -> int:
        self.print_help(sys.stderr)
        return 2


def _opening(text: str) -> str:
    """The first sentence."""
    return text.partition(". ")[0].removesuffix(".") + "."


def _nearest(word: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches

    bare = {name.lstrip("-"): name for name in known}  # dashes would make all options alike
    found = [bare[match] for match in get_close_matches(word.lstrip("-"), bare)]
    return f"; did you mean {' or '.join(found)}?" if found else ""
