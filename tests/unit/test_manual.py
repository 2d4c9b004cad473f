"""The manual keeps up with the program: a page an error, links that lead somewhere, commands that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tidegate.cli.main import program
from tidegate.cli.parser import Parser
from tidegate.errors import all_errors

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = DOCS / "errors"
INDEX = PAGES / "README.md"
MANUAL = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md"), *ROOT.glob("examples/*/README.md")])
CODES = sorted({error.code for error in all_errors()})

FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,})[^\n]*\n(?P<body>.*?)^ *(?P=ticks) *$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^ {4}(?P<body>\S[^\n]*)$", re.M)
SPAN = re.compile(r"(?<!`)`(?P<body>[^`\n]+)`(?!`)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *$", re.M)
ASSIGNMENT = re.compile(r"[A-Z_]+=")


class Shown(NamedTuple):
    """A command that the manual shows, and where: `file:line`."""

    place: str
    line: str


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def headings(path: Path) -> list[str]:
    return [match[0] for match in HEADING.finditer(FENCE.sub("", path.read_text()))]


# --- a page an error ---------------------------------------------------------------------------------


@pytest.mark.parametrize("code", CODES)
def test_every_error_has_a_page_that_says_what_happened_and_what_to_do(code: str) -> None:
    page = PAGES / f"{code}.md"
    assert page.is_file(), f"write {relative(page)}"
    found = headings(page)
    assert found[0] == f"# {code}"
    wanted = ["## What happened", "## What to do"]
    assert [heading for heading in found if heading in wanted] == wanted


def test_every_page_belongs_to_an_error() -> None:
    assert {page.stem for page in PAGES.glob("*.md")} - {INDEX.stem} == set(CODES)


def test_the_index_lists_every_error_once() -> None:
    listed = re.findall(r"^\| \[([a-z-]+)\]\(\1\.md\)", INDEX.read_text(), re.M)
    assert sorted(listed) == CODES


@pytest.mark.parametrize("code", CODES)
def test_a_page_says_whether_to_try_again_as_the_program_does(code: str) -> None:
    error = next(error for error in all_errors() if error.code == code)
    opening = (PAGES / f"{code}.md").read_text().split("\n", 3)[2]
    assert opening.startswith("Retryable" if error.retryable else "Permanent")


# --- links -------------------------------------------------------------------------------------------


def slug(heading: str) -> str:
    """The anchor that a forge gives a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


@cache
def anchors(path: Path) -> frozenset[str]:
    return frozenset(slug(match["text"]) for match in HEADING.finditer(FENCE.sub("", path.read_text())))


@pytest.mark.parametrize("path", MANUAL, ids=relative)
def test_links_between_files_lead_somewhere(path: Path) -> None:
    text = FENCE.sub("", path.read_text())
    for match in LINK.finditer(text):
        target, _, anchor = match["target"].partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{relative(path)} links to {target}, which is not there"
        assert file.is_relative_to(ROOT), f"{relative(path)} links out of the repository: {target}"
        assert not anchor or anchor in anchors(file), f"{relative(path)} links to {match['target']}: no such heading"


# --- commands ----------------------------------------------------------------------------------------


def commands_in(path: Path) -> Iterator[Shown]:
    """Every `tidegate …` in code blocks and code spans."""
    text = path.read_text()
    prose = FENCE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text)
    places = [*FENCE.finditer(text), *INDENTED.finditer(prose), *SPAN.finditer(prose)]
    for match in places:
        first = text.count("\n", 0, match.start("body")) + 1
        for offset, line in enumerate(match["body"].replace("\\\n", "  ").split("\n")):
            for command in re.split(r"\|\||&&|[|;&]", re.sub(r"(^|\s)#.*", "", line)):
                words = command.replace("$ ", "", 1).split()
                while words and (words[0] == "sudo" or ASSIGNMENT.match(words[0])):
                    words.pop(0)
                if words and words[0] == "tidegate":
                    yield Shown(f"{relative(path)}:{first + offset}", " ".join(words))


def fault_in(line: str) -> str | None:
    """What is wrong with a command that the manual shows."""
    command, words = program(), shlex.split(line, posix=True)[1:]
    while words and command.commands and not words[0].startswith("-"):
        name = words.pop(0)
        if name not in command.commands:
            return f"no command {name!r} in {command.prog}; there are {', '.join(command.commands)}"
        command = command.commands[name]
    for word in words:
        if word in {"<", ">", ">>", "2>"}:
            break
        option = word.partition("=")[0]
        if option.startswith("-") and option != "-" and option not in command.options():
            return f"{command.prog} has no option {option}"
    return None


SHOWN = [shown for path in MANUAL for shown in commands_in(path)]


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: f"{shown.place} {shown.line}")
def test_every_command_that_the_manual_shows_exists(shown: Shown) -> None:
    assert (fault := fault_in(shown.line)) is None, f"{shown.place}: {shown.line}: {fault}"


def test_commands_are_found_where_they_are_shown() -> None:
    assert len({shown.place.split(":")[0] for shown in SHOWN}) > 10


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert fault_in("tidegate deploi staging") is not None
    assert fault_in("tidegate agent statsu") is not None
    assert fault_in("tidegate deploy staging --dry-run") is not None
    assert fault_in("tidegate deploy staging --wait") is None


def test_every_command_is_in_the_guide() -> None:
    def paths(command: Parser) -> Iterator[str]:
        for child in command.commands.values():
            yield from paths(child)
        if not command.commands:
            yield command.prog

    shown = {shown.line for shown in commands_in(DOCS / "guide.md")}
    missing = [path for path in paths(program()) if not any(f"{line} ".startswith(f"{path} ") for line in shown)]
    assert not missing
